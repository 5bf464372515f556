//! Random histories, replayed by their seed: signals, fills, refusals, silence, late and doubled reports, lost
//! connections, halts, and a process that ends between any two effects. After every step the recorded book is held
//! against an independent account of what the venue did; at the end, with the venue healthy and quiet, everything must
//! be settled and equal.
//!
//! `ATOMIK_SEED=n cargo test -p atomik-engine --test simulator` replays one history and prints it; `ATOMIK_SEEDS=n` plays
//! so many.

#![allow(clippy::expect_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod support;

use std::time::Duration;

use atomik_domain::{
    ClientOrderId, ExecutionReport, HaltMode, OnOppositeEntry, OrderStatus, OutcomeStatus, Qty, SignedQty,
    StrategyId,
};
use atomik_engine::lane::{Effect, Event};
use atomik_ports::broker::ClientIdUniqueness;

use support::qty;
use support::world::{A, Asked, B, Fate, World};

const SEEDS: u64 = 2_000;
const STEPS: u32 = 200;
/// The longest an order may be under way without showing, where the venue has a settle window.
const WINDOW_S: u64 = 4;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn units(&mut self, most: i64) -> i64 {
        1 + i64::try_from(self.next() % u64::try_from(most).expect("positive")).expect("small")
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.next() % from.len() as u64).expect("small")]
    }

    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.next() % len as u64).expect("small")
    }
}

struct History {
    random: Random,
    world: World,
    says: bool,
    /// What a busy history counts, so that a simulator that does nothing is noticed.
    crashes: u64,
    fills: u64,
}

impl History {
    fn new(seed: u64, says: bool) -> Self {
        let mut random = Random(seed);
        let mut world = World::down();
        world.venue.uniqueness =
            random.pick(&[ClientIdUniqueness::Forever, ClientIdUniqueness::AmongOpenOrders]);
        world.venue.settle_window = Duration::from_secs(random.pick(&[0, WINDOW_S]));
        for id in [A, B] {
            let (quantity, more) = (random.units(4), random.units(4) - 1);
            let reverse = random.percent(50);
            let bare = random.percent(50);
            world.behave(id, |behavior| {
                behavior.quantity = qty(quantity);
                behavior.max_position = qty(quantity + more);
                behavior.bare_sell_opens_short = bare;
                if reverse {
                    behavior.on_opposite_entry = OnOppositeEntry::Reverse;
                }
            });
        }
        Self { random, world, says, crashes: 0, fills: 0 }
    }

    fn say(&self, what: impl std::fmt::Debug) {
        if self.says {
            eprintln!("{:>12} {what:?}", self.world.tick);
        }
    }

    /// One thing happens.
    fn step(&mut self) {
        if self.random.percent(1) {
            self.crash();
        }
        if let Some(effect) = self.world.effects.pop_front() {
            self.perform(effect);
            return;
        }
        match self.random.below(100) {
            0..50 if !self.world.inbox.is_empty() => self.hear(),
            0..10 if !self.world.link_up => self.flip_link(),
            10..15 if self.world.view.halt.is_some() => self.halt(None),
            0..65 => self.trade(),
            65..77 => self.signal(),
            77..94 => self.wait(),
            94 => self.flip_link(),
            95 => {
                let mode = self.random.pick(&[HaltMode::Entries, HaltMode::All]);
                self.halt(Some(mode));
            }
            96..99 => self.decide(Event::CompareBooks),
            _ => self.decide(Event::CancelWorking(None)),
        }
    }

    fn halt(&mut self, mode: Option<HaltMode>) {
        self.say(("halt", mode));
        self.world.view.halt = mode;
    }

    fn decide(&mut self, event: Event) {
        self.say(&event);
        self.world.decide(event);
    }

    /// Something that is under way reaches the lane, not always the oldest, sometimes twice.
    fn hear(&mut self) {
        let place = if self.random.percent(70) { 0 } else { self.random.place(self.world.inbox.len()) };
        let Some(event) = self.world.inbox.remove(place) else { return };
        if let Event::Report(report) = &event
            && self.random.percent(15)
        {
            self.world.inbox.push_back(Event::Report(report.clone()));
        }
        self.decide(event);
    }

