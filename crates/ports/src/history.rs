//! Reading back what happened. Every method acts on one user's rows alone.

use std::net::IpAddr;

use async_trait::async_trait;
use atomik_domain::alert::Action;
use atomik_domain::{
    BrokerAccountId, ClientOrderId, Code, DeliveryId, Fill, Order, OrderStatus, Outcome, OutcomeStatus,
    Price, Qty, SignalId, StrategyId, Symbol, UnixMicros, UserId, WebhookId,
};

use crate::journal::{PositionRecord, SignalSource};
use crate::store::{Page, PageRequest, StoreError};

/// A request to a webhook URL, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// When its first byte was seen.
    pub received_at: UnixMicros,
    /// Who sent it.
    pub remote_ip: Option<IpAddr>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What became of it.
    pub code: Code,
    /// What became of it, in a sentence.
    pub detail: String,
    /// The body with secrets masked.
    pub payload: Option<String>,
    /// From the first byte to the record, in microseconds.
    pub duration_us: i64,
    /// The signal it became or repeated.
    pub signal_id: Option<SignalId>,
    /// How many like it were only counted before this row.
    pub suppressed: u32,
}

/// A stored signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its id.
    pub id: SignalId,
    /// The webhook's owner.
    pub user_id: UserId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What made it.
    pub source: SignalSource,
    /// When its first byte was seen.
    pub received_at: UnixMicros,
    /// When its transaction was handed to the disk. The 202 comes after it is durable.
    pub stored_at: UnixMicros,
    /// Which way it points.
    pub action: Action,
    /// Its comment.
    pub comment: Option<String>,
    /// Its own price.
    pub price: Option<Price>,
    /// Its own quantity.
    pub quantity: Option<Qty>,
    /// Its own symbol.
    pub symbol: Option<String>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// The body with secrets masked.
    pub payload: String,
}

/// A signal with all that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRecord {
    /// The signal.
    pub signal: Signal,
    /// One for each strategy that ran it; none where no strategy was active.
    pub outcomes: Vec<Outcome>,
    /// Their orders, by strategy and leg.
    pub orders: Vec<Order>,
    /// Their fills, each with its row number as in [`History::fills`], in the order they were recorded.
    pub fills: Vec<(i64, Fill)>,
}

/// Which deliveries are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryFilter {
    /// All.
    All,
    /// Accepted ones.
    Accepted,
    /// Repeats.
    Replayed,
    /// Refused ones.
    Refused,
    /// Those with one code.
    Code(Code),
}

/// Which signals, orders, fills or positions are wanted; `None` leaves a field open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TradeFilter {
    /// Of one webhook (signals only).
    pub webhook_id: Option<WebhookId>,
    /// Of one strategy.
    pub strategy_id: Option<StrategyId>,
    /// Of one broker account.
    pub broker_account_id: Option<BrokerAccountId>,
    /// In one symbol.
    pub symbol: Option<Symbol>,
    /// Not before this moment.
    pub since: Option<UnixMicros>,
    /// Before this moment.
    pub until: Option<UnixMicros>,
    /// In one status (orders only).
    pub status: Option<OrderStatus>,
    /// Not flat (positions only).
    pub open: bool,
    /// Whose strategy that most needs a look stands so (signals only); `Skipped` finds those that no strategy was active
    /// for, too.
    pub outcome: Option<OutcomeStatus>,
    /// Whether the list begins with the oldest row instead of the newest.
    pub oldest_first: bool,
}

/// Reads what happened.
#[async_trait]
pub trait History: Send + Sync {
    /// A webhook's deliveries. `NotFound` where the webhook is not the user's.
    async fn deliveries(
        &self,
        user_id: UserId,
        webhook_id: WebhookId,
        filter: DeliveryFilter,
        page: PageRequest,
    ) -> Result<Page<Delivery>, StoreError>;
    /// A user's signals, each with all that came of it. Where they are filtered by `outcome`, one read goes back a bounded
    /// way: a page may then have fewer rows than it has room for, none even, and the next one goes on from there.
    async fn signals(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<SignalRecord>, StoreError>;
    /// One signal with all that came of it.
    async fn signal(&self, user_id: UserId, id: SignalId) -> Result<SignalRecord, StoreError>;
    /// A user's orders.
    async fn orders(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<Order>, StoreError>;
    /// One order.
    async fn order(&self, user_id: UserId, id: ClientOrderId) -> Result<Order, StoreError>;
    /// A user's fills, each with its row number (which cursors and lists use as its id).
    async fn fills(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<(i64, Fill)>, StoreError>;
    /// A user's positions, flat ones too where the strategy has ever traded.
    async fn positions(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<PositionRecord>, StoreError>;
}
