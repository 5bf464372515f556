//! Interactive Brokers' gateway with its Web API, or the broker's own servers, as the official document has it and as its users have recorded it.
//!
//! - `rest` is the session, contracts, positions and money; `orders` takes orders, asks questions about them, lists them;
//! - `stream` is `/v1/api/ws`; `words` writes what both say; `oauth` is how the broker's own servers let somebody in.
//!
//! As at the broker: nothing about orders is answered before the accounts were asked for, nothing about positions before
//! the portfolio's; positions are remembered until they are invalidated; the first list of orders is empty and not whole;
//! a question is no order until it is confirmed; commissions come with the list of trades and not on the stream.

mod oauth;
mod orders;
mod rest;
mod stream;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_ports::Clock;
use atomik_ports::clock::SystemClock;
use axum::Router;
use axum::middleware::from_fn_with_state;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::exchange::{Exchange, Market, NewOrder, Unique};
use super::faults::{Fault, Script, StreamFault};
use super::server::{Received, Server};
use super::spec::{Spec, material_file};

/// The account.
pub const ACCOUNT: &str = "DU1234567";
/// The session's name, which opens the stream.
pub const SESSION: &str = "bb665d0f55b6289d70bc7380089fc96f";

/// A contract that the venue lists.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Its id.
    pub conid: i64,
    /// `STK` or `FUT`.
    pub kind: &'static str,
    /// `AAPL`, `ES`.
    pub symbol: &'static str,
    /// `AAPL`, `ESZ6`.
    pub local: &'static str,
    /// `NMS`, `ES`.
    pub trading_class: &'static str,
    /// Of a future: the month, and the last day.
    pub expires: Option<(&'static str, u32)>,
    /// Where it trades.
    pub exchange: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Money per point.
    pub multiplier: i64,
    /// The price step.
    pub tick: Decimal,
    /// Whether that is in the United States.
    pub is_us: bool,
}

/// What is asked about the next order: ids and texts.
pub type Questions = Vec<(&'static str, &'static str)>;

#[derive(Debug)]
struct Pending {
    asked: NewOrder,
    rest: Questions,
    fault: Option<Fault>,
}

#[derive(Debug)]
struct State {
    account: String,
    accounts: Vec<String>,
    signed_in: bool,
    authenticated: bool,
    competing: bool,
    session_asked: bool,
    accounts_asked: bool,
    portfolio_asked: bool,
    list_whole: bool,
    /// Orders up to this one are of an earlier session, and not listed any more where they ended.
    forgotten: u64,
    positions: Option<Value>,
    listings: Vec<Listing>,
    questions: Questions,
    pending: BTreeMap<String, Pending>,
    declined: usize,
    replies: u64,
    /// What befalls the next confirmation of a question.
    reply_fault: Option<Fault>,
    odd: BTreeSet<u64>,
    racing: BTreeSet<u64>,
    stream_faults: Vec<StreamFault>,
    /// Whether the stream tells of orders; some gateways do not.
    tells_orders: bool,
}

#[derive(Debug)]
struct Shared {
    exchange: Exchange,
    script: Script,
    /// `None` behind a gateway.
    oauth: Option<oauth::OAuth>,
    state: Mutex<State>,
    /// How many events of each order were told.
    told: watch::Sender<BTreeMap<u64, usize>>,
    /// Rises when the streams break.
    breaks: watch::Sender<u64>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self, conid: i64) -> Option<Listing> {
        self.state().listings.iter().find(|listing| listing.conid == conid).cloned()
    }

    fn listing_of(&self, symbol: &str) -> Option<Listing> {
        self.listing(symbol.parse().ok()?)
    }

    fn is_disturbed(&self, fault: StreamFault) -> bool {
        self.state().stream_faults.contains(&fault)
    }
}

/// The venue: a gateway that somebody is signed in at, and one account with a million dollars.
#[derive(Debug)]
pub struct IbkrWebVenue {
    shared: Arc<Shared>,
    server: Server,
}

