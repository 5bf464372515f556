//! Who works on which account, as the store has it. The store's own way of doing this is SQL, which the store's tests hold
//! (`crates/storage/tests/leases.rs`); what a node makes of it is the engine's `Tenure`.

use std::collections::BTreeMap;

use atomik_domain::BrokerAccountId;
use atomik_ports::cluster::{LEASE_LIFE, Lease};

/// The store's rows.
#[derive(Default)]
pub struct Leases {
    /// Who has each account, and the turn.
    pub rows: BTreeMap<BrokerAccountId, (Option<i64>, i64)>,
    /// Since when and until when nodes live.
    lives: BTreeMap<i64, (i64, i64)>,
}

/// What a beat brings.
pub struct Answer {
    pub leases: Vec<Lease>,
    pub excess: usize,
}

fn life_us() -> i64 {
    i64::try_from(LEASE_LIFE.as_micros()).expect("small")
}

impl Leases {
    /// Whether a node has an account in this turn.
    pub fn has(&self, run: i64, lease: Lease) -> bool {
        self.rows.get(&lease.broker_account_id) == Some(&(Some(run), lease.epoch))
    }

    /// A node says that it lives, and gives leases back.
    pub fn beat(&mut self, run: i64, returned: &[Lease], at: i64) -> Answer {
        let life = self.lives.entry(run).or_insert((at, at));
        if life.1 < at {
            life.0 = at;
        }
        life.1 = at + life_us();
        let has_lived = at - life.0 >= life_us();
        self.give_back(run, returned);
        let live: Vec<_> = self.lives.iter().filter(|(_, life)| life.1 > at).map(|(run, _)| *run).collect();
        let before = live.iter().filter(|other| **other < run).count();
        let share = self.rows.len() / live.len() + usize::from(before < self.rows.len() % live.len());
        let mut room = share.saturating_sub(self.held_by(run).len());
        for row in self.rows.values_mut() {
            let is_free = row.0.is_none();
            let is_dead = row.0.is_some_and(|other| other != run && self.lives[&other].1 < at);
            if room > 0 && (is_free || (is_dead && has_lived)) {
                *row = (Some(run), row.1 + 1);
                room -= 1;
            }
        }
        let leases = self.held_by(run);
        let excess = leases.len().saturating_sub(share);
        Answer { leases, excess }
    }

    /// A node gives leases back.
    pub fn give_back(&mut self, run: i64, returned: &[Lease]) {
        for lease in returned.iter().filter(|lease| self.has(run, **lease)).copied().collect::<Vec<_>>() {
            self.rows.insert(lease.broker_account_id, (None, lease.epoch));
        }
    }

    fn held_by(&self, run: i64) -> Vec<Lease> {
        let own = self.rows.iter().filter(|(_, row)| row.0 == Some(run));
        own.map(|(account, row)| Lease { broker_account_id: *account, epoch: row.1 }).collect()
    }
}
