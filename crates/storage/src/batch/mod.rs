//! What a call of the journal comes to, before any engine writes it: its entries judged one by one, and the rows that they
//! are. The same for every engine.

mod merge;
mod repeats;

use std::collections::HashSet;

use atomik_domain::{ClientOrderId, Code, Outcome, OutcomeStatus, SignalId, UnixMicros};
use atomik_ports::cluster::Lease;
use atomik_ports::journal::{Entry, NewSignal, Receipt, Refusal, RepeatKeys, SignalSource};

use crate::rows::notes_text;
use crate::values::Binds;
pub use merge::{Intent, Merged};
pub use repeats::{First, Key, RepeatKey, Verdict, key_of};
pub(crate) use repeats::{WINDOW, window_key};

/// Gives out ids and says which signals repeat an accepted one, in the order of the entries.
pub trait Judge {
    /// The next id that signals and deliveries share.
    fn next_id(&mut self) -> i64;
    /// Judges a signal that would be stored under `id`, and remembers it where it is new.
    fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict;
    /// Whether changes that were made under a lease may be recorded.
    fn holds(&self, lease: Lease) -> bool;
}

/// Everything a call writes, in rows.
#[derive(Debug, Default)]
pub struct Batch<'e> {
    /// Signals that are new.
    pub signals: Vec<SignalRow<'e>>,
    /// Deliveries that became none.
    pub deliveries: Vec<DeliveryRow<'e>>,
    /// One outcome for each target of a new signal.
    pub pending: Vec<Outcome>,
    /// What lanes changed.
    pub changes: Merged<'e>,
}

/// A signal that is stored.
#[derive(Debug)]
pub struct SignalRow<'e> {
    id: SignalId,
    signal: &'e NewSignal,
    stored_at: UnixMicros,
}

/// A delivery that became no signal.
#[derive(Debug)]
pub struct DeliveryRow<'e> {
    id: i64,
    webhook_id: i64,
    received_at: UnixMicros,
    duration_us: i64,
    remote_ip: Option<String>,
    status: u16,
    code: Code,
    /// `None`: the code says it all.
    detail: Option<&'e str>,
    payload: Option<&'e str>,
    signal_id: Option<SignalId>,
    suppressed: u32,
}

/// What became of a call's entries, but for which intents existed before.
#[derive(Debug)]
pub struct Judged {
    receipts: Vec<Receipt>,
    /// The intents of each entry that brings changes, by its place.
    intents_at: Vec<(usize, Vec<Intent>)>,
}

impl Judged {
    /// Judges the entries, and says what has to be written. `at` is stamped as the time of storing.
    pub fn of<'e>(judge: &mut impl Judge, entries: &'e [Entry], at: UnixMicros) -> (Self, Batch<'e>) {
        let (mut batch, mut receipts) = (Batch::default(), Vec::with_capacity(entries.len()));
        let mut intents_at = Vec::new();
        for entry in entries {
            receipts.push(match entry {
                Entry::Signal(signal) => {
                    let id = judge.next_id();
                    batch.take_signal(judge, id, signal, at)
                }
                Entry::Repeat { signal, first } => {
                    batch.note_repeat(judge.next_id(), signal, (202, Code::Replayed), Some(*first), at);
                    Receipt::Recorded { repeated_intents: Vec::new() }
                }
                Entry::Refusal(refusal) => batch.take_refusal(judge.next_id(), refusal, at),
                Entry::Changes(changes) if changes.lease.is_some_and(|lease| !judge.holds(lease)) => {
                    Receipt::LeaseLost
                }
                Entry::Changes(changes) => {
                    intents_at.push((receipts.len(), batch.changes.take(changes)));
                    Receipt::Recorded { repeated_intents: Vec::new() }
                }
            });
        }
        (Self { receipts, intents_at }, batch)
    }

    /// The same with the ids that were drawn, where -1 stood for the first of them.
    #[must_use]
    pub fn with_ids(mut self, drawn: &[i64]) -> Self {
        for receipt in &mut self.receipts {
            if let Receipt::Stored { signal_id } | Receipt::Replayed { signal_id, .. } = receipt
                && let Some(place) =
                    signal_id.0.checked_neg().and_then(|number| usize::try_from(number - 1).ok())
                && let Some(id) = drawn.get(place)
            {
                *signal_id = SignalId(*id);
            }
        }
        self
    }

    /// The receipts, once it is known which intents existed before.
    #[must_use]
    pub fn receipts(mut self, existed: &HashSet<ClientOrderId>) -> Vec<Receipt> {
        for (place, intents) in self.intents_at {
            self.receipts[place] = Receipt::Recorded { repeated_intents: repeated_among(intents, existed) };
        }
        self.receipts
    }
}

