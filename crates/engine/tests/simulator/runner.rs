//! What stands for the engine's runner: performs what lanes decide, one effect after another, and feeds the answers back. What
//! it looks at before an order leaves, and before every step of a send, is the engine's own `Departure` and `Tenure`.

use std::collections::BTreeSet;

use atomik_domain::{Approved, BrokerAccountId, ClientOrderId, Gate, SignedQty};
use atomik_engine::Moment;
use atomik_engine::lane::{Context, Departure, Effect, Event, Lane, LaneKey, LaneSeed, NetPurpose, View};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::journal::Changes;

use crate::node::{BooksSeen, Sending, Worker};
use crate::random::Random;
use crate::sim::Sim;
use crate::support::venue::Fate;
use crate::support::world::{INSTALLATION, START};

/// How long a venue may take to answer anything.
const ANSWER_TIMEOUT_US: i64 = 30_000_000;

/// Something that is to be done.
#[derive(Clone, Debug)]
pub enum Task {
    Perform(usize, LaneKey),
    Hear(usize, LaneKey),
    Leave(usize, usize),
    HearBeat(usize),
}

/// How things go with venues: as chance has it, or well.
pub enum Health<'r> {
    Random(&'r mut Random),
    Good,
}

impl Health<'_> {
    /// Whether chance has it; never where things go well.
    pub fn percent(&mut self, percent: u64) -> bool {
        match self {
            Self::Random(random) => random.percent(percent),
            Self::Good => false,
        }
    }
}

