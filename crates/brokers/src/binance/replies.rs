//! The venue's answers and events, with what of them is used. Money is read from its text, never through a float, and
//! written back with the same digits.

use atomik_domain::money::parse_decimal;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An exact decimal that the venue writes as a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(pub Decimal);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let decimal = parse_decimal(&text);
        decimal.map(Self).ok_or_else(|| serde::de::Error::custom("a decimal as text is expected"))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

/// The venue's time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerTime {
    /// In milliseconds since 1970.
    pub server_time: i64,
}

/// An order, as it is placed, looked up or canceled, in either market.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Where it trades.
    pub symbol: String,
    /// The venue's name for it.
    pub order_id: u64,
    /// The client's name for it; in the answer to a cancel on spot, the cancel's own.
    pub client_order_id: String,
    /// In the answer to a cancel on spot: the client's name for the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orig_client_order_id: Option<String>,
    /// How much was asked for.
    pub orig_qty: Exact,
    /// How much of it filled.
    pub executed_qty: Exact,
    /// Its limit; zero for none.
    pub price: Exact,
    /// The value of what filled, on spot; the venue's own spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cummulative_quote_qty: Option<Exact>,
    /// The value of what filled, on futures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cum_quote: Option<Exact>,
    /// The average price of what filled, on futures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avg_price: Option<Exact>,
    /// Its stop; zero for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Exact>,
    /// Where it stands.
    pub status: String,
    /// `BUY` or `SELL`.
    pub side: String,
    /// How it is priced.
    #[serde(rename = "type")]
    pub order_type: String,
    /// How long it lives.
    pub time_in_force: String,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_time: Option<i64>,
    /// When it was taken or canceled, on spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transact_time: Option<i64>,
    /// Its executions, in the full answer to a placed order on spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fills: Option<Vec<OrderFill>>,
}

/// An execution in the answer to an order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderFill {
    /// At which price.
    pub price: Exact,
    /// How much.
    pub qty: Exact,
    /// What it cost.
    pub commission: Exact,
    /// In which coin.
    pub commission_asset: String,
    /// The venue's name for it, unique in the symbol.
    pub trade_id: i64,
}

/// An execution in a list, in either market.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trade {
    /// Where it traded.
    pub symbol: String,
    /// The venue's name for it, unique in the symbol.
    pub id: i64,
    /// Its order.
    pub order_id: u64,
    /// At which price.
    pub price: Exact,
    /// How much.
    pub qty: Exact,
    /// What it cost.
    pub commission: Exact,
    /// In which coin.
    pub commission_asset: String,
    /// When.
    pub time: i64,
    /// Whether it bought, on spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_buyer: Option<bool>,
}

/// A conditional futures order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgoOrder {
    /// The venue's name for it.
    pub algo_id: u64,
    /// The client's name for it.
    pub client_algo_id: String,
    /// Where it trades.
    pub symbol: String,
    /// Where it stands.
    pub algo_status: String,
    /// How much.
    pub quantity: Exact,
    /// Its stop.
    pub trigger_price: Exact,
    /// The order it became: empty before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual_order_id: Option<String>,
}

/// The answer to the cancel of a conditional order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlgoCanceled {
    /// The venue's name for it.
    pub algo_id: u64,
}

/// A spot account.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpotAccount {
    /// Whether the account may trade.
    pub can_trade: bool,
    /// What it owns.
    pub balances: Vec<SpotBalance>,
}

/// What a spot account owns of a coin.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SpotBalance {
    /// The coin.
    pub asset: String,
    /// What orders may use.
    pub free: Exact,
    /// What open orders hold.
    pub locked: Exact,
}

impl SpotBalance {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Decimal {
        self.free.0.saturating_add(self.locked.0)
    }
}

/// A futures account.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FuturesAccount {
    /// The money without what is open.
    pub total_wallet_balance: Exact,
    /// The money with what is open.
    pub total_margin_balance: Exact,
    /// What may still be used.
    pub available_balance: Exact,
}

/// A futures position.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FuturesPosition {
    /// In what.
    pub symbol: String,
    /// `BOTH` in one-way mode, else `LONG` or `SHORT`.
    pub position_side: String,
    /// How much; below zero for short.
    pub position_amt: Exact,
    /// The average price.
    pub entry_price: Exact,
    /// The profit at the mark price.
    pub un_realized_profit: Exact,
}

/// Whether the account may be long and short at once.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionMode {
    /// Hedge mode.
    pub dual_side_position: bool,
}

/// The key of a futures stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenKey {
    /// Whoever has it reads the account's events.
    #[serde(deserialize_with = "secret")]
    pub listen_key: secrecy::SecretString,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<secrecy::SecretString, D::Error> {
    String::deserialize(deserializer).map(secrecy::SecretString::from)
}

/// A price.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ticker {
    /// Of what.
    pub symbol: String,
    /// How much.
    pub price: Exact,
}

/// The symbols with their rules.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ExchangeInfo {
    /// All that were asked for.
    pub symbols: Vec<SymbolInfo>,
}

/// A symbol with its rules.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SymbolInfo {
    /// Its name.
    pub symbol: String,
    /// Whether it trades: `TRADING`.
    pub status: String,
    /// What is bought.
    pub base_asset: String,
    /// What it is paid with.
    pub quote_asset: String,
    /// The order types of spot.
    #[serde(default)]
    pub order_types: Vec<String>,
    /// `PERPETUAL`, ..., on futures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_type: Option<String>,
    /// The rules.
    pub filters: Vec<Filter>,
}

