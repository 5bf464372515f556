//! The receiver's checks, in their order, and the answers they give.

mod mask;
pub mod meter;
pub(crate) mod rate;

use std::cell::LazyCell;
use std::net::IpAddr;
use std::sync::Arc;

use atomik_domain::webhook::SecretHash;
use atomik_domain::{Alert, Code, SignalId, UnixMicros, WebhookId};
use atomik_ports::journal::{Entry, NewSignal, Receipt, Refusal, RepeatKeys, SignalSource};
use atomik_ports::rate::{First, Look};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::committer::{Committer, NotStored};
use crate::events::{EventBody, EventLog};
use crate::meters::Meters;
use crate::registry::{Found, Registry};
use crate::settings::EngineSettings;
use crate::ticks::Ticks;
use crate::work::Work;
pub(crate) use mask::{masked, masked_text};
use rate::{Looked, RateGate};

/// How much of a refused body is kept.
const REFUSED_PAYLOAD_BYTES: usize = 4 * 1_024;
/// How much of an accepted body is kept: all that the receiver takes.
const ACCEPTED_PAYLOAD_BYTES: usize = 64 * 1_024;

/// A request to a webhook URL, after transport: method and size are right, and it came in time.
#[derive(Debug)]
pub struct Inbound {
    /// The token from the path.
    pub token: String,
    /// Who sent it: the peer, or what a trusted proxy says.
    pub remote_ip: IpAddr,
    /// Every secret in the query and the header `X-Webhook-Secret`. All must be right.
    pub secrets: Vec<SecretString>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The body; empty where transport could not read it.
    pub body: Bytes,
    /// What transport found wrong with body or key. Refused where the payload's turn comes, not before: a stranger is to
    /// hear the same as ever.
    pub malformed: Option<Malformed>,
    /// When the request's head had been read.
    pub received_at: UnixMicros,
    /// By when it is answered: a signal whose commit has not begun by then is taken back.
    pub answer_by: Instant,
}

/// Something about a request that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What it is.
    pub code: Code,
    /// What it is and what was expected, in a sentence.
    pub detail: String,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 202.
    Accepted {
        /// The webhook.
        webhook_id: WebhookId,
        /// The `timestamp` of the answer: when the (first) request was received.
        timestamp: UnixMicros,
        /// Whether this repeats an accepted signal.
        replayed: bool,
    },
    /// Anything else. This request never trades.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        code: Code,
        /// Why, in a sentence.
        detail: String,
        /// For `Retry-After`, in whole seconds.
        retry_after_s: Option<u32>,
    },
}

/// The receiver behind transport.
pub struct Intake {
    registry: Arc<Registry>,
    committer: Committer,
    events: Arc<EventLog>,
    meters: Arc<Meters>,
    rate: Arc<RateGate>,
    ticks: Ticks,
    settings: EngineSettings,
}

/// A request that passed every check but that for repeats.
struct Passed {
    alert: Alert,
    repeat: Option<RepeatKeys>,
    /// What the limiter knows of its repeats, where it was asked.
    looked: Option<Looked>,
}

/// A refusal on its way to the sender.
struct Refused {
    status: u16,
    code: Code,
    detail: String,
    /// Whether the detail says something of the payload, or of what else was sent.
    quotes: bool,
    retry_after_s: Option<u32>,
}

impl Refused {
    fn new(status: u16, code: Code, detail: &str) -> Self {
        Self { status, code, detail: detail.to_owned(), quotes: false, retry_after_s: None }
    }

    fn quoting(status: u16, code: Code, detail: &str) -> Self {
        Self { quotes: true, ..Self::new(status, code, detail) }
    }
}

impl Intake {
    pub(crate) fn new(work: &Work) -> Self {
        Self {
            registry: Arc::clone(&work.registry),
            committer: work.committer.clone(),
            events: Arc::clone(&work.events),
            meters: Arc::clone(&work.meters),
            rate: Arc::clone(&work.rate),
            ticks: work.ticks,
            settings: work.settings.clone(),
        }
    }

