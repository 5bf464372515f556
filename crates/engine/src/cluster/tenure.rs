//! Until when a node counts on its leases, and on what it knows of the directory, by its own clocks.

use atomik_domain::UnixMicros;
use atomik_ports::cluster::LEASE_GOOD;

/// A moment by both clocks: the one that nobody sets, and the one that goes on while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the monotonic clock, in microseconds.
    pub tick: i64,
    /// By the wall clock.
    pub wall: UnixMicros,
}

impl Moment {
    /// How long ago an earlier moment was, in microseconds, by whichever clock says longer: the monotonic one stands still
    /// while the machine sleeps, and the wall clock may be set back.
    #[must_use]
    pub fn us_since(self, earlier: Self) -> i64 {
        self.tick.saturating_sub(earlier.tick).max(self.wall.micros_since(earlier.wall))
    }
}

/// In a cluster, the longest that a change made on another node may go unnoticed, in microseconds: after it, nothing is
/// decided by what is known here.
const STALE_US: i64 = UnixMicros::SECOND;

/// When the directory was last known to be as it is known here.
#[derive(Clone, Copy, Debug)]
pub struct Informed {
    as_of: Moment,
}

impl Informed {
    /// All that the directory had at a moment is known.
    #[must_use]
    pub fn of(moment: Moment) -> Self {
        Self { as_of: moment }
    }

    /// All that the directory had at a moment is known: whichever of these was last.
    pub fn noted(&mut self, moment: Moment) {
        if moment.tick > self.as_of.tick {
            self.as_of = moment;
        }
    }

    /// Whether all is known that other nodes have changed, but for what they are changing now.
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        now.us_since(self.as_of) <= STALE_US
    }
}

/// What a node knows of how long its leases are its own.
#[derive(Clone, Copy, Debug)]
pub struct Tenure {
    /// Until when they are good, as of the last beat that went well.
    good_until: Moment,
    /// How often they were not good for a while.
    lapses: u64,
}

impl Default for Tenure {
    fn default() -> Self {
        Self { good_until: Moment { tick: i64::MIN, wall: UnixMicros(i64::MIN) }, lapses: 0 }
    }
}

impl Tenure {
    /// Whether orders may leave now: nobody else can have taken this node's leases.
    #[must_use]
    pub fn is_good(&self, now: Moment) -> bool {
        now.tick < self.good_until.tick && now.wall < self.good_until.wall
    }

    /// A beat that was begun at `began` has gone well.
    pub fn renewed(&mut self, began: Moment) {
        let good_us = i64::try_from(LEASE_GOOD.as_micros()).unwrap_or(0);
        // Between two beats that went well they were not good: somebody else may have had the accounts meanwhile.
        if began.tick >= self.good_until.tick || began.wall >= self.good_until.wall {
            self.lapses += 1;
        }
        self.good_until = Moment { tick: began.tick.saturating_add(good_us), wall: began.wall.plus(good_us) };
    }

    /// How often the leases were not good for a while.
    #[must_use]
    pub fn lapses(&self) -> u64 {
        self.lapses
    }

    /// Whether the leases are good now and were all the time since they had lapsed so often: what was begun before a time
    /// without good leases is not gone on with after it.
    #[must_use]
    pub fn is_unbroken(&self, now: Moment, lapses: u64) -> bool {
        self.is_good(now) && self.lapses == lapses
    }
}
