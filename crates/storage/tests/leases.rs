//! Who works on which account, and messages between nodes.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, Code, Order, OrderStatus, OutcomeStatus, SignalId, StrategyId};
use atomik_ports::StoreError;
use atomik_ports::bus::{Bus, Heard, MAX_MESSAGE};
use atomik_ports::cluster::{AccountShown, Beat, Cluster, GENERATION, Lease, NodeCard};
use atomik_ports::directory::Directory;
use atomik_ports::history::{History, TradeFilter};
use atomik_ports::journal::{Changes, Entry, Journal, NewSignal, Receipt};
use atomik_ports::{PageRequest, operations::Operations};
use atomik_storage::postgres::{OpenError, PostgresStore};
use atomik_testkit::builders::{START, Tenant, at, fill, order, outcome, position, signal, tenant};
use database::{Database, OwnServer, TOGETHER};
use secrecy::SecretString;

const PATIENCE: Duration = Duration::from_secs(30);

fn card(name: &str) -> NodeCard {
    NodeCard {
        name: name.to_owned(),
        version: "0.1.0".to_owned(),
        address: format!("http://{name}:8080"),
        started_at: START,
    }
}

async fn beat(store: &PostgresStore, returned: &[Lease]) -> Beat {
    store.beat(&card("node"), returned, &[]).await.unwrap()
}

fn accounts(beat: &Beat) -> BTreeSet<BrokerAccountId> {
    beat.leases.iter().map(|lease| lease.broker_account_id).collect()
}

/// Lets a node be dead, as if it had not beaten for long.
async fn bury(database: &Database, store: &PostgresStore) {
    let sql = format!(
        "UPDATE nodes SET alive_until = clock_timestamp() - INTERVAL '1 second' WHERE id = {}",
        store.node().0
    );
    database.execute(&sql).await;
}

async fn two_nodes(tenants: usize) -> (Database, [PostgresStore; 2], Vec<Tenant>) {
    let database = Database::new().await;
    let stores = [database.open(TOGETHER).await, database.open(TOGETHER).await];
    let mut all = Vec::new();
    for number in 0..tenants {
        all.push(tenant(&stores[0], &format!("tenant{number}")).await.unwrap());
    }
    (database, stores, all)
}

/// An order's intent, recorded under a lease.
async fn intend(store: &PostgresStore, tenant: &Tenant, lease: Lease, leg: u8) -> Receipt {
    let mut intent = order(tenant, SignalId(1), leg);
    intent.broker_account_id = lease.broker_account_id;
    let changes = Changes { lease: Some(lease), intents: vec![intent], ..Changes::default() };
    let receipts = store.commit(vec![Entry::Changes(Arc::new(changes))], at(0)).await.unwrap();
    receipts.into_iter().next().unwrap()
}

#[tokio::test]
async fn accounts_are_spread_evenly_and_none_is_anybodys_twice() {
    let (_database, [one, other], _tenants) = two_nodes(5).await;
    let first = beat(&one, &[]).await;
    assert_eq!((first.live_nodes, first.leases.len(), first.excess), (1, 5, 0));
    let second = beat(&other, &[]).await;
    assert_eq!((second.live_nodes, second.leases.len()), (2, 0), "all are taken");
    let now = beat(&one, &[]).await;
    assert!((2..=3).contains(&now.excess), "{now:?}");
    let returned = &now.leases[..now.excess];
    let kept = accounts(&beat(&one, returned).await);
    let taken = accounts(&beat(&other, &[]).await);
    assert_eq!((kept.len() + taken.len(), kept.intersection(&taken).count()), (5, 0));
    assert!((2..=3).contains(&taken.len()));
    other.leave(&beat(&other, &[]).await.leases).await.unwrap();
    assert_eq!(accounts(&beat(&one, &[]).await).len(), 5, "a node that leaves is not waited for");
    assert_eq!(one.nodes().await.unwrap().iter().filter(|node| node.is_alive).count(), 1);
}

