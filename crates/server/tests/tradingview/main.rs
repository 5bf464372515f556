//! A client that behaves as TradingView does, against the real binary: bursts at the close of a bar, opposite alerts in one
//! instant, restarts and failures in between. Two journals say what is true: what the client was told, and what the paper venue
//! holds. Between them nothing is lost, nothing doubled, nothing unexpected.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

#[path = "../common/mod.rs"]
mod common;

mod client;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant as Tick, sleep, sleep_until};

use client::{Answer, SOURCES, TradingView};
use common::manager::{Manager, Process, ask};
use common::{PATIENCE, Quickstart, Server, body_of, quickstart, settled_and_equal, status_of};

/// The pauses between sends, as a part of TradingView's.
const SCALE: f64 = 0.1;

/// A trader with webhooks that only TradingView may use, each with a strategy.
struct Trader {
    manager: Manager,
    process: Process,
    made: Quickstart,
    /// Paths with secrets.
    hooks: Vec<String>,
}

impl Trader {
    fn new(hooks: usize, strategy: &Value) -> Self {
        let manager = Manager::new();
        let process = manager.spawn();
        manager.hear("READY=1");
        let made = quickstart(&manager.data_dir(), &format!("http://{}", manager.address()), &[]);
        let mut trader = Self { manager, process, made, hooks: Vec::new() };
        for number in 0..hooks {
            let name = format!("hook {number}");
            let hook = trader.post("/api/v1/webhooks", &json!({"name": name, "allowed_ips": SOURCES}));
            let mut body = json!({"name": name, "webhook_id": hook["id"], "broker_account_id": 1, "symbol": "MES",
                "quantity": "1", "max_signal_age_s": 600, "active": true});
            body.as_object_mut().unwrap().extend(strategy.as_object().unwrap().clone());
            trader.post("/api/v1/strategies", &body);
            let (token, secret) = (hook["token"].as_str().unwrap(), hook["secret"].as_str().unwrap());
            trader.hooks.push(format!("/api/v1/webhooks/{token}?secret={secret}"));
        }
        trader
    }

    /// Posted until it is taken: a strategy's symbol is asked for at the broker, where the account may not be connected yet.
    fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
             content-length: {}\r\n\r\n{body}",
            self.made.key,
            body.len()
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = ask(&self.manager.address(), &request).unwrap();
            if status_of(&answer) == 201 {
                return serde_json::from_str(body_of(&answer)).unwrap();
            }
            assert!(status_of(&answer) == 503 && Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self) -> Arc<TradingView> {
        TradingView::new(&self.manager.address(), SCALE)
    }

    /// Starts the next process, which has the socket that the last one had.
    fn start_again(&mut self) {
        self.process = self.manager.spawn();
        self.manager.hear("READY=1");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.pid()]).status().unwrap().success());
    }

    /// Lets no file of the process grow beyond so many bytes: nothing can be stored then.
    fn limit_files(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:");
        let limited = Command::new("prlimit").args(["--pid", &self.process.pid(), &limit]).status();
        assert!(limited.unwrap().success());
    }

    /// Compares the journals: what was answered 202 is one signal, what was refused each time or repeats another one is
    /// none, what was not answered is one at most, and there is no other. Gives signals and positions.
    fn assert_exactly_once(mut self, client: &TradingView) -> (Vec<Value>, Vec<Value>) {
        self.process.ask_to_end();
        assert!(self.process.end().success());
        let server = Server::start(&self.manager.data_dir());
        let signals = settled_and_equal(&server, &self.made.key);
        let journal = client.journal();
        let detailed: Vec<_> = signals
            .iter()
            .map(|signal| server.get(&format!("/api/v1/signals/{}", signal["id"]), &self.made.key))
            .collect();
        let of = |mark: &str| {
            detailed.iter().filter(|signal| signal["payload"].as_str().unwrap().contains(mark)).count()
        };
        let mut explained = 0;
        for fired in &journal {
            let stored = of(&fired.mark);
            explained += stored;
            match fired.answers.last().unwrap() {
                Answer::Status(202) => assert_eq!(stored, 1, "lost or doubled: {fired:?}"),
                Answer::Repeat => assert_eq!(stored, 0, "the repeat of another traded: {fired:?}"),
                _ if !fired.answers.contains(&Answer::Nothing) => {
                    assert_eq!(stored, 0, "refused, and traded: {fired:?}");
                }
                _ => assert!(stored <= 1, "doubled: {fired:?}"),
            }
        }
        assert_eq!(explained, signals.len(), "a signal that nobody sent");
        for signal in &signals {
            assert_eq!(signal["strategies"].as_array().unwrap().len(), 1, "one outcome: {signal}");
        }
        (signals, server.list("/api/v1/positions", &self.made.key))
    }
}

