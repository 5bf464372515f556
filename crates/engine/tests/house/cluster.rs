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
use tokio::sync::mpsc;

use super::faulty::FaultyStore;

/// The cluster.
#[derive(Default)]
pub struct SoloCluster {
    store: Mutex<Option<Arc<FaultyStore>>>,
    /// Whether beats fail.
    pub fails: AtomicBool,
    /// How many beats went well.
    pub beats: AtomicUsize,
    /// Keeps the listeners' ends.
    listeners: Mutex<Vec<mpsc::Sender<Heard>>>,
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

    async fn beat(&self, _: &NodeCard, _: &[Lease], _: &[AccountShown]) -> Result<Beat, StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("a test".to_owned()));
        }
        let accounts = self.store().snapshot().await?.broker_accounts;
        let leases = accounts.iter().map(|account| Lease { broker_account_id: account.id, epoch: 1 });
        let leases = leases.collect();
        self.beats.fetch_add(1, Ordering::SeqCst);
        Ok(Beat { live_nodes: 1, leases, clock: START, ..Beat::default() })
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
