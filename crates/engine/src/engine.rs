//! The engine's face: what the rest of the program asks of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::{
    Action, BrokerAccountId, BrokerId, Code, Price, SignalId, SignedQty, Strategy, StrategyId, UnixMicros,
    UserId, WebhookId,
};
use atomik_ports::cluster::Node;
use atomik_ports::journal::{NewSignal, Receipt, SignalSource};
use atomik_ports::{Broker, BrokerConnector, Clock, RateLimiter, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounts::Accounts;
use crate::cluster::{self, Beats, ClusterParts, Membership, Message, Watching};
use crate::committer::NotStored;
use crate::equity;
use crate::events::{EventLog, RelayedEvent};
use crate::explain::{self, Explanation};
use crate::housekeeping;
use crate::intake::{Answer, Inbound, Intake};
use crate::lane::{self, LaneKey, Standing, View};
use crate::lanes::{Difference, Lanes};
use crate::marks::Marks;
use crate::meters::Depths;
use crate::recovery;
use crate::registry::Registry;
use crate::settings::EngineSettings;
use crate::work::Work;

/// What an engine is made of.
pub struct EngineParts {
    /// Where everything is recorded.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The venues, by their names in the catalogue.
    pub connectors: BTreeMap<BrokerId, Arc<dyn BrokerConnector>>,
    /// Bounds and pace.
    pub settings: EngineSettings,
    /// What makes it one of many nodes; `None` where it is alone.
    pub cluster: Option<ClusterParts>,
    /// What counts the rate of webhooks over all nodes. Without it this node is taken to be alone, or keeps to its share.
    pub rate_limiter: Option<Arc<dyn RateLimiter>>,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an account's connection and books stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// Being connected, or its books being compared.
    Connecting,
    /// Connected, books equal.
    Ready,
    /// Connected, but in some symbols the books differ; entries there are denied.
    BooksDiffer,
    /// Not connected; tried again and again.
    Disconnected,
}
atomik_domain::spelled!(AccountState {
    Connecting = "connecting",
    Ready = "ready",
    BooksDiffer = "books_differ",
    Disconnected = "disconnected",
});

/// An account's state, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// The state.
    pub state: AccountState,
    /// A sentence for people; `None` when all is well.
    pub detail: Option<String>,
    /// When the books were last compared.
    pub reconciled_at: Option<UnixMicros>,
}

/// Whether the program can do its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the store can be written.
    pub store: Result<(), String>,
    /// Whether Redis can be reached, where there is one. The program does its job without it.
    pub redis: Option<Result<(), String>>,
    /// Whether every account's first comparison of books after the start has ended, one way or the other.
    pub books_reconciled: bool,
    /// Whether the engine takes new work.
    pub stopping: bool,
    /// Whether this node keeps its leases; `None` where it is alone.
    pub leases: Option<bool>,
}

impl Readiness {
    /// Whether it can.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.store.is_ok() && self.books_reconciled && !self.stopping && self.leases != Some(false)
    }
}

/// What flattening set off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlattenReport {
    /// One signal for each strategy that held a position.
    pub signals: Vec<(StrategyId, SignalId)>,
}

/// The engine.
pub struct Engine {
    work: Arc<Work>,
    intake: Intake,
    accounts: Arc<Accounts>,
    lanes: Arc<Lanes>,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    /// When the store was last checked, and how it stood.
    last_check: tokio::sync::Mutex<Option<(i64, Result<(), String>)>>,
    marks: Marks,
    /// What keeps this node's leases, and gives them back in the end.
    beating: Mutex<Option<JoinHandle<()>>>,
}

/// How long a stop waits for the leases to be given back.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the store may take to show that it can be written.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

