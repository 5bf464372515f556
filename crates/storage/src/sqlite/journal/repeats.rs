//! Which signals repeat an accepted one. Decided in the transaction that stores them: the keys of the whole batch are
//! looked up at once, then judged one by one in memory, so that a batch's own signals count for those after them.

use std::collections::HashMap;

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::journal::{Entry, ID_MEMORY_US, NewSignal, RepeatKeys};
use sqlx::sqlite::SqliteConnection;

use crate::sqlite::bulk::{Binds, Bulk, LARGEST, insert};
use crate::sqlite::columns::Columns;

/// Webhook, and the kind of key followed by the key.
type Key = (i64, [u8; 17]);

const WINDOW: u8 = b'w';
const EXPLICIT: u8 = b'i';

/// The signals that those of a batch may repeat.
#[derive(Debug)]
pub(super) struct Known {
    first: HashMap<Key, First>,
}

/// An accepted signal, as its repeats need it.
#[derive(Debug)]
struct First {
    signal_id: SignalId,
    received_at: UnixMicros,
    accepted_at: UnixMicros,
    body: Option<[u8; 16]>,
    /// When the key is of no more use. `None`: it is stored already.
    store_until: Option<UnixMicros>,
}

/// What a signal is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    Repeats { signal_id: SignalId, received_at: UnixMicros },
    IdReused,
}

/// A signal's key, how long it counts, and what body goes with it.
fn key_of(signal: &NewSignal) -> Option<(Key, i64, Option<[u8; 16]>)> {
    let keyed = |kind: u8, hash: &[u8; 16]| {
        let mut key = [kind; 17];
        key[1..].copy_from_slice(hash);
        (signal.webhook_id.0, key)
    };
    match signal.repeat.as_ref()? {
        RepeatKeys::Window { window_us, .. } if *window_us <= 0 => None,
        RepeatKeys::Window { fingerprint, window_us } => Some((keyed(WINDOW, fingerprint), *window_us, None)),
        RepeatKeys::Explicit { id, body } => Some((keyed(EXPLICIT, id), ID_MEMORY_US, Some(*body))),
    }
}

impl Known {
    /// Begins the transaction and looks up, inside it, the keys of all entries. Also returns the last id that signals and
    /// deliveries have used: read here, neither another process nor a commit whose caller went away can make it wrong.
    pub async fn begin(
        connection: &mut SqliteConnection,
        entries: &[Entry],
    ) -> Result<(Self, i64), StoreError> {
        let mut keys: Vec<Key> = entries.iter().filter_map(entry_key).collect();
        // Sorted, so that keys on one page are looked up together.
        keys.sort_unstable();
        keys.dedup();
        // At least one row, so that there is a statement to begin with: no webhook has the number zero.
        if keys.is_empty() {
            keys.push((0, [0; 17]));
        }
        let (first_chunk, others) = keys.split_at(keys.len().min(LARGEST));
        let mut rows = BEGIN_AND_SELECT_KEYS.fetch(connection, first_chunk, bind_key).await?;
        rows.extend(SELECT_KEYS.fetch(connection, others, bind_key).await?);
        let mut first = HashMap::with_capacity(keys.len());
        let mut last_id = 0;
        for row in &rows {
            match read(&mut Columns::of(row))? {
                ((0, _), known) => last_id = last_id.max(known.signal_id.0),
                (key, known) => {
                    first.insert(key, known);
                }
            }
        }
        Ok((Self { first }, last_id))
    }

    /// Judges a signal that would be stored under `id`, and remembers it where it is new.
    pub fn judge(&mut self, signal: &NewSignal, id: SignalId, at: UnixMicros) -> Verdict {
        let Some((key, counts_us, body)) = key_of(signal) else { return Verdict::New };
        // The distance, whichever way: a clock that was set back must not make an hour's alerts repeats.
        let counts =
            |first: &&First| at.micros_since(first.accepted_at).unsigned_abs() < counts_us.unsigned_abs();
        if let Some(first) = self.first.get(&key).filter(counts) {
            return if first.body == body {
                Verdict::Repeats { signal_id: first.signal_id, received_at: first.received_at }
            } else {
                Verdict::IdReused
            };
        }
        let first = First {
            signal_id: id,
            received_at: signal.received_at,
            accepted_at: at,
            body,
            store_until: Some(at.plus(counts_us)),
        };
        self.first.insert(key, first);
        Verdict::New
    }

    /// Stores what was remembered.
    pub async fn write(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut rows: Vec<(&Key, &First, UnixMicros)> =
            self.first.iter().filter_map(|(key, first)| Some((key, first, first.store_until?))).collect();
        rows.sort_unstable_by_key(|(key, ..)| *key);
        UPSERT_KEYS.execute(connection, &rows, bind).await
    }
}

fn entry_key(entry: &Entry) -> Option<Key> {
    match entry {
        Entry::Signal(signal) => key_of(signal).map(|(key, ..)| key),
        Entry::Refusal(_) | Entry::Changes(_) => None,
    }
}

fn bind_key((webhook_id, key): &Key, binds: &mut Binds) {
    binds.add(*webhook_id).add(key.as_slice());
}

/// The end of both selects. CROSS JOIN holds SQLite to this order: for each wanted key, one look into the table. The
/// last row stands for webhook zero, which there is not, and carries the last id.
macro_rules! known_keys {
    () => {
        ") SELECT k.webhook_id, k.key, k.signal_id, s.received_at, s.stored_at, k.body FROM wanted w \
         CROSS JOIN repeat_keys k ON k.webhook_id = w.webhook_id AND k.key = w.key JOIN signals s ON s.id = k.signal_id \
         UNION ALL SELECT 0, zeroblob(17), max(coalesce((SELECT max(id) FROM signals), 0), \
         coalesce((SELECT max(id) FROM deliveries), 0)), 0, 0, NULL"
    };
}

static BEGIN_AND_SELECT_KEYS: Bulk =
    Bulk::new("BEGIN IMMEDIATE; WITH wanted (webhook_id, key) AS (VALUES ", 2, known_keys!());

static SELECT_KEYS: Bulk = Bulk::new("WITH wanted (webhook_id, key) AS (VALUES ", 2, known_keys!());

fn read(columns: &mut Columns<'_>) -> Result<(Key, First), StoreError> {
    let key = (columns.get()?, columns.bytes()?);
    let first = First {
        signal_id: SignalId(columns.get()?),
        received_at: columns.time()?,
        accepted_at: columns.time()?,
        body: columns.optional_bytes()?,
        store_until: None,
    };
    Ok((key, first))
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
