//! What is particular to the store of cluster mode: many stores on one database, and who may use it.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::sync::Arc;

use atomik_domain::{Code, SignalId, UnixMicros};
use atomik_ports::directory::{Changed, Directory, Registration, WebhookPatch};
use atomik_ports::history::{DeliveryFilter, History};
use atomik_ports::journal::{Changes, Entry, Journal, NewSignal, Receipt, Refusal};
use atomik_ports::operations::{Operations, Retention};
use atomik_ports::{Clock, PageRequest, StoreError, SystemClock};
use atomik_storage::postgres::{Access, OpenError, OpenOptions, PostgresStore, WindowClock};
use atomik_testkit::builders::{START, at, identified, new_user, order, refusal, signal, tenant, windowed};
use database::{ALONE, Database, OwnServer, TOGETHER};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

const FIRST: PageRequest = PageRequest { limit: 200, before: None };
const TOOL: OpenOptions = OpenOptions { access: Access::Shared, ..ALONE };

fn one(signal: NewSignal) -> Vec<Entry> {
    vec![Entry::Signal(Arc::new(signal))]
}

fn first_of(receipts: &[Receipt]) -> SignalId {
    match receipts {
        [Receipt::Stored { signal_id } | Receipt::Replayed { signal_id, .. }] => *signal_id,
        other => panic!("{other:?}"),
    }
}

fn is_stored(receipts: &[Receipt]) -> bool {
    matches!(receipts, [Receipt::Stored { .. }])
}

async fn refused(database: &Database, options: OpenOptions) -> OpenError {
    PostgresStore::open(&database.url(), options, START).await.unwrap_err()
}

#[tokio::test]
async fn a_second_server_is_refused_by_name() {
    let database = Database::new().await;
    let first = database.open(ALONE).await;
    let error = refused(&database, ALONE).await;
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("an atomik serves it"), "{error}");
    assert!(matches!(refused(&database, TOGETHER).await, OpenError::InUse { .. }));
    first.close().await;
    let together = database.open(TOGETHER).await;
    database.open(TOGETHER).await;
    assert!(matches!(refused(&database, ALONE).await, OpenError::InUse { .. }));
    together.close().await;
}

#[tokio::test]
async fn a_tool_works_beside_a_server_and_each_sees_the_others_changes() {
    let database = Database::new().await;
    let server = database.open(ALONE).await;
    let alice = tenant(&server, "alice").await.unwrap();
    let seen = server.snapshot().await.unwrap().change;
    let tool = database.open(TOOL).await;
    assert_eq!(tool.installation(), server.installation());
    let pause = WebhookPatch { active: Some(false), ..WebhookPatch::default() };
    tool.update_webhook(alice.user.id, alice.webhook.id, pause, None).await.unwrap();
    assert_eq!(server.changes_since(seen).await.unwrap().1.len(), 1);
    let recorded = tool.commit(one(signal(&alice)), at(0)).await;
    assert!(matches!(recorded, Err(StoreError::Unavailable(_))), "signals are the server's: {recorded:?}");
    tool.check().await.unwrap();
}

#[tokio::test]
async fn a_tool_alone_makes_the_store_and_leaves_it_free() {
    let database = Database::empty().await;
    let tool = database.open(TOOL).await;
    let user = tool.create_user(new_user("alice"), Registration::FirstUser).await.unwrap();
    let server = database.open(ALONE).await;
    assert_eq!(server.user(user.id).await.unwrap(), user);
}

#[tokio::test]
async fn stores_that_open_an_empty_database_at_once_all_get_the_same() {
    let database = Arc::new(Database::empty().await);
    let open = |_| {
        let database = Arc::clone(&database);
        tokio::spawn(async move { database.open(TOOL).await.installation() })
    };
    let installations: Vec<_> = join_all((0..4).map(open)).await.into_iter().map(Result::unwrap).collect();
    assert!(installations.iter().all(|one| *one == installations[0]), "{installations:?}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_an_older_server_left_alone() {
    let database = Database::new().await;
    let server = database.open(ALONE).await;
    let add = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', TRUE, '', 1)";
    database.execute(add).await;
    for options in [ALONE, TOOL] {
        if options == ALONE {
            server.close().await;
        }
        let error = refused(&database, options).await;
        assert!(matches!(error, OpenError::NewerSchema { found: 999, .. }), "{error:?}");
        assert!(error.to_string().contains("newer atomik"), "{error}");
    }
    database.execute("DELETE FROM _sqlx_migrations WHERE version = 999").await;
    let server = database.open(ALONE).await;
    database.execute("DELETE FROM _sqlx_migrations").await;
    let error = refused(&database, TOOL).await;
    assert!(matches!(error, OpenError::OlderServer { .. }), "{error:?}");
    server.close().await;
}

#[tokio::test]
async fn what_is_acknowledged_is_flushed_whatever_the_server_is_set_to() {
    let database = Database::new().await;
    let name = "(SELECT current_database())";
    database
        .execute(&format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', {name}); END $$; \
             CREATE TABLE seen (setting TEXT); \
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
             CREATE TRIGGER seen AFTER INSERT ON signals EXECUTE FUNCTION see(); \
             CREATE TRIGGER seen AFTER INSERT ON users EXECUTE FUNCTION see()"
        ))
        .await;
    let store = database.open(ALONE).await;
    let alice = tenant(&store, "alice").await.unwrap();
    store.commit(one(signal(&alice)), at(0)).await.unwrap();
    let seen: Vec<String> =
        sqlx::query_scalar("SELECT setting FROM seen").fetch_all(&mut database.raw().await).await.unwrap();
    assert_eq!(seen, ["on", "on"]);
}

