//! From a signal's receipt to its order's bytes on a broker's socket: futures accounts, each at a fake venue of its own in this
//! process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_domain::UnixMicros;
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup, SYMBOL};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::load::{self, Pace, new_histogram, request};
use crate::report::{Line, QUANTILES, micros_at, ms, quantiles};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup, Stamps};

/// How many accounts there are, each with a webhook and a strategy: so many that at the fastest pace none comes near what Binance
/// takes of one account, or Atomik of one webhook.
const ACCOUNTS: usize = 250;
/// How many of them hang in the second run.
const HANGING: usize = ACCOUNTS / 5;
/// A steady stream: signals a second, and how many each webhook gets.
type Stream = (u32, usize);
/// The warm-up, then what is measured.
const WARM_UP: Stream = (100, 1);
const STREAMS: [Stream; 3] = [(100, 4), (500, 20), (2_000, 48)];
/// The one that some accounts hang in.
const BESIDE_HANGING: Stream = (500, 20);
/// How long accounts may take to connect, and orders to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a stream took, in microseconds, at the accounts that do not hang.
struct ToBroker {
    /// From a signal's receipt to its order's last byte at the broker.
    from_receipt_us: Histogram<u64>,
    /// The same from the signal's storing, which is stamped before its commit.
    from_stored_us: Histogram<u64>,
}

pub async fn measure() -> Result<Vec<Line>> {
    let streams = run(&STREAMS, 0).await?;
    println!("Beside {HANGING} accounts that hang ...");
    let beside_hanging = run(&[BESIDE_HANGING], HANGING).await?;
    let mut lines = Vec::new();
    for ((rate, _), took) in STREAMS.iter().zip(&streams) {
        lines.extend(stream_lines(*rate, took));
    }
    let alike = STREAMS.iter().zip(&streams).find(|(stream, _)| **stream == BESIDE_HANGING);
    let (_, alone) = alike.context("the stream beside hanging accounts is measured alone as well")?;
    let others = beside_hanging.first().context("nothing was measured")?;
    let late_us = |took: &ToBroker| micros_at(&took.from_receipt_us, 0.99);
    let ratio = late_us(others) / late_us(alone);
    lines.push(Line::against(
        &format!(
            "{} signals a second, a fifth of the accounts hanging: the others' p99, as a ratio",
            BESIDE_HANGING.0
        ),
        format!("{ratio:.2}"),
        "<= 2",
        ratio <= 2.0,
    ));
    Ok(lines)
}

fn stream_lines(rate: u32, took: &ToBroker) -> Vec<Line> {
    let what = format!("{rate} signals a second to {ACCOUNTS} broker accounts");
    let from_receipt = format!("{what}: receipt to broker's socket, {QUANTILES}");
    if rate != 500 {
        return vec![Line::plain(&from_receipt, quantiles(&took.from_receipt_us))];
    }
    let late_us = micros_at(&took.from_receipt_us, 0.99);
    let stored_us = [0.5, 0.99].map(|at| micros_at(&took.from_stored_us, at));
    vec![
        Line::against(&from_receipt, quantiles(&took.from_receipt_us), "p99 < 2 ms", late_us < 2_000.0),
        Line::against(
            &format!("{what}: stored to broker's socket, p50 / p99"),
            stored_us.map(ms).join(" / "),
            "< 1 ms / < 5 ms",
            stored_us[0] < 1_000.0 && stored_us[1] < 5_000.0,
        ),
    ]
}

/// Sends the streams, one after the other, and reads from the venues when the orders of those accounts came that do not hang.
async fn run(streams: &[Stream], hanging: usize) -> Result<Vec<ToBroker>> {
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let webhooks = setup.create_webhooks(ACCOUNTS).await?;
    let key = setup.create_api_key().await?;
    setup.close().await;

    let allowed = [("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true")];
    let server = Server::start_atomik_with(dir.path(), &allowed).await?;
    let mut connection = Connection::open(server.port).await?;
    let mut venues = Vec::with_capacity(ACCOUNTS);
    for (webhook, _) in &webhooks {
        let venue = FakeBinance::start(FakeSetup { checked: false, ..FakeSetup::of(FakeMarket::Usdm) }).await;
        link(&mut connection, &key, webhook.0, &venue).await?;
        venues.push(venue);
    }
    wait_until_connected(&mut connection, &key).await?;

    let credentials: Vec<Credentials> = webhooks.into_iter().map(|(_, made)| made).collect();
    // One order each first, not counted: rules are known, books compared and connections warm afterwards.
    send(&server, &credentials, WARM_UP).await?;
    wait_for_orders(&venues, WARM_UP.1).await?;
    for venue in &venues[..hanging] {
        venue.server.hang();
    }
    let answering = &venues[hanging..];
    let mut each = WARM_UP.1;
    for stream in streams {
        println!("{} signals a second to {ACCOUNTS} broker accounts ...", stream.0);
        send(&server, &credentials, *stream).await?;
        each += stream.1;
        wait_for_orders(answering, each).await?;
    }
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let signals = setup.signals_of_orders().await?;
    setup.close().await;
    let arrived: Vec<_> = answering.iter().map(arrived).collect();
    let mut before = WARM_UP.1;
    let mut measured = Vec::with_capacity(streams.len());
    for (_, each) in streams {
        measured.push(took(&arrived, before, *each, &signals)?);
        before += each;
    }
    Ok(measured)
}