impl Engine {
    /// Loads what is kept in memory, puts what the last run left unfinished into lanes, and starts working. Orders whose
    /// fate is open are looked up at their venues as soon as those are connected.
    ///
    /// # Errors
    /// [`StartError`] where the store cannot be read.
    pub async fn start(parts: EngineParts) -> Result<Arc<Self>, StartError> {
        let registry = Registry::load(Arc::clone(&parts.store)).await?;
        let (work, commits, stop) = Work::new(parts, registry);
        let accounts = Arc::new(Accounts::default());
        let lanes = Lanes::new(Arc::clone(&work), Arc::clone(&accounts));
        let dispatch = Arc::clone(&lanes);
        tokio::spawn(commits.run(move |signal, id, durable_at| dispatch.dispatch(&signal, id, durable_at)));
        let beating = match work.cluster.clone() {
            Some(membership) => Some(join(&work, &membership, &accounts, &lanes).await?),
            None => {
                take_up(&work, &accounts, &lanes).await?;
                None
            }
        };
        let intake = Intake::new(&work);
        let engine = Arc::new(Self {
            work,
            intake,
            accounts,
            lanes,
            stopping: AtomicBool::new(false),
            stop,
            last_check: tokio::sync::Mutex::default(),
            marks: Marks::default(),
            beating: Mutex::new(beating),
        });
        if let Some(membership) = &engine.work.cluster {
            for bus in membership.buses() {
                tokio::spawn(cluster::listen(Arc::downgrade(&engine), bus));
            }
        }
        housekeeping::start(&engine);
        equity::start(&engine);
        Ok(engine)
    }

    /// Puts a request through the receiver's checks and stores it.
    pub async fn receive(&self, inbound: Inbound) -> Answer {
        if !self.work.is_informed() {
            // What was revoked or halted meanwhile is not known here.
            let (code, detail) = (Code::StoreUnavailable, Code::StoreUnavailable.meaning().to_owned());
            return Answer::Refused { status: 503, code, detail, retry_after_s: Some(1) };
        }
        if self.stopping.load(Ordering::Acquire) {
            let (code, detail) =
                (Code::Overloaded, "The server is restarting; send the alert again".to_owned());
            return Answer::Refused { status: 503, code, detail, retry_after_s: Some(1) };
        }
        self.intake.receive(inbound).await
    }

    /// Notes a request that transport refused (method, size, time), in the webhook's log where the token is known.
    pub fn note_refusal(
        &self,
        token: &str,
        remote_ip: IpAddr,
        received_at: UnixMicros,
        status: u16,
        code: Code,
    ) {
        self.intake.note_refusal(token, remote_ip, received_at, status, code);
    }

