//! Kills the real program in the middle of what it does, at calls of the system that a seed picks: the n-th write, flush, send or
//! receipt of one of its threads, while it starts, takes alerts, trades, or finds out what the life before left undone. It lives many
//! such lives on the same books. Then it is left alone, and the journals are compared: what the client was told, what the program
//! says, what the paper venue holds, and what came to a broker's fake. Nothing may be lost, doubled or unexpected.
//!
//! `ATOMIK_CRASHES` says how many kills (few, where nothing does: `make test` and `make crash-sweep` ask for more),
//! `ATOMIK_FIRST_SEED` where their seeds begin, `ATOMIK_SEED` plays the history of one seed again, as near as a machine's own timing
//! lets it, and `ATOMIK_TEST_BACKEND` says what the books are kept in.
#![cfg(target_os = "linux")] // strace
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod client;
mod oracle;
mod strace;
mod trader;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use atomik_testkit::venues::alpaca::AlpacaVenue;
use chain::{Chain, Death};
use common::backend;

/// More would take a day.
const MOST: u64 = 100_000;

/// How many kills one history has, and how many histories run at once. Most of their time they wait: for proof that an order never
/// came, and after each kill for the dead node's leases, where there are any.
fn shape() -> (u64, usize) {
    if backend::has_leases() { (5, 20) } else { (10, 12) }
}

/// A number that the environment gives.
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, and no whole number")))
}

/// The seeds of the histories to play.
fn seeds() -> std::ops::Range<u64> {
    if let Some(seed) = given("ATOMIK_SEED") {
        return seed..seed + 1;
    }
    let crashes = given("ATOMIK_CRASHES").unwrap_or(30);
    assert!((1..=MOST).contains(&crashes), "ATOMIK_CRASHES is {crashes}, not 1 to {MOST}");
    let first = given("ATOMIK_FIRST_SEED").unwrap_or(1);
    first..first + crashes.div_ceil(shape().0)
}

/// What came of the histories.
#[derive(Default)]
struct Tally {
    alerts: usize,
    /// How often each call was where it ended, while starting and later.
    deaths: BTreeMap<String, [usize; 2]>,
    late: usize,
    found: Vec<String>,
}

impl Tally {
    fn add(&mut self, chain: &Chain, found: Vec<String>) {
        self.alerts += chain.alerts.len();
        for (kill, death) in &chain.deaths {
            match death {
                Death::Late => self.late += 1,
                Death::Starting => self.deaths.entry(kill.call.clone()).or_default()[0] += 1,
                Death::Serving => self.deaths.entry(kill.call.clone()).or_default()[1] += 1,
            }
        }
        if !found.is_empty() {
            self.found.push(format!("{}\n  {}", chain.name(), found.join("\n  ")));
        }
    }
}

#[test]
fn whatever_call_it_is_killed_at_nothing_is_lost_or_doubled() {
    if !strace::is_there() {
        return;
    }
    let (seeds, (kills, at_once)) = (seeds(), shape());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (next, tally) = (AtomicU64::new(seeds.start), Mutex::<Tally>::default());
    // On books of their own: whichever history came first would be another one when it is played again.
    let ranges = Chain::new(u64::MAX, runtime.block_on(AlpacaVenue::start_lenient())).measure();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let mut chain = Chain::new(seed, runtime.block_on(AlpacaVenue::start_lenient()));
                    chain.crash(kills, &ranges);
                    let found = chain.settle();
                    tally.lock().unwrap().add(&chain, found);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("Calls of one thread in a life: {:?}", ranges);
    println!(
        "{} kills (while starting, later: {:?}) and {} lives that never came to their call; {} alerts",
        tally.deaths.values().flatten().sum::<usize>(),
        tally.deaths,
        tally.late,
        tally.alerts
    );
    assert!(tally.found.is_empty(), "{}", tally.found.join("\n"));
    assert!(tally.deaths.values().any(|[_, serving]| *serving > 0), "no kill came while alerts were taken");
}
