//! Samples what connected accounts are worth, for the equity curve. Beside the lanes, and never in their way; and an account
//! whose venue is slow to answer delays no other.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atomik_domain::{BrokerAccountId, UnixMicros};
use atomik_ports::overview::EquitySample;
use atomik_ports::{Broker, Clock};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::events::{Event, EventBody};

/// How often it is looked who has answered, and whose turn it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long after the last question an account is asked again, in microseconds.
const PACE_US: i64 = 60 * UnixMicros::SECOND;
/// The same where its positions have changed.
const PACE_AFTER_CHANGE_US: i64 = 10 * UnixMicros::SECOND;
/// A balance that stays as it is is recorded again after so many microseconds.
const UNCHANGED_KEPT_US: i64 = 3_600 * UnixMicros::SECOND;
/// How long a venue may take to answer; shorter than any pace, so that no account is asked twice at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many accounts are asked at the same time.
const AT_ONCE: usize = 16;

/// What is known of an account.
#[derive(Default)]
struct Known {
    /// When it was last asked, in ticks.
    asked: Option<i64>,
    /// Whether its positions have changed since then.
    changed: bool,
    /// What was last recorded, and when, in ticks.
    recorded: Option<(i64, EquitySample)>,
}

impl Known {
    fn is_due(&self, tick: i64) -> bool {
        let pace = if self.changed { PACE_AFTER_CHANGE_US } else { PACE_US };
        self.asked.is_none_or(|asked| tick - asked >= pace)
    }

    /// Whether a sample tells nothing that was not recorded a short while ago.
    fn knows(&self, sample: &EquitySample, tick: i64) -> bool {
        self.recorded.as_ref().is_some_and(|(at, last)| {
            tick - at < UNCHANGED_KEPT_US && *last == EquitySample { at: last.at, ..sample.clone() }
        })
    }
}

/// Keeps asking. Ends with the engine.
pub fn start(engine: &Arc<Engine>) {
    let sampler =
        Sampler { events: engine.work().events.watch(), accounts: HashMap::new(), questions: JoinSet::new() };
    tokio::spawn(sampler.run(Arc::downgrade(engine)));
}

struct Sampler {
    events: broadcast::Receiver<Arc<Event>>,
    accounts: HashMap<BrokerAccountId, Known>,
    /// What is being asked, [`AT_ONCE`] at most. Each ends within [`PATIENCE`], and with the sampler.
    questions: JoinSet<Option<EquitySample>>,
}

impl Sampler {
    async fn run(mut self, engine: Weak<Engine>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Some(engine) = engine.upgrade() else { return };
            if *engine.work().stop.borrow() {
                return;
            }
            self.look(&engine).await;
        }
    }

    /// Records what was answered since the last look, and asks whose turn it is. Waits for no venue.
    async fn look(&mut self, engine: &Engine) {
        let tick = engine.work().ticks.now();
        self.note_changes();
        let answered = self.answered();
        self.record(engine, tick, answered).await;
        self.ask(engine, tick);
    }

    fn answered(&mut self) -> Vec<EquitySample> {
        let mut samples = Vec::new();
        while let Some(ended) = self.questions.try_join_next() {
            match ended {
                // What was unlinked meanwhile is not known any more.
                Ok(sample) => {
                    samples.extend(sample.filter(|of| self.accounts.contains_key(&of.broker_account_id)));
                }
                Err(error) => tracing::warn!(%error, "asking for an account's balance broke off"),
            }
        }
        samples
    }

    /// Begins with those that were asked longest ago: where more are due than are asked at once, all have their turn.
    fn ask(&mut self, engine: &Engine, tick: i64) {
        let linked = engine.work().registry.broker_accounts();
        self.accounts.retain(|id, _| linked.iter().any(|account| account.id == *id));
        let mut due: Vec<_> = linked
            .iter()
            .filter_map(|account| {
                let known = self.accounts.entry(account.id).or_default();
                let broker = known.is_due(tick).then(|| engine.broker(account.id))??;
                Some((known.asked, account.id, broker))
            })
            .collect();
        due.sort_by_key(|(asked, id, _)| (*asked, *id));
        for (_, id, broker) in due.into_iter().take(AT_ONCE.saturating_sub(self.questions.len())) {
            let known = self.accounts.entry(id).or_default();
            (known.asked, known.changed) = (Some(tick), false);
            let clock = Arc::clone(&engine.work().clock);
            self.questions.spawn(sample(id, broker, clock));
        }
    }

    /// Takes in whose positions have changed. Where events were missed, anybody's may have.
    fn note_changes(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    if let EventBody::Position(record) = &event.body
                        && let Some(known) = self.accounts.get_mut(&record.broker_account_id)
                    {
                        known.changed = true;
                    }
                }
                Err(TryRecvError::Lagged(_)) => {
                    self.accounts.values_mut().for_each(|known| known.changed = true);
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn record(&mut self, engine: &Engine, tick: i64, mut samples: Vec<EquitySample>) {
        samples.retain(|sample| {
            let known = self.accounts.get(&sample.broker_account_id);
            known.is_none_or(|known| !known.knows(sample, tick))
        });
        if let Err(error) = engine.work().store.record_equity(&samples).await {
            tracing::warn!(%error, "samples of equity were not recorded");
            return;
        }
        for sample in samples {
            let known = self.accounts.entry(sample.broker_account_id).or_default();
            known.recorded = Some((tick, sample));
        }
    }
}

/// What an account is worth; `None` where its venue does not say.
async fn sample(
    account: BrokerAccountId,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
) -> Option<EquitySample> {
    match tokio::time::timeout(PATIENCE, broker.balance()).await {
        Ok(Ok(balance)) => Some(EquitySample {
            broker_account_id: account,
            at: clock.now(),
            currency: balance.currency,
            cash: balance.cash,
            equity: balance.equity,
            simulated: balance.simulated,
        }),
        Ok(Err(error)) => {
            tracing::debug!(%account, %error, "an account's balance was not given");
            None
        }
        Err(_) => {
            tracing::debug!(%account, "an account's balance was not given in time");
            None
        }
    }
}