/// A rule. Its fields depend on its kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// `LOT_SIZE`, `PRICE_FILTER`, ...
    pub filter_type: String,
    /// The least quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_qty: Option<Exact>,
    /// The greatest quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_qty: Option<Exact>,
    /// The step of quantities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_size: Option<Exact>,
    /// The least price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_price: Option<Exact>,
    /// The greatest price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<Exact>,
    /// The step of prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tick_size: Option<Exact>,
    /// The least value, on spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_notional: Option<Exact>,
    /// The greatest value, on spot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_notional: Option<Exact>,
    /// The least value, on futures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notional: Option<Exact>,
}

/// A message of the spot WebSocket API: the answer to a request, or an event.
#[derive(Clone, Debug, Deserialize)]
pub struct SpotMessage {
    /// The request that is answered.
    #[serde(default)]
    pub id: Option<String>,
    /// The answer's status.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why it is none.
    #[serde(default)]
    pub error: Option<super::refusal::Refusal>,
    /// What happened.
    #[serde(default)]
    pub event: Option<SpotEvent>,
}

/// An event of the spot stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "e")]
pub enum SpotEvent {
    /// Something happened to an order.
    #[serde(rename = "executionReport")]
    Execution(Box<SpotExecution>),
    /// The subscription is over.
    #[serde(rename = "eventStreamTerminated")]
    Terminated,
    /// The connection will be closed.
    #[serde(rename = "serverShutdown")]
    Shutdown,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Something that happened to a spot order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SpotExecution {
    /// Where it trades.
    #[serde(rename = "s")]
    pub symbol: String,
    /// `BUY` or `SELL`.
    #[serde(rename = "S")]
    pub side: String,
    /// The client's name for it; after a cancel, the cancel's own.
    #[serde(rename = "c")]
    pub client_order_id: String,
    /// After a cancel: the client's name for the order; else empty.
    #[serde(rename = "C", default)]
    pub orig_client_order_id: String,
    /// What happened.
    #[serde(rename = "x")]
    pub execution_type: String,
    /// Where it stands.
    #[serde(rename = "X")]
    pub status: String,
    /// Why it was rejected; `NONE`.
    #[serde(rename = "r")]
    pub reject_reason: String,
    /// The venue's name for it.
    #[serde(rename = "i")]
    pub order_id: u64,
    /// How much this execution filled.
    #[serde(rename = "l")]
    pub last_qty: Exact,
    /// At which price.
    #[serde(rename = "L")]
    pub last_price: Exact,
    /// How much of it filled so far.
    #[serde(rename = "z")]
    pub filled_qty: Exact,
    /// What the execution cost.
    #[serde(rename = "n")]
    pub commission: Exact,
    /// In which coin.
    #[serde(rename = "N")]
    pub commission_asset: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(rename = "T")]
    pub time: i64,
    /// The execution's name; -1 for none.
    #[serde(rename = "t")]
    pub trade_id: i64,
}

/// An event of the futures stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "e")]
pub enum FuturesEvent {
    /// Something happened to an order.
    #[serde(rename = "ORDER_TRADE_UPDATE")]
    Order {
        /// What.
        #[serde(rename = "o")]
        order: FuturesExecution,
    },
    /// Something happened to a conditional order.
    #[serde(rename = "ALGO_UPDATE")]
    Algo {
        /// What.
        #[serde(rename = "o")]
        order: AlgoUpdate,
    },
    /// The stream is over.
    #[serde(rename = "listenKeyExpired")]
    Expired,
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Something that happened to a futures order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FuturesExecution {
    /// Where it trades.
    #[serde(rename = "s")]
    pub symbol: String,
    /// The client's name for it.
    #[serde(rename = "c")]
    pub client_order_id: String,
    /// What happened.
    #[serde(rename = "x")]
    pub execution_type: String,
    /// Where it stands.
    #[serde(rename = "X")]
    pub status: String,
    /// The venue's name for it.
    #[serde(rename = "i")]
    pub order_id: u64,
    /// How much this execution filled.
    #[serde(rename = "l")]
    pub last_qty: Exact,
    /// At which price.
    #[serde(rename = "L")]
    pub last_price: Exact,
    /// How much of it filled so far.
    #[serde(rename = "z")]
    pub filled_qty: Exact,
    /// What the execution cost; missing for none.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub commission: Option<Exact>,
    /// In which coin.
    #[serde(rename = "N", default, skip_serializing_if = "Option::is_none")]
    pub commission_asset: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(rename = "T")]
    pub time: i64,
    /// The execution's name; 0 for none.
    #[serde(rename = "t")]
    pub trade_id: i64,
}

/// Something that happened to a conditional futures order.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AlgoUpdate {
    /// The client's name for it.
    #[serde(rename = "caid")]
    pub client_algo_id: String,
    /// The venue's name for it.
    #[serde(rename = "aid")]
    pub algo_id: u64,
    /// Where it trades.
    #[serde(rename = "s")]
    pub symbol: String,
    /// Where it stands.
    #[serde(rename = "X")]
    pub status: String,
    /// The order it became: empty before.
    #[serde(rename = "ai", default)]
    pub actual_order_id: String,
    /// Why it was refused at its trigger; filled with a standing text before.
    #[serde(rename = "rm", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