impl Sim {
    /// Everything that could be done now.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (n, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.acts()) {
            for (key, worker) in &node.workers {
                match worker.effects.front() {
                    // Tried again once the store is there again.
                    Some(Effect::Record(_)) if node.is_cut_off => {}
                    Some(_) => tasks.push(Task::Perform(n, key.clone())),
                    None if node.is_leaving(key.broker_account_id) => {}
                    None if !worker.news.is_empty() || !worker.inbox.is_empty() => {
                        tasks.push(Task::Hear(n, key.clone()));
                    }
                    None => {}
                }
            }
            tasks.extend((0..node.sends.len()).map(|place| Task::Leave(n, place)));
            tasks.extend(node.beat.as_ref().map(|_| Task::HearBeat(n)));
        }
        tasks
    }

    pub fn run(&mut self, task: &Task, mut health: Health<'_>) {
        match task {
            Task::Perform(n, key) => self.perform(*n, key, &mut health),
            Task::Hear(n, key) => self.hear(*n, key, &mut health),
            Task::Leave(n, place) => self.leave(*n, *place, &mut health),
            Task::HearBeat(n) => self.hear_beat(*n),
        }
    }

    /// Opens a lane.
    pub fn open(&mut self, n: usize, key: &LaneKey, seed: LaneSeed) {
        let gate = Gate::new(self.setup.max_orders_per_minute);
        let lane = Lane::new(key.clone(), seed, gate, self.setup.max_queue);
        let worker = Worker {
            serial: self.number(),
            lane,
            effects: Default::default(),
            news: Default::default(),
            inbox: Default::default(),
            repeated: Vec::new(),
            decided: (self.nodes[n].moment(self.at), false),
            wakes_at: None,
            books: BooksSeen::default(),
            answered: BTreeSet::new(),
        };
        self.nodes[n].workers.insert(key.clone(), worker);
        self.tell_of_connection(n, key);
    }

    /// The connection has changed, or the lane is new.
    fn tell_of_connection(&mut self, n: usize, key: &LaneKey) {
        let is_up = self.is_up(n, key.broker_account_id);
        let capabilities = self.venues[key].capabilities();
        let Some(worker) = self.nodes[n].workers.get_mut(key) else { return };
        worker.news.clear();
        worker.news.push_back(Event::Disconnected);
        if is_up {
            worker.news.push_back(Event::Connected(capabilities));
        }
    }

    fn is_up(&self, n: usize, account: BrokerAccountId) -> bool {
        self.nodes[n].links.get(&account).is_some_and(|link| link.is_up)
    }

    /// Whether orders may leave, as far as leases go.
    fn may_send(&self, n: usize) -> bool {
        !self.is_clustered() || self.nodes[n].tenure.is_good(self.nodes[n].moment(self.at))
    }

    /// Whether a node knows what others have changed.
    fn is_informed(&self, n: usize) -> bool {
        !self.is_clustered() || self.nodes[n].informed.is_fresh(self.nodes[n].moment(self.at))
    }

    /// Connects an account, or lets its connection end.
    pub fn set_link(&mut self, n: usize, account: BrokerAccountId, is_up: bool) {
        if is_up && !self.may_send(n) {
            return; // it does not throw out whoever works on it now
        }
        let turn = self.number();
        let Some(link) = self.nodes[n].links.get_mut(&account) else { return };
        if link.is_lost || link.is_leaving {
            return;
        }
        link.is_up = is_up;
        link.turn = turn;
        self.say(("connected", n, account, is_up));
        let keys: Vec<_> = self.nodes[n].workers.keys().cloned().collect();
        for key in keys.iter().filter(|key| key.broker_account_id == account) {
            self.tell_of_connection(n, key);
            if !is_up && let Some(worker) = self.nodes[n].workers.get_mut(key) {
                // What was on the stream is lost; answers to questions come all the same.
                worker.inbox.retain(|event| !matches!(event, Event::Report(_)));
            }
        }
    }

    pub fn flip_link(&mut self, random: &mut Random) {
        let n = random.place(self.nodes.len());
        let accounts: Vec<_> = self.nodes[n].links.keys().copied().collect();
        if accounts.is_empty() || !self.nodes[n].acts() {
            return;
        }
        let account = random.pick(&accounts);
        let is_up = self.is_up(n, account);
        if !is_up || random.percent(30) {
            self.set_link(n, account, !is_up);
        }
    }

    /// Something reaches a lane: news of its connection first, and then not always the oldest, sometimes twice.
    fn hear(&mut self, n: usize, key: &LaneKey, health: &mut Health<'_>) {
        let Some(worker) = self.nodes[n].workers.get_mut(key) else { return };
        if let Some(event) = worker.news.pop_front() {
            return self.decide(n, key, event);
        }
        let is_mixed = health.percent(30);
        let place = match health {
            Health::Random(random) if is_mixed => random.place(worker.inbox.len()),
            _ => 0,
        };
        // Signals keep their order: they come by one channel, one after the other.
        let is_signal = |event: &Event| matches!(event, Event::Signal(_));
        let place = match is_signal(&worker.inbox[place]) {
            true => worker.inbox.iter().position(is_signal).unwrap_or(place),
            false => place,
        };
        let Some(event) = worker.inbox.remove(place) else { return };
        if let Event::Report(report) = &event
            && health.percent(15)
        {
            worker.inbox.push_back(Event::Report(report.clone()));
        }
        self.decide(n, key, event);
    }

    /// Lets a lane decide.
    pub fn decide(&mut self, n: usize, key: &LaneKey, event: Event) {
        self.say((n, key.broker_account_id, &key.symbol, &event));
        self.note_heard(n, key, &event);
        let decided = (self.nodes[n].moment(self.at), self.is_informed(n));
        let Moment { tick, wall: now } = decided.0;
        let node = &mut self.nodes[n];
        let Some(worker) = node.workers.get_mut(key) else { return };
        assert!(worker.effects.is_empty(), "the runner performs everything before it goes on");
        let context = Context { now, tick, view: &node.view, installation: INSTALLATION };
        let effects = worker.lane.handle(&context, event);
        worker.decided = decided;
        worker.wakes_at = worker.lane.next_tick(tick);
        let later = effects.iter().skip(1);
        assert!(later.clone().all(|effect| !matches!(effect, Effect::Record(_))), "record first, then act");
        self.check_decided(n, key, &effects);
        if let Some(worker) = self.nodes[n].workers.get_mut(key) {
            worker.effects.extend(effects);
        }
    }

    fn perform(&mut self, n: usize, key: &LaneKey, health: &mut Health<'_>) {
        let Some(worker) = self.nodes[n].workers.get_mut(key) else { return };
        let serial = worker.serial;
        let Some(effect) = worker.effects.pop_front() else { return };
        self.say((n, key.broker_account_id, &key.symbol, &effect));
        let answer = match effect {
            Effect::Record(changes) => return self.record(n, key, changes),
            Effect::Submit(approved) => return self.submit(n, key, approved, health),
            Effect::LookUp(id, question) => Event::LookedUp(id, question, self.look_up(n, key, id, health)),
            Effect::Cancel(id) => Event::Canceled(id, self.cancel(n, key, id, health)),
            Effect::AskNet(purpose) => Event::Net(purpose, self.ask_net(n, key, purpose, health)),
            Effect::AskInstrument => Event::Instrument(match self.is_up(n, key.broker_account_id) {
                true => Ok(self.venues[key].instrument(&key.symbol)),
                false => Err(down()),
            }),
        };
        self.nodes[n].feed(key, serial, answer);
    }

    fn record(&mut self, n: usize, key: &LaneKey, mut changes: Box<Changes>) {
        let account = key.broker_account_id;
        changes.lease = self.nodes[n].links.get(&account).and_then(|link| link.lease);
        self.check_recording(&changes);
        let at = match self.is_clustered() {
            true => START.plus(self.at),
            false => self.nodes[n].wall(self.at),
        };
        let noted = changes.clone();
        match self.book.record(changes, at) {
            Some(existed) => {
                self.note_recorded(n, key, &noted, &existed);
                if let Some(worker) = self.nodes[n].workers.get_mut(key) {
                    worker.repeated = existed;
                }
            }
            None => self.lease_lost(n, account),
        }
    }

    /// The last look, and the begin of a send.
    fn submit(&mut self, n: usize, key: &LaneKey, approved: Approved, health: &mut Health<'_>) {
        let (account, at) = (key.broker_account_id, self.at);
        let id = approved.request().client_order_id;
        let (is_leased, is_connected) = (self.may_send(n), self.is_up(n, account));
        let is_informed = self.is_informed(n);
        let node = &mut self.nodes[n];
        let Some(worker) = node.workers.get(key) else { return };
        let serial = worker.serial;
        if worker.repeated.contains(&id) {
            return node.feed(key, serial, Event::IntentRepeated(id));
        }
        let strategy = approved.strategy_id();
        let halt = node.view.halt(account, strategy);
        let departure = Departure {
            is_active: node.view.strategy(strategy).is_some_and(|strategy| strategy.active),
            halt: halt.as_ref(),
            approved_us_ago: node.moment(at).us_since(worker.decided.0),
            is_connected,
            is_leased,
            is_informed: is_informed && worker.decided.1,
        };
        let sent_at = node.wall(at);
        if let Err(outcome) = departure.check(&approved) {
            self.counts.held_back += 1;
            return node.feed(key, serial, Event::Submitted(id, sent_at, outcome));
        }
        let Some(link) = node.links.get(&account).filter(|link| !link.is_lost) else { return };
        node.sends.push(Sending {
            key: key.clone(),
            serial,
            lease: link.lease,
            turn: link.turn,
            lapses: node.tenure.lapses(),
            begun: node.tick(at),
            sent_at,
            approved,
        });
        let place = node.sends.len() - 1;
        self.check_begins(n, place);
        if !health.percent(25) {
            return self.leave(n, place, health);
        }
        // Now is the worst moment to stand still.
        if let Health::Random(random) = health
            && random.percent(25)
            && self.is_clustered()
        {
            self.put_to_sleep(n, random);
        }
    }

    /// The bytes of an order leave, where nothing has come between.
    fn leave(&mut self, n: usize, place: usize, health: &mut Health<'_>) {
        let (at, is_clustered) = (self.at, self.is_clustered());
        let node = &mut self.nodes[n];
        let sending = node.sends.remove(place);
        let (key, id) = (sending.key.clone(), sending.approved.request().client_order_id);
        let is_unbroken = !is_clustered || node.tenure.is_unbroken(node.moment(at), sending.lapses);
        if !is_unbroken || node.tick(at) - sending.begun > ANSWER_TIMEOUT_US {
            self.counts.given_up += u64::from(!is_unbroken);
            let evidence = "no answer in time".to_owned();
            let outcome = SubmitOutcome::Unknown { evidence };
            return node.feed(&key, sending.serial, Event::Submitted(id, sending.sent_at, outcome));
        }
        self.check_leaves(n, &sending);
        let link = self.nodes[n].links.get(&key.broker_account_id);
        let is_same_connection = link.is_some_and(|link| link.is_up && link.turn == sending.turn);
        let venue = self.venues.get_mut(&key).expect("a venue for every lane");
        let window = i64::try_from(venue.settle_window.as_micros()).expect("small");
        let fate = match health {
            Health::Good => Fate::Fill,
            Health::Random(random) if is_same_connection => fate(random, window),
            Health::Random(random) => random.pick(&[Fate::NotSent, Fate::Lost, Fate::Unheard]),
        };
        self.voice.say(|| format!("{at:>12} leaves {n} {id} {fate:?}"));
        if !matches!(fate, Fate::NotSent) {
            self.counts.sent_again += u64::from(self.oracle.has_left(id));
            self.oracle.leaves(id, at);
        }
        let request = sending.approved.into_request();
        let outcome = venue.receive(request, fate, (START.plus(at), at)).expect("an answer");
        self.nodes[n].feed(&key, sending.serial, Event::Submitted(id, sending.sent_at, outcome));
        if self.venues[&key].orders.contains_key(&id) && health.percent(30) {
            // The stream may be faster than the answer.
            let report = self.venues[&key].report(id);
            if let Some(worker) = self.nodes[n].workers.get_mut(&key) {
                worker.inbox.push_front(Event::Report(report));
            }
        }
    }

    fn look_up(&mut self, n: usize, key: &LaneKey, id: ClientOrderId, health: &mut Health<'_>) -> LookUp {
        if !self.is_up(n, key.broker_account_id) || health.percent(20) {
            return LookUp::Unavailable { evidence: "503".to_owned() };
        }
        let venue = &self.venues[key];
        let answer = venue.look_up(id);
        if matches!(answer, LookUp::NotFound) {
            self.oracle.was_not_found(id, self.at, venue.settle_window);
        }
        answer
    }

    fn cancel(
        &mut self,
        n: usize,
        key: &LaneKey,
        id: ClientOrderId,
        health: &mut Health<'_>,
    ) -> CancelOutcome {
        // What another node may be working on by now is not this one's to cancel.
        if !self.is_up(n, key.broker_account_id) || !self.may_send(n) {
            return CancelOutcome::Unknown { evidence: "down".to_owned() };
        }
        let at_once = !health.percent(50);
        self.venues.get_mut(key).expect("a venue for every lane").cancel(id, at_once)
    }

    fn ask_net(
        &mut self,
        n: usize,
        key: &LaneKey,
        purpose: NetPurpose,
        health: &mut Health<'_>,
    ) -> Result<SignedQty, BrokerError> {
        if purpose == NetPurpose::Books {
            let asked = Some(self.book.written());
            if let Some(worker) = self.nodes[n].workers.get_mut(key) {
                worker.books.asked = asked;
            }
        }
        match self.is_up(n, key.broker_account_id) && !health.percent(10) {
            true => Ok(self.venues[key].net()),
            false => Err(down()),
        }
    }

    /// Wakes the lanes that want to be.
    pub fn tick_due(&mut self) {
        for n in 0..self.nodes.len() {
            let node = &self.nodes[n];
            let tick = node.tick(self.at);
            let is_due = |worker: &Worker| {
                worker.effects.is_empty() && worker.wakes_at.is_some_and(|wish| wish <= tick)
            };
            let is_kept = |key: &LaneKey| node.acts() && !node.is_leaving(key.broker_account_id);
            let due = node.workers.iter().filter(|(key, worker)| is_kept(key) && is_due(worker));
            let due: Vec<_> = due.map(|(key, _)| key.clone()).collect();
            due.iter().for_each(|key| self.decide(n, key, Event::Tick));
        }
    }

    /// Tells every lane something.
    pub fn tell_all(&mut self, event: impl Fn() -> Event) {
        for node in self.nodes.iter_mut().filter(|node| node.acts()) {
            node.workers.values_mut().for_each(|worker| worker.inbox.push_back(event()));
        }
    }
}

fn down() -> BrokerError {
    BrokerError::Unavailable("down".to_owned())
}

fn fate(random: &mut Random, window_us: i64) -> Fate {
    match random.below(24) {
        0..6 => Fate::Fill,
        6..10 => Fate::Work,
        10..12 => Fate::Part(1),
        12 => Fate::Reject,
        13..15 => Fate::NotSent,
        15..19 => Fate::Lost,
        19 => Fate::Unheard,
        20 => Fate::UnheardFill,
        _ if window_us > 0 => Fate::Late(random.units(window_us - 1)),
        _ => Fate::Fill,
    }
}