/// Those intents of one entry that were left as they were, because they existed.
fn repeated_among(intents: Vec<Intent>, existed: &HashSet<ClientOrderId>) -> Vec<ClientOrderId> {
    let repeated = |intent: &Intent| intent.repeats_in_batch || existed.contains(&intent.id);
    intents.into_iter().filter(repeated).map(|intent| intent.id).collect()
}

impl<'e> Batch<'e> {
    fn take_signal(
        &mut self,
        judge: &mut impl Judge,
        id: i64,
        signal: &'e NewSignal,
        at: UnixMicros,
    ) -> Receipt {
        match judge.judge(signal, SignalId(id)) {
            Verdict::New => self.store(SignalId(id), signal, at),
            Verdict::Repeats { signal_id, received_at } => {
                self.note_repeat(id, signal, (202, Code::Replayed), Some(signal_id), at);
                Receipt::Replayed { signal_id, received_at }
            }
            Verdict::IdReused => {
                self.note_repeat(id, signal, (422, Code::IdReused), None, at);
                Receipt::IdReused
            }
        }
    }

    fn store(&mut self, id: SignalId, signal: &'e NewSignal, at: UnixMicros) -> Receipt {
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
        signal: &'e NewSignal,
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
            payload: Some(&signal.payload),
            signal_id: first,
            suppressed: 0,
        });
    }

    fn take_refusal(&mut self, id: i64, refusal: &'e Refusal, at: UnixMicros) -> Receipt {
        self.deliveries.push(DeliveryRow {
            id,
            webhook_id: refusal.webhook_id.0,
            received_at: refusal.received_at,
            duration_us: at.micros_since(refusal.received_at).max(0),
            remote_ip: Some(refusal.remote_ip.to_string()),
            status: refusal.status,
            code: refusal.code,
            detail: Some(&refusal.detail),
            payload: refusal.payload.as_deref(),
            signal_id: None,
            suppressed: refusal.suppressed,
        });
        Receipt::Recorded { repeated_intents: Vec::new() }
    }
}

/// What [`bind_signal`] writes, in its order.
macro_rules! signal_columns {
    () => {
        "id, user_id, webhook_id, source, received_at, stored_at, action, comment, price, quantity, symbol, notes, \
         remote_ip, payload, fingerprint"
    };
}
pub(crate) use signal_columns;

pub(crate) fn bind_signal(row: &SignalRow<'_>, binds: &mut impl Binds) {
    let signal = row.signal;
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

/// What [`bind_delivery`] writes, in its order.
macro_rules! delivery_columns {
    () => {
        "id, webhook_id, received_at, duration_us, remote_ip, status, code, detail, payload, signal_id, suppressed"
    };
}
pub(crate) use delivery_columns;

pub(crate) fn bind_delivery(row: &DeliveryRow<'_>, binds: &mut impl Binds) {
    binds
        .add(row.id)
        .add(row.webhook_id)
        .add(row.received_at.0)
        .add(row.duration_us)
        .add(row.remote_ip.as_deref())
        .add(i64::from(row.status))
        .add(row.code.as_str())
        .add(row.detail)
        .add(row.payload)
        .add(row.signal_id.map(|id| id.0))
        .add(i64::from(row.suppressed));
}
