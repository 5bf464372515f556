//! The hot path: hundreds of entries, one transaction.
//!
//! Nearly always everything is as one expects: no signal repeats another, the leases are held, the intents are new. So all is
//! written by one statement that expects so and is undone where it is not (`at_once.rs`): one round trip. Only then what is there
//! is looked at first (`one_by_one.rs`): four.

mod at_once;
mod changes;
mod one_by_one;
mod repeats;

use async_trait::async_trait;
use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, Journal, Receipt};

use super::arrays::Statement;
use super::faults::{fault, is_broken, is_collision, is_refusal, too_late};
use super::recorder::Turn;
use super::work::{ANSWER_TIMEOUT, RECORDER_SLOT};
use super::{Access, PostgresStore};
use crate::batch::{Batch, bind_delivery, bind_signal, delivery_columns, signal_columns};
use crate::rows::bind_outcome;

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
        let mut as_expected = true;
        let mut attempt = 1;
        loop {
            let turn = self.turn().await?;
            let tried = if as_expected {
                self.write_at_once(turn, &entries, at).await
            } else {
                self.write_one_by_one(turn, &entries, at).await
            };
            match tried {
                Ok(receipts) => return Ok(receipts),
                Err(Failure::NotAsExpected) => as_expected = false,
                Err(failure) if attempt >= ATTEMPTS || !failure.may_pass() => {
                    return Err(failure.into_fault());
                }
                Err(_) => attempt += 1,
            }
        }
    }
}

/// Why nothing was written.
enum Failure {
    /// The database's error.
    Database(sqlx::Error),
    /// Ours.
    Store(StoreError),
    /// Something is there that was not expected.
    NotAsExpected,
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
            Self::NotAsExpected => true,
        }
    }

    fn into_fault(self) -> StoreError {
        match self {
            Self::Database(error) => fault(error),
            Self::Store(error) => error,
            Self::NotAsExpected => StoreError::Unavailable("the database goes back and forth".to_owned()),
        }
    }
}

/// Adds the rows that become of alerts.
fn write_deliveries(batch: &Batch<'_>, statement: &mut Statement) {
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
}

/// How many of the entries need an id.
fn in_need_of_ids(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| !matches!(entry, Entry::Changes(_))).count()
}

fn lease_of(entry: &Entry) -> Option<Lease> {
    match entry {
        Entry::Changes(changes) => changes.lease,
        Entry::Signal(_) | Entry::Repeat { .. } | Entry::Refusal(_) => None,
    }
}
