//! The receiver beside the empty handler and the durable floor: distinct webhooks, valid secrets, unique signals, no strategies.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::floors::Floor;
use crate::load::{self, CONNECTIONS, Pace, Run};
use crate::report::{Line, QUANTILES, beside, mb, median, micros_at, ms, quantiles, quantiles_of, rate};
use crate::server::{Server, fresh_dir};
use crate::store::{Credentials, Setup};

/// How many webhooks there are.
pub const WEBHOOKS: usize = 10_000;
/// How many requests each gets in one round: below the burst of 10 that a webhook is allowed.
pub const EACH: usize = 8;
/// How often each server is measured, in turns.
const ROUNDS: usize = 7;
/// Over how many connections. Targets are judged over the more: with fewer the processors wait for the disk.
const OVER: [usize; 2] = [CONNECTIONS, 128];
/// After this long every webhook may take a full burst again: 10 a second come back.
pub const REFILL: Duration = Duration::from_millis(1_100);

/// What each of the three did over so many connections, round by round.
#[derive(Default)]
struct Rounds {
    connections: usize,
    empty_handler: Vec<Run>,
    durable_floor: Vec<Run>,
    receiver: Vec<Run>,
}

pub async fn measure() -> Result<Vec<Line>> {
    println!("Preparing {WEBHOOKS} webhooks ...");
    let dir = fresh_dir()?;
    let setup = Setup::open(dir.path()).await?;
    let credentials: Vec<Credentials> =
        setup.create_webhooks(WEBHOOKS).await?.into_iter().map(|(_, made)| made).collect();
    setup.close().await;
    let atomik = Server::start_atomik(dir.path()).await?;
    let empty = Server::start_floor(Floor::EmptyHandler, dir.path()).await?;
    let durable = Server::start_floor(Floor::Durable, dir.path()).await?;

    // One request a webhook first, not counted: all servers and the load generator are warm afterwards.
    let mut unique = 0;
    let warm_up = requests(&credentials, 1, &mut unique);
    for server in [&empty, &durable, &atomik] {
        load::send_all(&[server.port], Arc::clone(&warm_up), Pace::AsFastAsPossible).await?;
    }
    let mut all = OVER.map(|connections| Rounds { connections, ..Rounds::default() });
    for round in 1..=ROUNDS {
        for rounds in &mut all {
            let over = rounds.connections;
            println!(
                "Receiver and what it is compared with, {over} connections, round {round} of {ROUNDS} ..."
            );
            let requests = requests(&credentials, EACH, &mut unique);
            tokio::time::sleep(REFILL).await;
            for (name, server, runs) in [
                ("empty handler", &empty, &mut rounds.empty_handler),
                ("durable floor", &durable, &mut rounds.durable_floor),
                ("receiver", &atomik, &mut rounds.receiver),
            ] {
                let (ports, requests) = ([server.port], Arc::clone(&requests));
                let run = load::send_all_over(over, &ports, requests, Pace::AsFastAsPossible).await?;
                runs.push(describe(name, run));
            }
        }
    }
    let peak_kib = atomik.peak_kib()?;
    atomik.stop().await?;
    let mut lines = Vec::new();
    for rounds in &all {
        lines.extend(rounds.lines()?);
    }
    lines.push(Line::plain("Memory, peak during the receiver's rounds", mb(peak_kib)));
    Ok(lines)
}

impl Rounds {
    fn lines(&self) -> Result<Vec<Line>> {
        let Self { connections, empty_handler, durable_floor, receiver } = self;
        let late_us = median(receiver, |run| micros_at(&run.latency_us, 0.99))?;
        let ratio = beside(receiver, empty_handler)?;
        let over = format!("{connections} connections");
        let mut lines = Vec::new();
        for (name, runs) in [
            ("Empty handler", empty_handler),
            ("Durable floor", durable_floor),
            (&*format!("Receiver on SQLite, {WEBHOOKS} webhooks"), receiver),
        ] {
            lines.push(Line::plain(&format!("{name}, {over}: throughput"), rate(runs)?));
            lines.push(Line::plain(&format!("{name}, {over}: {QUANTILES}"), quantiles_of(runs)?));
        }
        let (p99, beside_empty) =
            (format!("Receiver, {over}: p99"), format!("Receiver beside empty handler, {over}"));
        let (late, written) = (ms(late_us), format!("{ratio:.2}"));
        lines.extend(if *connections == CONNECTIONS {
            [Line::plain(&p99, late), Line::plain(&beside_empty, written)]
        } else {
            [
                Line::against(&p99, late, "< 5 ms", late_us < 5_000.0),
                Line::against(&beside_empty, written, ">= 0.45", ratio >= 0.45),
            ]
        });
        let beside_floor = format!("{:.2}", beside(receiver, durable_floor)?);
        lines.push(Line::plain(&format!("Receiver beside durable floor, {over}"), beside_floor));
        Ok(lines)
    }
}

/// Prints a round.
pub fn describe(name: &str, run: Run) -> Run {
    println!("  {name}: {:.0}/s, {QUANTILES} {}", run.throughput(), quantiles(&run.latency_us));
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
