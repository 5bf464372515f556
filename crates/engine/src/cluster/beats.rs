//! The beat: keeps this node's leases, takes accounts over, and gives back what is more than its share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::BrokerAccountId;
use atomik_ports::cluster::{Beat, Lease};
use atomik_ports::journal::Changes;
use atomik_ports::{StoreError, failpoint};

use super::courier::deliver;
use super::wire::Message;
use super::{Membership, moment};
use crate::accounts::{Accounts, Link};
use crate::lanes::Lanes;
use crate::recovery;
use crate::work::Work;

/// How often a node says that it lives.
const PACE: Duration = Duration::from_secs(1);
/// The least time between two beats, however much is changed.
const LEAST: Duration = Duration::from_millis(20);

/// What beats for an engine.
pub(crate) struct Beats {
    work: Arc<Work>,
    membership: Arc<Membership>,
    accounts: Arc<Accounts>,
    lanes: Arc<Lanes>,
    /// Accounts that are let go and whose last orders are not answered yet: nobody else may begin before.
    leaving: HashMap<BrokerAccountId, (Lease, Option<Arc<Link>>)>,
    /// Whether beats went wrong lately.
    is_failing: bool,
}

impl Beats {
    pub fn new(
        work: &Arc<Work>,
        membership: &Arc<Membership>,
        accounts: &Arc<Accounts>,
        lanes: &Arc<Lanes>,
    ) -> Self {
        Self {
            work: Arc::clone(work),
            membership: Arc::clone(membership),
            accounts: Arc::clone(accounts),
            lanes: Arc::clone(lanes),
            leaving: HashMap::new(),
            is_failing: false,
        }
    }

