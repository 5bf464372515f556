//! What is particular to the store in one SQLite file: its directory, its faults, its neighbors.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{Code, OutcomeStatus, SignalId, StrategyId};
use atomik_ports::directory::{Directory, Registration, UserPatch, WebhookPatch};
use atomik_ports::history::{History, TradeFilter};
use atomik_ports::journal::{Changes, Entry, Journal, NewSignal, Receipt};
use atomik_ports::operations::Operations;
use atomik_ports::overview::Overview;
use atomik_ports::{PageRequest, StoreError};
use atomik_storage::sqlite::{Access, DATABASE_FILE, LOCK_FILE, OpenError, OpenOptions, SqliteStore};
use atomik_testkit::builders::{
    START, Tenant, at, fill, new_user, new_webhook, order, position, refusal, signal, tenant, windowed,
};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

const FIRST: PageRequest = PageRequest { limit: 200, before: None };

fn signals(tenant: &Tenant, count: usize) -> Vec<Entry> {
    (0..count).map(|_| Entry::Signal(Arc::new(signal(tenant)))).collect()
}

async fn shared(dir: &Path) -> Result<SqliteStore, OpenError> {
    let options = OpenOptions { access: Access::Shared, ..OpenOptions::default() };
    SqliteStore::open_with(dir, options, START).await
}

async fn raw(dir: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(dir.join(DATABASE_FILE)).connect().await.unwrap()
}

/// Pretends that a newer program has been here.
async fn add_migration(dir: &Path, version: i64) {
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (?1, 'from the future', 1, x'00', 1)",
    )
    .bind(version)
    .execute(&mut raw(dir).await)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_second_server_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open(dir.path(), START).await.unwrap();
    let refused = SqliteStore::open(dir.path(), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused:?}");
    let sentence = refused.to_string();
    assert!(sentence.contains(dir.path().to_str().unwrap()), "{sentence}");
    assert!(sentence.contains("another atomik serves it"), "{sentence}");
    drop(first);
    SqliteStore::open(dir.path(), START).await.unwrap();
}

#[tokio::test]
async fn a_tool_works_beside_a_server_and_each_sees_the_others_changes() {
    let dir = tempfile::tempdir().unwrap();
    let server = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&server, "alice").await.unwrap();
    let seen = server.snapshot().await.unwrap().change;
    let tool = shared(dir.path()).await.unwrap();
    assert_eq!(tool.installation(), server.installation());
    let pause = WebhookPatch { active: Some(false), ..WebhookPatch::default() };
    tool.update_webhook(alice.user.id, alice.webhook.id, pause, None).await.unwrap();
    let (_, changes) = server.changes_since(seen).await.unwrap();
    assert_eq!(changes.len(), 1);
    let refused = tool.commit(signals(&alice, 1), at(0)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "signals are the server's: {refused:?}");
}

#[tokio::test]
async fn a_tool_alone_makes_the_store_and_leaves_it_free() {
    let dir = tempfile::tempdir().unwrap();
    let tool = shared(dir.path()).await.unwrap();
    let user = tool.create_user(new_user("alice"), Registration::FirstUser).await.unwrap();
    let server = SqliteStore::open(dir.path(), START).await.unwrap();
    assert_eq!(server.user(user.id).await.unwrap(), user);
    drop(tool);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(dir.path(), START).await.unwrap());
    add_migration(dir.path(), 999).await;
    let refused = SqliteStore::open(dir.path(), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: 999, .. }), "{refused:?}");
    assert!(refused.to_string().contains("newer atomik"), "{refused}");
    assert!(matches!(shared(dir.path()).await, Err(OpenError::NewerSchema { .. })));
}

