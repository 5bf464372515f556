//! The venue's file as others meet it: who may read it, and how a backup holds and copies it.

use std::path::Path;
use std::time::Duration;

use atomik_brokers::paper::{DATABASE_FILE, HeldVenue, PaperVenue};
use atomik_domain::{Side, SignedQty};
use atomik_ports::{BrokerConnector, Credentials};
use atomik_testkit::broker_suite::market_order;
use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::mpsc;

use super::setup::{DEADLINE, Setup, decimal, qty, symbol};

/// Whether somebody else could begin to write now.
async fn can_write(directory: &Path) -> bool {
    let options =
        SqliteConnectOptions::new().filename(directory.join(DATABASE_FILE)).busy_timeout(Duration::ZERO);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let begun = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.is_ok();
    connection.close().await.unwrap();
    begun
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    setup.accepted(&market_order(symbol("ES"), Side::Buy, qty("1"))).await;
    for name in ["paper.db", "paper.db-wal", "paper.db-shm"] {
        let mode = std::fs::metadata(setup.directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_held_venue_commits_nothing_and_its_copy_is_a_venue() {
    let setup = Setup::with(json!({"prices": {"ES": "5000"}})).await;
    setup.accepted(&market_order(symbol("ES"), Side::Buy, qty("1"))).await;
    let directory = setup.directory.path();
    let held = HeldVenue::hold(directory).await.unwrap().unwrap();
    assert!(!can_write(directory).await);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join(DATABASE_FILE);
    std::fs::File::create(&copy).unwrap();
    held.copy(copy.to_str().unwrap()).await.unwrap();
    assert!(!can_write(directory).await, "the venue went on when it was copied");
    held.release().await.unwrap();
    tokio::time::timeout(DEADLINE, async {
        while !can_write(directory).await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the venue is released");
    setup.accepted(&market_order(symbol("ES"), Side::Buy, qty("1"))).await;

    let venue = PaperVenue::open(copies.path(), setup.clock.clone(), 7).await.unwrap();
    let broker = venue.connect(&setup.account, &Credentials::default(), mpsc::channel(8).0).await.unwrap();
    assert_eq!(broker.net_position(&symbol("ES")).await.unwrap(), SignedQty(decimal("1")));
}

#[tokio::test]
async fn where_there_was_no_venue_none_is_made() {
    let directory = tempfile::tempdir().unwrap();
    assert!(HeldVenue::hold(directory.path()).await.unwrap().is_none());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