    /// Puts a request through the checks and stores it.
    pub async fn receive(&self, inbound: Inbound) -> Answer {
        let Some(found) = self.registry.find(&inbound.token) else {
            // As much work as for a known token, so that time does not tell them apart.
            let _ = self.check_secret(&[0; 32], None, &inbound, true);
            self.meters.delivery(Code::WebhookNotFound);
            return refuse(Refused::new(404, Code::WebhookNotFound, "Webhook not found"));
        };
        match self.check(&found, &inbound).await {
            Ok(passed) => self.accept(&found, inbound, passed).await,
            Err(mut refused) => {
                let in_body = LazyCell::new(|| Alert::secret_in(&inbound.body));
                let presented = || presented(&inbound, in_body.as_deref());
                if refused.quotes {
                    refused.detail = masked_text(std::mem::take(&mut refused.detail), &presented());
                }
                // Most of a flood is only counted: that reads no payload, and takes little that tells a token from none.
                let payload = || Some(masked(&inbound.body, &presented(), REFUSED_PAYLOAD_BYTES));
                self.note(&found, inbound.remote_ip, inbound.received_at, &refused, payload);
                refuse(refused)
            }
        }
    }

    /// Notes a request that transport refused, where the token is known.
    pub fn note_refusal(
        &self,
        token: &str,
        remote_ip: IpAddr,
        received_at: UnixMicros,
        status: u16,
        code: Code,
    ) {
        let refused = Refused::new(status, code, code.meaning());
        match self.registry.find(token) {
            Some(found) => self.note(&found, remote_ip, received_at, &refused, || None),
            None => self.meters.delivery(code),
        }
    }

    /// The checks from token to payload, in their order: token, IP, secret, subscription, rate, payload.
    async fn check(&self, found: &Found, inbound: &Inbound) -> Result<Passed, Refused> {
        self.check_sender(found, inbound)?;
        let webhook = &found.entry.webhook;
        // Read before the rate's turn and refused after it: one question asks for the rate and for repeats.
        let alert = read(inbound);
        let keys = |alert| repeat_keys(alert, inbound, webhook.dedupe_window_s);
        let repeat = alert.as_ref().ok().and_then(keys);
        let look = repeat.as_ref().and_then(look_for);
        let admitted = self.rate.admit(webhook.id, &found.entry.meter, look).await;
        let looked = admitted.map_err(|retry_after_s| {
            let detail = format!("Rate limit of {} requests per second exceeded", meter::RATE_PER_SECOND);
            Refused { retry_after_s: Some(retry_after_s), ..Refused::new(429, Code::RateLimited, &detail) }
        })?;
        Ok(Passed { alert: alert?, repeat, looked })
    }

    /// The checks of who sends it, and whether its owner may trade.
    fn check_sender(&self, found: &Found, inbound: &Inbound) -> Result<(), Refused> {
        let webhook = &found.entry.webhook;
        if !webhook.active {
            return Err(Refused::new(404, Code::WebhookNotFound, "Webhook not found"));
        }
        if !webhook.allowed_ips.allows(inbound.remote_ip) {
            return Err(Refused::new(403, Code::IpNotAllowed, "IP not allowed"));
        }
        let previous = webhook.previous_secret.filter(|previous| inbound.received_at < previous.valid_until);
        self.check_secret(
            &webhook.secret_hash,
            previous.map(|old| old.hash),
            inbound,
            webhook.require_secret,
        )?;
        if !found.owner.may_trade(inbound.received_at) {
            let status = found.owner.subscription.status;
            let detail = format!("Subscription inactive: it is {status}, so webhooks do not trade");
            let detail =
                if found.owner.disabled { "Subscription inactive: the account is disabled" } else { &detail };
            return Err(Refused::new(403, Code::SubscriptionInactive, detail));
        }
        Ok(())
    }

    /// Compares every secret given with those that are right; all must be. The body's secret counts where no other is
    /// given. Nothing here ends early on a wrong byte.
    fn check_secret(
        &self,
        right: &SecretHash,
        previous: Option<SecretHash>,
        inbound: &Inbound,
        required: bool,
    ) -> Result<(), Refused> {
        if !required {
            return Ok(());
        }
        let in_body = if inbound.secrets.is_empty() { Alert::secret_in(&inbound.body) } else { None };
        let given = inbound.secrets.iter().map(ExposeSecret::expose_secret).chain(in_body.as_deref());
        let mut count = 0;
        let mut all_right = subtle::Choice::from(1);
        for secret in given {
            count += 1;
            let hash: SecretHash = Sha256::digest(secret.as_bytes()).into();
            let is_current = hash.ct_eq(right);
            let is_previous = previous.map_or(subtle::Choice::from(0), |old| hash.ct_eq(&old));
            all_right &= is_current | is_previous;
        }
        match (count, bool::from(all_right)) {
            (0, _) => Err(Refused::new(401, Code::SecretRequired, "Secret parameter required")),
            (_, false) => Err(Refused::new(401, Code::InvalidSecret, "Invalid secret")),
            (_, true) => Ok(()),
        }
    }