impl Drop for IbkrWebVenue {
    fn drop(&mut self) {
        self.shared.breaks.send_modify(|breaks| *breaks += 1);
    }
}

/// What the venue lists: a share, two months of a future, two sizes of silver under one name.
#[must_use]
pub fn listings() -> Vec<Listing> {
    let future = |conid, symbol, local, class, expires, multiplier, tick| Listing {
        conid,
        kind: "FUT",
        symbol,
        local,
        trading_class: class,
        expires: Some(expires),
        exchange: "CME",
        name: "A future",
        multiplier,
        tick,
        is_us: true,
    };
    let share = |conid, symbol, exchange, is_us| Listing {
        conid,
        kind: "STK",
        symbol,
        local: symbol,
        trading_class: "NMS",
        expires: None,
        exchange,
        name: "A company",
        multiplier: 0,
        tick: Decimal::new(1, 2),
        is_us,
    };
    vec![
        share(265_598, "AAPL", "NASDAQ", true),
        share(38_708_077, "AAPL", "MEXI", false),
        share(72_063_691, "BRK B", "NYSE", true),
        share(1, "TWIN", "NYSE", true),
        share(2, "TWIN", "NASDAQ", true),
        future(495_512_563, "ES", "ESZ6", "ES", ("202612", 20_261_218), 50, Decimal::new(25, 2)),
        future(495_512_564, "ES", "ESH7", "ES", ("202703", 20_270_319), 50, Decimal::new(25, 2)),
        future(600_000_001, "SI", "SILZ6", "SIL", ("202612", 20_261_229), 1_000, Decimal::new(5, 3)),
        future(600_000_002, "SI", "SIZ6", "SI", ("202612", 20_261_229), 5_000, Decimal::new(5, 3)),
        future(600_000_003, "CL", "CLF7", "CL", ("202701", 20_261_221), 1_000, Decimal::new(1, 2)),
    ]
}

impl IbkrWebVenue {
    /// Starts on a free port, held against the official document where it is on this machine.
    pub async fn start() -> Self {
        Self::start_with(specification(), None).await
    }

    /// Starts without a document, for clients of third parties.
    pub async fn start_lenient() -> Self {
        Self::start_with(None, None).await
    }

    async fn start_with(spec: Option<Spec>, oauth: Option<oauth::OAuth>) -> Self {
        let exchange = Exchange::new(Unique::Ever, Decimal::from(1_000_000), || SystemClock.now().0 / 1_000);
        for listing in listings() {
            let price = if listing.symbol == "ES" { Decimal::from(5_000) } else { Decimal::from(100) };
            let multiplier = Decimal::from(listing.multiplier.max(1));
            let market = Market { commission: Decimal::new(225, 2), multiplier, ..Market::at(price) };
            exchange.list(&listing.conid.to_string(), market);
        }
        let state = State {
            account: ACCOUNT.to_owned(),
            accounts: vec![ACCOUNT.to_owned()],
            signed_in: true,
            // Without a gateway nobody opened a trading session yet.
            authenticated: oauth.is_none(),
            competing: false,
            session_asked: false,
            accounts_asked: false,
            portfolio_asked: false,
            list_whole: false,
            forgotten: 0,
            positions: None,
            listings: listings(),
            questions: Vec::new(),
            pending: BTreeMap::new(),
            declined: 0,
            replies: 0,
            reply_fault: None,
            odd: BTreeSet::new(),
            racing: BTreeSet::new(),
            stream_faults: Vec::new(),
            tells_orders: true,
        };
        let shared = Arc::new(Shared {
            exchange,
            script: Script::default(),
            oauth,
            state: Mutex::new(state),
            told: watch::Sender::default(),
            breaks: watch::Sender::default(),
        });
        let api = rest::routes().merge(orders::routes()).merge(stream::routes()).merge(oauth::routes());
        let guard = from_fn_with_state(Arc::clone(&shared), oauth::guard);
        let router = Router::new().nest("/v1/api", api.layer(guard)).with_state(Arc::clone(&shared));
        let server = Server::start(router, spec).await;
        if let Some(oauth) = &shared.oauth {
            oauth.listens_at(server.http());
        }
        Self { shared, server }
    }

