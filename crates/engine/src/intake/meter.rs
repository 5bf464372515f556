//! What is counted about one webhook in memory: its rate, and refusals that come too fast to keep each.

use std::sync::{Mutex, PoisonError};

/// How many requests a webhook may send at once and per second.
pub const RATE_PER_SECOND: i64 = 10;
/// How many refusals a webhook's log keeps at once; then one in a while, with the number of those between.
const REFUSALS_AT_ONCE: i64 = 20;
/// The time after which one more refusal is kept, in microseconds.
const REFUSAL_INTERVAL_US: i64 = 3_000_000;
const SECOND_US: i64 = 1_000_000;

/// A token bucket in the generic cell rate form: one number, the time at which the bucket would be full again.
#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    full_at: i64,
}

impl Bucket {
    /// Takes a token, or says in how many microseconds there will be one.
    fn take(&mut self, tick: i64, interval: i64, burst: i64) -> Result<(), i64> {
        let next = self.full_at.max(tick) + interval;
        let room = tick + interval * burst;
        if next > room {
            return Err(next - room);
        }
        self.full_at = next;
        Ok(())
    }
}

/// One webhook's counters. Times are monotonic microseconds.
#[derive(Debug, Default)]
pub struct WebhookMeter {
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: Bucket,
    kept_refusals: Bucket,
    suppressed: u32,
}

impl WebhookMeter {
    /// Counts a request of the owner: 10 a second, 10 at once.
    ///
    /// # Errors
    /// In how many whole seconds the next one may come.
    pub fn admit(&self, tick: i64) -> Result<(), u32> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = counters.accepted.take(tick, SECOND_US / RATE_PER_SECOND, RATE_PER_SECOND);
        wait.map_err(|micros| u32::try_from(micros.div_euclid(SECOND_US) + 1).unwrap_or(u32::MAX))
    }

    /// Whether a refusal is to be kept: how many were only counted since the last one, if so.
    pub fn keep_refusal(&self, tick: i64) -> Option<u32> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        match counters.kept_refusals.take(tick, REFUSAL_INTERVAL_US, REFUSALS_AT_ONCE) {
            Ok(()) => Some(std::mem::take(&mut counters.suppressed)),
            Err(_) => {
                counters.suppressed = counters.suppressed.saturating_add(1);
                None
            }
        }
    }

    /// Puts back what [`keep_refusal`](Self::keep_refusal) took, where the refusal could not be kept after all.
    pub fn not_kept(&self, suppressed: u32) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.suppressed = counters.suppressed.saturating_add(suppressed).saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_then_ten_a_second() {
        let meter = WebhookMeter::default();
        let start = 5_000_000;
        assert_eq!((0..11).filter(|_| meter.admit(start).is_ok()).count(), 10);
        assert_eq!(meter.admit(start), Err(1));
        assert!(meter.admit(start + 100_000).is_ok());
        assert!(meter.admit(start + 100_000).is_err());
        assert_eq!((0..20).filter(|_| meter.admit(start + 10_000_000).is_ok()).count(), 10);
    }

    #[test]
    fn a_flood_of_refusals_keeps_few_and_counts_the_rest() {
        let meter = WebhookMeter::default();
        let kept = (0..10_000).filter(|_| meter.keep_refusal(0).is_some()).count();
        assert_eq!(kept, 20);
        assert_eq!(meter.keep_refusal(REFUSAL_INTERVAL_US), Some(9_980));
    }
}
