//! What was recorded: an in-memory store. What a call of the journal comes to is judged by the very code that judges it for
//! the real stores; the rows are kept under the constraints that those have.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use atomik_domain::{
    BrokerAccountId, ClientOrderId, Code, ExecId, Fill, Order, OrderStatus, Outcome, OutcomeStatus,
    PositionSide, SignalId, SignedQty, StrategyId, UnixMicros,
};
use atomik_ports::cluster::Lease;
use atomik_ports::history::Signal;
use atomik_ports::journal::{Changes, Entry, NewSignal, PositionRecord, Receipt};
use atomik_ports::operations::UnfinishedWork;
use atomik_storage::batch::{First, Judge, Judged, Key, Merged, Verdict, key_of};
use rust_decimal::Decimal;

/// The book.
#[derive(Default)]
pub struct Book {
    pub signals: BTreeMap<SignalId, Signal>,
    pub orders: BTreeMap<ClientOrderId, Order>,
    pub fills: Vec<Fill>,
    pub positions: BTreeMap<StrategyId, PositionRecord>,
    pub outcomes: BTreeMap<(SignalId, StrategyId), Outcome>,
    /// What the venue may have kept of each strategy's coins without telling it with the fills.
    pub untold: Decimal,
    /// The turn at each account that is held now.
    pub turns: BTreeMap<BrokerAccountId, i64>,
    judged: Judgement,
    /// Rises with every intent, fill and position.
    written: u64,
    legs: HashSet<(SignalId, StrategyId, u8)>,
    executions: HashSet<(BrokerAccountId, ExecId)>,
    /// Each strategy's position by its fills and what it adopted.
    nets: BTreeMap<StrategyId, SignedQty>,
    /// What each strategy holds that no fill of its own explains.
    adopted: BTreeMap<StrategyId, SignedQty>,
    /// Each strategy's newest signal that became an order. Where one waits for a proof, other strategies go on.
    first_legs: BTreeMap<StrategyId, SignalId>,
}

/// What the next signal is judged by.
#[derive(Default)]
struct Judgement {
    last_id: i64,
    accepted: HashMap<Key, First>,
}

/// A call being judged.
struct Bench<'b> {
    judged: &'b mut Judgement,
    turns: &'b BTreeMap<BrokerAccountId, i64>,
    at: UnixMicros,
}

impl Judge for Bench<'_> {
    fn next_id(&mut self) -> i64 {
        self.judged.last_id += 1;
        self.judged.last_id
    }

    fn judge(&mut self, signal: &NewSignal, id: SignalId) -> Verdict {
        let Some(repeat) = key_of(signal) else { return Verdict::New };
        let verdict = repeat.verdict(self.judged.accepted.get(&repeat.key), self.at);
        if verdict == Verdict::New {
            let (received_at, accepted_at) = (signal.received_at, self.at);
            let first = First { signal_id: id, received_at, accepted_at, body: repeat.body };
            self.judged.accepted.insert(repeat.key, first);
        }
        verdict
    }

    fn holds(&self, lease: Lease) -> bool {
        self.turns.get(&lease.broker_account_id) == Some(&lease.epoch)
    }
}

impl Book {
    /// Commits entries, as a store does.
    pub fn commit(&mut self, entries: &[Entry], at: UnixMicros) -> Vec<Receipt> {
        let mut bench = Bench { judged: &mut self.judged, turns: &self.turns, at };
        let (judged, batch) = Judged::of(&mut bench, entries, at);
        for outcome in batch.pending {
            self.outcomes.entry((outcome.signal_id, outcome.strategy_id)).or_insert(outcome);
        }
        let existed = self.write(&batch.changes);
        let receipts = judged.receipts(&existed);
        for (entry, receipt) in entries.iter().zip(&receipts) {
            if let (Entry::Signal(new), Receipt::Stored { signal_id }) = (entry, receipt) {
                self.signals.insert(*signal_id, stored(new, *signal_id, at));
            }
        }
        receipts
    }

    /// Stores a signal that repeats none.
    pub fn store(&mut self, signal: NewSignal, at: UnixMicros) -> SignalId {
        match self.commit(&[Entry::Signal(Arc::new(signal))], at)[..] {
            [Receipt::Stored { signal_id }] => signal_id,
            ref other => panic!("a new signal is stored, and not {other:?}"),
        }
    }

    /// Records changes; returns the intents that existed already. `None`: they were made under a lease that is another's.
    pub fn record(&mut self, changes: Box<Changes>, at: UnixMicros) -> Option<Vec<ClientOrderId>> {
        match self.commit(&[Entry::Changes(Arc::from(changes))], at).pop() {
            Some(Receipt::Recorded { repeated_intents }) => Some(repeated_intents),
            Some(Receipt::LeaseLost) => None,
            other => panic!("changes are recorded or refused, and not {other:?}"),
        }
    }