    async fn accept(&self, found: &Found, inbound: Inbound, passed: Passed) -> Answer {
        let Passed { alert, repeat, looked } = passed;
        let webhook = &found.entry.webhook;
        let presented = presented(&inbound, alert.secret.as_deref());
        let payload = masked(&inbound.body, &presented, ACCEPTED_PAYLOAD_BYTES);
        let kept = |text| masked_text(text, &presented);
        let signal = NewSignal {
            user_id: webhook.user_id,
            webhook_id: webhook.id,
            source: SignalSource::Alert,
            received_at: inbound.received_at,
            action: alert.action,
            comment: alert.comment.map(kept),
            price: alert.price,
            quantity: alert.quantity,
            symbol: alert.symbol.map(kept),
            notes: alert.notes.into_iter().map(kept).collect(),
            remote_ip: Some(inbound.remote_ip),
            payload,
            repeat,
            targets: found.targets.to_vec(),
        };
        match looked.and_then(|looked| looked.first) {
            Some(first) => self.answer_repeat(found, signal, first),
            None => self.store(found, signal, inbound.answer_by, looked).await,
        }
    }

    /// Answers a repeat of a signal that is known to be stored. Its row in the log is all that is left to be written; the
    /// sender does not wait for it.
    fn answer_repeat(&self, found: &Found, signal: NewSignal, first: First) -> Answer {
        let webhook = &found.entry.webhook;
        self.meters.delivery(Code::Replayed);
        let tell = self.telling(found, signal.received_at, (202, Code::Replayed), Some(first.signal_id));
        let entry = Entry::Repeat { signal: Box::new(signal), first: first.signal_id };
        // Where more waits than may, the answer is true all the same.
        let _ = self.committer.note(entry, tell);
        Answer::Accepted { webhook_id: webhook.id, timestamp: first.received_at, replayed: true }
    }

    async fn store(
        &self,
        found: &Found,
        signal: NewSignal,
        answer_by: Instant,
        looked: Option<Looked>,
    ) -> Answer {
        let webhook = &found.entry.webhook;
        let received_at = signal.received_at;
        let left = answer_by.saturating_duration_since(Instant::now());
        match self.committer.store_signal(signal, self.settings.store_timeout.min(left)).await {
            Ok(Receipt::Stored { signal_id }) => {
                if let Some(looked) = looked {
                    self.rate.remember(webhook.id, looked, First { signal_id, received_at });
                }
                self.stored(found, received_at, signal_id);
                Answer::Accepted { webhook_id: webhook.id, timestamp: received_at, replayed: false }
            }
            Ok(Receipt::Replayed { signal_id, received_at: first }) => {
                self.seen(found, received_at, 202, Code::Replayed, Some(signal_id));
                Answer::Accepted { webhook_id: webhook.id, timestamp: first, replayed: true }
            }
            Ok(Receipt::IdReused) => {
                self.seen(found, received_at, 422, Code::IdReused, None);
                refuse(Refused::new(422, Code::IdReused, Code::IdReused.meaning()))
            }
            Ok(Receipt::Recorded { .. } | Receipt::LeaseLost) | Err(NotStored::Store(_)) => {
                self.seen(found, received_at, 503, Code::StoreUnavailable, None);
                refuse(Refused::new(503, Code::StoreUnavailable, Code::StoreUnavailable.meaning()))
            }
            Err(NotStored::Overloaded) => {
                self.seen(found, received_at, 503, Code::Overloaded, None);
                refuse(Refused::new(503, Code::Overloaded, Code::Overloaded.meaning()))
            }
        }
    }

    fn stored(&self, found: &Found, received_at: UnixMicros, signal_id: SignalId) {
        let webhook = &found.entry.webhook;
        self.seen(found, received_at, 202, Code::Accepted, Some(signal_id));
        let body = EventBody::Signal { signal_id, webhook_id: webhook.id };
        self.events.publish(webhook.user_id, received_at, body);
    }

