//! What comes from outside: alerts, what people do by hand, and what venues do by themselves.

use std::sync::Arc;

use atomik_domain::{Code, ExecutionReport, OrderStatus, StrategyId, UnixMicros, WebhookId};
use atomik_engine::lane::{Event, Job, LaneKey, LaneSeed};
use atomik_engine::recovery;
use atomik_ports::journal::{Entry, NewSignal, Receipt, RepeatKeys, SignalSource};

use crate::random::Random;
use crate::sim::Sim;
use crate::support::net;
use crate::support::venue::VenueOrder;
use crate::support::world::{START, alert};

/// The window of repeats.
const WINDOW_US: i64 = UnixMicros::SECOND;

impl Sim {
    /// A node that could take an alert.
    fn receiver(&self, random: &mut Random) -> Option<usize> {
        let takes = |n: &usize| self.nodes[*n].acts() && !self.nodes[*n].is_cut_off;
        let able: Vec<_> = (0..self.nodes.len()).filter(takes).collect();
        (!able.is_empty()).then(|| random.pick(&able))
    }

    /// An alert, new or once more.
    pub fn signal(&mut self, random: &mut Random) {
        let Some(n) = self.receiver(random) else { return };
        let webhook = WebhookId(random.pick(&[1, 1, 2]));
        let action = random.pick(&["BUY", "SELL"]);
        let comment = random.pick(&["", "", "ENTRY", "ENTRY", "EXIT_50", "EXIT_33", "EXIT_ALL"]);
        let fingerprint = [action.as_bytes()[0], u8::try_from(comment.len()).expect("short")];
        let received_at = self.nodes[n].wall(self.at);
        let mut signal = alert(received_at, &[], action, comment);
        signal.webhook_id = webhook;
        signal.repeat = Some(match random.below(10) {
            0..7 => RepeatKeys::Window { fingerprint: hash(fingerprint), window_us: WINDOW_US },
            _ => {
                let id = u8::try_from(random.below(20)).expect("small");
                RepeatKeys::Explicit { id: hash([id, 0]), body: hash(fingerprint) }
            }
        });
        if random.percent(25)
            && let Some(last) = self.oracle.last_alert.clone()
        {
            signal = NewSignal { received_at, ..last };
        }
        self.oracle.last_alert = Some(signal.clone());
        let strategies = self.nodes[n].view.strategies.values();
        let runs = strategies.filter(|one| one.active && one.webhook_id == signal.webhook_id);
        signal.targets = runs.map(|one| one.id).collect();
        let is_stored = self.accept(n, signal);
        if is_stored && random.percent(3) {
            // Stored, and the process ends before a lane hears of it.
            self.crash(n);
        } else if is_stored {
            self.deliver_all(Some(random));
        }
    }

    /// Stores a signal where it repeats none. Says whether it did.
    fn accept(&mut self, n: usize, signal: NewSignal) -> bool {
        let at = match self.is_clustered() {
            true => START.plus(self.at),
            false => self.nodes[n].wall(self.at),
        };
        let entry = Entry::Signal(Arc::new(signal.clone()));
        let receipt = self.book.commit(&[entry], at).pop().expect("a receipt");
        self.say((n, signal.action, &signal.comment, &signal.targets, &receipt));
        self.counts.repeats += u64::from(matches!(receipt, Receipt::Replayed { .. }));
        self.oracle.check_repeat(&signal, &receipt, at);
        match receipt {
            Receipt::Stored { signal_id } => {
                self.oracle.received.insert(signal_id, self.at);
                true
            }
            _ => false,
        }
    }

    /// What waits is brought to the lanes of whoever works on it.
    pub fn deliver_all(&mut self, mut random: Option<&mut Random>) {
        for n in 0..self.nodes.len() {
            let is_cut_off = self.nodes[n].is_cut_off || !self.nodes[n].acts();
            let is_lucky = random.as_mut().is_none_or(|random| random.percent(90));
            // A node alone hands over what it has stored by a call.
            if !is_cut_off && (is_lucky || !self.is_clustered()) {
                self.deliver(n);
            }
        }
    }

