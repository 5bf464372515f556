//! Brings what waits in the store to the lanes of this node: each signal once, in the order of acceptance.
//!
//! Whoever stores a signal says for which strategies. Those of this node's accounts are read at once, whoever stored them: a
//! signal that another node accepted before must not come after one that this node has accepted since. The rest is told to
//! the other nodes. What is not told is found by a sweep.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_domain::{BrokerAccountId, SignalId, StrategyId, UnixMicros};
use atomik_ports::StoreError;
use atomik_ports::cluster::{WAITING_PAGE, Waiting};
use tokio::sync::Notify;

use super::Membership;
use super::wire::tell_waiting;
use crate::lane::View;
use crate::lanes::Lanes;
use crate::work::Work;

/// How often everything that waits on this node's accounts is read, told or not.
const SWEEP: Duration = Duration::from_secs(2);
/// How long a signal that has ended is known: longer than any reading that may still bring it.
const ENDED_KEPT_US: i64 = 60 * UnixMicros::SECOND;
/// A transaction does not last so long: what waits of signals before this long ago is known, or found by the sweep.
const SETTLED_US: i64 = 30 * UnixMicros::SECOND;

/// What is on its way from the store to the lanes.
#[derive(Default)]
pub(crate) struct Courier {
    told: Mutex<BTreeSet<StrategyId>>,
    wake: Notify,
    /// What other nodes are to be told.
    untold: Mutex<BTreeSet<StrategyId>>,
    wake_others: Notify,
    known: Mutex<Known>,
}

/// The signals that lanes have been given.
#[derive(Default)]
struct Known {
    jobs: HashMap<(SignalId, StrategyId), BrokerAccountId>,
    /// Those that have ended, and when: oldest first.
    ended: VecDeque<(i64, (SignalId, StrategyId))>,
}

impl Courier {
    /// Something waits for these strategies.
    pub fn tell(&self, strategies: impl IntoIterator<Item = StrategyId>) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend(strategies);
        self.wake.notify_one();
    }

    /// A lane of `account` is given a signal. `false`: it was before.
    pub fn hand_over(&self, account: BrokerAccountId, signal: SignalId, strategy: StrategyId) -> bool {
        self.known().jobs.insert((signal, strategy), account).is_none()
    }

    /// Those that no lane has been given.
    fn unknown(&self, mut named: Vec<(SignalId, StrategyId)>) -> Vec<(SignalId, StrategyId)> {
        let known = self.known();
        named.retain(|job| !known.jobs.contains_key(job));
        named
    }

    /// What becomes of a signal is recorded for good.
    pub fn ended(&self, signal: SignalId, strategy: StrategyId, tick: i64) {
        let mut known = self.known();
        while let Some((at, job)) = known.ended.front().copied()
            && tick - at > ENDED_KEPT_US
        {
            known.ended.pop_front();
            known.jobs.remove(&job);
        }
        known.ended.push_back((tick, (signal, strategy)));
    }

    /// It could not be recorded: the next sweep brings the signal again.
    pub fn forget(&self, signal: SignalId, strategy: StrategyId) {
        self.known().jobs.remove(&(signal, strategy));
    }

    /// The lanes of an account are no more.
    pub fn forget_account(&self, account: BrokerAccountId) {
        let mut known = self.known();
        known.jobs.retain(|_, of| *of != account);
        let Known { jobs, ended } = &mut *known;
        ended.retain(|(_, job)| jobs.contains_key(job));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_others(&self, strategies: Vec<StrategyId>) {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).extend(strategies);
        self.wake_others.notify_one();
    }

    fn take_told(&self) -> BTreeSet<StrategyId> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads what is told, and sweeps. Ends with the engine's workers.
pub(crate) async fn bring(work: Arc<Work>, lanes: Arc<Lanes>) {
    let Some(membership) = work.cluster.clone() else { return };
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut horizon = Horizon::default();
    loop {
        let brought = tokio::select! {
            () = membership.courier.wake.notified() => {
                let (ours, others) = sorted(&work, membership.courier.take_told());
                if !others.is_empty() && membership.live_nodes() > 1 {
                    membership.courier.tell_others(others);
                }
                let floor = horizon.floor(work.ticks.now());
                bring_for(&work, &lanes, &membership, ours, floor).await
            }
            _ = sweep.tick() => {
                let accounts: Vec<_> = membership.held().keys().copied().collect();
                bring_all(&work, &lanes, &membership, &accounts).await
            }
            () = work.stopped() => return,
        };
        match brought {
            Ok(last) => horizon.saw(last),
            // The sweep finds what was told and not read.
            Err(error) => tracing::warn!(%error, "what waits in the store could not be read"),
        }
    }
}

