//! Signals that trade on paper accounts, each from its first byte to recorded fills: as many as it carries, all bars closing at
//! once, and steady streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_ports::clock::{Clock, SystemClock};
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::connection::Connection;
use crate::load::{self, Pace, Run, new_histogram, request};
use crate::report::{Line, QUANTILES, micros_at, ms, quantiles};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup, Timelines};

/// Over how many paper accounts the strategies are spread.
const ACCOUNTS: usize = 100;
/// How long the last fill may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signals to webhooks with one strategy each, on its own symbol.
#[derive(Clone, Copy, Debug)]
struct Load {
    webhooks: usize,
    signals: usize,
    pace: Pace,
}

/// All the program carries, for some seconds. Each webhook gets 8: fewer than the burst of 10 that it is allowed.
const SUSTAINED: Load = Load { webhooks: 5_000, signals: 40_000, pace: Pace::AsFastAsPossible };
/// A bar closes for ten thousand charts: one signal each, spread over one second.
const BURST: Load = Load { webhooks: 10_000, signals: 10_000, pace: Pace::Every(Duration::from_micros(100)) };
/// Signals a second of the steady streams, and how many of them.
const STREAMS: [(u32, usize); 3] = [(100, 1_000), (500, 5_000), (2_000, 12_000)];
/// How many webhooks a stream has: none gets more than 4 a second.
const STREAM_WEBHOOKS: usize = 625;

/// What became of a load.
struct Traded {
    /// Its answers.
    answers: Run,
    fills: usize,
    /// From the first byte to the last recorded fill.
    took: Duration,
    /// From receipt to fill, from the recorded timelines.
    receipt_to_fill_us: Histogram<u64>,
}

pub async fn measure() -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    println!("{} signals that trade, as fast as they are accepted ...", SUSTAINED.signals);
    lines.extend(sustained_lines(&run(SUSTAINED).await?));
    println!("{} signals that trade within one second ...", BURST.signals);
    lines.extend(burst_lines(&run(BURST).await?));
    for (rate, signals) in STREAMS {
        println!("{rate} signals a second that trade ...");
        let load = Load { webhooks: STREAM_WEBHOOKS, signals, pace: Pace::per_second(rate) };
        lines.extend(stream_lines(rate, &run(load).await?));
    }
    Ok(lines)
}

fn sustained_lines(traded: &Traded) -> [Line; 2] {
    let what = format!("{} signals, as fast as accepted", SUSTAINED.signals);
    let rate = traded.fills as f64 / traded.took.as_secs_f64();
    [
        Line::against(
            &format!("{what}: recorded fills, to the last one"),
            format!("{rate:.0}/s"),
            ">= 8,000/s",
            rate >= 8_000.0,
        ),
        Line::plain(&format!("{what}: accepted"), format!("{:.0}/s", traded.answers.throughput())),
    ]
}

fn burst_lines(traded: &Traded) -> [Line; 2] {
    let what = format!("Burst of {} signals within one second, all stored", BURST.signals);
    let took_us = traded.took.as_micros() as f64;
    [
        Line::against(
            &format!("{what}: first arrival to last recorded fill"),
            ms(took_us),
            "< 2,000 ms",
            took_us < 2e6,
        ),
        Line::plain(&format!("{what}: answer, {QUANTILES}"), quantiles(&traded.answers.latency_us)),
    ]
}

fn stream_lines(rate: u32, traded: &Traded) -> [Line; 2] {
    let what = format!("{rate} signals a second");
    let filled_us = &traded.receipt_to_fill_us;
    let to_fill = format!("{what}: receipt to recorded fill, {QUANTILES}");
    let half_us = micros_at(filled_us, 0.5);
    [
        Line::plain(&format!("{what}: answer, {QUANTILES}"), quantiles(&traded.answers.latency_us)),
        if rate == 500 {
            Line::against(&to_fill, quantiles(filled_us), "p50 < 3 ms", half_us < 3_000.0)
        } else {
            Line::plain(&to_fill, quantiles(filled_us))
        },
    ]
}

/// Sends all signals to a fresh server, and reads what became of them from its store once it has stopped.
async fn run(load: Load) -> Result<Traded> {
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials = setup.create_strategies(load.webhooks, ACCOUNTS).await?;
    let key = setup.create_api_key().await?;
    setup.close().await;

    let server = Server::start_atomik(dir.path()).await?;
    let requests = requests(&credentials, 0..load.signals);
    let start = Instant::now();
    let started_at = SystemClock.now();
    let answers = load::send_all(&[server.port], requests, load.pace).await?;
    wait_for_fills(server.port, &key, load.signals).await?;
    let seen_after = start.elapsed();
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let timelines = setup.timelines().await?;
    setup.close().await;
    timelines.ensure_filled(load.signals)?;
    let stamped_after = u64::try_from(timelines.last_fill_at.micros_since(started_at))?;
    let took = seen_after.max(Duration::from_micros(stamped_after));
    let traded = Traded { answers, fills: timelines.fills, took, receipt_to_fill_us: histogram(&timelines)? };
    println!(
        "  answered {}, filled {} after receipt, the last {took:.0?} after the first byte",
        quantiles(&traded.answers.latency_us),
        quantiles(&traded.receipt_to_fill_us)
    );
    Ok(traded)
}

/// From receipt to fill, in microseconds.
pub fn histogram(timelines: &Timelines) -> Result<Histogram<u64>> {
    let mut receipt_to_fill_us = new_histogram()?;
    for micros in &timelines.receipt_to_fill_us {
        receipt_to_fill_us.saturating_record(u64::try_from((*micros).max(0))?);
    }
    Ok(receipt_to_fill_us)
}

/// Waits until the API shows so many fills: a fill is recorded when others can read it. Fills are numbered from one.
pub async fn wait_for_fills(port: u16, key: &str, count: usize) -> Result<()> {
    let mut connection = Connection::open(port).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Past the deadline the store, read after the stop, says what became of the rest.
        if newest_fill(&mut connection, key).await? >= count || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The newest fill's number; 0 where there is none.
pub async fn newest_fill(connection: &mut Connection, key: &str) -> Result<usize> {
    let (status, body) = connection.get("/api/v1/fills?limit=1", Some(key)).await?;
    ensure!(status == 200, "the fills were answered {status}: {body}");
    let fills: Value = serde_json::from_str(&body).context("the fills are not JSON")?;
    Ok(usize::try_from(fills["items"][0]["id"].as_u64().unwrap_or(0))?)
}

/// The requests with these numbers: one webhook after the other, each of which buys and sells in turns. Its signals are a whole
/// round apart, so that they are accepted in order.
pub fn requests(credentials: &[Credentials], numbers: std::ops::Range<usize>) -> Arc<Vec<Vec<u8>>> {
    let request = |number: usize| {
        let Credentials { token, secret } = &credentials[number % credentials.len()];
        let turn = number / credentials.len();
        let action = if turn.is_multiple_of(2) { "BUY" } else { "SELL" };
        let body = format!("{{\"action\":\"{action}\",\"comment\":\"bench {turn}\",\"price\":\"100\"}}");
        request(token, secret, &body)
    };
    Arc::new(numbers.map(request).collect())
}
