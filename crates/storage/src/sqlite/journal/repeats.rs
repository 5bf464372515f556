//! Which signals repeat an accepted one. Decided in the transaction that stores them, one by one in memory, so that a
//! batch's own signals count for those after them. Windows are short as a rule, and then the writer's memory of the last
//! moments decides; explicit ids and long windows have a row each, and those of a batch are looked up at once.

use std::collections::HashMap;

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::journal::{Entry, ID_MEMORY_US, NewSignal, RepeatKeys};

use super::recent::{MEMORY_US, Recent};
use crate::sqlite::bulk::{Binds, Bulk, Statements, insert};
use crate::sqlite::columns::Columns;
use crate::sqlite::writer::Work;

/// Webhook, and the kind of key followed by the key.
pub(super) type Key = (i64, [u8; 17]);

const WINDOW: u8 = b'w';
const EXPLICIT: u8 = b'i';

/// The signals that those of a batch may repeat.
#[derive(Debug)]
pub(super) struct Known<'m> {
    recent: &'m mut Recent,
    /// By the keys that have a row.
    first: HashMap<Key, First>,
}

/// An accepted signal, as its repeats need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    signal_id: SignalId,
    received_at: UnixMicros,
    pub(super) accepted_at: UnixMicros,
    body: Option<[u8; 16]>,
    /// When the key's row is of no more use. `None`: there is one already, or it needs none.
    store_until: Option<UnixMicros>,
}

impl First {
    /// A signal that is in the database.
    pub fn stored(signal_id: SignalId, received_at: UnixMicros, accepted_at: UnixMicros) -> Self {
        Self { signal_id, received_at, accepted_at, body: None, store_until: None }
    }
}

/// What a signal is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    Repeats { signal_id: SignalId, received_at: UnixMicros },
    IdReused,
}

/// The key of a fingerprint.
pub(super) fn window_key(webhook_id: i64, fingerprint: &[u8; 16]) -> Key {
    keyed(webhook_id, WINDOW, fingerprint)
}

fn keyed(webhook_id: i64, kind: u8, hash: &[u8; 16]) -> Key {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(hash);
    (webhook_id, key)
}

/// A signal's key, how long it counts, and what body goes with it.
fn key_of(signal: &NewSignal) -> Option<(Key, i64, Option<[u8; 16]>)> {
    let webhook_id = signal.webhook_id.0;
    match signal.repeat.as_ref()? {
        RepeatKeys::Window { window_us, .. } if *window_us <= 0 => None,
        RepeatKeys::Window { fingerprint, window_us } => {
            Some((window_key(webhook_id, fingerprint), *window_us, None))
        }
        RepeatKeys::Explicit { id, body } => {
            Some((keyed(webhook_id, EXPLICIT, id), ID_MEMORY_US, Some(*body)))
        }
    }
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
        Ok(Self { recent, first })
    }

    /// The next id that signals and deliveries share.
    pub fn next_id(&mut self) -> i64 {
        self.recent.last_id += 1;
        self.recent.last_id
    }

    /// Judges a signal that would be stored under `id`, and remembers it where it is new.
    pub fn judge(&mut self, signal: &NewSignal, id: SignalId, at: UnixMicros) -> Verdict {
        let Some((key, counts_us, body)) = key_of(signal) else { return Verdict::New };
        // The distance, whichever way: a clock that was set back must not make an hour's alerts repeats.
        let counts =
            |first: &&First| at.micros_since(first.accepted_at).unsigned_abs() < counts_us.unsigned_abs();
        if let Some(first) = self.recent.get(&key).or_else(|| self.first.get(&key)).filter(counts) {
            return if first.body == body {
                Verdict::Repeats { signal_id: first.signal_id, received_at: first.received_at }
            } else {
                Verdict::IdReused
            };
        }
        let first = First { body, ..First::stored(id, signal.received_at, at) };
        if body.is_none() {
            self.recent.put(key, first);
        }
        if has_a_row(counts_us) {
            self.first.insert(key, First { store_until: Some(at.plus(counts_us)), ..first });
        }
        Verdict::New
    }

    /// Stores what was remembered.
    pub fn write(&self, statements: &mut Statements) -> Result<(), StoreError> {
        let mut rows: Vec<(&Key, &First, UnixMicros)> =
            self.first.iter().filter_map(|(key, first)| Some((key, first, first.store_until?))).collect();
        rows.sort_unstable_by_key(|(key, ..)| *key);
        statements.add(&UPSERT_KEYS, &rows, bind)
    }
}

/// Whether a key that counts so long outlasts the writer's memory.
fn has_a_row(counts_us: i64) -> bool {
    counts_us > MEMORY_US
}

fn key_with_a_row(entry: &Entry) -> Option<Key> {
    match entry {
        Entry::Signal(signal) => {
            key_of(signal).and_then(|(key, counts_us, _)| has_a_row(counts_us).then_some(key))
        }
        Entry::Refusal(_) | Entry::Changes(_) => None,
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

fn read(columns: &mut Columns<'_>) -> Result<(Key, First), StoreError> {
    let key = (columns.get()?, columns.bytes()?);
    let first = First::stored(SignalId(columns.get()?), columns.time()?, columns.time()?);
    Ok((key, First { body: columns.optional_bytes()?, ..first }))
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