    /// Gives a node's lanes what waits for them, each once, in the order of acceptance.
    pub fn deliver(&mut self, n: usize) {
        let node = &self.nodes[n];
        let is_here = |strategy: StrategyId| {
            let account = self.account_of(strategy);
            node.held.contains_key(&account) && node.links.get(&account).is_some_and(|link| !link.is_lost)
        };
        let waiting = self.book.outcomes.values().filter(|outcome| outcome.code == Code::Accepted);
        let waiting = waiting.map(|outcome| (outcome.signal_id, outcome.strategy_id));
        let waiting = waiting.filter(|one| !node.handed.contains(one) && is_here(one.1));
        let waiting: Vec<_> = waiting.collect();
        for (signal, strategy_id) in waiting {
            self.nodes[n].handed.insert((signal, strategy_id));
            let mut signal = recovery::brief(&self.book.signals[&signal]);
            let (now, tick) = (self.nodes[n].wall(self.at), self.nodes[n].tick(self.at));
            signal.received_tick = Some(tick - now.micros_since(signal.received_at).max(0));
            let key = LaneKey::of(&self.directory.strategies[&strategy_id]);
            if !self.nodes[n].workers.contains_key(&key) {
                // It was at rest, or never was: its positions are all there is.
                let own = self.book.positions.values();
                let own = own
                    .filter(|one| one.broker_account_id == key.broker_account_id && one.symbol == key.symbol);
                let positions = own.cloned().collect();
                self.open(n, &key, LaneSeed { positions, ..LaneSeed::default() });
            }
            if let Some(worker) = self.nodes[n].workers.get_mut(&key) {
                worker.inbox.push_back(Event::Signal(Job { signal, strategy_id }));
            }
        }
    }

    /// Lanes at rest are let go.
    pub fn let_go_idle(&mut self, random: &mut Random) {
        let n = random.place(self.nodes.len());
        self.nodes[n].workers.retain(|_, worker| {
            let is_told = worker.effects.is_empty() && worker.news.is_empty() && worker.inbox.is_empty();
            !(is_told && worker.lane.is_at_rest())
        });
    }

    /// A person asks for a strategy's position to be flattened.
    pub fn flatten(&mut self, random: &mut Random) {
        let strategy = self.any_strategy(random);
        self.tell_all(|| Event::CancelWorking(Some(strategy)));
        self.by_hand(strategy, SignalSource::Flatten, "EXIT_ALL", random);
    }

    /// A person has a strategy adopt what the venue holds.
    pub fn adopt(&mut self, random: &mut Random) {
        if self.setup.trades_by_hand {
            let strategy = self.any_strategy(random);
            self.by_hand(strategy, SignalSource::Adopt, "", random);
        }
    }

    fn any_strategy(&self, random: &mut Random) -> StrategyId {
        let ids: Vec<_> = self.directory.strategies.keys().copied().collect();
        random.pick(&ids)
    }

    fn by_hand(&mut self, strategy: StrategyId, source: SignalSource, comment: &str, random: &mut Random) {
        let Some(n) = self.receiver(random) else { return };
        let received_at = self.nodes[n].wall(self.at);
        let mut signal = alert(received_at, &[strategy], "SELL", comment);
        signal.source = source;
        if self.accept(n, signal) {
            self.deliver_all(Some(random));
        }
    }

    /// Somebody trades past us.
    pub fn trade_by_hand(&mut self, random: &mut Random) {
        if self.setup.trades_by_hand {
            let place = random.place(self.venues.len());
            let venue = self.venues.values_mut().nth(place).expect("a venue");
            venue.by_hand = venue.by_hand + net(random.pick(&[-2, -1, 1, 2]));
            let by_hand = venue.by_hand;
            self.say(("by hand", place, by_hand));
        }
    }

    /// A venue does something to one of its working orders.
    pub fn trade(&mut self, random: &mut Random) {
        let is_open = |order: &VenueOrder| !order.status.is_final();
        let open = self.venues.iter().flat_map(|(key, venue)| {
            let open = venue.orders.iter().filter(|(_, order)| is_open(order));
            open.map(move |(id, order)| (key, *id, order.leaves()))
        });
        let open: Vec<_> = open.collect();
        if open.is_empty() {
            return;
        }
        let (key, id, leaves) = open[random.place(open.len())];
        let key = key.clone();
        let now = START.plus(self.at);
        let venue = self.venues.get_mut(&key).expect("a venue");
        let report = match random.below(10) {
            0 => venue.end(id, OrderStatus::Canceled),
            1 => venue.end(id, OrderStatus::Expired),
            2..6 => venue.fill(id, crate::support::qty(1), now),
            _ => venue.fill(id, leaves, now),
        };
        self.say(&report);
        self.report(&key, &report, random);
    }

    /// The stream: complete, with all executions, with none, lost now and then, or cut off while the connection is down.
    fn report(&mut self, key: &LaneKey, report: &ExecutionReport, random: &mut Random) {
        let report = match random.below(10) {
            0 => ExecutionReport { executions: Vec::new(), ..report.clone() },
            1..3 => self.venues[key].report(report.client_order_id),
            _ => report.clone(),
        };
        for node in &mut self.nodes {
            let is_up = node.links.get(&key.broker_account_id).is_some_and(|link| link.is_up);
            if is_up
                && !random.percent(3)
                && let Some(worker) = node.workers.get_mut(key)
            {
                worker.inbox.push_back(Event::Report(report.clone()));
            }
        }
    }
}

fn hash(parts: [u8; 2]) -> [u8; 16] {
    let mut hash = [0; 16];
    hash[..2].copy_from_slice(&parts);
    hash
}
