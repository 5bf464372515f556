//! Kills the real binary at every named point between receipt and recorded fill, starts it again, sends again what was
//! not answered (as TradingView does), and compares three journals: what the client was told, our books, and the paper
//! venue's own.
//!
//! Needs the feature `failpoints`: `cargo test -p atomik-server --features failpoints --test crash_points`.
//! `ATOMIK_TEST_BACKEND` says what the books are kept in.
#![cfg(feature = "failpoints")]
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S, OnOppositeEntry};
use atomik_domain::{Amount, BrokerAccountId, BrokerId, Environment, Qty, Side, SignedQty, Symbol, UserId};
use atomik_ports::directory::{NewBrokerAccount, NewStrategy, NewUser, NewWebhook, Registration};
use atomik_ports::history::{SignalRecord, TradeFilter};
use atomik_ports::{Clock, Credentials, PageRequest, Store, SystemClock};
use atomik_storage::postgres::{self, PostgresStore};
use atomik_storage::sqlite::{self, SqliteStore};
use common::{PATIENCE, atomik, backend, decimal};
use reqwest::StatusCode;
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const TOKEN: &str = "crash0point0crash0point0crash0point0";
const SECRET: &str = "9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f9a3f";
const KEY: &str = "atk_77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa77aa";
/// How many alerts a trial sends, at most, before its point must have been passed.
const ALERTS: usize = 9;

/// One data directory with a user, a paper account, a webhook and a strategy.
struct Trial {
    dir: TempDir,
    user: UserId,
    account: BrokerAccountId,
    client: reqwest::Client,
}

struct Server {
    child: Child,
    base: String,
}

/// The store of a data directory, beside a server.
async fn open_store(data_dir: &Path) -> Arc<dyn Store> {
    let now = SystemClock.now();
    if let Some(url) = backend::postgres_url(data_dir) {
        let options =
            postgres::OpenOptions { access: postgres::Access::Shared, ..postgres::OpenOptions::default() };
        return Arc::new(PostgresStore::open(&SecretString::from(url), options, now).await.unwrap());
    }
    let options = sqlite::OpenOptions { access: sqlite::Access::Shared, ..sqlite::OpenOptions::default() };
    Arc::new(SqliteStore::open_with(data_dir, options, now).await.unwrap())
}

