//! The sessions of this process, one a login; and what logins the venue refused.
//!
//! The venue closes a user's oldest session when a third begins, and counts failed logins of an address: accounts of one
//! login share a session, and a login that was refused is not tried again at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use atomik_ports::broker::BrokerError;
use tokio::time::Instant;

use super::session::Session;
use crate::wire::Budget;

/// A login's digest: never the login.
pub(super) type Key = [u8; 32];

/// How long a refusal is remembered: with one try in this while, an address stays within its five an hour.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// Failed logins of an address that the venue takes in an hour, less one.
const FAILURES: u32 = 4;
const HOUR: Duration = Duration::from_secs(3_600);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Registry {
    sessions: Mutex<HashMap<Key, Kept>>,
    pub refusals: Arc<Refusals>,
}

/// A session lives as long as an account uses it, unless it cannot be had again.
#[derive(Debug)]
enum Kept {
    WhileUsed(Weak<Session>),
    Always(Arc<Session>),
}

impl Registry {
    /// The session of a login, made where there is none.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn session(
        &self,
        key: Key,
        keep: bool,
        make: impl FnOnce() -> Result<Session, BrokerError>,
    ) -> Result<Arc<Session>, BrokerError> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, kept| !matches!(kept, Kept::WhileUsed(weak) if weak.strong_count() == 0));
        let known = sessions.get(&key).and_then(|kept| match kept {
            Kept::WhileUsed(weak) => weak.upgrade(),
            Kept::Always(session) => Some(Arc::clone(session)),
        });
        if let Some(session) = known {
            return Ok(session);
        }
        let session = Arc::new(make()?);
        let kept =
            if keep { Kept::Always(Arc::clone(&session)) } else { Kept::WhileUsed(Arc::downgrade(&session)) };
        sessions.insert(key, kept);
        Ok(session)
    }

    /// Forgets a session that has come to its end.
    pub fn forget(&self, key: &Key) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// What logins the venue refused, and how often.
#[derive(Debug)]
pub(super) struct Refusals {
    known: Mutex<HashMap<Key, (Instant, BrokerError)>>,
    failures: Budget,
    /// Paused while no login may leave.
    pub gate: Budget,
}

impl Default for Refusals {
    fn default() -> Self {
        let (failures, gate) = (Budget::new(FAILURES, HOUR), Budget::new(u32::MAX, HOUR));
        Self { known: Mutex::default(), failures, gate }
    }
}

impl Refusals {
    /// Whether a login may be tried.
    ///
    /// # Errors
    /// What the venue said to it a while ago, or that there were too many failures.
    pub fn check(&self, key: &Key) -> Result<(), BrokerError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
        if let Some((_, refusal)) = known.get(key) {
            return Err(refusal.clone());
        }
        self.gate.take().map_err(|pause| {
            BrokerError::Unavailable(format!(
                "Tradovate takes no more logins from this address for {} s after failed ones.",
                pause.as_secs() + 1
            ))
        })
    }

    /// Notes that the venue refused a login.
    pub fn note(&self, key: Key, refusal: &BrokerError) {
        if matches!(refusal, BrokerError::Unauthorized(_)) {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(key, (Instant::now(), refusal.clone()));
        }
        if let Err(pause) = self.failures.take() {
            self.gate.pause(pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_not_tried_again_at_once_and_others_are_until_there_were_too_many() {
        let refusals = Refusals::default();
        let refusal = BrokerError::Unauthorized("No.".to_owned());
        refusals.check(&[1; 32]).unwrap();
        refusals.note([1; 32], &refusal);
        assert_eq!(refusals.check(&[1; 32]), Err(refusal.clone()));
        refusals.check(&[2; 32]).unwrap();
        for key in 2..=5 {
            refusals.note([key; 32], &refusal);
        }
        assert!(matches!(refusals.check(&[9; 32]), Err(BrokerError::Unavailable(_))));
        tokio::time::advance(HOUR).await;
        refusals.check(&[1; 32]).unwrap();
    }
}
