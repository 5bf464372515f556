//! What lanes start from that were at rest or never were: nothing is open or waits there, so their positions are all there is.
//!
//! When a bar closes after a start, thousands begin within a second, and a question each would cost the store more than their
//! signals do. So whoever has the turn reads for all that wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_domain::{BrokerAccountId, Symbol};
use atomik_ports::journal::PositionRecord;
use atomik_ports::{Store, StoreError};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::lane::{LaneKey, LaneSeed};

/// For how many lanes is read at once.
const MAX_LANES: usize = 256;
/// The pause before the store is read again that could not be read.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// A lane that waits for its positions.
type Waiting = (LaneKey, oneshot::Sender<Vec<PositionRecord>>);

/// Where lanes at rest get what they start from.
#[derive(Default)]
pub struct AtRest {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

impl AtRest {
    /// What a lane starts from. Waits for the store as long as it takes: a lane must not begin without its positions.
    pub async fn seed(&self, store: &dyn Store, key: &LaneKey) -> LaneSeed {
        loop {
            match self.positions(store, key).await {
                Ok(positions) => return LaneSeed { positions, ..LaneSeed::default() },
                Err(error) => {
                    tracing::error!(%error, account = %key.broker_account_id, "a lane waits for the store");
                    tokio::time::sleep(READ_PAUSE).await;
                }
            }
        }
    }

    async fn positions(&self, store: &dyn Store, key: &LaneKey) -> Result<Vec<PositionRecord>, StoreError> {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.lock().push((key.clone(), answer));
            tokio::select! {
                biased;
                read = &mut answered => match read {
                    Ok(positions) => return Ok(positions),
                    Err(_) => continue, // whoever read for it could not
                },
                _turn = self.turn.lock() => loop {
                    match answered.try_recv() {
                        Ok(positions) => return Ok(positions),
                        Err(TryRecvError::Closed) => break,
                        Err(TryRecvError::Empty) => {}
                    }
                    if self.read_some(store).await.is_err() {
                        // What is wrong may be wrong with one of them alone.
                        return store.positions_on(&[place(key)]).await;
                    }
                },
            }
        }
    }

    async fn read_some(&self, store: &dyn Store) -> Result<(), StoreError> {
        let some: Vec<Waiting> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(MAX_LANES);
            waiting.drain(..count).collect()
        };
        // A lane may have begun twice meanwhile.
        let keys: BTreeSet<_> = some.iter().map(|(key, _)| key).collect();
        let lanes: Vec<_> = keys.into_iter().map(place).collect();
        let mut found: HashMap<LaneKey, Vec<PositionRecord>> = HashMap::new();
        for record in store.positions_on(&lanes).await? {
            let key = LaneKey { broker_account_id: record.broker_account_id, symbol: record.symbol.clone() };
            found.entry(key).or_default().push(record);
        }
        for (key, answer) in some {
            // Nobody waits any more where the account was unlinked.
            let _ = answer.send(found.get(&key).cloned().unwrap_or_default());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane, as stores know it.
fn place(key: &LaneKey) -> (BrokerAccountId, Symbol) {
    (key.broker_account_id, key.symbol.clone())
}
