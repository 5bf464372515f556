//! Connecting: sessions, accounts, environments, settings.

use atomik_domain::Environment;
use atomik_ports::broker::BrokerError;
use atomik_ports::{BrokerConnector, Credentials};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use rstest::rstest;
use serde_json::{Value, json};

use super::setup::{NOW, connect_as, connector_at};

async fn told(venue: &IbkrWebVenue, environment: Environment, extra: Value) -> String {
    match connect_as(venue, environment, NOW, &extra).await.map(drop) {
        Err(BrokerError::Unauthorized(sentence)) => {
            assert!(sentence.ends_with('.'), "{sentence}");
            sentence
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn nobody_signed_in_says_where_to_sign_in() {
    let venue = IbkrWebVenue::start().await;
    venue.sign_out();
    let sentence = told(&venue, Environment::Paper, json!({})).await;
    assert!(sentence.contains(&format!("log in to the gateway at {}", venue.url())), "{sentence}");
}

#[tokio::test]
async fn a_competing_session_is_explained_and_taken_over_only_on_request() {
    let venue = IbkrWebVenue::start().await;
    venue.compete();
    let sentence = told(&venue, Environment::Paper, json!({})).await;
    assert!(sentence.contains("signed in elsewhere") && sentence.contains("set compete"), "{sentence}");
    connect_as(&venue, Environment::Paper, NOW, &json!({"compete": true})).await.unwrap();
    venue.assert_clean();
}

#[tokio::test]
async fn a_session_that_was_reset_is_opened_again() {
    let venue = IbkrWebVenue::start().await;
    venue.close_session();
    connect_as(&venue, Environment::Paper, NOW, &json!({})).await.unwrap();
    assert_eq!(venue.count("POST", "/iserver/auth/ssodh/init"), 1);
    venue.assert_clean();
}

#[tokio::test]
async fn an_account_of_the_other_environment_is_refused_before_anything_trades() {
    let venue = IbkrWebVenue::start().await;
    let sentence = told(&venue, Environment::Live, json!({})).await;
    assert!(sentence.contains("DU1234567 is a paper account"), "{sentence}");
    venue.set_accounts(&["U7654321"]);
    let sentence = told(&venue, Environment::Paper, json!({})).await;
    assert!(sentence.contains("U7654321 is a live account with real money"), "{sentence}");
    connect_as(&venue, Environment::Live, NOW, &json!({})).await.unwrap();
}

#[tokio::test]
async fn of_several_accounts_one_must_be_named_and_is_selected() {
    let venue = IbkrWebVenue::start().await;
    venue.set_accounts(&["DU1", "DU2"]);
    let sentence = told(&venue, Environment::Paper, json!({})).await;
    assert!(sentence.contains("set account to one of: DU1, DU2"), "{sentence}");
    let sentence = told(&venue, Environment::Paper, json!({"account": "DU3"})).await;
    assert!(sentence.contains("may not trade DU3"), "{sentence}");
    connect_as(&venue, Environment::Paper, NOW, &json!({"account": "DU2"})).await.unwrap();
    let selected = venue.received().into_iter().find(|one| one.path_and_query == "/v1/api/iserver/account");
    assert_eq!(selected.unwrap().body, r#"{"acctId":"DU2"}"#);
    venue.assert_clean();
}

#[tokio::test]
async fn a_gateway_that_is_not_running_is_unavailable() {
    let venue = IbkrWebVenue::start().await;
    let settings = json!({"gateway_url": "http://127.0.0.1:9"});
    let error = connect_as(&venue, Environment::Paper, NOW, &settings).await.map(drop).unwrap_err();
    assert!(matches!(error, BrokerError::Unavailable(_)), "{error:?}");
}

#[rstest]
#[case(json!({"gateway_url": "https://api.ibkr.com"}), "settings.gateway_url")]
#[case(json!({"gateway_url": "https://8.8.8.8"}), "settings.gateway_url")]
#[case(json!({"gateway_url": "http://192.168.1.2:5000"}), "settings.gateway_url")]
#[case(json!({"gateway_url": "https://169.254.169.254"}), "settings.gateway_url")]
#[case(json!({"gateway_url": "ftp://127.0.0.1"}), "settings.gateway_url")]
#[case(json!({"account": "U1/../x"}), "settings.account")]
#[case(json!({"answer_questions": ["yes"]}), "settings.answer_questions")]
#[case(json!({"answer_questions": "o163"}), "settings.answer_questions")]
#[case(json!({"roll_days_before_expiry": 61}), "settings.roll_days_before_expiry")]
#[case(json!({"compete": "yes"}), "settings.compete")]
#[case(json!({"base_url": "http://127.0.0.1"}), "settings.base_url")]
fn wrong_settings_are_named(#[case] settings: Value, #[case] field: &str) {
    let errors = connector_at(NOW).check_settings(Environment::Paper, &settings).unwrap_err();
    assert!(errors.iter().any(|error| error.field == field), "{errors:?}");
}

#[rstest]
#[case("https://127.0.0.1:5000")]
#[case("https://localhost:5000")]
#[case("http://127.0.0.1:5000")]
#[case("https://[::1]:5000")]
#[case("https://192.168.1.2:5000")]
#[case("https://10.0.0.2:5000")]
#[case("https://[fd00::1]:5000")]
fn near_gateways_are_taken(#[case] url: &str) {
    let settings = connector_at(NOW).check_settings(Environment::Live, &json!({"gateway_url": url})).unwrap();
    assert_eq!(settings["gateway_url"], url);
}

#[test]
fn settings_come_back_in_full() {
    let connector = connector_at(NOW);
    let settings = connector.check_settings(Environment::Paper, &json!({})).unwrap();
    assert_eq!(
        settings,
        json!({"gateway_url": "https://127.0.0.1:5000", "account": null, "compete": false, "answer_questions": [],
               "roll_days_before_expiry": 8})
    );
    assert_eq!(connector.check_settings(Environment::Paper, &settings).unwrap(), settings);
    assert_eq!(connector.check_settings(Environment::Demo, &json!({})).unwrap_err()[0].field, "environment");
    assert!(connector.check_credentials(Environment::Paper, &Credentials::default()).is_ok());
    assert_eq!(connector.description().broker.0, "interactive_brokers");
}
