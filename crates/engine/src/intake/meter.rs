//! What is counted about one webhook in memory: its rate, and refusals that come too fast to keep each.

use std::sync::{Mutex, PoisonError};

use atomik_ports::rate::Rate;

/// How many requests a webhook may send at once and per second.
pub const RATE_PER_SECOND: i64 = 10;
/// The refusals that a webhook's log keeps: some at once, then one in a while, with the number of those between.
const REFUSALS: Rate = Rate { interval_us: 3_000_000, burst: 20 };
pub(crate) const SECOND_US: i64 = 1_000_000;

/// So many at once and per second, never more by rounding.
pub(crate) const fn per_second(count: i64) -> Rate {
    Rate { interval_us: (SECOND_US + count - 1) / count, burst: count }
}

/// A token bucket in the generic cell rate form: one number, the time at which the bucket would be full again.
#[derive(Debug, Default, Clone, Copy)]
struct Bucket {
    full_at: i64,
}

impl Bucket {
    /// Takes a token, or says in how many microseconds there will be one.
    fn take(&mut self, tick: i64, rate: Rate) -> Result<(), i64> {
        let next = self.full_at.max(tick) + rate.interval_us;
        let room = tick + rate.interval_us * rate.burst;
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
    /// Counts a request of the owner. The rate may be another one each time: what was used up of one is used up of all.
    ///
    /// # Errors
    /// In how many microseconds the next one may come.
    pub fn admit(&self, tick: i64, rate: Rate) -> Result<(), i64> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.accepted.take(tick, rate)
    }

    /// Takes back what [`admit`](Self::admit) counted, where the request was refused after all.
    pub fn give_back(&self, rate: Rate) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.accepted.full_at -= rate.interval_us;
    }

    /// Whether a refusal is to be kept: how many were only counted since the last one, if so.
    pub fn keep_refusal(&self, tick: i64) -> Option<u32> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        match counters.kept_refusals.take(tick, REFUSALS) {
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
        let admit = |tick| meter.admit(tick, per_second(RATE_PER_SECOND));
        assert_eq!((0..11).filter(|_| admit(start).is_ok()).count(), 10);
        assert_eq!(admit(start), Err(100_000));
        assert!(admit(start + 100_000).is_ok());
        assert!(admit(start + 100_000).is_err());
        assert_eq!((0..20).filter(|_| admit(start + 10_000_000).is_ok()).count(), 10);
    }

    #[test]
    fn a_flood_of_refusals_keeps_few_and_counts_the_rest() {
        let meter = WebhookMeter::default();
        let kept = (0..10_000).filter(|_| meter.keep_refusal(0).is_some()).count();
        assert_eq!(kept, 20);
        assert_eq!(meter.keep_refusal(REFUSALS.interval_us), Some(9_980));
    }
}
