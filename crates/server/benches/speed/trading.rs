//! Signals that trade: a burst, and a steady stream, each from the first byte to recorded fills.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_ports::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::load::{self, Connection, Pace, new_histogram, request};
use crate::report::{Burst, Report, Steady};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup, Timelines};

/// How many webhooks there are, each with one strategy on its own symbol.
const STRATEGIES: usize = 625;
/// Over how many paper accounts the strategies are spread.
const ACCOUNTS: usize = 100;
/// How many signals each webhook gets, buying and selling in turns: below its burst of 10.
const EACH: usize = 8;
/// How many signals that makes.
pub const SIGNALS: usize = STRATEGIES * EACH;
/// The pace of the steady stream: 500 signals a second, for ten seconds.
const GAP: Duration = Duration::from_millis(2);
/// How long the last fill may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn measure(report: &mut Report) -> Result<()> {
    println!("A burst of {SIGNALS} signals with strategies behind them ...");
    let (timelines, took) = run(Pace::AsFastAsPossible).await?;
    report.burst = Some(Burst { fills: timelines.fills, took });

    println!("A steady stream of {SIGNALS} signals ...");
    let (timelines, _) = run(Pace::Every(GAP)).await?;
    let mut receipt_to_fill_us = new_histogram()?;
    for micros in timelines.receipt_to_fill_us {
        receipt_to_fill_us.saturating_record(u64::try_from(micros.max(0))?);
    }
    report.steady = Some(Steady { receipt_to_fill_us });
    Ok(())
}

/// Sends all signals to a fresh server, and reads what became of them from its store once it has stopped. Also gives
/// the time from the first byte to the last recorded fill.
async fn run(pace: Pace) -> Result<(Timelines, Duration)> {
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials = setup.create_strategies(STRATEGIES, ACCOUNTS).await?;
    let key = setup.create_api_key().await?;
    setup.close().await;

    let server = Server::start_atomik(dir.path()).await?;
    let start = Instant::now();
    let started_at = SystemClock.now();
    load::send_all(&[server.port], requests(&credentials), pace).await?;
    wait_for_fills(server.port, &key).await?;
    let seen_after = start.elapsed();
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let timelines = setup.timelines().await?;
    setup.close().await;
    ensure!(
        timelines.filled_signals == SIGNALS,
        "{} of {SIGNALS} signals filled; the others: {:?}",
        timelines.filled_signals,
        timelines.other_outcomes
    );
    let stamped_after = u64::try_from(timelines.last_fill_at.micros_since(started_at))?;
    Ok((timelines, seen_after.max(Duration::from_micros(stamped_after))))
}

/// Waits until the API shows as many fills as there are signals: a fill is recorded when others can read it. Fills are
/// numbered from one.
async fn wait_for_fills(port: u16, key: &str) -> Result<()> {
    let mut connection = Connection::open(port).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = connection.get("/api/v1/fills?limit=1", Some(key)).await?;
        ensure!(status == 200, "the fills were answered {status}: {body}");
        let fills: Value = serde_json::from_str(&body).context("the fills are not JSON")?;
        let newest = fills["items"][0]["id"].as_u64().unwrap_or(0);
        // Past the deadline the store, read after the stop, says what became of the rest.
        if newest >= SIGNALS as u64 || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Each webhook buys and sells in turns. Its signals are a whole round apart, so that they are accepted in order.
fn requests(credentials: &[Credentials]) -> Arc<Vec<Vec<u8>>> {
    let mut requests = Vec::with_capacity(SIGNALS);
    for turn in 0..EACH {
        let action = if turn % 2 == 0 { "BUY" } else { "SELL" };
        for Credentials { token, secret } in credentials {
            let body = format!("{{\"action\":\"{action}\",\"comment\":\"bench {turn}\",\"price\":\"100\"}}");
            requests.push(request(token, secret, &body));
        }
    }
    Arc::new(requests)
}
