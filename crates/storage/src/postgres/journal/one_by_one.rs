//! Writing what has to be judged by what is there: four round trips.
//!
//! 1. Begins, draws the ids, reads the clock, and locks the leases under which lanes have made changes.
//! 2. Takes the repeat keys: see `repeats.rs`. Left out where no entry has one.
//! 3. Writes all rows of all tables, in one statement.
//! 4. Commits.

use std::collections::{BTreeSet, HashSet};

use atomik_domain::{BrokerAccountId, ClientOrderId, SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, NewSignal, Receipt};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::repeats::Keys;
use super::{
    ANSWER_TIMEOUT, Failure, RECORDER_SLOT, Statement, Turn, changes, in_need_of_ids, is_refusal, lease_of,
    too_late, write_deliveries,
};
use crate::batch::{Judge, Judged, Verdict};
use crate::columns::Columns;
use crate::postgres::{PostgresStore, WindowClock};

/// What was written and is not committed yet.
struct Written {
    judged: Judged,
    existed: HashSet<ClientOrderId>,
}

impl PostgresStore {
    pub(super) async fn write_one_by_one(
        &self,
        mut turn: Turn<'_>,
        entries: &[Entry],
        at: UnixMicros,
    ) -> Result<Vec<Receipt>, Failure> {
        let token = self.slots.token();
        let store = self.connector.store;
        let writing = write(turn.connection(), store, self.options.window_clock, token, entries, at);
        let written = tokio::time::timeout(ANSWER_TIMEOUT, writing).await;
        match written.unwrap_or_else(|_| Err(too_late().into())) {
            Ok(Written { judged, existed }) => {
                turn.commit(token).await?;
                Ok(judged.receipts(&existed))
            }
            Err(failure) => {
                match &failure {
                    Failure::Database(error) if !is_refusal(error) => turn.discard().await,
                    _ => turn.roll_back().await,
                }
                Err(failure)
            }
        }
    }
}

/// All but the commit.
async fn write(
    connection: &mut PgConnection,
    store: i64,
    clock: WindowClock,
    token: i64,
    entries: &[Entry],
    at: UnixMicros,
) -> Result<Written, Failure> {
    let Begun { now, ids, held } = begin(connection, store, entries).await?;
    let measured = match clock {
        WindowClock::Database => now,
        WindowClock::Caller => at,
    };
    let keys = Keys::take(connection, entries, &ids, measured).await?;
    let mut bench = Bench { ids: ids.into_iter(), keys, held };
    let (judged, batch) = Judged::of(&mut bench, entries, at);
    let mut statement = Statement::default();
    write_deliveries(&batch, &mut statement);
    bench.keys.write(&mut statement);
    let returned = changes::write(&batch.changes, &mut statement);
    statement.numbers(
        &[store, RECORDER_SLOT, token],
        "noted AS (INSERT INTO commits (store, slot, token) VALUES ({0}, {1}, {2}) ON CONFLICT (store, slot) \
         DO UPDATE SET token = excluded.token, touched_at = clock_timestamp())",
    );
    let (sql, arguments) = statement.finish(returned)?;
    let made = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(connection).await?;
    let existed = batch.changes.existed(&made)?;
    Ok(Written { judged, existed })
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
    let count = in_need_of_ids(entries);
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
