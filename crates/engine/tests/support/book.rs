//! What was recorded, under the rules that every store keeps.

use std::collections::{BTreeMap, HashSet};

use atomik_domain::{
    ClientOrderId, Code, ExecId, Fill, Order, OrderStatus, Outcome, OutcomeStatus, PositionSide, SignalId,
    SignedQty, StrategyId,
};
use atomik_engine::lane::{Job, LaneSeed};
use atomik_ports::journal::{Changes, PositionRecord};
use rust_decimal::Decimal;

/// The book.
#[derive(Default)]
pub struct Book {
    pub orders: BTreeMap<ClientOrderId, Order>,
    pub fills: Vec<Fill>,
    pub positions: BTreeMap<StrategyId, PositionRecord>,
    pub outcomes: BTreeMap<(SignalId, StrategyId), Outcome>,
    /// What the venue may have kept of each strategy's coins without telling it with the fills.
    pub untold: Decimal,
    jobs: Vec<Job>,
    /// What each strategy holds that no fill of its own explains.
    adopted: BTreeMap<StrategyId, SignedQty>,
    /// Each strategy's newest signal that became an order. Where one waits for a proof, other strategies go on.
    first_legs: BTreeMap<StrategyId, SignalId>,
}

impl Book {
    /// Stores a signal's target, as intake does.
    pub fn store(&mut self, job: Job) {
        let outcome = Outcome {
            signal_id: job.signal.id,
            strategy_id: job.strategy_id,
            status: OutcomeStatus::Pending,
            code: Code::Accepted,
            detail: String::new(),
            planned_at: None,
            settled_at: None,
        };
        self.outcomes.insert((job.signal.id, job.strategy_id), outcome);
        self.jobs.push(job);
    }

    /// Records changes. Returns the intents that existed already. Panics where a lane asks for what a store would only
    /// silently ignore.
    pub fn record(&mut self, changes: Changes) -> Vec<ClientOrderId> {
        let mut repeated = Vec::new();
        for order in changes.intents {
            let id = order.request.client_order_id;
            if self.orders.contains_key(&id) {
                repeated.push(id);
                continue;
            }
            if order.leg == 0 && order.status != OrderStatus::Denied {
                let before = self.first_legs.insert(order.strategy_id, order.signal_id);
                assert!(before < Some(order.signal_id), "an order overtook {before:?}: {order:?}");
            }
            self.orders.insert(id, order);
        }
        for order in changes.orders {
            let known = self.orders.get_mut(&order.request.client_order_id);
            let known = known.expect("an order is recorded as an intent first");
            assert!(
                !known.status.is_final() || known.status == order.status,
                "an ended order came alive: {known:?} -> {order:?}"
            );
            *known = order;
        }
        for fill in changes.fills {
            self.record_fill(fill);
        }
        for position in changes.positions {
            self.positions.insert(position.strategy_id, position);
        }
        for outcome in changes.outcomes {
            // A person's word, not a fill's: it counts in the transaction that says so, and nowhere else.
            if outcome.code == Code::PositionAdopted
                && let Some(position) = self.positions.get(&outcome.strategy_id)
            {
                let by_fills = self.filled_net(outcome.strategy_id) - self.adopted(outcome.strategy_id);
                self.adopted.insert(outcome.strategy_id, position.position.net_qty - by_fills);
            }
            let key = (outcome.signal_id, outcome.strategy_id);
            let known = self.outcomes.get(&key).expect("an outcome belongs to a stored signal");
            assert!(!known.status.is_final(), "settled twice: {known:?} -> {outcome:?}");
            self.outcomes.insert(key, outcome);
        }
        for (strategy, position) in &self.positions {
            let kept = (self.filled_net(*strategy) - position.position.net_qty).0;
            assert!(kept >= Decimal::ZERO && kept <= self.untold, "a position is not its fills: {kept} less");
        }
        repeated
    }

    fn record_fill(&mut self, fill: Fill) {
        if self.fills.iter().any(|known| known.execution.exec_id == fill.execution.exec_id) {
            return;
        }
        let order = &self.orders[&fill.client_order_id];
        let before = self.filled_net(fill.strategy_id);
        let after = before + fill.side.signed(fill.execution.last_qty);
        if order.is_exit() {
            let (was, is) = (PositionSide::of(before), PositionSide::of(after));
            assert!(
                after.abs() < before.abs() && (is == was || is == PositionSide::Flat),
                "an exit flipped or grew a position: {before} -> {after}"
            );
        }
        self.fills.push(fill);
    }

    /// A strategy's position by its fills and what it adopted.
    pub fn filled_net(&self, strategy: StrategyId) -> SignedQty {
        let own = self.fills.iter().filter(|fill| fill.strategy_id == strategy);
        own.fold(self.adopted(strategy), |sum, fill| {
            sum + fill.side.signed(fill.execution.last_qty) - SignedQty(fill.execution.fee_qty.0)
        })
    }

    fn adopted(&self, strategy: StrategyId) -> SignedQty {
        self.adopted.get(&strategy).copied().unwrap_or_default()
    }

    /// What a new process finds: as `recovery` reads it from the store.
    pub fn seed(&self) -> LaneSeed {
        let unfinished = |signal, strategy| !self.outcomes[&(signal, strategy)].status.is_final();
        let open = self
            .orders
            .values()
            .filter(|order| !order.status.is_final() || unfinished(order.signal_id, order.strategy_id));
        let orders = open.map(|order| {
            let own = self.fills.iter().filter(|fill| fill.client_order_id == order.request.client_order_id);
            let seen: HashSet<ExecId> = own.map(|fill| fill.execution.exec_id.clone()).collect();
            (order.clone(), seen)
        });
        let jobs = self.jobs.iter().filter(|job| unfinished(job.signal.id, job.strategy_id)).map(|job| {
            let mut job = job.clone();
            job.signal.received_tick = None;
            job
        });
        LaneSeed {
            positions: self.positions.values().cloned().collect(),
            orders: orders.collect(),
            jobs: jobs.collect(),
        }
    }

    /// A signal's outcome on a strategy.
    pub fn outcome(&self, signal: SignalId, strategy: StrategyId) -> (OutcomeStatus, Code) {
        let outcome = &self.outcomes[&(signal, strategy)];
        (outcome.status, outcome.code)
    }

    /// A signal's orders on a strategy, by leg.
    pub fn orders_of(&self, signal: SignalId, strategy: StrategyId) -> Vec<&Order> {
        let own =
            self.orders.values().filter(|order| (order.signal_id, order.strategy_id) == (signal, strategy));
        let mut own: Vec<_> = own.collect();
        own.sort_by_key(|order| order.leg);
        own
    }
}
