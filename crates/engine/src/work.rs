//! What every worker of the engine shares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::gate::Tally;
use atomik_domain::{BrokerId, HaltMode, HaltScope};
use atomik_ports::directory::NewHalt;
use atomik_ports::{BrokerConnector, Clock, Store};
use tokio::sync::watch;
use uuid::Uuid;

use crate::committer::Committer;
use crate::events::EventLog;
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
    pub(crate) committer: Committer,
    pub(crate) events: Arc<EventLog>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) ticks: Ticks,
    pub(crate) installation: Uuid,
    /// Becomes true when workers are to end.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) tally: Mutex<Tally>,
}

impl Work {
    /// Returns when workers are to end.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An engine that is gone has stopped, too.
        let _ = stop.wait_for(|stopped| *stopped).await;
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