    /// Lets the engine see what was just changed in the directory. Call it after every such change and before
    /// answering, so that the answer is true of the engine too.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.follow().await?;
        if let Some(membership) = &self.work.cluster {
            // A new account is taken by whoever has room for it.
            membership.hurry();
            if membership.live_nodes() > 1 {
                Message::Changed.publish(&*membership.bus).await;
            }
        }
        Ok(())
    }

    /// Takes in what was changed in the directory by whomever.
    pub(crate) async fn follow(&self) -> Result<(), StoreError> {
        let moment = self.work.moment();
        self.work.registry.catch_up().await?;
        self.work.noted_directory(moment);
        self.work.registry.hand_on_accounts(|id, account| {
            self.accounts.set(&self.work, &self.lanes, id, account);
        });
        Ok(())
    }

    /// What a payload would do now.
    ///
    /// # Errors
    /// `NotFound` where the webhook is not the user's.
    pub async fn explain(
        &self,
        user_id: UserId,
        webhook_id: WebhookId,
        body: &[u8],
    ) -> Result<Explanation, StoreError> {
        self.work.registry.webhook(user_id, webhook_id).ok_or(StoreError::NotFound)?;
        let strategies = self.work.registry.active_strategies(webhook_id);
        Ok(explain::explain(&self.work, &self.lanes, &self.accounts, &strategies, body).await)
    }

    /// Cancels the entries that work on an account and exits every strategy's position there; with `only`, that strategy's
    /// alone.
    ///
    /// # Errors
    /// `NotFound` where the account is not the user's; `Unavailable` where too much waits, and the store's where an exit
    /// could not be stored: some entries may have been canceled and some exits stored then.
    pub async fn flatten(
        &self,
        user_id: UserId,
        account_id: BrokerAccountId,
        only: Option<StrategyId>,
    ) -> Result<FlattenReport, StoreError> {
        let account = self.work.registry.broker_account(account_id);
        account.filter(|account| account.user_id == user_id).ok_or(StoreError::NotFound)?;
        if !self.work.is_ready(account_id) {
            return Err(passing());
        }
        if !self.lanes.tell(account_id, || lane::Event::CancelWorking(only)) {
            return Err(too_much_waits());
        }
        let mut signals = Vec::new();
        let strategies = self.work.registry.strategies_on(account_id);
        for strategy in strategies.iter().filter(|strategy| only.is_none_or(|only| strategy.id == only)) {
            let key = LaneKey::of(strategy);
            let (standing, _) = self.lanes.standing(&key);
            let Standing { position, working, .. } = standing.get(&strategy.id).copied().unwrap_or_default();
            let may_open = !working.entries.is_zero() || self.lanes.waiting(&key) > 0;
            if position.net_qty.is_zero() && !may_open {
                continue;
            }
            let signal = self.flattening(strategy, position.net_qty);
            signals.push((strategy.id, self.store_by_hand(signal).await?));
        }
        // What lanes said of positions is true only if they were this node's all the time.
        if self.work.is_ready(account_id) { Ok(FlattenReport { signals }) } else { Err(passing()) }
    }

    fn flattening(&self, strategy: &Strategy, net_qty: SignedQty) -> NewSignal {
        let note = "a person asked for this position to be flattened";
        let signal = self.by_hand(strategy, SignalSource::Flatten, note);
        // The lane turns it to whichever side exits what is held when its turn comes.
        let action = if net_qty.is_short() { Action::Buy } else { Action::Sell };
        NewSignal { action, comment: Some("EXIT_ALL".to_owned()), ..signal }
    }

    /// Has a strategy take over what its account holds in its symbol and no other strategy there explains; then, where
    /// `flatten` says so, exits it. Both are signals like any other, in this order.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the strategy is none of the user's on this account.
    pub async fn adopt(
        &self,
        user_id: UserId,
        account_id: BrokerAccountId,
        strategy_id: StrategyId,
        avg_price: Option<Price>,
        flatten: bool,
    ) -> Result<Vec<SignalId>, StoreError> {
        let strategy = self.work.registry.strategy(strategy_id);
        let strategy = strategy
            .filter(|strategy| strategy.user_id == user_id && strategy.broker_account_id == account_id)
            .ok_or(StoreError::NotFound)?;
        let note = "a person asked for this position to be set to the broker's";
        let adoption = NewSignal { price: avg_price, ..self.by_hand(&strategy, SignalSource::Adopt, note) };
        let mut signals = vec![self.store_by_hand(adoption).await?];
        if flatten {
            let flattening = self.flattening(&strategy, SignedQty::ZERO);
            signals.push(self.store_by_hand(flattening).await?);
        }
        Ok(signals)
    }

    /// A signal of a person's for one strategy.
    fn by_hand(&self, strategy: &Strategy, source: SignalSource, note: &str) -> NewSignal {
        NewSignal {
            user_id: strategy.user_id,
            webhook_id: strategy.webhook_id,
            source,
            received_at: self.now(),
            action: Action::Sell,
            comment: None,
            price: None,
            quantity: None,
            symbol: None,
            notes: vec![note.to_owned()],
            remote_ip: None,
            payload: String::new(),
            repeat: None,
            targets: vec![strategy.id],
        }
    }

    async fn store_by_hand(&self, signal: NewSignal) -> Result<SignalId, StoreError> {
        match self.work.committer.store_signal(signal, self.work.settings.store_timeout).await {
            Ok(Receipt::Stored { signal_id }) => Ok(signal_id),
            // Only a repeat or a used id is answered otherwise, and this has neither.
            Ok(_) => Err(StoreError::Corrupt("a signal made by hand was taken for a repeat".to_owned())),
            Err(NotStored::Store(error)) => Err(error),
            Err(NotStored::Overloaded) => Err(too_much_waits()),
        }
    }

    /// The strategies on an account, as they are now.
    #[must_use]
    pub fn strategies_on(&self, account_id: BrokerAccountId) -> Vec<Arc<Strategy>> {
        self.work.registry.strategies_on(account_id)
    }

    /// Where an account's books differ from the broker's.
    #[must_use]
    pub fn differences(&self, account_id: BrokerAccountId) -> Vec<Difference> {
        match (self.accounts.link(account_id), &self.work.cluster) {
            (None, Some(membership)) => membership.shown.differences(account_id),
            _ => self.lanes.differing(account_id),
        }
    }

    /// How an account stands.
    #[must_use]
    pub fn account_status(&self, account_id: BrokerAccountId) -> AccountStatus {
        match (self.accounts.link(account_id), &self.work.cluster) {
            (Some(link), _) => link.shown_status(&self.lanes.differing(account_id)),
            (None, Some(membership)) => membership.shown.status(account_id),
            (None, None) => {
                AccountStatus { state: AccountState::Connecting, detail: None, reconciled_at: None }
            }
        }
    }

    /// Whether this is one of many nodes.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.work.cluster.is_some()
    }

    /// Whether an account is one of a user's.
    #[must_use]
    pub fn is_linked_by(&self, user_id: UserId, id: BrokerAccountId) -> bool {
        self.work.registry.broker_account(id).is_some_and(|account| account.user_id == user_id)
    }

    /// The account that a strategy trades on.
    #[must_use]
    pub fn account_of(&self, id: StrategyId) -> Option<BrokerAccountId> {
        self.work.registry.strategy(id).map(|strategy| strategy.broker_account_id)
    }

    /// The accounts that a webhook's active strategies trade on.
    #[must_use]
    pub fn accounts_of(&self, id: WebhookId) -> Vec<BrokerAccountId> {
        let strategies = self.work.registry.active_strategies(id);
        strategies.iter().map(|strategy| strategy.broker_account_id).collect()
    }

    /// Where the node is reached that works on an account, if that is another one than this.
    ///
    /// # Errors
    /// The store's; `Unavailable` where no node works on it at this moment.
    pub async fn elsewhere(&self, account_id: BrokerAccountId) -> Result<Option<String>, StoreError> {
        let Some(membership) = &self.work.cluster else { return Ok(None) };
        let is_linked = self.work.registry.broker_account(account_id).is_some();
        if !is_linked || membership.lease(account_id).is_some() {
            return Ok(None);
        }
        match membership.cluster.address_of(account_id).await? {
            Some(address) if address != membership.card.address => Ok(Some(address)),
            _ => Err(passing()),
        }
    }

    /// The nodes that live or did until lately; none where the engine is alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        match &self.work.cluster {
            Some(membership) => membership.cluster.nodes().await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether somebody watches on another node what happens on this one.
    #[must_use]
    pub fn is_watched_elsewhere(&self) -> bool {
        let tick = self.work.ticks.now();
        self.work.cluster.as_ref().is_some_and(|membership| membership.watched.is_elsewhere(tick))
    }

    /// Shows events of this node to those who watch on others.
    pub async fn relay(&self, events: Vec<RelayedEvent>) {
        if let Some(membership) = &self.work.cluster {
            cluster::tell_events(membership, events).await;
        }
    }

    /// The same for events that came too fast to be told.
    pub async fn relay_missed(&self) {
        if let Some(membership) = &self.work.cluster {
            cluster::tell_missed(membership, None).await;
        }
    }

    /// Somebody watches on this node what happens on all of them, until what is given is dropped.
    pub async fn watch_everywhere(&self) -> Watching {
        Watching::begin(&self.work).await
    }

    /// An account's connection, where it has one.
    #[must_use]
    pub fn broker(&self, account_id: BrokerAccountId) -> Option<Arc<dyn Broker>> {
        self.accounts.link(account_id).and_then(|link| link.broker())
    }

    /// An account's connection, tried at once where it is down; `None` where it stays down.
    pub async fn broker_now(&self, account_id: BrokerAccountId) -> Option<Arc<dyn Broker>> {
        let link = self.accounts.link(account_id)?;
        link.try_now().await;
        link.broker()
    }

    /// The venues.
    #[must_use]
    pub fn connectors(&self) -> &BTreeMap<BrokerId, Arc<dyn BrokerConnector>> {
        &self.work.connectors
    }

    /// What just happened.
    #[must_use]
    pub fn events(&self) -> &EventLog {
        &self.work.events
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.work.clock.now()
    }

    /// Whether the program can do its job.
    pub async fn readiness(&self) -> Readiness {
        Readiness {
            store: self.store_state().await,
            redis: self.work.rate.look(),
            books_reconciled: self.lanes.reconciled(),
            stopping: self.stopping.load(Ordering::Acquire),
            leases: self.work.cluster.is_some().then(|| self.work.may_send()),
        }
    }

    /// Whether the store can be written, asked at most once a second: anybody may ask for readiness, and the question
    /// takes a turn of the one writer. No answer in time counts as no.
    async fn store_state(&self) -> Result<(), String> {
        let mut last = self.last_check.lock().await;
        let now = self.work.ticks.now();
        if let Some((at, state)) = &*last
            && now - at < UnixMicros::SECOND
        {
            return state.clone();
        }
        let state = match tokio::time::timeout(CHECK_TIMEOUT, self.work.store.check()).await {
            Ok(checked) => checked.map_err(|error| error.to_string()),
            Err(_) => Err(format!("the store did not answer within {} s", CHECK_TIMEOUT.as_secs())),
        };
        *last = Some((self.work.ticks.now(), state.clone()));
        state
    }

    /// Takes no new work, finishes what was accepted and can be finished, and returns when it is recorded, or after
    /// `patience`. What is left (orders that still work at a venue, accounts without a connection) is found by the next
    /// start.
    pub async fn stop(&self, patience: Duration) {
        self.stopping.store(true, Ordering::Release);
        if let Some(membership) = &self.work.cluster {
            membership.close();
        }
        let drained = async {
            while self.work.committer.waiting() > 0 || !self.lanes.idle() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            tracing::warn!("stopping with work left for the next start");
        }
        self.stop.send_replace(true);
        let beating = self.beating.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(beating) = beating
            && tokio::time::timeout(LEAVE_TIMEOUT, beating).await.is_err()
        {
            tracing::warn!("the leases could not be given back in time; they run out by themselves");
        }
        self.lanes.close();
    }

    /// What waits, and in how many lanes.
    #[must_use]
    pub fn depths(&self) -> Depths {
        self.lanes.depths()
    }

    pub(crate) fn known_marks(&self) -> &Marks {
        &self.marks
    }

    pub(crate) fn work(&self) -> &Arc<Work> {
        &self.work
    }
}

