//! What the paper venue does when its database fails it.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::paper::{HeldVenue, PaperVenue};
use atomik_domain::{OrderStatus, Side};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::{BrokerConnector, Credentials, SystemClock};
use atomik_testkit::broker_suite::{approved, limit_order, market_order};
use rstest::rstest;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::setup::Engine::{self, Postgres, Sqlite};
use super::setup::{Place, Setup, Sql, account, decimal, price, qty, symbol};

/// Makes every order's write fail, as a full disk does.
const FAIL: Sql = [
    "CREATE TRIGGER fail BEFORE INSERT ON orders BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full'; END $$;
     CREATE TRIGGER fail BEFORE INSERT ON paper.orders FOR EACH ROW EXECUTE FUNCTION fail()",
];
const FAIL_NO_MORE: Sql = ["DROP TRIGGER fail", "DROP TRIGGER fail ON paper.orders"];
/// Lets commits wait.
const LOCK: Sql = ["BEGIN IMMEDIATE", "BEGIN; LOCK TABLE paper.orders IN SHARE MODE"];
const UNLOCK: Sql = ["ROLLBACK", "ROLLBACK"];

#[rstest]
#[tokio::test]
async fn what_cannot_be_recorded_is_not_accepted_and_leaves_nothing_behind(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    setup.accepted(&resting).await;
    let before = setup.broker.balance().await.unwrap();
    let mut database = setup.place.beside().await;
    database.execute(FAIL).await;

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

    database.execute(FAIL_NO_MORE).await;
    assert_eq!(setup.accepted(&request).await.status, OrderStatus::Filled);
    let canceled = setup.broker.cancel(&resting.symbol, resting.client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Done(_)), "{canceled:?}");
}

#[rstest]
#[tokio::test]
async fn a_failed_commit_sends_no_report(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let mut database = setup.place.beside().await;
    database.execute(FAIL).await;
    let lost = market_order(symbol("ES"), Side::Buy, qty("1"));
    setup.submit(&lost).await;
    database.execute(FAIL_NO_MORE).await;
    let kept = market_order(symbol("ES"), Side::Buy, qty("1"));
    setup.accepted(&kept).await;
    assert_eq!(setup.reports.recv().await.unwrap().client_order_id, kept.client_order_id);
}

#[rstest]
#[tokio::test]
async fn a_closed_venue_takes_nothing(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
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

/// The tables as they were before orders lay in the order of their ids.
const OLDER: Sql = [
    concat!(
        "ALTER TABLE accounts RENAME TO a; ALTER TABLE orders RENAME TO o; ALTER TABLE executions RENAME TO e; \
         ALTER TABLE holdings RENAME TO h; DROP INDEX resting_orders; ",
        include_str!("../../src/paper/store/sqlite/migrations/0001_venue.sql"),
        "INSERT INTO accounts SELECT * FROM a; INSERT INTO orders SELECT * FROM o; \
         INSERT INTO executions SELECT * FROM e; INSERT INTO holdings SELECT * FROM h; \
         DROP TABLE a; DROP TABLE o; DROP TABLE e; DROP TABLE h; DELETE FROM _sqlx_migrations WHERE version = 2",
    ),
    "",
];

#[tokio::test]
async fn orders_of_before_they_lay_in_the_order_of_their_ids_are_all_kept() {
    let mut setup = Setup::on(Sqlite, json!({"prices": {"ES": "5000"}})).await;
    let requests = [
        market_order(symbol("ES"), Side::Buy, qty("2")),
        limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000")),
        market_order(symbol("ES"), Side::Sell, qty("1")),
    ];
    for request in &requests {
        setup.accepted(request).await;
    }
    let mut before = Vec::new();
    for request in &requests {
        before.push(setup.broker.look_up(&request.symbol, request.client_order_id).await);
    }
    let balance = setup.broker.balance().await.unwrap();
    setup.venue.close().await;
    let mut database = setup.place.beside().await;
    database.execute(OLDER).await;
    database.close().await;

    setup.restart().await;
    for (request, before) in requests.iter().zip(&before) {
        assert!(matches!(before, LookUp::Found(_)), "{before:?}");
        assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, *before);
    }
    assert_eq!(setup.broker.balance().await.unwrap(), balance);
    let canceled = setup.broker.cancel(&requests[1].symbol, requests[1].client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Done(_)), "{canceled:?}");
}

/// A migration that this program does not know.
const NEWER: Sql = [
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'newer', TRUE, x'00', 0)",
    "INSERT INTO paper._sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'newer', TRUE, '', 0)",
];

