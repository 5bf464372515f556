//! A fake Binance: one account in one market, with REST, the spot WebSocket API or the futures stream.
//!
//! - `mod` is the account and what a test can do to it; `algo` the conditional futures orders;
//! - `auth` checks keys, signatures and times; `rest` the routes; `placing` what becomes of an order;
//! - `json` writes what the documents say an order, an event or an account looks like; `stream` tells events;
//! - `documents` cuts the published specifications down to what is used.
//!
//! It decides by Binance's documents: client order ids are unique among open orders, a coin's commission is taken from what
//! was bought, conditional futures orders live at a place of their own.

mod algo;
mod auth;
mod documents;
mod json;
mod placing;
mod rest;
mod stream;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::Side;
use atomik_ports::{Clock, SystemClock};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

pub use documents::spec;

use super::exchange::{Exchange, Market, Unique, VenueOrder};
use super::faults::{Fault, Script, StreamFault};
use super::server::Server;
use algo::Algos;

/// The symbol that is listed. Its lot is coarser than the real one's, so that one lot is above the least value.
pub const SYMBOL: &str = "BTCUSDT";
/// What is bought with it.
pub const COIN: &str = "BTC";
/// The least value of an order.
pub const MIN_NOTIONAL: Decimal = Decimal::from_parts(5, 0, 0, false, 0);
/// The step of prices.
pub const TICK: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// The step of quantities.
pub const LOT: Decimal = Decimal::from_parts(1, 0, 0, false, 3);

/// Which of the markets it plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeMarket {
    /// Coins, owned outright.
    Spot,
    /// USD-M futures.
    Usdm,
}

/// What the account is reached with.
#[derive(Clone, Debug)]
pub struct FakeKeys {
    /// The API key.
    pub api_key: String,
    /// The secret of an HMAC key.
    pub secret_key: String,
    /// The public half of an Ed25519 key, which then counts instead of the secret.
    pub public_key: Option<Vec<u8>>,
}

impl Default for FakeKeys {
    fn default() -> Self {
        let (api_key, secret_key) = ("fake-api-key".to_owned(), "fake-secret-key".to_owned());
        Self { api_key, secret_key, public_key: None }
    }
}

/// How a fake is set up.
#[derive(Clone, Debug)]
pub struct FakeSetup {
    /// The market.
    pub market: FakeMarket,
    /// The keys.
    pub keys: FakeKeys,
    /// The price of the symbol.
    pub price: Decimal,
    /// The money.
    pub cash: Decimal,
    /// On futures: what each coin costs to trade, in USDT.
    pub commission: Decimal,
    /// On spot: the part of a trade that is taken, from the coin when buying and from the money when selling.
    pub spot_rate: Decimal,
    /// Whether the key may trade.
    pub may_trade: bool,
    /// Whether the futures account is in hedge mode.
    pub hedge_mode: bool,
    /// Whether the order that a conditional one becomes keeps its name.
    pub triggered_keeps_name: bool,
    /// Whether requests and answers are held against the published specification.
    pub checked: bool,
}

impl FakeSetup {
    /// An account with money, without commissions.
    #[must_use]
    pub fn of(market: FakeMarket) -> Self {
        Self {
            market,
            keys: FakeKeys::default(),
            price: Decimal::from(50_000),
            cash: Decimal::from(1_000_000),
            commission: Decimal::ZERO,
            spot_rate: Decimal::ZERO,
            may_trade: true,
            hedge_mode: false,
            triggered_keeps_name: true,
            checked: true,
        }
    }
}

/// The fake.
#[derive(Debug)]
pub struct FakeBinance {
    /// Its server.
    pub server: Server,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    setup: FakeSetup,
    exchange: Exchange,
    algos: Algos,
    script: Script,
    disturbances: Mutex<Vec<StreamFault>>,
    /// Rises with every break of the streams.
    breaks: watch::Sender<u64>,
    /// Events of conditional orders, ready to be told.
    algo_events: broadcast::Sender<Value>,
    /// How many events of orders were told on some stream.
    told: AtomicU64,
    /// How many streams listen.
    listening: AtomicU64,
    /// Orders whose status is a word that no document knows.
    unknown: Mutex<Vec<u64>>,
    /// Every message on a WebSocket: whether the client sent it, and its text.
    messages: Mutex<Vec<(bool, String)>>,
    listen_key: Mutex<Option<String>>,
    refuses_time: AtomicBool,
    /// How many lists of executions are still to come without any.
    lists_behind: AtomicU64,
}

impl FakeBinance {
    /// Starts it on a free port.
    pub async fn start(setup: FakeSetup) -> Self {
        Self::start_on(0, setup).await
    }

