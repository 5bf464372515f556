//! All lanes: made when first needed, told what concerns them, let go once they have rested for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_domain::gate::BooksState;
use atomik_domain::{
    BrokerAccountId, Code, Gate, Intention, Outcome, OutcomeStatus, SignalId, SignedQty, Strategy,
    StrategyId, Symbol, UnixMicros,
};
use atomik_ports::cluster::Waiting;
use atomik_ports::journal::{Changes, NewSignal};
use tokio::sync::mpsc;

use crate::accounts::Accounts;
use crate::lane::runner::LaneRunner;
use crate::lane::{Event, Job, Lane, LaneKey, LaneSeed, SignalBrief, Standing, View};
use crate::meters::{Depths, Stage};
use crate::recovery;
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
    /// What the venue held when they were last compared.
    pub venue_net: Option<SignedQty>,
    /// How each strategy stands.
    pub strategies: HashMap<StrategyId, Standing>,
}

/// A symbol in which our books and the broker's differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The symbol.
    pub symbol: Symbol,
    /// What the account held when the books were last compared, of every origin.
    pub broker_net_qty: SignedQty,
    /// What each strategy there holds by our books.
    pub strategies: BTreeMap<StrategyId, SignedQty>,
}

impl Difference {
    /// What our strategies hold in all.
    #[must_use]
    pub fn strategies_net_qty(&self) -> SignedQty {
        self.strategies.values().fold(SignedQty::ZERO, |sum, net| sum + *net)
    }
}

