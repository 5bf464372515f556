//! The hot path's writes: deliveries, signals, orders, fills, positions, outcomes.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::alert::Action;
use atomik_domain::spelled;
use atomik_domain::{
    BrokerAccountId, ClientOrderId, Code, Fill, Order, Outcome, Position, Price, Qty, SignalId, StrategyId,
    Symbol, UnixMicros, UserId, WebhookId,
};

use crate::cluster::Lease;
use crate::store::StoreError;

/// Records, durably.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Commits all entries in one transaction and returns only when it is durable. Entries take effect in order, so a
    /// later signal sees an earlier one of the same call as a possible repeat. Receipts come back in the same order.
    ///
    /// `at` is the time at which the transaction is handed over: what is stamped as `stored`, and what repeat windows are
    /// measured with. It is durable a moment later, when this returns.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing of the whole call was recorded.
    async fn commit(&self, entries: Vec<Entry>, at: UnixMicros) -> Result<Vec<Receipt>, StoreError>;
}

/// Something to record. What is needed afterwards too is shared and not copied.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A delivery that passed every check: becomes a signal unless it repeats one.
    Signal(Arc<NewSignal>),
    /// A delivery that is known to repeat a stored signal: leaves the same row as a repeat that is found here, and no more.
    Repeat {
        /// What it would have become.
        signal: Box<NewSignal>,
        /// The signal that it repeats.
        first: SignalId,
    },
    /// A delivery that was refused.
    Refusal(Box<Refusal>),
    /// What a lane decided or learned.
    Changes(Arc<Changes>),
}

/// What became of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The signal is stored, and one pending outcome for each of its targets.
    Stored {
        /// Its id; ids rise in the order of acceptance, over several nodes give or take a transaction.
        signal_id: SignalId,
    },
    /// It repeats an accepted signal: nothing was stored but the delivery.
    Replayed {
        /// The first one.
        signal_id: SignalId,
        /// When the first one was received: what its answer carried.
        received_at: UnixMicros,
    },
    /// Its explicit id was used before with another body: nothing was stored but the delivery, refused.
    IdReused,
    /// The known repeat, the refusal or the changes are recorded.
    Recorded {
        /// Intents that existed already, and were left as they were. The caller must not send them.
        repeated_intents: Vec<ClientOrderId>,
    },
    /// The changes were made under a lease that is another's by now: nothing of them was recorded.
    LeaseLost,
}

/// What made a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignalSource {
    /// A delivery to the webhook.
    Alert,
    /// A person asked for the position to be flattened.
    Flatten,
    /// A person asked for the strategy's position to be set to what the broker holds.
    Adopt,
}
spelled!(SignalSource { Alert = "alert", Flatten = "flatten", Adopt = "adopt" });

/// A signal to be stored.
#[derive(Clone, Debug)]
pub struct NewSignal {
    /// The webhook's owner.
    pub user_id: UserId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What made it.
    pub source: SignalSource,
    /// When its first byte was seen.
    pub received_at: UnixMicros,
    /// Which way it points.
    pub action: Action,
    /// Its comment, as parsed.
    pub comment: Option<String>,
    /// Its own price.
    pub price: Option<Price>,
    /// Its own quantity.
    pub quantity: Option<Qty>,
    /// Its own symbol.
    pub symbol: Option<String>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// Who sent it; `None` for signals that no request made.
    pub remote_ip: Option<IpAddr>,
    /// The body with secrets masked.
    pub payload: String,
    /// How a repeat of it is recognized. `None`: never a repeat.
    pub repeat: Option<RepeatKeys>,
    /// The strategies that will run it: those active when it was accepted. One pending outcome is stored for each.
    /// Empty: the signal is stored as settled, `no_active_strategy`.
    pub targets: Vec<StrategyId>,
}

/// How repeats are recognized. An explicit id, where there is one, decides alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepeatKeys {
    /// The same fingerprint within the window, measured from the accepted signal, is a repeat.
    Window {
        /// Hash of action, comment, quantity and symbol.
        fingerprint: [u8; 16],
        /// The window in microseconds.
        window_us: i64,
    },
    /// The same id within [`ID_MEMORY_US`] is a repeat where the body is the same, and refused where it is not.
    Explicit {
        /// Hash of the id.
        id: [u8; 16],
        /// Hash of the body.
        body: [u8; 16],
    },
}

/// How long an explicit id is remembered: 24 hours.
pub const ID_MEMORY_US: i64 = 24 * 3600 * UnixMicros::SECOND;

/// A refused delivery to a known token.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The webhook's owner.
    pub user_id: UserId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// When its first byte was seen.
    pub received_at: UnixMicros,
    /// Who sent it.
    pub remote_ip: IpAddr,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Why.
    pub code: Code,
    /// Why, in a sentence.
    pub detail: String,
    /// The start of the body with secrets masked; `None` where it was not read.
    pub payload: Option<String>,
    /// How many like it were only counted since the last row, because they came too fast to keep each.
    pub suppressed: u32,
}

/// What a lane decided or learned, recorded together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Under which lease they were made: they are recorded only while it is held. `None` where accounts are not leased, and
    /// for what anybody may record.
    pub lease: Option<Lease>,
    /// New orders. One that exists already (same id, or same signal, strategy and leg) is left alone and reported.
    pub intents: Vec<Order>,
    /// Orders as they stand now, replacing what is recorded.
    pub orders: Vec<Order>,
    /// New fills. One that exists already (same account and exec id) is left alone.
    pub fills: Vec<Fill>,
    /// Positions as they stand now.
    pub positions: Vec<PositionRecord>,
    /// Outcomes as they stand now. A final one is never replaced.
    pub outcomes: Vec<Outcome>,
}

impl Changes {
    /// Whether there is nothing to record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intents.is_empty()
            && self.orders.is_empty()
            && self.fills.is_empty()
            && self.positions.is_empty()
            && self.outcomes.is_empty()
    }
}

/// A strategy's position in one symbol, as recorded. UNIQUE per strategy and symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRecord {
    /// Whose it is.
    pub user_id: UserId,
    /// The strategy.
    pub strategy_id: StrategyId,
    /// Where it is held.
    pub broker_account_id: BrokerAccountId,
    /// What is held.
    pub symbol: Symbol,
    /// How much, at what price, with what profit.
    pub position: Position,
    /// When it last changed.
    pub updated_at: UnixMicros,
}
