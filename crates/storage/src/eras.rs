//! Walking a webhook's signals from the newest down, or from the oldest up.
//!
//! The index of signals is by era, then webhook: 4,096 ids make an era. An index by webhook alone would put every signal of
//! a burst on another page, and each page is written twice. Ids rise with time, so the newest are in the last eras; a read
//! takes the last era, then the two before it, then four, until it has what it wants or there is nothing older. From the
//! oldest up it is the same the other way round.

use atomik_domain::UnixMicros;

/// How many low bits of an id count within its era: as in the index `signals_by_webhook`.
pub(crate) const ERA_BITS: u32 = 12;

/// What is received within so much of each other may be stored in either order.
pub(crate) const DISORDER_US: i64 = 10 * UnixMicros::SECOND;

/// How many eras one read of signals by their outcomes looks into at least, where it does not find enough before. What it
/// costs is a look at the outcomes of each of the user's signals there.
pub(crate) const MAX_ERAS_BY_OUTCOME: i64 = 64;

/// A stretch of eras, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub first: i64,
    pub last: i64,
}

/// The stretches of eras from one end to the other, each twice as long as the one before.
#[derive(Debug)]
pub(crate) struct Eras {
    /// The oldest and the newest era that were not given out yet.
    oldest: i64,
    newest: i64,
    length: i64,
    oldest_first: bool,
}

impl Eras {
    /// Those of the ids from the lowest to the highest.
    pub fn of_ids(lowest: i64, highest: i64, oldest_first: bool) -> Self {
        Self { oldest: lowest >> ERA_BITS, newest: highest >> ERA_BITS, length: 1, oldest_first }
    }

    /// None.
    pub fn none(oldest_first: bool) -> Self {
        Self { oldest: 0, newest: -1, length: 1, oldest_first }
    }

    /// The id that a read of what was not given out yet starts beyond; `None` where that is nothing.
    pub fn rest(&self) -> Option<i64> {
        let beyond = if self.oldest_first {
            (self.oldest << ERA_BITS).saturating_sub(1)
        } else {
            self.newest.saturating_add(1) << ERA_BITS
        };
        (self.oldest <= self.newest).then_some(beyond)
    }
}

impl Iterator for Eras {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        if self.newest < self.oldest {
            return None;
        }
        let stretch = if self.oldest_first {
            let first = self.oldest;
            let last = self.newest.min(first.saturating_add(self.length - 1));
            self.oldest = last + 1;
            Stretch { first, last }
        } else {
            let last = self.newest;
            let first = self.oldest.max(last - self.length + 1);
            self.newest = first - 1;
            Stretch { first, last }
        };
        self.length = self.length.saturating_mul(2);
        Some(stretch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_era_is_looked_into_once_from_the_newest_down() {
        let eras = |lowest, highest| {
            Eras::of_ids(lowest, highest, false).map(|s| (s.first, s.last)).collect::<Vec<_>>()
        };
        assert_eq!(eras(1, 4_095), [(0, 0)]);
        assert_eq!(eras(1, 4_096), [(1, 1), (0, 0)]);
        assert_eq!(eras(5_000, 9 * 4_096), [(9, 9), (7, 8), (3, 6), (1, 2)]);
        assert_eq!(eras(i64::MAX, i64::MAX), [(i64::MAX >> 12, i64::MAX >> 12)]);
    }

    #[test]
    fn or_from_the_oldest_up() {
        let mut eras = Eras::of_ids(5_000, 9 * 4_096, true);
        let mut found = Vec::new();
        while let Some(stretch) = eras.next() {
            found.push((stretch.first, stretch.last, eras.rest()));
        }
        assert_eq!(
            found,
            [
                (1, 1, Some(2 * 4_096 - 1)),
                (2, 3, Some(4 * 4_096 - 1)),
                (4, 7, Some(8 * 4_096 - 1)),
                (8, 9, None)
            ]
        );
    }
}
