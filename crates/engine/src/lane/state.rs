//! A lane's state, and how events move it.

use std::collections::{BTreeMap, HashSet, VecDeque};

use atomik_domain::gate::BooksState;
use atomik_domain::planner::Working;
use atomik_domain::{
    ClientOrderId, ExecId, ExecutionReport, Gate, Instrument, Order, OrderStatus, Position, Qty, SignalId,
    SignedQty, StrategyId, UnixMicros, UserId,
};
use atomik_ports::broker::{Capabilities, SubmitOutcome};
use atomik_ports::journal::{Changes, PositionRecord};
use rust_decimal::Decimal;

use super::{Context, Effect, Event, Job, LaneKey, NetPurpose, Question};

/// How long a job waits for its order's end before the lane goes on with the order still working.
pub(super) const FILL_PATIENCE_US: i64 = 5 * UnixMicros::SECOND;
/// How many ended orders are remembered, for reports that come late.
const CLOSED_KEPT: usize = 32;

/// A strategy's book in the lane's symbol.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) user_id: UserId,
    pub(super) position: Position,
}

/// An order with what is needed to follow it.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) order: Order,
    /// Executions already applied.
    pub(super) seen: HashSet<ExecId>,
    /// Price times quantity of what has filled.
    pub(super) cost: Decimal,
    /// The end that the venue has reported, while executions before it are still missing.
    pub(super) end: Option<ExecutionReport>,
    /// When the signal behind it was received, where this run received it.
    pub(super) signal_received_at: Option<UnixMicros>,
    /// Where the order is to be looked up: when next, and how often it was.
    pub(super) look_up: Option<Asking>,
}

/// A look-up that is due or under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    /// The question that is under way, or the last one.
    pub(super) question: Question,
    /// The monotonic time of the next question; `None` while one is under way.
    pub(super) due: Option<i64>,
    /// How many questions were asked.
    pub(super) asked: u32,
    /// How many were answered "not found" without another answer between.
    pub(super) not_found: u32,
    /// The monotonic time of the first question.
    pub(super) since: i64,
}

impl Asking {
    /// A first question, a moment from now.
    pub(super) fn later(tick: i64) -> Self {
        Self { question: Question::default(), due: Some(tick + 250_000), asked: 0, not_found: 0, since: tick }
    }
}

/// The job that the lane works on.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) job: Job,
    pub(super) stage: Stage,
    pub(super) planned_at: Option<UnixMicros>,
}

/// What the current job waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// The venue's net position.
    Net,
    /// The answer to a send.
    Submitted(ClientOrderId),
    /// The end of an order, until a monotonic time.
    Fill(i64),
    /// A monotonic time, to try an unsent order again.
    Retry(ClientOrderId, i64),
    /// The end of canceled entries, until a monotonic time.
    Cancels(i64),
}

/// How the account's connection stands, as far as the lane is concerned.
#[derive(Debug)]
pub(super) enum Link {
    Down,
    Up(Capabilities),
    /// The account was unlinked: nobody can be asked about anything any more.
    Gone,
}

/// How a strategy stands in a lane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// What it holds.
    pub position: Position,
    /// What may still fill.
    pub working: Working,
    /// Whether one of its orders is not proven.
    pub unproven: bool,
}

/// What a lane starts from.
#[derive(Debug, Default)]
pub struct LaneSeed {
    /// Recorded positions in the lane.
    pub positions: Vec<PositionRecord>,
    /// Orders to follow, or that belong to unfinished jobs, with the executions already recorded.
    pub orders: Vec<(Order, HashSet<ExecId>)>,
    /// Unfinished jobs, in the order of acceptance.
    pub jobs: Vec<Job>,
}

