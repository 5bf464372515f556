//! An embedded store as one in a PostgreSQL database: the same in every row, and not served before it is.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use atomik_domain::{
    Amount, Code, HaltMode, HaltScope, Order, OrderStatus, OutcomeStatus, SignalId, UnixMicros,
};
use atomik_ports::directory::{NewBrokerAccount, NewHalt, NewSession, Registration};
use atomik_ports::history::{DeliveryFilter, TradeFilter};
use atomik_ports::journal::{Changes, Entry, Journal, NewSignal, Receipt, Refusal};
use atomik_ports::overview::EquitySample;
use atomik_ports::{Credentials, Custody, Directory, History, Operations, Overview, PageRequest, Store};
use atomik_storage::postgres::{
    Access, Compared, Import, ImportError, OpenError, OpenOptions, PostgresStore,
};
use atomik_storage::seal::Seal;
use atomik_storage::sqlite::{DATABASE_FILE, SqliteStore};
use atomik_testkit::builders::{
    START, Tenant, at, fill, hundredths, identified, new_user, new_webhook, order, outcome, position,
    refusal, signal, tenant, windowed, windowed_for,
};
use database::{ALONE, Database};
use secrecy::{SecretSlice, SecretString};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};
use tempfile::TempDir;

const FIRST: PageRequest = PageRequest { limit: 200, before: None };
/// A text with everything that a format of lines and columns could stumble over, and what PostgreSQL cannot hold.
const AWKWARD: &str = "tab\t line\nreturn\r back\\slash \\N \\. \"quoted\" é 漢 \u{0}end";

fn seal() -> Seal {
    Seal::new(SecretSlice::from(vec![1; 32])).unwrap()
}

/// An embedded store with rows in every table.
struct Filled {
    store: SqliteStore,
    alice: Tenant,
    _dir: TempDir,
}

async fn accept(store: &impl Journal, signal: NewSignal, at: UnixMicros) -> SignalId {
    match store.commit(vec![Entry::Signal(Arc::new(signal))], at).await.unwrap().as_slice() {
        [Receipt::Stored { signal_id }] => *signal_id,
        other => panic!("the signal was not stored: {other:?}"),
    }
}

impl Filled {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), START).await.unwrap().with_seal(seal()).await.unwrap();
        let alice = tenant(&store, "alice").await.unwrap();
        let bob = tenant(&store, "bob").await.unwrap();
        set_up(&store, &alice).await;
        trade(&store, &bob).await;
        trade(&store, &alice).await;
        // Deleted things stay, being part of history.
        let gone = store.create_webhook(new_webhook(bob.user.id, "gone"), None).await.unwrap();
        store.delete_webhook(bob.user.id, gone.id).await.unwrap();
        Self { store, alice, _dir: dir }
    }

    async fn copy_to(&self, url: &SecretString) -> Result<Vec<Compared>, ImportError> {
        let mut import = Import::begin(&self.store, url, START).await?;
        let compared = import.copy().await?;
        import.finish().await?;
        Ok(compared)
    }

    async fn compare_with(&self, url: &SecretString) -> Result<Vec<Compared>, ImportError> {
        let mut import = Import::again(&self.store, url, START).await?;
        let compared = import.compare().await;
        import.close().await?;
        compared
    }
}

async fn set_up(store: &SqliteStore, alice: &Tenant) {
    let user_id = alice.user.id;
    let session = NewSession {
        user_id,
        token_hash: [1; 32],
        created_at: START,
        expires_at: at(3_600),
        user_agent: AWKWARD.to_owned(),
    };
    store.create_session(session).await.unwrap();
    store.create_api_key(user_id, "bot".to_owned(), [2; 32], START).await.unwrap();
    let credentials: Credentials =
        [("secret_key".to_owned(), SecretString::from("hunter2"))].into_iter().collect();
    let live = NewBrokerAccount { credentials, ..atomik_testkit::builders::new_account(user_id, "Live") };
    let live = store.create_broker_account(live, None).await.unwrap();
    for reason in ["lifted", "in force"] {
        let halt = NewHalt {
            scope: HaltScope::Account(live.id),
            mode: HaltMode::Entries,
            reason: reason.to_owned(),
            user_id: Some(user_id),
            created_at: START,
        };
        let halt = store.create_halt(halt).await.unwrap();
        if reason == "lifted" {
            store.lift_halt(halt.id, Some(user_id), at(1)).await.unwrap();
        }
    }
    let sample = EquitySample {
        broker_account_id: live.id,
        at: START,
        currency: "USD".to_owned(),
        cash: Amount(hundredths(10_000_001)),
        equity: Amount(hundredths(-3)),
        simulated: true,
    };
    store.record_equity(&[sample]).await.unwrap();
}

