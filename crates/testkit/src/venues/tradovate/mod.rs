//! A fake Tradovate: its REST calls and its user stream, for one user.
//!
//! - `rest` answers requests; `entities` writes what the venue calls entities; `socket` is the stream.
//!
//! What it does is taken from the venue's documents: business errors and penalties inside a 200, an empty 429, two sessions
//! a user of which the oldest closes, orders that carry no client order id and commands that do, no check of client order
//! ids, a stream that tells only the entity types that were asked for, and closes where no heartbeat comes.

mod entities;
mod rest;
mod socket;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::watch;

use super::exchange::{Exchange, Market, Unique};
use super::faults::{Script, StreamFault};
use super::server::Server;
use super::spec::Spec;

/// The user's name.
pub const USERNAME: &str = "trader-one";
/// The user's password.
pub const PASSWORD: &str = "correct-horse-battery";
/// The API key's id: longer than a number that is in a log by chance.
pub const CID: &str = "471108154711";
/// The API key's secret.
pub const SEC: &str = "f03741b6-f634-48d6-9308-c8fb871150c2";
/// The OAuth application's id.
pub const CLIENT_ID: &str = "815";
/// The OAuth application's secret.
pub const CLIENT_SECRET: &str = "oauth-application-secret";
/// A refresh token of the application's.
pub const REFRESH_TOKEN: &str = "refresh-token-of-the-user";
/// An authorization code, good once.
pub const CODE: &str = "authorization-code-of-the-user";
/// Where the code was sent to.
pub const REDIRECT_URI: &str = "https://atomik.example/oauth";
/// The account that trades.
pub const ACCOUNT: i64 = 1_201;
/// Another account of the user's, which is not active until [`FakeTradovate::activate_second_account`].
pub const SECOND_ACCOUNT: i64 = 1_202;
/// What a contract costs to trade, each way.
pub const COMMISSION: &str = "1.29";

/// When the venue's time begins: 2026-03-20, in the morning.
const START_MS: i64 = 1_774_000_000_000;
static NOW_MS: AtomicI64 = AtomicI64::new(START_MS);

/// A product: name, id, tick, money per point, month letters, and the months with their expiry and first notice.
struct Product {
    name: &'static str,
    id: i64,
    tick: &'static str,
    per_point: i64,
    months: Option<&'static str>,
    maturities: &'static [(u32, &'static str, Option<&'static str>)],
}

/// Quarterly, monthly, and one that is delivered and lists months that it hardly trades.
const PRODUCTS: &[Product] = &[
    Product { name: "ES", id: 11, tick: "0.25", per_point: 50, months: Some("HMUZ"), maturities: QUARTERS },
    Product { name: "MES", id: 12, tick: "0.25", per_point: 5, months: Some("HMUZ"), maturities: QUARTERS },
    Product {
        name: "CL",
        id: 13,
        tick: "0.01",
        per_point: 1_000,
        months: None,
        maturities: &[
            (202_604, "2026-03-20T18:30:00Z", None),
            (202_605, "2026-04-21T18:30:00Z", None),
            (202_606, "2026-05-19T18:30:00Z", None),
        ],
    },
    Product {
        name: "GC",
        id: 14,
        tick: "0.1",
        per_point: 100,
        months: Some("GJMQVZ"),
        maturities: &[
            (202_604, "2026-04-28T17:30:00Z", Some("2026-03-31T00:00:00Z")),
            (202_605, "2026-05-27T17:30:00Z", Some("2026-04-30T00:00:00Z")),
            (202_606, "2026-06-26T17:30:00Z", Some("2026-05-29T00:00:00Z")),
        ],
    },
    Product {
        name: "6J",
        id: 15,
        tick: "0.0000005",
        per_point: 12_500_000,
        months: None,
        maturities: &[(202_606, "2026-06-15T14:16:00Z", None)],
    },
];

const QUARTERS: &[(u32, &str, Option<&str>)] = &[
    (202_603, "2026-03-20T13:30:00Z", None),
    (202_606, "2026-06-19T13:30:00Z", None),
    (202_609, "2026-09-18T13:30:00Z", None),
    (202_612, "2026-12-18T14:30:00Z", None),
];

/// A contract that is listed.
#[derive(Clone, Debug)]
struct Listed {
    id: i64,
    name: String,
    maturity_id: i64,
}

/// The venue. It ends when it is dropped.
#[derive(Debug)]
pub struct FakeTradovate {
    /// Its address and what it received.
    pub server: Server,
    venue: Arc<Venue>,
}

#[derive(Debug)]
struct Venue {
    exchange: Exchange,
    script: Script,
    contracts: Vec<Listed>,
    state: Mutex<State>,
    /// Sockets end when this changes.
    epoch: watch::Sender<u64>,
    last_token: AtomicU64,
    /// How long a reply to an order waits while reports come early.
    early: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// The two sessions that a user may have, the oldest first: each with the token that is good.
    sessions: VecDeque<String>,
    second_account: bool,
    disturbed: BTreeSet<u8>,
    /// A penalty that was given out: its ticket, and the body that may come again with it.
    penalty: Option<(String, Value)>,
    penalty_seconds: u64,
    penalty_captcha: bool,
    /// A refusal that every login gets.
    login_error: Option<String>,
    login_penalty: Option<u64>,
    /// Orders whose status is a word that no document knows.
    strange: BTreeSet<u64>,
    /// Orders that fill when their cancel comes.
    fills_first: BTreeSet<u64>,
    codes_used: bool,
    /// Failure words of the next orders.
    failures: VecDeque<String>,
    /// Whether fees are told.
    hides_fees: bool,
    logins: u32,
    renewals: u32,
    beats: u64,
    shutdown: Option<String>,
    /// Whether a client that is silent is kept.
    is_patient: bool,
}

