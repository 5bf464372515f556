//! What all nodes know together: how often a webhook may be used, and which alerts came a moment ago.

use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{SignalId, UnixMicros, WebhookId};

/// How much may come of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// After how many microseconds there is one more; more than 0.
    pub interval_us: i64,
    /// How many may come at once; more than 0.
    pub burst: i64,
}

/// What the repeats of an alert within a window are recognized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Hash of action, comment, quantity and symbol.
    pub fingerprint: [u8; 16],
    /// The webhook's window as it is now, in microseconds.
    pub window_us: i64,
}

/// A signal that is stored, as its repeats are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// Its id.
    pub signal_id: SignalId,
    /// When it was received: what its answer carried.
    pub received_at: UnixMicros,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It was taken.
    Taken {
        /// When, in microseconds of the limiter's own clock.
        at: i64,
        /// The stored signal that the alert repeats, where that is known; the store decides where it is not.
        first: Option<First>,
    },
    /// There is none; there will be one in so many microseconds, if nobody else takes it.
    In(i64),
}

/// What repeats of a stored signal are to be recognized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What was looked for when its token was taken.
    pub fingerprint: [u8; 16],
    /// The signal.
    pub first: First,
    /// When its token was taken, which is before it was stored: its window counts from here.
    pub at: i64,
    /// How much of its window is left.
    pub left: Duration,
}

/// The limiter cannot be asked; why, in a sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimiterAway(pub String);

/// Counts what comes to webhooks, over all nodes: a bucket of tokens for each, which fills at a [`Rate`]. Beside it, knows
/// repeats of what was stored a moment ago. It may forget anything at any time.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes a token of a webhook's bucket, and looks whether the alert repeats a stored signal, where its repeats are
    /// recognized by a window. Answers within a fraction of a second, whatever has become of the limiter.
    ///
    /// # Errors
    /// [`LimiterAway`], at once where that is known already. A token may have been taken all the same.
    async fn take(&self, webhook_id: WebhookId, rate: Rate, look: Option<Look>)
    -> Result<Token, LimiterAway>;
    /// Makes a stored signal known to all nodes soon, or not at all; nobody waits. It is known while less than the window
    /// that is looked with has passed since its token was taken, and not longer than is left of its own.
    fn remember(&self, known: Known);
    /// Whether it can be reached. It finds out by itself, also while nobody asks for tokens.
    ///
    /// # Errors
    /// [`LimiterAway`], where it cannot.
    fn state(&self) -> Result<(), LimiterAway>;
}
