//! What is held, at the prices of now: for showing profit, never for deciding anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_domain::{BrokerAccountId, Instrument, UnixMicros};
use atomik_ports::Broker;
use atomik_ports::broker::Quote;
use futures::StreamExt;

use crate::engine::Engine;
use crate::lane::LaneKey;

/// How long a price is shown before its venue is asked again, in microseconds.
const FRESH_US: i64 = 2 * UnixMicros::SECOND;
/// How long the venue of one account may take to answer everything it is asked.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many symbols of one account are asked for at the same time.
const AT_ONCE: usize = 8;

/// What a venue says about a symbol now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A recent price; `None` where the venue has none.
    pub quote: Option<Quote>,
    /// The rules of the symbol.
    pub instrument: Instrument,
}

/// The marks that were asked for a moment ago, with their ticks. What was not answered counts as asked, too.
#[derive(Default)]
pub(crate) struct Marks(Mutex<HashMap<LaneKey, (i64, Option<Mark>)>>);

impl Marks {
    fn fresh(&self, tick: i64) -> MutexGuard<'_, HashMap<LaneKey, (i64, Option<Mark>)>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| tick - *at < FRESH_US);
        known
    }
}

impl Engine {
    /// What the venues say about what is held where, no older than two seconds. What a venue does not answer within half
    /// a second is left out.
    pub async fn marks(&self, wanted: BTreeSet<LaneKey>) -> HashMap<LaneKey, Mark> {
        let tick = self.work().ticks.now();
        let mut unknown: HashMap<BrokerAccountId, Vec<LaneKey>> = HashMap::new();
        {
            let known = self.known_marks().fresh(tick);
            for key in wanted.iter().filter(|key| !known.contains_key(*key)) {
                unknown.entry(key.broker_account_id).or_default().push(key.clone());
            }
        }
        futures::future::join_all(unknown.into_values().map(|keys| self.ask_marks(tick, keys))).await;
        let known = self.known_marks().fresh(tick);
        let mark = |key: LaneKey| known.get(&key).and_then(|(_, mark)| mark.clone()).map(|mark| (key, mark));
        wanted.into_iter().filter_map(mark).collect()
    }

    /// Asks the venue of one account about symbols, and keeps what it says.
    async fn ask_marks(&self, tick: i64, keys: Vec<LaneKey>) {
        let Some(broker) = keys.first().and_then(|key| self.broker(key.broker_account_id)) else { return };
        let asking = futures::stream::iter(&keys).for_each_concurrent(AT_ONCE, async |key| {
            let mark = ask_mark(&*broker, key).await;
            self.known_marks().fresh(tick).insert(key.clone(), (tick, mark));
        });
        if tokio::time::timeout(PATIENCE, asking).await.is_err() {
            // A venue that is slow is not asked again at once.
            let mut known = self.known_marks().fresh(tick);
            for key in keys {
                known.entry(key).or_insert((tick, None));
            }
        }
    }
}

async fn ask_mark(broker: &dyn Broker, key: &LaneKey) -> Option<Mark> {
    let (instrument, quote) = futures::join!(broker.instrument(&key.symbol), broker.price(&key.symbol));
    instrument.ok().map(|instrument| Mark { quote: quote.ok().flatten(), instrument })
}
