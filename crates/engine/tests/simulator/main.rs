//! Random histories of the whole trading side, replayed by their seed: the lanes, the planner, the gate and the recovery as they
//! are in production, and the judging of what is stored; only what performs them is replaced. Everything happens on one thread
//! and in virtual time: alerts and their repeats, fills (partial, late, doubled, reordered), refusals, silence, lost reports,
//! lost connections, trades past us, halts, limits, strategies that are edited and paused, processes that end between any two
//! effects or stand still, nodes that take accounts over from each other, clocks that are set.
//!
//! What stands for the engine's runner, the store's tables and the SQL of leases is the simulator's own; what the runner looks at
//! before an order leaves and before every step of a send (`Departure`, `Tenure`) is not.
//!
//! After every step an oracle, which keeps its own account, holds the program to this:
//!
//! - An order leaves only after its intent was recorded, and as it was recorded; never one that has ended.
//! - One order for each signal, strategy and leg, and one leg for each order id. No order overtakes an earlier signal's.
//! - The bytes of an order leave once; again only where the venue refuses duplicates for good, and has proven since that it does
//!   not have it. The same for what an earlier run or another node has recorded.
//! - No order leaves from a node without the account's lease, and nothing is recorded under one that is another's.
//! - No order leaves after a halt that covers it, no entry of a paused strategy; among nodes, after a second at most.
//! - No entry passes whose fill, with all else that may fill, would be more than the largest position allowed; none of a signal
//!   that is too old; not more of them in a minute than are allowed.
//! - No entry before the venue was asked about every order that an earlier run or another node left open, and the books were
//!   compared since the account was connected; none while they differ.
//! - An exit never grows a position or turns it round, by the venue's fills and in their order.
//! - No more is recorded as filled than the venue has filled, each fill once; a position is the sum of its fills.
//! - No order has ended in the books, or never was there, that is alive at the venue or on its way.
//! - An alert is stored unless one like it was a moment ago, or its explicit id was used within a day.
//! - A final outcome never changes.
//!
//! In the end, with all well, every signal is settled by what its orders came to, no order is open, nothing waits, and the venue's
//! books and fills equal ours.
//!
//! `ATOMIK_SEED=n [ATOMIK_STEPS=0-4,9]` before `cargo test -p atomik-engine --test simulator` replays one history and prints it;
//! `ATOMIK_SEEDS=n` plays so many, `ATOMIK_SECONDS=n` as many as fit, both from `ATOMIK_FIRST_SEED` on. `make simulate` goes on
//! until it is stopped. A history that fails is shrunk and printed; it belongs into `seeds.txt` with the fix.

#![allow(clippy::expect_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod checks;
mod cluster;
mod ending;
mod history;
mod leases;
mod node;
mod oracle;
mod random;
mod runner;
mod setup;
mod shrink;
mod sim;
#[path = "../support/mod.rs"]
mod support;
mod traffic;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use history::{Broken, History, Voice};
use sim::Counts;

const SEEDS: u64 = 20_000;
const SHOWN_EVERY: Duration = Duration::from_secs(10);

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

/// Plays many histories on all cores, each on one thread. Stops at the first that fails.
fn play_all(first: u64, count: u64, time: Option<Duration>) -> (u64, Counts) {
    let begun = Instant::now();
    let (next, is_over) = (AtomicU64::new(first), AtomicBool::new(false));
    let (sums, failure) = (Mutex::new((0, Counts::default())), Mutex::new(None));
    let work = || {
        while !is_over.load(Ordering::Relaxed) && time.is_none_or(|time| begun.elapsed() < time) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed - first >= count {
                return;
            }
            match History::whole(seed).outcome() {
                Ok(counts) => {
                    let mut sums = sums.lock().expect("not poisoned");
                    sums.0 += 1;
                    sums.1.add(&counts);
                }
                Err(broken) => {
                    is_over.store(true, Ordering::Relaxed);
                    failure.lock().expect("not poisoned").get_or_insert((seed, broken));
                }
            }
        }
    };
    let shows = || {
        let mut shown = Instant::now();
        while !is_over.load(Ordering::Relaxed) {
            thread::park_timeout(Duration::from_millis(100));
            if shown.elapsed() >= SHOWN_EVERY {
                shown = Instant::now();
                eprintln!("{} histories", sums.lock().expect("not poisoned").0);
            }
        }
    };
    thread::scope(|scope| {
        let showing = scope.spawn(shows);
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        working.into_iter().for_each(|worker| worker.join().expect("a worker only notes what fails"));
        is_over.store(true, Ordering::Relaxed);
        showing.thread().unpark();
    });
    if let Some((seed, broken)) = failure.into_inner().expect("not poisoned") {
        report(seed, &broken);
    }
    sums.into_inner().expect("not poisoned")
}

