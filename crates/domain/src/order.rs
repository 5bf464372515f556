//! Orders, executions and fills, in FIX's words.

use serde::{Deserialize, Serialize};

use crate::ids::{BrokerAccountId, ClientOrderId, ExecId, SignalId, StrategyId, UserId, VenueOrderId};
use crate::instrument::Symbol;
use crate::money::{Amount, Price, Qty, SignedQty};
use crate::time::UnixMicros;

/// Gives a fieldless enum its snake_case spelling, in `as_str` and in `FromStr`: one list for both.
#[macro_export]
macro_rules! spelled {
    ($name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The spelling used by the API, the store and the logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::order::UnknownSpelling;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err($crate::order::UnknownSpelling { expected: &[$($text),*] }),
                }
            }
        }
    };
}
pub use crate::spelled;

/// A word that is not one of the expected ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of: {}", expected.join(", "))]
pub struct UnknownSpelling {
    /// The words that are allowed.
    pub expected: &'static [&'static str],
}

/// Side (FIX 54) of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Buys.
    Buy,
    /// Sells.
    Sell,
}
spelled!(Side { Buy = "buy", Sell = "sell" });

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// `qty` with this side's sign: buying adds, selling takes away.
    #[must_use]
    pub fn signed(self, qty: Qty) -> SignedQty {
        match self {
            Self::Buy => SignedQty(qty.0),
            Self::Sell => SignedQty(-qty.0),
        }
    }
}

/// OrdType (FIX 40).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At whatever the market gives.
    Market,
    /// At `limit_price` or better.
    Limit,
    /// A market order once `stop_price` trades.
    Stop,
    /// A limit order once `stop_price` trades.
    StopLimit,
}
spelled!(OrderType { Market = "market", Limit = "limit", Stop = "stop", StopLimit = "stop_limit" });

/// TimeInForce (FIX 59).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeInForce {
    /// Until the end of the trading day.
    Day,
    /// Until canceled.
    Gtc,
    /// What fills at once; the rest is canceled.
    Ioc,
    /// All at once or nothing.
    Fok,
}
spelled!(TimeInForce { Day = "day", Gtc = "gtc", Ioc = "ioc", Fok = "fok" });

/// OrdStatus (FIX 39), with two of ours: `Denied` and `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Intent recorded; the venue's answer is not.
    Pending,
    /// At the venue, nothing filled.
    Working,
    /// At the venue, some of it filled.
    PartiallyFilled,
    /// All of it filled.
    Filled,
    /// Ended by a cancel. Some of it may have filled.
    Canceled,
    /// The venue proved that it took nothing.
    Rejected,
    /// We refused it; nothing was sent.
    Denied,
    /// Ended by its time in force, or never left in time. Some of it may have filled.
    Expired,
    /// Not proven either way: must be reconciled with the venue, and is never turned into a rejection by giving up.
    Unknown,
}
spelled!(OrderStatus {
    Pending = "pending",
    Working = "working",
    PartiallyFilled = "partially_filled",
    Filled = "filled",
    Canceled = "canceled",
    Rejected = "rejected",
    Denied = "denied",
    Expired = "expired",
    Unknown = "unknown",
});

impl OrderStatus {
    /// Whether nothing more can happen to the order.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Filled | Self::Canceled | Self::Rejected | Self::Denied | Self::Expired)
    }
}

/// What a venue is asked to do. Adapters only ever see one inside an [`Approved`](crate::gate::Approved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRequest {
    /// Our name for the order.
    pub client_order_id: ClientOrderId,
    /// What to trade.
    pub symbol: Symbol,
    /// Buy or sell.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// How much.
    pub order_qty: Qty,
    /// For limit and stop-limit orders.
    pub limit_price: Option<Price>,
    /// For stop and stop-limit orders.
    pub stop_price: Option<Price>,
    /// Whether it may only make a position smaller.
    pub reduce_only: bool,
    /// The alert's own price, where it had one: what slippage is measured against, and the paper venue's first choice.
    pub reference_price: Option<Price>,
}

