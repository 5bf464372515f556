//! Walking a webhook's signals from the newest down, or from the oldest up.
//!
//! The index of signals is by era, then webhook: 4,096 ids make an era. An index by webhook alone would put every signal of
//! a burst on another page, and each page is written twice. Ids rise with time, so the newest are in the last eras; a read
//! takes the last era, then the two before it, then four, until it has what it wants or there is nothing older. From the
//! oldest up it is the same the other way round.

use atomik_ports::StoreError;
use sqlx::sqlite::SqliteConnection;

use super::faults::fault;

/// How many low bits of an id count within its era: as in the index `signals_by_webhook`.
pub(super) const ERA_BITS: u32 = 12;

/// What a query that looks only into some eras begins with; `first` and `last` are its parameters for them. It goes on with
/// `FROM e CROSS JOIN signals x ON x.id >> 12 = e.era AND x.webhook_id = ...`.
pub(super) fn with_eras(first: &str, last: &str) -> String {
    format!("WITH RECURSIVE e(era) AS (VALUES ({last}) UNION ALL SELECT era - 1 FROM e WHERE era > {first})")
}

/// A stretch of eras, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub first: i64,
    pub last: i64,
}

/// The stretches of eras from one end to the other, each twice as long as the one before.
#[derive(Debug)]
pub(super) struct Eras {
    /// The oldest and the newest era that were not given out yet.
    oldest: i64,
    newest: i64,
    length: i64,
    oldest_first: bool,
}

impl Eras {
    /// Those that signals with ids from `lowest` to `highest` are in.
    fn between(lowest: i64, highest: i64) -> Self {
        Self { oldest: lowest >> ERA_BITS, newest: highest >> ERA_BITS, length: 1, oldest_first: false }
    }

    /// Those that hold signals with ids below `before`.
    pub async fn below(connection: &mut SqliteConnection, before: i64) -> Result<Self, StoreError> {
        let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT min(id) FROM signals), (SELECT max(id) FROM signals WHERE id < ?1)",
        )
        .bind(before)
        .fetch_one(connection)
        .await
        .map_err(fault)?;
        Ok(Self::between_ends(ends))
    }

    /// Those that hold signals with ids above `after`, the oldest first.
    pub async fn above(connection: &mut SqliteConnection, after: i64) -> Result<Self, StoreError> {
        let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
            "SELECT (SELECT min(id) FROM signals WHERE id > ?1), (SELECT max(id) FROM signals)",
        )
        .bind(after)
        .fetch_one(connection)
        .await
        .map_err(fault)?;
        Ok(Self { oldest_first: true, ..Self::between_ends(ends) })
    }

    fn between_ends(ends: (Option<i64>, Option<i64>)) -> Self {
        match ends {
            (Some(lowest), Some(highest)) => Self::between(lowest, highest),
            _ => Self { oldest: 0, newest: -1, length: 1, oldest_first: false },
        }
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
        let eras =
            |lowest, highest| Eras::between(lowest, highest).map(|s| (s.first, s.last)).collect::<Vec<_>>();
        assert_eq!(eras(1, 4_095), [(0, 0)]);
        assert_eq!(eras(1, 4_096), [(1, 1), (0, 0)]);
        assert_eq!(eras(5_000, 9 * 4_096), [(9, 9), (7, 8), (3, 6), (1, 2)]);
        assert_eq!(eras(i64::MAX, i64::MAX), [(i64::MAX >> 12, i64::MAX >> 12)]);
    }

    #[test]
    fn or_from_the_oldest_up() {
        let mut eras = Eras { oldest_first: true, ..Eras::between(5_000, 9 * 4_096) };
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