async fn trade(store: &SqliteStore, trader: &Tenant) {
    let targeted = |signal| NewSignal { targets: vec![trader.strategy.id], ..signal };
    let filled =
        accept(store, targeted(NewSignal { payload: AWKWARD.to_owned(), ..signal(trader) }), at(0)).await;
    let open = accept(store, targeted(identified(trader, 1, 1)), at(1)).await;
    accept(store, windowed_for(trader, 9, 60), at(2)).await;
    accept(store, windowed(trader, 7), at(2)).await;
    // Refusals of several days, one of them long ago.
    for day in [0, 1, 2, 5_000] {
        let received_at = START.plus_seconds(-day * 86_400);
        let refused = Refusal { received_at, ..refusal(trader, 401, Code::InvalidSecret) };
        store.commit(vec![Entry::Refusal(Box::new(refused))], at(2)).await.unwrap();
    }
    let (first, second) = (order(trader, filled, 0), order(trader, open, 0));
    let changes = Changes {
        fills: vec![fill(&first, "e-1")],
        intents: vec![Order { status: OrderStatus::Filled, ..first }, second],
        positions: vec![position(trader, 2)],
        outcomes: vec![outcome(trader, filled, OutcomeStatus::Filled, Code::Filled)],
        ..Changes::default()
    };
    store.commit(vec![Entry::Changes(Arc::new(changes))], at(2)).await.unwrap();
}

async fn open(database: &Database) -> PostgresStore {
    database.open(ALONE).await.with_seal(seal()).await.unwrap()
}

/// Everything that is asked of both stores, written out.
async fn answers(store: &dyn Store, alice: &Tenant) -> Vec<String> {
    let (user, all) = (alice.user.id, TradeFilter::default());
    let work = store.unfinished_work().await.unwrap();
    let answers = [
        store.installation().to_string(),
        format!("{:?}", store.snapshot().await.unwrap()),
        format!("{:?}", store.changes_since(0).await.unwrap()),
        format!("{:?}", store.user_by_email("alice@example.com").await.unwrap()),
        format!("{:?}", store.api_key([2; 32]).await.unwrap()),
        format!("{:?}", store.halts().await.unwrap()),
        format!("{:?}", store.deliveries(user, alice.webhook.id, DeliveryFilter::All, FIRST).await.unwrap()),
        format!("{:?}", store.fills(user, &all, FIRST).await.unwrap()),
        format!("{:?}", store.orders(user, &all, FIRST).await.unwrap()),
        format!("{:?}", store.positions(user, &all, FIRST).await.unwrap()),
        format!("{:?}", store.equity(user, None, None, 100).await.unwrap()),
        format!("{:?} {:?} {:?}", work.outcomes, work.orders, work.positions),
    ];
    // The one character that cannot be kept.
    answers.map(|answer| answer.replace("\\0", "\u{fffd}")).into()
}

#[tokio::test]
async fn the_copy_answers_as_the_original_and_goes_on_from_there() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let compared = filled.copy_to(&database.url()).await.unwrap();
    let empty: Vec<_> = compared.iter().filter(|table| table.rows == 0).collect();
    assert_eq!(empty, Vec::<&Compared>::new(), "a table without rows proves nothing");
    let (copy, alice) = (open(&database).await, &filled.alice);
    let original = answers(&filled.store, alice).await;
    assert_eq!(answers(&copy, alice).await, original);
    let (session, _) = copy.session([1; 32], at(10)).await.unwrap();
    assert_eq!(
        session.user_agent,
        AWKWARD.replace('\0', "\u{fffd}"),
        "the one character that cannot be kept"
    );
    let account = copy.snapshot().await.unwrap().broker_accounts.into_iter().find(|it| it.label == "Live");
    let account = account.unwrap().id;
    assert!(copy.credentials(account).await.unwrap().get("secret_key").is_some());

    // Ids go on behind the highest, in every table that counts.
    let newest = accept(&filled.store, signal(alice), at(3_000)).await;
    assert_eq!(accept(&copy, signal(alice), at(3_000)).await, newest);
    let (first, seen) = (copy.snapshot().await.unwrap(), filled.store.snapshot().await.unwrap());
    assert_eq!(first.change, seen.change);
    let (theirs, ours) =
        (tenant(&copy, "carol").await.unwrap(), tenant(&filled.store, "carol").await.unwrap());
    assert_eq!((theirs.user, theirs.strategy), (ours.user, ours.strategy));
    let (change, changed) = copy.changes_since(first.change).await.unwrap();
    assert_eq!((change, changed.len()), (filled.store.snapshot().await.unwrap().change, 4));
}

