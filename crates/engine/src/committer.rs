//! Group commit: many records, one transaction, one fsync, then every answer.
//!
//! Whatever comes while one commit is under way forms the next. Nothing waits for company, but that in a cluster what is ready to
//! run goes first for a few turns, and nobody is answered before the commit that holds their record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use atomik_domain::UnixMicros;
use atomik_ports::journal::{Changes, Entry, NewSignal, Receipt};
use atomik_ports::{Clock, Store, StoreError, failpoint};
use tokio::sync::{mpsc, oneshot};

/// The most deliveries in one transaction: bounds how long those that come next wait.
const MAX_DELIVERIES: usize = 1_024;
/// The most lane records in one transaction.
const MAX_CHANGES: usize = 1_024;

/// How many turns this worker's other tasks have before a commit in a cluster begins, so that what is about to be handed in is in
/// it: a transaction costs PostgreSQL and the node some hundred microseconds whatever is in it. One of the embedded store costs
/// less than what is lost while the disk has nothing to do.
pub const TURNS_IN_CLUSTER: u8 = 8;
/// With so many records a transaction's own cost hardly counts, and nobody is let go first.
const ENOUGH: usize = 64;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Where an answer is waited for.
type Waiter = oneshot::Sender<Result<Receipt, StoreError>>;

struct Delivery {
    entry: Entry,
    /// Who waits, and whether they still do.
    waiter: (Arc<AtomicU8>, Waiter),
}

struct Record {
    changes: Arc<Changes>,
    waiter: Waiter,
}

/// Where records are handed in.
#[derive(Clone)]
pub struct Committer {
    deliveries: mpsc::Sender<Delivery>,
    changes: mpsc::Sender<Record>,
    /// Records handed in and not answered yet.
    pending: Arc<AtomicUsize>,
}

/// Why a signal was not stored.
#[derive(Debug, PartialEq, Eq)]
pub enum NotStored {
    /// Too many wait already, or it waited too long. It was taken back, and will never be stored.
    Overloaded,
    /// The store refused the whole transaction.
    Store(StoreError),
}

/// The working end: run it as one task.
pub struct CommitLoop {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    deliveries: mpsc::Receiver<Delivery>,
    changes: mpsc::Receiver<Record>,
    pending: Arc<AtomicUsize>,
    turns: u8,
}

impl Committer {
    /// A committer, and the loop that has to run for it. `turns` is how often others go first before a commit begins.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        max_waiting: usize,
        turns: u8,
    ) -> (Self, CommitLoop) {
        let (deliveries, deliveries_in) = mpsc::channel(max_waiting.max(1));
        let (changes, changes_in) = mpsc::channel(max_waiting.max(1));
        let pending = Arc::new(AtomicUsize::new(0));
        let work = CommitLoop {
            store,
            clock,
            deliveries: deliveries_in,
            changes: changes_in,
            pending: Arc::clone(&pending),
            turns,
        };
        (Self { deliveries, changes, pending }, work)
    }

    /// Stores a signal. After `patience` it is taken back if its commit has not begun; once it has, the answer is waited
    /// for, because only it tells whether the signal will trade.
    ///
    /// # Errors
    /// [`NotStored`]: the signal was not stored and never will be.
    pub async fn store_signal(
        &self,
        signal: NewSignal,
        patience: std::time::Duration,
    ) -> Result<Receipt, NotStored> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let (answer, mut answered) = oneshot::channel();
        let waiter = (Arc::clone(&state), answer);
        let delivery = Delivery { entry: Entry::Signal(Arc::new(signal)), waiter };
        self.hand_in(delivery).map_err(|_| NotStored::Overloaded)?;
        let in_time = tokio::time::timeout(patience, &mut answered).await;
        let answer = match in_time {
            Ok(answer) => answer,
            Err(_)
                if state
                    .compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok() =>
            {
                return Err(NotStored::Overloaded);
            }
            Err(_) => answered.await,
        };
        answer
            .unwrap_or(Err(StoreError::Unavailable("the program is stopping".to_owned())))
            .map_err(NotStored::Store)
    }

    /// Stores the row of a delivery that becomes no signal, if there is room for it, and says so to `kept` once it can be
    /// read. The sender does not wait.
    #[must_use]
    pub fn note(&self, entry: Entry, kept: impl FnOnce() + Send + 'static) -> bool {
        let (answer, answered) = oneshot::channel();
        let waiter = (Arc::new(AtomicU8::new(WAITING)), answer);
        let handed_in = self.hand_in(Delivery { entry, waiter }).is_ok();
        if handed_in {
            tokio::spawn(async move {
                if let Ok(Ok(_)) = answered.await {
                    kept();
                }
            });
        }
        handed_in
    }

    fn hand_in(&self, delivery: Delivery) -> Result<(), mpsc::error::TrySendError<Delivery>> {
        self.pending.fetch_add(1, Ordering::AcqRel);
        self.deliveries.try_send(delivery).inspect_err(|_| {
            self.pending.fetch_sub(1, Ordering::AcqRel);
        })
    }

    /// Records what a lane decided or learned, and returns when it is durable.
    ///
    /// # Errors
    /// The store's: nothing was recorded.
    pub async fn record(&self, changes: Arc<Changes>) -> Result<Receipt, StoreError> {
        let stopping = || StoreError::Unavailable("the program is stopping".to_owned());
        let (waiter, answered) = oneshot::channel();
        self.pending.fetch_add(1, Ordering::AcqRel);
        let handed_in = self.changes.send(Record { changes, waiter }).await;
        if handed_in.is_err() {
            self.pending.fetch_sub(1, Ordering::AcqRel);
            return Err(stopping());
        }
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// How many records were handed in and are not answered yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }
}

