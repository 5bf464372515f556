//! The end of a history: the venues are healthy and quiet, every node is well, and everything comes to its end.

use std::collections::BTreeSet;

use atomik_domain::{Order, OutcomeStatus, SignedQty};
use atomik_engine::lane::{Event, LaneKey};
use atomik_ports::journal::SignalSource;

use crate::runner::Health;
use crate::sim::Sim;
use crate::support::world::START;

const SECOND: i64 = 1_000_000;
/// How often everything settles, and how long each time.
const ROUNDS: usize = 12;
const ROUND_US: i64 = 45 * SECOND;

impl Sim {
    /// Everything comes to its end.
    pub fn settle(&mut self) {
        self.say("the end begins");
        self.lift_halts();
        for n in 0..self.nodes.len() {
            self.nodes[n].asleep = None;
            self.nodes[n].is_cut_off = false;
        }
        if self.nodes.iter().all(|node| !node.is_up) {
            self.restart(0);
        }
        for _ in 0..ROUNDS {
            self.work_off();
            for key in self.venues.keys().cloned().collect::<Vec<_>>() {
                self.fill_all(&key);
            }
            self.pass_well(ROUND_US);
            self.tell_all(|| Event::CompareBooks);
            self.work_off();
            self.check();
        }
    }

    /// Does everything that can be done now.
    fn work_off(&mut self) {
        self.connect_all();
        self.deliver_all(None);
        let mut done = 0;
        while let Some(task) = self.tasks().first().cloned() {
            self.run(&task, Health::Good);
            self.count_trades();
            done += 1;
            assert!(done < 20_000, "the lanes work on and on for nothing");
        }
    }

    fn connect_all(&mut self) {
        for n in 0..self.nodes.len() {
            let down = self.nodes[n].links.iter();
            let down = down.filter(|(_, link)| !link.is_up && !link.is_lost && !link.is_leaving);
            let down: Vec<_> = down.map(|(account, _)| *account).collect();
            for account in down.iter().filter(|_| self.nodes[n].acts()).copied().collect::<Vec<_>>() {
                self.set_link(n, account, true);
            }
        }
    }

    /// The venue fills what it has open and reports it.
    fn fill_all(&mut self, key: &LaneKey) {
        let venue = self.venues.get_mut(key).expect("a venue");
        let open = venue.orders.iter().filter(|(_, order)| !order.status.is_final());
        let open: Vec<_> = open.map(|(id, order)| (*id, order.leaves())).collect();
        for (id, leaves) in open {
            let now = START.plus(self.at);
            let report = self.venues.get_mut(key).expect("a venue").fill(id, leaves, now);
            for worker in self.nodes.iter_mut().filter_map(|node| node.workers.get_mut(key)) {
                worker.inbox.push_back(Event::Report(report.clone()));
            }
        }
        self.work_off();
    }

    /// Time passes, and everybody is woken in time.
    fn pass_well(&mut self, us: i64) {
        let end = self.at + us;
        let mut wakes = 0;
        while self.at < end {
            // Among nodes as often as they beat.
            let most = if self.is_clustered() { 2 * SECOND } else { us };
            let wish = self.next_wish().unwrap_or(most).max(1_000);
            self.pass(wish.min(most).min(end - self.at), None);
            self.tick_due();
            self.work_off();
            wakes += 1;
            assert!(wakes < 100 * us / SECOND, "the lanes wake up again and again for nothing");
        }
    }

    /// What holds in the end.
    pub fn check_end(&mut self) {
        self.check();
        for (key, venue) in &self.venues {
            let strategies = self.directory.strategies.values();
            let here = strategies.filter(|strategy| LaneKey::of(strategy) == *key);
            let ours = here.fold(SignedQty::ZERO, |sum, strategy| {
                let recorded = self.book.positions.get(&strategy.id);
                let recorded = recorded.map(|record| record.position.net_qty).unwrap_or_default();
                let adopted = self.book.adopted(strategy.id);
                let filled = self.oracle.filled.get(&strategy.id).copied().unwrap_or_default();
                assert_eq!(recorded, filled + adopted, "the books of {} are not the venue's", strategy.id);
                sum + filled
            });
            assert_eq!(ours + venue.by_hand, venue.net(), "our books are not the venue's");
            let executions = venue.orders.values().flat_map(|order| &order.executions);
            let executions: BTreeSet<_> = executions.map(|one| (&one.exec_id, one.last_qty)).collect();
            let fills =
                self.book.fills.iter().filter(|fill| {
                    fill.broker_account_id == key.broker_account_id && fill.symbol == key.symbol
                });
            let fills: Vec<_> = fills.map(|one| (&one.execution.exec_id, one.execution.last_qty)).collect();
            assert_eq!(fills.len(), executions.len(), "a fill is missing or counted twice");
            assert_eq!(fills.into_iter().collect::<BTreeSet<_>>(), executions);
        }
        for node in &self.nodes {
            for worker in node.workers.values() {
                assert_eq!(worker.lane.waiting(), 0, "something waits for ever");
            }
        }
        for order in self.book.orders.values() {
            assert!(order.status.is_final(), "an order never ends: {order:?}");
        }
        for ((signal, strategy), outcome) in &self.book.outcomes {
            assert!(outcome.status.is_final(), "a signal is never settled: {outcome:?}");
            assert!(outcome.settled_at.is_some());
            let orders = self.book.orders_of(*signal, *strategy);
            let filled = orders.iter().any(|order| !order.filled_qty.is_zero());
            let says_so = matches!(outcome.status, OutcomeStatus::Filled | OutcomeStatus::PartlyFilled);
            assert_eq!(filled, says_so, "an outcome does not tell the truth: {outcome:?} {orders:?}");
            check_sides(&orders, self.book.signals[signal].source);
        }
    }
}

/// A signal's orders all point the way the signal pointed, and it enters at most once. A flattening exits whatever is held.
fn check_sides(orders: &[&Order], source: SignalSource) {
    let entered = orders.iter().filter(|order| !order.is_exit() && !order.filled_qty.is_zero()).count();
    assert!(entered <= 1, "one signal entered {entered} times: {orders:?}");
    let is_flattening = source == SignalSource::Flatten;
    assert!(is_flattening || orders.windows(2).all(|pair| pair[0].request.side == pair[1].request.side));
}
