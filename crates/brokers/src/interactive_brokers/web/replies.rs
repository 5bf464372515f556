//! The broker's words. Numbers come as numbers or as texts, sometimes with commas between thousands; all are read from what
//! is written, never through a float.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::wire::decimal;

/// `POST /iserver/auth/status`, `POST /iserver/auth/ssodh/init`, and within `POST /tickle`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SessionStatus {
    /// Whether orders can be sent.
    pub authenticated: bool,
    /// Whether another session of the same user is open.
    pub competing: bool,
    /// Whether the gateway reaches the broker.
    pub connected: bool,
    /// Why not.
    pub fail: Option<String>,
    /// Something to say.
    pub message: Option<String>,
}

/// `POST /tickle`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tickle {
    /// The session's name, for the stream.
    pub session: Option<String>,
    /// How the trading session stands.
    pub iserver: Iserver,
}

/// A part of [`Tickle`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Iserver {
    /// How the trading session stands.
    pub auth_status: Option<SessionStatus>,
}

/// `GET /iserver/accounts`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accounts {
    /// The accounts that the login may trade.
    pub accounts: Vec<String>,
    /// Which of them lists are of.
    pub selected_account: Option<String>,
}

/// `GET /iserver/account/orders`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrderList {
    /// What is open, and what ended in this session.
    pub orders: Option<Vec<OrderRow>>,
    /// Whether it is whole.
    pub snapshot: bool,
}

/// An order in the list, or on the stream, where most may be missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRow {
    /// The broker's id.
    #[serde(deserialize_with = "id")]
    pub order_id: String,
    /// Our id, where we gave one.
    #[serde(default, rename = "order_ref")]
    pub order_ref: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub status: Option<String>,
    /// How much has filled.
    #[serde(default, deserialize_with = "number_opt")]
    pub filled_quantity: Option<Decimal>,
    /// How much may still fill.
    #[serde(default, deserialize_with = "number_opt")]
    pub remaining_quantity: Option<Decimal>,
    /// How much was asked for.
    #[serde(default, deserialize_with = "number_opt")]
    pub total_size: Option<Decimal>,
    /// Why the broker ended it.
    #[serde(default, rename = "order_cancellation_by_system_reason")]
    pub reason: Option<String>,
}

/// `GET /iserver/account/order/status/{orderId}`.
#[derive(Clone, Debug, Deserialize)]
pub struct OrderState {
    /// The broker's id.
    #[serde(deserialize_with = "id")]
    pub order_id: String,
    /// Where it stands.
    pub order_status: String,
    /// How much has filled.
    #[serde(default, deserialize_with = "number_opt")]
    pub cum_fill: Option<Decimal>,
    /// How much was asked for.
    #[serde(default, deserialize_with = "number_opt")]
    pub total_size: Option<Decimal>,
    /// Where it stands, for people.
    #[serde(default)]
    pub order_status_description: Option<String>,
}

/// A row of `GET /iserver/account/trades`, or of the stream.
#[derive(Clone, Debug, Deserialize)]
pub struct Trade {
    /// The broker's id of the execution, with the number of its correction.
    pub execution_id: String,
    /// Our id of the order, where we gave one.
    #[serde(default)]
    pub order_ref: Option<String>,
    /// The broker's id of the order.
    #[serde(default, deserialize_with = "id_opt")]
    pub order_id: Option<String>,
    /// How much.
    #[serde(deserialize_with = "number")]
    pub size: Decimal,
    /// At which price.
    #[serde(deserialize_with = "number")]
    pub price: Decimal,
    /// What it cost, where that is known yet.
    #[serde(default, deserialize_with = "amount_opt")]
    pub commission: Option<Decimal>,
    /// When, in milliseconds since 1970.
    pub trade_time_r: i64,
    /// The account.
    #[serde(default)]
    pub account: Option<String>,
}

/// `GET /trsrv/stocks`: companies by symbol.
pub type Stocks = BTreeMap<String, Vec<Company>>;