/// A lane.
#[derive(Debug)]
pub struct Lane {
    pub(super) key: LaneKey,
    pub(super) link: Link,
    pub(super) instrument: Option<Instrument>,
    pub(super) books: BTreeMap<StrategyId, Book>,
    pub(super) books_state: BooksState,
    pub(super) orders: BTreeMap<ClientOrderId, Tracked>,
    pub(super) closed: VecDeque<Tracked>,
    pub(super) queue: VecDeque<Job>,
    pub(super) current: Option<Current>,
    /// Jobs whose orders are followed without being waited for.
    pub(super) parked: Vec<Job>,
    /// Jobs that cannot be planned before an order of their strategy is proven.
    pub(super) unproven: Vec<Job>,
    /// The newest signal that each strategy has begun to work on.
    pub(super) begun: BTreeMap<StrategyId, SignalId>,
    /// Orders that were open when the account was connected, and that it has said nothing about yet.
    pub(super) unanswered: HashSet<ClientOrderId>,
    pub(super) gate: Gate,
    /// How many orders the gate let pass since the runner last took the count.
    pub(super) approvals: u64,
    pub(super) max_queue: usize,
    /// What is to be recorded before anything else is done.
    pub(super) changes: Changes,
    pub(super) effects: Vec<Effect>,
    /// The last question asked about an order.
    last_question: Question,
    pub(super) agreed_at: Option<UnixMicros>,
    /// What the venue held when the books were last compared.
    pub(super) venue_net: Option<SignedQty>,
    /// The monotonic time at which the venue may be asked for the rules and the books (again).
    pub(super) ask_at: i64,
    pub(super) asked_instrument: bool,
    /// The trades counted when the books were asked for; an answer is worth nothing once there were more.
    pub(super) asked_books: Option<u64>,
    /// The trades counted when books that had not been compared yet differed, with orders of the last run open.
    pub(super) differed_at: Option<u64>,
    /// Rises with every send and every fill.
    pub(super) trades: u64,
    /// What the venue may have kept of the coins that each strategy bought, and has not told.
    pub(super) untold_fees: BTreeMap<StrategyId, Decimal>,
}

impl Lane {
    /// A lane as the last run left it, or an empty one.
    #[must_use]
    pub fn new(key: LaneKey, seed: LaneSeed, gate: Gate, max_queue: usize) -> Self {
        let books = seed
            .positions
            .into_iter()
            .map(|record| (record.strategy_id, Book { user_id: record.user_id, position: record.position }));
        let orders = seed.orders.into_iter().map(|(order, seen)| {
            let cost =
                order.avg_price.map_or(Decimal::ZERO, |price| price.0.saturating_mul(order.filled_qty.0));
            (
                order.request.client_order_id,
                Tracked { order, seen, cost, end: None, signal_received_at: None, look_up: None },
            )
        });
        Self {
            books: books.collect(),
            orders: orders.collect(),
            queue: seed.jobs.into(),
            key,
            link: Link::Down,
            instrument: None,
            books_state: BooksState::NotCompared,
            closed: VecDeque::new(),
            current: None,
            parked: Vec::new(),
            unproven: Vec::new(),
            begun: BTreeMap::new(),
            unanswered: HashSet::new(),
            gate,
            approvals: 0,
            max_queue,
            changes: Changes::default(),
            effects: Vec::new(),
            last_question: Question::default(),
            agreed_at: None,
            venue_net: None,
            ask_at: 0,
            asked_instrument: false,
            asked_books: None,
            differed_at: None,
            trades: 0,
            untold_fees: BTreeMap::new(),
        }
    }

    /// Takes an event in and says what is to be done about it.
    pub fn handle(&mut self, context: &Context<'_>, event: Event) -> Vec<Effect> {
        match event {
            Event::Signal(job) => self.enqueue(context, job),
            Event::Connected(capabilities) => self.connected(context, capabilities),
            Event::Disconnected => self.disconnected(),
            Event::Unlinked => self.unlinked(),
            Event::Instrument(answer) => self.instrument_answered(context, answer),
            Event::Net(NetPurpose::Books, answer) => self.books_answered(context, answer),
            Event::Net(NetPurpose::Exit, answer) => self.net_for_exit(context, answer.ok()),
            Event::Net(NetPurpose::Adopt, answer) => self.net_to_adopt(context, answer),
            Event::Submitted(id, sent_at, outcome) => self.submitted(context, id, sent_at, outcome),
            Event::Canceled(id, outcome) => self.canceled(context, id, outcome),
            Event::LookedUp(id, question, answer) => self.looked_up(context, id, question, answer),
            Event::Report(report) => self.report(context, &report),
            Event::IntentRepeated(id) => {
                let evidence = "the intent existed already".to_owned();
                self.submitted(context, id, context.now, SubmitOutcome::Unknown { evidence });
            }
            Event::CompareBooks => self.ask_books(),
            Event::CancelWorking(strategy_id) => self.cancel_entries(strategy_id),
            Event::Tick => {}
        }
        if matches!(self.link, Link::Gone) {
            self.give_up(context);
        } else {
            self.due(context);
            self.advance(context);
            self.ask_for_missing(context);
        }
        self.flush();
        std::mem::take(&mut self.effects)
    }

