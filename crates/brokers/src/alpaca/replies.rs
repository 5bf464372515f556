//! What Alpaca answers. Fields that nothing is decided by are left out; those that a reply may lack are optional.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wire::decimal::{exact, exact_opt};

/// An order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Order {
    /// The venue's name for it.
    pub id: String,
    /// The client's name for it.
    #[serde(default)]
    pub client_order_id: String,
    /// What it trades.
    pub symbol: Option<String>,
    /// How much; `None` for an order by value.
    #[serde(default, deserialize_with = "exact_opt")]
    pub qty: Option<Decimal>,
    /// For how much money; `None` for an order by quantity.
    #[serde(default, deserialize_with = "exact_opt")]
    pub notional: Option<Decimal>,
    /// How much has filled.
    #[serde(default, deserialize_with = "exact_opt")]
    pub filled_qty: Option<Decimal>,
    /// At which average price.
    #[serde(default, deserialize_with = "exact_opt")]
    pub filled_avg_price: Option<Decimal>,
    /// Its limit.
    #[serde(default, deserialize_with = "exact_opt")]
    pub limit_price: Option<Decimal>,
    /// Its stop.
    #[serde(default, deserialize_with = "exact_opt")]
    pub stop_price: Option<Decimal>,
    /// Where it stands, in the venue's word.
    pub status: String,
    /// The order that took its place.
    #[serde(default)]
    pub replaced_by: Option<String>,
}

impl Order {
    /// How much has filled.
    #[must_use]
    pub fn filled(&self) -> Decimal {
        self.filled_qty.unwrap_or_default()
    }
}

/// The account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Whether it is active.
    pub status: String,
    /// The currency of its amounts.
    #[serde(default)]
    pub currency: Option<String>,
    /// Money, less what positions cost.
    #[serde(default, deserialize_with = "exact_opt")]
    pub cash: Option<Decimal>,
    /// Cash and what positions are worth.
    #[serde(default, deserialize_with = "exact_opt")]
    pub equity: Option<Decimal>,
    /// What may still be used to open positions.
    #[serde(default, deserialize_with = "exact_opt")]
    pub buying_power: Option<Decimal>,
    /// Whether everything is prohibited.
    #[serde(default)]
    pub account_blocked: bool,
    /// Whether orders are prohibited.
    #[serde(default)]
    pub trading_blocked: bool,
    /// Whether the customer switched orders off.
    #[serde(default)]
    pub trade_suspended_by_user: bool,
}

/// What is held of an asset.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Position {
    /// The asset.
    pub asset_id: String,
    /// Its symbol; coins are written without their slash here.
    pub symbol: String,
    /// What kind of asset it is.
    pub asset_class: String,
    /// `long` or `short`.
    pub side: String,
    /// How much; of a short position with or without a sign.
    #[serde(deserialize_with = "exact")]
    pub qty: Decimal,
    /// At which average price.
    #[serde(deserialize_with = "exact")]
    pub avg_entry_price: Decimal,
    /// What it cost.
    #[serde(deserialize_with = "exact")]
    pub cost_basis: Decimal,
    /// What it is worth.
    #[serde(default, deserialize_with = "exact_opt")]
    pub market_value: Option<Decimal>,
    /// What closing it now would lock in.
    #[serde(default, deserialize_with = "exact_opt")]
    pub unrealized_pl: Option<Decimal>,
    /// The asset's price.
    #[serde(default, deserialize_with = "exact_opt")]
    pub current_price: Option<Decimal>,
}

impl Position {
    /// How much, negative for a short position.
    #[must_use]
    pub fn net_qty(&self) -> Decimal {
        self.signed(self.qty)
    }

    /// What it cost, negative for a short position.
    #[must_use]
    pub fn net_cost(&self) -> Decimal {
        self.signed(self.cost_basis)
    }

    fn signed(&self, value: Decimal) -> Decimal {
        if self.side == "short" { -value.abs() } else { value }
    }
}

/// A trade, as an activity of the account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Fill {
    /// Unique and lasting.
    pub id: String,
    /// The order it belongs to.
    pub order_id: String,
    /// `buy` or `sell`; shorts have words of their own.
    pub side: String,
    /// Of what.
    pub symbol: String,
    /// How much.
    #[serde(deserialize_with = "exact")]
    pub qty: Decimal,
    /// At which price.
    #[serde(deserialize_with = "exact")]
    pub price: Decimal,
    /// How much of the order had filled with it.
    #[serde(default, deserialize_with = "exact_opt")]
    pub cum_qty: Option<Decimal>,
    /// How much of the order was left after it.
    #[serde(default, deserialize_with = "exact_opt")]
    pub leaves_qty: Option<Decimal>,
    /// When.
    pub transaction_time: String,
}

/// Something that can be traded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Asset {
    /// Its id.
    pub id: String,
    /// `us_equity`, `crypto` and others.
    pub class: String,
    /// Where it trades.
    pub exchange: String,
    /// Its symbol: `AAPL`, `BTC/USD`.
    pub symbol: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `active` or `inactive`.
    pub status: String,
    /// Whether it can be traded.
    pub tradable: bool,
    /// Whether quantities may be fractions.
    #[serde(default)]
    pub fractionable: bool,
    /// The least quantity of an order.
    #[serde(default, deserialize_with = "exact_opt")]
    pub min_order_size: Option<Decimal>,
    /// Quantities are multiples of this.
    #[serde(default, deserialize_with = "exact_opt")]
    pub min_trade_increment: Option<Decimal>,
    /// Prices are multiples of this.
    #[serde(default, deserialize_with = "exact_opt")]
    pub price_increment: Option<Decimal>,
}

/// Why something was refused.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Refusal {
    /// The venue's number for it: the status and four digits more.
    #[serde(default)]
    pub code: Option<i64>,
    /// In the venue's words.
    #[serde(default)]
    pub message: Option<String>,
}

/// A message on the stream.
#[derive(Debug, Deserialize)]
pub(super) struct Message<'a> {
    pub stream: String,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// What the stream says to a login.
#[derive(Debug, Deserialize)]
pub(super) struct Authorization {
    #[serde(default)]
    pub status: String,
}

/// What the stream says to a subscription.
#[derive(Debug, Deserialize)]
pub(super) struct Listening {
    #[serde(default)]
    pub streams: Vec<String>,
}

/// Something that happened to an order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TradeUpdate {
    /// What happened.
    pub event: String,
    /// The order as it is after.
    pub order: Order,
}
