//! Connections that break at the worst moment, and a database that is restarted.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::sync::Arc;
use std::time::Duration;

use atomik_domain::SignalId;
use atomik_ports::directory::{Directory, Registration};
use atomik_ports::history::{History, TradeFilter};
use atomik_ports::journal::{Changes, Entry, Journal, NewSignal, Receipt};
use atomik_ports::operations::Operations;
use atomik_ports::{PageRequest, StoreError};
use atomik_storage::postgres::PostgresStore;
use atomik_testkit::builders::{START, Tenant, at, identified, new_user, order, signal, tenant, windowed};
use atomik_testkit::cutting_proxy::{Cut, CuttingProxy};
use database::{ALONE, Database, OwnServer, server_url};

const FIRST: PageRequest = PageRequest { limit: 200, before: None };
const CUTS: [(Cut, bool); 3] =
    [(Cut::After, true), (Cut::Late(Duration::from_millis(300)), true), (Cut::Before, false)];

fn one(signal: NewSignal) -> Vec<Entry> {
    vec![Entry::Signal(Box::new(signal))]
}

/// A store whose connections go through a proxy.
async fn behind_a_proxy(database: &Database) -> (PostgresStore, CuttingProxy) {
    let server = server_url();
    let (_, rest) = server.split_once('@').unwrap();
    let proxy = CuttingProxy::to(rest.split_once('/').unwrap().0.to_owned()).await.unwrap();
    let url = database.url_at(&proxy.address());
    (PostgresStore::open(&url, ALONE, START).await.unwrap(), proxy)
}

async fn stored(store: &PostgresStore, tenant: &Tenant) -> Vec<SignalId> {
    let found = store.signals(tenant.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    found.items.into_iter().map(|record| record.signal.id).collect()
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_as_it_is() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let alice = tenant(&store, "alice").await.unwrap();
    for (number, (cut, taken)) in CUTS.into_iter().enumerate() {
        let id = u8::try_from(number).unwrap();
        let before = stored(&store, &alice).await;
        proxy.cut_at("COMMIT", cut);
        let told = store.commit(one(identified(&alice, id, 1)), at(0)).await;
        assert!(proxy.has_cut());
        assert_eq!(told.is_ok(), taken, "{cut:?}: {told:?}");
        let after = stored(&store, &alice).await;
        match told.as_deref() {
            Ok([Receipt::Stored { signal_id }]) => assert_eq!(after[0], *signal_id),
            Err(StoreError::Unavailable(_)) => assert_eq!(after, before, "nothing was recorded"),
            other => panic!("{cut:?}: {other:?}"),
        }
        // Sent again, it is a repeat where it took, and new where it did not.
        let again = store.commit(one(identified(&alice, id, 1)), at(1)).await.unwrap();
        assert_eq!(matches!(again[..], [Receipt::Replayed { .. }]), taken, "{cut:?}: {again:?}");
    }
}

#[tokio::test]
async fn an_intent_whose_commit_is_lost_is_told_as_it_is() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let alice = tenant(&store, "alice").await.unwrap();
    for (number, (cut, taken)) in CUTS.into_iter().enumerate() {
        let intent = order(&alice, SignalId(i64::try_from(number).unwrap()), 0);
        let id = intent.request.client_order_id;
        let changes = Changes { intents: vec![intent], ..Changes::default() };
        proxy.cut_at("COMMIT", cut);
        let told = store.commit(vec![Entry::Changes(Box::new(changes))], at(0)).await;
        assert_eq!(told.is_ok(), taken, "{cut:?}: {told:?}");
        if let Ok(receipts) = told {
            assert_eq!(receipts, [Receipt::Recorded { repeated_intents: Vec::new() }], "it may be sent");
        }
        assert_eq!(store.order(alice.user.id, id).await.is_ok(), taken, "{cut:?}");
    }
}

#[tokio::test]
async fn so_is_what_users_set_up() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    tenant(&store, "alice").await.unwrap();
    for (number, (cut, taken)) in CUTS.into_iter().enumerate() {
        let new = new_user(&format!("user-{number}"));
        let email = new.email.clone();
        proxy.cut_at("COMMIT", cut);
        let told = store.create_user(new, Registration::Open).await;
        assert_eq!(told.is_ok(), taken, "{cut:?}: {told:?}");
        assert_eq!(store.user_by_email(&email).await.is_ok(), taken, "{cut:?}");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_commit_costs_nothing() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let alice = tenant(&store, "alice").await.unwrap();
    for cut in [Cut::Before, Cut::After] {
        for at_text in ["BEGIN", "INSERT INTO signals"] {
            proxy.cut_at(at_text, cut);
            // Its statement is prepared anew on a new connection, so the text is seen.
            store.commit(one(signal(&alice)), at(0)).await.unwrap();
        }
    }
    assert_eq!(stored(&store, &alice).await.len(), 4, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_database_that_is_restarted_at_once_loses_and_doubles_nothing() {
    let server = OwnServer::start();
    let store = PostgresStore::open(&server.url(), ALONE, START).await.unwrap();
    let store = Arc::new(store);
    let alice = tenant(&*store, "alice").await.unwrap();
    let (writer, trader) = (Arc::clone(&store), alice.clone());
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let writing = tokio::spawn(async move {
        let (mut acknowledged, mut refused) = (Vec::new(), 0);
        while !*stopped.borrow_and_update() {
            match writer.commit(one(signal(&trader)), at(0)).await.as_deref() {
                Ok([Receipt::Stored { signal_id }]) => acknowledged.push(*signal_id),
                Err(StoreError::Unavailable(_)) => {
                    refused += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                other => panic!("{other:?}"),
            }
        }
        (acknowledged, refused)
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.control("-m immediate restart");
    }
    store.check().await.unwrap();
    stop.send_replace(true);
    let (acknowledged, refused) = writing.await.unwrap();
    assert!(acknowledged.len() > 3, "{} stored, {refused} refused", acknowledged.len());
    let mut found = Vec::new();
    let mut page = FIRST;
    loop {
        let read = store.signals(alice.user.id, &TradeFilter::default(), page).await.unwrap();
        found.extend(read.items.into_iter().map(|record| record.signal.id));
        page.before = read.next;
        if page.before.is_none() {
            break;
        }
    }
    found.reverse();
    assert_eq!(found, acknowledged, "exactly what was acknowledged is there");
}

#[tokio::test]
async fn readiness_says_that_the_database_is_away_and_when_it_is_back() {
    let server = OwnServer::start();
    let store = PostgresStore::open(&server.url(), ALONE, START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    server.control("-m immediate stop");
    let StoreError::Unavailable(sentence) = store.check().await.unwrap_err() else {
        panic!("not a sentence")
    };
    assert!(sentence.contains("database"), "{sentence}");
    store.commit(one(windowed(&alice, 1)), at(0)).await.unwrap_err();
    server.control("start");
    store.check().await.unwrap();
    store.commit(one(windowed(&alice, 1)), at(0)).await.unwrap();
    assert_eq!(stored(&store, &alice).await.len(), 1);
}
