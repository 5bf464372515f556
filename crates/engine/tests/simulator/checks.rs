//! The invariants. Each of the functions here is called at the moment that it is about; [`Sim::check`] after every step.

use atomik_domain::{
    ClientOrderId, HaltMode, Order, OrderStatus, PositionSide, Qty, SignedQty, StrategyId, UnixMicros,
};
use atomik_engine::lane::{Effect, Event, LaneKey, NetPurpose};
use atomik_ports::broker::ClientIdUniqueness;
use atomik_ports::journal::Changes;

use crate::node::Sending;
use crate::sim::Sim;

/// How long a node may not know what was changed through another.
const INFORMED_US: i64 = 1_000_000;
/// How far the clocks of nodes are apart that nobody has set.
const APART_US: i64 = 500_000;
/// How long what the gate let pass may wait to leave.
const APPROVAL_LIFE_US: i64 = 500_000;
const MINUTE_US: i64 = 60 * UnixMicros::SECOND;

impl Sim {
    /// What was in force at this moment, and for nodes among others a moment before.
    fn lately(&self) -> i64 {
        if self.is_clustered() { self.at - INFORMED_US - 1 } else { self.at }
    }

    /// A lane is told something: what the books are compared with is noted.
    pub fn note_heard(&mut self, n: usize, key: &LaneKey, event: &Event) {
        let written = self.book.written();
        let of_key = |strategy: &StrategyId| LaneKey::of(&self.directory.strategies[strategy]) == *key;
        let own = self.book.positions.iter().filter(|(strategy, _)| of_key(strategy));
        let ours = own.fold(SignedQty::ZERO, |sum, (_, record)| sum + record.position.net_qty);
        let mut orders = self.book.orders.values().filter(|order| of_key(&order.strategy_id));
        let is_quiet = orders.all(|order| order.status.is_final());
        let Some(worker) = self.nodes[n].workers.get_mut(key) else { return };
        if let Event::LookedUp(id, ..) = event {
            worker.answered.insert(*id);
        }
        let books = &mut worker.books;
        match event {
            Event::Connected(_) | Event::Disconnected => *books = Default::default(),
            Event::Net(NetPurpose::Books, answer) => {
                let asked = books.asked.take();
                if let (Ok(net), Some(asked)) = (answer, asked) {
                    books.compared = true;
                    if *net == ours {
                        books.differ = false;
                    } else if asked == written && is_quiet {
                        books.differ = true;
                        self.counts.differed += 1;
                    }
                }
            }
            // Whoever adopts a position compares again.
            Event::Net(NetPurpose::Adopt, Ok(_)) => books.differ = false,
            _ => {}
        }
    }

    /// A lane has decided.
    pub fn check_decided(&mut self, n: usize, key: &LaneKey, effects: &[Effect]) {
        let intents = effects.iter().filter_map(|effect| match effect {
            Effect::Record(changes) => Some(&changes.intents),
            _ => None,
        });
        let intents: Vec<_> = intents.flatten().collect();
        let denied = intents.iter().filter(|order| order.status == OrderStatus::Denied).count();
        self.counts.denied += u64::try_from(denied).expect("few");
        for effect in effects {
            let Effect::Submit(approved) = effect else { continue };
            let id = approved.request().client_order_id;
            let new = intents.iter().find(|order| order.request.client_order_id == id).copied();
            let order = new.or_else(|| self.book.orders.get(&id));
            let order = order.expect("an order is to leave that is recorded nowhere").clone();
            if !order.is_exit() {
                self.check_entry(n, key, &order);
            }
        }
    }

    /// The gate let an entry pass.
    fn check_entry(&mut self, n: usize, key: &LaneKey, order: &Order) {
        let worker = &self.nodes[n].workers[key];
        let (serial, strategy) = (worker.serial, order.strategy_id);
        assert!(worker.books.compared, "an entry before the books were compared: {order:?}");
        assert!(!worker.books.differ, "an entry while the books differ: {order:?}");
        // What a node decides that has lost the account and does not know it yet comes to nothing.
        let node = &self.nodes[n];
        let lease = node.links.get(&key.broker_account_id).and_then(|link| link.lease);
        let is_owner = lease.is_none_or(|lease| self.leases.has(node.run, lease));
        for other in self.book.orders.values().filter(|other| is_owner && !other.status.is_final()) {
            let id = other.request.client_order_id;
            let is_here = LaneKey::of(&self.directory.strategies[&other.strategy_id]) == *key;
            let is_own = self.oracle.intents[&id].0 == serial;
            let is_known = is_own || worker.answered.contains(&id);
            assert!(!is_here || is_known, "an entry before the venue was asked about {other:?}");
        }
        self.check_age(order, APART_US);
        if !self.oracle.clocks_were_set {
            self.check_rate(serial, strategy);
        }
    }

