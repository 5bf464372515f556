//! Who decides whether a webhook's rate allows one more: the limiter that all nodes share, or, without it, this node with its
//! share. The limiter is also the first to know a repeat; without it, the store is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::WebhookId;
use atomik_ports::RateLimiter;
use atomik_ports::rate::{First, Known, Look, Rate, Token};
use metrics::{Counter, Gauge, counter, gauge};

use super::meter::{RATE_PER_SECOND, SECOND_US, WebhookMeter, per_second};
use crate::ticks::Ticks;

/// What a webhook may send, over all nodes.
const WHOLE: Rate = per_second(RATE_PER_SECOND);

/// What came of looking whether an alert is a repeat.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    look: Look,
    /// When it was asked for, in ticks.
    asked_at: i64,
    /// When it was looked, by the limiter's clock.
    at: i64,
    /// What it repeats, where that is known.
    pub first: Option<First>,
}

/// Decides whether a webhook's rate allows one more.
pub struct RateGate {
    shared: Option<Watched>,
    live_nodes: Arc<AtomicU32>,
    ticks: Ticks,
}

impl RateGate {
    pub(crate) fn new(
        limiter: Option<Arc<dyn RateLimiter>>,
        live_nodes: Arc<AtomicU32>,
        ticks: Ticks,
    ) -> Self {
        Self { shared: limiter.map(Watched::new), live_nodes, ticks }
    }

    /// Counts a request of the owner: 10 a second, 10 at once, over all nodes. Says what the limiter knows of its repeats, where
    /// it could be asked for them.
    ///
    /// # Errors
    /// In how many whole seconds the next one may come.
    pub async fn admit(
        &self,
        webhook_id: WebhookId,
        meter: &WebhookMeter,
        look: Option<Look>,
    ) -> Result<Option<Looked>, u32> {
        let Some(shared) = &self.shared else { return self.admit_share(meter).map(|()| None) };
        // What one node alone would refuse costs no question, and an emptied limiter lets no node have more.
        let asked_at = self.ticks.now();
        meter.admit(asked_at, WHOLE).map_err(whole_seconds)?;
        let token = shared.limiter.take(webhook_id, WHOLE, look).await;
        if !matches!(token, Ok(Token::Taken { .. })) {
            meter.give_back(WHOLE);
        }
        match token {
            Ok(Token::Taken { at, first }) => {
                shared.repeats.increment(u64::from(first.is_some()));
                Ok(look.map(|look| Looked { look, asked_at, at, first }))
            }
            Ok(Token::In(micros)) => Err(whole_seconds(micros)),
            Err(_) => {
                let _ = shared.look();
                self.admit_share(meter).map(|()| None)
            }
        }
    }

    /// Makes a signal that was stored known, while there is something left of its window: that began after it was looked.
    pub fn remember(&self, webhook_id: WebhookId, looked: Looked, first: First) {
        let Looked { look: Look { fingerprint, window_us }, asked_at, at, .. } = looked;
        let left = u64::try_from(window_us - (self.ticks.now() - asked_at)).map(Duration::from_micros);
        if let (Some(shared), Ok(left)) = (&self.shared, left) {
            shared.limiter.remember(Known { webhook_id, fingerprint, first, at, left });
        }
    }

    /// All nodes' shares together are the whole, but for rounding: each has one a second at least.
    fn admit_share(&self, meter: &WebhookMeter) -> Result<(), u32> {
        let nodes = i64::from(self.live_nodes.load(Ordering::Relaxed)).max(1);
        let share = per_second((RATE_PER_SECOND / nodes).max(1));
        meter.admit(self.ticks.now(), share).map_err(whole_seconds)
    }

    /// How the limiter stands, where there is one: why it is away, where it is. Looking notes when that changes.
    pub(crate) fn look(&self) -> Option<Result<(), String>> {
        self.shared.as_ref().map(Watched::look)
    }
}

/// For `Retry-After`: never too early.
fn whole_seconds(micros: i64) -> u32 {
    u32::try_from(micros.div_euclid(SECOND_US) + 1).unwrap_or(u32::MAX)
}

