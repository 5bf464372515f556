//! Samples what connected accounts are worth, for the equity curve. Beside the lanes, and never in their way.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atomik_domain::{BrokerAccount, BrokerAccountId, UnixMicros};
use atomik_ports::overview::EquitySample;
use futures::StreamExt;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::engine::Engine;
use crate::events::{Event, EventBody};

/// How often it is looked whose turn it is.
const LOOK: Duration = Duration::from_secs(1);
/// How long after the last question an account is asked again, in microseconds.
const PACE_US: i64 = 60 * UnixMicros::SECOND;
/// The same where its positions have changed.
const PACE_AFTER_CHANGE_US: i64 = 10 * UnixMicros::SECOND;
/// A balance that stays as it is is recorded again after so many microseconds.
const UNCHANGED_KEPT_US: i64 = 3_600 * UnixMicros::SECOND;
/// How long a venue may take to answer.
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
    let sampler = Sampler { events: engine.work().events.watch(), accounts: HashMap::new() };
    tokio::spawn(sampler.run(Arc::downgrade(engine)));
}

struct Sampler {
    events: broadcast::Receiver<Arc<Event>>,
    accounts: HashMap<BrokerAccountId, Known>,
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

    async fn look(&mut self, engine: &Engine) {
        let linked = engine.work().registry.broker_accounts();
        self.accounts.retain(|id, _| linked.iter().any(|account| account.id == *id));
        self.note_changes();
        let tick = engine.work().ticks.now();
        let due = linked.into_iter().filter(|account| {
            let known = self.accounts.entry(account.id).or_default();
            known.is_due(tick) && engine.broker(account.id).is_some()
        });
        let due: Vec<_> = due.collect();
        for account in &due {
            let known = self.accounts.entry(account.id).or_default();
            (known.asked, known.changed) = (Some(tick), false);
        }
        let asked =
            futures::stream::iter(due).map(|account| sample(engine, account)).buffer_unordered(AT_ONCE);
        let samples: Vec<_> = asked.filter_map(std::future::ready).collect().await;
        self.record(engine, tick, samples).await;
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
async fn sample(engine: &Engine, account: Arc<BrokerAccount>) -> Option<EquitySample> {
    let broker = engine.broker(account.id)?;
    match tokio::time::timeout(PATIENCE, broker.balance()).await {
        Ok(Ok(balance)) => Some(EquitySample {
            broker_account_id: account.id,
            at: engine.now(),
            currency: balance.currency,
            cash: balance.cash,
            equity: balance.equity,
            simulated: balance.simulated,
        }),
        Ok(Err(error)) => {
            tracing::debug!(account = %account.id, %error, "an account's balance was not given");
            None
        }
        Err(_) => {
            tracing::debug!(account = %account.id, "an account's balance was not given in time");
            None
        }
    }
}
