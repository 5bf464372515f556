//! A venue that orders can be sent to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::{
    Amount, BrokerAccount, BrokerId, ClientOrderId, Environment, ExecutionReport, Instrument, OrderType,
    Price, SignedQty, Symbol, TimeInForce, UnixMicros,
};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::credentials::{Credentials, Custody};

/// One linked account at a venue, connected.
#[async_trait]
pub trait Broker: Send + Sync {
    /// What the venue can do.
    fn capabilities(&self) -> &Capabilities;
    /// Sends an order. Never fails: what is not known is [`SubmitOutcome::Unknown`].
    async fn submit(&self, order: Approved) -> SubmitOutcome;
    /// Asks for an order's cancel. The report of its end comes with the outcome or by the stream.
    async fn cancel(&self, symbol: &Symbol, id: ClientOrderId) -> CancelOutcome;
    /// Asks what became of an order, with all of its executions.
    async fn look_up(&self, symbol: &Symbol, id: ClientOrderId) -> LookUp;
    /// The account's net positions, of every origin.
    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError>;
    /// The account's net position in one symbol, of every origin, fresh from the venue.
    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError>;
    /// The account's money.
    async fn balance(&self) -> Result<Balance, BrokerError>;
    /// The rules of a symbol's orders.
    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError>;
    /// Finds instruments that the account may trade, as [`BrokerConnector::search_instruments`] does.
    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError>;
    /// A recent price, for showing profit; `None` where the venue has none.
    async fn price(&self, symbol: &Symbol) -> Result<Option<Quote>, BrokerError>;
}

/// Makes connections to one kind of venue.
#[async_trait]
pub trait BrokerConnector: Send + Sync {
    /// What the catalogue shows.
    fn description(&self) -> BrokerDescription;
    /// Checks settings before they are stored, and gives them back in full with defaults filled in.
    ///
    /// # Errors
    /// Each wrong field with what is wrong, named as in the request: `settings.prices`.
    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>>;
    /// Checks the form of credentials before they are sealed: whether all that is needed is there and can be used. Whether
    /// the venue takes them only a connection shows. Names that are no credential field never come here.
    ///
    /// # Errors
    /// Each wrong field with what is wrong, named as in the request: `credentials.private_key`. Never with its value.
    fn check_credentials(
        &self,
        environment: Environment,
        credentials: &Credentials,
    ) -> Result<(), Vec<FieldError>>;
    /// Connects an account, opening its credentials in `custody`. Execution reports for orders of this account go to
    /// `reports` for as long as the connection lives; those that answer a call come with the call too, and are
    /// deduplicated by the receiver.
    ///
    /// A connection that can no longer vouch that every report arrives (its stream broke, its session was taken) ends by
    /// dropping `reports`: the engine then connects anew and looks up what is open. An answer of `Ok` means that the
    /// credentials were taken by the venue and that reports flow.
    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError>;
    /// Finds instruments whose symbol or name contains the words of `query`, best first, at most `limit`, without an
    /// account. A venue that shows its list to customers only finds none here.
    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError>;
}

/// A wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Its name with the path: `settings.prices.ES`.
    pub field: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

/// What the catalogue says about a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerDescription {
    /// Its name in the API.
    pub broker: BrokerId,
    /// Its name for people.
    pub name: String,
    /// In which worlds accounts can be.
    pub environments: Vec<Environment>,
    /// What credentials it needs; empty for none.
    pub credential_fields: Vec<CredentialField>,
    /// What settings it knows.
    pub setting_fields: Vec<SettingField>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// A credential a venue needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialField {
    /// Its name in the API.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What it is and where the trader finds it, in a sentence.
    pub description: String,
    /// Whether the account cannot be linked without it.
    pub required: bool,
    /// Whether it has several lines, as a key in PEM has.
    pub multiline: bool,
}

/// What a setting's value is in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Any text.
    Text,
    /// An exact decimal, as text.
    Decimal,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of these texts.
    Choice(Vec<String>),
    /// A list of texts.
    List,
    /// Names, each with an exact decimal as text.
    Decimals,
}

/// A setting a venue knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingField {
    /// Its name in the API.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// What it does, in a sentence, with its default.
    pub description: String,
    /// What its value is.
    pub kind: SettingKind,
}

