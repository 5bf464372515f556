//! One installation in the minute's first seconds: nodes, their PostgreSQL and their Redis, event by event.
//!
//! What is simulated is what the program does: a node's cores check requests, Redis is asked for each one's rate, one
//! committer a node records what waits in one transaction after the other, and PostgreSQL's cores and its log carry those. What
//! takes how long is in `costs.rs`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::costs::{
    ANSWER_LIMIT, COMMIT_PATIENCE, FLUSH, LOG_BYTES, LOG_BYTES_A_SECOND, MAX_BATCH, MAX_QUESTIONS,
    NODE_CORES, NODE_SIGNAL, NODE_TRANSACTION, POSTGRES_CORES, POSTGRES_SIGNAL, POSTGRES_TRANSACTION,
    REDIS_PAUSE, REDIS_SIGNAL, REDIS_TIMEOUT, ROUND_TRIP, SECOND,
};

/// Nanoseconds.
pub type Nanos = u64;

/// What becomes of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// From arrival to answer, of every request that was recorded.
    pub answered: Vec<Nanos>,
    /// Answered 503: never recorded.
    pub refused: usize,
}

/// An installation.
#[derive(Clone, Copy, Debug)]
pub struct Installation {
    /// How many nodes it has.
    pub nodes: usize,
    /// `trading.max_waiting_deliveries` of each.
    pub max_waiting: usize,
}

/// Random numbers that are the same everywhere: SplitMix64.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// When alerts arrive: 85 in 100 spread over the first 300 ms, the others over the rest of the second.
pub fn arrivals(count: usize, random: &mut Random) -> Vec<Nanos> {
    const EARLY: Nanos = 3 * SECOND / 10;
    let mut one = || {
        if random.below(100) < 85 { random.below(EARLY) } else { EARLY + random.below(SECOND - EARLY) }
    };
    let mut moments: Vec<_> = (0..count).map(|_| one()).collect();
    moments.sort_unstable();
    moments
}

/// What happens next. The numbers are places of requests and of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A request came.
    Arrived(usize),
    /// A node has checked it.
    Checked(usize),
    /// Its rate is known, from Redis (`true`) or without it.
    Admitted(usize, bool),
    /// A node's transaction is ready to be flushed.
    Written(usize),
    /// The log is flushed.
    Flushed,
    /// A node hears that its transaction is committed.
    Committed(usize),
}

#[derive(Default)]
struct Node {
    /// When each core is free.
    cores: BinaryHeap<Reverse<Nanos>>,
    /// Requests that wait for a transaction, and since when.
    queue: VecDeque<(usize, Nanos)>,
    /// Those in the transaction under way.
    batch: Vec<usize>,
    /// Questions to Redis under way.
    questions: usize,
    /// Until when Redis is not asked.
    away_until: Nanos,
}

/// The state of an installation.
struct Running<'r> {
    shape: Installation,
    arrivals: &'r [Nanos],
    now: Nanos,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    scheduled: u64,
    nodes: Vec<Node>,
    postgres_cores: BinaryHeap<Reverse<Nanos>>,
    /// Transactions, by their nodes, that are being flushed, and that wait for the next flush.
    flushing: Vec<usize>,
    unflushed: Vec<usize>,
    redis_free: Nanos,
    outcome: Outcome,
}

/// Plays a burst until every request is answered or refused.
pub fn play(shape: Installation, arrivals: &[Nanos]) -> Outcome {
    let idle = |cores: usize| (0..cores).map(|_| Reverse(0)).collect();
    let node = || Node { cores: idle(NODE_CORES), ..Node::default() };
    let mut running = Running {
        shape,
        arrivals,
        now: 0,
        events: BinaryHeap::new(),
        scheduled: 0,
        nodes: (0..shape.nodes).map(|_| node()).collect(),
        postgres_cores: idle(POSTGRES_CORES),
        flushing: Vec::new(),
        unflushed: Vec::new(),
        redis_free: 0,
        outcome: Outcome::default(),
    };
    for (request, at) in arrivals.iter().enumerate() {
        running.schedule(*at, Event::Arrived(request));
    }
    while let Some(Reverse((at, _, event))) = running.events.pop() {
        running.now = at;
        running.happen(event);
    }
    running.outcome.answered.sort_unstable();
    running.outcome
}