#[tokio::test]
async fn nothing_is_recorded_under_a_lease_that_was_lost() {
    let (database, [one, other], tenants) = two_nodes(1).await;
    let old = beat(&one, &[]).await.leases[0];
    assert_eq!(intend(&one, &tenants[0], old, 0).await, Receipt::Recorded { repeated_intents: Vec::new() });
    assert_eq!(intend(&other, &tenants[0], old, 1).await, Receipt::LeaseLost, "it is the other's");
    assert!(beat(&other, &[]).await.leases.is_empty(), "the first lives");
    // Leases are taken from the dead only after the server has been up for as long as one lasts.
    tokio::time::timeout(PATIENCE, async {
        loop {
            bury(&database, &one).await;
            if !beat(&other, &[]).await.leases.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    let new = beat(&other, &[]).await.leases[0];
    assert!(new.epoch > old.epoch);
    assert_eq!(intend(&one, &tenants[0], old, 2).await, Receipt::LeaseLost);
    assert!(beat(&one, &[]).await.leases.is_empty(), "a node that wakes reads what it has lost");
    assert_eq!(intend(&other, &tenants[0], new, 3).await, Receipt::Recorded { repeated_intents: Vec::new() });
    let page = PageRequest { limit: 10, before: None };
    let orders = one.orders(tenants[0].user.id, &TradeFilter::default(), page).await.unwrap();
    let legs: Vec<_> = orders.items.iter().map(|order| order.leg).collect();
    assert_eq!(legs, [3, 0]);
}

#[tokio::test]
async fn all_that_a_lane_may_record_is_recorded_under_its_lease() {
    let (_database, [one, _other], tenants) = two_nodes(1).await;
    let lease = beat(&one, &[]).await.leases[0];
    let tenant = &tenants[0];
    for leg in 0..3 {
        let made = order(tenant, SignalId(1), leg);
        let changes = Changes {
            lease: Some(lease),
            intents: vec![made.clone()],
            orders: vec![Order { status: OrderStatus::Filled, ..made.clone() }],
            fills: vec![fill(&made, &format!("execution {leg}"))],
            positions: vec![position(tenant, i64::from(leg) + 1)],
            outcomes: vec![outcome(tenant, SignalId(1), OutcomeStatus::Filled, Code::Filled)],
        };
        let entries = vec![Entry::Changes(Arc::new(changes)), Entry::Signal(Arc::new(signal(tenant)))];
        let receipts = one.commit(entries, at(0)).await.unwrap();
        assert!(matches!(receipts[..], [Receipt::Recorded { .. }, Receipt::Stored { .. }]), "{receipts:?}");
        let stored = one.order(tenant.user.id, made.request.client_order_id).await.unwrap();
        assert_eq!(stored.status, OrderStatus::Filled);
    }
}

#[tokio::test]
async fn what_others_record_in_the_same_call_is_recorded_all_the_same() {
    let (_database, [one, other], tenants) = two_nodes(1).await;
    let lease = beat(&one, &[]).await.leases[0];
    let lost = Changes {
        lease: Some(lease),
        intents: vec![order(&tenants[0], SignalId(1), 0)],
        ..Changes::default()
    };
    let entries = vec![Entry::Changes(Arc::new(lost)), Entry::Signal(Arc::new(signal(&tenants[0])))];
    let receipts = other.commit(entries, at(0)).await.unwrap();
    assert!(matches!(receipts[..], [Receipt::LeaseLost, Receipt::Stored { .. }]), "{receipts:?}");
}

#[tokio::test]
async fn an_account_that_was_unlinked_is_forgotten_once_its_node_says_so() {
    let (_database, [one, _other], tenants) = two_nodes(2).await;
    let held = beat(&one, &[]).await.leases;
    let gone = tenants[0].account.id;
    one.delete_broker_account(tenants[0].user.id, gone).await.unwrap();
    assert_eq!(beat(&one, &[]).await.leases.len(), 2, "what waits there is settled first");
    let lease = held.into_iter().find(|lease| lease.broker_account_id == gone).unwrap();
    one.retire(&[lease]).await.unwrap();
    assert!(!accounts(&beat(&one, &[]).await).contains(&gone));
}

#[tokio::test]
async fn what_waits_is_read_by_the_account_it_waits_on() {
    let (_database, [one, other], tenants) = two_nodes(2).await;
    let mut ids = Vec::new();
    for tenant in [&tenants[0], &tenants[1], &tenants[0]] {
        let targets = vec![tenant.strategy.id];
        let entry = Entry::Signal(Arc::new(NewSignal { targets, ..signal(tenant) }));
        let [Receipt::Stored { signal_id }] = one.commit(vec![entry], at(0)).await.unwrap()[..] else {
            panic!()
        };
        ids.push(signal_id);
    }
    let signals = |waiting: Vec<atomik_ports::cluster::Waiting>| -> Vec<SignalId> {
        waiting.iter().map(|one| one.signal.id).collect()
    };
    let accounts = [tenants[0].account.id];
    let strategies = [tenants[0].strategy.id];
    let named = [ids[0], ids[2]].map(|id| (id, strategies[0]));
    let start = (SignalId(0), StrategyId(0));
    assert_eq!(other.waiting_on(&accounts, start).await.unwrap(), named);
    assert_eq!(other.waiting_on(&accounts, named[0]).await.unwrap(), named[1..]);
    assert_eq!(signals(other.waiting(&named[1..]).await.unwrap()), [ids[2]]);
    assert!(
        other.waiting(&[(ids[1], strategies[0])]).await.unwrap().is_empty(),
        "it is not for this strategy"
    );
    assert_eq!(signals(other.waiting_for(&strategies, ids[0]).await.unwrap()), [ids[2]]);
    let unfinished = other.unfinished_on(&accounts).await.unwrap();
    assert_eq!(unfinished.outcomes.len(), 2);
    assert_eq!(other.unfinished_work().await.unwrap().outcomes.len(), 3);
}

#[tokio::test]
async fn how_accounts_stand_is_shown_to_all() {
    let (_database, [one, other], tenants) = two_nodes(1).await;
    let shown = AccountShown { broker_account_id: tenants[0].account.id, shown: "fine".to_owned() };
    one.beat(&card("one"), &[], std::slice::from_ref(&shown)).await.unwrap();
    assert_eq!(beat(&other, &[]).await.shown, [shown]);
    assert_eq!(other.address_of(tenants[0].account.id).await.unwrap(), Some("http://one:8080".to_owned()));
}

#[tokio::test]
async fn a_node_of_a_far_version_is_refused_and_one_of_the_next_is_not() {
    let database = Database::new().await;
    let store = database.open(TOGETHER).await;
    beat(&store, &[]).await;
    for (generation, is_far) in [(GENERATION + 1, false), (GENERATION + 2, true), (GENERATION, false)] {
        database.execute(&format!("UPDATE nodes SET generation = {generation}, version = '9.9.9'")).await;
        let opened = PostgresStore::open(&database.url(), TOGETHER, START).await;
        match opened {
            Ok(_) => assert!(!is_far),
            Err(error) => {
                assert!(is_far && matches!(error, OpenError::FarVersion { .. }), "{error:?}");
                assert!(error.to_string().contains("9.9.9") && error.to_string().contains("node"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn a_beat_that_cannot_reach_the_database_says_so_in_time() {
    let (database, [one, _other], _tenants) = two_nodes(1).await;
    beat(&one, &[]).await;
    let mut blocking = database.raw().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE nodes").execute(&mut blocking).await.unwrap();
    let failed = tokio::time::timeout(PATIENCE, one.beat(&card("one"), &[], &[])).await.unwrap();
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut blocking).await.unwrap();
    assert_eq!(beat(&one, &[]).await.leases.len(), 1);
}

async fn next(heard: &mut tokio::sync::mpsc::Receiver<Heard>) -> Heard {
    tokio::time::timeout(PATIENCE, heard.recv()).await.unwrap().unwrap()
}

/// Publishes until the database is there again.
async fn publish(bus: &impl Bus, message: &str) {
    let published = async {
        while bus.publish(message).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, published).await.unwrap();
}

#[tokio::test]
async fn messages_reach_all_nodes_and_a_restart_is_told_as_a_gap() {
    let server = OwnServer::start();
    let open = || async { PostgresStore::open(&server.url(), TOGETHER, START).await.unwrap() };
    let (one, other) = (open().await.bus(), open().await.bus());
    let mut heard = [one.listen(), other.listen()];
    for one in &mut heard {
        assert_eq!(next(one).await, Heard::Gap, "what was said before is not known");
    }
    let long = "x".repeat(MAX_MESSAGE);
    publish(&one, &long).await;
    for one in &mut heard {
        assert_eq!(next(one).await, Heard::Message(long.clone()));
    }
    server.control("-m immediate restart");
    for one in &mut heard {
        assert_eq!(next(one).await, Heard::Gap);
    }
    publish(&other, "back").await;
    for one in &mut heard {
        assert_eq!(next(one).await, Heard::Message("back".to_owned()));
    }
    // A URL alone names no secret in what is said of it.
    let url = SecretString::from("postgres://atomik:hunter2@127.0.0.1:1/nowhere".to_owned());
    let error = PostgresStore::open(&url, TOGETHER, START).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
}