/// What the orders took that came to each venue after so many.
fn took(
    arrived: &[Vec<(String, UnixMicros)>],
    before: usize,
    each: usize,
    signals: &HashMap<String, Stamps>,
) -> Result<ToBroker> {
    let mut took = ToBroker { from_receipt_us: new_histogram()?, from_stored_us: new_histogram()? };
    for orders in arrived {
        for (name, at) in orders.iter().skip(before).take(each) {
            let signal = signals.get(name).with_context(|| format!("nobody recorded the order {name}"))?;
            let micros_since = |earlier| u64::try_from(at.micros_since(earlier).max(1));
            took.from_receipt_us.saturating_record(micros_since(signal.received_at)?);
            took.from_stored_us.saturating_record(micros_since(signal.stored_at)?);
        }
    }
    let count = took.from_receipt_us.len();
    ensure!(count == (arrived.len() * each) as u64, "{count} orders arrived");
    println!("  receipt to broker's socket: {QUANTILES} {}", quantiles(&took.from_receipt_us));
    Ok(took)
}

async fn send(server: &Server, credentials: &[Credentials], (rate, each): Stream) -> Result<()> {
    let requests = requests(credentials, each, &format!("{rate} a second"));
    load::send_all(&[server.port], requests, Pace::per_second(rate)).await.map(drop)
}

/// Links an account at the venue, with a strategy behind the webhook that never runs into its limit.
async fn link(connection: &mut Connection, key: &str, webhook: i64, venue: &FakeBinance) -> Result<()> {
    let account = json!({"broker": "binance", "environment": "testnet", "label": format!("bench {webhook}"),
        "credentials": {"api_key": "fake-api-key", "secret_key": "fake-secret-key"},
        "settings": {"market": "usdm", "base_url": venue.server.http(), "stream_url": venue.server.ws()}});
    let account = connection.post("/api/v1/broker-accounts", key, &account).await?;
    let strategy = json!({"name": format!("bench {webhook}"), "webhook_id": webhook,
        "broker_account_id": account["id"], "symbol": SYMBOL, "quantity": "0.01", "max_position": "1",
        "active": true});
    connection.post("/api/v1/strategies", key, &strategy).await?;
    Ok(())
}

async fn wait_until_connected(connection: &mut Connection, key: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let accounts = accounts(connection, key).await?;
        let ready = accounts.iter().filter(|account| account["status"]["state"] == "ready").count();
        if ready == ACCOUNTS {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{ready} of {ACCOUNTS} accounts connected: {accounts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// All pages of them.
async fn accounts(connection: &mut Connection, key: &str) -> Result<Vec<Value>> {
    let mut accounts = Vec::with_capacity(ACCOUNTS);
    let mut query = String::new();
    loop {
        let path = format!("/api/v1/broker-accounts?limit=200{query}");
        let (_, body) = connection.get(&path, Some(key)).await?;
        let mut page: Value = serde_json::from_str(&body).context("the accounts are not JSON")?;
        let items = page["items"].as_array_mut().with_context(|| format!("no list of accounts: {body}"))?;
        accounts.append(items);
        match page["next_cursor"].as_str() {
            Some(next) => query = format!("&cursor={next}"),
            None => return Ok(accounts),
        }
    }
}

async fn wait_for_orders(venues: &[FakeBinance], each: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while let Some(late) = venues.iter().map(|venue| arrived(venue).len()).find(|count| *count < each) {
        ensure!(Instant::now() < deadline, "{late} of {each} orders came to one venue");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// The names of the orders that came to a venue, and when their last byte was there.
fn arrived(venue: &FakeBinance) -> Vec<(String, UnixMicros)> {
    let received = venue.server.received();
    let orders = received
        .iter()
        .filter(|one| one.method == "POST" && one.path_and_query.starts_with("/fapi/v1/order"));
    let name = |text: &str| -> Option<String> {
        let params: HashMap<_, _> = text.split(['?', '&']).filter_map(|pair| pair.split_once('=')).collect();
        params.get("newClientOrderId").map(|name| (*name).to_owned())
    };
    let named = |one: &atomik_testkit::venues::server::Received| {
        let name = name(&one.path_and_query).or_else(|| name(&String::from_utf8_lossy(&one.body)))?;
        Some((name, one.at))
    };
    orders.filter_map(named).collect()
}

fn requests(credentials: &[Credentials], each: usize, word: &str) -> Arc<Vec<Vec<u8>>> {
    let mut requests = Vec::with_capacity(credentials.len() * each);
    for turn in 0..each {
        for Credentials { token, secret } in credentials {
            let body = format!("{{\"action\":\"BUY\",\"comment\":\"{word} {turn}\"}}");
            requests.push(request(token, secret, &body));
        }
    }
    Arc::new(requests)
}