/// A message of a strategy whose order id is the comment, as TradingView's template makes it; `mark` is its own.
fn message(action: &str, comment: &str, mark: &str) -> String {
    format!(
        r#"{{"action":"{action}","comment":"{comment}","price":"5000.25","time":"2026-03-20T12:34:56Z","n":"{mark}"}}"#
    )
}

/// Fires on every hook, bar after bar, until told to end: a long position is opened and closed in turn.
async fn bars(client: &Arc<TradingView>, hooks: &[String], enough: &tokio::sync::Notify) {
    let mut fired = JoinSet::new();
    let mut bar = 0;
    let ended = enough.notified();
    tokio::pin!(ended);
    loop {
        for (hook, path) in hooks.iter().enumerate() {
            let (client, path, mark) = (Arc::clone(client), path.clone(), format!("<{hook}/{bar}>"));
            // Another comment each time: the same alert within a second would be a repeat.
            let text = if bar % 2 == 0 {
                message("BUY", &format!("Long {bar}"), &mark)
            } else {
                message("SELL", "EXIT_ALL", &mark)
            };
            fired.spawn(async move { client.fire(&path, &mark, &text).await });
        }
        bar += 1;
        tokio::select! {
            () = &mut ended => break,
            () = sleep(Duration::from_millis(500)) => {}
        }
    }
    fired.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_failures_lose_nothing_and_double_nothing() {
    let mut trader = block_in_place(|| Trader::new(10, &json!({})));
    let (client, hooks) = (trader.client(), trader.hooks.clone());
    let enough = Arc::new(tokio::sync::Notify::new());
    let firing = {
        let (client, enough) = (Arc::clone(&client), Arc::clone(&enough));
        tokio::spawn(async move { bars(&client, &hooks, &enough).await })
    };
    let embedded = common::backend::is_embedded("failures of the disk between restarts");
    let pause = || sleep(Duration::from_millis(1_200));
    for round in 0..2 {
        pause().await;
        block_in_place(|| {
            trader.process.ask_to_end();
            assert!(trader.process.end().success());
            trader.start_again();
        });
        pause().await;
        if embedded {
            trader.limit_files("4096");
            pause().await;
            if round == 0 {
                trader.limit_files("unlimited");
                pause().await;
            }
        }
        // In the second round what was answered 503 is sent again to another process.
        block_in_place(|| {
            trader.process.kill();
            trader.start_again();
        });
    }
    pause().await;
    // Longer than TradingView waits.
    trader.signal("-STOP");
    sleep(Duration::from_millis(3_500)).await;
    trader.signal("-CONT");
    pause().await;
    enough.notify_one();
    firing.await.unwrap();
    let journal = client.journal();
    let resent = journal.iter().filter(|fired| fired.answers.len() > 1 && fired.is_accepted()).count();
    let unanswered = journal.iter().filter(|fired| fired.answers.contains(&Answer::Nothing)).count();
    println!("{} alerts: {resent} accepted after a failure, {unanswered} without an answer", journal.len());
    assert!(unanswered > 0, "nobody was cut off");
    assert!(resent > 0 || !embedded, "nothing was sent again");
    block_in_place(|| trader.assert_exactly_once(&client));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_alerts_within_a_second_are_a_thousand_signals() {
    let trader = block_in_place(|| Trader::new(100, &json!({"max_position": "100"})));
    let client = trader.client();
    let began = Tick::now() + Duration::from_millis(200);
    let mut fired = JoinSet::new();
    for number in 0..1_000_u32 {
        let path = trader.hooks[usize::try_from(number).unwrap() % trader.hooks.len()].clone();
        let (client, mark) = (Arc::clone(&client), format!("<{number}>"));
        let text = message("BUY", &format!("Long {number}"), &mark);
        fired.spawn(async move {
            sleep_until(began + Duration::from_micros(u64::from(number) * 1_000)).await;
            let sent = Instant::now();
            client.fire(&path, &mark, &text).await;
            sent.elapsed()
        });
    }
    let mut took = fired.join_all().await;
    took.sort_unstable();
    let again = client.journal().iter().filter(|fired| fired.answers.len() > 1).count();
    println!("1,000 alerts: half within {:?}, all within {:?}; {again} sent again", took[500], took[999]);
    assert!(client.journal().iter().all(client::Fired::is_accepted), "{:?}", client.journal());
    let (signals, _) = block_in_place(|| trader.assert_exactly_once(&client));
    assert_eq!(signals.len(), 1_000);
    let filled = signals.iter().filter(|signal| signal["status"] == "filled").count();
    assert!(filled > 0, "the account's money is enough for some of them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opposite_alerts_in_one_instant_are_taken_one_after_the_other() {
    for strategy in [json!({}), json!({"on_opposite_entry": "reverse"})] {
        let trader = block_in_place(|| Trader::new(5, &strategy));
        let client = trader.client();
        for bar in 0..8 {
            let mut fired = JoinSet::new();
            for (hook, path) in trader.hooks.iter().enumerate() {
                for (action, comment) in
                    [("BUY", "ENTRY"), ("SELL", if hook % 2 == 0 { "ENTRY" } else { "EXIT_ALL" })]
                {
                    let (client, path, mark) =
                        (Arc::clone(&client), path.clone(), format!("<{hook}/{bar}/{action}>"));
                    fired.spawn(
                        async move { client.fire(&path, &mark, &message(action, comment, &mark)).await },
                    );
                }
            }
            fired.join_all().await;
            // The window of repeats: the next bar's alerts are others.
            sleep(Duration::from_millis(1_100)).await;
        }
        assert!(client.journal().iter().all(client::Fired::is_accepted), "{:?}", client.journal());
        let (_, positions) = block_in_place(|| trader.assert_exactly_once(&client));
        for position in positions {
            let net = common::decimal(&position["net_qty"]).abs();
            assert!(net <= rust_decimal::Decimal::ONE, "more than one strategy may hold: {position}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_tradingviews_or_not_json_never_trades_and_is_not_sent_again() {
    let trader = block_in_place(|| Trader::new(1, &json!({})));
    let (client, path) = (trader.client(), trader.hooks[0].clone());
    assert_eq!(
        client.send("127.0.0.9", &path, &message("BUY", "Long", "<0>")).await.unwrap(),
        Answer::Status(403)
    );
    for (number, text) in
        ["buy ES at 5000 <1>", r#"{"action":"BUY" "n":"<2>"}"#, r#"{"action":"hold","n":"<3>"}"#]
            .iter()
            .enumerate()
    {
        client.fire(&path, &format!("<{}>", number + 1), text).await;
    }
    // With a byte order mark it is no JSON to most readers, so it comes as text; here it is read all the same.
    client.fire(&path, "<4>", "\u{feff}{\"action\":\"BUY\",\"n\":\"<4>\"}").await;
    let answers: Vec<_> = client.journal().into_iter().map(|fired| fired.answers).collect();
    assert_eq!(answers, [422, 422, 422, 202].map(|status| vec![Answer::Status(status)]));
    assert_eq!(block_in_place(|| trader.assert_exactly_once(&client)).0.len(), 1);
}
