//! How often a webhook may be used, counted over all nodes.

use async_trait::async_trait;
use atomik_domain::WebhookId;

/// How much may come of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// After how many microseconds there is one more; more than 0.
    pub interval_us: i64,
    /// How many may come at once; more than 0.
    pub burst: i64,
}

/// What came of asking for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// It was taken.
    Taken,
    /// There is none; there will be one in so many microseconds, if nobody else takes it.
    In(i64),
}

/// The limiter cannot be asked; why, in a sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LimiterAway(pub String);

/// Counts what comes to webhooks, over all nodes: a bucket of tokens for each, which fills at a [`Rate`].
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes a token of a webhook's bucket. Answers within a fraction of a second, whatever has become of the limiter.
    ///
    /// # Errors
    /// [`LimiterAway`], at once where that is known already. A token may have been taken all the same.
    async fn take(&self, webhook_id: WebhookId, rate: Rate) -> Result<Token, LimiterAway>;
    /// Whether it can be reached. It finds out by itself, also while nobody asks for tokens.
    ///
    /// # Errors
    /// [`LimiterAway`], where it cannot.
    fn state(&self) -> Result<(), LimiterAway>;
}
