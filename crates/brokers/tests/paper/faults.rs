//! What the paper venue does when its database fails it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::paper::PaperVenue;
use atomik_domain::{OrderStatus, Side};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::{BrokerConnector, Credentials, SystemClock};
use atomik_testkit::broker_suite::{approved, limit_order, market_order};
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::setup::{Setup, account, price, qty, symbol};

async fn database(directory: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.join("paper.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// Makes every order's write fail, as a full disk does.
const FAIL: &str = "CREATE TRIGGER fail BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'disk full'); END";

#[tokio::test]
async fn what_cannot_be_recorded_is_not_accepted_and_leaves_nothing_behind() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    setup.accepted(&resting).await;
    let before = setup.broker.balance().await.unwrap();
    let mut database = database(setup.directory.path()).await;
    database.execute(FAIL).await.unwrap();

    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    match setup.submit(&request).await {
        SubmitOutcome::NotSent { reason, retry_after } => {
            assert!(reason.contains("disk full"), "{reason}");
            assert!(!retry_after.is_zero());
        }
        other => panic!("an order that could not be recorded: {other:?}"),
    }
    let canceled = setup.broker.cancel(&resting.symbol, resting.client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Unknown { .. }), "{canceled:?}");
    // Memory agrees with the disk: no position, the money back, the resting order still there.
    assert!(setup.broker.positions().await.unwrap().is_empty());
    assert_eq!(setup.broker.balance().await.unwrap(), before);
    assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);

    database.execute("DROP TRIGGER fail").await.unwrap();
    assert_eq!(setup.accepted(&request).await.status, OrderStatus::Filled);
    let canceled = setup.broker.cancel(&resting.symbol, resting.client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Done(_)), "{canceled:?}");
}

#[tokio::test]
async fn a_failed_commit_sends_no_report() {
    let mut setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    let mut database = database(setup.directory.path()).await;
    database.execute(FAIL).await.unwrap();
    let lost = market_order(symbol("ES"), Side::Buy, qty("1"));
    setup.submit(&lost).await;
    database.execute("DROP TRIGGER fail").await.unwrap();
    let kept = market_order(symbol("ES"), Side::Buy, qty("1"));
    setup.accepted(&kept).await;
    assert_eq!(setup.reports.recv().await.unwrap().client_order_id, kept.client_order_id);
}

#[tokio::test]
async fn a_closed_venue_takes_nothing() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    setup.venue.close().await;
    setup.venue.close().await;
    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    let outcome = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::NotSent { .. }), "{outcome:?}");
    let found = setup.broker.look_up(&request.symbol, request.client_order_id).await;
    assert!(matches!(found, LookUp::Unavailable { .. }), "{found:?}");
    assert!(matches!(setup.broker.balance().await, Err(BrokerError::Unavailable(_))));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("paper.db"), [b'x'; 8_192]).unwrap();
    let error = PaperVenue::open(directory.path(), Arc::new(SystemClock), 1).await.unwrap_err();
    assert!(error.to_string().contains("paper.db"), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let setup = Setup::with(json!({})).await;
    setup.venue.close().await;
    let mut database = database(setup.directory.path()).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'newer', TRUE, x'00', 0)";
    database.execute(newer).await.unwrap();
    database.close().await.unwrap();
    PaperVenue::open(setup.directory.path(), Arc::new(SystemClock), 1).await.unwrap_err();
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let setup = Setup::with(json!({"prices": {"AAPL": "100"}})).await;
    for _ in 0..100 {
        setup.accepted(&limit_order(symbol("AAPL"), Side::Buy, qty("1"), price("50"))).await;
    }
    setup.venue.close().await;
    let file = setup.directory.path().join("paper.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let page = 4_096;
    for byte in &mut bytes[4 * page..] {
        *byte = 0xa5;
    }
    std::fs::write(&file, bytes).unwrap();
    PaperVenue::open(setup.directory.path(), Arc::new(SystemClock), 1).await.unwrap_err();
}

/// Lets the writes pass and the COMMIT itself fail.
const FAIL_COMMIT: &str = "
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER orphan AFTER INSERT ON orders BEGIN INSERT INTO child VALUES (1); END";

#[tokio::test]
async fn a_commit_that_fails_is_unknown_until_the_venue_is_asked() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    let mut database = database(setup.directory.path()).await;
    database.execute(FAIL_COMMIT).await.unwrap();
    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    let outcome = setup.submit(&request).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);
    assert!(setup.broker.positions().await.unwrap().is_empty());
    database.execute("DROP TRIGGER orphan").await.unwrap();
    assert_eq!(setup.accepted(&request).await.status, OrderStatus::Filled);
}

#[tokio::test]
async fn a_full_queue_takes_nothing_more_and_says_when_to_come_back() {
    let setup = Setup::with(json!({"prices": {"MES": "5000"}})).await;
    let mut database = database(setup.directory.path()).await;
    // The desk waits for this lock with its first batch, while the others pile up.
    database.execute("BEGIN IMMEDIATE").await.unwrap();
    let mut sends = JoinSet::new();
    for _ in 0..12_500 {
        let (broker, request) = (Arc::clone(&setup.broker), market_order(symbol("MES"), Side::Buy, qty("1")));
        sends.spawn(async move { broker.submit(approved(request)).await });
    }
    let mut refused = 0;
    while refused < 1_000 {
        match sends.join_next().await.unwrap().unwrap() {
            SubmitOutcome::NotSent { retry_after, .. } if !retry_after.is_zero() => refused += 1,
            other => panic!("answered before its commit: {other:?}"),
        }
    }
    database.execute("ROLLBACK").await.unwrap();
    let mut answered = 0;
    while let Some(outcome) = sends.join_next().await {
        let outcome = outcome.unwrap();
        assert!(!matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
        answered += usize::from(!matches!(outcome, SubmitOutcome::NotSent { .. }));
    }
    assert!(answered >= 10_000, "{answered}");
}

#[tokio::test]
async fn reports_that_nobody_reads_hold_nothing_up() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    let (sender, _unread) = mpsc::channel(1);
    let broker = setup
        .venue
        .connect(&account(2, setup.account.settings.clone()), &Credentials::default(), sender)
        .await
        .unwrap();
    for side in [Side::Buy, Side::Sell, Side::Buy] {
        let request = market_order(symbol("ES"), side, qty("1"));
        let outcome = broker.submit(approved(request.clone())).await;
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
        let found = broker.look_up(&request.symbol, request.client_order_id).await;
        assert!(matches!(found, LookUp::Found(_)), "{found:?}");
    }
}

#[tokio::test]
async fn a_look_up_waits_its_turn_behind_what_was_sent_before() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    let mut database = database(setup.directory.path()).await;
    database.execute("BEGIN IMMEDIATE").await.unwrap();
    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    let submit = setup.submit(&request);
    let look_up = setup.broker.look_up(&request.symbol, request.client_order_id);
    tokio::pin!(submit, look_up);
    // Sent first, and not recorded yet: "not found" now would have it sent a second time.
    let early = Duration::from_millis(200);
    assert!(tokio::time::timeout(early, &mut submit).await.is_err());
    let answered = tokio::time::timeout(early, &mut look_up).await;
    assert!(answered.is_err(), "{answered:?}");
    database.execute("ROLLBACK").await.unwrap();
    assert!(matches!(look_up.await, LookUp::Found(_)));
    assert!(matches!(submit.await, SubmitOutcome::Accepted(_)));
}
