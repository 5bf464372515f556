//! Which signals repeat an accepted one. Decided in the transaction that stores them, one by one in memory, so that a
//! batch's own signals count for those after them. Windows are short as a rule, and then the writer's memory of the last
//! moments decides; explicit ids and long windows have a row each, and those of a batch are looked up at once.

use std::collections::HashMap;

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, NewSignal};

use super::recent::{MEMORY_US, Recent};
use crate::batch::{First, Judge, Key, Verdict, key_of};
use crate::columns::{Cells, Columns};
use crate::sqlite::bulk::{Binds, Bulk, Statements, insert};
use crate::sqlite::writer::Work;
use crate::values::Binds as _;

/// The signals that those of a batch may repeat.
#[derive(Debug)]
pub(super) struct Known<'m> {
    recent: &'m mut Recent,
    at: UnixMicros,
    /// By the keys that have a row. With when the row is of no more use, where it has to be written.
    first: HashMap<Key, (First, Option<UnixMicros>)>,
}

impl<'m> Known<'m> {
    /// What the writer remembers and the database says about the entries' keys. Begins the transaction where it has to
    /// ask the database.
    pub async fn look_up(
        work: &'m mut Work<'_>,
        entries: &[Entry],
        at: UnixMicros,
    ) -> Result<Self, StoreError> {
        let mut keys: Vec<Key> = entries.iter().filter_map(key_with_a_row).collect();
        // Sorted, so that keys on one page are looked up together.
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() || work.recent().is_none() {
            work.begin().await?;
        }
        let rows = SELECT_KEYS.fetch(work.connection(), &keys, bind_key).await?;
        let first = rows.iter().map(|row| read(&mut Columns::of(row))).collect::<Result<_, _>>()?;
        let recent = match work.recent().take() {
            Some(recent) => recent,
            None => Recent::read(work.connection(), at).await?,
        };
        let recent = work.recent().insert(recent);
        recent.forget(at);
        Ok(Self { recent, at, first })
    }

    /// Stores what was remembered.
    pub fn write(&self, statements: &mut Statements) -> Result<(), StoreError> {
        let mut rows: Vec<(&Key, &First, UnixMicros)> =
            self.first.iter().filter_map(|(key, (first, until))| Some((key, first, (*until)?))).collect();
        rows.sort_unstable_by_key(|(key, ..)| *key);
        statements.add(&UPSERT_KEYS, &rows, bind)
    }
}

impl Judge for Known<'_> {
    fn next_id(&mut self) -> i64 {
        self.recent.last_id += 1;
        self.recent.last_id
    }

    fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict {
        let Some(repeat) = key_of(signal) else { return Verdict::New };
        let stored = || self.first.get(&repeat.key).map(|(first, _)| first);
        let verdict = repeat.verdict(self.recent.get(&repeat.key).or_else(stored), self.at);
        if verdict == Verdict::New {
            let (received_at, body) = (signal.received_at, repeat.body);
            let first = First { signal_id: id, received_at, accepted_at: self.at, body };
            if body.is_none() {
                self.recent.put(repeat.key, first);
            }
            if has_a_row(repeat.counts_us) {
                self.first.insert(repeat.key, (first, Some(self.at.plus(repeat.counts_us))));
            }
        }
        verdict
    }

    fn holds(&self, _: Lease) -> bool {
        true // all accounts are the one server's, whose lock is on the directory
    }
}

/// Whether a key that counts so long outlasts the writer's memory.
fn has_a_row(counts_us: i64) -> bool {
    counts_us > MEMORY_US
}

fn key_with_a_row(entry: &Entry) -> Option<Key> {
    match entry {
        Entry::Signal(signal) => {
            key_of(signal).and_then(|repeat| has_a_row(repeat.counts_us).then_some(repeat.key))
        }
        Entry::Repeat { .. } | Entry::Refusal(_) | Entry::Changes(_) => None,
    }
}

fn bind_key((webhook_id, key): &Key, binds: &mut Binds) {
    binds.add(*webhook_id).add(key.as_slice());
}

// CROSS JOIN holds SQLite to this order: for each wanted key, one look into the table.
static SELECT_KEYS: Bulk = Bulk::new(
    "WITH wanted (webhook_id, key) AS (VALUES ",
    2,
    ") SELECT k.webhook_id, k.key, k.signal_id, s.received_at, s.stored_at, k.body FROM wanted w \
     CROSS JOIN repeat_keys k ON k.webhook_id = w.webhook_id AND k.key = w.key JOIN signals s ON s.id = k.signal_id",
);

fn read<R: Cells>(columns: &mut Columns<'_, R>) -> Result<(Key, (First, Option<UnixMicros>)), StoreError> {
    let key = (columns.get()?, columns.bytes()?);
    let first = First {
        signal_id: SignalId(columns.get()?),
        received_at: columns.time()?,
        accepted_at: columns.time()?,
        body: columns.optional_bytes()?,
    };
    Ok((key, (first, None)))
}

static UPSERT_KEYS: Bulk = insert!(
    "INSERT INTO repeat_keys (webhook_id, key, signal_id, forget_at, body)",
    5,
    " ON CONFLICT (webhook_id, key) DO UPDATE SET signal_id = excluded.signal_id, forget_at = excluded.forget_at, \
     body = excluded.body",
);

fn bind((key, first, until): &(&Key, &First, UnixMicros), binds: &mut Binds) {
    binds
        .add(key.0)
        .add(key.1.as_slice())
        .add(first.signal_id.0)
        .add(until.0)
        .add(first.body.as_ref().map(<[u8; 16]>::as_slice));
}
