//! The hot path: hundreds of entries, one transaction, one flush, a statement for hundreds of rows.

mod changes;
mod recent;
mod repeats;

use async_trait::async_trait;
use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use atomik_ports::journal::{Entry, Journal, Receipt};

use super::SqliteStore;
use super::bulk::{Bulk, Statements, insert};
use super::writer::Work;
use crate::batch::{Batch, Judged, bind_delivery, bind_signal, delivery_columns, signal_columns};
use crate::rows::bind_outcome;
use repeats::Known;

pub(crate) use recent::MEMORY_US;
pub(super) use recent::Recent;

#[async_trait]
impl Journal for SqliteStore {
    async fn commit(&self, entries: Vec<Entry>, at: UnixMicros) -> Result<Vec<Receipt>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        // The writer's memory of what it stored holds only while nobody else stores.
        if self.lock.is_none() {
            return Err(StoreError::Unavailable("only the server records signals and orders".to_owned()));
        }
        let mut work = self.writer.take_turn().await?;
        match judged(&mut work, &entries, at).await {
            Ok((judged, batch, statements)) => {
                let returned = work.commit(statements).await?;
                Ok(judged.receipts(&batch.changes.existed(&returned)?))
            }
            Err(error) => work.finish(Err(error)).await,
        }
    }
}

/// Judges the entries, and says what has to be written.
async fn judged<'e>(
    work: &mut Work<'_>,
    entries: &'e [Entry],
    at: UnixMicros,
) -> Result<(Judged, Batch<'e>, Statements), StoreError> {
    let mut known = Known::look_up(work, entries, at).await?;
    let (judged, batch) = Judged::of(&mut known, entries, at);
    let mut statements = Statements::default();
    statements.add(&INSERT_SIGNALS, &batch.signals, bind_signal)?;
    statements.add(&INSERT_DELIVERIES, &batch.deliveries, bind_delivery)?;
    known.write(&mut statements)?;
    statements.add(&INSERT_PENDING, &batch.pending, bind_outcome)?;
    changes::write(&batch.changes, &mut statements)?;
    Ok((judged, batch, statements))
}

static INSERT_SIGNALS: Bulk = insert!(concat!("INSERT INTO signals (", signal_columns!(), ")"), 15, "");

static INSERT_DELIVERIES: Bulk =
    insert!(concat!("INSERT INTO deliveries (", delivery_columns!(), ")"), 11, "");

static INSERT_PENDING: Bulk = insert!(
    "INSERT INTO outcomes (signal_id, strategy_id, status, code, detail, planned_at, settled_at)",
    7,
    " ON CONFLICT DO NOTHING",
);
