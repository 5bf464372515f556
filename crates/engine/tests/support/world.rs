//! The box: performs what a lane decides as the runner does, one effect after another, and feeds the answers back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use atomik_domain::strategy::Behavior;
use atomik_domain::{
    Action, BrokerAccountId, ClientOrderId, Code, Gate, HaltMode, OnOppositeEntry, Order, OrderRequest,
    OrderStatus, OutcomeStatus, Price, Qty, Side, SignalId, SignedQty, Strategy, StrategyId, Symbol,
    UnixMicros, UserId, WebhookId,
};
use atomik_engine::lane::{Context, Effect, Event, Job, Lane, LaneKey, LaneSeed, NetPurpose, View};
use atomik_engine::recovery;
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp};
use atomik_ports::journal::{NewSignal, SignalSource};

use rust_decimal::Decimal;
use uuid::Uuid;

use super::book::Book;
use super::qty;
pub use super::venue::Fate;
use super::venue::Venue;

pub const ACCOUNT: BrokerAccountId = BrokerAccountId(1);
pub const A: StrategyId = StrategyId(1);
pub const B: StrategyId = StrategyId(2);
pub const INSTALLATION: Uuid = Uuid::from_u128(7);
pub const START: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// The directory.
#[derive(Clone, Default)]
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
        };
        for id in [A, B] {
            world.view.strategies.insert(id, Arc::new(strategy(id, ACCOUNT, key().symbol)));
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
        let work = self.book.unfinished(|_| true);
        let (mut seeds, settled) = recovery::seeds(work, &self.view, |_| true, self.now);
        assert!(settled.is_empty(), "nothing belongs to no lane");
        self.lane = lane(seeds.remove(&key()).unwrap_or_default());
    }

    /// Stores a signal for a strategy without handing it to the lane.
    pub fn store(&mut self, strategy: StrategyId, action: &str, comment: &str) -> Job {
        let signal = alert(self.now, &[strategy], action, comment);
        self.store_signal(signal)
    }

    fn store_signal(&mut self, signal: NewSignal) -> Job {
        let strategy_id = signal.targets[0];
        let id = self.book.store(signal, self.now);
        let mut signal = recovery::brief(&self.book.signals[&id]);
        signal.received_tick = Some(self.tick);
        Job { signal, strategy_id }
    }

    /// Pauses a strategy.
    pub fn pause(&mut self, id: StrategyId) {
        Arc::make_mut(self.view.strategies.get_mut(&id).expect("a strategy")).active = false;
    }

    /// A person has a strategy adopt what the venue holds, which was opened at 90.
    pub fn adopt(&mut self, strategy: StrategyId) -> SignalId {
        let job = self.store_adoption(strategy);
        let id = job.signal.id;
        self.tell(Event::Signal(job));
        id
    }

    /// Stores the same without handing it to the lane.
    pub fn store_adoption(&mut self, strategy: StrategyId) -> Job {
        let price = Some(Price(Decimal::from(90)));
        let signal = alert(self.now, &[strategy], "SELL", "");
        self.store_signal(NewSignal { source: SignalSource::Adopt, price, ..signal })
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
            Effect::Record(changes) => {
                let existed = self.book.record(changes, self.now);
                self.repeated = existed.expect("accounts are not leased here");
            }
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
        let Some(outcome) = self.venue.receive(request, fate, (self.now, self.tick)) else { return };
        self.inbox.push_back(Event::Submitted(id, self.now, outcome));
    }

    fn look_up(&mut self, id: ClientOrderId) -> LookUp {
        let asked = self.asks.pop_front().unwrap_or(Asked::Truth);
        match asked {
            Asked::Truth if !self.link_up => LookUp::Unavailable { evidence: "down".to_owned() },
            Asked::Truth => self.venue.look_up(id),
            Asked::Unavailable => LookUp::Unavailable { evidence: "503".to_owned() },
        }
    }

    fn cancel(&mut self, id: ClientOrderId) -> CancelOutcome {
        if !self.link_up {
            return CancelOutcome::Unknown { evidence: "down".to_owned() };
        }
        self.venue.cancel(id, self.cancels)
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

/// A signal that no other repeats.
pub fn alert(at: UnixMicros, targets: &[StrategyId], action: &str, comment: &str) -> NewSignal {
    NewSignal {
        user_id: UserId(1),
        webhook_id: WebhookId(1),
        source: SignalSource::Alert,
        received_at: at,
        action: if action == "BUY" { Action::Buy } else { Action::Sell },
        comment: Some(comment.to_owned()),
        price: None,
        quantity: None,
        symbol: None,
        notes: Vec::new(),
        remote_ip: None,
        payload: String::new(),
        repeat: None,
        targets: targets.to_vec(),
    }
}

/// A strategy that trades two of the symbol at a time.
pub fn strategy(id: StrategyId, account: BrokerAccountId, symbol: Symbol) -> Strategy {
    Strategy {
        id,
        user_id: UserId(1),
        name: format!("strategy {id}"),
        webhook_id: WebhookId(1),
        broker_account_id: account,
        symbol,
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
