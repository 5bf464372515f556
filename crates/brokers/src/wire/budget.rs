//! Keeping to a venue's rate limits: a pause that the venue asked for holds back everything that would break it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many requests may leave in a while, and a pause that the venue asked for.
#[derive(Debug)]
pub struct Budget {
    max: u32,
    per: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The beginning of the present span, and what left in it.
    span: Option<(Instant, u32)>,
    paused_until: Option<Instant>,
}

impl Budget {
    /// At most `max` requests in every `per`.
    #[must_use]
    pub fn new(max: u32, per: Duration) -> Self {
        Self { max, per, state: Mutex::default() }
    }

    /// Takes one request out of the budget.
    ///
    /// # Errors
    /// How long to wait, where nothing is left or the venue asked for a pause.
    pub fn take(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = state.paused_until {
            if now < until {
                return Err(until - now);
            }
            state.paused_until = None;
        }
        let (began, used) = state.span.filter(|(began, _)| now < *began + self.per).unwrap_or((now, 0));
        if used >= self.max {
            return Err(began + self.per - now);
        }
        state.span = Some((began, used + 1));
        Ok(())
    }

    /// Lets nothing leave for so long: the venue asked for it.
    pub fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.paused_until = Some(state.paused_until.map_or(until, |known| known.max(until)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_used_up_comes_back_with_the_next_span() {
        let budget = Budget::new(2, Duration::from_secs(60));
        budget.take().unwrap();
        tokio::time::advance(Duration::from_secs(20)).await;
        budget.take().unwrap();
        assert_eq!(budget.take(), Err(Duration::from_secs(40)));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(budget.take(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_was_asked_for_is_kept_and_a_shorter_one_does_not_end_it() {
        let budget = Budget::new(100, Duration::from_secs(60));
        budget.pause(Duration::from_secs(30));
        budget.pause(Duration::from_secs(5));
        assert_eq!(budget.take(), Err(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(budget.take(), Ok(()));
    }
}
