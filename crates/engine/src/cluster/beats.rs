//! The beat: keeps this node's leases, takes accounts over, and gives back what is more than its share.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::BrokerAccountId;
use atomik_ports::cluster::{Beat, Lease};
use atomik_ports::journal::Changes;
use atomik_ports::{StoreError, failpoint};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::courier::bring_all;
use super::wire::{Message, tell_watching};
use super::{Membership, moment};
use crate::accounts::{Accounts, Link};
use crate::lanes::Lanes;
use crate::recovery;
use crate::work::Work;

/// How often a node says that it lives.
const PACE: Duration = Duration::from_secs(1);
/// The pause after a beat that failed, and while an account is given away: the next node waits for it.
const AGAIN: Duration = Duration::from_millis(200);
/// The least time between two beats, however much is changed.
const LEAST: Duration = Duration::from_millis(20);

/// How long an account is waited for that is given away and whose orders are still being recorded.
const RECORD_PATIENCE: Duration = Duration::from_secs(5);

/// An account that is given away.
struct Leaving {
    lease: Lease,
    link: Option<Arc<Link>>,
    since: Instant,
}

/// What beats for an engine.
pub(crate) struct Beats {
    taking: Taking,
    /// What this node held at the last beat, taken over or not yet.
    leases: Vec<Lease>,
    /// Accounts that are given away and whose last orders are not answered yet: nobody else may begin before.
    leaving: HashMap<BrokerAccountId, Leaving>,
    /// Takes accounts over, beside the beats: however long that takes, this node lives.
    under_way: Option<JoinHandle<()>>,
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
        let taking = Taking {
            work: Arc::clone(work),
            membership: Arc::clone(membership),
            accounts: Arc::clone(accounts),
            lanes: Arc::clone(lanes),
        };
        Self { taking, leases: Vec::new(), leaving: HashMap::new(), under_way: None, is_failing: false }
    }

    /// Beats once, and takes this node's first share over before anything else begins.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        let beat = self.beat().await?;
        self.taking.take_over(&self.new_leases(&beat), true).await
    }

    /// Beats until the engine's workers end.
    pub async fn run(mut self) {
        loop {
            let pace = if self.is_failing || !self.leaving.is_empty() { AGAIN } else { PACE };
            tokio::select! {
                () = tokio::time::sleep(pace) => {}
                () = self.taking.membership.hurry.notified() => tokio::time::sleep(LEAST).await,
                () = self.taking.work.stopped() => return self.leave().await,
            }
            match self.beat().await {
                Ok(beat) => {
                    if std::mem::take(&mut self.is_failing) {
                        tracing::info!("the node keeps its leases again");
                    }
                    self.go_on_with(&beat);
                }
                Err(error) => {
                    self.is_failing = true;
                    tracing::warn!(%error, "a beat failed: without one this node's leases run out");
                }
            }
        }
    }

    /// Beats once, and lets go of what is another's by now and of what is more than this node's share.
    async fn beat(&mut self) -> Result<Beat, StoreError> {
        let membership = Arc::clone(&self.taking.membership);
        let returned = self.answered();
        let shown = membership.shown.news(&self.taking.accounts, &self.taking.lanes, &returned);
        let began = moment(self.taking.work.ticks, self.taking.work.clock.now());
        let beat = membership.cluster.beat(&membership.card, &returned, &shown.news).await?;
        // Before anything may be sent again.
        self.drop_lost(&beat);
        membership.renewed(began, beat.live_nodes);
        membership.shown.is_shown(shown);
        for lease in &returned {
            self.leaving.remove(&lease.broker_account_id);
        }
        if !returned.is_empty() {
            let bus = Arc::clone(&membership.bus);
            tokio::spawn(async move { Message::Leases.publish(&*bus).await });
        }
        if membership.watched.is_here(began.tick) {
            let membership = Arc::clone(&membership);
            tokio::spawn(async move { tell_watching(&membership).await });
        }
        self.leases.clone_from(&beat.leases);
        self.note_clock(&beat, began.wall.0);
        membership.shown.take_in(&self.taking.work, &beat);
        self.let_go(beat.excess.saturating_sub(self.leaving.len()));
        Ok(beat)
    }

    /// The leases of accounts that are given away, and whose orders are all answered.
    fn answered(&self) -> Vec<Lease> {
        for one in self.leaving.values().filter(|one| one.since.elapsed() > RECORD_PATIENCE) {
            // What could not be recorded by now would not leave any more. What is on its way is waited for, but where it goes
            // over the connection's own stream: that ends here, and the next node asks what became of it.
            one.link.iter().for_each(|link| link.lose());
        }
        let answered = |one: &&Leaving| one.link.as_ref().is_none_or(|link| link.sending() == 0);
        self.leaving.values().filter(answered).map(|one| one.lease).collect()
    }

    /// Has new accounts taken over, unless that is under way for earlier ones: they are taken at a later beat.
    fn go_on_with(&mut self, beat: &Beat) {
        if self.under_way.as_ref().is_some_and(|under_way| !under_way.is_finished()) {
            return;
        }
        let (taking, new) = (self.taking.clone(), self.new_leases(beat));
        self.under_way = Some(tokio::spawn(async move {
            let taken = async {
                taking.take_over(&new, false).await?;
                taking.retire_unlinked().await
            };
            if let Err(error) = taken.await {
                tracing::warn!(%error, "accounts could not be taken over; trying again");
            }
        }));
    }

    fn new_leases(&self, beat: &Beat) -> Vec<Lease> {
        let is_new = |lease: &&Lease| {
            let id = lease.broker_account_id;
            self.taking.membership.lease(id).is_none() && !self.leaving.contains_key(&id)
        };
        beat.leases.iter().filter(is_new).copied().collect()
    }

    /// What is stamped by one node is compared with another's clock.
    fn note_clock(&self, beat: &Beat, began: i64) {
        let ended = self.taking.work.clock.now().0;
        // Read somewhere between the beat's begin and its end.
        let ahead_us = (began - beat.clock.0).max(0) - (beat.clock.0 - ended).max(0);
        self.taking.work.meters.clock_offset(ahead_us);
    }

    /// Lets the lanes of accounts go that are others' by now.
    fn drop_lost(&mut self, beat: &Beat) {
        let now: HashSet<_> = beat.leases.iter().copied().collect();
        let lost: Vec<_> =
            self.taking.membership.held().values().filter(|lease| !now.contains(lease)).copied().collect();
        for lease in lost {
            tracing::warn!(account = %lease.broker_account_id, "another node has taken an account over");
            self.taking.abandon(lease.broker_account_id, Link::lose);
        }
        self.leaving.retain(|_, one| {
            let is_ours = now.contains(&one.lease);
            if let (false, Some(link)) = (is_ours, &one.link) {
                link.lose();
            }
            is_ours
        });
    }

    /// Begins to give accounts back, those with the least to do first.
    fn let_go(&mut self, excess: usize) {
        if excess == 0 {
            return;
        }
        let mut held: Vec<_> = self.taking.membership.held().values().copied().collect();
        held.sort_by_cached_key(|lease| (self.taking.lanes.load_of(lease.broker_account_id), *lease));
        for lease in held.into_iter().take(excess) {
            tracing::info!(account = %lease.broker_account_id, "giving an account to another node");
            self.give_away(lease);
        }
        self.taking.membership.hurry();
    }

    /// Begins nothing more on an account; what is being recorded leaves all the same.
    fn give_away(&mut self, lease: Lease) {
        let link = self.taking.abandon(lease.broker_account_id, Link::give_away);
        self.leaving.insert(lease.broker_account_id, Leaving { lease, link, since: Instant::now() });
    }

    /// Gives everything back whose last orders are answered; the rest runs out.
    async fn leave(mut self) {
        if let Some(under_way) = self.under_way.take() {
            // Not dropped before it stands still: it must take nothing any more.
            under_way.abort();
            let _ = under_way.await;
        }
        for lease in std::mem::take(&mut self.leases) {
            if !self.leaving.contains_key(&lease.broker_account_id) {
                self.give_away(lease);
            }
        }
        match self.taking.membership.cluster.leave(&self.answered()).await {
            Ok(()) => drop(Message::Leases.publish(&*self.taking.membership.bus).await),
            Err(error) => {
                tracing::warn!(%error, "the leases could not be given back; they run out by themselves")
            }
        }
    }
}