    /// Beats until the engine's workers end.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                () = self.membership.hurry.notified() => tokio::time::sleep(LEAST).await,
                () = self.work.stopped() => return self.leave().await,
            }
            match self.beat().await {
                Ok(()) if self.is_failing => {
                    self.is_failing = false;
                    tracing::info!("the node keeps its leases again");
                }
                Ok(()) => {}
                Err(error) => {
                    self.is_failing = true;
                    tracing::warn!(%error, "a beat failed: without one this node's leases run out");
                }
            }
        }
    }

    /// Beats once, and does what comes of it.
    ///
    /// # Errors
    /// The store's: the leases are as good as they were before.
    pub async fn beat(&mut self) -> Result<(), StoreError> {
        let membership = Arc::clone(&self.membership);
        let answered = |link: &Option<Arc<Link>>| link.as_ref().is_none_or(|link| link.sending() == 0);
        let returned: Vec<_> =
            self.leaving.values().filter(|(_, link)| answered(link)).map(|(lease, _)| *lease).collect();
        let shown = membership.shown.news(&self.accounts, &self.lanes, &returned);
        let began = moment(self.work.ticks, self.work.clock.now());
        let beat = membership.cluster.beat(&membership.card, &returned, &shown.news).await?;
        membership.renewed(began, beat.live_nodes);
        membership.shown.is_shown(shown);
        for lease in &returned {
            self.leaving.remove(&lease.broker_account_id);
        }
        if !returned.is_empty() {
            Message::Leases.publish(&*membership.bus).await;
        }
        self.note_clock(&beat, began.wall.0);
        membership.shown.take_in(&self.work, &beat);
        self.drop_lost(&beat);
        self.let_go(beat.excess.saturating_sub(self.leaving.len()));
        self.take_new(&beat).await?;
        self.retire_unlinked().await
    }

    /// What is stamped by one node is compared with another's clock.
    fn note_clock(&self, beat: &Beat, began: i64) {
        let ended = self.work.clock.now().0;
        // Read somewhere between the beat's begin and its end.
        let ahead_us = (began - beat.clock.0).max(0) - (beat.clock.0 - ended).max(0);
        self.work.meters.clock_offset(ahead_us);
    }

    /// Lets the lanes of accounts go that are others' by now.
    fn drop_lost(&mut self, beat: &Beat) {
        let now: HashSet<_> = beat.leases.iter().copied().collect();
        let lost: Vec<_> =
            self.membership.held().values().filter(|lease| !now.contains(lease)).copied().collect();
        for lease in lost {
            tracing::warn!(account = %lease.broker_account_id, "another node has taken an account over");
            self.abandon(lease.broker_account_id);
        }
        self.leaving.retain(|_, (lease, _)| now.contains(lease));
    }

    /// Ends all work on an account as it is, and settles nothing: whoever has it next goes on from what is recorded.
    fn abandon(&self, account: BrokerAccountId) -> Option<Arc<Link>> {
        self.membership.held().remove(&account);
        let link = self.accounts.lose(account);
        self.lanes.unlink(account);
        self.membership.courier.forget_account(account);
        link
    }

    /// Begins to give accounts back, those with the least to do first.
    fn let_go(&mut self, excess: usize) {
        if excess == 0 {
            return;
        }
        let mut held: Vec<_> = self.membership.held().values().copied().collect();
        held.sort_by_cached_key(|lease| (self.lanes.load_of(lease.broker_account_id), *lease));
        for lease in held.into_iter().take(excess) {
            tracing::info!(account = %lease.broker_account_id, "giving an account to another node");
            let link = self.abandon(lease.broker_account_id);
            self.leaving.insert(lease.broker_account_id, (lease, link));
        }
        self.membership.hurry();
    }

    async fn take_new(&self, beat: &Beat) -> Result<(), StoreError> {
        let is_new = |lease: &&Lease| {
            let id = lease.broker_account_id;
            self.membership.lease(id).is_none() && !self.leaving.contains_key(&id)
        };
        let new: Vec<_> = beat.leases.iter().filter(is_new).copied().collect();
        if new.is_empty() { Ok(()) } else { self.take_over(&new).await }
    }

    /// Goes on where whoever had the accounts before has stopped: with what is recorded, and what the brokers say.
    async fn take_over(&self, leases: &[Lease]) -> Result<(), StoreError> {
        failpoint::hit("leased");
        let ids: Vec<_> = leases.iter().map(|lease| lease.broker_account_id).collect();
        let cluster = &self.membership.cluster;
        let unfinished = cluster.unfinished_on(&ids).await?;
        // After it, so that whatever it names is known.
        self.work.registry.catch_up().await?;
        let (seeds, settled) = recovery::seeds(unfinished, &self.work.registry, self.work.clock.now());
        self.settle(settled).await?;
        for lease in leases {
            let id = lease.broker_account_id;
            self.membership.held().insert(id, *lease);
            if let Some(account) = self.work.registry.broker_account(id) {
                self.accounts.set(&self.work, &self.lanes, id, Some(account));
            }
        }
        for (key, seed) in seeds {
            for job in &seed.jobs {
                self.membership.courier.hand_over(key.broker_account_id, job.signal.id, job.strategy_id);
            }
            self.lanes.take_over(key, seed);
        }
        tracing::info!(accounts = leases.len(), "took accounts over");
        // The next beat shows how they stand now.
        self.membership.hurry();
        // What was stored since the first reading, and told to nobody.
        deliver(&self.work, &self.lanes, cluster.waiting_on(&ids).await?).await;
        Ok(())
    }

    async fn settle(&self, settled: Changes) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.work.committer.record(Box::new(settled)).await.map(drop)
    }

    /// Forgets accounts that were unlinked, once nothing is left to do there.
    async fn retire_unlinked(&self) -> Result<(), StoreError> {
        let is_done = |lease: &&Lease| {
            let id = lease.broker_account_id;
            self.work.registry.broker_account(id).is_none()
                && self.accounts.link(id).is_none()
                && self.accounts.has_settled(id)
        };
        let done: Vec<_> = self.membership.held().values().filter(is_done).copied().collect();
        if done.is_empty() {
            return Ok(());
        }
        self.membership.cluster.retire(&done).await?;
        for lease in &done {
            self.abandon(lease.broker_account_id);
        }
        Ok(())
    }

    /// Gives everything back whose last orders are answered.
    async fn leave(mut self) {
        let held: Vec<_> = self.membership.held().values().copied().collect();
        for lease in held {
            let link = self.abandon(lease.broker_account_id);
            self.leaving.insert(lease.broker_account_id, (lease, link));
        }
        let answered =
            self.leaving.values().filter(|(_, link)| link.as_ref().is_none_or(|link| link.sending() == 0));
        let returned: Vec<_> = answered.map(|(lease, _)| *lease).collect();
        match self.membership.cluster.leave(&returned).await {
            Ok(()) => Message::Leases.publish(&*self.membership.bus).await,
            Err(error) => {
                tracing::warn!(%error, "the leases could not be given back; they run out by themselves")
            }
        }
    }
}