impl Default for LaneView {
    fn default() -> Self {
        Self {
            books: BooksState::NotCompared,
            agreed_at: None,
            waiting: 0,
            oldest: None,
            unknown_orders: 0,
            venue_net: None,
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
    /// Whoever tells a lane something does so under this lock, or holds a sender since before: so none is let go with
    /// something untold.
    lanes: Mutex<HashMap<LaneKey, Handle>>,
    /// The lanes that this start found something in, and whose first comparison of books has not ended.
    found_at_start: Mutex<Vec<LaneKey>>,
}

impl Lanes {
    /// No lanes yet.
    #[must_use]
    pub fn new(work: Arc<Work>, accounts: Arc<Accounts>) -> Arc<Self> {
        Arc::new(Self { work, accounts, lanes: Mutex::default(), found_at_start: Mutex::default() })
    }

    /// Opens a lane as the last run left it. Before any signal is dispatched.
    pub fn restore(self: &Arc<Self>, key: LaneKey, seed: LaneSeed) {
        self.found_at_start.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
        self.open(&mut self.lock(), key, Some(seed));
    }

    /// Opens a lane as another node, or an earlier turn of this one, left it.
    pub(crate) fn take_over(self: &Arc<Self>, key: LaneKey, seed: LaneSeed) {
        self.open(&mut self.lock(), key, Some(seed));
    }

    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// Hands a stored signal to the lanes of its strategies. `now` is after its commit. In a cluster it is brought to them, on
    /// whichever node they are.
    pub fn dispatch(self: &Arc<Self>, signal: &NewSignal, id: SignalId, now: UnixMicros) {
        self.work.meters.stage(Stage::Stored, signal.received_at, now);
        if let Some(membership) = &self.work.cluster {
            membership.courier.tell(signal.targets.iter().copied());
            return;
        }
        let waited = now.micros_since(signal.received_at).max(0);
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

    /// Hands what waited in the store to its lane.
    pub(crate) fn run_waiting(self: &Arc<Self>, waiting: &Waiting) {
        let mut signal = recovery::brief(&waiting.signal);
        let waited = self.work.clock.now().micros_since(signal.received_at).max(0);
        signal.received_tick = Some(self.work.ticks.now().saturating_sub(waited));
        self.enqueue(Job { signal, strategy_id: waiting.outcome.strategy_id });
    }

    /// Opens the lane of a strategy that has none.
    pub(crate) fn open_for(self: &Arc<Self>, strategy: &Strategy) {
        if !self.work.is_ready(strategy.broker_account_id) {
            return;
        }
        let mut lanes = self.lock();
        self.opened(&mut lanes, strategy);
    }

    /// The key of a strategy's lane, which is open now unless the account was unlinked.
    fn opened(self: &Arc<Self>, lanes: &mut HashMap<LaneKey, Handle>, strategy: &Strategy) -> LaneKey {
        let key = LaneKey::of(strategy);
        if !lanes.contains_key(&key) {
            self.open(lanes, key.clone(), None);
        }
        key
    }

    fn enqueue(self: &Arc<Self>, job: Job) {
        let Some(strategy) = self.work.registry.strategy(job.strategy_id) else {
            self.refuse(&job, Code::StrategyInactive);
            return;
        };
        let refused = {
            let mut lanes = self.lock();
            let key = self.opened(&mut lanes, &strategy);
            match lanes.get(&key).map(|handle| handle.events.try_send(Event::Signal(job.clone())).err()) {
                Some(None) => None,
                Some(Some(mpsc::error::TrySendError::Full(_))) => Some(Code::OverQueue),
                // The lane has ended, or there is none: in a cluster the account may be passing to another node.
                Some(Some(mpsc::error::TrySendError::Closed(_))) | None => Some(Code::AccountUnavailable),
            }
        };
        let is_linked = self.work.registry.broker_account(strategy.broker_account_id).is_some();
        match (refused, &self.work.cluster) {
            (None, _) => {}
            (Some(Code::AccountUnavailable), Some(membership)) if is_linked => {
                membership.courier.forget(job.signal.id, job.strategy_id);
            }
            (Some(code), _) => self.refuse(&job, code),
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
        let (signal_id, strategy_id) = (job.signal.id, job.strategy_id);
        // Only whoever works on the account says what becomes of its signals.
        let account = work.registry.strategy(strategy_id).map(|strategy| strategy.broker_account_id);
        let lease = account.and_then(|account| work.lease_or_all(account).ok().flatten());
        tokio::spawn(async move {
            let changes = Changes { lease, outcomes: vec![outcome], ..Changes::default() };
            match work.committer.record(Arc::new(changes)).await {
                Ok(_) => work.ended(signal_id, strategy_id),
                Err(error) => {
                    // It stays pending: the next start settles it, or the next sweep.
                    tracing::error!(%error, "an outcome was not recorded");
                    if let Some(membership) = &work.cluster {
                        membership.courier.forget(signal_id, strategy_id);
                    }
                }
            }
        });
    }

    /// Opens a lane from a seed, or else from what the store has: it is empty or was at rest, so that is all there is.
    /// Opens none where the account was unlinked.
    fn open(self: &Arc<Self>, lanes: &mut HashMap<LaneKey, Handle>, key: LaneKey, seed: Option<LaneSeed>) {
        let Some(link) = self.accounts.link(key.broker_account_id) else { return };
        let (events, events_in) = mpsc::channel(EVENTS);
        for (order, _) in seed.iter().flat_map(|seed| &seed.orders) {
            link.route(order.request.client_order_id, events.downgrade());
        }
        let view = Arc::new(Mutex::new(LaneView::default()));
        let (all, answers) = (Arc::clone(self), events.downgrade());
        lanes.insert(key.clone(), Handle { events, view: Arc::clone(&view) });
        tokio::spawn(async move {
            let seed = match seed {
                Some(seed) => seed,
                None => all.work.at_rest.seed(&*all.work.store, &key).await,
            };
            let gate = Gate::new(all.work.settings.max_orders_per_minute);
            let lane = Lane::new(key, seed, gate, all.work.settings.max_lane_queue);
            LaneRunner::new(all, link, lane, answers, view).run(events_in).await;
        });
    }

    /// Lets a lane at rest go, unless somebody tells it something at this moment. The next signal opens it again.
    pub(crate) fn let_go(&self, key: &LaneKey, events: &mpsc::Receiver<Event>) -> bool {
        let mut lanes = self.lock();
        // The one sender is the handle's, and nobody but us can reach that now.
        let untold = events.is_empty() && events.sender_strong_count() == 1;
        if untold {
            lanes.remove(key);
        }
        untold
    }

    /// Lets go of an account's lanes. Where it was unlinked each settles what it was told and what answers are on their way
    /// for, and ends; where another node works on it now, each ends as it is.
    pub(crate) fn unlink(&self, account: BrokerAccountId) {
        self.lock().retain(|key, _| key.broker_account_id != account);
    }

    /// How much there is to do on an account: signals that wait, orders that are unproven.
    pub(crate) fn load_of(&self, account: BrokerAccountId) -> usize {
        let load = |(_, handle): (LaneKey, Handle)| {
            let view = view(&handle);
            view.waiting + view.unknown_orders + (EVENTS - handle.events.capacity())
        };
        self.of_account(account).into_iter().map(load).sum()
    }

    /// Tells every lane of an account something. `false`: some lane had no room for it.
    #[must_use]
    pub fn tell(&self, account: BrokerAccountId, event: impl Fn() -> Event) -> bool {
        let lanes = self.lock();
        let own = lanes.iter().filter(|(key, _)| key.broker_account_id == account);
        own.fold(true, |told, (_, handle)| handle.events.try_send(event()).is_ok() && told)
    }

    /// Where the books of an account differ from the broker's, by symbol.
    #[must_use]
    pub fn differing(&self, account: BrokerAccountId) -> Vec<Difference> {
        let difference = |(key, handle): (LaneKey, Handle)| {
            let view = view(&handle);
            let positions = view.strategies.iter().map(|(id, standing)| (*id, standing.position.net_qty));
            (view.books == BooksState::Differ).then(|| Difference {
                symbol: key.symbol,
                broker_net_qty: view.venue_net.unwrap_or(SignedQty::ZERO),
                strategies: positions.collect(),
            })
        };
        let mut differing: Vec<_> = self.of_account(account).into_iter().filter_map(difference).collect();
        differing.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        differing
    }

    /// When all lanes of the account had last agreed with the broker.
    #[must_use]
    pub fn compared_at(&self, account: BrokerAccountId) -> Option<UnixMicros> {
        self.of_account(account).iter().filter_map(|(_, handle)| view(handle).agreed_at).min()
    }

    /// How every strategy stands in a lane, and its books. Where there is none, nothing is held.
    #[must_use]
    pub fn standing(&self, key: &LaneKey) -> (HashMap<StrategyId, Standing>, BooksState) {
        let handle = self.lock().get(key).cloned();
        let Some(handle) = handle else { return (HashMap::new(), BooksState::Agree) };
        let view = view(&handle);
        (view.strategies.clone(), view.books)
    }

    /// Whether every lane that this start found something in has compared its books, or cannot for want of a connection.
    #[must_use]
    pub fn reconciled(&self) -> bool {
        let mut found = self.found_at_start.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = self.lock();
        let compared = |handle: &Handle| view(handle).books != BooksState::NotCompared;
        found.retain(|key| lanes.get(key).is_some_and(|handle| !compared(handle)));
        found.iter().all(|key| {
            let status = self.accounts.link(key.broker_account_id).map(|link| link.status().state);
            status == Some(crate::AccountState::Disconnected)
        })
    }

    /// How many signals wait or are worked on in a lane.
    #[must_use]
    pub fn waiting(&self, key: &LaneKey) -> usize {
        let handle = self.lock().get(key).cloned();
        handle.map_or(0, |handle| view(&handle).waiting + (EVENTS - handle.events.capacity()))
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
        let lanes = self.lock();
        depths.lanes = lanes.len();
        for handle in lanes.values() {
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
