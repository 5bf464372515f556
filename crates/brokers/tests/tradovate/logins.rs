//! Logins: shared sessions, refusals, penalties, OAuth, accounts.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::wire::WirePolicy;
use atomik_domain::Side;
use atomik_ports::broker::BrokerError;
use atomik_ports::{Broker, BrokerConnector, Credentials};
use atomik_testkit::builders::START;
use atomik_testkit::venues::tradovate::{
    CLIENT_ID, CLIENT_SECRET, CODE, FakeTradovate, PASSWORD, REDIRECT_URI, REFRESH_TOKEN, SEC,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::setup::{DEADLINE, Setup, account, connector, connector_with, credentials, given, policy, spec};

async fn connect(
    venue: &FakeTradovate,
    connector: &impl BrokerConnector,
    id: i64,
    settings: Value,
    credentials: &Credentials,
) -> Result<Arc<dyn Broker>, BrokerError> {
    // The receiver lives as long as the test: the connection ends where nobody listens.
    let (sender, reports) = mpsc::channel(64);
    std::mem::forget(reports);
    connector.connect(&account(id, venue, settings), credentials, sender).await
}

fn asked(venue: &FakeTradovate, route: &str) -> usize {
    venue.server.received().iter().filter(|one| one.path_and_query.starts_with(route)).count()
}

#[tokio::test]
async fn accounts_of_one_login_share_a_session() {
    let setup = Setup::new().await;
    setup.venue.activate_second_account();
    for (id, name) in [(2, "DEMO1202"), (3, "1201")] {
        let settings = json!({"account": name});
        connect(&setup.venue, &setup.connector, id, settings, &credentials()).await.unwrap();
    }
    assert_eq!(setup.venue.logins_and_renewals(), (1, 0));
    assert_eq!(asked(&setup.venue, "/v1/auth/accesstokenrequest"), 1);
}

#[tokio::test]
async fn several_accounts_are_named_and_one_must_be_chosen() {
    let setup = Setup::new().await;
    setup.venue.activate_second_account();
    for (settings, said) in
        [(json!({}), "DEMO1201, DEMO1202"), (json!({"account": "DEMO9"}), "no account DEMO9")]
    {
        let result = connect(&setup.venue, &setup.connector, 2, settings, &credentials()).await;
        let Err(BrokerError::Unauthorized(sentence)) = result else { panic!("{said}") };
        assert!(sentence.contains(said) && sentence.ends_with('.'), "{sentence}");
    }
}

/// Five failures an hour close the venue to an address.
#[tokio::test]
async fn a_refused_login_is_not_asked_again_at_once_and_no_secret_is_in_what_is_said() {
    let setup = Setup::new().await;
    setup.venue.refuse_logins(&format!("The password {PASSWORD} is not registered for {SEC}"));
    let fresh = connector(START);
    for _ in 0..3 {
        let result = connect(&setup.venue, &fresh, 2, json!({}), &credentials()).await;
        let Err(BrokerError::Unauthorized(sentence)) = result else { panic!() };
        assert!(sentence.contains("not registered") && sentence.ends_with('.'), "{sentence}");
        assert!(!sentence.contains(PASSWORD) && !sentence.contains(SEC), "{sentence}");
    }
    assert_eq!(
        asked(&setup.venue, "/v1/auth/accesstokenrequest"),
        2,
        "one for the setup, one that was refused"
    );
}

#[tokio::test]
async fn a_login_waits_out_a_short_penalty_and_tells_of_a_long_one() {
    let venue = FakeTradovate::start(None).await;
    venue.penalize_login(1);
    connect(&venue, &connector(START), 1, json!({}), &credentials()).await.unwrap();
    let sent = venue.server.received();
    let bodies: Vec<Value> = sent
        .iter()
        .filter(|one| one.path_and_query == "/v1/auth/accesstokenrequest")
        .map(|one| serde_json::from_slice(&one.body).unwrap())
        .collect();
    let [first, second] = &bodies[..] else { panic!("{}", bodies.len()) };
    assert_eq!(second["p-ticket"], "login-ticket");
    assert_eq!(
        (&first["appId"], &first["name"], &first["deviceId"]),
        (&json!("Atomik"), &second["name"], &second["deviceId"])
    );
    venue.penalize_login(60);
    let fresh = connector(START);
    for _ in 0..2 {
        let result = connect(&venue, &fresh, 1, json!({}), &credentials()).await;
        assert!(matches!(result, Err(BrokerError::Unavailable(_))));
    }
    assert_eq!(asked(&venue, "/v1/auth/accesstokenrequest"), 3, "not before the penalty is over");
}

fn by_oauth(grant: &str, value: &str) -> Credentials {
    given(&[("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET), (grant, value)])
}

/// The document of 2021 has no refresh grant: the fake alone judges it.
#[tokio::test]
async fn a_refresh_token_logs_in_again_and_again() {
    let venue = FakeTradovate::start(None).await;
    let login = by_oauth("refresh_token", REFRESH_TOKEN);
    connect(&venue, &connector(START), 1, json!({}), &login).await.unwrap();
    connect(&venue, &connector(START), 1, json!({}), &login).await.unwrap();
    assert_eq!(venue.logins_and_renewals(), (2, 0));
    let result =
        connect(&venue, &connector(START), 1, json!({}), &by_oauth("refresh_token", "stale-token")).await;
    let Err(BrokerError::Unauthorized(sentence)) = result else { panic!() };
    assert!(sentence.contains("Sign in again") && !sentence.contains("stale-token"), "{sentence}");
}

#[tokio::test]
async fn an_authorization_code_is_used_once_and_its_session_outlives_a_connection() {
    let setup = Setup::new().await;
    let login = by_oauth("authorization_code", CODE);
    let missing = connect(&setup.venue, &setup.connector, 2, json!({}), &login).await;
    assert!(missing.is_err_and(|error| error.to_string().contains("redirect_uri")));
    let settings = json!({"redirect_uri": REDIRECT_URI});
    for _ in 0..2 {
        drop(connect(&setup.venue, &setup.connector, 2, settings.clone(), &login).await.unwrap());
    }
    assert_eq!(asked(&setup.venue, "/v1/auth/oauthtoken"), 1);
    // A program that starts anew has nothing but the code, which is spent.
    let result = connect(&setup.venue, &connector(START), 2, settings, &login).await;
    assert!(matches!(result, Err(BrokerError::Unauthorized(_))));
}

#[tokio::test]
async fn a_session_that_was_closed_elsewhere_is_begun_again_for_questions() {
    let setup = Setup::new().await;
    setup.venue.end_sessions();
    setup.broker.balance().await.unwrap();
    assert_eq!(setup.venue.logins_and_renewals().0, 2);
    setup.trade("MESM6", Side::Buy, 1).await;
}

#[tokio::test]
async fn nothing_secret_is_in_debug_output() {
    let setup = Setup::new().await;
    let shown = format!("{:?} {:?}", setup.connector, setup.connector.description());
    assert!(!shown.contains(PASSWORD) && !shown.contains("access-token"), "{shown}");
    // Each request but the login carries its token in the header, and nowhere else.
    for request in setup.venue.server.received() {
        assert!(!request.path_and_query.contains("access-token"), "{}", request.path_and_query);
    }
}

/// However many accounts and requests there are, one renewal leaves, and no login.
#[tokio::test]
async fn a_token_is_renewed_a_quarter_of_an_hour_before_its_end_once() {
    let venue = FakeTradovate::start(spec()).await;
    venue.be_patient();
    venue.activate_second_account();
    let patient = WirePolicy { silence_timeout: Duration::from_secs(86_400), ..policy() };
    let connector = connector_with(START, patient);
    let mut brokers = Vec::new();
    for (id, name) in [(1, "DEMO1201"), (2, "DEMO1202")] {
        let settings = json!({"account": name});
        brokers.push(connect(&venue, &connector, id, settings, &credentials()).await.unwrap());
    }
    let pass = async |minutes: u64| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(minutes * 60)).await;
        tokio::time::resume();
        for broker in &brokers {
            broker.balance().await.unwrap();
        }
    };
    pass(74).await;
    assert_eq!(venue.logins_and_renewals(), (1, 0));
    pass(2).await;
    let renewed = async {
        while venue.logins_and_renewals().1 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, renewed).await.expect("a renewal");
    // The old token is good no more; nobody uses it.
    pass(30).await;
    assert_eq!(venue.logins_and_renewals(), (1, 1));
    venue.server.assert_clean();
}
