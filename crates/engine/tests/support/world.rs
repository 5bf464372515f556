//! The box: performs what a lane decides as the runner does, one effect after another, and feeds the answers back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::strategy::Behavior;
use atomik_domain::{
    Action, BrokerAccountId, ClientOrderId, Code, Gate, HaltMode, Intention, OnOppositeEntry, Order,
    OrderRequest, OrderStatus, OutcomeStatus, Price, Qty, Side, SignalId, SignedQty, Strategy, StrategyId,
    Symbol, UnixMicros, UserId, WebhookId,
};
use atomik_engine::lane::{
    Context, Effect, Event, Job, Lane, LaneKey, LaneSeed, NetPurpose, SignalBrief, View,
};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::journal::SignalSource;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::book::Book;
use super::qty;
use super::venue::Venue;

pub const ACCOUNT: BrokerAccountId = BrokerAccountId(1);
pub const A: StrategyId = StrategyId(1);
pub const B: StrategyId = StrategyId(2);
const INSTALLATION: Uuid = Uuid::from_u128(7);
const START: UnixMicros = UnixMicros(1_700_000_000_000_000);
const NOT_SENT_PAUSE: Duration = Duration::from_secs(1);

/// The directory.
#[derive(Default)]
pub struct FakeView {
    pub strategies: BTreeMap<StrategyId, Arc<Strategy>>,
    pub halt: Option<HaltMode>,
}

impl View for FakeView {
    fn strategy(&self, id: StrategyId) -> Option<Arc<Strategy>> {
        self.strategies.get(&id).cloned()
    }

    fn halt(&self, _: BrokerAccountId, _: StrategyId) -> Option<(HaltMode, String)> {
        self.halt.map(|mode| (mode, "a test".to_owned()))
    }
}

/// What becomes of a send.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Accepted and filled.
    Fill,
    /// Accepted, working.
    Work,
    /// Accepted, filled in part.
    Part(i64),
    /// Refused.
    Reject,
    /// Never left.
    NotSent,
    /// No answer, and it never arrived.
    Lost,
    /// No answer, but it arrived.
    Unheard,
    /// No answer, but it arrived and filled.
    UnheardFill,
    /// No answer, and it arrives after so many microseconds.
    Late(i64),
    /// Nothing happens yet: the test answers by itself.
    Silent,
}

/// What becomes of a look-up; the truth where nothing is scripted.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Truth,
    Unavailable,
}

/// The box.
pub struct World {
    pub view: FakeView,
    pub lane: Lane,
    pub book: Book,
    pub venue: Venue,
    pub now: UnixMicros,
    pub tick: i64,
    pub link_up: bool,
    /// Decided and not performed yet.
    pub effects: VecDeque<Effect>,
    /// Answers and reports on their way to the lane.
    pub inbox: VecDeque<Event>,
    pub sends: VecDeque<Fate>,
    pub asks: VecDeque<Asked>,
    /// Whether the venue says what the account holds.
    pub tells_net: bool,
    /// Whether the venue answers cancels by ending the order.
    pub cancels: bool,
    /// Everything that left for the venue.
    pub sent: Vec<OrderRequest>,
    pub canceled: Vec<ClientOrderId>,
    /// How often the venue was asked for the symbol's rules.
    pub rules_asked: usize,
    repeated: Vec<ClientOrderId>,
    next_signal: i64,
}

fn key() -> LaneKey {
    LaneKey { broker_account_id: ACCOUNT, symbol: Symbol::parse("ES").expect("a symbol") }
}

fn lane(seed: LaneSeed) -> Lane {
    Lane::new(key(), seed, Gate::new(600), 8)
}

impl World {
    /// Two strategies, a connected account, books compared.
    pub fn new() -> Self {
        let mut world = Self::down();
        world.connect();
        world
    }