#[tokio::test]
async fn a_tool_leaves_the_schema_of_a_running_server_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = SqliteStore::open(dir.path(), START).await.unwrap();
    add_migration(dir.path(), 999).await;
    assert!(matches!(shared(dir.path()).await, Err(OpenError::NewerSchema { .. })));
    sqlx::query("DELETE FROM _sqlx_migrations").execute(&mut raw(dir.path()).await).await.unwrap();
    let refused = shared(dir.path()).await.unwrap_err();
    assert!(matches!(refused, OpenError::OlderServer { .. }), "{refused:?}");
    drop(server);
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    store.commit(signals(&alice, 2_000), at(0)).await.unwrap();
    drop(store);
    let file = dir.path().join(DATABASE_FILE);
    // The log would heal it: fold it into the file first.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut raw(dir.path()).await).await.unwrap();
    let size = std::fs::metadata(&file).unwrap().len();
    let mut damaged = std::fs::File::options().write(true).open(&file).unwrap();
    damaged.seek(SeekFrom::Start(size / 2)).unwrap();
    damaged.write_all(&[0x5a; 64 * 1_024]).unwrap();
    drop(damaged);
    let refused = SqliteStore::open(dir.path(), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused:?}");
    assert!(refused.to_string().contains("damaged"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(DATABASE_FILE);
    let text = "a letter, not a database ".repeat(200);
    std::fs::write(&file, &text).unwrap();
    let refused = SqliteStore::open(dir.path(), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let refused = SqliteStore::open(&file.join("data"), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::CannotCreateDirectory { .. }), "{refused:?}");
    assert!(refused.to_string().contains("data"), "{refused}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    // Not even the administrator, as whom tests may run, can make a file here.
    let refused = SqliteStore::open(Path::new("/sys"), START).await.unwrap_err();
    assert!(matches!(refused, OpenError::ReadOnly { .. }), "{refused:?}");
    assert!(refused.to_string().contains("/sys cannot be written"), "{refused}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_holds_hashes() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = SqliteStore::open(&data, START).await.unwrap();
    tenant(&store, "alice").await.unwrap();
    let backup = data.join("backup.db");
    store.backup(&backup).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let wal = data.join(format!("{DATABASE_FILE}-wal"));
    for file in [data.join(DATABASE_FILE), data.join(LOCK_FILE), wal, backup] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let installation = store.installation();
    let alice = tenant(&store, "alice").await.unwrap();
    let receipts = store.commit(vec![Entry::Signal(Arc::new(windowed(&alice, 1)))], at(0)).await.unwrap();
    let Receipt::Stored { signal_id } = receipts[0] else { panic!("{receipts:?}") };
    let intent = order(&alice, signal_id, 0);
    let changes = Changes {
        intents: vec![intent.clone()],
        fills: vec![fill(&intent, "e-1")],
        positions: vec![position(&alice, 2)],
        ..Changes::default()
    };
    store.commit(vec![Entry::Changes(Arc::new(changes))], at(0)).await.unwrap();
    let before = store.signal(alice.user.id, signal_id).await.unwrap();
    drop(store);

    let store = SqliteStore::open(dir.path(), at(100)).await.unwrap();
    assert_eq!(store.installation(), installation);
    assert_eq!(store.signal(alice.user.id, signal_id).await.unwrap(), before);
    assert_eq!(store.positions_of(alice.strategy.id).await.unwrap(), [position(&alice, 2)]);
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!((snapshot.users, snapshot.webhooks), (vec![alice.user.clone()], vec![alice.webhook.clone()]));
    let again = vec![Entry::Signal(Arc::new(windowed(&alice, 1)))];
    let receipts = store.commit(again, at(0).plus(1)).await.unwrap();
    assert!(matches!(receipts[0], Receipt::Replayed { .. }), "repeats are known across restarts");
    let receipts = store.commit(signals(&alice, 1), at(0)).await.unwrap();
    assert!(matches!(receipts[0], Receipt::Stored { signal_id: next } if next > signal_id));
}

#[tokio::test]
async fn a_full_store_refuses_whole_calls_and_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions { max_size_bytes: Some(512 * 1_024), ..OpenOptions::default() };
    let store = SqliteStore::open_with(dir.path(), options, START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    store.check().await.unwrap();
    let mut stored = 0;
    let refused = loop {
        match store.commit(signals(&alice, 100), at(0)).await {
            Ok(receipts) => stored += receipts.len(),
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the bound does not hold");
    };
    let StoreError::Unavailable(sentence) = refused else { panic!("{refused:?}") };
    assert!(sentence.contains("full"), "{sentence}");
    // Fill what a smaller call still fits into, then nothing fits at all.
    while let Ok(receipts) = store.commit(signals(&alice, 1), at(0)).await {
        stored += receipts.len();
    }
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))), "readiness must show it");
    let (mut found, mut page) = (0, FIRST);
    loop {
        let signals = store.signals(alice.user.id, &TradeFilter::default(), page).await.unwrap();
        found += signals.items.len();
        page.before = signals.next;
        if signals.next.is_none() {
            break;
        }
    }
    assert_eq!(found, stored, "nothing of a refused call was kept");
    let patch = UserPatch { disabled: Some(false), ..UserPatch::default() };
    let _ = store.update_user(alice.user.id, patch).await; // may need no room, and must not wedge the writer
    drop(store);
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    store.commit(signals(&alice, 1_000), at(0)).await.unwrap();
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_leave_whole_commits_and_a_store_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let targeted = || NewSignal { targets: vec![alice.strategy.id, StrategyId(77)], ..signal(&alice) };
    for patience_us in (0..3_000).step_by(20) {
        let refused = Entry::Refusal(Box::new(refusal(&alice, 401, Code::InvalidSecret)));
        let entries = vec![Entry::Signal(Arc::new(targeted())), refused];
        let patience = Duration::from_micros(patience_us);
        let _ = tokio::time::timeout(patience, store.commit(entries, at(0))).await;
    }
    let receipts = store.commit(signals(&alice, 1), at(0)).await.unwrap();
    assert!(matches!(receipts[0], Receipt::Stored { .. }));
    let signals = store.signals(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert!(signals[1..].iter().all(|record| record.outcomes.len() == 2));
}

#[tokio::test]
async fn tools_that_start_at_once_on_an_empty_directory_all_get_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let start = |_| {
        let dir = dir.path().to_owned();
        tokio::spawn(async move { shared(&dir).await.unwrap().installation() })
    };
    let starting: Vec<_> = (0..4).map(start).collect();
    let mut installations = Vec::new();
    for tool in starting {
        installations.push(tool.await.unwrap());
    }
    assert!(installations.iter().all(|one| *one == installations[0]), "{installations:?}");
}