    /// What an account is set to, to come here.
    #[must_use]
    pub fn settings(&self) -> Value {
        if self.shared.oauth.is_some() {
            return json!({"base_url": format!("{}/v1/api", self.server.http())});
        }
        json!({"gateway_url": self.server.http()})
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.http()
    }

    /// The account's orders, positions and prices. Symbols are contract ids as text.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.shared.exchange
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// How many requests came of a method whose path contains this.
    #[must_use]
    pub fn count(&self, method: &str, path: &str) -> usize {
        let of = |one: &&Received| one.method == method && one.path_and_query.contains(path);
        self.received().iter().filter(of).count()
    }

    /// Panics where anything did not keep to the document.
    pub fn assert_clean(&self) {
        self.server.assert_clean();
    }

    /// Lets this befall the next order.
    pub fn plan(&self, fault: Fault) {
        self.shared.script.plan(fault);
    }

    /// Lets this befall the stream from now on.
    pub fn disturb(&self, fault: StreamFault) {
        if fault == StreamFault::Gap {
            self.shared.breaks.send_modify(|breaks| *breaks += 1);
        } else {
            self.shared.state().stream_faults.push(fault);
        }
    }

    /// Asks this about every order from now on, one question after another.
    pub fn ask(&self, questions: Questions) {
        self.shared.state().questions = questions;
    }

    /// Lets this befall the next confirmation of a question.
    pub fn plan_reply(&self, fault: Fault) {
        self.shared.state().reply_fault = Some(fault);
    }

    /// How many questions were declined.
    #[must_use]
    pub fn declined(&self) -> usize {
        self.shared.state().declined
    }

    /// Nobody is signed in any more.
    pub fn sign_out(&self) {
        self.shared.state().signed_in = false;
    }

    /// Another session of the user holds the trading session.
    pub fn compete(&self) {
        let mut state = self.shared.state();
        (state.authenticated, state.competing) = (false, true);
    }

    /// The trading session is there and not open, as after the daily reset.
    pub fn close_session(&self) {
        let mut state = self.shared.state();
        state.authenticated = false;
    }

    /// A new day: what ended before is in no list of orders any more.
    pub fn reset(&self) {
        let last = self.shared.exchange.orders().last().map_or(0, |order| order.id);
        let mut state = self.shared.state();
        (state.forgotten, state.list_whole) = (last, false);
    }

    /// Who may trade what.
    pub fn set_accounts(&self, accounts: &[&str]) {
        let mut state = self.shared.state();
        state.accounts = accounts.iter().map(|account| (*account).to_owned()).collect();
        state.account = accounts.first().copied().unwrap_or_default().to_owned();
    }

    /// The stream tells of no orders, as some gateways do not.
    pub fn tell_no_orders(&self) {
        self.shared.state().tells_orders = false;
    }
}

/// The official document, with what it has wrong set right, as narrowly as it can be.
///
/// - Its alternatives (`oneOf`) name no required fields, so that each of its own examples fits several: any one will do.
/// - Lists of orders and trades have numbers where it says text, in its own examples and in every recording.
/// - Figures of a summary have a number for their currency, and a text where its own example has null.
/// - It calls a symbol's key `symbol`, literally, where its example has `ES`.
///
/// # Panics
/// Where it is there and cannot be read.
#[must_use]
pub fn specification() -> Option<Spec> {
    let mut document = document()?;
    keep_what_is_spoken(&mut document);
    Some(Spec::of(document, "/v1/api"))
}

