//! The world of a history: the store, the venues, the directory, the nodes and the time; and what happens in one step.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::mem;

use atomik_domain::{BrokerAccountId, HaltMode, StrategyId};
use atomik_engine::lane::{Event, LaneKey};

use crate::history::Voice;
use crate::leases::Leases;
use crate::node::Node;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::runner::Health;
use crate::setup::{Setup, behave};
use crate::support::book::Book;
use crate::support::venue::Venue;
use crate::support::world::FakeView;

/// The longest that a node goes without looking at the clock, where there are several.
const CHUNK_US: i64 = 700_000;
const SECOND: i64 = 1_000_000;

/// What a busy history counts, so that a simulator that does nothing is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub crashes: u64,
    pub fills: u64,
    pub repeats: u64,
    pub takeovers: u64,
    /// Records that were refused because the lease was another's.
    pub refused: u64,
    /// Sends that were given up because the leases had not been good all the time.
    pub given_up: u64,
    /// Orders that the last look held back.
    pub held_back: u64,
    /// Orders that the gate denied.
    pub denied: u64,
    /// Orders that were sent again after a proof.
    pub sent_again: u64,
    /// Times that books were seen to differ.
    pub differed: u64,
}

impl Counts {
    fn all(&mut self) -> [&mut u64; 10] {
        let Self {
            crashes,
            fills,
            repeats,
            takeovers,
            refused,
            given_up,
            held_back,
            denied,
            sent_again,
            differed,
        } = self;
        [crashes, fills, repeats, takeovers, refused, given_up, held_back, denied, sent_again, differed]
    }

    pub fn add(&mut self, more: &Self) {
        let mut more = *more;
        self.all().into_iter().zip(more.all()).for_each(|(sum, one)| *sum += *one);
    }

    /// Whether enough happens in so many histories that what they prove is worth something.
    pub fn check_busy(mut self, histories: u64) {
        let shown = self;
        assert!(self.crashes > histories && self.fills > 2 * histories, "too quiet: {shown:?}");
        assert!(self.all().into_iter().all(|count| *count >= histories / 50), "too quiet: {shown:?}");
    }
}

/// The world.
pub struct Sim {
    pub setup: Setup,
    /// The true time since the beginning, in microseconds.
    pub at: i64,
    pub book: Book,
    pub venues: BTreeMap<LaneKey, Venue>,
    pub directory: FakeView,
    pub nodes: Vec<Node>,
    pub leases: Leases,
    pub oracle: Oracle,
    pub counts: Counts,
    pub voice: Voice,
    /// Numbers given out: runs, workers, connections.
    numbers: u64,
}

impl Sim {
    pub fn new(mut setup: Setup, voice: Voice) -> Self {
        let venues = mem::take(&mut setup.venues);
        let mut directory = FakeView::default();
        for strategy in &setup.strategies {
            directory.strategies.insert(strategy.id, strategy.clone());
        }
        let mut leases = Leases::default();
        for key in venues.keys() {
            leases.rows.insert(key.broker_account_id, (None, 0));
        }
        let oracle = Oracle::new(&setup);
        let mut sim = Self {
            setup,
            at: 0,
            book: Book::default(),
            venues,
            directory,
            nodes: Vec::new(),
            leases,
            oracle,
            counts: Counts::default(),
            voice,
            numbers: 0,
        };
        for n in 0..sim.setup.nodes {
            let run = sim.number();
            let node = Node::new(i64::try_from(run).expect("small"), 0, 0, sim.directory.clone());
            sim.nodes.push(node);
            sim.begin(n);
        }
        sim
    }

    pub fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub fn say(&mut self, what: impl Debug) {
        self.voice.say(|| format!("{:>12} {what:?}", self.at));
    }

    /// Whether there are several nodes, so that accounts are leased.
    pub fn is_clustered(&self) -> bool {
        self.setup.nodes > 1
    }

    pub fn account_of(&self, strategy: StrategyId) -> BrokerAccountId {
        self.directory.strategies[&strategy].broker_account_id
    }

    /// One thing happens.
    pub fn step(&mut self, random: &mut Random) {
        let tasks = self.tasks();
        if !tasks.is_empty() && random.percent(72) {
            // Mostly whoever is at it goes on.
            let place = if random.percent(60) { 0 } else { random.place(tasks.len()) };
            self.run(&tasks[place], Health::Random(random));
            return;
        }
        match random.below(100) {
            0..20 => self.signal(random),
            20..42 => self.trade(random),
            42..68 => self.wait(random),
            68..76 => self.flip_link(random),
            76..79 => self.halt(random),
            79..83 => self.tell_all(|| Event::CompareBooks),
            83 => self.flatten(random),
            84 => self.edit_strategy(random),
            85 => self.trade_by_hand(random),
            86 => self.let_go_idle(random),
            87 => self.adopt(random),
            88 => self.crash_one(random),
            89..91 => self.restart_one(random),
            _ => self.trouble_cluster(random),
        }
    }

    /// What goes wrong among nodes only; time passes where there is one alone.
    fn trouble_cluster(&mut self, random: &mut Random) {
        if !self.is_clustered() {
            return self.wait(random);
        }
        let n = random.place(self.nodes.len());
        match random.below(7) {
            0..3 => self.put_to_sleep(n, random),
            3 => self.cut_off(n),
            4 => self.begin_beat(n),
            5 => self.stop(n),
            _ => self.follow(n),
        }
    }

