//! The venue's file as others meet it: who may read it, and how a backup holds and copies it.

use atomik_brokers::paper::{DATABASE_FILE, PaperVenue};
use atomik_domain::Side;
use atomik_ports::broker::LookUp;
use atomik_ports::{BrokerConnector, Credentials};
use atomik_testkit::broker_suite::{limit_order, market_order};
use rstest::rstest;
use serde_json::json;
use tokio::sync::mpsc;

use super::setup::Engine::{self, Postgres, Sqlite};
use super::setup::{DEADLINE, Place, Setup, price, qty, symbol};

/// Whether somebody else could begin to write now.
async fn can_write(place: &Place) -> bool {
    let mut connection = place.beside().await;
    let write = ["BEGIN IMMEDIATE", "BEGIN; LOCK TABLE paper.accounts IN ROW EXCLUSIVE MODE NOWAIT"];
    let begun = connection.run(write).await.is_ok();
    connection.close().await;
    begun
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_database() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::on(Sqlite, json!({"prices": {"ES": "5000"}})).await;
    setup.accepted(&market_order(symbol("ES"), Side::Buy, qty("1"))).await;
    for name in ["paper.db", "paper.db-wal", "paper.db-shm"] {
        let mode = std::fs::metadata(setup.place.directory().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[rstest]
#[tokio::test]
async fn a_held_venue_commits_nothing_and_its_copy_is_a_venue(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}, "commission": "1.5"})).await;
    let filled = market_order(symbol("ES"), Side::Buy, qty("1"));
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    for request in [&filled, &resting] {
        setup.accepted(request).await;
    }
    let mut held = setup.place.hold().await.unwrap();
    assert!(!can_write(&setup.place).await);
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join(DATABASE_FILE);
    std::fs::File::create(&copy).unwrap();
    held.copy(&copy).await.unwrap();
    assert!(!can_write(&setup.place).await, "the venue went on when it was copied");
    held.release().await.unwrap();
    tokio::time::timeout(DEADLINE, async {
        while !can_write(&setup.place).await {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the venue is released");
    let files: Vec<_> = std::fs::read_dir(copies.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [copy], "the copy is one file");

    let venue = PaperVenue::open(copies.path(), setup.clock.clone(), 7).await.unwrap();
    let broker = venue.connect(&setup.account, &Credentials::default(), mpsc::channel(8).0).await.unwrap();
    for request in [&filled, &resting] {
        let id = request.client_order_id;
        let found = broker.look_up(&request.symbol, id).await;
        assert!(matches!(found, LookUp::Found(_)), "{found:?}");
        assert_eq!(found, setup.broker.look_up(&request.symbol, id).await);
    }
    assert_eq!(broker.positions().await.unwrap(), setup.broker.positions().await.unwrap());
    assert_eq!(broker.balance().await.unwrap(), setup.broker.balance().await.unwrap());
    // And the one that was held trades on.
    setup.accepted(&market_order(symbol("ES"), Side::Buy, qty("1"))).await;
}

#[rstest]
#[tokio::test]
async fn where_there_was_no_venue_none_is_made(#[values(Sqlite, Postgres)] engine: Engine) {
    let place = Place::of(engine).await;
    assert!(place.hold().await.is_none());
    match &place {
        Place::Directory(directory) => assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0),
        Place::Database(database) => database.execute("CREATE SCHEMA paper").await,
    }
}
