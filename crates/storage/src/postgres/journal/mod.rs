//! The hot path: hundreds of entries, one transaction, four round trips.
//!
//! 1. Begins, draws the ids, reads the clock, and locks the leases under which lanes have made changes.
//! 2. Takes the repeat keys: see `repeats.rs`. Left out where no entry has one.
//! 3. Writes all rows of all tables, in one statement.
//! 4. Commits.

mod changes;
mod repeats;

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, ClientOrderId, SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, Journal, NewSignal, Receipt};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::arrays::Statement;
use super::connect::Connector;
use super::faults::{fault, is_broken, is_collision, is_refusal, too_late};
use super::recorder::Turn;
use super::work::{ANSWER_TIMEOUT, RECORDER_SLOT};
use super::{Access, PostgresStore, WindowClock};
use crate::batch::{Judge, Judged, Verdict, bind_delivery, bind_signal, delivery_columns, signal_columns};
use crate::columns::Columns;
use crate::rows::bind_outcome;
use repeats::Keys;

/// How often a call is tried: what collides with other transactions, or meets a connection that was lost since the last
/// call, has recorded nothing.
const ATTEMPTS: u32 = 4;

#[async_trait]
impl Journal for PostgresStore {
    async fn commit(&self, entries: Vec<Entry>, at: UnixMicros) -> Result<Vec<Receipt>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        if self.options.access == Access::Shared {
            return Err(StoreError::Unavailable("only the server records signals and orders".to_owned()));
        }
        let mut attempt = 1;
        loop {
            let mut turn = self.turn().await?;
            match self.write_all(&mut turn, &entries, at).await {
                Ok(written) => {
                    turn.commit(written.token).await?;
                    return Ok(written.judged.receipts(&written.existed));
                }
                Err(failure) => {
                    failure.clear(turn).await;
                    if attempt >= ATTEMPTS || !failure.may_pass() {
                        return Err(failure.into_fault());
                    }
                }
            }
            attempt += 1;
        }
    }
}

/// What was written and is not committed yet.
struct Written {
    judged: Judged,
    existed: HashSet<ClientOrderId>,
    token: i64,
}

/// Why nothing was written.
enum Failure {
    /// The database's error.
    Database(sqlx::Error),
    /// Ours.
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Whether another attempt may go well.
    fn may_pass(&self) -> bool {
        match self {
            // A connection that is found broken is one that broke while nobody used it, as a rule.
            Self::Database(error) => is_collision(error) || is_broken(error),
            Self::Store(_) => false,
        }
    }

    /// Leaves the connection for the next turn, or closes it.
    async fn clear(&self, turn: Turn<'_>) {
        match self {
            Self::Database(error) if !is_refusal(error) => turn.discard().await,
            _ => turn.roll_back().await,
        }
    }

    fn into_fault(self) -> StoreError {
        match self {
            Self::Database(error) => fault(error),
            Self::Store(error) => error,
        }
    }
}

impl PostgresStore {
    async fn write_all(
        &self,
        turn: &mut Turn<'_>,
        entries: &[Entry],
        at: UnixMicros,
    ) -> Result<Written, Failure> {
        let token = self.slots.token();
        let writing =
            write(turn.connection(), &self.connector, self.options.window_clock, token, entries, at);
        tokio::time::timeout(ANSWER_TIMEOUT, writing).await.unwrap_or_else(|_| Err(too_late().into()))
    }
}

