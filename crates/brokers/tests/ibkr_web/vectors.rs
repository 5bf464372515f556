//! What an independent client signs with the same keys at the same moment, for it to be the same to the letter.

use atomik_brokers::interactive_brokers::web::oauth::exchange::{EXPONENT, Mismatch};
use atomik_brokers::interactive_brokers::web::oauth::keys::Keys;
use atomik_brokers::interactive_brokers::web::oauth::signing::{
    Moment, base_string, percent, signed, signed_challenge,
};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use reqwest::Url;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    exponent: String,
    challenge: String,
    secret: String,
    nonce: String,
    timestamp: i64,
    asked: String,
    exchanges: Vec<Exchange>,
    signed: Vec<Signed>,
}

#[derive(Deserialize)]
struct Exchange {
    what: String,
    response: String,
    signature: String,
}

#[derive(Deserialize)]
struct Signed {
    response: String,
    method: String,
    url: String,
    header: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("oauth_vectors.json")).unwrap()
}

impl Vectors {
    fn exponent(&self) -> [u8; EXPONENT] {
        hex::decode(&self.exponent).unwrap().try_into().unwrap()
    }

    fn moment(&self) -> Moment {
        Moment { nonce: self.nonce.clone(), timestamp: self.timestamp }
    }
}

async fn keys() -> Keys {
    Keys::read(&IbkrWebVenue::start_oauth_lenient().await.credentials(&[])).unwrap()
}

#[tokio::test]
async fn the_challenge_and_the_request_for_a_token_are_the_same() {
    let (vectors, keys) = (vectors(), keys().await);
    let secret = keys.secret().unwrap();
    assert_eq!(hex::encode(&*secret), vectors.secret, "decrypted with a key in PKCS#1");
    let challenge = keys.group().challenge(&vectors.exponent());
    assert_eq!(challenge, vectors.challenge);
    let url = "https://api.ibkr.com/v1/api/oauth/live_session_token".parse().unwrap();
    let header = signed_challenge(&keys, &secret, &challenge, &url, &vectors.moment()).unwrap();
    assert_eq!(header, vectors.asked, "signed with a key in PKCS#8");
    assert!(header.is_sensitive());
}

#[tokio::test]
async fn tokens_and_what_they_sign_are_the_same_whatever_the_shared_secret_begins_with() {
    let (vectors, keys) = (vectors(), keys().await);
    let secret = keys.secret().unwrap();
    assert_eq!((vectors.exchanges.len(), vectors.signed.len()), (4, 16));
    for exchange in &vectors.exchanges {
        let shared = || keys.group().shared(&exchange.response, &vectors.exponent()).unwrap();
        let token = shared().token(&secret, "ATOMIKTST", &exchange.signature);
        let token = token.unwrap_or_else(|_| panic!("another token: {}", exchange.what));
        for request in vectors.signed.iter().filter(|request| request.response == exchange.response) {
            let header =
                signed(&keys, &token, &request.method, &request.url.parse().unwrap(), &vectors.moment())
                    .unwrap();
            assert_eq!(header, request.header, "{} {}", request.method, request.url);
            assert!(header.is_sensitive());
        }
        // What the broker signed for somebody else, a part of it, or nothing at all.
        let flipped = exchange.signature.replace(['0', '1'], "2");
        for wrong in [flipped.as_str(), &exchange.signature[..38], "", "no digits"] {
            assert_eq!(shared().token(&secret, "ATOMIKTST", wrong).unwrap_err(), Mismatch, "{wrong}");
        }
        assert!(shared().token(&secret, "SOMEBODYS", &exchange.signature).is_err());
    }
}

/// The example of RFC 5849, section 3.4.1.1, as far as it goes by the query.
#[test]
fn parameters_are_encoded_twice_and_sorted() {
    let url: Url = "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b".parse().unwrap();
    let own =
        [("oauth_consumer_key", "9djdj82h48djs9d2"), ("oauth_nonce", "7d8f3e4a"), ("c2", ""), ("a3", "2 q")];
    let own = own.map(|(name, value)| (name, value.to_owned()));
    assert_eq!(
        base_string("POST", &url, &own),
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2\
         %3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a"
    );
    // A space in a query may be a plus.
    let url: Url = "https://api.ibkr.com/v1/api/trsrv/stocks?symbols=BRK+B".parse().unwrap();
    assert_eq!(
        base_string("GET", &url, &[]),
        "GET&https%3A%2F%2Fapi.ibkr.com%2Fv1%2Fapi%2Ftrsrv%2Fstocks&symbols%3DBRK%2520B"
    );
    assert_eq!(percent("aZ09-._~ +/=:\u{e9}"), "aZ09-._~%20%2B%2F%3D%3A%C3%A9");
}

#[tokio::test]
async fn nothing_of_keys_and_tokens_shows() {
    let (vectors, keys) = (vectors(), keys().await);
    let shared = keys.group().shared(&vectors.exchanges[0].response, &vectors.exponent()).unwrap();
    assert_eq!(format!("{keys:?} {:?} {shared:?}", keys.group()), "Keys Group Shared");
    let secret = keys.secret().unwrap();
    let token = shared.token(&secret, "ATOMIKTST", &vectors.exchanges[0].signature).unwrap();
    assert_eq!(format!("{token:?}"), "LiveToken");
    let header = signed(&keys, &token, "GET", &"https://a.example/".parse().unwrap(), &vectors.moment());
    assert_eq!(format!("{header:?}"), "Some(Sensitive)");
}

#[test]
fn nonces_are_of_letters_and_digits() {
    let moment = Moment::new([0, 31, 32, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 7);
    assert_eq!((moment.nonce.as_str(), moment.timestamp), ("A7A7BCDEFGHIJKLM", 7));
}