/// The end of work that takes the first core that is free.
fn work(cores: &mut BinaryHeap<Reverse<Nanos>>, from: Nanos, takes: Nanos) -> Nanos {
    let Reverse(free) = cores.pop().unwrap_or_default();
    let end = from.max(free) + takes;
    cores.push(Reverse(end));
    end
}

impl Running<'_> {
    fn schedule(&mut self, at: Nanos, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((at, self.scheduled, event)));
    }

    /// The balancer gives requests to nodes in turns.
    fn node_of(&mut self, request: usize) -> &mut Node {
        let place = request % self.shape.nodes;
        &mut self.nodes[place]
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrived(request) => {
                let now = self.now;
                let checked = work(&mut self.node_of(request).cores, now, NODE_SIGNAL);
                self.schedule(checked, Event::Checked(request));
            }
            Event::Checked(request) => self.ask_redis(request),
            Event::Admitted(request, asked) => self.queue(request, asked),
            Event::Written(node) => {
                self.unflushed.push(node);
                self.flush();
            }
            Event::Flushed => {
                for node in std::mem::take(&mut self.flushing) {
                    self.schedule(self.now + ROUND_TRIP / 2, Event::Committed(node));
                }
                self.flush();
            }
            Event::Committed(node) => {
                for request in std::mem::take(&mut self.nodes[node].batch) {
                    self.outcome.answered.push(self.now - self.arrivals[request]);
                }
                self.begin(node);
            }
        }
    }

    /// What a node's requests ask goes together, and Redis works it off one after the other. Where too many wait, or one has
    /// waited too long, the node keeps to its share, which one alert of a webhook never exceeds.
    fn ask_redis(&mut self, request: usize) {
        let now = self.now;
        let node = self.node_of(request);
        if node.questions >= MAX_QUESTIONS || now < node.away_until {
            return self.queue(request, false);
        }
        node.questions += 1;
        self.redis_free = self.redis_free.max(now + ROUND_TRIP / 2) + REDIS_SIGNAL;
        let answered = self.redis_free + ROUND_TRIP / 2;
        let given_up = now + REDIS_TIMEOUT;
        if answered > given_up {
            self.node_of(request).away_until = given_up + REDIS_PAUSE;
        }
        self.schedule(answered.min(given_up), Event::Admitted(request, true));
    }

    fn queue(&mut self, request: usize, asked: bool) {
        let (now, max_waiting, place) = (self.now, self.shape.max_waiting, request % self.shape.nodes);
        let node = &mut self.nodes[place];
        node.questions -= usize::from(asked);
        if node.queue.len() >= max_waiting {
            self.outcome.refused += 1;
            return;
        }
        node.queue.push_back((request, now));
        if node.batch.is_empty() {
            self.begin(place);
        }
    }

    /// Begins a node's next transaction, with all that waits and has not waited too long.
    fn begin(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        while node.batch.len() < MAX_BATCH
            && let Some((request, since)) = node.queue.pop_front()
        {
            if self.now > since + COMMIT_PATIENCE || self.now > self.arrivals[request] + ANSWER_LIMIT {
                self.outcome.refused += 1;
            } else {
                node.batch.push(request);
            }
        }
        if node.batch.is_empty() {
            return;
        }
        let signals = node.batch.len() as Nanos;
        // Not behind all requests that wait to be checked: tasks take turns. The core that does it is away from them meanwhile.
        work(&mut node.cores, 0, NODE_TRANSACTION);
        let prepared = self.now + NODE_TRANSACTION;
        let written = work(
            &mut self.postgres_cores,
            prepared + ROUND_TRIP / 2,
            POSTGRES_TRANSACTION + signals * POSTGRES_SIGNAL,
        );
        // Four round trips: the first way is above, the last one follows the flush.
        self.schedule(written + 3 * ROUND_TRIP, Event::Written(place));
    }

    /// One flush at a time; what became ready meanwhile shares the next.
    fn flush(&mut self) {
        if !self.flushing.is_empty() || self.unflushed.is_empty() {
            return;
        }
        self.flushing = std::mem::take(&mut self.unflushed);
        let signals: usize = self.flushing.iter().map(|node| self.nodes[*node].batch.len()).sum();
        let bytes = signals as u64 * LOG_BYTES;
        self.schedule(self.now + FLUSH + bytes * SECOND / LOG_BYTES_A_SECOND, Event::Flushed);
    }
}
