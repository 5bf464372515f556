//! What every worker of the engine shares.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::gate::Tally;
use atomik_domain::{BrokerAccountId, BrokerId, HaltMode, HaltScope, SignalId, StrategyId};
use atomik_ports::cluster::Lease;
use atomik_ports::directory::NewHalt;
use atomik_ports::{BrokerConnector, Clock, Store};
use tokio::sync::watch;
use uuid::Uuid;

use crate::at_rest::AtRest;
use crate::cluster::{Informed, Membership, Moment};
use crate::committer::{CommitLoop, Committer, TURNS_IN_CLUSTER};
use crate::engine::EngineParts;
use crate::events::EventLog;
use crate::intake::rate::RateGate;
use crate::lane::View;
use crate::meters::Meters;
use crate::registry::Registry;
use crate::settings::EngineSettings;
use crate::ticks::Ticks;

/// What every worker shares.
pub struct Work {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connectors: BTreeMap<BrokerId, Arc<dyn BrokerConnector>>,
    pub(crate) settings: EngineSettings,
    pub(crate) registry: Arc<Registry>,
    pub(crate) at_rest: AtRest,
    pub(crate) committer: Committer,
    pub(crate) events: Arc<EventLog>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) ticks: Ticks,
    /// How many nodes live, this one among them: by it a node knows its share where nothing is counted together.
    pub(crate) live_nodes: Arc<AtomicU32>,
    pub(crate) rate: Arc<RateGate>,
    pub(crate) installation: Uuid,
    /// Becomes true when workers are to end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) tally: Mutex<Tally>,
    /// This node among others; `None` where it is alone.
    pub(crate) cluster: Option<Arc<Membership>>,
    /// When the directory was last known to be as the registry has it.
    informed: Mutex<Informed>,
}

/// Another node works on the account, or none.
pub(crate) struct NotOurs;

impl Work {
    /// What the workers of a new engine share, the loop that has to run for its committer, and what ends its workers.
    pub(crate) fn new(
        parts: EngineParts,
        registry: Registry,
    ) -> (Arc<Self>, CommitLoop, watch::Sender<bool>) {
        let EngineParts { store, clock, connectors, settings, cluster, rate_limiter } = parts;
        let (stop, stopped) = watch::channel(false);
        let turns = if cluster.is_some() { TURNS_IN_CLUSTER } else { 0 };
        let (committer, commits) =
            Committer::new(Arc::clone(&store), Arc::clone(&clock), settings.max_waiting_deliveries, turns);
        let run = u64::try_from(clock.now().0).unwrap_or_default();
        let ticks = Ticks::start();
        let began = Moment { tick: ticks.now(), wall: clock.now() };
        let live_nodes = Arc::new(AtomicU32::new(1));
        let work = Self {
            installation: store.installation(),
            store,
            clock,
            connectors,
            settings,
            registry: Arc::new(registry),
            at_rest: AtRest::default(),
            committer,
            events: Arc::new(EventLog::new(run)),
            meters: Arc::new(Meters::default()),
            ticks,
            rate: Arc::new(RateGate::new(rate_limiter, Arc::clone(&live_nodes), ticks)),
            cluster: cluster.map(|parts| Arc::new(Membership::new(parts, Arc::clone(&live_nodes)))),
            live_nodes,
            stop: stopped,
            tally: Mutex::default(),
            informed: Mutex::new(Informed::of(began)),
        };
        (Arc::new(work), commits, stop)
    }

    /// Returns when workers are to end.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An engine that is gone has stopped, too.
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Under which lease this node works on an account: none where it is alone, and all accounts are its own.
    pub(crate) fn lease_or_all(&self, account: BrokerAccountId) -> Result<Option<Lease>, NotOurs> {
        match &self.cluster {
            None => Ok(None),
            Some(membership) => membership.lease(account).map(Some).ok_or(NotOurs),
        }
    }

    /// Whether a strategy trades on an account of this node. One that is not known here yet, or not any more, may.
    pub(crate) fn works_on(&self, strategy: StrategyId) -> bool {
        let strategy = self.registry.strategy(strategy);
        strategy.is_none_or(|strategy| self.lease_or_all(strategy.broker_account_id).is_ok())
    }