impl FakeTradovate {
    /// A venue on a free port, flat, with 100,000 of money and every contract at 5,000. With a `spec`, what it receives and
    /// answers is held against it.
    pub async fn start(spec: Option<Spec>) -> Self {
        let exchange =
            Exchange::new(Unique::Not, Decimal::from(100_000), || NOW_MS.fetch_add(1, Ordering::Relaxed));
        let mut contracts = Vec::new();
        for product in PRODUCTS {
            for (at, (month, _, _)) in (0_i64..).zip(product.maturities) {
                let name = entities::contract_name(product.name, *month);
                let market = Market {
                    commission: COMMISSION.parse().unwrap(),
                    multiplier: Decimal::from(product.per_point),
                    ..Market::at(Decimal::from(5_000))
                };
                exchange.list(&name, market);
                let maturity_id = product.id * 100 + at;
                contracts.push(Listed { id: maturity_id + 50_000, name, maturity_id });
            }
        }
        let venue = Arc::new(Venue {
            exchange,
            script: Script::default(),
            contracts,
            state: Mutex::default(),
            epoch: watch::Sender::new(0),
            last_token: AtomicU64::new(0),
            early: Duration::from_millis(100),
        });
        let server = Server::start(rest::router(Arc::clone(&venue)), spec).await;
        Self { server, venue }
    }

    /// The book behind it.
    #[must_use]
    pub fn exchange(&self) -> &Exchange {
        &self.venue.exchange
    }

    /// What befalls the next orders.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.venue.script
    }

    /// Disturbs the stream from now on.
    pub fn disturb(&self, fault: StreamFault) {
        if fault == StreamFault::Gap {
            self.break_streams();
        } else {
            self.venue.state().disturbed.insert(fault as u8);
        }
    }

    /// Breaks every open stream, without a word.
    pub fn break_streams(&self) {
        self.venue.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Tells every open stream that the server shuts down.
    pub fn shut_down(&self, reason: &str) {
        self.venue.state().shutdown = Some(reason.to_owned());
        self.break_streams();
    }

    /// Ends every session: the tokens given out are good no more.
    pub fn end_sessions(&self) {
        self.venue.state().sessions.clear();
    }

    /// Makes the user's second account active.
    pub fn activate_second_account(&self) {
        self.venue.state().second_account = true;
    }

    /// Refuses every login from now on with these words.
    pub fn refuse_logins(&self, words: &str) {
        self.venue.state().login_error = Some(words.to_owned());
    }

    /// Answers the next login with a penalty of so many seconds.
    pub fn penalize_login(&self, seconds: u64) {
        self.venue.state().login_penalty = Some(seconds);
    }

    /// Makes the next penalties of orders so long, and whether a captcha is asked for.
    pub fn set_penalty(&self, seconds: u64, captcha: bool) {
        let mut state = self.venue.state();
        (state.penalty_seconds, state.penalty_captcha) = (seconds, captcha);
    }

    /// Refuses the next order with this word.
    pub fn fail_next_order(&self, word: &str) {
        self.venue.state().failures.push_back(word.to_owned());
    }

    /// Tells no fees from now on.
    pub fn hide_fees(&self) {
        self.venue.state().hides_fees = true;
    }

    /// How many logins and renewals succeeded.
    #[must_use]
    pub fn logins_and_renewals(&self) -> (u32, u32) {
        let state = self.venue.state();
        (state.logins, state.renewals)
    }

    /// Keeps clients that show no sign of life, for tests that let hours pass at once.
    pub fn be_patient(&self) {
        self.venue.state().is_patient = true;
    }

    /// How many heartbeats came.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.venue.state().beats
    }
}

impl Venue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_disturbed(&self, fault: StreamFault) -> bool {
        self.state().disturbed.contains(&(fault as u8))
    }

    fn contract(&self, name: &str) -> Option<&Listed> {
        self.contracts.iter().find(|contract| contract.name.eq_ignore_ascii_case(name))
    }

    /// A new token; with it the user's oldest session over two ends.
    fn begin_session(&self) -> String {
        let token = format!("access-token-{}", self.last_token.fetch_add(1, Ordering::Relaxed) + 1);
        let mut state = self.state();
        state.sessions.push_back(token.clone());
        if state.sessions.len() > 2 {
            state.sessions.pop_front();
        }
        token
    }

    fn is_good(&self, token: &str) -> bool {
        self.state().sessions.iter().any(|good| good == token)
    }

    /// What is held by contract, without what is flat.
    fn held(&self) -> BTreeMap<String, super::exchange::Held> {
        self.exchange.held()
    }
}
