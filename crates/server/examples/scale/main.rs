//! What large installations do when bars close: a million webhooks whose alerts arrive within the minute's first second.
//!
//! `cargo run --release -p atomik-server --example scale [seed]` prints the table of docs/scaling.md. It is a simulation: nothing
//! of the program runs. The costs are measured ones, the machines are assumed; both are in `costs.rs`.

#![allow(clippy::print_stdout, clippy::cast_precision_loss)] // a table for people

mod costs;
mod simulation;

use std::fmt::Write as _;

use costs::{
    DEFAULT_MAX_WAITING, NODE_CORES, NODE_SIGNAL, NODE_TRANSACTION, POSTGRES_CORES, POSTGRES_SIGNAL,
    POSTGRES_TRANSACTION, SECOND,
};
use simulation::{Installation, Nanos, Outcome, Random, arrivals, play};

/// How many webhooks there are, each with one alert.
const WEBHOOKS: usize = 1_000_000;
/// What `trading.max_waiting_deliveries` is raised to.
const RAISED_MAX_WAITING: usize = 100_000;
const SEED: u64 = 20_260_101;
/// Of how many nodes an installation is tried.
const NODES: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

/// Several installations behind a router.
#[derive(Clone, Copy, Debug)]
struct Shape {
    shards: usize,
    each: Installation,
}

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let us = |nanos: Nanos| nanos as f64 / 1_000.0;
    println!(
        "{WEBHOOKS} alerts in one second, 85 % of them in its first 300 ms; seed {seed}. Nodes of {NODE_CORES} cores: {:.0} us a \
         signal, {:.0} us a transaction. PostgreSQL of {POSTGRES_CORES} cores: {:.0} us, {:.0} us.\n",
        us(NODE_SIGNAL),
        us(NODE_TRANSACTION),
        us(POSTGRES_SIGNAL),
        us(POSTGRES_TRANSACTION),
    );
    print!("{}", table(WEBHOOKS, &shapes(), seed));
    println!("\nThe fewest nodes with which none is refused and none answered after 2 s:\n");
    print!("{}", table(WEBHOOKS, &enough(WEBHOOKS, seed), seed));
}

const fn shape(shards: usize, nodes: usize, max_waiting: usize) -> Shape {
    Shape { shards, each: Installation { nodes, max_waiting } }
}

fn shapes() -> Vec<Shape> {
    let both =
        |(shards, nodes)| [DEFAULT_MAX_WAITING, RAISED_MAX_WAITING].map(|room| shape(shards, nodes, room));
    [(1, 1), (1, 4), (1, 16), (2, 8), (4, 8), (8, 8)].into_iter().flat_map(both).collect()
}

/// For several numbers of installations, and either setting, the fewest nodes of each that are enough.
fn enough(webhooks: usize, seed: u64) -> Vec<Shape> {
    let is_enough = |shape: &Shape| {
        let Outcome { answered, refused } = play_all(webhooks, *shape, seed);
        refused == 0 && answered.last().is_none_or(|longest| *longest <= costs::ANSWER_LIMIT)
    };
    let mut found = Vec::new();
    for shards in [1, 2, 4, 8, 16] {
        for room in [DEFAULT_MAX_WAITING, RAISED_MAX_WAITING] {
            let mut candidates = NODES.iter().map(|nodes| shape(shards, *nodes, room));
            found.extend(candidates.find(is_enough));
        }
    }
    found
}

/// What becomes of a burst, in Markdown, a line for each shape.
fn table(webhooks: usize, shapes: &[Shape], seed: u64) -> String {
    let mut table = "| PostgreSQL clusters | nodes each | `max_waiting_deliveries` | p50 | p99 | p99.9 | answered after 2 s | refused |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for shape in shapes {
        let Outcome { answered, refused } = play_all(webhooks, *shape, seed);
        let late = answered.iter().filter(|took| **took > costs::ANSWER_LIMIT).count();
        let at = |per_mille| quantile(&answered, per_mille).map_or("-".to_owned(), ms);
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {late} | {refused} |",
            shape.shards,
            shape.each.nodes,
            shape.each.max_waiting,
            at(500),
            at(990),
            at(999),
        );
    }
    table
}

/// The same burst on every shape: what differs is how it is divided.
fn play_all(webhooks: usize, shape: Shape, seed: u64) -> Outcome {
    let mut all = Outcome::default();
    let mut random = Random(seed);
    for shard in 0..shape.shards {
        // The router sends each user's alerts to one of them; users are spread evenly.
        let count = webhooks / shape.shards + usize::from(shard < webhooks % shape.shards);
        let outcome = play(shape.each, &arrivals(count, &mut random));
        all.answered.extend(outcome.answered);
        all.refused += outcome.refused;
    }
    all.answered.sort_unstable();
    all
}

fn quantile(sorted: &[Nanos], per_mille: usize) -> Option<Nanos> {
    sorted.get((sorted.len() * per_mille / 1_000).min(sorted.len().checked_sub(1)?)).copied()
}

fn ms(nanos: Nanos) -> String {
    let tenths = nanos * 10_000 / SECOND;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fiftieth of the real burst, so that the test takes a moment.
    const FEWER: usize = WEBHOOKS / 50;

    fn with(nodes: usize, max_waiting: usize) -> Shape {
        Shape { shards: 2, each: Installation { nodes, max_waiting } }
    }

    #[test]
    fn the_same_seed_gives_the_same_table_and_another_one_another() {
        let shapes = [with(1, 100), with(2, DEFAULT_MAX_WAITING)];
        let first = table(FEWER, &shapes, SEED);
        assert_eq!(table(FEWER, &shapes, SEED), first);
        assert_ne!(table(FEWER, &shapes, SEED + 1), first);
    }

    #[test]
    fn every_alert_is_answered_or_refused_and_more_nodes_refuse_fewer() {
        let mut refused = Vec::new();
        for nodes in [1, 2, 16] {
            let outcome = play_all(FEWER, with(nodes, 100), SEED);
            assert_eq!(outcome.answered.len() + outcome.refused, FEWER);
            refused.push(outcome.refused);
        }
        assert!(refused.is_sorted_by(|more, fewer| more >= fewer), "{refused:?}");
        assert!(refused[0] > 0, "a node with room for 100 cannot take them all");
    }

    #[test]
    fn a_lone_alert_takes_what_was_measured_and_the_network() {
        let outcome = play(Installation { nodes: 1, max_waiting: 1 }, &[0]);
        assert_eq!(outcome.answered.len(), 1);
        let took = outcome.answered[0];
        let network = 5 * costs::ROUND_TRIP;
        let log = costs::LOG_BYTES * SECOND / costs::LOG_BYTES_A_SECOND;
        assert_eq!(took, costs::ALONE_P50 + network + log);
    }
}
