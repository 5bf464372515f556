//! The hot path: hundreds of entries, one transaction, one flush, a statement for hundreds of rows.

mod merge;
mod recent;
mod repeats;

use std::collections::HashSet;

use async_trait::async_trait;
use atomik_domain::{ClientOrderId, Code, Outcome, OutcomeStatus, SignalId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::journal::{Entry, Journal, NewSignal, Receipt, Refusal, RepeatKeys, SignalSource};
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::bulk::{Binds, Bulk, Statements, insert};
use super::rows::{bind_outcome, notes_text};
use super::writer::Work;
use merge::{Intent, Merged};
use repeats::{Known, Verdict};

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
        match Recorded::of(&mut work, entries, at).await {
            Ok((recorded, statements)) => recorded.receipts(&work.commit(statements).await?),
            Err(error) => work.finish(Err(error)).await,
        }
    }
}

/// Everything a call writes, in rows.
#[derive(Debug, Default)]
struct Batch {
    signals: Vec<SignalRow>,
    deliveries: Vec<DeliveryRow>,
    pending: Vec<Outcome>,
    changes: Merged,
}

#[derive(Debug)]
struct SignalRow {
    id: SignalId,
    signal: Box<NewSignal>,
    stored_at: UnixMicros,
}

/// A delivery that became no signal.
#[derive(Debug)]
struct DeliveryRow {
    id: i64,
    webhook_id: i64,
    received_at: UnixMicros,
    duration_us: i64,
    remote_ip: Option<String>,
    status: u16,
    code: Code,
    /// `None`: the code says it all.
    detail: Option<String>,
    payload: Option<String>,
    signal_id: Option<SignalId>,
    suppressed: u32,
}

/// What became of a call's entries, once its statements have run.
#[derive(Debug)]
struct Recorded {
    receipts: Vec<Receipt>,
    /// The intents of each entry that brings changes, by its place.
    intents_at: Vec<(usize, Vec<Intent>)>,
    changes: Merged,
}

impl Recorded {
    /// Judges the entries, and says what has to be written.
    async fn of(
        work: &mut Work<'_>,
        entries: Vec<Entry>,
        at: UnixMicros,
    ) -> Result<(Self, Statements), StoreError> {
        let mut known = Known::look_up(work, &entries, at).await?;
        let (mut batch, mut receipts) = (Batch::default(), Vec::with_capacity(entries.len()));
        let mut intents_at = Vec::new();
        for entry in entries {
            let id = known.next_id();
            receipts.push(match entry {
                Entry::Signal(signal) => batch.take_signal(&mut known, id, signal, at),
                Entry::Refusal(refusal) => batch.take_refusal(id, *refusal, at),
                Entry::Changes(changes) => {
                    intents_at.push((receipts.len(), batch.changes.take(*changes)));
                    Receipt::Recorded { repeated_intents: Vec::new() }
                }
            });
        }
        let statements = batch.statements(&known)?;
        Ok((Self { receipts, intents_at, changes: batch.changes }, statements))
    }

    fn receipts(mut self, returned: &[SqliteRow]) -> Result<Vec<Receipt>, StoreError> {
        let existed = self.changes.existed(returned)?;
        for (place, intents) in self.intents_at {
            self.receipts[place] = Receipt::Recorded { repeated_intents: repeated_among(intents, &existed) };
        }
        Ok(self.receipts)
    }
}

/// Those intents of one entry that were left as they were, because they existed.
fn repeated_among(intents: Vec<Intent>, existed: &HashSet<ClientOrderId>) -> Vec<ClientOrderId> {
    let repeated = |intent: &Intent| intent.repeats_in_batch || existed.contains(&intent.id);
    intents.into_iter().filter(repeated).map(|intent| intent.id).collect()
}

impl Batch {
    fn take_signal(
        &mut self,
        known: &mut Known<'_>,
        id: i64,
        signal: Box<NewSignal>,
        at: UnixMicros,
    ) -> Receipt {
        match known.judge(&signal, SignalId(id), at) {
            Verdict::New => self.store(SignalId(id), signal, at),
            Verdict::Repeats { signal_id, received_at } => {
                self.note_repeat(id, *signal, (202, Code::Replayed), Some(signal_id), at);
                Receipt::Replayed { signal_id, received_at }
            }
            Verdict::IdReused => {
                self.note_repeat(id, *signal, (422, Code::IdReused), None, at);
                Receipt::IdReused
            }
        }
    }