/// An order as our books have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whose it is.
    pub user_id: UserId,
    /// The signal that caused it.
    pub signal_id: SignalId,
    /// The strategy that decided it.
    pub strategy_id: StrategyId,
    /// Which of the strategy's orders for this signal: 0, 1, ... UNIQUE together with signal and strategy.
    pub leg: u8,
    /// Where it trades.
    pub broker_account_id: BrokerAccountId,
    /// What the venue was asked.
    pub request: OrderRequest,
    /// The venue's name for it, once known.
    pub venue_order_id: Option<VenueOrderId>,
    /// Where it stands.
    pub status: OrderStatus,
    /// CumQty (FIX 14): how much has filled.
    pub filled_qty: Qty,
    /// AvgPx (FIX 6): the average price of what has filled.
    pub avg_price: Option<Price>,
    /// Why it was rejected, denied, expired or is unknown.
    pub reason: Option<String>,
    /// When its intent was decided.
    pub planned_at: UnixMicros,
    /// When it was handed to the adapter.
    pub sent_at: Option<UnixMicros>,
    /// When the venue's answer arrived.
    pub acknowledged_at: Option<UnixMicros>,
    /// When its last fill arrived here; it is durable a moment later, in the next transaction.
    pub filled_at: Option<UnixMicros>,
    /// When this record last changed.
    pub updated_at: UnixMicros,
}

impl Order {
    /// LeavesQty (FIX 151): what may still fill; zero once the order is final.
    #[must_use]
    pub fn leaves_qty(&self) -> Qty {
        if self.status.is_final() { Qty::ZERO } else { self.request.order_qty.less(self.filled_qty) }
    }

    /// Whether this order was made to shrink a position.
    #[must_use]
    pub const fn is_exit(&self) -> bool {
        self.request.reduce_only
    }
}

/// Where a fill's price came from. Everything but `Venue` is the paper broker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceSource {
    /// A real venue traded at this price.
    Venue,
    /// The alert's own `price`.
    Alert,
    /// The account's `settings.prices`.
    Fixed,
    /// The paper broker's simulated feed: made up, and labelled so wherever it is shown.
    Simulated,
}
spelled!(PriceSource { Venue = "venue", Alert = "alert", Fixed = "fixed", Simulated = "simulated" });

/// One trade of one order, as a venue reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// The venue's name for this execution.
    pub exec_id: ExecId,
    /// LastQty (FIX 32).
    pub last_qty: Qty,
    /// LastPx (FIX 31).
    pub last_price: Price,
    /// What the venue charged for it, a fee in kind at the value it had.
    pub commission: Amount,
    /// How much of what is traded the venue kept as its fee, in kind: what is held is so much less.
    pub fee_qty: Qty,
    /// Where the price came from.
    pub price_source: PriceSource,
    /// The venue's time of the trade.
    pub traded_at: UnixMicros,
}

/// ExecutionReport (FIX 35=8): what a venue says about one order.
///
/// Reports may arrive late, twice and in any order. `filled_qty` is cumulative, so a report can be applied whatever came
/// before it; executions are deduplicated by account and exec id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionReport {
    /// Our name for the order.
    pub client_order_id: ClientOrderId,
    /// The venue's name for it.
    pub venue_order_id: Option<VenueOrderId>,
    /// Where the venue says it stands. Never `Pending`, `Denied` or `Unknown`.
    pub status: OrderStatus,
    /// CumQty (FIX 14).
    pub filled_qty: Qty,
    /// The trades this report carries; a look-up carries all of them.
    pub executions: Vec<Execution>,
    /// Text (FIX 58): why it was rejected, canceled or expired.
    pub reason: Option<String>,
}

/// A trade as our books have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Whose it is.
    pub user_id: UserId,
    /// Where it traded. UNIQUE together with the exec id.
    pub broker_account_id: BrokerAccountId,
    /// The strategy whose position it changed.
    pub strategy_id: StrategyId,
    /// The signal behind its order.
    pub signal_id: SignalId,
    /// Its order.
    pub client_order_id: ClientOrderId,
    /// What was traded.
    pub symbol: Symbol,
    /// Which way.
    pub side: Side,
    /// The venue's account of it.
    pub execution: Execution,
    /// The profit this fill locked in, before commission; zero for fills that opened.
    pub realized_profit: Amount,
    /// When it arrived here.
    pub recorded_at: UnixMicros,
}
