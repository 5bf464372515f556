//! One of many nodes: which accounts are this node's to work on, and what it hears of the others.
//!
//! Architecture invariants:
//! - An account has a link, and so lanes, only while this node holds its lease. What lanes record carries the lease.
//! - Bytes leave for a broker only while the leases are good by this node's own clocks ([`Tenure::is_good`]).
//! - What waits is read from the store; messages only say that it is time to read.

mod beats;
mod courier;
mod shown;
mod tenure;
mod watched;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_domain::{BrokerAccountId, UnixMicros};
use atomik_ports::cluster::{Lease, NodeCard};
use atomik_ports::{Bus, Cluster};
use tokio::sync::Notify;

use crate::ticks::Ticks;
pub(crate) use beats::Beats;
use courier::Courier;
pub(crate) use courier::{bring, tell_others};
use shown::Shown;
pub use tenure::{Informed, Moment, Tenure};
use watched::Watched;
pub use watched::Watching;
pub(crate) use wire::{Message, listen, tell_events, tell_missed};

/// What makes an engine a node of a cluster.
pub struct ClusterParts {
    /// The store that the nodes share.
    pub cluster: Arc<dyn Cluster>,
    /// What carries messages between them.
    pub bus: Arc<dyn Bus>,
    /// What carries more of them, where there is such a thing: what happens, for those who watch.
    pub fast_bus: Option<Arc<dyn Bus>>,
    /// What this node says of itself.
    pub card: NodeCard,
}

/// This node among the others.
pub(crate) struct Membership {
    pub cluster: Arc<dyn Cluster>,
    pub bus: Arc<dyn Bus>,
    pub fast_bus: Option<Arc<dyn Bus>>,
    pub card: NodeCard,
    pub courier: Courier,
    pub shown: Shown,
    pub watched: Watched,
    live_nodes: Arc<AtomicU32>,
    tenure: Mutex<Tenure>,
    held: Mutex<HashMap<BrokerAccountId, Lease>>,
    /// The accounts whose lanes are as they were left, so that more can be given to them.
    ready: Mutex<HashSet<BrokerAccountId>>,
    /// Somebody wants the next beat now.
    hurry: Notify,
    /// This node stops: what waits is left for whoever has its accounts next.
    closing: AtomicBool,
}

impl Membership {
    pub fn new(parts: ClusterParts, live_nodes: Arc<AtomicU32>) -> Self {
        Self {
            cluster: parts.cluster,
            bus: parts.bus,
            fast_bus: parts.fast_bus,
            card: parts.card,
            courier: Courier::default(),
            shown: Shown::default(),
            watched: Watched::default(),
            live_nodes,
            tenure: Mutex::default(),
            held: Mutex::default(),
            ready: Mutex::default(),
            hurry: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }

    /// Brings no more to the lanes, so that they come to an end.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Until when this node counts on its leases.
    pub fn tenure(&self) -> MutexGuard<'_, Tenure> {
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A beat that was begun at `began` has gone well.
    fn renewed(&self, began: Moment, live_nodes: u32) {
        self.tenure().renewed(began);
        self.live_nodes.store(live_nodes, Ordering::Release);
    }

    /// Whether the lanes of an account are as they were left, and this node holds its lease.
    pub fn is_ready(&self, account: BrokerAccountId) -> bool {
        self.ready().contains(&account)
    }

    fn ready(&self) -> MutexGuard<'_, HashSet<BrokerAccountId>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many nodes lived at the last beat, this one among them.
    pub fn live_nodes(&self) -> u32 {
        self.live_nodes.load(Ordering::Acquire)
    }

    /// How many accounts this node works on.
    pub fn leases(&self) -> usize {
        self.held().len()
    }

    /// Under which lease this node works on an account.
    pub fn lease(&self, account: BrokerAccountId) -> Option<Lease> {
        self.held().get(&account).copied()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<BrokerAccountId, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is listened to.
    pub fn buses(&self) -> Vec<Arc<dyn Bus>> {
        [Some(&self.bus), self.fast_bus.as_ref()].into_iter().flatten().cloned().collect()
    }

    /// Beats at once: there may be accounts to take, here or elsewhere.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }
}

/// A moment now.
pub(crate) fn moment(ticks: Ticks, wall: UnixMicros) -> Moment {
    Moment { tick: ticks.now(), wall }
}