    /// A process stands still, alone or with its whole machine.
    pub fn put_to_sleep(&mut self, n: usize, random: &mut Random) {
        let until = self.at + random.units(12_000_000);
        // A machine that sleeps stops its monotonic clock; that its wall clock is set back in the same moments, nothing
        // can help against.
        let was_set = self.nodes[n].wall_set_at.is_some_and(|at| self.at - at < 20 * SECOND);
        let with_its_machine = random.percent(40) && !was_set;
        if self.nodes[n].acts() {
            self.say(("sleeps", n, until, with_its_machine));
            self.nodes[n].asleep = Some((until, with_its_machine));
        }
    }

    fn cut_off(&mut self, n: usize) {
        self.nodes[n].is_cut_off = self.nodes[n].is_up && !self.nodes[n].is_cut_off;
        self.say(("cut off", n, self.nodes[n].is_cut_off));
    }

    /// Time passes: to a lane's next wish, or just so; now and then a wall clock is set.
    fn wait(&mut self, random: &mut Random) {
        let most = if self.is_clustered() && random.percent(75) { 1_500_000 } else { 7_000_000 };
        let some = random.units(most);
        let wish = self.next_wish().filter(|_| random.percent(70)).unwrap_or(some);
        self.pass(wish.min(some), Some(random));
        if self.setup.sets_clocks && random.percent(6) {
            self.set_clock(random);
        }
        self.tick_due();
    }

    fn set_clock(&mut self, random: &mut Random) {
        let n = random.place(self.nodes.len());
        if self.nodes[n].asleep.is_some_and(|(_, with_its_machine)| with_its_machine) {
            return;
        }
        let by_s: i64 = random.pick(&[-3_600, 3_600, 20, -2]);
        self.say(("clock", n, by_s));
        self.nodes[n].wall_ahead += by_s * SECOND;
        self.nodes[n].wall_set_at = Some(self.at);
        self.oracle.clocks_were_set = true;
    }

    /// Time passes. Nodes among others beat and follow what changes meanwhile, where they can and chance has it.
    pub fn pass(&mut self, us: i64, mut random: Option<&mut Random>) {
        let end = self.at + us;
        while self.at < end {
            let chunk = if self.is_clustered() { CHUNK_US.min(end - self.at) } else { end - self.at };
            self.at += chunk;
            for n in 0..self.nodes.len() {
                self.nodes[n].passed(chunk, self.at);
                let mut lucky = |percent| random.as_mut().is_none_or(|random| random.percent(percent));
                if self.is_clustered() && self.nodes[n].acts() {
                    let (follows, beats, hears) = (lucky(90), lucky(90), lucky(90));
                    if follows {
                        self.follow(n);
                    }
                    if beats && self.at - self.nodes[n].beat_at >= SECOND {
                        self.begin_beat(n);
                    }
                    if hears {
                        self.hear_beat(n);
                    }
                }
            }
            self.venues.values_mut().for_each(|venue| venue.arrive(self.at));
        }
    }

    /// How long it is until a lane wants to be woken.
    pub fn next_wish(&self) -> Option<i64> {
        let nodes = self.nodes.iter().filter(|node| node.acts());
        let wishes = nodes.flat_map(|node| {
            let tick = node.tick(self.at);
            let wishes = node.workers.values().filter_map(|worker| worker.wakes_at);
            wishes.map(move |wish| (wish - tick).max(0))
        });
        wishes.min()
    }

    fn change_directory(&mut self, change: impl FnOnce(&mut FakeView)) {
        change(&mut self.directory);
        self.oracle.directory_changed(self.at, &self.directory);
        if !self.is_clustered() {
            // In force before the answer.
            self.nodes[0].view = self.directory.clone();
        }
    }

    fn halt(&mut self, random: &mut Random) {
        let mode = random.pick(&[HaltMode::Entries, HaltMode::All]);
        let mode = if self.directory.halt.is_some() { None } else { Some(mode) };
        self.say(("halt", mode));
        self.change_directory(|directory| directory.halt = mode);
    }

    pub fn lift_halts(&mut self) {
        self.change_directory(|directory| directory.halt = None);
    }

    fn edit_strategy(&mut self, random: &mut Random) {
        let ids: Vec<_> = self.directory.strategies.keys().copied().collect();
        let id = random.pick(&ids);
        let mut strategy = (*self.directory.strategies[&id]).clone();
        match random.below(4) {
            0 => strategy.active = false,
            1..3 => strategy.active = true,
            _ => behave(random, &mut strategy),
        }
        self.say(("edited", id, strategy.active, strategy.behavior.max_position));
        self.change_directory(|directory| {
            directory.strategies.insert(id, strategy.into());
        });
    }

    fn crash_one(&mut self, random: &mut Random) {
        let n = random.place(self.nodes.len());
        self.crash(n);
        if random.percent(60) {
            self.restart(n);
        }
    }

    fn restart_one(&mut self, random: &mut Random) {
        let n = random.place(self.nodes.len());
        self.restart(n);
    }

    /// A process ends between any two effects.
    pub fn crash(&mut self, n: usize) {
        if self.nodes[n].is_up {
            self.say(("crash", n));
            self.counts.crashes += 1;
            self.nodes[n].end();
        }
    }

    pub fn restart(&mut self, n: usize) {
        if self.nodes[n].is_up {
            return;
        }
        self.say(("start", n));
        let run = i64::try_from(self.number()).expect("small");
        self.nodes[n] = Node::new(run, self.at, self.nodes[n].wall_ahead, self.directory.clone());
        self.begin(n);
    }
}
