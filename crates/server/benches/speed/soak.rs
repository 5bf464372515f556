//! A long steady stream of signals that trade: memory must not grow, and every signal must be answered and filled once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::load::{self, Pace, new_histogram};
use crate::report::{Line, QUANTILES, mb, median_of, quantiles};
use crate::server::{Server, fresh_dir};
use crate::store::Setup;
use crate::trading;

/// The variable that says how long it takes, in seconds.
const VARIABLE: &str = "ATOMIK_SECONDS";
/// How long it takes where that says nothing.
const HOUR_S: u64 = 3_600;
/// Signals a second.
const RATE: u32 = 200;
/// Webhooks with one strategy each: each gets less than one signal in three seconds, buying and selling in turns.
const WEBHOOKS: usize = 625;
const ACCOUNTS: usize = 100;
/// Memory is read so often.
const STEP_S: u64 = 10;
/// The first sixth of all readings does not count: caches fill, and fills of every strategy are new.
const WARM_UP: usize = 6;
/// What is compared: the first and the last tenth of those that count.
const COMPARED: usize = 10;
/// The most that memory may grow.
const LIMIT: f64 = 0.05;

/// Whether this run takes as long as the page promises.
pub fn is_whole() -> Result<bool> {
    Ok(seconds()? >= HOUR_S)
}

fn seconds() -> Result<u64> {
    std::env::var(VARIABLE)
        .map_or(Ok(HOUR_S), |text| text.parse().with_context(|| format!("{VARIABLE} is no number")))
}

pub async fn measure() -> Result<Vec<Line>> {
    let seconds = seconds()?;
    let each_step = usize::try_from(u64::from(RATE) * STEP_S)?;
    let steps = usize::try_from(seconds.div_ceil(STEP_S))?;
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials = setup.create_strategies(WEBHOOKS, ACCOUNTS).await?;
    let key = setup.create_api_key().await?;
    setup.close().await;

    let server = Server::start_atomik(dir.path()).await?;
    let mut resident_kib = Vec::with_capacity(steps);
    let mut answers_us = new_histogram()?;
    for step in 0..steps {
        let requests = trading::requests(&credentials, step * each_step..(step + 1) * each_step);
        let run = load::send_all(&[server.port], requests, Pace::per_second(RATE)).await?;
        answers_us.add(run.latency_us).context("histograms differ")?;
        resident_kib.push(server.resident_kib()?);
        println!("  {} s: {}", (step as u64 + 1) * STEP_S, mb(server.resident_kib()?));
    }
    let signals = steps * each_step;
    trading::wait_for_fills(server.port, &key, signals).await?;
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let timelines = setup.timelines().await?;
    setup.close().await;
    timelines.ensure_filled(signals)?;
    let mut filled_us = new_histogram()?;
    for (_, micros) in &timelines.receipt_to_fill_us {
        filled_us.saturating_record(u64::try_from((*micros).max(0))?);
    }
    let (before, after) = compared(&resident_kib)?;
    let growth = after / before - 1.0;
    let percent = format!("{:.1} %", growth * 100.0);
    println!("  memory {before:.0} KiB, then {after:.0} KiB: {percent}");
    ensure!(growth < LIMIT, "memory grew by {percent}, from {before:.0} to {after:.0} KiB");
    let what = format!("{} of {RATE} signals a second that trade", duration(seconds));
    Ok(vec![
        Line::against(
            &format!("{what}: signals sent, accepted and filled once"),
            signals.to_string(),
            "all",
            true, // or the run has failed
        ),
        Line::plain(&format!("{what}: answer, {QUANTILES}"), quantiles(&answers_us)),
        Line::plain(&format!("{what}: receipt to recorded fill, {QUANTILES}"), quantiles(&filled_us)),
        Line::against(&format!("{what}: growth of memory"), percent, "< 5 %", true),
    ])
}

/// Resident memory early, once everything is warm, and at the end, in KiB.
fn compared(resident_kib: &[u64]) -> Result<(f64, f64)> {
    let counted = &resident_kib[resident_kib.len() / WARM_UP..];
    let tenth = counted.len().div_ceil(COMPARED);
    let middle = |some: &[u64]| median_of(some.iter().map(|kib| *kib as f64).collect());
    Ok((middle(&counted[..tenth])?, middle(&counted[counted.len() - tenth..])?))
}

fn duration(seconds: u64) -> String {
    format!("{:?}", Duration::from_secs(seconds))
}
