//! Settings, credentials, and what the trader is told when a connection does not come about.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::alpaca::AlpacaConnector;
use atomik_brokers::wire::UrlRules;
use atomik_domain::Environment;
use atomik_ports::broker::BrokerError;
use atomik_ports::{BrokerConnector, Credentials, SystemClock};
use atomik_testkit::venues::alpaca::{AlpacaVenue, Blocks, KEY_ID, SECRET_KEY};
use serde_json::json;
use tokio::sync::mpsc;

use super::setup::{Setup, account, buy, connect, connector, credentials, policy, settings, symbol};

#[test]
fn settings_are_given_back_in_full_and_addresses_need_the_operators_word() {
    let strict = AlpacaConnector::new(Arc::new(SystemClock), UrlRules::default(), policy());
    assert_eq!(strict.check_settings(Environment::Live, &json!({})).unwrap(), json!({"fractional": true}));
    let off = json!({"fractional": false});
    assert_eq!(strict.check_settings(Environment::Paper, &off).unwrap(), off);
    let elsewhere = json!({"base_url": "http://127.0.0.1:1"});
    assert_eq!(
        strict.check_settings(Environment::Paper, &elsewhere).unwrap_err()[0].field,
        "settings.base_url"
    );
    let open = connector().check_settings(Environment::Paper, &elsewhere).unwrap();
    assert_eq!(open, json!({"fractional": true, "base_url": "http://127.0.0.1:1"}));
    let demo = strict.check_settings(Environment::Demo, &json!({})).unwrap_err();
    assert_eq!(demo[0].field, "environment");
}

#[test]
fn credentials_are_checked_by_form_and_never_shown() {
    let check = |given: &Credentials| connector().check_credentials(Environment::Paper, given);
    assert!(check(&credentials(KEY_ID, SECRET_KEY)).is_ok());
    assert!(
        check(&credentials(&format!(" {KEY_ID}\n"), SECRET_KEY)).is_ok(),
        "what was copied along is cut off"
    );
    let errors = check(&credentials("", "has a space")).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["credentials.key_id", "credentials.secret_key"]);
    assert!(!format!("{errors:?}").contains("has a space"));
    assert!(!format!("{:?}", credentials(KEY_ID, SECRET_KEY)).contains(SECRET_KEY));
}

async fn refusal(venue: &AlpacaVenue, environment: Environment, key_id: &str) -> String {
    let (sender, _reports) = mpsc::channel(1);
    let account = account(environment, settings(venue));
    match connector().connect(&account, &credentials(key_id, "wrongSecretWrongSecret"), sender).await {
        Err(BrokerError::Unauthorized(sentence)) => sentence,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("wrong keys were taken"),
    }
}

#[tokio::test]
async fn keys_of_the_other_environment_are_recognized() {
    let venue = AlpacaVenue::start().await;
    let paper_on_live = refusal(&venue, Environment::Live, "PKAAAAAAAAAAAAAAAAAA").await;
    assert!(paper_on_live.contains("keys of paper trading"), "{paper_on_live}");
    let live_on_paper = refusal(&venue, Environment::Paper, "AKAAAAAAAAAAAAAAAAAA").await;
    assert!(live_on_paper.contains("keys of a live account"), "{live_on_paper}");
    for sentence in [paper_on_live, live_on_paper] {
        assert!(!sentence.contains("wrongSecret") && sentence.ends_with('.'), "{sentence}");
    }
}

#[tokio::test]
async fn a_blocked_account_says_so() {
    let venue = AlpacaVenue::start().await;
    let cases = [
        (Blocks { account: true, ..Blocks::default() }, "blocked this account"),
        (Blocks { trading: true, ..Blocks::default() }, "blocked trading"),
        (Blocks { by_user: true, ..Blocks::default() }, "suspended"),
    ];
    for (blocks, said) in cases {
        venue.block(blocks);
        let refused = connect(&venue, &credentials(KEY_ID, SECRET_KEY)).await.map(drop).unwrap_err();
        assert!(
            matches!(&refused, BrokerError::Unauthorized(sentence) if sentence.contains(said)),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn trading_that_is_blocked_later_is_a_rejection_in_the_venues_words() {
    let setup = Setup::new().await;
    setup.venue.block(Blocks { trading: true, ..Blocks::default() });
    let reason = setup.reject(&buy("ACME", "1")).await;
    assert!(reason.contains("not allowed to trade"), "{reason}");
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let (sender, _reports) = mpsc::channel(1);
    let nowhere = account(Environment::Paper, json!({"base_url": "http://127.0.0.1:9"}));
    let refused = connector().connect(&nowhere, &credentials(KEY_ID, SECRET_KEY), sender).await;
    assert!(matches!(refused.map(drop), Err(BrokerError::Unavailable(_))));
}

#[tokio::test]
async fn text_frames_are_read_as_binary_ones_are() {
    let venue = AlpacaVenue::start().await;
    venue.set_binary(false);
    let mut setup = Setup::at(venue).await;
    let request = buy("ACME", "1");
    setup.accept(&request).await;
    let filled = async {
        loop {
            let report = setup.reports.recv().await.expect("the connection lives");
            if report.status.is_final() {
                return report;
            }
        }
    };
    let report = tokio::time::timeout(Duration::from_secs(20), filled).await.expect("a report in time");
    assert_eq!((report.client_order_id, report.executions.len()), (request.client_order_id, 1));
}

/// No task may outlive the connection.
#[tokio::test]
async fn a_dropped_connection_closes_its_stream_and_its_reports() {
    let venue = AlpacaVenue::start().await;
    let (broker, mut reports) = connect(&venue, &credentials(KEY_ID, SECRET_KEY)).await.unwrap();
    let mut subscribed = venue.subscribed();
    subscribed.wait_for(|count| *count == 1).await.unwrap();
    drop(broker);
    let ended = async {
        while reports.recv().await.is_some() {}
        subscribed.wait_for(|count| *count == 0).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("everything ends");
}

#[tokio::test]
async fn assets_are_found_by_symbol_and_name_only_by_customers() {
    let setup = Setup::new().await;
    let found = |query: &'static str| {
        let broker = Arc::clone(&setup.broker);
        async move {
            let found = broker.search_instruments(query, 10).await.unwrap();
            found.into_iter().map(|one| one.symbol.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(found("acme").await, ["ACME"]);
    assert_eq!(found("btcusd").await, ["BTC/USD"]);
    assert_eq!(found("foods nibble").await, ["NIBBLE"]);
    assert_eq!(found("nothing of that").await, Vec::<String>::new());
    assert!(connector().search_instruments("acme", 10).await.unwrap().is_empty());
    let unknown = setup.broker.instrument(&symbol("NOSUCH")).await;
    assert_eq!(unknown, Err(BrokerError::UnknownSymbol(symbol("NOSUCH"))));
}