    /// No entry is made for a signal that is too old.
    fn check_age(&self, order: &Order, grace_us: i64) {
        if !self.oracle.clocks_were_set {
            let max_age = i64::from(self.directory.strategies[&order.strategy_id].behavior.max_signal_age_s);
            let age = self.at - self.oracle.received[&order.signal_id];
            assert!(age <= max_age * UnixMicros::SECOND + grace_us, "an entry {age} us late: {order:?}");
        }
    }

    /// What a strategy holds at the venue if an entry fills, and everything else that may still fill on its side.
    fn may_hold(&self, strategy: StrategyId, order: &Order) -> SignedQty {
        let side = order.request.side;
        let holds = self.holds(strategy);
        let others = self.book.orders.values().filter(|other| {
            other.strategy_id == strategy
                && !other.is_exit()
                && other.request.side == side
                && other.request.client_order_id != order.request.client_order_id
        });
        let leaves = |other: &Order| {
            let venue = &self.venues[&LaneKey::of(&self.directory.strategies[&strategy])];
            match venue.orders.get(&other.request.client_order_id) {
                Some(at_venue) => at_venue.leaves(),
                None if other.status.is_final() => Qty::ZERO,
                None => other.request.order_qty,
            }
        };
        let open = others.fold(order.request.order_qty, |sum, other| sum + leaves(other));
        holds + side.signed(open)
    }

    /// What a strategy truly holds: what venues have filled for it, and what a person said that it has.
    fn holds(&self, strategy: StrategyId) -> SignedQty {
        self.oracle.filled.get(&strategy).copied().unwrap_or_default() + self.book.adopted(strategy)
    }

    /// A worker lets so many entries of a strategy pass in a burst, and so many more a minute.
    fn check_rate(&mut self, serial: u64, strategy: StrategyId) {
        let limit = i64::from(self.setup.max_orders_per_minute);
        let entries = self.oracle.entries.entry((serial, strategy)).or_default();
        entries.push(self.at);
        for (place, since) in entries.iter().rev().enumerate() {
            let most = limit + (self.at - since) * limit / MINUTE_US + 1;
            assert!(i64::try_from(place).expect("few") < most, "too many entries in a minute: {entries:?}");
        }
    }

    /// Changes are about to be recorded.
    pub fn check_recording(&mut self, changes: &Changes) {
        for order in &changes.intents {
            let leg = (order.signal_id, order.strategy_id, order.leg);
            let id = order.request.client_order_id;
            let known = *self.oracle.legs.entry(leg).or_insert(id);
            assert_eq!(known, id, "two orders for one signal, strategy and leg: {order:?}");
            let is_other = |other: &Order| (other.signal_id, other.strategy_id, other.leg) != leg;
            let shares = self.book.orders.get(&id).is_some_and(is_other);
            assert!(!shares, "two orders of one id: {order:?}");
        }
    }

    /// Changes were recorded.
    pub fn note_recorded(&mut self, n: usize, key: &LaneKey, changes: &Changes, existed: &[ClientOrderId]) {
        if self.is_clustered() {
            let lease = changes.lease.expect("what a lane records among nodes carries its lease");
            assert!(self.leases.has(self.nodes[n].run, lease), "recorded under a lease that is another's");
        }
        let serial = self.nodes[n].workers[key].serial;
        for order in &changes.intents {
            let id = order.request.client_order_id;
            if !existed.contains(&id) {
                self.oracle.intents.insert(id, (serial, self.at));
            }
        }
    }