impl Trial {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemClock.now();
        let store = open_store(dir.path()).await;
        let user =
            NewUser { email: "crash@example.com".into(), password_hash: "none".into(), created_at: now };
        let user = store.create_user(user, Registration::FirstUser).await.unwrap().id;
        store.create_api_key(user, "test".into(), Sha256::digest(KEY).into(), now).await.unwrap();
        let webhook = NewWebhook {
            user_id: user,
            name: "crash".into(),
            description: String::new(),
            token: TOKEN.into(),
            secret_hash: Sha256::digest(SECRET).into(),
            require_secret: true,
            allowed_ips: IpAllowlist::default(),
            dedupe_window_s: 1,
            created_at: now,
        };
        let webhook = store.create_webhook(webhook, None).await.unwrap().id;
        let account = NewBrokerAccount {
            user_id: user,
            broker: BrokerId("paper".into()),
            environment: Environment::Paper,
            label: "Paper".into(),
            settings: serde_json::json!({}),
            credentials: Credentials::default(),
            created_at: now,
        };
        let account = store.create_broker_account(account, None).await.unwrap().id;
        let one = Qty(Decimal::ONE);
        let strategy = NewStrategy {
            user_id: user,
            name: "crash".into(),
            webhook_id: webhook,
            broker_account_id: account,
            symbol: Symbol::parse("MES").unwrap(),
            behavior: Behavior {
                quantity: one,
                max_position: one,
                on_opposite_entry: OnOppositeEntry::Exit,
                bare_sell_opens_short: false,
                max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
            },
            active: true,
            created_at: now,
        };
        store.create_strategy(strategy, None).await.unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { dir, user, account, client }
    }

    fn spawn(&self, failpoint: Option<&str>) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::from(atomik());
        command
            .arg("serve")
            .envs(backend::variables(self.dir.path()))
            .env("ATOMIK_STORE__DATA_DIR", self.dir.path())
            .env("ATOMIK_SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if let Some(failpoint) = failpoint {
            command.env("ATOMIK_FAILPOINT", failpoint);
        }
        Server { child: command.spawn().unwrap(), base: format!("http://127.0.0.1:{port}") }
    }

    /// Waits until the server is ready; `false` where it died first.
    async fn ready(&self, server: &mut Server) -> bool {
        let url = format!("{}/readyz", server.base);
        tokio::time::timeout(PATIENCE, async {
            loop {
                if server.child.try_wait().unwrap().is_some() {
                    return false;
                }
                if self.client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the server neither became ready nor died")
    }

    /// Sends the `number`-th alert: entries and exits in turn. Returns the status; `None` where no answer came.
    async fn send(&self, server: &Server, number: usize) -> Option<u16> {
        let price = 5_000 + number;
        let body = match number % 2 {
            0 => format!(r#"{{"action":"BUY","price":"{price}","id":"alert-{number}"}}"#),
            _ => {
                format!(r#"{{"action":"SELL","comment":"EXIT_ALL","price":"{price}","id":"alert-{number}"}}"#)
            }
        };
        let url = format!("{}/api/v1/webhooks/{TOKEN}?secret={SECRET}", server.base);
        let answer = self.client.post(url).body(body).send().await.ok()?;
        Some(answer.status().as_u16())
    }

    /// Waits until the server has died at its point.
    async fn dies(&self, server: &mut Server, point: &str) {
        let died = tokio::time::timeout(PATIENCE, server.child.wait()).await;
        let status = died.unwrap_or_else(|_| panic!("{point} was never passed")).unwrap();
        assert!(!status.success(), "{point}: the server ended by itself");
    }

    /// What the broker says of the account: asked until it answers, for an account that nodes share passes from one to another.
    async fn ask_broker(&self, server: &Server, what: &str) -> Value {
        let url = format!("{}/api/v1/broker-accounts/{}/{what}", server.base, self.account);
        let answered = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = self.client.get(&url).bearer_auth(KEY).send().await.unwrap();
                if answer.status() != StatusCode::SERVICE_UNAVAILABLE {
                    return answer.error_for_status().unwrap().text().await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        serde_json::from_str(&answered.await.expect("the broker is never asked")).unwrap()
    }

    /// Every signal, once all of them are settled.
    async fn settled(&self) -> Vec<SignalRecord> {
        let store = open_store(self.dir.path()).await;
        let page = PageRequest { limit: 200, before: None };
        let all_final = |signals: &[SignalRecord]| {
            let mut outcomes = signals.iter().flat_map(|signal| &signal.outcomes);
            outcomes.all(|outcome| outcome.status.is_final())
        };
        tokio::time::timeout(PATIENCE, async {
            loop {
                let signals = store.signals(self.user, &TradeFilter::default(), page).await.unwrap().items;
                if all_final(&signals) {
                    return signals;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("some signal never got a final outcome")
    }
}

/// Sends alerts until the server has died at its point. Returns what each was answered.
async fn send_until_death(trial: &Trial, server: &mut Server, point: &str) -> Vec<Option<u16>> {
    let mut answers = Vec::new();
    if trial.ready(server).await {
        while answers.len() < ALERTS && server.child.try_wait().unwrap().is_none() {
            answers.push(trial.send(server, answers.len()).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    trial.dies(server, point).await;
    answers
}

/// Crashes there, and then, where another point is named behind it (`one then another`), there while it starts again.
async fn crash_at(points: &str) {
    let trial = Trial::new().await;
    let (point, again) =
        points.split_once(" then ").map_or((points, None), |(one, other)| (one, Some(other)));
    let mut server = trial.spawn(Some(point));
    let answers = send_until_death(&trial, &mut server, point).await;
    if let Some(again) = again {
        trial.dies(&mut trial.spawn(Some(again)), again).await;
    }

    let mut server = trial.spawn(None);
    assert!(trial.ready(&mut server).await, "{points}: the next start died");
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Some(202) => {}
            Some(status) => panic!("{points}: alert {number} was answered {status}"),
            None => {
                assert_eq!(
                    trial.send(&server, number).await,
                    Some(202),
                    "{points}: alert {number} sent again"
                )
            }
        }
    }
    let signals = trial.settled().await;

    for number in 0..answers.len() {
        let id = format!("\"alert-{number}\"");
        let stored: Vec<_> = signals.iter().filter(|record| record.signal.payload.contains(&id)).collect();
        assert_eq!(stored.len(), 1, "{points}: alert {number} is stored {} times", stored.len());
        assert_eq!(stored[0].outcomes.len(), 1, "{points}: alert {number} has one outcome");
        let filled = stored[0].fills.iter().fold(Qty::ZERO, |sum, (_, fill)| sum + fill.execution.last_qty);
        assert!(filled <= Qty(Decimal::ONE), "{points}: alert {number} filled {filled}");
    }
    assert_books_equal(&trial, &server, &signals, points).await;
    server.child.kill().await.unwrap();
}

/// Our fills, added up, are what the venue holds and what its cash says.
async fn assert_books_equal(trial: &Trial, server: &Server, signals: &[SignalRecord], point: &str) {
    let fills = || signals.iter().flat_map(|record| &record.fills).map(|(_, fill)| fill);
    let ours = fills().fold(SignedQty::ZERO, |net, fill| net + fill.side.signed(fill.execution.last_qty));
    let held = trial.ask_broker(server, "positions").await;
    let held = held["items"].as_array().unwrap().iter().map(|row| decimal(&row["net_qty"])).sum::<Decimal>();
    assert_eq!(ours.0, held, "{point}: our position and the venue's");

    let profit =
        fills().fold(Amount::ZERO, |sum, fill| sum + fill.realized_profit - fill.execution.commission);
    let balance = trial.ask_broker(server, "balance").await;
    assert_eq!(
        decimal(&balance["cash"]),
        Decimal::from(100_000) + profit.0,
        "{point}: our profit and the venue's cash"
    );

    let entries = fills().filter(|fill| fill.side == Side::Buy).count();
    assert!(entries > 0, "{point}: nothing traded at all");
}

macro_rules! crash_points {
    ($($name:ident: $($point:literal),+;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for point in [$($point),+] {
                crash_at(point).await;
            }
        }
    )*};
}

crash_points! {
    before_the_commit: "before_commit=1", "before_commit=2", "before_commit=5";
    after_the_commit_before_the_answer: "after_commit=1", "after_commit=2", "after_commit=5";
    before_an_intent_is_recorded: "before_record=1", "before_record=2", "before_record=4";
    after_an_intent_is_recorded: "after_record=1", "after_record=2", "after_record=4";
    before_the_order_is_sent: "before_submit=1", "before_submit=2", "before_submit=3";
    after_the_venue_answered: "after_submit=1", "after_submit=2", "after_submit=3";
    before_the_venue_commits: "paper_before_commit=1", "paper_before_commit=2", "paper_before_commit=3";
    after_the_venue_committed: "paper_after_commit=1", "paper_after_commit=2", "paper_after_commit=3";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_account_is_taken_over() {
    if !backend::is_shared("a node that dies while it takes over what another left") {
        return;
    }
    for points in ["after_commit=2 then leased", "after_record=2 then leased", "after_submit=1 then leased"] {
        crash_at(points).await;
    }
}