/// Alone: puts everything that the last run left unfinished into lanes.
async fn take_up(work: &Arc<Work>, accounts: &Accounts, lanes: &Arc<Lanes>) -> Result<(), StoreError> {
    let unfinished = work.store.unfinished_work().await?;
    for account in work.registry.broker_accounts() {
        accounts.set(work, lanes, account.id, Some(account));
    }
    let is_linked = |id| work.registry.broker_account(id).is_some();
    let now = work.clock.now();
    let (seeds, settled) = recovery::seeds(unfinished, work.registry.as_ref(), is_linked, now);
    if !settled.is_empty() {
        work.committer.record(Arc::new(settled)).await?;
    }
    seeds.into_iter().for_each(|(key, seed)| lanes.restore(key, seed));
    Ok(())
}

/// One of many: takes this node's share of the accounts, and keeps its leases from now on.
async fn join(
    work: &Arc<Work>,
    membership: &Arc<Membership>,
    accounts: &Arc<Accounts>,
    lanes: &Arc<Lanes>,
) -> Result<JoinHandle<()>, StoreError> {
    let mut beats = Beats::new(work, membership, accounts, lanes);
    beats.begin().await?;
    tokio::spawn(cluster::bring(Arc::clone(work), Arc::clone(lanes)));
    tokio::spawn(cluster::tell_others(Arc::clone(work)));
    Ok(tokio::spawn(beats.run()))
}

fn passing() -> StoreError {
    StoreError::Unavailable("the account is passing from one node to another".to_owned())
}

fn too_much_waits() -> StoreError {
    StoreError::Unavailable("too much waits".to_owned())
}
