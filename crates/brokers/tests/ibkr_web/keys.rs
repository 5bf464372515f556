//! The trader's keys: which forms are taken, and what is said of those that are not.

use atomik_brokers::interactive_brokers::web::oauth::keys::Keys;
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use rstest::rstest;

async fn venue() -> IbkrWebVenue {
    IbkrWebVenue::start_oauth_lenient().await
}

/// Of the one wrong field, its name and the problem.
async fn wrong(name: &str, text: &str) -> String {
    let errors = Keys::read(&venue().await.credentials(&[(name, text)])).unwrap_err();
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(text.len() < 5 || !error.problem.contains(text), "a value is told: {error:?}");
    format!("{}: {}", error.field.trim_start_matches("credentials."), error.problem)
}

#[tokio::test]
async fn both_forms_of_keys_and_of_the_prime_are_taken_with_what_surrounds_them() {
    let venue = venue().await;
    assert!(venue.key("signature_key").contains("BEGIN PRIVATE KEY"), "PKCS#8");
    assert!(venue.key("encryption_key").contains("BEGIN RSA PRIVATE KEY"), "PKCS#1");
    Keys::read(&venue.credentials(&[])).unwrap();
    // The prime alone, lines as another system ends them, words before and after.
    let windows = venue.key("encryption_key").replace('\n', "\r\n");
    let around = format!("my key\n{}and no more\n", venue.key("signature_key"));
    let secret = venue.key("access_token_secret");
    let folded = format!("{}\n{}", &secret[..64], &secret[64..]);
    let changes = [
        ("dh_parameters", venue.key("dh_prime")),
        ("encryption_key", windows),
        ("signature_key", around),
        ("access_token_secret", folded),
        ("consumer_key", " atomiktst ".to_owned()),
    ];
    let changes = changes.each_ref().map(|(name, text)| (*name, text.as_str()));
    Keys::read(&venue.credentials(&changes)).unwrap();
}

#[rstest]
#[case("consumer_key", "", "is missing")]
#[case("consumer_key", "ATOMIK TST", "one word")]
#[case("access_token", "7e57\"57", "one word")]
#[case("access_token_secret", "", "is missing")]
#[case("access_token_secret", "c2hvcnQ", "whole")]
#[case("access_token_secret", "c2hvcnQ=", "was not encrypted for this encryption key")]
#[case("signature_key", "", "is missing")]
#[case("signature_key", "private_signature.pem", "must be a private RSA key in PEM")]
#[case("encryption_key", "x", "must be a private RSA key in PEM")]
#[case("dh_parameters", "", "is missing")]
#[case("dh_parameters", "./dhparam.pem", "must be Diffie-Hellman parameters in PEM")]
#[case("dh_parameters", "f1234567", "a prime of 2048 bits")]
#[case(
    "signature_key",
    "-----BEGIN PRIVATE KEY-----\nMAcCAgDxAgEF\n-----END PRIVATE KEY-----",
    "an RSA key of 2048 bits"
)]
#[case(
    "encryption_key",
    "-----BEGIN RSA PRIVATE KEY-----\nMAcCAgDxAgEF\n-----END RSA PRIVATE KEY-----",
    "an RSA key of 2048 bits"
)]
#[case(
    "encryption_key",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAcCAgDxAgEF\n-----END ENCRYPTED PRIVATE KEY-----",
    "without a passphrase"
)]
#[case(
    "signature_key",
    "-----BEGIN PUBLIC KEY-----\nMAcCAgDxAgEF\n-----END PUBLIC KEY-----",
    "is the public key"
)]
#[tokio::test]
async fn each_wrong_field_is_named_with_what_is_wrong(
    #[case] name: &str,
    #[case] text: &str,
    #[case] problem: &str,
) {
    let told = wrong(name, text).await;
    assert!(told.starts_with(name) && told.contains(problem), "{told}");
}

#[tokio::test]
async fn swapped_keys_are_found_out_without_the_broker() {
    let venue = venue().await;
    let (signature, encryption) = (venue.key("signature_key"), venue.key("encryption_key"));
    let swapped = [("signature_key", encryption.as_str()), ("encryption_key", signature.as_str())];
    let errors = Keys::read(&venue.credentials(&swapped)).unwrap_err();
    let told: Vec<_> =
        errors.iter().map(|error| (error.field.as_str(), error.problem.contains("swapped"))).collect();
    assert_eq!(told, [("credentials.access_token_secret", true)]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let venue = venue().await;
    let names = [
        "consumer_key",
        "access_token",
        "access_token_secret",
        "signature_key",
        "encryption_key",
        "dh_parameters",
    ];
    let errors = Keys::read(&venue.credentials(&names.map(|name| (name, "")))).unwrap_err();
    let told: Vec<_> = errors.iter().map(|error| error.field.trim_start_matches("credentials.")).collect();
    assert_eq!(told, names);
}
