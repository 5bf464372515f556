//! Alpaca, as its documents and its own clients' recordings have it.
//!
//! - `rest` is `/v2`: keys, orders, positions, account, assets, activities; `orders` decides which orders are taken;
//! - `stream` is `/stream`: login, subscription, trade updates, in text frames or in binary ones as paper trading has them;
//! - `words` writes what both say.
//!
//! An order is answered before it fills, as the venue does; its fills come by the stream and as activities. The stream
//! names an execution otherwise than the activity does.

mod orders;
mod rest;
mod stream;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_ports::Clock;
use atomik_ports::clock::SystemClock;
use axum::Router;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::watch;

use super::exchange::{Exchange, Market, Unique};
use super::faults::{Fault, Script, StreamFault};
use super::server::{Received, Server};
use super::spec::{Spec, material_file};

/// The keys that the venue takes.
pub const KEY_ID: &str = "PKTESTKEYOFTHEVENUE1";
/// The secret of [`KEY_ID`].
pub const SECRET_KEY: &str = "secretOfTheVenue0123456789abcdefABCDEF42";

/// An asset that the venue lists.
#[derive(Clone, Debug)]
pub struct Listing {
    /// `ACME`, `BTC/USD`.
    pub symbol: String,
    /// Its name.
    pub name: String,
    /// Whether it is a coin.
    pub crypto: bool,
    /// Whether parts of it trade.
    pub fractionable: bool,
    /// Whether it trades at all.
    pub tradable: bool,
    /// Of coins: the least quantity and its step, and the step of the price.
    pub increments: Option<(Decimal, Decimal)>,
}

impl Listing {
    fn lot(&self) -> Decimal {
        match self.increments {
            Some((lot, _)) => lot,
            None if self.fractionable => Decimal::new(1, 9),
            None => Decimal::ONE,
        }
    }
}

/// What the account may not do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocks {
    /// Nothing at all.
    pub account: bool,
    /// No orders.
    pub trading: bool,
    /// No orders, by the customer's own switch.
    pub by_user: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub exchange: Exchange,
    pub listings: Mutex<Vec<Listing>>,
    pub script: Script,
    /// The keys that are taken.
    pub keys: Mutex<(String, String)>,
    pub blocks: Mutex<Blocks>,
    /// Orders whose status is a word of tomorrow.
    pub odd: Mutex<BTreeSet<u64>>,
    /// Orders that fill as soon as somebody wants them canceled.
    pub racing: Mutex<BTreeSet<u64>>,
    /// When the market opens, while it is closed.
    pub opening: Mutex<Option<String>>,
    pub stream_faults: Mutex<Vec<StreamFault>>,
    /// How many events of each order were told on the stream.
    pub told: watch::Sender<BTreeMap<u64, usize>>,
    /// Rises when the streams break.
    pub breaks: watch::Sender<u64>,
    /// How many streams are subscribed.
    pub subscribed: watch::Sender<usize>,
    /// How often the activities still show no fills.
    pub hidden: AtomicU32,
    /// Whether frames are binary.
    pub binary: AtomicBool,
    /// Whether somebody in between answers instead of the venue.
    pub walled: AtomicBool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn listing(&self, name: &str) -> Option<Listing> {
        let listings = lock(&self.listings);
        let plain = |symbol: &str| symbol.replace('/', "");
        let mut numbered = listings.iter().enumerate();
        let found = numbered.find(|(number, listing)| {
            listing.symbol == name || plain(&listing.symbol) == name || words::asset_id(*number) == name
        });
        found.map(|(_, listing)| listing.clone())
    }

    pub(super) fn asset_id(&self, symbol: &str) -> String {
        let number = lock(&self.listings).iter().position(|listing| listing.symbol == symbol);
        words::asset_id(number.unwrap_or(usize::MAX >> 1))
    }

    pub(super) fn is_disturbed(&self, fault: StreamFault) -> bool {
        lock(&self.stream_faults).contains(&fault)
    }
}

/// The venue: one paper account with a million dollars.
#[derive(Debug)]
pub struct AlpacaVenue {
    shared: Arc<Shared>,
    server: Server,
}

impl Drop for AlpacaVenue {
    fn drop(&mut self) {
        self.break_streams();
    }
}

impl AlpacaVenue {
    /// Starts on a free port, held against the official document where it is on this machine.
    pub async fn start() -> Self {
        Self::start_with(specification()).await
    }

    /// Starts without a document: for clients of third parties, which keep less closely to it than its words do.
    pub async fn start_lenient() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(spec: Option<Spec>) -> Self {
        let cash = Decimal::from(1_000_000);
        let shared = Arc::new(Shared {
            exchange: Exchange::new(Unique::Ever, cash, || SystemClock.now().0 / 1_000),
            listings: Mutex::default(),
            script: Script::default(),
            keys: Mutex::new((KEY_ID.to_owned(), SECRET_KEY.to_owned())),
            blocks: Mutex::default(),
            odd: Mutex::default(),
            racing: Mutex::default(),
            opening: Mutex::default(),
            stream_faults: Mutex::default(),
            told: watch::Sender::default(),
            breaks: watch::Sender::default(),
            subscribed: watch::Sender::default(),
            hidden: AtomicU32::default(),
            binary: AtomicBool::new(true),
            walled: AtomicBool::default(),
        });
        let router: Router = rest::routes(Arc::clone(&shared)).merge(stream::routes(Arc::clone(&shared)));
        let server = Server::start(router, spec).await;
        let venue = Self { shared, server };
        venue.list_usual();
        venue
    }