    /// Writes rows, and gives the intents that existed. Panics where a lane asks for what a store would only silently
    /// ignore.
    fn write(&mut self, changes: &Merged<'_>) -> HashSet<ClientOrderId> {
        let mut existed = HashSet::new();
        let rows = changes.intents.len() + changes.fills.len() + changes.positions().len();
        self.written += rows as u64;
        for order in &changes.intents {
            let id = order.request.client_order_id;
            let leg = (order.signal_id, order.strategy_id, order.leg);
            if self.orders.contains_key(&id) || !self.legs.insert(leg) {
                existed.insert(id);
                continue;
            }
            if order.leg == 0 && order.status != OrderStatus::Denied {
                let before = self.first_legs.insert(order.strategy_id, order.signal_id);
                assert!(before < Some(order.signal_id), "an order overtook {before:?}: {order:?}");
            }
            self.orders.insert(id, (*order).clone());
        }
        for order in changes.orders() {
            let known = self.orders.get_mut(&order.request.client_order_id);
            let known = known.expect("an order is recorded as an intent first");
            assert!(
                !known.status.is_final() || known.status == order.status,
                "an ended order came alive: {known:?} -> {order:?}"
            );
            *known = (*order).clone();
        }
        for fill in &changes.fills {
            self.write_fill(fill);
        }
        for position in changes.positions() {
            self.positions.insert(position.strategy_id, (*position).clone());
        }
        for outcome in changes.outcomes() {
            self.write_outcome(outcome);
        }
        for position in changes.positions() {
            let net = self.filled_net(position.strategy_id);
            let kept = (net - position.position.net_qty).0;
            assert!(kept >= Decimal::ZERO && kept <= self.untold, "a position is not its fills: {kept} less");
        }
        existed
    }

    fn write_outcome(&mut self, outcome: &Outcome) {
        let strategy = outcome.strategy_id;
        // A person's word, not a fill's: it counts in the transaction that says so, and nowhere else.
        if outcome.code == Code::PositionAdopted
            && let Some(position) = self.positions.get(&strategy)
        {
            let more = position.position.net_qty - self.filled_net(strategy);
            *self.adopted.entry(strategy).or_default() = self.adopted(strategy) + more;
            *self.nets.entry(strategy).or_default() = position.position.net_qty;
        }
        let key = (outcome.signal_id, strategy);
        let known = self.outcomes.get(&key).expect("an outcome belongs to a stored signal");
        assert!(!known.status.is_final(), "settled twice: {known:?} -> {outcome:?}");
        self.outcomes.insert(key, outcome.clone());
    }

    fn write_fill(&mut self, fill: &Fill) {
        let execution = &fill.execution;
        if !self.executions.insert((fill.broker_account_id, execution.exec_id.clone())) {
            return;
        }
        let before = self.filled_net(fill.strategy_id);
        let after = before + fill.side.signed(execution.last_qty);
        if self.orders[&fill.client_order_id].is_exit() {
            let (was, is) = (PositionSide::of(before), PositionSide::of(after));
            assert!(
                after.abs() < before.abs() && (is == was || is == PositionSide::Flat),
                "an exit flipped or grew a position: {before} -> {after}"
            );
        }
        self.nets.insert(fill.strategy_id, after - SignedQty(execution.fee_qty.0));
        self.fills.push(fill.clone());
    }

    /// How much was written of intents, fills and positions.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// A strategy's position by its fills and what it adopted.
    pub fn filled_net(&self, strategy: StrategyId) -> SignedQty {
        self.nets.get(&strategy).copied().unwrap_or_default()
    }

    /// What a strategy holds by a person's word.
    pub fn adopted(&self, strategy: StrategyId) -> SignedQty {
        self.adopted.get(&strategy).copied().unwrap_or_default()
    }

    /// What is not finished on some strategies, as a store gives it to whoever goes on.
    pub fn unfinished(&self, is_wanted: impl Fn(StrategyId) -> bool) -> UnfinishedWork {
        let open = |signal, strategy| {
            self.outcomes.get(&(signal, strategy)).is_some_and(|outcome| !outcome.status.is_final())
        };
        let outcomes = self.outcomes.iter().filter(|((signal, strategy), _)| open(*signal, *strategy));
        let orders = self
            .orders
            .values()
            .filter(|order| !order.status.is_final() || open(order.signal_id, order.strategy_id));
        let orders: Vec<_> = orders.filter(|order| is_wanted(order.strategy_id)).cloned().collect();
        let ids: HashSet<_> = orders.iter().map(|order| order.request.client_order_id).collect();
        UnfinishedWork {
            outcomes: outcomes
                .filter(|((_, strategy), _)| is_wanted(*strategy))
                .map(|((signal, _), outcome)| (self.signals[signal].clone(), outcome.clone()))
                .collect(),
            orders,
            fills: self.fills.iter().filter(|fill| ids.contains(&fill.client_order_id)).cloned().collect(),
            positions: self.positions.values().filter(|one| is_wanted(one.strategy_id)).cloned().collect(),
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

fn stored(new: &NewSignal, id: SignalId, at: UnixMicros) -> Signal {
    Signal {
        id,
        user_id: new.user_id,
        webhook_id: new.webhook_id,
        source: new.source,
        received_at: new.received_at,
        stored_at: at,
        action: new.action,
        comment: new.comment.clone(),
        price: new.price,
        quantity: new.quantity,
        symbol: new.symbol.clone(),
        notes: new.notes.clone(),
        payload: new.payload.clone(),
    }
}