    /// The monotonic time at which [`Event::Tick`] is wanted.
    #[must_use]
    pub fn next_tick(&self, tick: i64) -> Option<i64> {
        let looks = self.orders.values().filter_map(|tracked| tracked.look_up.and_then(|asking| asking.due));
        let stage = self.current.as_ref().and_then(|current| match current.stage {
            Stage::Retry(_, until) => self.is_open().then_some(until),
            Stage::Fill(until) | Stage::Cancels(until) => Some(until),
            Stage::Net | Stage::Submitted(_) => None,
        });
        let up = matches!(self.link, Link::Up(_));
        let asks =
            (up && self.books_state == BooksState::NotCompared).then_some(self.ask_at.max(tick + 1_000));
        let unsent = self.current.as_ref().is_some_and(|current| matches!(current.stage, Stage::Retry(..)));
        let ages = !self.queue.is_empty() || unsent;
        let waiting = (ages && !self.is_open()).then_some(tick + UnixMicros::SECOND);
        looks.filter(|_| up).chain(stage.filter(|_| up)).chain(asks).chain(waiting).min()
    }

    /// Whether the books have been compared since the account was connected, and with what result.
    #[must_use]
    pub fn books_state(&self) -> BooksState {
        self.books_state
    }

    /// When the books last agreed.
    #[must_use]
    pub fn books_agreed_at(&self) -> Option<UnixMicros> {
        self.agreed_at
    }

    /// What the venue held when the books were last compared.
    #[must_use]
    pub fn venue_net(&self) -> Option<SignedQty> {
        self.venue_net
    }

    /// Which lane this is.
    #[must_use]
    pub fn key(&self) -> &LaneKey {
        &self.key
    }

    /// How each strategy stands here.
    pub fn strategies(&self) -> impl Iterator<Item = (StrategyId, Standing)> {
        self.books.iter().map(|(id, book)| {
            let (position, working) = (book.position, self.working(*id));
            (*id, Standing { position, working, unproven: self.has_unproven(*id) })
        })
    }

