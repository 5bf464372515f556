//! Monotonic time, for waiting: a wall clock that is set does not make anything wait longer or fire twice.

use tokio::time::{Duration, Instant};

/// Counts microseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Ticks {
    start: Instant,
}

impl Ticks {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// The moment of a tick, for sleeping until it.
    #[must_use]
    pub fn instant(&self, tick: i64) -> Instant {
        self.start + Duration::from_micros(u64::try_from(tick).unwrap_or(0))
    }
}