#[tokio::test]
async fn what_was_a_repeat_before_the_copy_is_one_after_it() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    filled.copy_to(&database.url()).await.unwrap();
    let (copy, alice) = (open(&database).await, &filled.alice);
    let half_a_second_later = at(2).plus(UnixMicros::SECOND / 2);
    for (repeat, moment) in [
        (windowed(alice, 7), half_a_second_later),
        (windowed(alice, 7), at(3)),
        (windowed_for(alice, 9, 60), at(30)),
        (identified(alice, 1, 1), at(4_000)),
        (identified(alice, 1, 2), at(4_000)),
    ] {
        let entry = || vec![Entry::Signal(Arc::new(repeat.clone()))];
        let expected = filled.store.commit(entry(), moment).await.unwrap();
        assert_eq!(copy.commit(entry(), moment).await.unwrap(), expected, "{:?}", repeat.repeat);
    }
}

#[tokio::test]
async fn a_database_that_is_not_empty_is_refused_and_left_alone() {
    let filled = Filled::new().await;
    let used = Database::new().await;
    let store = used.open(ALONE).await;
    store.create_user(new_user("somebody"), Registration::Open).await.unwrap();
    let served = filled.copy_to(&used.url()).await.unwrap_err();
    assert!(matches!(served, ImportError::Open(OpenError::InUse { .. })), "{served}");
    store.close().await;
    let refused = filled.copy_to(&used.url()).await.unwrap_err();
    assert!(refused.to_string().contains("is not empty: it has rows in users"), "{refused}");
    assert!(used.open(ALONE).await.user_by_email("somebody@example.com").await.is_ok());

    let other = Database::empty().await;
    other.execute("CREATE TABLE users (name TEXT)").await;
    let refused = filled.copy_to(&other.url()).await.unwrap_err();
    assert!(refused.to_string().contains("is not empty: it has a table users"), "{refused}");
}

#[tokio::test]
async fn a_database_that_was_opened_and_never_used_is_empty() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let store = database.open(OpenOptions::default()).await;
    assert_ne!(store.installation(), filled.store.installation());
    store.close().await;
    filled.copy_to(&database.url()).await.unwrap();
    assert_eq!(open(&database).await.installation(), filled.store.installation());
}

#[tokio::test]
async fn a_copy_that_was_cut_off_is_opened_by_nobody() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let mut import = Import::begin(&filled.store, &database.url(), START).await.unwrap();
    import.copy().await.unwrap();
    drop(import); // everything is there, but nobody has said so
    for access in [Access::Exclusive, Access::Together, Access::Shared] {
        let options = OpenOptions { access, ..OpenOptions::default() };
        let refused = PostgresStore::open(&database.url(), options, START).await.unwrap_err();
        assert!(matches!(refused, OpenError::Unfinished { .. }), "{access:?}: {refused}");
        assert!(refused.to_string().contains("unfinished copy"), "{refused}");
    }
    let again = filled.copy_to(&database.url()).await.unwrap_err();
    assert!(matches!(again, ImportError::Open(OpenError::Unfinished { .. })), "{again}");
}

#[tokio::test]
async fn nobody_writes_to_the_original_meanwhile() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let import = Import::begin(&filled.store, &database.url(), START).await.unwrap();
    let file = filled._dir.path().join(DATABASE_FILE);
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(std::time::Duration::ZERO);
    let mut other = options.connect().await.unwrap();
    let refused = sqlx::query("UPDATE users SET disabled = 1").execute(&mut other).await.unwrap_err();
    assert!(refused.to_string().contains("locked"), "{refused}");
    drop(import);
}

#[tokio::test]
async fn a_copy_that_differs_is_found_by_its_first_row_and_not_served() {
    let (filled, database) = (Filled::new().await, Database::new().await);
    // A database that changes what it is given.
    database
        .execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ \
             BEGIN NEW.last_qty := '3'; RETURN NEW; END $$; \
             CREATE TRIGGER spoiled BEFORE INSERT ON fills FOR EACH ROW EXECUTE FUNCTION spoil()",
        )
        .await;
    let differs = filled.copy_to(&database.url()).await.unwrap_err();
    assert_eq!(
        differs.to_string(),
        "the copy is not the same as what was copied: fills, row 1: the column last_qty differs"
    );
    let refused = PostgresStore::open(&database.url(), ALONE, START).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unfinished { .. }), "{refused}");
}