/// A company.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// `STK`.
    #[serde(default)]
    pub asset_class: Option<String>,
    /// Its listings.
    #[serde(default)]
    pub contracts: Vec<Listing>,
}

/// A listing of a share.
#[derive(Clone, Debug, Deserialize)]
pub struct Listing {
    /// The contract's id.
    pub conid: i64,
    /// Where.
    #[serde(default)]
    pub exchange: Option<String>,
    /// Whether that is in the United States.
    #[serde(default, rename = "isUS")]
    pub is_us: bool,
}

/// `GET /trsrv/futures`: contracts by symbol.
pub type Futures = BTreeMap<String, Vec<FutureRow>>;

/// A future that has not expired. Days are `20261218`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FutureRow {
    /// The contract's id.
    pub conid: i64,
    /// The day it expires.
    pub expiration_date: u32,
    /// The last day it trades.
    #[serde(default)]
    pub ltd: Option<u32>,
    /// The last day the broker lets a long position be held.
    #[serde(default)]
    pub long_futures_cut_off: Option<u32>,
    /// The last day the broker lets a short position be held.
    #[serde(default)]
    pub short_futures_cut_off: Option<u32>,
}

/// `GET /iserver/contract/{conid}/info-and-rules`.
#[derive(Clone, Debug, Deserialize)]
pub struct ContractInfo {
    /// The contract's id.
    pub con_id: i64,
    /// What it is of: `ES`, `AAPL`.
    #[serde(default)]
    pub symbol: Option<String>,
    /// The exchange's spelling: `ESZ6`.
    #[serde(default)]
    pub local_symbol: Option<String>,
    /// The exchange's name for the product: `ES`, `SIL`.
    #[serde(default)]
    pub trading_class: Option<String>,
    /// A name for people.
    #[serde(default)]
    pub company_name: Option<String>,
    /// `STK`, `FUT`.
    #[serde(default)]
    pub instrument_type: Option<String>,
    /// The month: `202612`.
    #[serde(default)]
    pub contract_month: Option<String>,
    /// What prices are in.
    #[serde(default)]
    pub currency: Option<String>,
    /// Where it trades.
    #[serde(default)]
    pub exchange: Option<String>,
    /// Money per point.
    #[serde(default, deserialize_with = "number_opt")]
    pub multiplier: Option<Decimal>,
    /// The rules of its orders.
    pub rules: Rules,
}

/// The rules of a contract's orders.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Which order types it takes: `market`, `stop_limit`.
    #[serde(default)]
    pub order_types: Vec<String>,
    /// The price step now.
    #[serde(default, deserialize_with = "number_opt")]
    pub increment: Option<Decimal>,
    /// The price steps from each price on.
    #[serde(default)]
    pub increment_rules: Vec<IncrementRule>,
    /// Why there are none.
    #[serde(default)]
    pub error: Option<String>,
}

/// The price step from a price on.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncrementRule {
    /// From here on.
    #[serde(deserialize_with = "number")]
    pub lower_edge: Decimal,
    /// The step.
    #[serde(deserialize_with = "number")]
    pub increment: Decimal,
}

/// A row of `GET /iserver/secdef/search`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundContract {
    /// What it is of.
    #[serde(default)]
    pub symbol: Option<String>,
    /// The company.
    #[serde(default)]
    pub company_name: Option<String>,
    /// Where it is listed.
    #[serde(default)]
    pub description: Option<String>,
    /// What can be traded on it.
    #[serde(default)]
    pub sections: Vec<Section>,
}

/// A part of [`FoundContract`].
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    /// `STK`, `OPT`.
    #[serde(default)]
    pub sec_type: Option<String>,
}

/// A row of `GET /portfolio/{accountId}/positions/{pageId}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionRow {
    /// The contract's id.
    pub conid: i64,
    /// How much, negative where short.
    #[serde(deserialize_with = "number")]
    pub position: Decimal,
    /// The average price.
    #[serde(default, deserialize_with = "number_opt")]
    pub avg_price: Option<Decimal>,
    /// What closing it would lock in.
    #[serde(default, deserialize_with = "number_opt")]
    pub unrealized_pnl: Option<Decimal>,
}