#[tokio::test]
async fn a_server_that_flushes_nothing_is_refused() {
    let server = OwnServer::start();
    let mut connection = PgConnection::connect(server.url().expose_secret()).await.unwrap();
    connection.execute("ALTER SYSTEM SET fsync = off").await.unwrap();
    server.control("reload");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while sqlx::query_scalar::<_, String>("SHOW fsync").fetch_one(&mut connection).await.unwrap() == "on" {
        assert!(std::time::Instant::now() < deadline, "the setting is never read");
    }
    let error = PostgresStore::open(&server.url(), ALONE, START).await.unwrap_err();
    assert!(error.to_string().contains("fsync is off"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_said_without_its_password() {
    let database = Database::new().await;
    let open =
        async |url: &SecretString| PostgresStore::open(url, ALONE, START).await.unwrap_err().to_string();
    let tls = open(&database.url_with("?sslmode=require")).await;
    assert!(tls.contains("TLS"), "{tls}");
    let closed = SecretString::from("postgres://trader:hunter2@127.0.0.1:1/atomik");
    let nobody = open(&closed).await;
    assert!(nobody.contains("127.0.0.1:1") && nobody.contains("cannot be reached"), "{nobody}");
    let garbled = open(&SecretString::from("postgres://trader:hunter2@:x/")).await;
    let other = open(&SecretString::from("mysql://trader:hunter2@db/")).await;
    let mistyped =
        open(&SecretString::from("postgres://trader@db/books?pasword=hunter2&sslmod=require")).await;
    assert!(mistyped.contains("none of sslmode"), "{mistyped}");
    for sentence in [nobody, garbled, other, mistyped] {
        assert!(!sentence.contains("hunter2"), "{sentence}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_signal_over_two_stores_is_stored_once() {
    let database = Database::new().await;
    let stores = [Arc::new(database.open(TOGETHER).await), Arc::new(database.open(TOGETHER).await)];
    let alice = tenant(&*stores[0], "alice").await.unwrap();
    for kind in [windowed(&alice, 1), identified(&alice, 1, 1)] {
        let flood = (0..300).map(|number| {
            let (store, signal) = (Arc::clone(&stores[number % 2]), kind.clone());
            tokio::spawn(async move { store.commit(one(signal), at(0)).await.unwrap() })
        });
        let receipts: Vec<_> = join_all(flood).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(receipts.iter().filter(|receipts| is_stored(receipts)).count(), 1);
        let first = first_of(&receipts[0]);
        assert!(receipts.iter().all(|receipts| first_of(receipts) == first));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_many_keys_in_any_order_store_each_once() {
    let database = Database::new().await;
    let stores = [Arc::new(database.open(TOGETHER).await), Arc::new(database.open(TOGETHER).await)];
    let alice = tenant(&*stores[0], "alice").await.unwrap();
    let batch = |seed: usize| -> Vec<Entry> {
        let print = |number: usize| u8::try_from((number * 7 + seed * 13) % 50).unwrap();
        (0..50).flat_map(|number| one(windowed(&alice, print(number)))).collect()
    };
    let floods = (0..40).map(|seed| {
        let (store, entries) = (Arc::clone(&stores[seed % 2]), batch(seed));
        tokio::spawn(async move { store.commit(entries, at(0)).await.unwrap() })
    });
    let receipts: Vec<_> = join_all(floods).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(receipts.iter().filter(|receipt| matches!(receipt, Receipt::Stored { .. })).count(), 50);
    assert_eq!(receipts.len(), 2_000);
}

/// What one node's clock says makes no difference where the database's is asked.
#[tokio::test]
async fn a_node_whose_clock_is_an_hour_off_sees_the_same_windows() {
    let database = Database::new().await;
    let options = OpenOptions { window_clock: WindowClock::Database, ..TOGETHER };
    let (right, wrong) = (database.open(options).await, database.open(options).await);
    let alice = tenant(&right, "alice").await.unwrap();
    let now = SystemClock.now();
    let windowed = || NewSignal { ..atomik_testkit::builders::windowed_for(&alice, 1, 3_000) };
    let first = right.commit(one(windowed()), now).await.unwrap();
    for hours in [-1, 1] {
        let off = now.plus_seconds(hours * 3_600);
        let again = wrong.commit(one(windowed()), off).await.unwrap();
        assert!(!is_stored(&again) && first_of(&again) == first_of(&first), "{again:?}");
        // Nor does what it prunes by.
        let keep = Retention { deliveries_before: START, refused_per_webhook: 10, now: off };
        wrong.prune(keep).await.unwrap();
    }
    // A window that is over is over for both, whatever they think the time is.
    let short = |print| NewSignal { ..atomik_testkit::builders::windowed(&alice, print) };
    let first = wrong.commit(one(short(2)), now.plus_seconds(3_600)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let later = right.commit(one(short(2)), now).await.unwrap();
    assert!(is_stored(&later) && first_of(&later) != first_of(&first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_the_changes_of_many_writers_misses_none() {
    const WRITERS: usize = 6;
    const CHANGES: u32 = 60;
    let database = Database::new().await;
    let stores = [Arc::new(database.open(TOGETHER).await), Arc::new(database.open(TOGETHER).await)];
    let mut tenants = Vec::new();
    for writer in 0..WRITERS {
        tenants.push(tenant(&*stores[0], &format!("user-{writer}")).await.unwrap());
    }
    let start = stores[0].snapshot().await.unwrap().change;
    let writing: Vec<_> = tenants
        .iter()
        .enumerate()
        .map(|(writer, tenant)| {
            let (store, tenant) = (Arc::clone(&stores[writer % 2]), tenant.clone());
            tokio::spawn(async move {
                for step in 1..=CHANGES {
                    let patch = WebhookPatch { dedupe_window_s: Some(step), ..WebhookPatch::default() };
                    store.update_webhook(tenant.user.id, tenant.webhook.id, patch, None).await.unwrap();
                }
            })
        })
        .collect();
    // A copy that is kept true by the changes alone. What it was told last must be what is there in the end: a change
    // that was missed would leave an older value.
    let mut copy = std::collections::BTreeMap::new();
    let mut seen = start;
    loop {
        let over = writing.iter().all(|writer| writer.is_finished());
        let (now, changes) = stores[1].changes_since(seen).await.unwrap();
        assert!(now >= seen);
        seen = now;
        for change in changes {
            let Changed::Webhook(id, Some(webhook)) = change else { panic!("{change:?}") };
            copy.insert(id, webhook.dedupe_window_s);
        }
        if over {
            break;
        }
    }
    join_all(writing).await.into_iter().for_each(Result::unwrap);
    assert_eq!(copy.len(), WRITERS);
    assert!(copy.values().all(|value| *value == CHANGES), "{copy:?}");
}

/// A number that was drawn first and is committed last is seen all the same: nobody commits a higher one meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_committed_late_is_not_missed() {
    let database = Database::new().await;
    let store = Arc::new(database.open(ALONE).await);
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let mut seen = store.snapshot().await.unwrap().change;
    let mut slow = database.raw().await;
    let begin = "BEGIN; UPDATE webhooks SET name = 'late' WHERE token = 'token-alice'";
    sqlx::raw_sql(begin).execute(&mut slow).await.unwrap();
    let (writer, trader) = (Arc::clone(&store), bob.clone());
    let quick = tokio::spawn(async move {
        let patch = WebhookPatch { name: Some("quick".to_owned()), ..WebhookPatch::default() };
        writer.update_webhook(trader.user.id, trader.webhook.id, patch, None).await.unwrap();
    });
    let mut told = std::collections::BTreeSet::new();
    let mut follow = async || {
        let (now, changes) = store.changes_since(seen).await.unwrap();
        seen = now;
        told.extend(changes.iter().map(|change| match change {
            Changed::Webhook(id, _) => *id,
            other => panic!("{other:?}"),
        }));
    };
    for _ in 0..20 {
        follow().await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    sqlx::raw_sql("COMMIT").execute(&mut slow).await.unwrap();
    quick.await.unwrap();
    follow().await;
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [alice.webhook.id, bob.webhook.id]);
}

/// What each writes is in the other's order, so that they get in each other's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_collide_are_tried_again() {
    let database = Database::new().await;
    let stores = [Arc::new(database.open(TOGETHER).await), Arc::new(database.open(TOGETHER).await)];
    let alice = tenant(&*stores[0], "alice").await.unwrap();
    let writing = (0..2).map(|side| {
        let (store, alice) = (Arc::clone(&stores[side]), alice.clone());
        tokio::spawn(async move {
            for round in 0..40 {
                let mut orders: Vec<_> = (0..40).map(|number| order(&alice, SignalId(number), 0)).collect();
                for order in &mut orders {
                    order.updated_at = at(round);
                }
                if side == 1 {
                    orders.reverse();
                }
                let changes = Changes { orders, ..Changes::default() };
                store.commit(vec![Entry::Changes(Arc::new(changes))], at(round)).await.unwrap();
            }
        })
    });
    join_all(writing).await.into_iter().for_each(Result::unwrap);
}

async fn days(database: &Database) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'deliveries_day_%' AND relkind = 'r'",
    )
    .fetch_one(&mut database.raw().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn days_of_the_log_are_made_ahead_and_dropped_whole() {
    const DAY: i64 = 24 * 3_600;
    let database = Database::new().await;
    let store = database.open(ALONE).await;
    let alice = tenant(&store, "alice").await.unwrap();
    assert_eq!(days(&database).await, 4, "today and three more");
    for day in 0..3 {
        let refused = Refusal { received_at: at(day * DAY), ..refusal(&alice, 401, Code::InvalidSecret) };
        let replayed = [windowed(&alice, 1), windowed(&alice, 1)];
        let mut entries = vec![Entry::Refusal(Box::new(refused))];
        entries.extend(
            replayed.into_iter().flat_map(|new| one(NewSignal { received_at: at(day * DAY), ..new })),
        );
        store.commit(entries, at(day * DAY)).await.unwrap();
    }
    // Far from every partition, and kept all the same.
    let strange = Refusal { received_at: UnixMicros(5), ..refusal(&alice, 401, Code::InvalidSecret) };
    store.commit(vec![Entry::Refusal(Box::new(strange))], at(0)).await.unwrap();
    let log = async |filter| {
        store.deliveries(alice.user.id, alice.webhook.id, filter, FIRST).await.unwrap().items.len()
    };
    assert_eq!(log(DeliveryFilter::Refused).await, 4);
    let keep =
        |second| Retention { deliveries_before: at(second), refused_per_webhook: 10, now: at(3 * DAY) };
    assert_eq!(store.prune(keep(2 * DAY)).await.unwrap(), 6, "two days of two, the strange one, a key");
    assert_eq!((log(DeliveryFilter::Refused).await, log(DeliveryFilter::All).await), (1, 3));
    assert_eq!(days(&database).await, 5, "two went, three came");
    let rest: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries")
        .fetch_one(&mut database.raw().await)
        .await
        .unwrap();
    assert_eq!(rest, 2);
    assert_eq!(store.prune(keep(2 * DAY)).await.unwrap(), 0);
}

/// PostgreSQL's texts cannot hold NUL; one that came with an alert must not undo the work of everybody else.
#[tokio::test]
async fn a_nul_character_fails_nothing() {
    let database = Database::new().await;
    let store = database.open(ALONE).await;
    let alice = tenant(&store, "alice").await.unwrap();
    let odd = NewSignal { comment: Some("a\0b".to_owned()), payload: "\0".to_owned(), ..signal(&alice) };
    let receipts = store.commit(one(odd), at(0)).await.unwrap();
    let kept = store.signal(alice.user.id, first_of(&receipts)).await.unwrap().signal;
    assert_eq!((kept.comment.as_deref(), kept.payload.as_str()), (Some("a\u{fffd}b"), "\u{fffd}"));
    assert_eq!(store.user_by_email("a\0@example.com").await.map(drop), Err(StoreError::NotFound));
    let rename = WebhookPatch { name: Some("x\0".to_owned()), ..WebhookPatch::default() };
    store.update_webhook(alice.user.id, alice.webhook.id, rename, None).await.unwrap();
}

fn sessions_of(store: &str) -> String {
    format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {store}"
    )
}

/// Ends all sessions of stores, as a firewall or an administrator does.
async fn end_sessions(database: &Database) {
    database.execute(&sessions_of("application_name LIKE 'atomik %'")).await;
}

#[tokio::test]
async fn a_server_that_lost_its_sessions_goes_on_alone() {
    let database = Database::new().await;
    let store = database.open(ALONE).await;
    let alice = tenant(&store, "alice").await.unwrap();
    for round in 0..3 {
        end_sessions(&database).await;
        store.commit(one(signal(&alice)), at(round)).await.unwrap();
        store.check().await.unwrap();
    }
    assert!(matches!(refused(&database, ALONE).await, OpenError::InUse { .. }), "it holds the lock again");
}
