//! The receiver beside the empty handler: distinct webhooks, valid secrets, unique signals, no strategies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::SETTLE;
use crate::load::{self, Pace, Run};
use crate::report::Report;
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup};

/// How many webhooks there are.
pub const WEBHOOKS: usize = 10_000;
/// How many requests each gets in one round: below the burst of 10 that a webhook is allowed.
pub const EACH: usize = 8;
/// How often each server is measured, in turns.
const ROUNDS: usize = 7;
/// After this long every webhook may take a full burst again: 10 a second come back.
pub const REFILL: Duration = Duration::from_millis(1_100);

pub async fn measure(report: &mut Report) -> Result<()> {
    println!("Preparing {WEBHOOKS} webhooks ...");
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials: Vec<Credentials> =
        setup.create_webhooks(WEBHOOKS).await?.into_iter().map(|(_, made)| made).collect();
    setup.close().await;

    let atomik = Server::start_atomik(dir.path()).await?;
    tokio::time::sleep(SETTLE).await;
    report.loaded_kib = atomik.resident_kib()?;
    let empty = Server::start_empty_handler(dir.path()).await?;

    // One request a webhook first, not counted: both servers and the load generator are warm afterwards.
    let mut unique = 0;
    let warm_up = requests(&credentials, 1, &mut unique);
    load::send_all(&[empty.port], Arc::clone(&warm_up), Pace::AsFastAsPossible).await?;
    load::send_all(&[atomik.port], warm_up, Pace::AsFastAsPossible).await?;
    for round in 1..=ROUNDS {
        println!("Receiver and empty handler, round {round} of {ROUNDS} ...");
        let requests = requests(&credentials, EACH, &mut unique);
        tokio::time::sleep(REFILL).await;
        let run = load::send_all(&[empty.port], Arc::clone(&requests), Pace::AsFastAsPossible).await?;
        report.empty_handler.push(describe("empty handler", run));
        let run = load::send_all(&[atomik.port], requests, Pace::AsFastAsPossible).await?;
        report.receiver.push(describe("receiver", run));
    }
    report.peak_kib = atomik.peak_kib()?;
    atomik.stop().await
}

/// Prints a round.
pub fn describe(name: &str, run: Run) -> Run {
    let (median, late) = (run.latency_us.value_at_quantile(0.5), run.latency_us.value_at_quantile(0.99));
    println!("  {name}: {:.0}/s, p50 {median} us, p99 {late} us", run.throughput());
    run
}

/// `each` requests for every webhook, one round over all webhooks after the other. Comments of no known word make every
/// signal a new one.
pub fn requests(credentials: &[Credentials], each: usize, unique: &mut u64) -> Arc<Vec<Vec<u8>>> {
    let mut requests = Vec::with_capacity(credentials.len() * each);
    for _ in 0..each {
        for Credentials { token, secret } in credentials {
            *unique += 1;
            requests.push(load::request(
                token,
                secret,
                &format!("{{\"action\":\"BUY\",\"comment\":\"bench {unique}\"}}"),
            ));
        }
    }
    Arc::new(requests)
}