/// What tells repeats of the last moments apart is in memory; these are the ways to lose it.
#[tokio::test]
async fn a_repeat_is_recognized_after_a_restart_and_after_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions { max_size_bytes: Some(512 * 1_024), ..OpenOptions::default() };
    let store = SqliteStore::open_with(dir.path(), options, START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let again = || vec![Entry::Signal(Arc::new(windowed(&alice, 1)))];
    let first = stored(&store.commit(again(), at(0)).await.unwrap());
    let large = NewSignal { payload: "x".repeat(1_024 * 1_024), ..signal(&alice) };
    store.commit(vec![Entry::Signal(Arc::new(large))], at(0)).await.unwrap_err();
    assert_eq!(replayed(&store.commit(again(), at(0)).await.unwrap()), first, "after a fault");
    drop(store);
    let restarted = SqliteStore::open(dir.path(), START).await.unwrap();
    assert_eq!(replayed(&restarted.commit(again(), at(0)).await.unwrap()), first, "after a restart");
}

#[tokio::test]
async fn a_signal_that_was_not_stored_is_no_first() {
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions { max_size_bytes: Some(512 * 1_024), ..OpenOptions::default() };
    let store = SqliteStore::open_with(dir.path(), options, START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let large = NewSignal { payload: "x".repeat(1_024 * 1_024), ..windowed(&alice, 1) };
    store.commit(vec![Entry::Signal(Arc::new(large))], at(0)).await.unwrap_err();
    stored(&store.commit(vec![Entry::Signal(Arc::new(windowed(&alice, 1)))], at(0)).await.unwrap());
}

fn stored(receipts: &[Receipt]) -> SignalId {
    let [Receipt::Stored { signal_id }] = receipts else { panic!("{receipts:?}") };
    *signal_id
}

fn replayed(receipts: &[Receipt]) -> SignalId {
    let [Receipt::Replayed { signal_id, .. }] = receipts else { panic!("{receipts:?}") };
    *signal_id
}

/// Moves the newest signal so many eras of ids ahead, as if others had come between.
async fn move_ahead(dir: &Path, eras: i64) {
    sqlx::query("UPDATE signals SET id = id + ?1 * 4096 WHERE id = (SELECT max(id) FROM signals)")
        .bind(eras)
        .execute(&mut raw(dir).await)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_search_by_outcome_goes_back_a_bounded_way_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let pending = NewSignal { targets: vec![alice.strategy.id], ..signal(&alice) };
    let entries = [pending, signal(&alice)].map(|new| Entry::Signal(Arc::new(new)));
    store.commit(entries.into(), START).await.unwrap();
    move_ahead(dir.path(), 1_000).await;
    for (status, oldest_first) in [(OutcomeStatus::Pending, false), (OutcomeStatus::Skipped, true)] {
        let wanted = TradeFilter { outcome: Some(status), oldest_first, ..TradeFilter::default() };
        let (mut page, mut pages) = (FIRST, Vec::new());
        loop {
            let read = store.signals(alice.user.id, &wanted, page).await.unwrap();
            pages.push(read.items.len());
            page.before = read.next;
            if page.before.is_none() {
                break;
            }
        }
        assert_eq!(
            (pages[0], pages.iter().sum::<usize>()),
            (0, 1),
            "an empty page is not the end: {pages:?}"
        );
    }
    let all = store.signals(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    assert_eq!((all.items.len(), all.next), (2, None), "without it, everything is found at once");
}

#[tokio::test]
async fn what_is_not_counted_any_more_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    store.commit(signals(&alice, 2), START).await.unwrap();
    let counted = async || {
        let happened = store.happened(alice.user.id, START).await.unwrap();
        (happened.accepted, happened.truncated)
    };
    move_ahead(dir.path(), 4_000).await;
    assert_eq!(counted().await, (2, false));
    move_ahead(dir.path(), 1_000).await;
    assert_eq!(counted().await, (1, true));
}

/// Writes so many equal refusals of a webhook, from an id on, faster than they could come.
async fn refused_before(dir: &Path, webhook: i64, first: i64, count: i64) {
    sqlx::query(
        "WITH RECURSIVE n (id) AS (VALUES (?2) UNION ALL SELECT id + 1 FROM n WHERE id < ?2 + ?3 - 1) \
         INSERT INTO deliveries (id, webhook_id, received_at, duration_us, status, code, suppressed) \
         SELECT id, ?1, ?4, 0, 401, 'invalid_secret', 0 FROM n",
    )
    .bind(webhook)
    .bind(first)
    .bind(count)
    .bind(START.0)
    .execute(&mut raw(dir).await)
    .await
    .unwrap();
}

#[tokio::test]
async fn of_too_many_deliveries_the_newest_are_counted_whichever_webhook_they_came_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let quiet = store.create_webhook(new_webhook(alice.user.id, "quiet"), None).await.unwrap();
    drop(store);
    refused_before(dir.path(), alice.webhook.id.0, 1, 110_000).await;
    refused_before(dir.path(), quiet.id.0, 110_001, 10).await;
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let happened = store.happened(alice.user.id, START).await.unwrap();
    let counts: Vec<_> = happened.others.iter().map(|group| (group.webhook_id, group.count)).collect();
    assert_eq!(counts, [(quiet.id, 10), (alice.webhook.id, 99_990)]);
    assert!(happened.truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path(), START).await.unwrap());
    let alice = tenant(&*store, "alice").await.unwrap();
    let (writer, trader) = (Arc::clone(&store), alice.clone());
    let writing = tokio::spawn(async move {
        for _ in 0..400 {
            // Both or neither.
            let refusal = Entry::Refusal(Box::new(refusal(&trader, 401, Code::InvalidSecret)));
            let pair = vec![Entry::Signal(Arc::new(signal(&trader))), refusal];
            writer.commit(pair, START).await.unwrap();
        }
    });
    let mut written = false;
    while !written {
        written = writing.is_finished();
        let happened = store.happened(alice.user.id, START).await.unwrap();
        assert_eq!(happened.others.iter().map(|group| group.count).sum::<u64>(), happened.accepted);
        let activity = store.webhook_activity(alice.user.id, &[alice.webhook.id], START).await.unwrap();
        assert_eq!(activity[0].accepted, activity[0].refused);
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_search_since_a_moment_goes_back_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    for second in [0, 3_600] {
        let new = NewSignal { received_at: at(second), ..signal(&alice) };
        store.commit(vec![Entry::Signal(Arc::new(new))], START).await.unwrap();
    }
    move_ahead(dir.path(), 1_000).await;
    let skipped = TradeFilter { outcome: Some(OutcomeStatus::Skipped), ..TradeFilter::default() };
    for (filter, found) in [
        (TradeFilter { since: Some(at(1_800)), ..skipped.clone() }, 1),
        (TradeFilter { until: Some(at(1_800)), ..skipped.clone() }, 1),
        (TradeFilter { since: Some(at(7_200)), ..skipped.clone() }, 0),
        (TradeFilter { until: Some(at(1_800)), oldest_first: true, ..skipped }, 1),
    ] {
        let read = store.signals(alice.user.id, &filter, FIRST).await.unwrap();
        assert_eq!((read.items.len(), read.next), (found, None), "one page is the end: {filter:?}");
    }
}

