//! All lanes: made when first needed, kept for good, told what concerns them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_domain::gate::BooksState;
use atomik_domain::planner::Working;
use atomik_domain::{
    BrokerAccountId, Code, Gate, Intention, Outcome, OutcomeStatus, Position, SignalId, StrategyId,
    UnixMicros,
};
use atomik_ports::journal::{Changes, NewSignal};
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::lane::runner::LaneRunner;
use crate::lane::{Event, Job, Lane, LaneKey, LaneSeed, SignalBrief, View};
use crate::meters::{Depths, Stage};
use crate::work::Work;

/// How many events of one lane may wait.
const EVENTS: usize = 1_024;

/// What a lane shows of itself.
#[derive(Debug)]
pub struct LaneView {
    /// Whether its books were compared, and with what result.
    pub books: BooksState,
    /// When they last agreed.
    pub agreed_at: Option<UnixMicros>,
    /// How many signals wait or are worked on.
    pub waiting: usize,
    /// When the oldest of them was received.
    pub oldest: Option<UnixMicros>,
    /// How many orders are unproven.
    pub unknown_orders: usize,
    /// Each strategy's position, and what may still fill.
    pub strategies: HashMap<StrategyId, (Position, Working)>,
}

impl Default for LaneView {
    fn default() -> Self {
        Self {
            books: BooksState::NotCompared,
            agreed_at: None,
            waiting: 0,
            oldest: None,
            unknown_orders: 0,
            strategies: HashMap::new(),
        }
    }
}

/// A lane from outside.
#[derive(Clone)]
struct Handle {
    events: mpsc::Sender<Event>,
    view: Arc<Mutex<LaneView>>,
}

/// All lanes.
pub struct Lanes {
    work: Arc<Work>,
    accounts: Arc<Accounts>,
    lanes: Mutex<HashMap<LaneKey, Handle>>,
    /// The lanes that this start found something unfinished in.
    found_at_start: Mutex<Vec<LaneKey>>,
}

impl Lanes {
    /// No lanes yet.
    #[must_use]
    pub fn new(work: Arc<Work>, accounts: Arc<Accounts>) -> Arc<Self> {
        Arc::new(Self { work, accounts, lanes: Mutex::default(), found_at_start: Mutex::default() })
    }

    /// Opens a lane as the last run left it. Before any signal is dispatched.
    pub fn restore(&self, key: LaneKey, seed: LaneSeed) {
        self.found_at_start.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        self.open(&mut self.lock(), key, seed);
    }

    /// Hands a stored signal to the lanes of its strategies.
    pub fn dispatch(&self, signal: &NewSignal, id: SignalId, stored_at: UnixMicros) {
        self.work.meters.stage(Stage::Stored, signal.received_at, stored_at);
        let waited = stored_at.micros_since(signal.received_at).max(0);
        let intention = signal.comment.as_deref().map_or(Ok(Intention::Bare), Intention::parse);
        let brief = SignalBrief {
            id,
            user_id: signal.user_id,
            webhook_id: signal.webhook_id,
            source: signal.source,
            received_at: signal.received_at,
            received_tick: Some(self.work.ticks.now().saturating_sub(waited)),
            action: signal.action,
            intention: intention.unwrap_or(Intention::Bare),
            price: signal.price,
        };
        for strategy_id in &signal.targets {
            self.enqueue(Job { signal: brief.clone(), strategy_id: *strategy_id });
        }
    }

    fn enqueue(&self, job: Job) {
        let Some(strategy) = self.work.registry.strategy(job.strategy_id) else {
            self.refuse(&job, Code::StrategyInactive);
            return;
        };
        let key = LaneKey { broker_account_id: strategy.broker_account_id, symbol: strategy.symbol.clone() };
        let handle = {
            let mut lanes = self.lock();
            match lanes.get(&key) {
                Some(handle) => Some(handle.clone()),
                None => self.open(&mut lanes, key, LaneSeed::default()),
            }
        };
        let Some(handle) = handle else {
            self.refuse(&job, Code::AccountUnavailable);
            return;
        };
        if handle.events.try_send(Event::Signal(job.clone())).is_err() {
            self.refuse(&job, Code::OverQueue);
        }
    }

    /// Records that a signal reached no lane.
    fn refuse(&self, job: &Job, code: Code) {
        let outcome = Outcome {
            signal_id: job.signal.id,
            strategy_id: job.strategy_id,
            status: OutcomeStatus::Denied,
            code,
            detail: code.meaning().to_owned(),
            planned_at: None,
            settled_at: Some(self.work.clock.now()),
        };
        let work = Arc::clone(&self.work);
        tokio::spawn(async move {
            let changes = Changes { outcomes: vec![outcome], ..Changes::default() };
            if let Err(error) = work.committer.record(Box::new(changes)).await {
                // It stays pending, and the next start settles it.
                tracing::error!(%error, "an outcome was not recorded");
            }
        });
    }