    fn perform(&mut self, effect: Effect) {
        if matches!(effect, Effect::Submit(_)) {
            let fate = self.fate();
            self.world.sends.push_back(fate);
        }
        if matches!(effect, Effect::LookUp(..)) {
            let asked = if self.random.percent(20) { Asked::Unavailable } else { Asked::Truth };
            self.world.asks.push_back(asked);
        }
        self.world.tells_net = !self.random.percent(10);
        self.world.cancels = self.random.percent(50);
        self.say(&effect);
        let heard = self.world.inbox.len();
        self.world.perform(effect);
        self.world.sends.clear();
        self.world.asks.clear();
        if self.world.inbox.len() > heard
            && let Some(Event::Submitted(id, ..)) = self.world.inbox.back()
            && self.world.venue.orders.contains_key(id)
            && self.random.percent(30)
        {
            // The stream may be faster than the answer.
            let report = self.world.venue.report(*id);
            self.world.inbox.push_front(Event::Report(report));
        }
    }

    fn fate(&mut self) -> Fate {
        let window_us = u64::try_from(self.world.venue.settle_window.as_micros()).expect("small");
        match self.random.below(20) {
            0..6 => Fate::Fill,
            6..10 => Fate::Work,
            10..12 => Fate::Part(1),
            12 => Fate::Reject,
            13..15 => Fate::NotSent,
            15 => Fate::Lost,
            16 => Fate::Unheard,
            17 => Fate::UnheardFill,
            _ if window_us > 0 => {
                Fate::Late(i64::try_from(1 + self.random.below(window_us - 1)).expect("small"))
            }
            _ => Fate::Fill,
        }
    }

    fn signal(&mut self) {
        let strategy = self.random.pick(&[A, A, B]);
        let action = self.random.pick(&["BUY", "SELL"]);
        let comment = self.random.pick(&["", "", "ENTRY", "ENTRY", "EXIT_50", "EXIT_33", "EXIT_ALL"]);
        let job = self.world.store(strategy, action, comment);
        if self.random.percent(3) {
            // Stored, and the process ends before the lane hears of it.
            self.crash();
        } else {
            self.decide(Event::Signal(job));
        }
    }

    /// The venue does something to one of its working orders.
    fn trade(&mut self) {
        let open = |order: &&support::venue::VenueOrder| !order.status.is_final();
        let open: Vec<_> = self.world.venue.orders.values().filter(open).collect();
        if open.is_empty() {
            return;
        }
        let order = open[self.random.place(open.len())];
        let (id, leaves) = (order.request.client_order_id, order.leaves());
        let report = match self.random.below(10) {
            0 => self.world.venue.end(id, OrderStatus::Canceled),
            1 => self.world.venue.end(id, OrderStatus::Expired),
            2..6 => self.fill(id, qty(1)),
            _ => self.fill(id, leaves),
        };
        self.say(&report);
        self.report(report);
    }

    fn fill(&mut self, id: ClientOrderId, qty: Qty) -> ExecutionReport {
        self.fills += 1;
        self.world.venue.fill(id, qty, self.world.now)
    }

    /// The stream: complete, with all executions, with none, lost now and then, or cut off while the connection is down.
    fn report(&mut self, report: ExecutionReport) {
        if !self.world.link_up || self.random.percent(3) {
            return;
        }
        let report = match self.random.below(10) {
            0 => ExecutionReport { executions: Vec::new(), ..report },
            1..3 => self.world.venue.report(report.client_order_id),
            _ => report,
        };
        self.world.inbox.push_back(Event::Report(report));
    }

    /// Time passes: to the lane's next wish, or just so; now and then the wall clock is set.
    fn wait(&mut self) {
        let wish = self.world.lane.next_tick(self.world.tick);
        let some = self.world.tick + self.random.units(7_000_000);
        let to = if self.random.percent(70) { wish.unwrap_or(some).min(some) } else { some };
        self.world.move_to(to.max(self.world.tick));
        if self.random.percent(2) {
            let by = self.random.pick(&[-3_600, 3_600, 20]);
            self.world.now = self.world.now.plus_seconds(by);
        }
        self.decide(Event::Tick);
    }

    fn flip_link(&mut self) {
        self.world.link_up = !self.world.link_up;
        if self.world.link_up {
            let capabilities = self.world.venue.capabilities();
            self.decide(Event::Connected(capabilities));
        } else {
            // What was on the stream is lost; answers to questions come all the same.
            self.world.inbox.retain(|event| !matches!(event, Event::Report(_)));
            self.decide(Event::Disconnected);
        }
    }

    fn crash(&mut self) {
        self.say("crash");
        self.crashes += 1;
        self.world.crash();
        if self.random.percent(80) {
            self.flip_link();
        }
    }

    /// What the venue did for one strategy, by the orders' own account.
    fn truth(&self, strategy: StrategyId) -> SignedQty {
        let own = self.world.venue.orders.iter().filter(|(id, _)| {
            self.world.book.orders.get(id).is_some_and(|order| order.strategy_id == strategy)
        });
        own.fold(SignedQty::ZERO, |sum, (_, order)| sum + order.request.side.signed(order.filled()))
    }