    /// The same, not connected yet.
    pub fn down() -> Self {
        let mut world = Self {
            view: FakeView::default(),
            lane: lane(LaneSeed::default()),
            book: Book::default(),
            venue: Venue::default(),
            now: START,
            tick: 0,
            link_up: false,
            effects: VecDeque::new(),
            inbox: VecDeque::new(),
            sends: VecDeque::new(),
            asks: VecDeque::new(),
            tells_net: true,
            cancels: true,
            sent: Vec::new(),
            canceled: Vec::new(),
            rules_asked: 0,
            repeated: Vec::new(),
            next_signal: 1,
        };
        for id in [A, B] {
            world.view.strategies.insert(id, Arc::new(strategy(id)));
        }
        world
    }

    /// Changes a strategy's behavior.
    pub fn behave(&mut self, id: StrategyId, change: impl FnOnce(&mut Behavior)) {
        let strategy = self.view.strategies.get_mut(&id).expect("a strategy");
        change(&mut Arc::make_mut(strategy).behavior);
    }

    /// Connects the account and lets everything settle that follows.
    pub fn connect(&mut self) {
        self.link_up = true;
        self.tell(Event::Connected(self.venue.capabilities()));
    }

    pub fn disconnect(&mut self) {
        self.link_up = false;
        self.tell(Event::Disconnected);
    }

    /// Ends the process: what was not recorded is gone, what is at the venue is not.
    pub fn crash(&mut self) {
        self.effects.clear();
        self.inbox.clear();
        self.repeated.clear();
        self.link_up = false;
        self.lane = lane(self.book.seed());
    }

    /// Stores a signal for a strategy without handing it to the lane.
    pub fn store(&mut self, strategy: StrategyId, action: &str, comment: &str) -> Job {
        let signal = SignalBrief {
            id: SignalId(self.next_signal),
            user_id: UserId(1),
            webhook_id: WebhookId(1),
            source: SignalSource::Alert,
            received_at: self.now,
            received_tick: Some(self.tick),
            action: if action == "BUY" { Action::Buy } else { Action::Sell },
            intention: Intention::parse(comment).expect("a comment"),
            price: None,
        };
        self.next_signal += 1;
        let job = Job { signal, strategy_id: strategy };
        self.book.store(job.clone());
        job
    }

    /// Pauses a strategy.
    pub fn pause(&mut self, id: StrategyId) {
        Arc::make_mut(self.view.strategies.get_mut(&id).expect("a strategy")).active = false;
    }

    /// A person has a strategy adopt what the venue holds, which was opened at 90.
    pub fn adopt(&mut self, strategy: StrategyId) -> SignalId {
        let mut job = self.store(strategy, "SELL", "");
        job.signal.source = SignalSource::Adopt;
        job.signal.price = Some(Price(Decimal::from(90)));
        let id = job.signal.id;
        self.tell(Event::Signal(job));
        id
    }

    /// A signal for a strategy arrives and is worked on as far as it goes.
    pub fn signal(&mut self, strategy: StrategyId, action: &str, comment: &str) -> SignalId {
        let job = self.store(strategy, action, comment);
        let id = job.signal.id;
        self.tell(Event::Signal(job));
        id
    }

    /// The next sends' fates.
    pub fn then(&mut self, fates: impl IntoIterator<Item = Fate>) -> &mut Self {
        self.sends.extend(fates);
        self
    }

    /// Tells the lane something and lets everything settle that follows.
    pub fn tell(&mut self, event: Event) {
        self.inbox.push_back(event);
        self.run();
    }

    /// Performs and feeds back until nothing is left.
    pub fn run(&mut self) {
        loop {
            while let Some(effect) = self.effects.pop_front() {
                self.perform(effect);
            }
            let Some(event) = self.inbox.pop_front() else { return };
            self.decide(event);
        }
    }

    /// Lets the lane decide.
    pub fn decide(&mut self, event: Event) {
        assert!(self.effects.is_empty(), "the runner performs everything before it goes on");
        let context =
            Context { now: self.now, tick: self.tick, view: &self.view, installation: INSTALLATION };
        let effects = self.lane.handle(&context, event);
        let later = effects.iter().skip(1);
        assert!(later.clone().all(|effect| !matches!(effect, Effect::Record(_))), "record first, then act");
        self.effects.extend(effects);
    }