/// Files exist of both texts that migration 2 has had.
#[tokio::test]
async fn a_directory_of_before_signals_were_found_by_era_is_brought_up_to_date() {
    const LEAN: &str =
        "x'6848026ca0a0a1e3959a1a2b02173b30989ac781acedf5442a0f66323166fda6e48cd95d8a4b8a540d023693952d10d4'";
    let lean = format!("UPDATE _sqlx_migrations SET checksum = {LEAN} WHERE version = 2");
    let by_webhook = "DROP INDEX signals_by_webhook; CREATE INDEX signals_by_webhook ON signals (webhook_id)";
    for before in [lean.as_str(), by_webhook] {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), START).await.unwrap();
        let alice = tenant(&store, "alice").await.unwrap();
        store.commit(signals(&alice, 3), START).await.unwrap();
        drop(store);
        let older = format!("{before}; DELETE FROM _sqlx_migrations WHERE version = 4");
        sqlx::raw_sql(sqlx::AssertSqlSafe(older)).execute(&mut raw(dir.path()).await).await.unwrap();
        let store = SqliteStore::open(dir.path(), START).await.unwrap();
        let found = store.signals(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap();
        assert_eq!(found.items.len(), 3, "{before}");
        let index: String =
            sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = 'signals_by_webhook'")
                .fetch_one(&mut raw(dir.path()).await)
                .await
                .unwrap();
        assert!(index.contains("id >> 12"), "{index}");
    }
}