    /// An order has passed the last look.
    pub fn check_begins(&self, n: usize, place: usize) {
        let sending = &self.nodes[n].sends[place];
        let id = sending.approved.request().client_order_id;
        let order = &self.book.orders[&id];
        let is_exit = order.is_exit();
        if !is_exit {
            self.check_age(order, APART_US + APPROVAL_LIFE_US);
            let decided = self.lately() - APPROVAL_LIFE_US;
            let allowed = self.oracle.limits[&order.strategy_id].since(decided).max();
            let allowed = *allowed.expect("a limit");
            let may_hold = self.may_hold(order.strategy_id, order);
            assert!(
                may_hold.abs() <= allowed,
                "{may_hold} may be held where {allowed} is allowed: {order:?}"
            );
        }
        self.check_lease(n, sending);
        let forbids = |mode: &Option<HaltMode>| match mode {
            None => false,
            Some(HaltMode::Entries) => !is_exit,
            Some(HaltMode::All) => true,
        };
        let since = self.lately();
        assert!(!self.oracle.halts.since(since).all(forbids), "an order leaves after a halt");
        let mut active = self.oracle.active[&sending.approved.strategy_id()].since(since);
        assert!(is_exit || active.any(|active| *active), "an entry leaves of a strategy that is paused");
    }

    fn check_lease(&self, n: usize, sending: &Sending) {
        if self.is_clustered() {
            let lease = sending.lease.expect("sends among nodes have a lease");
            assert!(self.leases.has(self.nodes[n].run, lease), "sent by a node without the lease");
        }
    }

    /// The bytes of an order leave.
    pub fn check_leaves(&self, n: usize, sending: &Sending) {
        let request = sending.approved.request();
        let id = request.client_order_id;
        let recorded = self.book.orders.get(&id).expect("an intent is recorded before it is sent");
        // Where strategies net each other out, the venue is not asked to hold an exit to its own view.
        assert!(recorded.is_exit() || !request.reduce_only);
        let mut sent = request.clone();
        sent.reduce_only = recorded.is_exit();
        assert_eq!(recorded.request, sent, "what is sent is what was recorded");
        assert!(!recorded.status.is_final(), "an ended order is sent");
        self.check_lease(n, sending);
        let is_own = self.oracle.intents.get(&id).is_some_and(|(serial, _)| *serial == sending.serial);
        let has_left = self.oracle.has_left(id);
        let is_known = is_own && !has_left;
        assert!(is_known || self.oracle.is_proven_absent(id), "sent again without asking the venue: {id}");
        let uniqueness = self.venues[&sending.key].uniqueness;
        let refuses = uniqueness == ClientIdUniqueness::Forever;
        assert!(!has_left || refuses, "sent again to a venue that takes duplicates: {id}");
    }

    /// Counts what venues have filled since the last time, in its order.
    pub fn count_trades(&mut self) {
        for (key, venue) in &self.venues {
            let counted = self.oracle.counted.entry(key.clone()).or_default();
            for (id, qty) in &venue.trades[*counted..] {
                let order = &self.book.orders[id];
                let adopted = self.book.adopted(order.strategy_id);
                let filled = self.oracle.filled.entry(order.strategy_id).or_default();
                let before = *filled + adopted;
                *filled = *filled + order.request.side.signed(*qty);
                let after = *filled + adopted;
                assert!(!order.is_exit() || shrinks(before, after), "{before} -> {after}: {order:?}");
                self.counts.fills += 1;
            }
            *counted = venue.trades.len();
        }
    }

    /// What holds at every moment.
    pub fn check(&mut self) {
        for venue in self.venues.values() {
            for (id, order) in &venue.orders {
                let recorded = self.book.orders.get(id);
                let recorded = recorded.expect("the venue has an order without an intent");
                assert!(
                    recorded.filled_qty <= order.filled(),
                    "more is recorded than was filled: {recorded:?}"
                );
                assert!(
                    !recorded.status.is_final() || order.status.is_final(),
                    "ended in the books and alive at the venue: {recorded:?}"
                );
                let is_denied = matches!(recorded.status, OrderStatus::Denied | OrderStatus::Rejected);
                let never_was = recorded.status == OrderStatus::Expired && recorded.acknowledged_at.is_none();
                assert!(!is_denied && !never_was, "the books say that it never was there: {recorded:?}");
            }
            for (_, request) in &venue.in_flight {
                let recorded = &self.book.orders[&request.client_order_id];
                assert!(!recorded.status.is_final(), "ended in the books and on its way: {recorded:?}");
            }
        }
        self.count_trades();
        for (strategy, record) in &self.book.positions {
            let net = self.book.filled_net(*strategy);
            assert_eq!(record.position.net_qty, net, "a position is not the sum of its fills");
        }
    }
}

/// Whether a position has become smaller and stayed on its side.
fn shrinks(before: SignedQty, after: SignedQty) -> bool {
    let (was, is) = (PositionSide::of(before), PositionSide::of(after));
    after.abs() < before.abs() && (is == was || is == PositionSide::Flat)
}