/// Tells other nodes for which strategies something waits, one message after the other. Ends with the engine's workers.
pub(crate) async fn tell_others(work: Arc<Work>) {
    let Some(membership) = work.cluster.clone() else { return };
    loop {
        tokio::select! {
            () = membership.courier.wake_others.notified() => {}
            () = work.stopped() => return,
        }
        let untold = {
            let mut untold = membership.courier.untold.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *untold)
        };
        tell_waiting(&*membership.bus, &Vec::from_iter(untold)).await;
    }
}

/// Which of the strategies trade on accounts of this node, and which on others'. One that is not known here may be anybody's.
fn sorted(work: &Work, told: BTreeSet<StrategyId>) -> (Vec<StrategyId>, Vec<StrategyId>) {
    let ours = told.iter().copied().filter(|id| work.works_on(*id)).collect();
    let is_others = |id: &StrategyId| work.registry.strategy(*id).is_none() || !work.works_on(*id);
    (ours, told.into_iter().filter(is_others).collect())
}

/// Brings what waits for strategies, of signals after `floor`. Gives the last.
async fn bring_for(
    work: &Arc<Work>,
    lanes: &Arc<Lanes>,
    membership: &Membership,
    strategies: Vec<StrategyId>,
    floor: SignalId,
) -> Result<SignalId, StoreError> {
    if strategies.is_empty() {
        return Ok(floor);
    }
    let waiting = membership.cluster.waiting_for(&strategies, floor).await?;
    let last = waiting.last().map_or(floor, |one| one.signal.id);
    deliver(work, lanes, waiting).await;
    Ok(last)
}

/// Brings everything that waits on accounts of this node and is not known. Gives the last that waits.
pub(crate) async fn bring_all(
    work: &Arc<Work>,
    lanes: &Arc<Lanes>,
    membership: &Membership,
    accounts: &[BrokerAccountId],
) -> Result<SignalId, StoreError> {
    let mut last = (SignalId(0), StrategyId(0));
    while !accounts.is_empty() {
        let named = membership.cluster.waiting_on(accounts, last).await?;
        last = named.last().copied().unwrap_or(last);
        let is_last = named.len() < WAITING_PAGE;
        let unknown = membership.courier.unknown(named);
        if !unknown.is_empty() {
            deliver(work, lanes, membership.cluster.waiting(&unknown).await?).await;
        }
        if is_last {
            break;
        }
    }
    Ok(last.0)
}

/// Hands to lanes what is not with them yet. In the order in which it comes.
async fn deliver(work: &Arc<Work>, lanes: &Arc<Lanes>, waiting: Vec<Waiting>) {
    let Some(membership) = &work.cluster else { return };
    let unknown = |one: &Waiting| work.registry.strategy(one.outcome.strategy_id).is_none();
    if waiting.iter().any(unknown)
        && let Err(error) = work.registry.catch_up().await
    {
        tracing::warn!(%error, "changes in the directory could not be read");
        return;
    }
    for one in waiting {
        let account = one.broker_account_id;
        if !membership.is_closing()
            && membership.is_ready(account)
            && membership.courier.hand_over(account, one.signal.id, one.outcome.strategy_id)
        {
            lanes.run_waiting(&one);
        }
    }
}

/// How far back something may wait that is not known yet.
#[derive(Default)]
struct Horizon {
    newest: i64,
    /// The newest signal at two earlier moments, and when the later of them was.
    marks: (i64, i64),
    marked_at: i64,
}

impl Horizon {
    fn saw(&mut self, id: SignalId) {
        self.newest = self.newest.max(id.0);
    }

    /// The signal after which is read.
    fn floor(&mut self, tick: i64) -> SignalId {
        if tick - self.marked_at > SETTLED_US {
            self.marks = (self.marks.1, self.newest);
            self.marked_at = tick;
        }
        SignalId(self.marks.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_half_a_minute_ago_is_not_read_again() {
        let mut horizon = Horizon::default();
        horizon.saw(SignalId(100));
        assert_eq!(horizon.floor(1), SignalId(0));
        assert_eq!(
            horizon.floor(SETTLED_US + 1),
            SignalId(0),
            "a transaction that began before may be under way"
        );
        horizon.saw(SignalId(200));
        assert_eq!(horizon.floor(2 * SETTLED_US), SignalId(0));
        assert_eq!(horizon.floor(2 * SETTLED_US + 2), SignalId(100));
    }

    #[test]
    fn a_signal_is_handed_over_once_until_it_ended_long_ago() {
        let (courier, account) = (Courier::default(), BrokerAccountId(1));
        let (signal, strategy) = (SignalId(5), StrategyId(7));
        assert!(courier.hand_over(account, signal, strategy));
        assert!(!courier.hand_over(account, signal, strategy));
        courier.ended(signal, strategy, 0);
        assert!(!courier.hand_over(account, signal, strategy), "a reading that began before brings it again");
        courier.ended(SignalId(6), strategy, ENDED_KEPT_US + 1);
        assert!(courier.hand_over(account, signal, strategy));
        courier.forget_account(account);
        assert!(
            courier.hand_over(account, signal, strategy),
            "another turn at the account begins with nothing"
        );
    }
}
