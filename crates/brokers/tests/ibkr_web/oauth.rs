//! Without a gateway: who is let in, and what becomes of a token that ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atomik_brokers::interactive_brokers::web::Pace;
use atomik_domain::{Environment, OrderRequest, OrderStatus, Qty, Side, UnixMicros};
use atomik_ports::broker::{BrokerError, LookUp, SubmitOutcome};
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials, SystemClock};
use atomik_testkit::broker_suite::{approved, market_order, settled};
use atomik_testkit::venues::faults::Fault;
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::setup::{Connected, NOW, Setup, account, connect, connect_as, oauth_connector, pace, symbol};

async fn with_keys(
    venue: &IbkrWebVenue,
    environment: Environment,
    keys: &Credentials,
    extra: &Value,
    pace: Pace,
) -> Result<Connected, BrokerError> {
    let (reports, received) = mpsc::channel(256);
    let connector = oauth_connector(Arc::new(SystemClock), pace);
    let broker = connector.connect(&account(venue, environment, extra), keys, reports).await?;
    Ok((broker, received))
}

/// What the trader is told of these keys.
async fn told(venue: &IbkrWebVenue, changes: &[(&str, &str)]) -> String {
    let keys = venue.credentials(changes);
    match with_keys(venue, Environment::Paper, &keys, &json!({}), pace()).await.map(drop) {
        Err(BrokerError::Unauthorized(sentence)) => {
            assert!(sentence.ends_with('.'), "{sentence}");
            for secret in ["access_token", "access_token_secret", "secret_in_the_open"] {
                assert!(!sentence.contains(&venue.key(secret)), "{secret} is told: {sentence}");
            }
            sentence
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// No request was let in but those for a token.
fn nobody_came_in(venue: &IbkrWebVenue) {
    let others = venue.received().iter().filter(|one| !one.path_and_query.contains("/oauth/")).count();
    assert_eq!((others, venue.live_tokens()), (0, 0));
}

#[tokio::test]
async fn a_consumer_key_that_the_broker_does_not_know_says_where_to_look_and_to_wait() {
    let venue = IbkrWebVenue::start_oauth().await;
    let sentence = told(&venue, &[("consumer_key", "SOMEBODYS")]).await;
    assert!(sentence.contains("the consumer key (401, id 39687)"), "{sentence}");
    assert!(sentence.contains("overnight"), "{sentence}");
    venue.forget_consumer();
    assert!(told(&venue, &[]).await.contains("the consumer key"));
    nobody_came_in(&venue);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_told_from_a_wrong_key() {
    let venue = IbkrWebVenue::start_oauth().await;
    assert!(
        told(&venue, &[("access_token", "00000000000000000000")]).await.contains("the access token (401")
    );
    venue.revoke_token();
    let sentence = told(&venue, &[]).await;
    assert!(sentence.contains("revoked") && sentence.contains("Generate a token"), "{sentence}");
    nobody_came_in(&venue);
}

#[tokio::test]
async fn another_signature_key_is_refused_by_its_signature() {
    let venue = IbkrWebVenue::start_oauth().await;
    let another = venue.key("encryption_key");
    let sentence = told(&venue, &[("signature_key", &another)]).await;
    assert!(sentence.contains("refused the signature (401"), "{sentence}");
    nobody_came_in(&venue);
}

/// The broker's side of the exchange is right for another prime, and only the token's signature shows it.
#[tokio::test]
async fn another_prime_is_found_out_before_anything_is_signed_with_the_token() {
    let venue = IbkrWebVenue::start_oauth().await;
    // Odd, of 2048 bits, and another one.
    let another = format!("{}1", &venue.key("dh_prime")[..511]);
    let sentence = told(&venue, &[("dh_parameters", &another)]).await;
    assert!(sentence.contains("dhparam.pem"), "{sentence}");
    assert_eq!(venue.received().len(), 1, "nothing but the request for the token");
}

#[tokio::test]
async fn without_keys_nothing_is_sent() {
    let venue = IbkrWebVenue::start_oauth().await;
    for (keys, word) in [
        (Credentials::default(), "has no keys"),
        (venue.credentials(&[("signature_key", "")]), "signature_key is missing"),
    ] {
        let outcome = with_keys(&venue, Environment::Paper, &keys, &json!({}), pace()).await.map(drop);
        let Err(BrokerError::Unauthorized(sentence)) = outcome else { panic!("{outcome:?}") };
        assert!(sentence.contains(word) && sentence.ends_with('.'), "{sentence}");
    }
    assert!(venue.received().is_empty());
}

#[tokio::test]
async fn keys_of_the_other_environment_are_told_before_anything_trades() {
    let venue = IbkrWebVenue::start_oauth().await;
    let refused =
        async |environment: Environment, extra: Value| match connect_as(&venue, environment, NOW, &extra)
            .await
            .map(drop)
        {
            Err(BrokerError::Unauthorized(sentence)) => sentence,
            other => panic!("not refused: {other:?}"),
        };
    let sentence = refused(Environment::Live, json!({})).await;
    assert!(sentence.contains("enter keys that were made by the user of the live account"), "{sentence}");
    let sentence = refused(Environment::Paper, json!({"account": "DU9"})).await;
    assert!(sentence.starts_with("The user who made these keys may not trade DU9"), "{sentence}");
    venue.set_accounts(&["U7654321"]);
    let sentence = refused(Environment::Paper, json!({})).await;
    assert!(sentence.contains("made by the user of the paper account"), "{sentence}");
    venue.compete();
    let sentence = refused(Environment::Live, json!({})).await;
    assert!(sentence.contains("set compete"), "{sentence}");
    connect_as(&venue, Environment::Live, NOW, &json!({"compete": true})).await.unwrap();
    venue.assert_clean();
}

#[tokio::test]
async fn a_user_whom_the_broker_lets_do_nothing_is_told_so_at_once() {
    let venue = IbkrWebVenue::start_oauth().await;
    venue.sign_out();
    let sentence = told(&venue, &[]).await;
    assert!(sentence.contains("gave a live session token and then refused what it signed"), "{sentence}");
    assert_eq!(venue.received().len(), 2);
}

/// A clock that is set back by ten seconds whenever somebody looks.
struct Backwards(AtomicI64);

impl Clock for Backwards {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.fetch_sub(10_000_000, Ordering::Relaxed))
    }
}

#[tokio::test]
async fn the_time_of_requests_never_goes_back() {
    let venue = IbkrWebVenue::start_oauth().await;
    let clock = Arc::new(Backwards(AtomicI64::new(SystemClock.now().0)));
    let (reports, _received) = mpsc::channel(16);
    let account = account(&venue, Environment::Paper, &json!({}));
    let connector = oauth_connector(clock, pace());
    connector.connect(&account, &venue.credentials(&[]), reports).await.unwrap();
    let headers = venue.received().into_iter().flat_map(|one| one.headers);
    let headers = headers.filter(|(name, _)| name == "authorization");
    let time =
        |header: &str| header.split("oauth_timestamp=\"").nth(1).unwrap()[..10].parse::<i64>().unwrap();
    let times: Vec<_> = headers.map(|(_, header)| time(&header)).collect();
    assert!(times.len() > 5 && times.is_sorted(), "{times:?}");
}

/// Every request has an `Authorization` of its own, and no secret is anywhere but there and in the stream's address.
#[tokio::test]
async fn every_request_is_signed_once_and_in_order() {
    let setup = Setup::oauth().await;
    setup.broker.positions().await.unwrap();
    setup.broker.instrument(&symbol("BRK.B")).await.unwrap();
    let received = setup.venue.received();
    let secret_fields =
        ["access_token", "access_token_secret", "signature_key", "encryption_key", "dh_parameters"];
    let secrets = secret_fields.map(|name| setup.venue.key(name));
    for one in &received {
        let plain_headers = one.headers.iter().filter(|(name, _)| name != "authorization");
        let path = Some(&one.path_and_query).filter(|path| !path.starts_with("/v1/api/ws"));
        let texts = plain_headers.map(|(_, value)| value).chain(path);
        let text: String = texts.map(String::as_str).chain(std::str::from_utf8(&one.body).ok()).collect();
        assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "{}", one.path_and_query);
    }
    let paths: Vec<_> = received.iter().map(|one| one.path_and_query.trim_start_matches("/v1/api")).collect();
    assert_eq!(
        &paths[..6],
        [
            "/oauth/live_session_token",
            "/iserver/auth/ssodh/init",
            "/iserver/accounts",
            "/portfolio/accounts",
            "/tickle",
            "/iserver/account/orders?force=true"
        ]
    );
    assert!(paths.contains(&"/trsrv/stocks?symbols=BRK+B"), "a space was signed: {paths:?}");
    let signed = |one: &&atomik_testkit::venues::server::Received| {
        one.headers.iter().any(|(name, value)| name == "authorization" && value.starts_with("OAuth realm="))
    };
    let streams = received.iter().filter(|one| one.path_and_query.contains("/ws?oauth_token=")).count();
    assert_eq!((received.iter().filter(signed).count() + streams, streams), (received.len(), 1));
    assert!(received.iter().all(|one| one.headers.iter().any(|(name, _)| name == "user-agent")));
}

async fn buys_one(setup: &Setup) -> SubmitOutcome {
    let request = market_order(symbol("ESZ6"), Side::Buy, Qty(Decimal::ONE));
    setup.broker.submit(approved(request)).await
}

/// What becomes of an order that is tried again as long as there is nothing to sign it with.
async fn once_signed(broker: &Arc<dyn Broker>, request: &OrderRequest) -> SubmitOutcome {
    for _ in 0..400 {
        match broker.submit(approved(request.clone())).await {
            SubmitOutcome::NotSent { .. } => tokio::time::sleep(Duration::from_millis(10)).await,
            outcome => return outcome,
        }
    }
    panic!("it never left")
}

/// Comes to pass within a while.
async fn soon(what: &str, check: impl Fn() -> bool) {
    for _ in 0..400 {
        if check() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass: {what}");
}

#[tokio::test]
async fn an_order_that_a_token_was_too_old_for_is_not_sent_and_leaves_with_the_next() {
    let mut setup = Setup::oauth().await;
    let request = market_order(symbol("ESZ6"), Side::Buy, Qty(Decimal::ONE));
    setup.venue.plan(Fault::TokenExpired);
    let first = setup.broker.submit(approved(request.clone())).await;
    let SubmitOutcome::NotSent { reason, .. } = first else { panic!("{first:?}") };
    assert!(reason.contains("401"), "{reason}");
    assert_eq!(setup.venue.count("POST", "/orders"), 1, "it was not repeated by itself");
    let second = once_signed(&setup.broker, &request).await;
    assert!(matches!(second, SubmitOutcome::Accepted(_)), "{second:?}");
    settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(setup.venue.exchange().orders_of(&request.client_order_id.to_string()).len(), 1);
    // The connection lived on: its reports still come.
    let report = tokio::time::timeout(Duration::from_secs(5), setup.reports.recv()).await.unwrap().unwrap();
    assert_eq!(report.client_order_id, request.client_order_id);
    assert_eq!(setup.venue.live_tokens(), 2);
}

/// The answer never came: whether the token was too old for it or not, nobody knows what became of the order.
#[tokio::test]
async fn an_order_without_an_answer_stays_unknown_whatever_the_token() {
    let setup = Setup::oauth().await;
    let request = market_order(symbol("ESZ6"), Side::Buy, Qty(Decimal::ONE));
    setup.venue.plan(Fault::TimeoutThenFilled);
    let sent = setup.broker.submit(approved(request.clone()));
    let expired = async {
        soon("the order is on its way", || setup.venue.count("POST", "/orders") == 1).await;
        setup.venue.expire_live_token();
    };
    let (outcome, ()) = tokio::join!(sent, expired);
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(setup.venue.count("POST", "/orders"), 1);
}

#[tokio::test]
async fn where_no_new_token_can_be_had_no_order_leaves() {
    let mut setup = Setup::oauth().await;
    assert!(matches!(buys_one(&setup).await, SubmitOutcome::Accepted(_)));
    setup.venue.revoke_token();
    let refused = buys_one(&setup).await;
    assert!(
        matches!(&refused, SubmitOutcome::NotSent { reason, .. } if reason.contains("401")),
        "{refused:?}"
    );
    let again = buys_one(&setup).await;
    assert!(
        matches!(&again, SubmitOutcome::NotSent { reason, .. } if reason.contains("no live session token")),
        "{again:?}"
    );
    assert_eq!(setup.venue.count("POST", "/orders"), 2, "the third did not leave");
    // And the connection ends, for the engine to find out why.
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
}

#[tokio::test]
async fn a_token_that_ended_while_nothing_was_asked_is_followed_by_another() {
    let setup = Setup::oauth().await;
    setup.venue.expire_live_token();
    let unanswered = setup.broker.positions().await;
    assert!(matches!(unanswered, Err(BrokerError::Unavailable(_))), "{unanswered:?}");
    setup.broker.positions().await.unwrap();
    soon("one new token", || setup.venue.live_tokens() == 2).await;
}

#[tokio::test]
async fn one_refusal_after_another_ends_the_connection() {
    let mut setup = Setup::oauth().await;
    for _ in 0..2 {
        let tickles = setup.venue.count("POST", "/tickle");
        setup.venue.expire_live_token();
        let _ = setup.broker.positions().await;
        if tickles == 1 {
            soon("the session was looked at", || setup.venue.count("POST", "/tickle") > tickles).await;
        }
    }
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
    // The next connection has a token of its own.
    let (broker, _reports) = connect(&setup.venue, json!({})).await;
    broker.positions().await.unwrap();
}

#[tokio::test]
async fn a_session_that_ended_with_its_token_ends_the_connection() {
    let mut setup = Setup::oauth().await;
    setup.venue.end_sessions_with_tokens();
    setup.venue.expire_live_token();
    let _ = setup.broker.positions().await;
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
    let refused = buys_one(&setup).await;
    assert!(matches!(refused, SubmitOutcome::NotSent { .. }), "{refused:?}");
    assert!(setup.venue.exchange().orders().is_empty());
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tokens that live for a second, and signs of life many times in it.
async fn short_lived(venue: &IbkrWebVenue) -> Connected {
    venue.set_live_token_life(Duration::from_millis(1_200));
    let pace = Pace {
        tickle: Duration::from_millis(50),
        renew_before: Duration::from_millis(700),
        shortest_token: Duration::ZERO,
        ..pace()
    };
    let keys = venue.credentials(&[]);
    with_keys(venue, Environment::Paper, &keys, &json!({}), pace).await.unwrap()
}

/// Nobody asked for anything while it ended: no request leaves with it.
#[tokio::test]
async fn a_token_that_ended_by_its_own_time_is_not_used() {
    let venue = IbkrWebVenue::start_oauth().await;
    venue.set_live_token_life(Duration::from_millis(900));
    let (pace, keys) = (Pace { shortest_token: Duration::ZERO, ..pace() }, venue.credentials(&[]));
    let (broker, _reports) = with_keys(&venue, Environment::Paper, &keys, &json!({}), pace).await.unwrap();
    let followed = async {
        while venue.live_tokens() < 2 {
            broker.positions().await.expect("the venue refuses what has ended");
        }
    };
    tokio::time::timeout(PATIENCE, followed).await.expect("another token");
}

#[tokio::test]
async fn a_token_is_followed_by_another_before_it_ends() {
    let venue = IbkrWebVenue::start_oauth().await;
    let (broker, mut reports) = short_lived(&venue).await;
    let followed = async {
        while venue.live_tokens() < 4 {
            broker.positions().await.expect("there is always a token");
        }
    };
    tokio::time::timeout(PATIENCE, followed).await.expect("one token after another");
    assert!(matches!(reports.try_recv(), Err(mpsc::error::TryRecvError::Empty)), "the connection lives");
    venue.assert_clean();
}

#[tokio::test]
async fn a_token_that_is_refused_too_early_ends_nothing_while_there_is_another() {
    let venue = IbkrWebVenue::start_oauth().await;
    let (broker, mut reports) = short_lived(&venue).await;
    venue.give_no_more_tokens();
    let before = venue.count("POST", "/oauth/live_session_token");
    soon("it is asked for again and again", || venue.count("POST", "/oauth/live_session_token") > before + 1)
        .await;
    broker.positions().await.expect("the present token is good");
    assert!(matches!(reports.try_recv(), Err(mpsc::error::TryRecvError::Empty)), "the connection lives");
    let ended = async { while reports.recv().await.is_some() {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("without any token it ends");
}

/// Where a new token ends the one before, a request on its way may be refused for its age. It is no order then, and not the
/// end of the connection.
#[tokio::test]
async fn a_token_that_is_ended_by_the_next_doubles_and_loses_nothing() {
    let venue = IbkrWebVenue::start_oauth().await;
    venue.end_tokens_with_tokens();
    let (broker, mut reports) = short_lived(&venue).await;
    let (began, mut taken) = (std::time::Instant::now(), 0);
    while venue.live_tokens() < 4 || taken < 10 {
        assert!(began.elapsed() < PATIENCE, "{} tokens, {taken} orders", venue.live_tokens());
        let request = market_order(symbol("ESZ6"), Side::Buy, Qty(Decimal::ONE));
        let id = request.client_order_id.to_string();
        let outcome = broker.submit(approved(request)).await;
        let orders = venue.exchange().orders_of(&id).len();
        match outcome {
            SubmitOutcome::Accepted(_) => assert_eq!(orders, 1),
            SubmitOutcome::NotSent { .. } => assert_eq!(orders, 0),
            other => panic!("{other:?}"),
        }
        taken += orders;
    }
    assert!(reports.try_recv().is_ok() && !reports.is_closed(), "the connection lives");
}

/// The stream opens with the access token and the session, and with nothing less.
#[tokio::test]
async fn fills_are_heard_on_a_stream_that_the_token_opened() {
    let mut setup = Setup::oauth().await;
    let SubmitOutcome::Accepted(accepted) = buys_one(&setup).await else { panic!("not taken") };
    let report = tokio::time::timeout(Duration::from_secs(5), setup.reports.recv()).await.unwrap().unwrap();
    assert_eq!(report.client_order_id, accepted.client_order_id);
    let broker: &Arc<dyn Broker> = &setup.broker;
    let found = broker.look_up(&symbol("ESZ6"), accepted.client_order_id).await;
    assert!(matches!(found, LookUp::Found(_)), "{found:?}");
}