    fn store(&mut self, id: SignalId, signal: Box<NewSignal>, at: UnixMicros) -> Receipt {
        self.pending.extend(signal.targets.iter().map(|strategy_id| Outcome {
            signal_id: id,
            strategy_id: *strategy_id,
            status: OutcomeStatus::Pending,
            code: Code::Accepted,
            detail: String::new(),
            planned_at: None,
            settled_at: None,
        }));
        self.signals.push(SignalRow { id, signal, stored_at: at });
        Receipt::Stored { signal_id: id }
    }

    /// Notes a delivery that became no signal because of an earlier one.
    fn note_repeat(
        &mut self,
        id: i64,
        signal: NewSignal,
        (status, code): (u16, Code),
        first: Option<SignalId>,
        at: UnixMicros,
    ) {
        if signal.source != SignalSource::Alert {
            return; // no request made it, so there is no delivery
        }
        self.deliveries.push(DeliveryRow {
            id,
            webhook_id: signal.webhook_id.0,
            received_at: signal.received_at,
            duration_us: at.micros_since(signal.received_at).max(0),
            remote_ip: signal.remote_ip.map(|ip| ip.to_string()),
            status,
            code,
            detail: None,
            payload: Some(signal.payload),
            signal_id: first,
            suppressed: 0,
        });
    }

    fn take_refusal(&mut self, id: i64, refusal: Refusal, at: UnixMicros) -> Receipt {
        self.deliveries.push(DeliveryRow {
            id,
            webhook_id: refusal.webhook_id.0,
            received_at: refusal.received_at,
            duration_us: at.micros_since(refusal.received_at).max(0),
            remote_ip: Some(refusal.remote_ip.to_string()),
            status: refusal.status,
            code: refusal.code,
            detail: Some(refusal.detail),
            payload: refusal.payload,
            signal_id: None,
            suppressed: refusal.suppressed,
        });
        Receipt::Recorded { repeated_intents: Vec::new() }
    }

    /// All that has to be written.
    fn statements(&self, known: &Known<'_>) -> Result<Statements, StoreError> {
        let mut statements = Statements::default();
        statements.add(&INSERT_SIGNALS, &self.signals, bind_signal)?;
        statements.add(&INSERT_DELIVERIES, &self.deliveries, bind_delivery)?;
        known.write(&mut statements)?;
        statements.add(&INSERT_PENDING, &self.pending, bind_outcome)?;
        self.changes.write(&mut statements)?;
        Ok(statements)
    }
}

static INSERT_SIGNALS: Bulk = insert!(
    "INSERT INTO signals (id, user_id, webhook_id, source, received_at, stored_at, action, comment, price, quantity, \
     symbol, notes, remote_ip, payload, fingerprint)",
    15,
    "",
);

fn bind_signal(row: &SignalRow, binds: &mut Binds) {
    let signal = &row.signal;
    binds
        .add(row.id.0)
        .add(signal.user_id.0)
        .add(signal.webhook_id.0)
        .add(signal.source.as_str())
        .add(signal.received_at.0)
        .add(row.stored_at.0)
        .add(signal.action.as_str())
        .add(signal.comment.as_deref())
        .add(signal.price.map(|price| price.to_string()))
        .add(signal.quantity.map(|quantity| quantity.to_string()))
        .add(signal.symbol.as_deref())
        .add(notes_text(&signal.notes))
        .add(signal.remote_ip.map(|ip| ip.to_string()))
        .add(signal.payload.as_str())
        .add(fingerprint_of(signal).map(<[u8; 16]>::as_slice));
}

/// What its repeats within a window are recognized by.
fn fingerprint_of(signal: &NewSignal) -> Option<&[u8; 16]> {
    match signal.repeat.as_ref()? {
        RepeatKeys::Window { fingerprint, .. } => Some(fingerprint),
        RepeatKeys::Explicit { .. } => None,
    }
}

static INSERT_DELIVERIES: Bulk = insert!(
    "INSERT INTO deliveries (id, webhook_id, received_at, duration_us, remote_ip, status, code, detail, payload, \
     signal_id, suppressed)",
    11,
    "",
);

fn bind_delivery(row: &DeliveryRow, binds: &mut Binds) {
    binds
        .add(row.id)
        .add(row.webhook_id)
        .add(row.received_at.0)
        .add(row.duration_us)
        .add(row.remote_ip.as_deref())
        .add(i64::from(row.status))
        .add(row.code.as_str())
        .add(row.detail.as_deref())
        .add(row.payload.as_deref())
        .add(row.signal_id.map(|id| id.0))
        .add(i64::from(row.suppressed));
}

static INSERT_PENDING: Bulk = insert!(
    "INSERT INTO outcomes (signal_id, strategy_id, status, code, detail, planned_at, settled_at)",
    7,
    " ON CONFLICT DO NOTHING",
);