/// The limiter, and what is said of its going and coming.
struct Watched {
    limiter: Arc<dyn RateLimiter>,
    was_away: Mutex<bool>,
    up: Gauge,
    went: Counter,
    came_back: Counter,
    /// Repeats that it knew.
    repeats: Counter,
}

impl Watched {
    fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        let changes = |to: &'static str| counter!("atomik_redis_changes_total", "to" => to);
        let watched = Self {
            limiter,
            was_away: Mutex::new(false),
            up: gauge!("atomik_redis_up"),
            went: changes("away"),
            came_back: changes("back"),
            repeats: counter!("atomik_redis_repeats_total"),
        };
        watched.up.set(1);
        let _ = watched.look();
        watched
    }

    fn look(&self) -> Result<(), String> {
        let mut was_away = self.was_away.lock().unwrap_or_else(PoisonError::into_inner);
        // Asked under the lock, so that two who look see the changes in their order.
        let state = self.limiter.state().map_err(|away| away.to_string());
        match &state {
            Err(cause) if !*was_away => {
                self.up.set(0);
                self.went.increment(1);
                tracing::warn!(cause, "Redis is away: this node keeps to its share of each webhook's rate");
            }
            Ok(()) if *was_away => {
                self.up.set(1);
                self.came_back.increment(1);
                tracing::info!("Redis is back");
            }
            _ => {}
        }
        *was_away = state.is_err();
        state
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use atomik_ports::rate::LimiterAway;

    use super::*;

    /// Lets everything pass, or is away.
    struct Open(Result<(), LimiterAway>);

    #[async_trait]
    impl RateLimiter for Open {
        async fn take(&self, _: WebhookId, _: Rate, _: Option<Look>) -> Result<Token, LimiterAway> {
            self.0.clone().map(|()| Token::Taken { at: 0, first: None })
        }

        fn remember(&self, _: Known) {}

        fn state(&self) -> Result<(), LimiterAway> {
            self.0.clone()
        }
    }

    fn away() -> Option<Arc<dyn RateLimiter>> {
        Some(Arc::new(Open(Err(LimiterAway("a test".to_owned())))))
    }

    fn gate(limiter: Option<Arc<dyn RateLimiter>>, nodes: u32) -> RateGate {
        RateGate::new(limiter, Arc::new(AtomicU32::new(nodes)), Ticks::start())
    }

    async fn passed(gate: &RateGate, meter: &WebhookMeter, of: usize) -> usize {
        let mut passed = 0;
        for _ in 0..of {
            passed += usize::from(gate.admit(WebhookId(1), meter, None).await.is_ok());
        }
        passed
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_limiter_a_node_keeps_to_its_share() {
        for limiter in [None, away()] {
            for (nodes, share) in [(0, 10), (1, 10), (2, 5), (3, 3), (4, 2), (6, 1), (10, 1), (400, 1)] {
                let (gate, meter) = (gate(limiter.clone(), nodes), WebhookMeter::default());
                assert_eq!(passed(&gate, &meter, 30).await, share, "at once, of {nodes} nodes");
                tokio::time::advance(Duration::from_millis(10_500)).await;
                let mut in_ten_seconds = 0;
                for _ in 0..100 {
                    in_ten_seconds += passed(&gate, &meter, 2).await;
                    tokio::time::advance(Duration::from_millis(100)).await;
                }
                let allowed = share * 10..=share * 11;
                assert!(allowed.contains(&in_ten_seconds), "{in_ten_seconds} of {nodes} nodes");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_follows_the_number_of_nodes() {
        let nodes = Arc::new(AtomicU32::new(1));
        let gate = RateGate::new(None, Arc::clone(&nodes), Ticks::start());
        let meter = WebhookMeter::default();
        assert_eq!(passed(&gate, &meter, 30).await, 10);
        nodes.store(2, Ordering::Relaxed);
        assert_eq!(passed(&gate, &meter, 30).await, 0, "a smaller share is not another bucket");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(passed(&gate, &meter, 30).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn no_limiter_lets_one_node_have_more_than_the_whole() {
        let (gate, meter) = (gate(Some(Arc::new(Open(Ok(())))), 4), WebhookMeter::default());
        assert_eq!(passed(&gate, &meter, 30).await, 10);
        assert_eq!(gate.admit(WebhookId(1), &meter, None).await.map(drop), Err(1));
    }
}