    /// Counts a delivery and tells those who watch.
    fn seen(&self, found: &Found, at: UnixMicros, status: u16, code: Code, signal_id: Option<SignalId>) {
        self.meters.delivery(code);
        self.telling(found, at, (status, code), signal_id)();
    }

    /// What tells those who watch of a delivery.
    fn telling(
        &self,
        found: &Found,
        at: UnixMicros,
        (status, code): (u16, Code),
        signal_id: Option<SignalId>,
    ) -> impl FnOnce() + Send + use<> {
        let events = Arc::clone(&self.events);
        let (user_id, webhook_id) = (found.entry.webhook.user_id, found.entry.webhook.id);
        move || events.publish(user_id, at, EventBody::Delivery { webhook_id, status, code, signal_id })
    }

    /// Keeps a refusal in the webhook's log, unless too many come at once; then it is counted.
    fn note(
        &self,
        found: &Found,
        remote_ip: IpAddr,
        received_at: UnixMicros,
        refused: &Refused,
        payload: impl FnOnce() -> Option<String>,
    ) {
        let entry = &found.entry;
        let Some(suppressed) = entry.meter.keep_refusal(self.ticks.now()) else {
            self.meters.delivery(refused.code);
            return;
        };
        self.meters.delivery(refused.code);
        let (user_id, webhook_id) = (entry.webhook.user_id, entry.webhook.id);
        let Refused { status, code, ref detail, .. } = *refused;
        let refusal = Refusal {
            user_id,
            webhook_id,
            received_at,
            remote_ip,
            status,
            code,
            detail: detail.clone(),
            payload: payload(),
            suppressed,
        };
        // Whoever is told of it looks into the log at once.
        let tell = self.telling(found, received_at, (status, code), None);
        if !self.committer.note(Entry::Refusal(Box::new(refusal)), tell) {
            entry.meter.not_kept(suppressed);
        }
    }
}

/// Every secret that came with it.
fn presented<'a>(inbound: &'a Inbound, in_body: Option<&'a str>) -> Vec<&'a str> {
    inbound.secrets.iter().map(ExposeSecret::expose_secret).chain(in_body).collect()
}

/// The alert, or what is wrong with it.
fn read(inbound: &Inbound) -> Result<Alert, Refused> {
    if let Some(malformed) = &inbound.malformed {
        return Err(Refused::quoting(422, malformed.code, &malformed.detail));
    }
    Alert::parse(&inbound.body).map_err(|error| Refused::quoting(422, error.code(), &error.to_string()))
}

fn refuse(refused: Refused) -> Answer {
    let Refused { status, code, detail, retry_after_s, .. } = refused;
    Answer::Refused { status, code, detail, retry_after_s }
}

/// An explicit id decides alone; without one, equal alerts within the webhook's window are repeats. A quantity that
/// cannot be read counts as none, as it does everywhere: two alerts that differ in nothing else are one, because what
/// nobody can read does not say that two trades were meant.
fn repeat_keys(alert: &Alert, inbound: &Inbound, window_s: u32) -> Option<RepeatKeys> {
    if let Some(id) = inbound.idempotency_key.as_ref().or(alert.id.as_ref()) {
        return Some(RepeatKeys::Explicit {
            id: short_hash(&[id.as_bytes()]),
            body: short_hash(&[&inbound.body]),
        });
    }
    if window_s == 0 {
        return None;
    }
    let comment = alert.comment.as_deref().unwrap_or_default().to_ascii_uppercase();
    let quantity = alert.quantity.map(|quantity| quantity.to_string()).unwrap_or_default();
    let symbol = alert.symbol.as_deref().unwrap_or_default().to_ascii_uppercase();
    let parts =
        [alert.action.as_str().as_bytes(), comment.as_bytes(), quantity.as_bytes(), symbol.as_bytes()];
    let window_us = i64::from(window_s) * UnixMicros::SECOND;
    Some(RepeatKeys::Window { fingerprint: short_hash(&parts), window_us })
}

/// What the limiter is asked for: windows are its first look, explicit ids are the store's alone.
fn look_for(repeat: &RepeatKeys) -> Option<Look> {
    match *repeat {
        RepeatKeys::Window { fingerprint, window_us } => Some(Look { fingerprint, window_us }),
        RepeatKeys::Explicit { .. } => None,
    }
}

/// The first half of SHA-256 over the parts, each with its length, so that no two lists of parts run together.
fn short_hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}
