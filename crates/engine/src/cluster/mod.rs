//! One of many nodes: which accounts are this node's to work on, and what it hears of the others.
//!
//! Architecture invariants:
//! - An account has a link, and so lanes, only while this node holds its lease. What lanes record carries the lease.
//! - Bytes leave for a broker only while the leases are good by this node's own clocks ([`Membership::is_good`]).
//! - What waits is read from the store; messages only say that it is time to read.

mod beats;
mod courier;
mod shown;
mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_domain::{BrokerAccountId, UnixMicros};
use atomik_ports::cluster::{LEASE_GOOD, Lease, NodeCard};
use atomik_ports::{Bus, Cluster};
use tokio::sync::Notify;

use crate::ticks::Ticks;
pub(crate) use beats::Beats;
use courier::Courier;
pub(crate) use courier::{bring, tell_others};
use shown::Shown;
pub(crate) use wire::{Message, listen, tell_events};

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

/// A moment by both clocks: the one that nobody sets, and the one that goes on while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub tick: i64,
    pub wall: UnixMicros,
}

/// This node among the others.
pub(crate) struct Membership {
    pub cluster: Arc<dyn Cluster>,
    pub bus: Arc<dyn Bus>,
    pub fast_bus: Option<Arc<dyn Bus>>,
    pub card: NodeCard,
    pub courier: Courier,
    pub shown: Shown,
    live_nodes: Arc<AtomicU32>,
    /// Until when the leases are good, as of the last beat that went well.
    good_until: Mutex<Moment>,
    /// How often the leases were not good for a while.
    lapses: AtomicU64,
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
            live_nodes,
            good_until: Mutex::new(Moment { tick: i64::MIN, wall: UnixMicros(i64::MIN) }),
            lapses: AtomicU64::new(0),
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

    /// Whether orders may leave now: nobody else can have taken this node's leases.
    pub fn is_good(&self, now: Moment) -> bool {
        let until = *self.good_until.lock().unwrap_or_else(PoisonError::into_inner);
        now.tick < until.tick && now.wall < until.wall
    }

    /// A beat that was begun at `began` has gone well.
    fn renewed(&self, began: Moment, live_nodes: u32) {
        let good_us = i64::try_from(LEASE_GOOD.as_micros()).unwrap_or(0);
        let until = Moment { tick: began.tick.saturating_add(good_us), wall: began.wall.plus(good_us) };
        let mut good_until = self.good_until.lock().unwrap_or_else(PoisonError::into_inner);
        // Between two beats that went well they were not good: somebody else may have had the accounts meanwhile.
        if began.tick >= good_until.tick || began.wall >= good_until.wall {
            self.lapses.fetch_add(1, Ordering::AcqRel);
        }
        *good_until = until;
        drop(good_until);
        self.live_nodes.store(live_nodes, Ordering::Release);
    }

    /// How often the leases were not good for a while: what was begun before such a time is not gone on with after it.
    pub fn lapses(&self) -> u64 {
        self.lapses.load(Ordering::Acquire)
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