#[rstest]
#[tokio::test]
async fn a_newer_schema_is_refused(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({})).await;
    setup.venue.close().await;
    let mut database = setup.place.beside().await;
    database.execute(NEWER).await;
    database.close().await;
    match &setup.place {
        Place::Directory(directory) => {
            PaperVenue::open(directory.path(), Arc::new(SystemClock), 1).await.unwrap_err();
        }
        Place::Database(database) => {
            let opened = PaperVenue::open_in_postgres(&database.url(), Arc::new(SystemClock), 1).await;
            let said = opened.unwrap_err().to_string();
            assert!(said.contains("written by a newer atomik (schema 9999"), "{said}");
            let said = HeldVenue::hold_in_postgres(&database.url()).await.unwrap_err().to_string();
            assert!(said.contains("written by a newer atomik"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let setup = Setup::on(Sqlite, json!({"prices": {"AAPL": "100"}})).await;
    for _ in 0..100 {
        setup.accepted(&limit_order(symbol("AAPL"), Side::Buy, qty("1"), price("50"))).await;
    }
    setup.venue.close().await;
    let file = setup.place.directory().join("paper.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let page = 4_096;
    for byte in &mut bytes[4 * page..] {
        *byte = 0xa5;
    }
    std::fs::write(&file, bytes).unwrap();
    PaperVenue::open(setup.place.directory(), Arc::new(SystemClock), 1).await.unwrap_err();
}

/// Lets the writes pass and the commit itself fail.
const FAIL_COMMIT: Sql = [
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);
     CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
     CREATE TRIGGER orphan AFTER INSERT ON orders BEGIN INSERT INTO child VALUES (1); END",
    "CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'an orphan'; END $$;
     CREATE CONSTRAINT TRIGGER orphan AFTER INSERT ON paper.orders DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION orphan()",
];

#[rstest]
#[tokio::test]
async fn a_commit_that_fails_is_never_an_order(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let mut database = setup.place.beside().await;
    database.execute(FAIL_COMMIT).await;
    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    let outcome = setup.submit(&request).await;
    // A refusal that the server itself sends is one; in a file, the transaction was still there to be rolled back.
    assert!(matches!(outcome, SubmitOutcome::NotSent { .. }), "{outcome:?}");
    assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);
    assert!(setup.broker.positions().await.unwrap().is_empty());
    database.execute(["DROP TRIGGER orphan", "DROP TRIGGER orphan ON paper.orders"]).await;
    assert_eq!(setup.accepted(&request).await.status, OrderStatus::Filled);
}

#[rstest]
#[tokio::test]
async fn a_full_queue_takes_nothing_more_and_says_when_to_come_back(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"prices": {"MES": "5000"}})).await;
    let mut database = setup.place.beside().await;
    // The desk waits for this lock with its first batch, while the others pile up.
    database.execute(LOCK).await;
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
    database.execute(UNLOCK).await;
    let mut answered = 0;
    while let Some(outcome) = sends.join_next().await {
        let outcome = outcome.unwrap();
        assert!(!matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
        answered += usize::from(!matches!(outcome, SubmitOutcome::NotSent { .. }));
    }
    assert!(answered >= 10_000, "{answered}");
}

#[rstest]
#[tokio::test]
async fn reports_that_nobody_reads_hold_nothing_up(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
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

#[rstest]
#[tokio::test]
async fn a_look_up_waits_its_turn_behind_what_was_sent_before(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let mut database = setup.place.beside().await;
    database.execute(LOCK).await;
    let request = market_order(symbol("ES"), Side::Buy, qty("1"));
    let submit = setup.submit(&request);
    let look_up = setup.broker.look_up(&request.symbol, request.client_order_id);
    tokio::pin!(submit, look_up);
    // Sent first, and not recorded yet: "not found" now would have it sent a second time.
    let early = Duration::from_millis(200);
    assert!(tokio::time::timeout(early, &mut submit).await.is_err());
    let answered = tokio::time::timeout(early, &mut look_up).await;
    assert!(answered.is_err(), "{answered:?}");
    database.execute(UNLOCK).await;
    assert!(matches!(look_up.await, LookUp::Found(_)));
    assert!(matches!(submit.await, SubmitOutcome::Accepted(_)));
}

#[rstest]
#[tokio::test]
async fn a_new_connection_has_what_was_sent_before_it_and_the_old_one_sends_nothing_more(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let mut database = setup.place.beside().await;
    database.execute(LOCK).await;
    let (ahead, sent, late) = (
        market_order(symbol("ES"), Side::Buy, qty("1")),
        market_order(symbol("ES"), Side::Buy, qty("1")),
        market_order(symbol("ES"), Side::Buy, qty("1")),
    );
    // The first waits for its commit, while the second and the connection come into one batch behind it.
    let old = Arc::clone(&setup.broker);
    let (sender, _reports) = mpsc::channel(8);
    let credentials = Credentials::default();
    let rest = async {
        let wait = Duration::from_millis(100);
        let second = old.submit(approved(sent.clone()));
        let connecting = setup.venue.connect(&setup.account, &credentials, sender);
        tokio::pin!(second, connecting);
        assert!(tokio::time::timeout(wait, &mut second).await.is_err());
        assert!(tokio::time::timeout(wait, &mut connecting).await.is_err());
        database.execute(UNLOCK).await;
        tokio::join!(second, connecting)
    };
    let (first, (second, connected)) = tokio::join!(setup.submit(&ahead), rest);
    for outcome in [first, second] {
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    }
    setup.broker = connected.unwrap();
    assert_eq!(setup.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("2"));
    let refused = old.submit(approved(late.clone())).await;
    assert!(matches!(refused, SubmitOutcome::NotSent { .. }), "{refused:?}");
    let found = old.look_up(&late.symbol, late.client_order_id).await;
    assert!(matches!(found, LookUp::Unavailable { .. }), "{found:?}");
    assert_eq!(setup.broker.look_up(&late.symbol, late.client_order_id).await, LookUp::NotFound);
}