    /// What holds at every moment.
    fn check(&self) {
        for (id, order) in &self.world.venue.orders {
            assert!(self.world.book.orders.contains_key(id), "the venue has an order without an intent");
            let recorded = &self.world.book.orders[id];
            assert!(recorded.filled_qty <= order.filled(), "more is recorded than was filled");
        }
        for (id, strategy) in &self.world.view.strategies {
            let limit = strategy.behavior.max_position;
            let (recorded, truth) = (self.world.position(*id), self.truth(*id));
            assert!(recorded.abs() <= limit && truth.abs() <= limit, "past the limit of {limit}: {truth}");
        }
    }

    /// The venue is healthy and quiet; everything comes to its end.
    fn settle(&mut self) {
        self.say("the end begins");
        self.world.view.halt = None;
        self.world.tells_net = true;
        self.world.cancels = true;
        if !self.world.link_up {
            self.world.link_up = true;
            let capabilities = self.world.venue.capabilities();
            self.world.inbox.push_back(Event::Connected(capabilities));
        }
        for _ in 0..12 {
            self.world.run();
            let ids: Vec<_> = self.world.venue.orders.keys().copied().collect();
            for id in ids {
                let order = &self.world.venue.orders[&id];
                if !order.status.is_final() {
                    let report = self.fill(id, order.leaves());
                    self.world.tell(Event::Report(report));
                }
            }
            self.world.pass(45);
            self.world.tell(Event::CompareBooks);
        }
    }

    fn check_end(&self) {
        self.check();
        for id in [A, B] {
            assert_eq!(self.world.position(id), self.truth(id), "the books of {id} are not the venue's");
        }
        assert_eq!(self.world.position(A) + self.world.position(B), self.world.venue.net());
        assert_eq!(self.world.lane.waiting(), 0, "something waits for ever");
        for order in self.world.book.orders.values() {
            assert!(order.status.is_final(), "an order never ends: {order:?}");
        }
        for ((signal, strategy), outcome) in &self.world.book.outcomes {
            assert!(outcome.status.is_final(), "a signal is never settled: {outcome:?}");
            assert!(outcome.settled_at.is_some());
            let orders = self.world.book.orders_of(*signal, *strategy);
            let filled = orders.iter().any(|order| !order.filled_qty.is_zero());
            let says_so = matches!(outcome.status, OutcomeStatus::Filled | OutcomeStatus::PartlyFilled);
            assert_eq!(filled, says_so, "an outcome does not tell the truth: {outcome:?} {orders:?}");
            self.check_sides(&orders);
        }
    }

    /// A signal's orders all point the way the signal pointed, and it enters at most once.
    fn check_sides(&self, orders: &[&atomik_domain::Order]) {
        let entered = orders.iter().filter(|order| !order.is_exit() && !order.filled_qty.is_zero()).count();
        assert!(entered <= 1, "one signal entered {entered} times: {orders:?}");
        assert!(orders.windows(2).all(|pair| pair[0].request.side == pair[1].request.side));
    }
}

fn play(seed: u64, says: bool) -> (u64, u64) {
    let mut history = History::new(seed, says);
    history.flip_link();
    for _ in 0..STEPS {
        history.step();
        history.check();
    }
    history.settle();
    history.check_end();
    (history.crashes, history.fills)
}

#[test]
fn whatever_happens_nothing_is_doubled_lost_or_left_open() {
    if let Ok(seed) = std::env::var("ATOMIK_SEED") {
        play(seed.parse().expect("ATOMIK_SEED is a number"), true);
        return;
    }
    let (mut crashes, mut fills) = (0_u64, 0_u64);
    let seeds = std::env::var("ATOMIK_SEEDS");
    let seeds = seeds.map_or(SEEDS, |seeds| seeds.parse().expect("ATOMIK_SEEDS is a number"));
    for seed in 0..seeds {
        let played = std::panic::catch_unwind(|| play(seed, false));
        let Ok((crashed, filled)) = played else {
            panic!("history {seed} broke a promise: replay it with ATOMIK_SEED={seed}");
        };
        crashes += crashed;
        fills += filled;
    }
    assert!(
        crashes > seeds && fills > 2 * seeds,
        "the histories are too quiet: {crashes} crashes, {fills} fills"
    );
}

#[test]
fn a_seed_plays_the_same_history_every_time() {
    assert_eq!(play(7, false), play(7, false));
}