#[tokio::test]
async fn fills_of_before_their_index_was_turned_round_are_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let fills: Vec<_> = (1..=3).map(|n| fill(&order(&alice, SignalId(n), 0), &format!("e-{n}"))).collect();
    let record = || Entry::Changes(Arc::new(Changes { fills: fills.clone(), ..Changes::default() }));
    store.commit(vec![record()], START).await.unwrap();
    let before = store.fills(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    assert_eq!(before.items.len(), 3);
    drop(store);
    let older = "CREATE TABLE old AS SELECT * FROM fills; DROP TABLE fills; CREATE TABLE fills (id INTEGER PRIMARY KEY, \
         user_id INTEGER NOT NULL, broker_account_id INTEGER NOT NULL, strategy_id INTEGER NOT NULL, \
         signal_id INTEGER NOT NULL, client_order_id BLOB NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, \
         exec_id TEXT NOT NULL, last_qty TEXT NOT NULL, last_price TEXT NOT NULL, commission TEXT NOT NULL, \
         price_source TEXT NOT NULL, traded_at INTEGER NOT NULL, realized_profit TEXT NOT NULL, \
         recorded_at INTEGER NOT NULL, UNIQUE (broker_account_id, exec_id)) STRICT; \
         ALTER TABLE fills ADD COLUMN fee_qty TEXT NOT NULL DEFAULT '0'; INSERT INTO fills SELECT * FROM old; \
         DROP TABLE old; CREATE INDEX fills_by_user ON fills (user_id); \
         CREATE INDEX fills_by_signal ON fills (signal_id); DELETE FROM _sqlx_migrations WHERE version = 8";
    sqlx::raw_sql(older).execute(&mut raw(dir.path()).await).await.unwrap();

    let store = SqliteStore::open(dir.path(), START).await.unwrap();
    store.commit(vec![record()], START).await.unwrap();
    let after = store.fills(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    assert_eq!(after.items, before.items, "each is there once, under its number");
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT l.name, group_concat(i.name, ' ') FROM pragma_index_list('fills') l, pragma_index_info(l.name) i \
         GROUP BY l.name ORDER BY l.name",
    )
    .fetch_all(&mut raw(dir.path()).await)
    .await
    .unwrap();
    let columns: Vec<_> = indexes.iter().map(|(_, columns)| columns.as_str()).collect();
    assert_eq!(columns, ["signal_id", "user_id", "exec_id broker_account_id"]);
}