/// One commit's worth of work.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    waiters: Vec<Waiter>,
    /// What the stored signals were, for handing on.
    signals: Vec<Option<Arc<NewSignal>>>,
}

impl CommitLoop {
    /// Commits until every [`Committer`] is gone. `stored` is called for each stored signal with the time at which its
    /// commit was durable: in the order of acceptance, and before its answer.
    pub async fn run(mut self, stored: impl Fn(Arc<NewSignal>, atomik_domain::SignalId, UnixMicros)) {
        let mut deliveries = Vec::with_capacity(MAX_DELIVERIES);
        let mut changes = Vec::with_capacity(MAX_CHANGES);
        loop {
            tokio::select! {
                count = self.changes.recv_many(&mut changes, MAX_CHANGES) => if count == 0 { break },
                count = self.deliveries.recv_many(&mut deliveries, MAX_DELIVERIES) => if count == 0 { break },
            }
            for _ in 0..self.turns {
                let others = self.changes.len() + self.deliveries.len();
                if changes.len() + deliveries.len() + others >= ENOUGH {
                    break;
                }
                tokio::task::yield_now().await;
            }
            // Whichever woke us, take what else is there: one fsync serves all.
            while changes.len() < MAX_CHANGES
                && let Ok(record) = self.changes.try_recv()
            {
                changes.push(record);
            }
            while deliveries.len() < MAX_DELIVERIES
                && let Ok(delivery) = self.deliveries.try_recv()
            {
                deliveries.push(delivery);
            }
            let taken = changes.len() + deliveries.len();
            let batch = Batch::of(changes.drain(..), deliveries.drain(..));
            self.commit(batch, &stored).await;
            self.pending.fetch_sub(taken, Ordering::AcqRel);
        }
    }

    async fn commit(
        &self,
        batch: Batch,
        stored: &impl Fn(Arc<NewSignal>, atomik_domain::SignalId, UnixMicros),
    ) {
        if batch.entries.is_empty() {
            return;
        }
        failpoint::hit("before_commit");
        let result = self.store.commit(batch.entries, self.clock.now()).await;
        let durable_at = self.clock.now();
        failpoint::hit("after_commit");
        match result {
            Ok(receipts) => {
                for ((receipt, waiter), signal) in receipts.into_iter().zip(batch.waiters).zip(batch.signals)
                {
                    if let (Receipt::Stored { signal_id }, Some(signal)) = (&receipt, signal) {
                        stored(signal, *signal_id, durable_at);
                    }
                    answer(waiter, Ok(receipt));
                }
            }
            Err(error) => {
                tracing::error!(%error, records = batch.waiters.len(), "a transaction was not recorded");
                batch.waiters.into_iter().for_each(|waiter| answer(waiter, Err(error.clone())));
            }
        }
    }
}

fn answer(waiter: Waiter, result: Result<Receipt, StoreError>) {
    // Nobody waits any more where the connection was closed; what was stored stays stored.
    let _ = waiter.send(result);
}

impl Batch {
    fn of(changes: impl Iterator<Item = Record>, deliveries: impl Iterator<Item = Delivery>) -> Self {
        let mut batch = Self::default();
        for record in changes {
            batch.push(Entry::Changes(record.changes), record.waiter, None);
        }
        for Delivery { entry, waiter } in deliveries {
            let (state, waiter) = waiter;
            if state.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            let signal = match &entry {
                Entry::Signal(signal) if !signal.targets.is_empty() => Some(Arc::clone(signal)),
                _ => None,
            };
            batch.push(entry, waiter, signal);
        }
        batch
    }

    fn push(&mut self, entry: Entry, waiter: Waiter, signal: Option<Arc<NewSignal>>) {
        self.entries.push(entry);
        self.waiters.push(waiter);
        self.signals.push(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicI64;
    use std::time::Duration;

    use atomik_storage::sqlite::SqliteStore;
    use atomik_testkit::builders::{START, signal, tenant};

    use super::*;

    /// Another time at every look.
    struct Counting(AtomicI64);

    impl Clock for Counting {
        fn now(&self) -> UnixMicros {
            START.plus(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    /// How many commits store signals of which all but the first are handed in a turn later.
    async fn commits(turns: u8) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path(), START).await.unwrap());
        let trader = tenant(&*store, "ann").await.unwrap();
        let clock = Arc::new(Counting(AtomicI64::new(0)));
        let (committer, work) = Committer::new(store, clock, 100, turns);
        let durable_at = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = Arc::clone(&durable_at);
        tokio::spawn(work.run(move |_, _, at| {
            noted.lock().unwrap().insert(at);
        }));
        let sends = (0..8).map(|number| {
            let new = NewSignal { targets: vec![trader.strategy.id], ..signal(&trader) };
            let committer = committer.clone();
            async move {
                if number > 0 {
                    tokio::task::yield_now().await;
                }
                committer.store_signal(new, Duration::from_secs(10)).await
            }
        });
        let sends: Vec<_> = sends.map(tokio::spawn).collect();
        for send in sends {
            assert!(matches!(send.await.unwrap(), Ok(Receipt::Stored { .. })));
        }
        let durable_at = durable_at.lock().unwrap();
        durable_at.len()
    }

    #[tokio::test]
    async fn in_a_cluster_a_commit_holds_what_was_about_to_be_handed_in() {
        assert_eq!(commits(TURNS_IN_CLUSTER).await, 1);
        assert_eq!(commits(0).await, 2);
    }
}
