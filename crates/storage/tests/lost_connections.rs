//! Connections that break at the worst moment, and a database that is restarted.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::collections::BTreeSet;
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
use database::{ALONE, Database, OwnServer, TOGETHER, server_url};
use sqlx::postgres::PgConnection;

const FIRST: PageRequest = PageRequest { limit: 200, before: None };
const LATE: Cut = Cut::Late(Duration::from_millis(300));
/// What becomes of a commit that is cut. The transaction is under way then, so it is waited for.
const CUTS: [(Cut, bool); 3] = [(Cut::After, true), (LATE, true), (Cut::Before, false)];

/// A call whose first entry is cut, and how.
struct Trial {
    cut_at: &'static str,
    /// What has to be looked at first, because it is not as one expects.
    beside: Option<Entry>,
    cuts: [(Cut, bool); 3],
}

/// Both ways in which a call is recorded. What is sent as one statement and has not taken is sent again; what comes late has been
/// overtaken by the question what became of it, and undoes itself.
fn trials(known: &NewSignal, text: &'static str) -> [Trial; 2] {
    let at_once = [Cut::After, LATE, Cut::Before].map(|cut| (cut, true));
    [
        Trial { cut_at: "COMMIT", beside: Some(Entry::Signal(Arc::new(known.clone()))), cuts: CUTS },
        Trial { cut_at: text, beside: None, cuts: at_once },
    ]
}

impl Trial {
    fn entries(&self, first: Entry) -> Vec<Entry> {
        let beside = self.beside.as_ref().map(|entry| match entry {
            Entry::Signal(signal) => Entry::Signal(signal.clone()),
            other => panic!("{other:?}"),
        });
        [first].into_iter().chain(beside).collect()
    }
}

fn one(signal: NewSignal) -> Vec<Entry> {
    vec![Entry::Signal(Arc::new(signal))]
}

/// A store whose connections go through a proxy.
async fn behind_a_proxy(database: &Database) -> (PostgresStore, CuttingProxy) {
    let server = server_url();
    let (_, rest) = server.split_once('@').unwrap();
    let proxy = CuttingProxy::to(rest.split_once('/').unwrap().0.to_owned()).await.unwrap();
    let url = database.url_at(&proxy.address());
    (PostgresStore::open(&url, TOGETHER, START).await.unwrap(), proxy)
}