    fn open(&self, lanes: &mut HashMap<LaneKey, Handle>, key: LaneKey, seed: LaneSeed) -> Option<Handle> {
        let link = self.accounts.link(key.broker_account_id)?;
        let (events, events_in) = mpsc::channel(EVENTS);
        let view = Arc::new(Mutex::new(LaneView::default()));
        for (order, _) in &seed.orders {
            link.route(order.request.client_order_id, events.downgrade());
        }
        let gate = Gate::new(self.work.settings.max_orders_per_minute);
        let lane = Lane::new(key.clone(), seed, gate, self.work.settings.max_lane_queue);
        let runner = LaneRunner::new(
            Arc::clone(&self.work),
            Arc::clone(&link),
            lane,
            events.downgrade(),
            Arc::clone(&view),
        );
        tokio::spawn(runner.run(events_in));
        if let Some(broker) = link.broker() {
            // Room for it is certain: the channel is new.
            let _ = events.try_send(Event::Connected(broker.capabilities().clone()));
        }
        let handle = Handle { events, view };
        lanes.insert(key, handle.clone());
        Some(handle)
    }

    /// Tells every lane of an account something.
    pub fn tell(&self, account: BrokerAccountId, event: impl Fn() -> Event) {
        for (_, handle) in self.of_account(account) {
            if let Err(mpsc::error::TrySendError::Full(event)) = handle.events.try_send(event()) {
                // The lane is busy; what concerns its connection must reach it all the same.
                tokio::spawn(async move { handle.events.send(event).await });
            }
        }
    }

    /// Whether some lane of the account found its books different from the broker's.
    #[must_use]
    pub fn differing(&self, account: BrokerAccountId) -> Vec<LaneKey> {
        let lanes = self.of_account(account).into_iter();
        lanes.filter(|(_, handle)| view(handle).books == BooksState::Differ).map(|(key, _)| key).collect()
    }

    /// When all lanes of the account had last agreed with the broker.
    #[must_use]
    pub fn compared_at(&self, account: BrokerAccountId) -> Option<UnixMicros> {
        self.of_account(account).iter().filter_map(|(_, handle)| view(handle).agreed_at).min()
    }

    /// A strategy's position and what may still fill, as its lane has them.
    #[must_use]
    pub fn strategy(&self, key: &LaneKey, id: StrategyId) -> (Position, Working, BooksState) {
        let handle = self.lock().get(key).cloned();
        let Some(handle) = handle else {
            return (Position::default(), Working::default(), BooksState::Agree);
        };
        let view = view(&handle);
        let (position, working) = view.strategies.get(&id).copied().unwrap_or_default();
        (position, working, view.books)
    }

    /// Whether every lane that this start found something in has compared its books, or cannot for want of a connection.
    #[must_use]
    pub fn reconciled(&self) -> bool {
        let found = self.found_at_start.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lanes = self.lock();
        found.iter().filter_map(|key| lanes.get(key).map(|handle| (key, handle))).all(|(key, handle)| {
            let status = self.accounts.link(key.broker_account_id).map(|link| link.status().state);
            view(handle).books != BooksState::NotCompared || status == Some(crate::AccountState::Disconnected)
        })
    }

    /// How many signals wait or are worked on in a lane.
    #[must_use]
    pub fn waiting(&self, key: &LaneKey) -> usize {
        let handle = self.lock().get(key).cloned();
        handle.map_or(0, |handle| view(&handle).waiting + (EVENTS - handle.events.capacity()))
    }

    /// Every strategy's position in a lane.
    #[must_use]
    pub fn positions(&self, key: &LaneKey) -> HashMap<StrategyId, Position> {
        let handle = self.lock().get(key).cloned();
        let positions = handle
            .map(|handle| view(&handle).strategies.iter().map(|(id, (held, _))| (*id, *held)).collect());
        positions.unwrap_or_default()
    }

    /// Whether nothing is left to do that can be done now: lanes without a connection do not count.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.lock().iter().all(|(key, handle)| {
            let connected =
                self.accounts.link(key.broker_account_id).is_some_and(|link| link.broker().is_some());
            let view = view(handle);
            (view.waiting == 0 && handle.events.capacity() == EVENTS) || !connected
        })
    }

    /// What waits, all lanes together.
    #[must_use]
    pub fn depths(&self) -> Depths {
        let mut depths = Depths { records: self.work.committer.waiting(), ..Depths::default() };
        for handle in self.lock().values() {
            let view = view(handle);
            depths.signals += view.waiting + (EVENTS - handle.events.capacity());
            depths.unknown_orders += view.unknown_orders;
            depths.oldest = [depths.oldest, view.oldest].into_iter().flatten().min();
        }
        depths
    }

    /// Ends every lane once it has taken in what it was told: lanes live as long as somebody can tell them something.
    pub fn close(&self) {
        self.lock().clear();
    }

    fn of_account(&self, account: BrokerAccountId) -> Vec<(LaneKey, Handle)> {
        let lanes = self.lock();
        let own = lanes.iter().filter(|(key, _)| key.broker_account_id == account);
        own.map(|(key, handle)| (key.clone(), handle.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<LaneKey, Handle>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn view(handle: &Handle) -> MutexGuard<'_, LaneView> {
    handle.view.lock().unwrap_or_else(PoisonError::into_inner)
}