impl SettingField {
    /// A field of these words.
    #[must_use]
    pub fn new(name: &str, label: &str, description: &str, kind: SettingKind) -> Self {
        Self { name: name.to_owned(), label: label.to_owned(), description: description.to_owned(), kind }
    }
}

/// How a connection hears of fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillReports {
    /// The venue tells by itself.
    Streamed,
    /// The adapter asks, every so often.
    Polled(Duration),
}

/// How many requests a venue takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What is counted, in the venue's words: "requests of one key".
    pub of: String,
    /// How many.
    pub max: u32,
    /// In how long.
    pub per: Duration,
}

/// For how long a venue refuses a second order with the same client order id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientIdUniqueness {
    /// For good: an order may be sent again with the same id.
    Forever,
    /// For so long after the first: an order must never be sent again.
    For(Duration),
    /// Only while the first is open: an order must never be sent again.
    AmongOpenOrders,
    /// Not at all, or not documented: an order must never be sent again.
    Undocumented,
}

/// What a venue can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The order types it takes.
    pub order_types: Vec<OrderType>,
    /// The times in force it takes.
    pub times_in_force: Vec<TimeInForce>,
    /// Whether it can hold an order to making a position smaller.
    pub reduce_only: bool,
    /// Whether quantities may be fractions of one.
    pub fractional_quantities: bool,
    /// For how long a client order id is unique.
    pub client_id_uniqueness: ClientIdUniqueness,
    /// Whether the venue finds an order by the client order id; where not, the adapter searches its lists.
    pub look_up_by_client_id: bool,
    /// How long after a send an order may not yet show in look-ups. "Not found" is no proof before.
    pub settle_window: Duration,
    /// How fills are heard of.
    pub fill_reports: FillReports,
    /// What the adapter keeps to; empty where nothing is counted.
    pub rate_limits: Vec<RateLimit>,
    /// The largest part of bought coins that the venue may keep as its fee without telling it with the fill; zero where fills
    /// tell their fees.
    pub untold_coin_fee: Decimal,
}

/// What became of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// The venue has it; where it stands.
    Accepted(ExecutionReport),
    /// The venue proved that it took nothing.
    Rejected {
        /// The venue's reason, in its words made readable.
        reason: String,
    },
    /// No byte of it reached the venue; it may be sent later.
    NotSent {
        /// Why.
        reason: String,
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// Nobody knows. The venue must be asked before anything else happens.
    Unknown {
        /// What is known: a timeout, a status, an unreadable answer.
        evidence: String,
    },
}

/// What became of a cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The order has ended; how it stands.
    Done(ExecutionReport),
    /// The venue took the request; the end comes by the stream.
    Requested,
    /// The venue knows no such open order.
    NotOpen,
    /// The venue could not be asked, or did not say.
    Unknown {
        /// What is known.
        evidence: String,
    },
}

/// What a venue says about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// It has it; where it stands, with all executions.
    Found(ExecutionReport),
    /// It does not know it. Proof only after the settle window.
    NotFound,
    /// It could not be asked, or did not say.
    Unavailable {
        /// What is known.
        evidence: String,
    },
}

/// What an account holds of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenuePosition {
    /// What is held.
    pub symbol: Symbol,
    /// Positive is long, negative is short.
    pub net_qty: SignedQty,
    /// The venue's average price.
    pub avg_price: Price,
    /// The profit that closing it now would lock in; `None` where the venue has no price.
    pub unrealized_profit: Option<Amount>,
}

/// An account's money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// The currency of every amount here.
    pub currency: String,
    /// Money, with profits realized and commissions paid.
    pub cash: Amount,
    /// Cash and the unrealized profit.
    pub equity: Amount,
    /// What may still be used to open positions.
    pub buying_power: Amount,
    /// Whether a simulated price went into the equity.
    pub simulated: bool,
}

/// A price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// How much.
    pub price: Price,
    /// Whether it is made up.
    pub simulated: bool,
    /// As of when.
    pub at: UnixMicros,
}

/// Why a venue could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The credentials are wrong, belong to another environment, lack a permission or are bound to other addresses: what
    /// to do about it, in a sentence.
    #[error("{0}")]
    Unauthorized(String),
    /// The venue cannot be reached or cannot answer now.
    #[error("the broker cannot be reached: {0}")]
    Unavailable(String),
    /// The venue does not know the symbol.
    #[error("the broker does not know the symbol {0}")]
    UnknownSymbol(Symbol),
}