    /// Starts it on this port.
    pub async fn start_on(port: u16, setup: FakeSetup) -> Self {
        let exchange = Exchange::new(Unique::AmongOpen, setup.cash, now_ms);
        let market = Market { lot: LOT, commission: setup.commission, ..Market::at(setup.price) };
        exchange.list(SYMBOL, market);
        let spec = setup.checked.then(|| spec(setup.market)).flatten();
        let state = Arc::new(State {
            setup,
            exchange,
            algos: Algos::default(),
            script: Script::default(),
            disturbances: Mutex::default(),
            breaks: watch::Sender::new(0),
            algo_events: broadcast::Sender::new(1_024),
            told: AtomicU64::new(0),
            listening: AtomicU64::new(0),
            unknown: Mutex::default(),
            messages: Mutex::default(),
            listen_key: Mutex::default(),
            refuses_time: AtomicBool::new(false),
            lists_behind: AtomicU64::new(0),
        });
        let server = Server::start_on(port, rest::router(Arc::clone(&state)), spec).await;
        Self { server, state }
    }

    /// The account's orders, positions and money.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.state.exchange
    }

    /// Lets this befall the next order.
    pub fn plan(&self, fault: Fault) {
        self.state.script.plan(fault);
    }

    /// Lets this befall the stream from now on.
    pub fn disturb(&self, fault: StreamFault) {
        if fault == StreamFault::Gap {
            self.break_streams();
        } else {
            locked(&self.state.disturbances).push(fault);
        }
    }

    /// Breaks every stream.
    pub fn break_streams(&self) {
        self.state.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Refuses every signed request for its time from now on.
    pub fn refuse_time(&self) {
        self.state.refuses_time.store(true, Ordering::SeqCst);
    }

    /// Lets the next lists of executions come without any: they follow the orders by a moment.
    pub fn lag_executions(&self, lists: u64) {
        self.state.lists_behind.store(lists, Ordering::SeqCst);
    }

    /// Moves the price; what rests and what is conditional meets it.
    pub fn move_price(&self, price: Decimal) {
        self.state.exchange.move_price(SYMBOL, price);
        self.state.meet_conditions(price);
    }

    /// The orders of a client order id, conditional ones among them as one each, and how much of them filled.
    #[must_use]
    pub fn journal(&self, client_order_id: &str) -> (usize, Decimal) {
        self.state.journal(client_order_id)
    }

    /// Every message on a WebSocket so far: whether the client sent it, and its text.
    #[must_use]
    pub fn messages(&self) -> Vec<(bool, String)> {
        locked(&self.state.messages).clone()
    }

    /// Panics where a request or an answer did not keep to the specification, unless a test is failing already. The published
    /// specification is older than the place of conditional futures orders; those are checked elsewhere.
    pub fn assert_clean(&self) {
        let mut violations = self.server.violations();
        violations.retain(|one| {
            !(one.contains("/fapi/v1/algoOrder") && one.ends_with("the document has no such operation"))
        });
        assert!(
            std::thread::panicking() || violations.is_empty(),
            "against Binance's specification:\n{}",
            violations.join("\n")
        );
    }
}

impl State {
    fn is_disturbed(&self, fault: StreamFault) -> bool {
        locked(&self.disturbances).contains(&fault)
    }

    /// What a trade costs: how much, and in which coin.
    fn commission_of(
        &self,
        side: Side,
        qty: Decimal,
        price: Decimal,
        flat: Decimal,
    ) -> (Decimal, &'static str) {
        let rate = self.setup.spot_rate;
        match (self.setup.market, side) {
            (FakeMarket::Usdm, _) => (flat, "USDT"),
            (FakeMarket::Spot, Side::Buy) => (qty * rate, COIN),
            (FakeMarket::Spot, Side::Sell) => (qty * price * rate, "USDT"),
        }
    }

    /// What spot commissions have taken of a coin.
    fn taken(&self, asset: &str) -> Decimal {
        let mut taken = Decimal::ZERO;
        for order in self.exchange.orders() {
            for one in &order.executions {
                let (paid, of) = self.commission_of(order.asked.side, one.qty, one.price, one.commission);
                taken += if of == asset { paid } else { Decimal::ZERO };
            }
        }
        taken
    }

    /// What is owned of the coin and of the money on spot, each with the part that open orders hold.
    fn owned(&self) -> [(&'static str, Decimal, Decimal); 2] {
        let held = self.exchange.held().get(SYMBOL).copied().unwrap_or_default();
        let coins = held.qty - self.taken(COIN);
        let money = self.exchange.cash() - held.qty * held.avg_price - self.taken("USDT");
        let price = self.price();
        let open = self.exchange.orders().into_iter().filter(|order| !order.status.is_final());
        let (mut coins_locked, mut money_locked) = (Decimal::ZERO, Decimal::ZERO);
        for order in open {
            match order.asked.side {
                Side::Sell => coins_locked += order.leaves(),
                Side::Buy => money_locked += order.leaves() * order.asked.limit_price.unwrap_or(price),
            }
        }
        [(COIN, coins - coins_locked, coins_locked), ("USDT", money - money_locked, money_locked)]
    }

    fn price(&self) -> Decimal {
        self.exchange.market(SYMBOL).expect("the symbol is listed").price
    }

    fn status_word(&self, order: &VenueOrder) -> String {
        if locked(&self.unknown).contains(&order.id) {
            return "HALTED_BY_COMET".to_owned();
        }
        json::status_word(order.status).to_owned()
    }
}

fn now_ms() -> i64 {
    SystemClock.now().0 / 1_000
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