/// The operations that clients of this venue use. The document has over a hundred others, and reading them takes a minute.
const SPOKEN: &[&str] = &[
    "/oauth/live_session_token",
    "/iserver/auth/status",
    "/iserver/auth/ssodh/init",
    "/tickle",
    "/iserver/accounts",
    "/iserver/account",
    "/portfolio/accounts",
    "/portfolio/{accountId}/positions/invalidate",
    "/portfolio/{accountId}/positions/{pageId}",
    "/portfolio/{accountId}/summary",
    "/trsrv/stocks",
    "/trsrv/futures",
    "/iserver/secdef/search",
    "/iserver/contract/{conid}/info-and-rules",
    "/iserver/marketdata/snapshot",
    "/iserver/account/{accountId}/orders",
    "/iserver/reply/{replyId}",
    "/iserver/account/{accountId}/order/{orderId}",
    "/iserver/account/orders",
    "/iserver/account/trades",
    "/iserver/account/order/status/{orderId}",
];

/// Leaves out all other operations, and every component that those kept do not refer to.
fn keep_what_is_spoken(document: &mut Value) {
    let paths = document["paths"].as_object_mut().expect("paths");
    paths.retain(|path, _| SPOKEN.contains(&path.as_str()));
    assert_eq!(paths.len(), SPOKEN.len(), "the document has every operation that is spoken");
    let mut wanted = BTreeSet::new();
    let mut next = references(&document["paths"]);
    while !next.is_empty() {
        let found: BTreeSet<_> =
            next.iter().filter_map(|name| document.pointer(name)).flat_map(references).collect();
        wanted.append(&mut next);
        next = found.difference(&wanted).cloned().collect();
    }
    for (kind, components) in document["components"].as_object_mut().expect("components") {
        if let Some(components) = components.as_object_mut() {
            components.retain(|name, _| wanted.contains(&format!("/components/{kind}/{name}")));
        }
    }
}

fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(object) => {
            let own = object
                .get("$ref")
                .and_then(Value::as_str)
                .map(|name| name.trim_start_matches('#').to_owned());
            object.values().flat_map(references).chain(own).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// The document behind [`specification`].
///
/// # Panics
/// Where it is there and cannot be read.
#[must_use]
pub fn document() -> Option<Value> {
    let path = material_file("specs/ibkr-web-api.openapi.json")?;
    let text = std::fs::read_to_string(path).expect("a readable document");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    any_of(&mut document);
    let schemas = document["components"]["schemas"].as_object_mut().expect("schemas");
    for (schema, list) in [
        ("liveOrdersResponse", "/properties/orders/items/properties"),
        ("tradesResponse", "/items/properties"),
    ] {
        let properties =
            schemas[schema].pointer_mut(list).and_then(Value::as_object_mut).expect("properties");
        for name in ["conid", "filledQuantity", "remainingQuantity", "totalSize", "lastExecutionTime_r"] {
            if let Some(property) = properties.get_mut(name) {
                property["type"] = json!(["string", "number"]);
            }
        }
    }
    for name in ["currency", "value"] {
        schemas["portfolioSummaryValue"]["properties"][name]["type"] = json!(["string", "null"]);
    }
    // The word of tomorrow that `Fault::UnknownStatus` is about is in no document, on purpose.
    let words = [
        ("liveOrdersResponse", "/properties/orders/items/properties/status/enum"),
        ("orderStatus", "/properties/order_status/enum"),
    ];
    for (schema, list) in words {
        let words = schemas[schema].pointer_mut(list).and_then(Value::as_array_mut).expect("words");
        words.push(json!(words::UNHEARD));
    }
    Some(document)
}

fn any_of(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(any_of),
        Value::Object(object) => {
            object.values_mut().for_each(any_of);
            if let Some(alternatives) = object.remove("oneOf") {
                object.insert("anyOf".to_owned(), alternatives);
            }
        }
        _ => {}
    }
}
