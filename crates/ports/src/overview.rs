//! What a dashboard's first page asks: how much came of what, what needs a look, what an account is worth. Every read acts
//! on one user's rows alone, and looks at no more than [`MAX_COUNTED`] of each kind, the newest (by thousands of ids: which
//! of those that came together are left out is not said).

use std::collections::BTreeMap;

use async_trait::async_trait;
use atomik_domain::{
    Amount, BrokerAccountId, Code, Order, OutcomeStatus, SignalId, StrategyId, UnixMicros, UserId, WebhookId,
};

use crate::store::StoreError;

/// How many signals, deliveries or fills one read counts at most.
pub const MAX_COUNTED: u32 = 100_000;
/// How many groups and orders that need a look one read gives at most.
pub const MAX_NOTABLE: u32 = 50;
/// For how long every sample of an account's equity is kept: a week. Then the last one of each hour stays.
pub const EQUITY_WHOLE_US: i64 = 7 * 24 * 3600 * UnixMicros::SECOND;
/// For how long those are kept: two years.
pub const EQUITY_HOURLY_US: i64 = 2 * 365 * 24 * 3600 * UnixMicros::SECOND;

/// What an account was worth at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EquitySample {
    /// The account. UNIQUE together with the moment.
    pub broker_account_id: BrokerAccountId,
    /// When the venue was asked.
    pub at: UnixMicros,
    /// The currency of the amounts.
    pub currency: String,
    /// Money, with profits realized and commissions paid.
    pub cash: Amount,
    /// Cash and the unrealized profit.
    pub equity: Amount,
    /// Whether a simulated price went into the equity.
    pub simulated: bool,
}

/// What happened to a user's things since a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// Whether there was more than is counted; what is counted is the newest then.
    pub truncated: bool,
    /// How many signals stand how, each by the status of the strategy that most needs a look; `Skipped` where no strategy
    /// was active.
    pub signals: BTreeMap<OutcomeStatus, u64>,
    /// How many deliveries became signals.
    pub accepted: u64,
    /// The other deliveries, by webhook and code, those that were only counted among them. The newest group first.
    pub others: Vec<DeliveryGroup>,
    /// What strategies did not trade as they were told: denied, rejected and expired, by strategy and code. The newest group
    /// first, at most [`MAX_NOTABLE`].
    pub failures: Vec<FailureGroup>,
    /// Signals that no strategy was active for, by webhook. The newest group first, at most [`MAX_NOTABLE`].
    pub unheard: Vec<UnheardGroup>,
    /// The orders whose fate is not proven, however old. The newest first, at most [`MAX_NOTABLE`].
    pub unknown_orders: Vec<Order>,
    /// What the fills of each account locked in.
    pub profits: Vec<AccountProfit>,
}

/// Deliveries of one webhook with one code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryGroup {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What became of them.
    pub code: Code,
    /// How many, those that were only counted among them.
    pub count: u64,
    /// When the first of them came.
    pub first_at: UnixMicros,
    /// When the last of them came.
    pub last_at: UnixMicros,
}

/// Signals that ended in one way on one strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// The strategy.
    pub strategy_id: StrategyId,
    /// How they ended.
    pub status: OutcomeStatus,
    /// Why.
    pub code: Code,
    /// Why the last of them did, in a sentence.
    pub detail: String,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last_signal_id: SignalId,
    /// When the first of them was received.
    pub first_at: UnixMicros,
    /// When the last of them was received.
    pub last_at: UnixMicros,
}

/// Signals of one webhook that no strategy was active for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnheardGroup {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last_signal_id: SignalId,
    /// When the first of them was received.
    pub first_at: UnixMicros,
    /// When the last of them was received.
    pub last_at: UnixMicros,
}

/// What an account's fills locked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProfit {
    /// The account.
    pub broker_account_id: BrokerAccountId,
    /// Its currency; `None` where its equity was never sampled.
    pub currency: Option<String>,
    /// Profit locked in, before commission.
    pub realized_profit: Amount,
    /// Commission paid.
    pub commission: Amount,
}

/// What came to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookActivity {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// When the last delivery came and what became of it, whatever the moment that is counted from; `None` where none did.
    /// An accepted one is looked for among the newest sixteen million ids of everybody.
    pub last: Option<(UnixMicros, Code)>,
    /// How many deliveries became signals.
    pub accepted: u64,
    /// How many repeated one.
    pub replayed: u64,
    /// How many were refused, those that were only counted among them.
    pub refused: u64,
}

/// Counts what happened, and keeps what accounts are worth.
#[async_trait]
pub trait Overview: Send + Sync {
    /// What happened to a user's things since a moment.
    async fn happened(&self, user_id: UserId, since: UnixMicros) -> Result<Happened, StoreError>;
    /// What came to some of a user's webhooks, counted since a moment. One for each of them that is the user's.
    async fn webhook_activity(
        &self,
        user_id: UserId,
        webhooks: &[WebhookId],
        since: UnixMicros,
    ) -> Result<Vec<WebhookActivity>, StoreError>;
    /// Records samples, durably, all or none. One of the same account and moment is replaced.
    async fn record_equity(&self, samples: &[EquitySample]) -> Result<(), StoreError>;
    /// The samples of a user's linked accounts, or of one of them, since a moment where one is given, by account, the oldest
    /// first. Of an account that has more than `max_points`, the last one of each of so many equal parts of the time.
    /// `NotFound` where the account is not the user's.
    async fn equity(
        &self,
        user_id: UserId,
        account: Option<BrokerAccountId>,
        since: Option<UnixMicros>,
        max_points: u32,
    ) -> Result<Vec<EquitySample>, StoreError>;
}