/// What takes accounts over and lets them go.
#[derive(Clone)]
struct Taking {
    work: Arc<Work>,
    membership: Arc<Membership>,
    accounts: Arc<Accounts>,
    lanes: Arc<Lanes>,
}

impl Taking {
    /// Begins nothing more on an account and settles nothing: whoever has it next goes on from what is recorded. `end` says what
    /// becomes of orders on their way.
    fn abandon(&self, account: BrokerAccountId, end: fn(&Link)) -> Option<Arc<Link>> {
        self.membership.ready().remove(&account);
        self.membership.held().remove(&account);
        let link = self.accounts.let_go(account, end);
        self.lanes.unlink(account);
        self.membership.courier.forget_account(account);
        link
    }

    /// Goes on where whoever had the accounts before has stopped: with what is recorded, and what the brokers say.
    async fn take_over(&self, leases: &[Lease], is_start: bool) -> Result<(), StoreError> {
        if leases.is_empty() {
            return Ok(());
        }
        failpoint::hit("leased");
        let ids: Vec<_> = leases.iter().map(|lease| lease.broker_account_id).collect();
        let cluster = &self.membership.cluster;
        let unfinished = cluster.unfinished_on(&ids).await?;
        // After it, so that whatever it names is known.
        self.work.registry.catch_up().await?;
        let registry = &self.work.registry;
        let is_linked = |id| registry.broker_account(id).is_some();
        let now = self.work.clock.now();
        let (seeds, settled) = recovery::seeds(unfinished, registry.as_ref(), is_linked, now);
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
            match is_start {
                true => self.lanes.restore(key, seed),
                false => self.lanes.take_over(key, seed),
            }
        }
        self.membership.ready().extend(&ids);
        tracing::info!(accounts = leases.len(), "took accounts over");
        // The next beat shows how they stand now.
        self.membership.hurry();
        // What was stored since the first reading, and told to nobody.
        bring_all(&self.work, &self.lanes, &self.membership, &ids).await.map(drop)
    }

    async fn settle(&self, settled: Changes) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.work.committer.record(Arc::new(settled)).await.map(drop)
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
            self.abandon(lease.broker_account_id, Link::lose);
            self.accounts.forget(lease.broker_account_id);
        }
        Ok(())
    }
}
