//! Slowing down whoever guesses: token buckets per email and per address, in bounded memory.
//!
//! An attempt takes its tokens before it is checked, so that many at once cannot all slip through, and a right one gets
//! them back. Buckets refill all the time: nobody is locked out for longer than one token takes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use atomik_domain::UnixMicros;
use atomik_domain::ip_allowlist::canonical;
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// How many buckets are kept. The one that was used longest ago goes first.
const MAX_BUCKETS: usize = 10_000;

/// How fast attempts may follow each other.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How many at once.
    burst: u32,
    /// How long one takes to come back, in microseconds.
    refill_us: i64,
}

/// Wrong passwords for one email.
const PER_EMAIL: Pace = Pace { burst: 10, refill_us: 6 * UnixMicros::SECOND };
/// Wrong passwords from one address.
const PER_ADDRESS: Pace = Pace { burst: 30, refill_us: 2 * UnixMicros::SECOND };
/// Registrations from one address.
const REGISTRATIONS: Pace = Pace { burst: 100, refill_us: 6 * UnixMicros::SECOND };

type Key = [u8; 16];

/// How much of a bucket is used up, as the time it takes to refill, as of a moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    debt_us: i64,
    at: UnixMicros,
}

impl Bucket {
    /// The debt at `now`. A clock that went back pays nothing off and costs nothing.
    fn debt_at(self, now: UnixMicros) -> i64 {
        self.debt_us.saturating_sub(now.micros_since(self.at).max(0)).max(0)
    }
}

/// Everybody's buckets.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Key, Bucket>>);

/// An attempt that was let through. Dropped, it counts; [`Attempts::refund`] takes it back.
#[must_use]
#[derive(Debug)]
pub(crate) struct Attempt(Vec<(Key, Pace)>);

impl Attempts {
    /// Lets one log-in or password check through, or says how long to wait.
    pub(crate) fn password(
        &self,
        email: &str,
        address: IpAddr,
        now: UnixMicros,
    ) -> Result<Attempt, ApiError> {
        let email = key(b"email", email.as_bytes());
        let address = key(b"address", &network_of(address));
        self.take(vec![(email, PER_EMAIL), (address, PER_ADDRESS)], now)
    }

    /// Lets one registration through, or says how long to wait.
    pub(crate) fn registration(&self, address: IpAddr, now: UnixMicros) -> Result<(), ApiError> {
        let address = key(b"registration", &network_of(address));
        self.take(vec![(address, REGISTRATIONS)], now).map(drop)
    }

    /// A right password costs nothing.
    pub(crate) fn refund(&self, attempt: Attempt) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, pace) in attempt.0 {
            if let Some(bucket) = buckets.get_mut(&key) {
                bucket.debt_us = bucket.debt_us.saturating_sub(pace.refill_us).max(0);
            }
        }
    }

    fn take(&self, wanted: Vec<(Key, Pace)>, now: UnixMicros) -> Result<Attempt, ApiError> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let debt_of = |key: &Key| buckets.get(key).map_or(0, |bucket| bucket.debt_at(now));
        let wait_of = |(key, pace): &(Key, Pace)| {
            debt_of(key).saturating_add(pace.refill_us) - i64::from(pace.burst) * pace.refill_us
        };
        let wait_us = wanted.iter().map(wait_of).max().unwrap_or(0);
        if wait_us > 0 {
            let seconds = (wait_us + UnixMicros::SECOND - 1) / UnixMicros::SECOND;
            return Err(ApiError::too_many_attempts(u32::try_from(seconds).unwrap_or(u32::MAX)));
        }
        for (key, pace) in &wanted {
            let debt_us = buckets.get(key).map_or(0, |bucket| bucket.debt_at(now)) + pace.refill_us;
            if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(key) {
                make_room(&mut buckets, now);
            }
            buckets.insert(*key, Bucket { debt_us, at: now });
        }
        Ok(Attempt(wanted))
    }
}

/// Drops every bucket that is full again, or else the one that was used longest ago.
fn make_room(buckets: &mut HashMap<Key, Bucket>, now: UnixMicros) {
    buckets.retain(|_, bucket| bucket.debt_at(now) > 0);
    if buckets.len() >= MAX_BUCKETS {
        let oldest = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| *key);
        oldest.and_then(|key| buckets.remove(&key));
    }
}

fn key(kind: &[u8], value: &[u8]) -> Key {
    let hash = Sha256::new().chain_update(kind).chain_update(b":").chain_update(value).finalize();
    std::array::from_fn(|index| hash[index])
}

/// What counts as one sender: an IPv4 address, or the /64 that one IPv6 customer has all of.
fn network_of(address: IpAddr) -> Vec<u8> {
    match canonical(address) {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const START: UnixMicros = UnixMicros(1_000_000_000_000);

    fn wait_s(mut refused: ApiError) -> axum::http::HeaderValue {
        refused.headers.remove(0).1
    }

    fn burn(attempts: &Attempts, email: &str, address: IpAddr, now: UnixMicros) -> usize {
        (0..1_000).take_while(|_| attempts.password(email, address, now).is_ok()).count()
    }

    #[test]
    fn an_email_has_ten_tries_and_gets_one_back_every_six_seconds() {
        let attempts = Attempts::default();
        assert_eq!(burn(&attempts, "a@example.com", HOME, START), 10);
        assert_eq!(burn(&attempts, "a@example.com", HOME, START.plus_seconds(5)), 0);
        assert_eq!(burn(&attempts, "a@example.com", HOME, START.plus_seconds(6)), 1);
        let refused = attempts.password("a@example.com", HOME, START.plus_seconds(7)).unwrap_err();
        assert_eq!(wait_s(refused), "5");
    }

    #[test]
    fn an_address_cannot_go_through_many_emails() {
        let attempts = Attempts::default();
        let tried = (0..100)
            .take_while(|n| attempts.password(&format!("{n}@example.com"), HOME, START).is_ok())
            .count();
        assert_eq!(tried, 30);
    }

    #[test]
    fn an_ipv6_customer_is_one_sender_and_mapped_ipv4_is_ipv4() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }

    #[test]
    fn a_right_password_costs_nothing() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            let attempt = attempts.password("a@example.com", HOME, START).unwrap();
            attempts.refund(attempt);
        }
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_for_long() {
        let attempts = Attempts::default();
        assert_eq!(burn(&attempts, "a@example.com", HOME, START), 10);
        let earlier = START.plus_seconds(-86_400);
        let refused = attempts.password("a@example.com", HOME, earlier).unwrap_err();
        assert_eq!(wait_s(refused), "6");
    }

    #[test]
    fn memory_is_bounded_and_the_newest_stay() {
        let attempts = Attempts::default();
        for n in 0..(MAX_BUCKETS + 50) {
            let address = IpAddr::V4(std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
            let now = START.plus(i64::try_from(n).unwrap());
            let _ = attempts.password("a@example.com", address, now);
            let _ = attempts.registration(address, now);
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MAX_BUCKETS);
    }
}
