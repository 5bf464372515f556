//! A cluster of one: it has every account, unless its beats are made to fail, and reads what waits in the node's own store.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, OutcomeStatus, SignalId, StrategyId};
use atomik_engine::ClusterParts;
use atomik_ports::bus::{BusError, Heard};
use atomik_ports::cluster::{AccountShown, Beat, Lease, Node, NodeCard, NodeId, Waiting};
use atomik_ports::operations::UnfinishedWork;
use atomik_ports::{Bus, Cluster, Directory, Operations, StoreError};
use atomik_testkit::builders::START;
use tokio::sync::{Semaphore, mpsc};

use super::faulty::FaultyStore;
use super::until;

/// The cluster.
pub struct SoloCluster {
    store: Mutex<Option<Arc<FaultyStore>>>,
    /// Whether beats fail.
    pub fails: AtomicBool,
    /// How many beats have begun.
    pub begun: AtomicUsize,
    /// How many beats went well.
    pub beats: AtomicUsize,
    /// Whether each beat waits for a permit.
    is_held: AtomicBool,
    permits: Semaphore,
    /// Whether the node has more than its share, until it has given its accounts back.
    pub wants_back: AtomicBool,
    /// Whether another node has the accounts.
    pub is_taken: AtomicBool,
    /// Keeps the listeners' ends.
    listeners: Mutex<Vec<mpsc::Sender<Heard>>>,
}

impl Default for SoloCluster {
    fn default() -> Self {
        Self {
            store: Mutex::default(),
            fails: AtomicBool::default(),
            begun: AtomicUsize::default(),
            beats: AtomicUsize::default(),
            is_held: AtomicBool::default(),
            permits: Semaphore::new(0),
            wants_back: AtomicBool::default(),
            is_taken: AtomicBool::default(),
            listeners: Mutex::default(),
        }
    }
}

impl SoloCluster {
    /// What makes an engine its node.
    pub fn parts(self: Arc<Self>, store: &Arc<FaultyStore>) -> ClusterParts {
        *self.store.lock().unwrap() = Some(Arc::clone(store));
        let card = NodeCard {
            name: "solo".to_owned(),
            version: "1".to_owned(),
            address: "http://127.0.0.1:1".to_owned(),
            started_at: START,
        };
        ClusterParts { cluster: Arc::clone(&self) as Arc<dyn Cluster>, bus: self, fast_bus: None, card }
    }

    /// Has the next beat wait at its begin.
    pub async fn hold_beats(&self) {
        let before = self.begun.load(Ordering::SeqCst);
        self.is_held.store(true, Ordering::SeqCst);
        until("a beat waits", async || self.begun.load(Ordering::SeqCst) > before).await;
    }

    /// Lets one beat go on. What it tells has been taken in after it: that happens in the step in which it is answered.
    pub async fn pass_a_beat(&self) {
        let before = self.beats.load(Ordering::SeqCst);
        self.permits.add_permits(1);
        until("a beat goes well", async || self.beats.load(Ordering::SeqCst) > before).await;
    }

    /// Lets all beats go on.
    pub fn release_beats(&self) {
        self.is_held.store(false, Ordering::SeqCst);
        self.permits.add_permits(1);
    }

    fn store(&self) -> Arc<FaultyStore> {
        Arc::clone(self.store.lock().unwrap().as_ref().unwrap())
    }

    async fn pending(&self) -> Result<Vec<Waiting>, StoreError> {
        let strategies = self.store().snapshot().await?.strategies;
        let work = self.store().unfinished_work().await?;
        let pending = work.outcomes.into_iter().filter(|(_, one)| one.status == OutcomeStatus::Pending);
        let waiting = pending.filter_map(|(signal, outcome)| {
            let strategy = strategies.iter().find(|strategy| strategy.id == outcome.strategy_id)?;
            let (broker_account_id, symbol) = (strategy.broker_account_id, strategy.symbol.clone());
            Some(Waiting { signal, outcome, broker_account_id, symbol })
        });
        Ok(waiting.collect())
    }
}

#[async_trait]
impl Cluster for SoloCluster {
    fn node(&self) -> NodeId {
        NodeId(1)
    }

    async fn beat(&self, _: &NodeCard, returned: &[Lease], _: &[AccountShown]) -> Result<Beat, StoreError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.is_held.load(Ordering::SeqCst) {
            self.permits.acquire().await.unwrap().forget();
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("a test".to_owned()));
        }
        self.is_taken.fetch_or(!returned.is_empty(), Ordering::SeqCst);
        let accounts = self.store().snapshot().await?.broker_accounts;
        let leases = accounts.iter().map(|account| Lease { broker_account_id: account.id, epoch: 1 });
        let leases: Vec<_> = leases.filter(|_| !self.is_taken.load(Ordering::SeqCst)).collect();
        let excess = if self.wants_back.load(Ordering::SeqCst) { leases.len() } else { 0 };
        self.beats.fetch_add(1, Ordering::SeqCst);
        Ok(Beat { live_nodes: 1, leases, excess, clock: START, ..Beat::default() })
    }

    async fn leave(&self, _: &[Lease]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn retire(&self, _: &[Lease]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        Ok(Vec::new())
    }

    async fn address_of(&self, _: BrokerAccountId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn unfinished_on(&self, _: &[BrokerAccountId]) -> Result<UnfinishedWork, StoreError> {
        self.store().unfinished_work().await
    }

    async fn waiting_for(&self, _: &[StrategyId], after: SignalId) -> Result<Vec<Waiting>, StoreError> {
        let waiting = self.pending().await?;
        Ok(waiting.into_iter().filter(|waiting| waiting.signal.id > after).collect())
    }

    async fn waiting_on(
        &self,
        _: &[BrokerAccountId],
        after: (SignalId, StrategyId),
    ) -> Result<Vec<(SignalId, StrategyId)>, StoreError> {
        let named = self.pending().await?.into_iter().map(name);
        Ok(named.filter(|name| *name > after).collect())
    }

    async fn waiting(&self, which: &[(SignalId, StrategyId)]) -> Result<Vec<Waiting>, StoreError> {
        let waiting = self.pending().await?;
        Ok(waiting
            .into_iter()
            .filter(|one| which.contains(&(one.signal.id, one.outcome.strategy_id)))
            .collect())
    }
}

fn name(waiting: Waiting) -> (SignalId, StrategyId) {
    (waiting.signal.id, waiting.outcome.strategy_id)
}

#[async_trait]
impl Bus for SoloCluster {
    async fn publish(&self, _: &str) -> Result<(), BusError> {
        Ok(())
    }

    fn listen(&self) -> mpsc::Receiver<Heard> {
        let (sender, receiver) = mpsc::channel(1);
        self.listeners.lock().unwrap().push(sender);
        receiver
    }
}
