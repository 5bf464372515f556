//! Places where a crash-point test may kill the process.
//!
//! Compiled in with the cargo feature `failpoints` alone; without it [`hit`] is nothing.

/// Kills the process here where the environment says so: `ATOMIK_FAILPOINT=name`, or `name=3` for the third time that
/// `name` is passed. Nothing is flushed or closed, as with `kill -9`.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);

    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("ATOMIK_FAILPOINT").ok()?;
        let (name, count) = text.split_once('=').unwrap_or((&text, "1"));
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((armed_name, count)) = armed
        && armed_name == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing: this build has no fail points.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}