/// Shrinks a history that fails, and fails with how to replay it.
fn report(seed: u64, broken: &Broken) -> ! {
    let whole = History::whole(seed);
    let fails = |steps: &[u32]| {
        let outcome = History { seed, steps: steps.to_vec() }.outcome();
        outcome.is_err_and(|other| other.place == broken.place)
    };
    let shrunk = History { seed, steps: shrink::shrink(&whole.steps, fails) };
    let last = shrunk.outcome().err().unwrap_or_else(|| broken.clone());
    panic!(
        "history {seed} broke a promise at {}: {}\nthe shortest that still does has {} steps; replay it with\n    {shrunk} \
         cargo test -p atomik-engine --test simulator -- --nocapture whatever_happens",
        last.place,
        last.says,
        shrunk.steps.len(),
    );
}

#[test]
fn whatever_happens_nothing_is_doubled_lost_or_left_open() {
    if let Some(seed) = number("ATOMIK_SEED") {
        let mut history = History::whole(seed);
        if let Ok(steps) = std::env::var("ATOMIK_STEPS") {
            history.steps = History::parse_steps(&steps).expect("ATOMIK_STEPS is like 0-4,9");
        }
        history.play(Voice::Aloud);
        return;
    }
    let time = number("ATOMIK_SECONDS").map(Duration::from_secs);
    let count = number("ATOMIK_SEEDS").unwrap_or(if time.is_some() { u64::MAX } else { SEEDS });
    let (played, counts) = play_all(number("ATOMIK_FIRST_SEED").unwrap_or(0), count, time);
    eprintln!("{played} histories: {counts:?}");
    if played >= 1_000 {
        counts.check_busy(played);
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    for line in include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        let (numbers, why) = line.split_once('#').expect("each seed has a reason");
        let mut numbers = numbers.split_whitespace();
        let seed = numbers.next().and_then(|seed| seed.parse().ok()).expect("a seed");
        let mut history = History::whole(seed);
        if let Some(steps) = numbers.next() {
            history.steps = History::parse_steps(steps).expect("steps");
        }
        let outcome = history.outcome();
        assert!(outcome.is_ok(), "{history} is back ({}): {outcome:?}", why.trim());
    }
}

#[test]
fn a_seed_plays_the_same_history_every_time() {
    for seed in 7..17 {
        let play = || History::whole(seed).play(Voice::Kept(Vec::new()));
        let ((one, first), (other, second)) = (play(), play());
        assert_eq!(one, other);
        let (Voice::Kept(first), Voice::Kept(second)) = (first, second) else { panic!("both are kept") };
        assert!(first == second && first.len() > 100);
    }
}

#[test]
fn a_history_is_shrunk_to_the_steps_that_matter_and_written_so_that_it_is_read_back() {
    let whole = History::whole(3);
    assert_eq!(whole.to_string(), "ATOMIK_SEED=3");
    let fails = |steps: &[u32]| [17, 18, 19, 42].iter().all(|step| steps.contains(step));
    let shrunk = History { seed: 3, steps: shrink::shrink(&whole.steps, fails) };
    assert_eq!(shrunk.steps, [17, 18, 19, 42]);
    assert_eq!(shrunk.to_string(), "ATOMIK_SEED=3 ATOMIK_STEPS=17-19,42");
    assert_eq!(History::parse_steps("17-19,42"), Some(shrunk.steps));
    assert_eq!(History::parse_steps("17-x"), None);
}