    /// Performs one effect.
    pub fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Record(changes) => self.repeated = self.book.record(*changes),
            Effect::Submit(approved) if self.repeated.contains(&approved.request().client_order_id) => {
                self.inbox.push_back(Event::IntentRepeated(approved.request().client_order_id));
            }
            Effect::Submit(approved) => self.submit(approved.into_request()),
            Effect::LookUp(id, question) => {
                let answer = self.look_up(id);
                self.inbox.push_back(Event::LookedUp(id, question, answer));
            }
            Effect::Cancel(id) => {
                self.canceled.push(id);
                let outcome = self.cancel(id);
                self.inbox.push_back(Event::Canceled(id, outcome));
            }
            Effect::AskNet(purpose) => {
                let answer = self.ask_net(purpose);
                self.inbox.push_back(Event::Net(purpose, answer));
            }
            Effect::AskInstrument => {
                self.rules_asked += 1;
                let symbol = key().symbol;
                let answer = match (self.link_up, self.venue.knows_symbol) {
                    (false, _) => Err(BrokerError::Unavailable("down".to_owned())),
                    (_, false) => Err(BrokerError::UnknownSymbol(symbol)),
                    _ => Ok(self.venue.instrument(&symbol)),
                };
                self.inbox.push_back(Event::Instrument(answer));
            }
        }
    }

    fn submit(&mut self, request: OrderRequest) {
        let id = request.client_order_id;
        let recorded = self.book.orders.get(&id).expect("an intent is recorded before it is sent");
        let is_exit = recorded.is_exit();
        // Where strategies net each other out, the venue is not asked to hold an exit to its own view.
        assert!(is_exit || !request.reduce_only);
        let sent = OrderRequest { reduce_only: is_exit, ..request.clone() };
        assert_eq!(recorded.request, sent, "what is sent is what was recorded");
        assert!(!recorded.status.is_final(), "an ended order is sent");
        assert_ne!(self.view.halt, Some(HaltMode::All), "an order leaves while everything is frozen");
        assert!(self.view.halt.is_none() || is_exit, "an entry leaves while entries are halted");
        let fate = if self.link_up { self.sends.pop_front().unwrap_or(Fate::Fill) } else { Fate::NotSent };
        if !matches!(fate, Fate::NotSent) {
            self.sent.push(request.clone());
        }
        let order_qty = request.order_qty;
        match fate {
            Fate::Fill | Fate::Work | Fate::Part(_) | Fate::Unheard | Fate::UnheardFill => {
                self.venue.take(request);
            }
            Fate::Late(after) => self.venue.in_flight.push((self.tick + after, request)),
            _ => {}
        }
        match fate {
            Fate::Fill | Fate::UnheardFill => drop(self.venue.fill(id, order_qty, self.now)),
            Fate::Part(units) => drop(self.venue.fill(id, qty(units), self.now)),
            _ => {}
        }
        let outcome = match fate {
            Fate::Fill | Fate::Work | Fate::Part(_) => SubmitOutcome::Accepted(self.venue.report(id)),
            Fate::Reject => SubmitOutcome::Rejected { reason: "no margin".to_owned() },
            Fate::NotSent => {
                SubmitOutcome::NotSent { reason: "refused".to_owned(), retry_after: NOT_SENT_PAUSE }
            }
            Fate::Lost | Fate::Unheard | Fate::UnheardFill | Fate::Late(_) => {
                SubmitOutcome::Unknown { evidence: "no answer".to_owned() }
            }
            Fate::Silent => return,
        };
        self.inbox.push_back(Event::Submitted(id, self.now, outcome));
    }

    fn look_up(&mut self, id: ClientOrderId) -> LookUp {
        let asked = self.asks.pop_front().unwrap_or(Asked::Truth);
        match asked {
            Asked::Truth if !self.link_up => LookUp::Unavailable { evidence: "down".to_owned() },
            Asked::Truth if self.venue.orders.contains_key(&id) => LookUp::Found(self.venue.report(id)),
            Asked::Truth => LookUp::NotFound,
            Asked::Unavailable => LookUp::Unavailable { evidence: "503".to_owned() },
        }
    }

    fn cancel(&mut self, id: ClientOrderId) -> CancelOutcome {
        if !self.link_up {
            return CancelOutcome::Unknown { evidence: "down".to_owned() };
        }
        match self.venue.orders.get(&id) {
            Some(order) if order.status.is_final() => CancelOutcome::NotOpen,
            Some(_) if !self.cancels => CancelOutcome::Requested,
            Some(_) => {
                let _ = self.venue.end(id, OrderStatus::Canceled);
                CancelOutcome::Done(self.venue.report(id))
            }
            None => CancelOutcome::NotOpen,
        }
    }

    fn ask_net(&self, _: NetPurpose) -> Result<SignedQty, BrokerError> {
        match self.link_up && self.tells_net {
            true => Ok(self.venue.net()),
            false => Err(BrokerError::Unavailable("down".to_owned())),
        }
    }

    /// Lets time pass, waking the lane as it asks for.
    pub fn pass(&mut self, seconds: i64) {
        let end = self.tick + seconds * UnixMicros::SECOND;
        let mut wakes = 0;
        while let Some(at) = self.lane.next_tick(self.tick).filter(|at| *at <= end) {
            wakes += 1;
            assert!(wakes < 100 * (seconds + 1), "the lane wakes up again and again for nothing");
            self.move_to(at.max(self.tick));
            self.tell(Event::Tick);
        }
        self.move_to(end);
        self.tell(Event::Tick);
    }

    /// Moves both clocks on.
    pub fn move_to(&mut self, tick: i64) {
        self.now = self.now.plus(tick - self.tick);
        self.tick = tick;
        self.venue.arrive(tick);
    }

    /// The venue fills some of an order and reports it.
    pub fn fill(&mut self, id: ClientOrderId, units: i64) {
        let report = self.venue.fill(id, qty(units), self.now);
        self.tell(Event::Report(report));
    }

    /// The venue ends an order and reports it.
    pub fn end(&mut self, id: ClientOrderId, status: OrderStatus) {
        let report = self.venue.end(id, status);
        self.tell(Event::Report(report));
    }

    /// A strategy's recorded position.
    pub fn position(&self, strategy: StrategyId) -> SignedQty {
        self.book.positions.get(&strategy).map(|record| record.position.net_qty).unwrap_or_default()
    }

    /// Checks a signal's outcome.
    #[track_caller]
    pub fn expect(&self, signal: SignalId, strategy: StrategyId, status: OutcomeStatus, code: Code) {
        let outcome = &self.book.outcomes[&(signal, strategy)];
        assert_eq!((outcome.status, outcome.code), (status, code), "{outcome:?}");
    }

    /// The order of one leg.
    pub fn order(&self, signal: SignalId, strategy: StrategyId, leg: u8) -> Order {
        let orders = self.book.orders_of(signal, strategy);
        (*orders.iter().find(|order| order.leg == leg).expect("an order of that leg")).clone()
    }

    /// Its id.
    pub fn id(&self, signal: SignalId, strategy: StrategyId, leg: u8) -> ClientOrderId {
        self.order(signal, strategy, leg).request.client_order_id
    }

    /// Side and quantity of everything that left.
    pub fn left(&self) -> Vec<(Side, Qty)> {
        self.sent.iter().map(|request| (request.side, request.order_qty)).collect()
    }
}

fn strategy(id: StrategyId) -> Strategy {
    Strategy {
        id,
        user_id: UserId(1),
        name: format!("strategy {id}"),
        webhook_id: WebhookId(1),
        broker_account_id: ACCOUNT,
        symbol: key().symbol,
        behavior: Behavior {
            quantity: qty(2),
            max_position: qty(2),
            on_opposite_entry: OnOppositeEntry::Exit,
            bare_sell_opens_short: false,
            max_signal_age_s: 30,
        },
        active: true,
        created_at: START,
    }
}
