//! How many signals a second one store commits, durably, for batches of several sizes: one caller after the other, over
//! 2,000 webhooks, every signal a different one.
//!
//! `cargo run --release -p atomik-storage --example commit_rate [directory | postgres://...]`: the embedded store below a
//! directory, or the PostgreSQL store in a database, which is filled.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)] // a tool for developers

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atomik_domain::{Code, OrderStatus, OutcomeStatus, SignalId, UnixMicros, WebhookId};
use atomik_ports::Store;
use atomik_ports::journal::{Changes, Entry, NewSignal, Receipt, RepeatKeys};
use atomik_storage::postgres::{OpenOptions, PostgresStore};
use atomik_storage::sqlite::SqliteStore;
use atomik_testkit::builders::{START, Tenant, fill, order, outcome, position, signal, tenant};
use secrecy::SecretString;

const WEBHOOKS: i64 = 2_000;
const RUN: Duration = Duration::from_secs(4);

/// A signal unlike all others, on a webhook that moves through all of them in no order.
fn unique(tenant: &Tenant, number: u64) -> NewSignal {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut fingerprint = [0; 16];
    fingerprint[..8].copy_from_slice(&scattered.to_be_bytes());
    fingerprint[8..].copy_from_slice(&number.to_be_bytes());
    let webhook = WebhookId(i64::try_from(scattered >> 33).unwrap() % WEBHOOKS + 1);
    let repeat = Some(RepeatKeys::Window { fingerprint, window_us: UnixMicros::SECOND });
    NewSignal { webhook_id: webhook, repeat, notes: Vec::new(), ..signal(tenant) }
}

/// What a lane records of one signal that trades: an intent, two states of the order, a fill, a position, two outcomes.
fn trade(tenant: &Tenant, signal_id: SignalId) -> Vec<Entry> {
    let intent = order(tenant, signal_id, 0);
    let mut working = intent.clone();
    working.status = OrderStatus::Working;
    let mut filled = intent.clone();
    filled.status = OrderStatus::Filled;
    let pending = outcome(tenant, signal_id, OutcomeStatus::Pending, Code::Accepted);
    let done = outcome(tenant, signal_id, OutcomeStatus::Filled, Code::Filled);
    let changes = [
        Changes { intents: vec![intent.clone()], outcomes: vec![pending], ..Changes::default() },
        Changes { orders: vec![working], ..Changes::default() },
        Changes {
            orders: vec![filled],
            fills: vec![fill(&intent, &signal_id.to_string())],
            positions: vec![position(tenant, 2)],
            outcomes: vec![done],
            ..Changes::default()
        },
    ];
    changes.map(|changes| Entry::Changes(Arc::new(changes))).into()
}

struct Run {
    latencies: Vec<Duration>,
    signals: usize,
    took: Duration,
}

impl Run {
    fn print(mut self, what: &str) {
        self.latencies.sort_unstable();
        let at = |percent: usize| self.latencies[(self.latencies.len() - 1) * percent / 100];
        let rate = self.signals as f64 / self.took.as_secs_f64();
        println!(
            "{what:<28} {rate:>8.0} signals/s   p50 {:>9.3?}   p99 {:>9.3?}   max {:>9.3?}",
            at(50),
            at(99),
            at(100)
        );
    }
}

async fn run(store: &dyn Store, name: &str, batch: usize, trades: bool) -> Run {
    let alice = tenant(store, name).await.unwrap();
    // Unlike those of the runs before, which the same database may hold.
    let first = (batch as u64) << 40 | u64::from(trades) << 60;
    let (mut number, mut latencies, begin) = (first, Vec::new(), Instant::now());
    while begin.elapsed() < RUN {
        let now = START.plus(i64::try_from(begin.elapsed().as_micros()).unwrap());
        let new = |number| {
            let targets = if trades { vec![alice.strategy.id] } else { Vec::new() };
            Entry::Signal(Arc::new(NewSignal { targets, ..unique(&alice, number) }))
        };
        let entries: Vec<_> = (number..).take(batch).map(new).collect();
        number += batch as u64;
        let one = Instant::now();
        let receipts = store.commit(entries, now).await.unwrap();
        latencies.push(one.elapsed());
        if trades {
            let ids = receipts.iter().filter_map(|receipt| match receipt {
                Receipt::Stored { signal_id } => Some(*signal_id),
                _ => None,
            });
            let mut steps: [Vec<Entry>; 3] = Default::default();
            for id in ids {
                for (step, entry) in steps.iter_mut().zip(trade(&alice, id)) {
                    step.push(entry);
                }
            }
            for step in steps {
                store.commit(step, now).await.unwrap();
            }
        }
    }
    Run { latencies, signals: usize::try_from(number - first).unwrap(), took: begin.elapsed() }
}

#[tokio::main]
async fn main() {
    let place = std::env::args().nth(1);
    let url = place.clone().filter(|place| place.starts_with("postgres"));
    let base = place.map_or_else(std::env::temp_dir, PathBuf::from);
    for (batch, trades) in [(1, false), (10, false), (64, false), (100, false), (1_000, false), (100, true)] {
        let dir = if url.is_some() { tempfile::tempdir() } else { tempfile::tempdir_in(&base) }.unwrap();
        let store: Arc<dyn Store> = match &url {
            Some(url) => {
                let url = SecretString::from(url.as_str());
                let store = PostgresStore::open(&url, OpenOptions::default(), START).await.unwrap();
                Arc::new(store)
            }
            None => Arc::new(SqliteStore::open(dir.path(), START).await.unwrap()),
        };
        let what = if trades { "that trade, by" } else { "plain, by" };
        let what = format!("{what} {batch}");
        run(&*store, &what, batch, trades).await.print(&what);
    }
}
