//! What the writer remembers between transactions, so that the usual alert costs no look into the database and no row but
//! its own: the last id, and the signals of the last moments by their fingerprint.
//!
//! It is a copy of what `signals` says, and never the only place of anything. It goes with the connection it was read
//! through, and is dropped with every transaction that is not committed. No other process writes the journal: that takes
//! the directory's lock.

use std::collections::{HashMap, VecDeque};

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::StoreError;
use sqlx::sqlite::SqliteConnection;

use crate::batch::{First, Key, window_key};
use crate::columns::Columns;
use crate::sqlite::faults::fault;

/// How long a signal is remembered here. Keys that count for longer are in `repeat_keys` as well.
pub(crate) const MEMORY_US: i64 = 2 * UnixMicros::SECOND;
/// How many signals are read at a time when it is filled.
const STEP: i64 = 4_096;

/// The writer's memory.
#[derive(Debug)]
pub(in crate::sqlite) struct Recent {
    /// The last id that signals and deliveries have used.
    pub(super) last_id: i64,
    /// The latest accepted signal of each fingerprint.
    first: HashMap<Key, First>,
    /// All of `first`, and what they replaced, from the oldest.
    order: VecDeque<(UnixMicros, Key)>,
}

impl Recent {
    /// Reads it, inside a transaction.
    pub(super) async fn read(connection: &mut SqliteConnection, at: UnixMicros) -> Result<Self, StoreError> {
        let last_id = sqlx::query_scalar(
            "SELECT max(coalesce((SELECT max(id) FROM signals), 0), coalesce((SELECT max(id) FROM deliveries), 0))",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(fault)?;
        let mut recent = Self { last_id, first: HashMap::new(), order: VecDeque::new() };
        let mut before = i64::MAX;
        loop {
            let rows = sqlx::query(
                "SELECT id, webhook_id, received_at, stored_at, fingerprint FROM signals WHERE id < ?1 \
                 ORDER BY id DESC LIMIT ?2",
            )
            .bind(before)
            .bind(STEP)
            .fetch_all(&mut *connection)
            .await
            .map_err(fault)?;
            for row in &rows {
                let mut columns = Columns::of(row);
                before = columns.get()?;
                let webhook_id = columns.get()?;
                let first = First {
                    signal_id: SignalId(before),
                    received_at: columns.time()?,
                    accepted_at: columns.time()?,
                    body: None,
                };
                if !is_recent(first.accepted_at, at) {
                    return Ok(recent);
                }
                if let Some(fingerprint) = columns.optional_bytes()? {
                    recent.put_older(window_key(webhook_id, &fingerprint), first);
                }
            }
            if rows.is_empty() {
                return Ok(recent);
            }
        }
    }

    fn put_older(&mut self, key: Key, first: First) {
        self.order.push_front((first.accepted_at, key));
        self.first.entry(key).or_insert(first);
    }

    /// Remembers a signal that is accepted now.
    pub(super) fn put(&mut self, key: Key, first: First) {
        self.order.push_back((first.accepted_at, key));
        self.first.insert(key, first);
    }

    /// The latest signal with this key, if it was accepted moments ago.
    pub(super) fn get(&self, key: &Key) -> Option<&First> {
        self.first.get(key)
    }

    /// Lets go of what is not recent any more.
    pub(super) fn forget(&mut self, at: UnixMicros) {
        while let Some((accepted_at, key)) = self.order.front()
            && !is_recent(*accepted_at, at)
        {
            if self.first.get(key).is_some_and(|first| first.accepted_at == *accepted_at) {
                self.first.remove(key);
            }
            self.order.pop_front();
        }
    }
}

/// The distance counts, whichever way: a clock that was set back must not make an hour's alerts recent.
fn is_recent(accepted_at: UnixMicros, at: UnixMicros) -> bool {
    at.micros_since(accepted_at).unsigned_abs() < MEMORY_US.unsigned_abs()
}