    /// Whether nothing is held, open, waiting or different here: all there is to know of the lane is in the store then,
    /// and one made anew would go on as this one.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let flat = self.books.values().all(|book| book.position.net_qty.is_zero());
        let done = self.waiting() == 0 && self.parked.is_empty() && self.orders.is_empty();
        flat && done && self.books_state != BooksState::Differ
    }

    /// When the signal behind a recent order was received, where this run received it.
    #[must_use]
    pub fn received_at(&self, signal: SignalId) -> Option<UnixMicros> {
        let recent = self.orders.values().chain(self.closed.iter().rev());
        recent
            .filter(|tracked| tracked.order.signal_id == signal)
            .find_map(|tracked| tracked.signal_received_at)
    }

    /// How many signals wait or are worked on.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len() + self.unproven.len() + usize::from(self.current.is_some())
    }

    /// When the oldest signal that waits or is worked on was received.
    #[must_use]
    pub fn oldest(&self) -> Option<UnixMicros> {
        let current = self.current.as_ref().map(|current| &current.job);
        current.into_iter().chain(self.queue.front()).map(|job| job.signal.received_at).min()
    }

    /// How many orders are unproven.
    #[must_use]
    pub fn unknown_orders(&self) -> usize {
        self.orders.values().filter(|tracked| tracked.order.status == OrderStatus::Unknown).count()
    }

    /// How many orders the gate let pass since this was last asked.
    pub fn take_approvals(&mut self) -> u64 {
        std::mem::take(&mut self.approvals)
    }

    /// A strategy's position here.
    #[must_use]
    pub fn position(&self, strategy_id: StrategyId) -> Position {
        self.books.get(&strategy_id).map(|book| book.position).unwrap_or_default()
    }

    /// Whether jobs may be started: the books compared (and so the account connected and the symbol's rules known), and
    /// every order of the last run accounted for.
    pub(super) fn is_open(&self) -> bool {
        self.books_state != BooksState::NotCompared && self.unanswered.is_empty()
    }

    /// Asks the venue about an order.
    pub(super) fn look_up(&mut self, id: ClientOrderId) -> Question {
        self.last_question.0 += 1;
        self.effects.push(Effect::LookUp(id, self.last_question));
        self.last_question
    }

    /// Orders that are not final.
    pub(super) fn open_orders(&self) -> impl Iterator<Item = &Tracked> {
        self.orders.values().filter(|tracked| !tracked.order.status.is_final())
    }

    /// Whether an order of a signal and strategy is not final.
    pub(super) fn has_open_order(&self, signal: SignalId, strategy: StrategyId) -> bool {
        self.open_orders()
            .any(|tracked| tracked.order.signal_id == signal && tracked.order.strategy_id == strategy)
    }

    /// Whether an order of a strategy is not proven.
    pub(super) fn has_unproven(&self, strategy: StrategyId) -> bool {
        let own = |tracked: &&Tracked| tracked.order.strategy_id == strategy;
        self.orders.values().filter(own).any(|tracked| tracked.order.status == OrderStatus::Unknown)
    }

    /// What may still fill of one strategy's open orders: entries, exits.
    pub(super) fn working(&self, strategy: StrategyId) -> Working {
        let mut working = Working::default();
        for tracked in self.open_orders().filter(|tracked| tracked.order.strategy_id == strategy) {
            let leaves = tracked.order.leaves_qty();
            if tracked.order.is_exit() {
                working.exits = working.exits + leaves;
            } else {
                working.entries = working.entries + leaves;
            }
        }
        working
    }

    /// What may still fill of every open exit on one side, whosever it is.
    pub(super) fn exits_on(&self, side: atomik_domain::Side) -> Qty {
        let exits = self
            .open_orders()
            .filter(|tracked| tracked.order.is_exit() && tracked.order.request.side == side);
        exits.fold(Qty::ZERO, |sum, tracked| sum + tracked.order.leaves_qty())
    }

    /// Puts what is to be recorded in front of what is to be done, and forgets orders that have ended.
    fn flush(&mut self) {
        self.forget_closed();
        if !self.changes.is_empty() {
            let changes = std::mem::take(&mut self.changes);
            self.effects.insert(0, Effect::Record(Box::new(changes)));
        }
    }

    fn forget_closed(&mut self) {
        let unfinished: HashSet<_> = self.unfinished_jobs().collect();
        let ended: Vec<_> = self
            .orders
            .iter()
            .filter(|(_, tracked)| tracked.order.status.is_final() && tracked.look_up.is_none())
            .filter(|(_, tracked)| {
                !unfinished.contains(&(tracked.order.signal_id, tracked.order.strategy_id))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            if let Some(tracked) = self.orders.remove(&id) {
                self.closed.push_back(tracked);
            }
            if self.closed.len() > CLOSED_KEPT {
                self.closed.pop_front();
            }
        }
    }

    /// The jobs that are not settled: waiting, current, or with an open order.
    fn unfinished_jobs(&self) -> impl Iterator<Item = (SignalId, StrategyId)> {
        let jobs = self
            .queue
            .iter()
            .chain(&self.parked)
            .chain(&self.unproven)
            .chain(self.current.as_ref().map(|current| &current.job));
        let open = self.open_orders().map(|tracked| (tracked.order.signal_id, tracked.order.strategy_id));
        jobs.map(|job| (job.signal.id, job.strategy_id)).chain(open)
    }

    /// Notes an order to be recorded as it stands now.
    pub(super) fn record_order(&mut self, id: ClientOrderId, now: UnixMicros) {
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        tracked.order.updated_at = now;
        let order = tracked.order.clone();
        self.changes.orders.retain(|noted| noted.request.client_order_id != id);
        self.changes.orders.push(order);
    }
}