/// `GET /portfolio/{accountId}/summary`.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// Cash, with what futures gained or lost today.
    pub totalcashvalue: Figure,
    /// What the account is worth.
    pub netliquidation: Figure,
    /// What may still be used.
    pub buyingpower: Figure,
}

/// A figure of a [`Summary`].
#[derive(Clone, Debug, Deserialize)]
pub struct Figure {
    /// How much.
    #[serde(deserialize_with = "number")]
    pub amount: Decimal,
    /// In which currency.
    pub currency: Option<String>,
}

/// An order that the broker took.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Taken {
    /// The broker's id.
    #[serde(default, deserialize_with = "id_opt")]
    pub order_id: Option<String>,
    /// Where it stands.
    #[serde(default)]
    pub order_status: Option<String>,
    /// The id to answer a question with.
    #[serde(default)]
    pub id: Option<String>,
    /// What the broker asks.
    #[serde(default)]
    pub message: Option<Vec<String>>,
    /// What kinds of questions these are.
    #[serde(default, rename = "messageIds")]
    pub message_ids: Option<Vec<String>>,
}

/// A refusal: an error, or a prompt.
#[derive(Clone, Debug, Deserialize)]
pub struct Refusal {
    /// An error.
    #[serde(default)]
    pub error: Option<String>,
    /// A prompt's text.
    #[serde(default)]
    pub text: Option<String>,
    /// A prompt's kind.
    #[serde(default, rename = "messageId")]
    pub message_id: Option<String>,
    /// An acknowledgement, of a cancel.
    #[serde(default)]
    pub msg: Option<String>,
}

/// A message of the stream.
#[derive(Debug, Deserialize)]
pub struct StreamMessage<'a> {
    /// Of what.
    #[serde(default)]
    pub topic: Option<String>,
    /// The message.
    #[serde(default, borrow)]
    pub args: Option<&'a RawValue>,
    /// Something to say.
    #[serde(default)]
    pub message: Option<String>,
    /// What is wrong.
    #[serde(default)]
    pub error: Option<String>,
}

/// `sts` on the stream: only what it tells.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StreamStatus {
    /// Whether orders can be sent.
    pub authenticated: Option<bool>,
    /// Whether another session of the same user took over.
    pub competing: Option<bool>,
}

/// A market data row of `GET /iserver/marketdata/snapshot`.
#[derive(Debug, Deserialize)]
pub struct SnapshotRow {
    /// The last price, perhaps with a letter before it.
    #[serde(default, rename = "31")]
    pub last: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(default, rename = "_updated")]
    pub updated: Option<i64>,
}

/// A number as the broker writes it.
#[must_use]
pub fn read_number(text: &str) -> Option<Decimal> {
    decimal::read(&text.trim().replace(',', ""))
}

/// A literal's text: without quotes; `None` for null and nothing.
fn literal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    if text == "null" {
        return Ok(None);
    }
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(Error::custom)?;
        return Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
    }
    Ok(Some(text.to_owned()))
}

fn number_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let Some(text) = literal(deserializer)? else { return Ok(None) };
    read_number(&text).map(Some).ok_or_else(|| Error::custom(format!("{text:.40} is no number")))
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    number_opt(deserializer)?.ok_or_else(|| Error::custom("a number is missing"))
}

/// An amount that may have its currency behind it; `None` where it cannot be read, for a fill counts without it.
fn amount_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let text = literal(deserializer)?;
    Ok(text.and_then(|text| read_number(text.split_whitespace().next()?)))
}

fn id_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = literal(deserializer)?;
    // A number may be written with a point: 17437897932.0.
    Ok(text.map(|text| text.strip_suffix(".0").map_or(text.clone(), str::to_owned)))
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    id_opt(deserializer)?.ok_or_else(|| Error::custom("an id is missing"))
}
