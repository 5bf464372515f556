//! A node: one run of the program, with clocks of its own. What its workers do is in `runner.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use atomik_domain::{Approved, BrokerAccountId, ClientOrderId, SignalId, StrategyId, UnixMicros};
use atomik_engine::lane::{Effect, Event, Lane, LaneKey};
use atomik_engine::{Informed, Moment, Tenure};
use atomik_ports::cluster::Lease;

use crate::leases::Answer;
use crate::support::world::{FakeView, START};

/// A lane and what is on its way to it and from it.
pub struct Worker {
    /// Tells it from every other there was.
    pub serial: u64,
    pub lane: Lane,
    /// Decided and not performed yet.
    pub effects: VecDeque<Effect>,
    /// What has become of the connection, which it hears before anything else.
    pub news: VecDeque<Event>,
    /// Answers, reports and signals on their way to it.
    pub inbox: VecDeque<Event>,
    /// The intents of the last record that existed already.
    pub repeated: Vec<ClientOrderId>,
    /// When it last decided something, and whether its node knew by then what others had changed.
    pub decided: (Moment, bool),
    /// The monotonic time at which it wants to be woken.
    pub wakes_at: Option<i64>,
    pub books: BooksSeen,
    /// The orders that the venue was asked about, and answered.
    pub answered: BTreeSet<ClientOrderId>,
}

impl Worker {
    /// Whether it is about to record or to send an order.
    pub fn is_sending(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Submit(_)))
    }
}

/// What its books have been shown, as the oracle sees it.
#[derive(Default)]
pub struct BooksSeen {
    /// How much was recorded when the venue was last asked what it holds.
    pub asked: Option<u64>,
    /// Whether an answer came since the account was connected.
    pub compared: bool,
    /// Whether the last answer differed from what was recorded beyond any doubt.
    pub differ: bool,
}

/// A connection to a broker.
#[derive(Clone, Copy)]
pub struct Link {
    pub lease: Option<Lease>,
    pub is_up: bool,
    /// Another node works on the account, as far as is known here.
    pub is_lost: bool,
    /// This node gives the account away: what is begun ends, and nothing else is begun.
    pub is_leaving: bool,
    /// Which connection it is.
    pub turn: u64,
}

/// An order that passed the last look and whose bytes have not left.
pub struct Sending {
    pub key: LaneKey,
    pub serial: u64,
    pub approved: Approved,
    pub lease: Option<Lease>,
    pub turn: u64,
    pub lapses: u64,
    pub begun: i64,
    pub sent_at: UnixMicros,
}

/// A beat that the store has answered and the node has not heard.
pub struct Beating {
    pub began: Moment,
    pub returned: Vec<Lease>,
    pub answer: Answer,
}

/// A node.
pub struct Node {
    pub run: i64,
    pub is_up: bool,
    /// Stands still until then; with its machine and so with its monotonic clock, or alone.
    pub asleep: Option<(i64, bool)>,
    /// Whether it cannot reach the store.
    pub is_cut_off: bool,
    tick_lag: i64,
    pub wall_ahead: i64,
    /// When its wall clock was last set.
    pub wall_set_at: Option<i64>,
    pub tenure: Tenure,
    pub held: BTreeMap<BrokerAccountId, Option<Lease>>,
    /// Accounts that are let go, and whose last sends may not be answered.
    pub leaving: BTreeMap<BrokerAccountId, Lease>,
    pub links: BTreeMap<BrokerAccountId, Link>,
    pub workers: BTreeMap<LaneKey, Worker>,
    pub sends: Vec<Sending>,
    /// The directory as it is known here, and since when it is.
    pub view: FakeView,
    pub informed: Informed,
    /// The signals that lanes were given.
    pub handed: BTreeSet<(SignalId, StrategyId)>,
    pub beat: Option<Beating>,
    pub beat_at: i64,
}

impl Node {
    /// A run that begins now.
    pub fn new(run: i64, at: i64, wall_ahead: i64, view: FakeView) -> Self {
        Self {
            run,
            is_up: true,
            asleep: None,
            is_cut_off: false,
            tick_lag: at,
            wall_ahead,
            wall_set_at: None,
            tenure: Tenure::default(),
            held: BTreeMap::new(),
            leaving: BTreeMap::new(),
            links: BTreeMap::new(),
            workers: BTreeMap::new(),
            sends: Vec::new(),
            view,
            informed: Informed::of(Moment { tick: 0, wall: START.plus(at + wall_ahead) }),
            handed: BTreeSet::new(),
            beat: None,
            beat_at: at,
        }
    }

    /// Its monotonic clock.
    pub fn tick(&self, at: i64) -> i64 {
        at - self.tick_lag
    }

    /// Its wall clock.
    pub fn wall(&self, at: i64) -> UnixMicros {
        START.plus(at + self.wall_ahead)
    }

    pub fn moment(&self, at: i64) -> Moment {
        Moment { tick: self.tick(at), wall: self.wall(at) }
    }

    /// Whether it does anything.
    pub fn acts(&self) -> bool {
        self.is_up && self.asleep.is_none()
    }

    /// Time has passed.
    pub fn passed(&mut self, us: i64, at: i64) {
        if let Some((until, with_its_machine)) = self.asleep {
            if with_its_machine {
                self.tick_lag += us;
            }
            if until <= at {
                self.asleep = None;
            }
        }
    }

    /// The process ends: what was not recorded is gone.
    pub fn end(&mut self) {
        self.is_up = false;
        self.asleep = None;
        self.is_cut_off = false;
        self.held.clear();
        self.leaving.clear();
        self.links.clear();
        self.workers.clear();
        self.sends.clear();
        self.handed.clear();
        self.beat = None;
    }

    /// Hands a worker something, if it is still the one that it is for.
    pub fn feed(&mut self, key: &LaneKey, serial: u64, event: Event) {
        if let Some(worker) = self.workers.get_mut(key).filter(|worker| worker.serial == serial) {
            worker.inbox.push_back(event);
        }
    }

    /// Whether nothing is begun on an account any more.
    pub fn is_leaving(&self, account: BrokerAccountId) -> bool {
        self.links.get(&account).is_some_and(|link| link.is_leaving)
    }

    /// How many orders of an account are on their way, from before their record to the venue's answer.
    pub fn sending(&self, account: BrokerAccountId) -> usize {
        let of_account = |key: &LaneKey| key.broker_account_id == account;
        let begun = self.workers.iter().filter(|(key, worker)| of_account(key) && worker.is_sending());
        self.sends.iter().filter(|sending| of_account(&sending.key)).count() + begun.count()
    }

    /// Ends all work on an account as it is.
    pub fn abandon(&mut self, account: BrokerAccountId, of_account: impl Fn(StrategyId) -> bool) {
        self.held.remove(&account);
        self.links.remove(&account);
        self.workers.retain(|key, _| key.broker_account_id != account);
        self.handed.retain(|(_, strategy)| !of_account(*strategy));
    }

    /// Begins nothing more on an account: orders whose recording was decided still leave.
    pub fn give_away(&mut self, account: BrokerAccountId, of_account: impl Fn(StrategyId) -> bool) {
        self.held.remove(&account);
        if let Some(link) = self.links.get_mut(&account) {
            link.is_leaving = true;
        }
        self.workers.retain(|key, worker| key.broker_account_id != account || worker.is_sending());
        self.handed.retain(|(_, strategy)| !of_account(*strategy));
    }
}
