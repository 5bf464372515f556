//! Signals that trade on paper accounts, each from its first byte to recorded fills: as many as it carries, all bars closing at
//! once, and steady streams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use atomik_domain::UnixMicros;
use atomik_ports::clock::{Clock, SystemClock};
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::connection::Connection;
use crate::load::{self, CONNECTIONS, Pace, Run, new_histogram, request};
use crate::receiver::REFILL;
use crate::report::{Line, QUANTILES, micros_at, ms, quantiles};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup};

/// Over how many paper accounts the strategies are spread.
const ACCOUNTS: usize = 100;
/// How long the last fill may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Signals, one webhook after the other.
#[derive(Clone, Copy, Debug)]
struct Phase {
    signals: usize,
    pace: Pace,
    connections: usize,
}

/// All the program carries, for some seconds. Each webhook gets 8: fewer than the burst of 10 that it is allowed. Over few
/// connections it waits for the disk; over many it has something to do meanwhile.
const SUSTAINED_WEBHOOKS: usize = 5_000;
const SUSTAINED_CONNECTIONS: [usize; 2] = [CONNECTIONS, 256];
const SUSTAINED: Phase = Phase { signals: 40_000, pace: Pace::AsFastAsPossible, connections: CONNECTIONS };
/// A bar closes for ten thousand charts: one signal each, spread over one second. Once as the first signals after a start, and
/// once more.
const BURST: Phase =
    Phase { signals: 10_000, pace: Pace::Every(Duration::from_micros(100)), connections: CONNECTIONS };
/// How many webhooks the streams go to: none gets more than 4 a second.
const STREAM_WEBHOOKS: usize = 625;
/// First, and not counted, each strategy buys and sells.
const WARM_UP: Phase = Phase {
    signals: 2 * STREAM_WEBHOOKS,
    pace: Pace::Every(Duration::from_millis(1)),
    connections: CONNECTIONS,
};
/// Signals a second of the steady streams, and how many of them.
const STREAMS: [(u32, usize); 3] = [(100, 1_000), (500, 5_000), (2_000, 12_000)];

/// What became of a phase.
struct Traded {
    /// Its answers.
    answers: Run,
    /// When it began.
    began_at: UnixMicros,
    /// From the first byte to the moment at which the last fill could be read.
    took: Duration,
    /// From receipt to fill, from the recorded timelines.
    receipt_to_fill_us: Histogram<u64>,
}

pub async fn measure() -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    println!("{} signals that trade, as fast as they are accepted ...", SUSTAINED.signals);
    for connections in SUSTAINED_CONNECTIONS {
        for traded in run(SUSTAINED_WEBHOOKS, &[Phase { connections, ..SUSTAINED }]).await? {
            lines.extend(sustained_lines(connections, &traded));
        }
    }
    println!("{} signals that trade within one second, twice ...", BURST.signals);
    let names = ["the first after a start", "again"];
    for (name, traded) in names.iter().zip(run(BURST.signals, &[BURST, BURST]).await?) {
        lines.extend(burst_lines(name, &traded));
    }
    println!("Steady streams of signals that trade ...");
    let streams = STREAMS.map(|(rate, signals)| Phase {
        signals,
        pace: Pace::per_second(rate),
        connections: CONNECTIONS,
    });
    let phases: Vec<Phase> = std::iter::once(WARM_UP).chain(streams).collect();
    let traded = run(STREAM_WEBHOOKS, &phases).await?;
    for ((rate, _), traded) in STREAMS.iter().zip(&traded[1..]) {
        lines.extend(stream_lines(*rate, traded));
    }
    Ok(lines)
}

fn sustained_lines(connections: usize, traded: &Traded) -> [Line; 2] {
    let what = format!("{} signals over {connections} connections, as fast as accepted", SUSTAINED.signals);
    let rate = SUSTAINED.signals as f64 / traded.took.as_secs_f64();
    let (fills, shown) = (format!("{what}: recorded fills, to the last one"), format!("{rate:.0}/s"));
    [
        if connections == CONNECTIONS {
            Line::plain(&fills, shown)
        } else {
            Line::against(&fills, shown, ">= 8,000/s", rate >= 8_000.0)
        },
        Line::plain(&format!("{what}: accepted"), format!("{:.0}/s", traded.answers.throughput())),
    ]
}

fn burst_lines(name: &str, traded: &Traded) -> [Line; 2] {
    let what = format!("Burst of {} signals within one second, {name}", BURST.signals);
    let took_us = traded.took.as_micros() as f64;
    [
        Line::against(
            &format!("{what}: all stored, first arrival to last recorded fill"),
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

/// Sends all phases, one after the other, to a fresh server whose webhooks have one strategy each, on its own symbol, and reads
/// what became of their signals from its store once it has stopped.
async fn run(webhooks: usize, phases: &[Phase]) -> Result<Vec<Traded>> {
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials = setup.create_strategies(webhooks, ACCOUNTS).await?;
    let key = setup.create_api_key().await?;
    setup.close().await;

    let server = Server::start_atomik(dir.path()).await?;
    let (mut sent, mut all) = (0, Vec::with_capacity(phases.len()));
    for phase in phases {
        let requests = requests(&credentials, sent..sent + phase.signals);
        sent += phase.signals;
        tokio::time::sleep(REFILL).await;
        let (began, began_at) = (Instant::now(), SystemClock.now());
        let answers = load::send_all_over(phase.connections, &[server.port], requests, phase.pace).await?;
        wait_for_fills(server.port, &key, sent).await?;
        all.push(Traded { answers, began_at, took: began.elapsed(), receipt_to_fill_us: new_histogram()? });
    }
    server.stop().await?;

    let setup = Setup::open(dir.path()).await?;
    let timelines = setup.timelines().await?;
    setup.close().await;
    timelines.ensure_filled(sent)?;
    for (received_at, micros) in &timelines.receipt_to_fill_us {
        let phase = all.iter_mut().rev().find(|traded| traded.began_at <= *received_at);
        let phase = phase.context("a signal was received before all")?;
        phase.receipt_to_fill_us.saturating_record(u64::try_from((*micros).max(0))?);
    }
    for (phase, traded) in phases.iter().zip(&all) {
        println!(
            "  {phase:?}: answered {}, filled {} after receipt, the last {:.1?} after the first byte",
            quantiles(&traded.answers.latency_us),
            quantiles(&traded.receipt_to_fill_us),
            traded.took
        );
    }
    Ok(all)
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
