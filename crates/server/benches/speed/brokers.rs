//! From a stored signal to its order's bytes on a broker's socket: fifty futures accounts, each at a fake venue of its own in
//! this process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_domain::UnixMicros;
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup, SYMBOL};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::load::{self, Connection, Pace, new_histogram, request};
use crate::report::{Report, ToBroker};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup};

/// How many accounts there are, each with a webhook and a strategy.
pub const ACCOUNTS: usize = 50;
/// How many of them hang in the second run.
const HANGING: usize = ACCOUNTS / 5;
/// How many signals each webhook gets.
const EACH: usize = 40;
/// The pace: 200 signals a second, for ten seconds.
const GAP: Duration = Duration::from_millis(5);
/// How long accounts may take to connect, and orders to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn measure(report: &mut Report) -> Result<()> {
    println!("{} signals to {ACCOUNTS} broker accounts ...", ACCOUNTS * EACH);
    let all_us = run(0).await?;
    println!("The same, with {HANGING} of the accounts hanging ...");
    let others_us = run(HANGING).await?;
    report.to_broker = Some(ToBroker { all_us, others_us });
    Ok(())
}

/// Sends all signals, and reads from the venues when the orders of those accounts came that do not hang.
async fn run(hanging: usize) -> Result<Histogram<u64>> {
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
    load::send_all(&[server.port], requests(&credentials, 1, "warm"), Pace::Every(GAP)).await?;
    wait_for_orders(&venues, 1).await?;
    for venue in &venues[..hanging] {
        venue.server.hang();
    }
    load::send_all(&[server.port], requests(&credentials, EACH, "bench"), Pace::Every(GAP)).await?;
    wait_for_orders(&venues[hanging..], 1 + EACH).await?;
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let stored_at = setup.stored_at().await?;
    setup.close().await;
    let mut micros = new_histogram()?;
    for venue in &venues[hanging..] {
        let orders = arrived(venue);
        // The first is the warm-up's.
        for (name, at) in &orders[1..] {
            let stored = stored_at.get(name).with_context(|| format!("nobody recorded the order {name}"))?;
            micros.saturating_record(u64::try_from(at.micros_since(*stored).max(1))?);
        }
    }
    ensure!(micros.len() == ((ACCOUNTS - hanging) * EACH) as u64, "{} orders arrived", micros.len());
    let (half, late) = (micros.value_at_quantile(0.5), micros.value_at_quantile(0.99));
    println!("  stored to broker's socket: p50 {half} us, p99 {late} us");
    Ok(micros)
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
        let (_, body) = connection.get("/api/v1/broker-accounts?limit=200", Some(key)).await?;
        let accounts: Value = serde_json::from_str(&body).context("the accounts are not JSON")?;
        let accounts =
            accounts["items"].as_array().with_context(|| format!("no list of accounts: {body}"))?;
        let ready = accounts.iter().filter(|account| account["status"]["state"] == "ready").count();
        if ready == ACCOUNTS {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{ready} of {ACCOUNTS} accounts connected: {body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
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