/// All but the commit.
async fn write(
    connection: &mut PgConnection,
    connector: &Connector,
    clock: WindowClock,
    token: i64,
    entries: &[Entry],
    at: UnixMicros,
) -> Result<Written, Failure> {
    let Begun { now, ids, held } = begin(connection, connector.store, entries).await?;
    let measured = match clock {
        WindowClock::Database => now,
        WindowClock::Caller => at,
    };
    let keys = Keys::take(connection, entries, &ids, measured).await?;
    let mut bench = Bench { ids: ids.into_iter(), keys, held };
    let (judged, batch) = Judged::of(&mut bench, entries, at);
    let mut statement = Statement::default();
    statement
        .with(
            "signal",
            signal_columns!(),
            &batch.signals,
            |row, binds| bind_signal(row, binds),
            concat!("signals_made AS (INSERT INTO signals (", signal_columns!(), ") SELECT * FROM signal)"),
        )
        .with(
            "delivery",
            delivery_columns!(),
            &batch.deliveries,
            |row, binds| bind_delivery(row, binds),
            concat!(
                "deliveries_made AS (INSERT INTO deliveries (",
                delivery_columns!(),
                ") SELECT * FROM delivery)"
            ),
        )
        .with(
            "pending",
            changes::OUTCOME_COLUMNS,
            &batch.pending,
            |row, binds| bind_outcome(row, binds),
            "pending_made AS (INSERT INTO outcomes SELECT * FROM pending ON CONFLICT DO NOTHING)",
        );
    bench.keys.write(&mut statement);
    let returned = changes::write(&batch.changes, &mut statement);
    statement.numbers(
        &[connector.store, RECORDER_SLOT, token],
        "noted AS (INSERT INTO commits (store, slot, token) VALUES ({0}, {1}, {2}) ON CONFLICT (store, slot) \
         DO UPDATE SET token = excluded.token, touched_at = clock_timestamp())",
    );
    let (sql, arguments) = statement.finish(returned)?;
    let made = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await?;
    let existed = batch.changes.existed(&made)?;
    Ok(Written { judged, existed, token })
}

/// What a transaction begins with.
struct Begun {
    now: UnixMicros,
    ids: Vec<i64>,
    held: HashSet<Lease>,
}

/// Begins the transaction, reads the database's clock, draws an id for each entry that needs one, and locks the leases under
/// which changes were made: nobody takes one over before the transaction is through.
async fn begin(connection: &mut PgConnection, store: i64, entries: &[Entry]) -> Result<Begun, Failure> {
    let count = entries.iter().filter(|entry| !matches!(entry, Entry::Changes(_))).count();
    let sql = format!(
        "BEGIN; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint; \
         SELECT nextval('delivery_ids') FROM generate_series(1, {count}){}",
        lock_leases(store, entries)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await?;
    let mut rows = rows.iter();
    let mut number = || rows.next().map(|row| Columns::of(row).get::<i64>()).transpose();
    let now = number()?.ok_or_else(|| StoreError::Corrupt("the database tells no time".to_owned()))?;
    let ids = (0..count).map_while(|_| number().transpose()).collect::<Result<_, _>>()?;
    let lease = |row| {
        let mut columns = Columns::of(row);
        Ok(Lease { broker_account_id: BrokerAccountId(columns.get()?), epoch: columns.get()? })
    };
    let held = rows.map(lease).collect::<Result<_, StoreError>>()?;
    Ok(Begun { now: UnixMicros(now), ids, held })
}

/// Locks the leases of a call's changes that this node still holds, in their order, and gives them.
fn lock_leases(store: i64, entries: &[Entry]) -> String {
    let leases: BTreeSet<_> = entries.iter().filter_map(lease_of).collect();
    if leases.is_empty() {
        return String::new();
    }
    let pairs: Vec<_> =
        leases.iter().map(|lease| format!("({}, {})", lease.broker_account_id.0, lease.epoch)).collect();
    format!(
        "; SELECT broker_account_id, epoch FROM leases WHERE node = {store} AND (broker_account_id, epoch) IN ({}) \
         ORDER BY broker_account_id FOR SHARE",
        pairs.join(", ")
    )
}

fn lease_of(entry: &Entry) -> Option<Lease> {
    match entry {
        Entry::Changes(changes) => changes.lease,
        Entry::Signal(_) | Entry::Repeat { .. } | Entry::Refusal(_) => None,
    }
}

/// Gives the entries their ids and judges them.
struct Bench {
    ids: std::vec::IntoIter<i64>,
    keys: Keys,
    /// The leases that changes may be recorded under.
    held: HashSet<Lease>,
}

impl Judge for Bench {
    fn next_id(&mut self) -> i64 {
        self.ids.next().unwrap_or_default() // there is one for each that asks
    }

    fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict {
        self.keys.judge(signal, id)
    }

    fn holds(&self, lease: Lease) -> bool {
        self.held.contains(&lease)
    }
}
