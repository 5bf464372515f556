//! The whole program at each venue: an alert becomes an order at a fake of the real broker, a part of the position is closed,
//! then all of it, through kills in the middle of an order. The venue's own journal says what is true.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use atomik_ports::{Clock, Credentials, SystemClock};
use atomik_testkit::venues::alpaca::{self, AlpacaVenue};
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup};
use atomik_testkit::venues::exchange::Exchange;
use atomik_testkit::venues::faults::Fault;
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use atomik_testkit::venues::tradovate::{self, FakeTradovate};
use atomik_testkit::venues::tws::Tws;
use common::{PATIENCE, Quickstart, Server, body_of, decimal, quickstart, run, status_of, stderr};
use rust_decimal::Decimal;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a test needs to know of a venue.
struct Venue<'a> {
    exchange: &'a Exchange,
    plan: &'a (dyn Fn(Fault) + Sync),
    /// The body that links an account there.
    account: Value,
    /// What the strategy trades, and the venue's name for it where that is another.
    symbol: &'a str,
    listed: &'a str,
    /// Four of it are bought.
    lot: Decimal,
}

/// A trader with a strategy at the venue.
struct Trader {
    dir: TempDir,
    server: Server,
    made: Quickstart,
    account: i64,
    strategy: i64,
    alerts: u32,
}

const ALLOWED: [(&str, &str); 1] = [("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true")];