    /// Whole shares of ACME at 100, parts of NIBBLE at 50, a penny stock, and a coin.
    fn list_usual(&self) {
        let share = |symbol: &str, name: &str, fractionable| Listing {
            symbol: symbol.to_owned(),
            name: name.to_owned(),
            crypto: false,
            fractionable,
            tradable: true,
            increments: None,
        };
        self.list(share("ACME", "Acme Anvils Inc. Common Stock", false), Decimal::ONE_HUNDRED);
        self.list(share("NIBBLE", "Nibble Foods Corp. Class A", true), Decimal::from(50));
        self.list(share("PENY", "Penny Mines Ltd.", false), Decimal::new(5, 1));
        let coin = Listing {
            crypto: true,
            increments: Some((Decimal::new(1, 4), Decimal::ONE)),
            ..share("BTC/USD", "Bitcoin / US Dollar", true)
        };
        self.list(coin, Decimal::from(60_000));
    }

    /// Lists an asset at a price. A quarter of a hundredth of bought coins is kept, and no fill says so.
    pub fn list(&self, listing: Listing, price: Decimal) {
        let kept = if listing.crypto { Decimal::new(25, 4) } else { Decimal::ZERO };
        let market = Market { lot: listing.lot(), kept, ..Market::at(price) };
        self.shared.exchange.list(&listing.symbol, market);
        lock(&self.shared.listings).push(listing);
    }

    /// The account's book, and the journal that tests believe.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.shared.exchange
    }

    /// The server's address for requests.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.server.http()
    }

    /// The stream's address.
    #[must_use]
    pub fn stream_url(&self) -> String {
        format!("{}/stream", self.server.ws())
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.server.received()
    }

    /// Panics where a request or an answer did not keep to the document, unless a test is failing already. The status
    /// that no document knows is there on purpose.
    pub fn assert_clean(&self) {
        let mut violations = self.server.violations();
        violations.retain(|violation| !violation.contains(words::OF_TOMORROW));
        assert!(
            std::thread::panicking() || violations.is_empty(),
            "against the venue's specification:\n{}",
            violations.join("\n")
        );
    }

    /// Lets this befall the next order.
    pub fn plan(&self, fault: Fault) {
        self.shared.script.plan(fault);
    }

    /// Lets this befall the stream from now on.
    pub fn disturb(&self, fault: StreamFault) {
        if fault == StreamFault::Gap {
            self.break_streams();
        } else {
            lock(&self.shared.stream_faults).push(fault);
        }
    }

    /// Breaks every stream; new ones are taken.
    pub fn break_streams(&self) {
        self.shared.breaks.send_modify(|count| *count += 1);
    }

    /// How many streams are subscribed, as it changes.
    #[must_use]
    pub fn subscribed(&self) -> watch::Receiver<usize> {
        self.shared.subscribed.subscribe()
    }

    /// The next so many answers about activities do not show any fill yet.
    pub fn hide_fills(&self, times: u32) {
        self.shared.hidden.store(times, Ordering::SeqCst);
    }

    /// Whether the stream's frames are binary, as in paper trading.
    pub fn set_binary(&self, binary: bool) {
        self.shared.binary.store(binary, Ordering::SeqCst);
    }

    /// Lets somebody in between answer every request with a page that says 404.
    pub fn wall_off(&self, walled: bool) {
        self.shared.walled.store(walled, Ordering::SeqCst);
    }

    /// Takes these keys and no others.
    pub fn set_keys(&self, key_id: &str, secret_key: &str) {
        *lock(&self.shared.keys) = (key_id.to_owned(), secret_key.to_owned());
    }

    /// Closes the market for shares: orders in them wait for the opening, which is said to be at this time.
    pub fn close_market(&self, opening: &str) {
        *lock(&self.shared.opening) = Some(opening.to_owned());
    }

    /// What the account may not do from now on.
    pub fn block(&self, blocks: Blocks) {
        *lock(&self.shared.blocks) = blocks;
    }
}

/// What is asked of the venue.
const PATHS: [&str; 10] = [
    "/v2/clock",
    "/v2/account",
    "/v2/account/activities/{activity_type}",
    "/v2/orders",
    "/v2/orders/{order_id}",
    "/v2/orders:by_client_order_id",
    "/v2/positions",
    "/v2/positions/{symbol_or_asset_id}",
    "/v2/assets",
    "/v2/assets/{symbol_or_asset_id}",
];

/// The official document, with its one defect mended: an activity of the type that was asked for fits both of its
/// schemas, of which `oneOf` allows one only.
#[must_use]
pub fn specification() -> Option<Spec> {
    let path = material_file("specs/alpaca-trading-2.0.1.openapi.json")?;
    let text = std::fs::read_to_string(path).expect("a readable document");
    let mut document: Value = serde_json::from_str(&text).expect("JSON");
    let place = "/paths/~1v2~1account~1activities~1{activity_type}/get/responses/200/content/application~1json/schema/items";
    let items = document.pointer_mut(place).and_then(Value::as_object_mut).expect("the schema of activities");
    let either = items.remove("oneOf").expect("two schemas");
    items.insert("anyOf".to_owned(), either);
    // Reading all of it takes seconds. What is left out is an operation that nobody may ask for.
    let paths = document["paths"].as_object_mut().expect("paths");
    paths.retain(|path, _| PATHS.contains(&path.as_str()));
    assert_eq!(paths.len(), PATHS.len(), "the document has all of the paths");
    Some(Spec::of(document, ""))
}
