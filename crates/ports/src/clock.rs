//! Time as an argument.

use atomik_domain::UnixMicros;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now. May jump either way when the machine's clock is set.
    fn now(&self) -> UnixMicros;
}

/// The machine's clock: the one place that reads it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // this is the place
    fn now(&self) -> UnixMicros {
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMicros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}