impl Trader {
    fn start(venue: &Venue<'_>) -> Self {
        let dir = TempDir::new().unwrap();
        let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
        let server = Server::start_with(dir.path(), &ALLOWED);
        let mut trader = Self { dir, server, made, account: 0, strategy: 0, alerts: 0 };
        trader.account = trader.post("/api/v1/broker-accounts", &venue.account)["id"].as_i64().unwrap();
        trader.wait_until_connected();
        let webhook = trader.server.get("/api/v1/webhooks", &trader.made.key)["items"][0]["id"].clone();
        let quantity = (venue.lot * Decimal::from(4)).to_string();
        let strategy = json!({"name": "real", "webhook_id": webhook, "broker_account_id": trader.account,
            "symbol": venue.symbol, "quantity": quantity, "active": true});
        trader.strategy = trader.post("/api/v1/strategies", &strategy)["id"].as_i64().unwrap();
        trader
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let headers =
            format!("authorization: Bearer {}\r\ncontent-type: application/json\r\n", self.made.key);
        let answer = self.server.post(path, &headers, &body.to_string());
        assert!((200..300).contains(&status_of(&answer)), "{path}: {answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }

    fn wait_until_connected(&self) {
        self.server.wait_until_connected(self.account, &self.made.key);
    }

    /// Sends an alert and gives its signal's id.
    fn alert(&mut self, mut payload: Value) -> i64 {
        self.alerts += 1;
        payload["id"] = json!(format!("alert {}", self.alerts));
        let path = format!("{}?secret={}", self.made.path, self.made.secret);
        let answer = self.server.post(&path, "", &payload.to_string());
        assert_eq!(status_of(&answer), 202, "{answer}");
        let newest = self.server.get("/api/v1/signals?limit=1", &self.made.key);
        newest["items"][0]["id"].as_i64().unwrap()
    }

    /// What became of a signal on the strategy at the venue, once that is final.
    fn outcome(&self, signal: i64) -> String {
        let path = format!("/api/v1/signals/{signal}");
        let own = |signal: &Value| -> Option<Value> {
            let outcomes = signal["strategies"].as_array().unwrap();
            outcomes.iter().find(|one| one["strategy_id"] == self.strategy).cloned()
        };
        let is_final = |signal: &Value| {
            own(signal).is_some_and(|one| one["status"] != "pending" && one["status"] != "unknown")
        };
        let signal = self.server.wait_for(&path, &self.made.key, is_final);
        let own = own(&signal).unwrap();
        let (status, code) = (own["status"].as_str().unwrap(), own["code"].as_str().unwrap());
        let wanted =
            ["filled filled", "denied books_differ", "skipped position_adopted", "skipped position_limit"];
        let outcome = format!("{status} {code}");
        assert!(wanted.contains(&outcome.as_str()), "{own}");
        outcome
    }

    fn net_qty(&self) -> Decimal {
        let strategy = self.server.get(&format!("/api/v1/strategies/{}", self.strategy), &self.made.key);
        decimal(&strategy["position"]["net_qty"])
    }

    /// Kills the program and starts it again.
    fn kill(&mut self) {
        let dir = self.dir.path().to_owned();
        self.server.kill();
        self.server = Server::start_with(&dir, &ALLOWED);
        self.wait_until_connected();
    }
}

/// Waits for something at the venue.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} never came to be");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Our books are the venue's, and no order is there twice.
fn equal(trader: &Trader, venue: &Venue<'_>, lots: i64) {
    let wanted = venue.lot * Decimal::from(lots);
    let held = || venue.exchange.held().get(venue.listed).copied().unwrap_or_default().qty;
    eventually("the same position on both sides", || trader.net_qty() == wanted && held() == wanted);
    let orders = venue.exchange.orders();
    let ids: BTreeSet<_> = orders.iter().map(|order| order.asked.client_order_id.clone()).collect();
    assert_eq!(ids.len(), orders.len(), "an order is there twice");
    let ours = trader.server.list("/api/v1/orders", &trader.made.key);
    let ours: BTreeSet<_> =
        ours.iter().map(|order| order["client_order_id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_subset(&ours), "an order that nobody recorded");
}

/// Kills the program while an order's answer is awaited. The venue took the order.
fn killed_in_mid_order(trader: &mut Trader, venue: &Venue<'_>, payload: Value) -> i64 {
    let before = venue.exchange.orders().len();
    (venue.plan)(Fault::TimeoutThenFilled);
    let signal = trader.alert(payload);
    eventually("the order at the venue", || venue.exchange.orders().len() > before);
    trader.kill();
    signal
}

/// Entry, partial exit and full exit; then the same with a kill in the middle of an entry and of an exit; then a position
/// that was traded by hand.
fn goes_through(venue: &Venue<'_>) {
    let mut trader = Trader::start(venue);
    let entry = trader.alert(json!({"action": "BUY"}));
    assert_eq!(trader.outcome(entry), "filled filled");
    equal(&trader, venue, 4);
    let half = trader.alert(json!({"action": "SELL", "comment": "EXIT_50"}));
    assert_eq!(trader.outcome(half), "filled filled");
    equal(&trader, venue, 2);
    let rest = trader.alert(json!({"action": "SELL", "comment": "EXIT_FINAL"}));
    assert_eq!(trader.outcome(rest), "filled filled");
    equal(&trader, venue, 0);

    let entry = killed_in_mid_order(&mut trader, venue, json!({"action": "BUY"}));
    assert_eq!(trader.outcome(entry), "filled filled");
    equal(&trader, venue, 4);
    let exit = killed_in_mid_order(&mut trader, venue, json!({"action": "SELL", "comment": "EXIT_FINAL"}));
    assert_eq!(trader.outcome(exit), "filled filled");
    equal(&trader, venue, 0);

    by_hand(&mut trader, venue);
    keeps_no_secret(&trader, venue);
}

/// No credential of the account is in a file of the data directory, nor in a backup, which has all that a database has.
fn keeps_no_secret(trader: &Trader, venue: &Venue<'_>) {
    let dir = trader.dir.path();
    let backup = dir.join("backup.db");
    let copied = run(&["backup", backup.to_str().unwrap(), "--data-dir", dir.to_str().unwrap()]);
    assert!(copied.status.success(), "{}", stderr(&copied));
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in venue.account["credentials"].as_object().unwrap().values() {
            let secret = secret.as_str().unwrap().as_bytes();
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret),
                "a secret in {}",
                path.display()
            );
        }
    }
}

/// What was bought by hand stops entries, and a strategy takes it over and exits it.
fn by_hand(trader: &mut Trader, venue: &Venue<'_>) {
    venue.exchange.trade_by_hand(venue.listed, venue.lot * Decimal::from(3));
    // The comparison of a restart finds it at once; the next one of a running program within half a minute.
    trader.kill();
    let entry = trader.alert(json!({"action": "BUY"}));
    assert_eq!(trader.outcome(entry), "denied books_differ");
    let path = format!("/api/v1/broker-accounts/{}/differences", trader.account);
    let differences = trader.server.get(&path, &trader.made.key);
    let difference = &differences["items"][0];
    assert_eq!(decimal(&difference["broker_net_qty"]), venue.lot * Decimal::from(3), "{differences}");
    assert_eq!(difference["strategies_net_qty"], "0");
    let adopt = json!({"symbol": venue.symbol, "flatten": true});
    let adoption = trader.post(&format!("/api/v1/broker-accounts/{}/adopt", trader.account), &adopt);
    let signals = adoption["signal_ids"].as_array().unwrap();
    assert_eq!(trader.outcome(signals[0].as_i64().unwrap()), "skipped position_adopted");
    assert_eq!(trader.outcome(signals[1].as_i64().unwrap()), "filled filled");
    eventually("everything sold", || venue.exchange.held().is_empty());
    assert!(trader.net_qty().is_zero());
}

/// What the account holds of anything, as the broker says.
fn at_broker(trader: &Trader) -> Decimal {
    let path = format!("/api/v1/broker-accounts/{}/positions", trader.account);
    let positions = trader.server.ask_broker(&path, &trader.made.key);
    positions["items"].as_array().unwrap().iter().map(|one| decimal(&one["net_qty"])).sum()
}

/// The venue keeps a part of what is bought. The strategy holds what is left, also after a kill; nothing pauses, nothing is
/// bought back, and whole lots are sold.
fn pays_in_kind(venue: &Venue<'_>) {
    let mut trader = Trader::start(venue);
    let bought = venue.lot * Decimal::from(4);
    let entry = trader.alert(json!({"action": "BUY"}));
    assert_eq!(trader.outcome(entry), "filled filled");
    let is_less = |trader: &Trader| {
        let held = at_broker(trader);
        held < bought && !held.is_zero() && trader.net_qty() == held
    };
    eventually("what is left of it on both sides", || is_less(&trader));
    let again = trader.alert(json!({"action": "BUY"}));
    assert_eq!(trader.outcome(again), "skipped position_limit");
    trader.kill();
    assert!(is_less(&trader));
    let account = trader.server.get(&format!("/api/v1/broker-accounts/{}", trader.account), &trader.made.key);
    assert_eq!(account["status"]["state"], "ready", "{account}");
    let exit = trader.alert(json!({"action": "SELL", "comment": "EXIT_FINAL"}));
    assert_eq!(trader.outcome(exit), "filled filled");
    eventually("the same on both sides", || trader.net_qty() == at_broker(&trader));
    assert!(trader.net_qty() < venue.lot);
}

fn alpaca_trading<'a>(fake: &'a AlpacaVenue, symbol: &'a str, plan: &'a (dyn Fn(Fault) + Sync)) -> Venue<'a> {
    Venue {
        exchange: fake.exchange(),
        plan,
        account: json!({"broker": "alpaca", "environment": "paper", "label": "fake",
            "credentials": {"key_id": alpaca::KEY_ID, "secret_key": alpaca::SECRET_KEY},
            "settings": {"base_url": fake.base_url(), "stream_url": fake.stream_url()}}),
        symbol,
        listed: symbol,
        lot: Decimal::ONE,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alpaca() {
    let fake = AlpacaVenue::start().await;
    let plan = |fault| fake.plan(fault);
    let venue = alpaca_trading(&fake, "ACME", &plan);
    tokio::task::block_in_place(|| goes_through(&venue));
    fake.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coins_at_alpaca() {
    let fake = AlpacaVenue::start().await;
    let plan = |fault| fake.plan(fault);
    let venue = alpaca_trading(&fake, "BTC/USD", &plan);
    tokio::task::block_in_place(|| pays_in_kind(&venue));
    fake.assert_clean();
}

async fn binance(setup: FakeSetup, goes: fn(&Venue<'_>)) {
    let name = if setup.market == FakeMarket::Spot { "spot" } else { "usdm" };
    let fake = FakeBinance::start(setup).await;
    let venue = Venue {
        exchange: fake.exchange(),
        plan: &|fault| fake.plan(fault),
        account: json!({"broker": "binance", "environment": "testnet", "label": "fake",
            "credentials": {"api_key": "fake-api-key", "secret_key": "fake-secret-key"},
            "settings": {"market": name, "base_url": fake.server.http(), "stream_url": fake.server.ws()}}),
        symbol: "BTCUSDT",
        listed: "BTCUSDT",
        lot: Decimal::new(1, 2),
    };
    tokio::task::block_in_place(|| goes(&venue));
    fake.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_spot() {
    binance(FakeSetup::of(FakeMarket::Spot), goes_through).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_spot_with_fees_in_coins() {
    let setup = FakeSetup { spot_rate: Decimal::new(1, 3), ..FakeSetup::of(FakeMarket::Spot) };
    binance(setup, pays_in_kind).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binance_futures() {
    binance(FakeSetup::of(FakeMarket::Usdm), goes_through).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tradovate() {
    // Compiling its whole document takes longer than all of this; the adapter's own tests hold every request against it.
    let fake = FakeTradovate::start(None).await;
    let venue = Venue {
        exchange: fake.exchange(),
        plan: &|fault| fake.script().plan(fault),
        account: json!({"broker": "tradovate", "environment": "demo", "label": "fake",
            "credentials": {"username": tradovate::USERNAME, "password": tradovate::PASSWORD,
                "cid": tradovate::CID, "sec": tradovate::SEC},
            "settings": {"base_url": format!("{}/v1", fake.server.http()),
                "stream_url": format!("{}/v1/websocket", fake.server.ws())}}),
        symbol: "MESM6",
        listed: "MESM6",
        lot: Decimal::ONE,
    };
    tokio::task::block_in_place(|| goes_through(&venue));
}

async fn interactive_brokers_at(fake: IbkrWebVenue) {
    let given = if fake.is_oauth() { fake.credentials(&[]) } else { Credentials::default() };
    let credentials: BTreeMap<_, _> =
        given.iter().map(|(name, secret)| (name, secret.expose_secret())).collect();
    let mut settings = fake.settings();
    settings["connection"] = json!(if fake.is_oauth() { "oauth" } else { "web" });
    let venue = Venue {
        exchange: fake.exchange(),
        plan: &|fault| fake.plan(fault),
        account: json!({"broker": "interactive_brokers", "environment": "paper", "label": "fake",
            "credentials": credentials, "settings": settings}),
        symbol: "AAPL",
        listed: "265598",
        lot: Decimal::ONE,
    };
    tokio::task::block_in_place(|| goes_through(&venue));
    fake.assert_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interactive_brokers_by_a_gateway() {
    interactive_brokers_at(IbkrWebVenue::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interactive_brokers_by_oauth() {
    interactive_brokers_at(IbkrWebVenue::start_oauth().await).await;
}

fn now_ms() -> i64 {
    SystemClock.now().0 / 1_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interactive_brokers_by_socket() {
    let fake = Tws::start(now_ms).await;
    let venue = Venue {
        exchange: fake.exchange(),
        plan: &|fault| fake.plan(fault),
        account: json!({"broker": "interactive_brokers", "environment": "paper", "label": "fake",
            "credentials": {}, "settings": {"connection": "tws", "port": fake.address().port()}}),
        symbol: "AAPL",
        listed: "AAPL",
        lot: Decimal::ONE,
    };
    tokio::task::block_in_place(|| goes_through(&venue));
}
