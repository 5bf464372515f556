//! Starting, keeping and saving a store.

use std::path::Path;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, Fill, Order, Outcome, StrategyId, Symbol, UnixMicros};

use crate::history::Signal;
use crate::journal::PositionRecord;
use crate::store::StoreError;

/// Everything that was not finished when the last run ended, whichever way it ended.
#[derive(Clone, Debug, Default)]
pub struct UnfinishedWork {
    /// Signals and strategies whose outcome is not final, in the order of acceptance.
    pub outcomes: Vec<(Signal, Outcome)>,
    /// Orders that are not final, and every order of an outcome that is not.
    pub orders: Vec<Order>,
    /// The fills recorded so far of those orders.
    pub fills: Vec<Fill>,
    /// All positions that are recorded.
    pub positions: Vec<PositionRecord>,
}

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries received before this go. Signals, orders and fills stay.
    pub deliveries_before: UnixMicros,
    /// Of each webhook, refused deliveries beyond this many newest go.
    pub refused_per_webhook: u32,
    /// Now: what repeat keys, sessions and samples of equity are measured with.
    pub now: UnixMicros,
}

/// Starting, keeping and saving.
#[async_trait]
pub trait Operations: Send + Sync {
    /// What tells this installation from every other: made once, kept for good.
    fn installation(&self) -> uuid::Uuid;
    /// What was not finished.
    async fn unfinished_work(&self) -> Result<UnfinishedWork, StoreError>;
    /// The position records of one strategy.
    async fn positions_of(&self, strategy_id: StrategyId) -> Result<Vec<PositionRecord>, StoreError>;
    /// The position records of all strategies that trade one of these symbols on its account. Each is to be named once.
    async fn positions_on(
        &self,
        lanes: &[(BrokerAccountId, Symbol)],
    ) -> Result<Vec<PositionRecord>, StoreError>;
    /// Whether the store can be read and written now.
    async fn check(&self) -> Result<(), StoreError>;
    /// Removes what is no longer kept, in small steps that let writers through. Returns how many rows went.
    async fn prune(&self, retention: Retention) -> Result<u64, StoreError>;
    /// Writes a consistent copy to a file that must not exist, while work goes on.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;
}
