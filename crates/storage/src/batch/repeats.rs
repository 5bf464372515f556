//! By what a signal's repeats are recognized, and what makes one.

use atomik_domain::{SignalId, UnixMicros};
use atomik_ports::journal::{ID_MEMORY_US, NewSignal, RepeatKeys};

/// Webhook, and the kind of key followed by the key.
pub type Key = (i64, [u8; 17]);

/// The kind of a window's keys.
pub(crate) const WINDOW: u8 = b'w';
const EXPLICIT: u8 = b'i';

/// An accepted signal, as its repeats need it.
#[derive(Clone, Copy, Debug)]
pub struct First {
    /// Which one.
    pub signal_id: SignalId,
    /// When its first byte was seen.
    pub received_at: UnixMicros,
    /// When it was judged.
    pub accepted_at: UnixMicros,
    /// What came with an explicit id.
    pub body: Option<[u8; 16]>,
}

/// What a signal is.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// New.
    New,
    /// A repeat.
    Repeats {
        /// Of which one.
        signal_id: SignalId,
        /// When that was received.
        received_at: UnixMicros,
    },
    /// One that brings a used id with another body.
    IdReused,
}

/// How a signal's repeats are recognized.
#[derive(Clone, Copy, Debug)]
pub struct RepeatKey {
    /// What it is compared by.
    pub key: Key,
    /// How long it counts.
    pub counts_us: i64,
    /// What comes with an explicit id.
    pub body: Option<[u8; 16]>,
}

/// The key of a fingerprint.
pub(crate) fn window_key(webhook_id: i64, fingerprint: &[u8; 16]) -> Key {
    keyed(webhook_id, WINDOW, fingerprint)
}

fn keyed(webhook_id: i64, kind: u8, hash: &[u8; 16]) -> Key {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(hash);
    (webhook_id, key)
}

/// A signal's key, where it has one that counts.
#[must_use]
pub fn key_of(signal: &NewSignal) -> Option<RepeatKey> {
    let webhook_id = signal.webhook_id.0;
    match signal.repeat.as_ref()? {
        RepeatKeys::Window { window_us, .. } if *window_us <= 0 => None,
        RepeatKeys::Window { fingerprint, window_us } => {
            Some(RepeatKey { key: window_key(webhook_id, fingerprint), counts_us: *window_us, body: None })
        }
        RepeatKeys::Explicit { id, body } => Some(RepeatKey {
            key: keyed(webhook_id, EXPLICIT, id),
            counts_us: ID_MEMORY_US,
            body: Some(*body),
        }),
    }
}

impl RepeatKey {
    /// What a signal with this key is at a moment, given the accepted one with the same key.
    #[must_use]
    pub fn verdict(&self, first: Option<&First>, at: UnixMicros) -> Verdict {
        // The distance, whichever way: a clock that was set back must not make an hour's alerts repeats.
        let counts = |first: &&First| {
            at.micros_since(first.accepted_at).unsigned_abs() < self.counts_us.unsigned_abs()
        };
        match first.filter(counts) {
            None => Verdict::New,
            Some(first) if first.body == self.body => {
                Verdict::Repeats { signal_id: first.signal_id, received_at: first.received_at }
            }
            Some(_) => Verdict::IdReused,
        }
    }
}