async fn stored(store: &PostgresStore, tenant: &Tenant) -> Vec<SignalId> {
    let found = store.signals(tenant.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    found.items.into_iter().map(|record| record.signal.id).collect()
}

/// The server's ends of a store's connections.
async fn backends(watching: &mut PgConnection) -> BTreeSet<i32> {
    let store = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'atomik %'";
    sqlx::query_scalar(store).fetch_all(watching).await.unwrap().into_iter().collect()
}

/// Waits until the server is done with one of the connections that there were, whatever still came of it.
async fn one_has_ended(before: &BTreeSet<i32>, watching: &mut PgConnection) {
    let ending = async {
        while before.is_subset(&backends(watching).await) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ending).await.unwrap();
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_as_it_is() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let mut watching = database.raw().await;
    let alice = tenant(&store, "alice").await.unwrap();
    let known = identified(&alice, 99, 1);
    store.commit(one(known.clone()), at(0)).await.unwrap();
    let mut id = 0;
    for trial in trials(&known, r#"{"action":"BUY"}"#) {
        for (cut, taken) in trial.cuts {
            id += 1;
            let new = || Entry::Signal(Arc::new(identified(&alice, id, 1)));
            let (before, sessions) = (stored(&store, &alice).await, backends(&mut watching).await);
            proxy.cut_at(trial.cut_at, cut);
            let told = store.commit(trial.entries(new()), at(0)).await;
            assert!(proxy.has_cut());
            assert_eq!(told.is_ok(), taken, "{} {cut:?}: {told:?}", trial.cut_at);
            one_has_ended(&sessions, &mut watching).await;
            let after = stored(&store, &alice).await;
            match told.as_deref() {
                Ok([Receipt::Stored { signal_id }, ..]) => assert_eq!(after[0], *signal_id),
                Err(StoreError::Unavailable(_)) => assert_eq!(after, before, "nothing was recorded"),
                other => panic!("{cut:?}: {other:?}"),
            }
            // Sent again, it is a repeat where it took, and new where it did not.
            let again = store.commit(vec![new()], at(1)).await.unwrap();
            assert_eq!(matches!(again[..], [Receipt::Replayed { .. }]), taken, "{cut:?}: {again:?}");
        }
    }
}

#[tokio::test]
async fn what_arrives_late_is_not_stored_beside_what_was_sent_again() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let mut watching = database.raw().await;
    let alice = tenant(&store, "alice").await.unwrap();
    // Nothing tells its repeats from others.
    let new = || one(NewSignal { repeat: None, ..signal(&alice) });
    store.commit(new(), at(0)).await.unwrap();
    let sessions = backends(&mut watching).await;
    proxy.cut_at(r#"{"action":"BUY"}"#, LATE);
    let told = store.commit(new(), at(0)).await.unwrap();
    assert!(proxy.has_cut());
    one_has_ended(&sessions, &mut watching).await;
    let [Receipt::Stored { signal_id }] = told[..] else { panic!("{told:?}") };
    let stored = stored(&store, &alice).await;
    assert_eq!((stored.len(), stored[0]), (2, signal_id));
}

#[tokio::test]
async fn an_intent_whose_commit_is_lost_is_told_as_it_is() {
    let database = Database::new().await;
    let (store, proxy) = behind_a_proxy(&database).await;
    let mut watching = database.raw().await;
    let alice = tenant(&store, "alice").await.unwrap();
    let known = identified(&alice, 99, 1);
    store.commit(one(known.clone()), at(0)).await.unwrap();
    let mut number = 0;
    for trial in trials(&known, "market") {
        for (cut, taken) in trial.cuts {
            number += 1;
            let intent = order(&alice, SignalId(number), 0);
            let id = intent.request.client_order_id;
            let sessions = backends(&mut watching).await;
            let changes = Changes { intents: vec![intent], ..Changes::default() };
            proxy.cut_at(trial.cut_at, cut);
            let told = store.commit(trial.entries(Entry::Changes(Arc::new(changes))), at(0)).await;
            assert!(proxy.has_cut());
            assert_eq!(told.is_ok(), taken, "{} {cut:?}: {told:?}", trial.cut_at);
            if let Ok(receipts) = told {
                assert_eq!(receipts[0], Receipt::Recorded { repeated_intents: Vec::new() }, "it may be sent");
            }
            one_has_ended(&sessions, &mut watching).await;
            assert_eq!(store.order(alice.user.id, id).await.is_ok(), taken, "{cut:?}");
            // The next is sent at once, where nothing is beside it.
            store.commit(one(signal(&alice)), at(0)).await.unwrap();
        }
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
    let known = identified(&alice, 99, 1);
    store.commit(one(known.clone()), at(0)).await.unwrap();
    for cut in [Cut::Before, Cut::After] {
        for at_text in ["BEGIN", "as_expected", "INSERT INTO signals"] {
            // A repeat beside it has to be looked at first, in a transaction that is begun.
            let repeat = (at_text == "BEGIN").then(|| Entry::Signal(Arc::new(known.clone())));
            proxy.cut_at(at_text, cut);
            // Its statement is prepared anew on a new connection, so the text is seen.
            let entries = one(signal(&alice)).into_iter().chain(repeat).collect();
            store.commit(entries, at(0)).await.unwrap();
            assert!(proxy.has_cut(), "{at_text}");
        }
    }
    assert_eq!(stored(&store, &alice).await.len(), 7, "each once");
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
