//! Writing what is expected to be new, in one statement that undoes itself where it is not.
//!
//! Its parts draw the ids and read the clock, take the repeat keys, lock the leases, and write all rows; a last one compares what
//! was taken, locked and made with what was expected (`as_expected`, a function of the schema). The statement is its own
//! transaction: nothing of it is there unless all of it is.

use std::collections::{BTreeSet, HashMap, HashSet};

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, NewSignal, Receipt};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;

use super::repeats::{Claim, MOMENT, first_of, take};
use super::{Failure, RECORDER_SLOT, Statement, Turn, changes, in_need_of_ids, lease_of, write_deliveries};
use crate::batch::{Batch, Judge, Judged, Key, Verdict, key_of};
use crate::postgres::arrays::RowBinds;
use crate::postgres::faults::is_not_as_expected;
use crate::postgres::{PostgresStore, WindowClock};
use crate::values::Binds as _;

/// The moment of the database, as a part of a statement.
const NOW: &str =
    "moment AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at)";

/// What locks leases, in their order: nobody takes one over before the transaction is through.
const HOLD: &str = "leased AS MATERIALIZED (SELECT 1 FROM leases l WHERE (l.node, l.broker_account_id, l.epoch) IN \
     (SELECT node, broker_account_id, epoch FROM lease) ORDER BY l.broker_account_id FOR SHARE OF l)";

/// What notes the transaction itself, with the ids that it draws, where it comes after the one that it should (`work.rs`).
const NOTE_ITSELF: &str = "noted AS (UPDATE commits SET token = {3}, ids = (SELECT ids FROM drawn), \
     touched_at = clock_timestamp() WHERE store = {0} AND slot = {1} AND token = {2} RETURNING 1)";

impl PostgresStore {
    pub(super) async fn write_at_once(
        &self,
        turn: Turn<'_>,
        entries: &[Entry],
        at: UnixMicros,
    ) -> Result<Vec<Receipt>, Failure> {
        let Some(last) = turn.last() else {
            turn.leave();
            return Err(Failure::NotAsExpected);
        };
        let mut expected = Expected::default();
        let (judged, batch) = Judged::of(&mut expected, entries, at);
        let token = self.slots.token();
        let (sql, arguments) = self.statement((last, token), entries, expected, &batch, at)?;
        let query = sqlx::query_scalar_with(AssertSqlSafe(sql), arguments);
        match turn.commit_at_once(token, query).await {
            Ok(drawn) => Ok(judged.with_ids(&drawn).receipts(&HashSet::new())),
            Err(error) if is_not_as_expected(&error) => Err(Failure::NotAsExpected),
            Err(error) => Err(error.into()),
        }
    }

    fn statement(
        &self,
        (last, token): (i64, i64),
        entries: &[Entry],
        expected: Expected,
        batch: &Batch<'_>,
        at: UnixMicros,
    ) -> Result<(String, PgArguments), StoreError> {
        let store = self.connector.store;
        let claims = expected.claims();
        let leases: BTreeSet<_> = entries.iter().filter_map(lease_of).collect();
        let leases: Vec<_> = leases.into_iter().map(|lease| (store, lease)).collect();
        let mut so = vec!["EXISTS (SELECT FROM noted)"];

        let ids = i64::try_from(in_need_of_ids(entries)).unwrap_or(i64::MAX);
        let mut statement = Statement::drawing_ids(ids);
        if !claims.is_empty() {
            match self.options.window_clock {
                WindowClock::Database => statement.numbers(&[], NOW),
                WindowClock::Caller => statement.numbers(&[at.0], MOMENT),
            };
            take(&mut statement, &claims);
            so.push("NOT EXISTS (SELECT FROM taken t JOIN claim c USING (webhook_id, key) WHERE t.signal_id <> c.signal_id)");
        }
        statement.with("lease", "node, broker_account_id, epoch", &leases, bind_lease, HOLD);
        if !leases.is_empty() {
            so.push("(SELECT count(*) FROM leased) = (SELECT count(*) FROM lease)");
        }
        write_deliveries(batch, &mut statement);
        changes::write(&batch.changes, &mut statement);
        if !batch.changes.intents.is_empty() {
            so.push("(SELECT count(*) FROM intents_made) = (SELECT count(*) FROM intent)");
        }
        statement.numbers(&[store, RECORDER_SLOT, last, token], NOTE_ITSELF);
        statement.finish(&format!("SELECT ids FROM drawn WHERE as_expected({})", so.join(" AND ")))
    }
}

fn bind_lease((node, lease): &(i64, Lease), binds: &mut RowBinds<'_>) {
    binds.add(*node).add(lease.broker_account_id.0).add(lease.epoch);
}

/// Judges entries among each other alone: whatever is not among them is expected not to be there.
#[derive(Default)]
struct Expected {
    /// The ids that were asked for: the first is -1.
    drawn: i64,
    first: HashMap<Key, Claim>,
}

impl Expected {
    /// The keys that have to be taken, in their order.
    fn claims(self) -> Vec<Claim> {
        let mut claims: Vec<_> = self.first.into_values().collect();
        claims.sort_unstable_by_key(|claim| claim.repeat.key);
        claims
    }
}

impl Judge for Expected {
    fn next_id(&mut self) -> i64 {
        self.drawn -= 1;
        self.drawn
    }

    fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict {
        let Some(repeat) = key_of(signal) else { return Verdict::New };
        // All of them come at one moment, and every window that counts is longer than none.
        let moment = UnixMicros(0);
        let verdict = repeat.verdict(self.first.get(&repeat.key).map(|claim| &claim.first), moment);
        if verdict == Verdict::New {
            let first = first_of(signal, id, &repeat, moment);
            self.first.insert(repeat.key, Claim { repeat, first });
        }
        verdict
    }

    fn holds(&self, _: Lease) -> bool {
        true
    }
}
