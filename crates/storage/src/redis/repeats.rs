//! Which signals were stored a moment ago, so that their repeats need not ask the store. What is not known here, the store
//! finds.
//!
//! A value tells when the signal's token was taken, on Redis' clock, and is believed as long after that as the window is wide
//! when it is read. So what arrives late, behind a Redis that was held still, is too old when it comes, and a window that was
//! made smaller counts at once. The token comes before the signal is stored: no value counts as long as the store's own window.

use std::sync::Arc;
use std::time::Instant;

use atomik_domain::{SignalId, UnixMicros, WebhookId};
use atomik_ports::rate::{First, Known};
use redis::Pipeline;
use tokio::sync::mpsc;

use super::link::Link;

/// How many may wait to be told. More are dropped.
const MAX_WAITING: usize = 1_024;
/// The most that is told at once.
const MAX_TOLD: usize = 256;

/// Tells Redis of stored signals, one question at a time, so that what is asked for tokens never waits behind a crowd.
pub struct Teller(mpsc::Sender<Note>);

/// What is to be told, and until when it is of use.
struct Note {
    known: Known,
    until: Instant,
}

impl Teller {
    /// Tells over this link, until it is dropped.
    pub fn start(link: Arc<Link>, prefix: String) -> Self {
        let (teller, notes) = mpsc::channel(MAX_WAITING);
        tokio::spawn(tell(link, prefix, notes));
        Self(teller)
    }

    /// Tells it soon, unless too much waits.
    pub fn tell(&self, known: Known) {
        let note = Note { known, until: Instant::now() + known.left };
        // The store finds the repeats of what is not told.
        let _ = self.0.try_send(note);
    }
}

async fn tell(link: Arc<Link>, prefix: String, mut notes: mpsc::Receiver<Note>) {
    let mut some = Vec::with_capacity(MAX_TOLD);
    while notes.recv_many(&mut some, MAX_TOLD).await > 0 {
        let mut sets = redis::pipe();
        some.drain(..).for_each(|note| add(&mut sets, &prefix, &note));
        if sets.is_empty() {
            continue;
        }
        let told =
            link.ask(|mut connection| Box::pin(async move { sets.query_async::<()>(&mut connection).await }));
        // Why it is away is for those to say who need it.
        let _ = told.await;
    }
}

/// Adds what is still of use. It forgets itself when it is of no use any more.
fn add(sets: &mut Pipeline, prefix: &str, note: &Note) {
    let left_ms = note.until.saturating_duration_since(Instant::now()).as_millis();
    let Ok(left_ms @ 1..) = u64::try_from(left_ms) else { return };
    let Known { webhook_id, fingerprint, first, at, .. } = &note.known;
    let value = format!("{at} {} {}", first.signal_id, first.received_at.0);
    sets.cmd("SET").arg(key(prefix, *webhook_id, fingerprint)).arg(value).arg("PX").arg(left_ms).ignore();
}

/// Where a signal is known.
pub fn key(prefix: &str, webhook_id: WebhookId, fingerprint: &[u8; 16]) -> String {
    format!("{prefix}repeat:{webhook_id}:{}", hex::encode(fingerprint))
}

/// The signal that a value tells of, where it counts within this window. `None` also where the value cannot be read.
pub fn read(value: &[u8], now: i64, window_us: i64) -> Option<First> {
    let mut parts = std::str::from_utf8(value).ok()?.split(' ').map(|part| part.parse().ok());
    let (at, signal_id, received_at): (i64, i64, i64) = (parts.next()??, parts.next()??, parts.next()??);
    // A clock that was set back gives an age below 0, and tells nothing.
    let counts = now.checked_sub(at).is_some_and(|age| (0..window_us).contains(&age));
    let first = First { signal_id: SignalId(signal_id), received_at: UnixMicros(received_at) };
    (counts && signal_id > 0 && parts.next().is_none()).then_some(first)
}