    /// What becomes of a signal is recorded for good.
    pub(crate) fn ended(&self, signal: SignalId, strategy: StrategyId) {
        if let Some(membership) = &self.cluster {
            membership.courier.ended(signal, strategy, self.ticks.now());
        }
    }

    /// Whether orders may leave now, as far as leases go.
    pub(crate) fn may_send(&self) -> bool {
        self.cluster.as_ref().is_none_or(|membership| membership.tenure().is_good(self.moment()))
    }

    /// How often this node's leases were not good for a while.
    pub(crate) fn lapses(&self) -> u64 {
        self.cluster.as_ref().map_or(0, |membership| membership.tenure().lapses())
    }

    /// Whether orders may leave now that were begun when the leases had lapsed so often.
    pub(crate) fn may_go_on(&self, lapses: u64) -> bool {
        let cluster = self.cluster.as_ref();
        cluster.is_none_or(|membership| membership.tenure().is_unbroken(self.moment(), lapses))
    }

    /// Now, by both clocks.
    pub(crate) fn moment(&self) -> Moment {
        Moment { tick: self.ticks.now(), wall: self.clock.now() }
    }

    /// Whether more can be given to the lanes of an account.
    pub(crate) fn is_ready(&self, account: BrokerAccountId) -> bool {
        self.cluster.as_ref().is_none_or(|membership| membership.is_ready(account))
    }

    /// All that the directory had at a moment is known.
    pub(crate) fn noted_directory(&self, moment: Moment) {
        self.informed.lock().unwrap_or_else(PoisonError::into_inner).noted(moment);
    }

    /// Whether all is known here that other nodes have changed, but for what they are changing now.
    pub(crate) fn is_informed(&self) -> bool {
        let informed = *self.informed.lock().unwrap_or_else(PoisonError::into_inner);
        self.cluster.is_none() || informed.is_fresh(self.moment())
    }

    /// Counts orders that passed the gate.
    pub(crate) fn count_approved(&self, orders: u64) {
        if orders == 0 {
            return;
        }
        self.meters.approved.increment(orders);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        (0..orders).for_each(|_| tally.approved());
    }

    /// Counts an order that is about to be sent. `false`: more would go than passed the gate; everything is frozen, and
    /// the order must not go.
    pub(crate) async fn count_sent(&self) -> bool {
        let within = self.tally.lock().unwrap_or_else(PoisonError::into_inner).sent();
        if within {
            self.meters.sent.increment(1);
            return true;
        }
        let reason = "More orders were about to be sent than the gate had approved.".to_owned();
        tracing::error!(reason, "freezing everything");
        let created_at = self.clock.now();
        let halt =
            NewHalt { scope: HaltScope::System, mode: HaltMode::All, reason, user_id: None, created_at };
        if let Err(error) = self.store.create_halt(halt).await {
            tracing::error!(%error, "the freeze could not be recorded");
        }
        if let Err(error) = self.registry.catch_up().await {
            tracing::error!(%error, "the freeze could not be read back");
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use atomik_domain::{BrokerAccountId, StrategyId, UnixMicros};
    use atomik_storage::sqlite::SqliteStore;

    use super::*;
    use crate::lane::View;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> UnixMicros {
            UnixMicros(0)
        }
    }

    // From outside it cannot be brought about: the types forbid it.
    #[tokio::test]
    async fn one_more_sent_than_approved_freezes_everything_and_does_not_go() {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), UnixMicros(0)).await.unwrap());
        let registry = Registry::load(Arc::clone(&store)).await.unwrap();
        let settings = EngineSettings::default();
        let parts = EngineParts {
            store: Arc::clone(&store),
            clock: Arc::new(Still),
            connectors: BTreeMap::new(),
            settings,
            cluster: None,
            rate_limiter: None,
        };
        let (work, _commits, _stop) = Work::new(parts, registry);
        let halt = || work.registry.halt(BrokerAccountId(1), StrategyId(1)).map(|(mode, _)| mode);
        work.count_approved(2);
        assert!(work.count_sent().await && work.count_sent().await);
        assert_eq!(halt(), None);
        assert!(!work.count_sent().await);
        assert_eq!(halt(), Some(HaltMode::All), "in force when the order is held back");
        let halts = store.halts().await.unwrap();
        assert_eq!(halts.len(), 1, "and for good: only a person lifts it");
        assert_eq!((halts[0].scope, halts[0].mode), (HaltScope::System, HaltMode::All));
    }
}