#[tokio::test]
async fn a_row_that_is_changed_lost_or_added_is_found() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let compared = filled.copy_to(&database.url()).await.unwrap();
    assert_eq!(filled.compare_with(&database.url()).await.unwrap(), compared);
    let last_change = filled.store.snapshot().await.unwrap().change;
    for (change, back, table, what) in [
        (
            "UPDATE orders SET reason = '' WHERE id = 2",
            "UPDATE orders SET reason = NULL",
            "orders, row 2",
            "the column reason differs",
        ),
        (
            "UPDATE webhooks SET deleted = NOT deleted WHERE id = 1",
            "UPDATE webhooks SET deleted = FALSE WHERE id = 1",
            "webhooks, row 1",
            "the column deleted differs",
        ),
        (
            "UPDATE outcomes SET strategy_id = 77 WHERE signal_id = 1",
            "UPDATE outcomes SET strategy_id = 2 WHERE signal_id = 1",
            "outcomes, row 1, 2",
            "the copy has the row 1, 77 there",
        ),
        (
            "CREATE TABLE kept AS SELECT * FROM equity; DELETE FROM equity",
            "INSERT INTO equity SELECT * FROM kept; DROP TABLE kept",
            "equity, row 3, 1774000000000000",
            "the copy has no such row",
        ),
        (
            "INSERT INTO meta (key, value) VALUES ('zero', '0')",
            "DELETE FROM meta WHERE key = 'zero'",
            "meta, row zero",
            "only the copy has such a row",
        ),
    ] {
        database.execute(change).await;
        // What a user set up is noted as a change, which is a difference of its own.
        let differs = filled.compare_with(&database.url()).await.unwrap_err().to_string();
        assert!(differs.contains(table) && differs.ends_with(what), "{differs}");
        database.execute(back).await;
        database.execute(&format!("DELETE FROM changes WHERE seq > {last_change}")).await;
        assert_eq!(filled.compare_with(&database.url()).await.unwrap(), compared);
    }
}

async fn tables_of_embedded(dir: &Path) -> BTreeSet<String> {
    let options = SqliteConnectOptions::new().filename(dir.join(DATABASE_FILE));
    let mut connection = options.connect().await.unwrap();
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    names.into_iter().collect()
}

async fn tables_of(database: &Database) -> BTreeSet<String> {
    let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace \
               AND relkind IN ('r', 'p') AND NOT relispartition";
    let names: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut database.raw().await).await.unwrap();
    names.into_iter().collect()
}

/// As a copy by the program itself, which the conformance suite tests.
#[tokio::test]
async fn a_database_that_was_restored_by_its_own_tools_is_halted_and_replays_nothing() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    filled.copy_to(&database.url()).await.unwrap();
    let store = open(&database).await;
    let waiting = NewSignal { targets: vec![filled.alice.strategy.id], ..signal(&filled.alice) };
    let waiting = accept(&store, waiting, at(5)).await;
    let (unfinished, halts) = (store.unfinished_work().await.unwrap(), store.halts().await.unwrap().len());
    store.make_restorable(at(10)).await.unwrap();
    store.close().await;
    let restored = open(&database).await;
    assert_ne!(restored.installation(), filled.store.installation());
    let outcome = restored.signal(filled.alice.user.id, waiting).await.unwrap().outcomes.remove(0);
    assert_eq!((outcome.status, outcome.code), (OutcomeStatus::Expired, Code::Restored));
    let left = restored.unfinished_work().await.unwrap();
    assert_eq!(left.outcomes.len(), unfinished.outcomes.len() - 1, "those with open orders are asked about");
    assert_eq!(left.orders, unfinished.orders);
    let in_force = restored.halts().await.unwrap();
    assert_eq!(in_force.len(), halts + 1);
    assert!(in_force.iter().any(|halt| (halt.scope, halt.mode) == (HaltScope::System, HaltMode::All)));
}

/// A table that is neither copied nor named here is one that somebody forgot.
#[tokio::test]
async fn every_table_is_copied_or_known_not_to_be() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    let copied: BTreeSet<String> =
        filled.copy_to(&database.url()).await.unwrap().iter().map(|table| table.table.to_owned()).collect();
    // The readiness check's, and the engine's own.
    let embedded_alone = ["probe", "sqlite_sequence", "_sqlx_migrations"];
    // Who writes, who lives and who owns which account: of the nodes, and none of a store that is copied.
    let clustered_alone = ["accounts_shown", "commits", "leases", "nodes", "_sqlx_migrations"];
    let forgotten = |tables: BTreeSet<String>, alone: &[&str]| -> Vec<String> {
        tables
            .into_iter()
            .filter(|table| !copied.contains(table) && !alone.contains(&table.as_str()))
            .collect()
    };
    assert_eq!(
        forgotten(tables_of_embedded(filled._dir.path()).await, &embedded_alone),
        Vec::<String>::new()
    );
    assert_eq!(forgotten(tables_of(&database).await, &clustered_alone), Vec::<String>::new());
}

#[tokio::test]
async fn the_log_gets_the_partitions_of_its_days() {
    let (filled, database) = (Filled::new().await, Database::empty().await);
    filled.copy_to(&database.url()).await.unwrap();
    let rest: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries_rest")
        .fetch_one(&mut database.raw().await)
        .await
        .unwrap();
    assert_eq!(rest, 2, "the rows of long ago alone");
    // The server makes those that come next.
    open(&database).await.close().await;
}
