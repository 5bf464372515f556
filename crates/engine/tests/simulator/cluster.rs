//! Who works on which account: starting, beating, taking over and giving back, as `engine::cluster::beats` does it.

use std::mem;

use atomik_domain::BrokerAccountId;
use atomik_engine::recovery;
use atomik_ports::cluster::Lease;

use crate::node::{Beating, Link};
use crate::sim::Sim;

impl Sim {
    /// A run begins: alone with everything that the last one left, among others with its first beat.
    pub fn begin(&mut self, n: usize) {
        if self.is_clustered() {
            self.begin_beat(n);
            self.hear_beat(n);
            return;
        }
        let accounts: Vec<_> = self.leases.rows.keys().map(|account| (*account, None)).collect();
        self.take_over(n, &accounts);
    }

    /// Takes in what was changed in the directory.
    pub fn follow(&mut self, n: usize) {
        let (at, node) = (self.at, &mut self.nodes[n]);
        if node.acts() && !node.is_cut_off {
            node.view = self.directory.clone();
            node.informed.noted(node.moment(at));
        }
    }

    /// The store hears a beat.
    pub fn begin_beat(&mut self, n: usize) {
        let at = self.at;
        let node = &mut self.nodes[n];
        if !node.acts() || node.is_cut_off || node.beat.is_some() {
            return;
        }
        let answered = |lease: &&Lease| node.sending(lease.broker_account_id) == 0;
        let returned: Vec<_> = node.leaving.values().filter(answered).copied().collect();
        let began = node.moment(at);
        let answer = self.leases.beat(node.run, &returned, at);
        node.beat_at = at;
        node.beat = Some(Beating { began, returned, answer });
        self.note_turns();
    }

    /// What the store holds leases by from now on.
    fn note_turns(&mut self) {
        self.book.turns = self.leases.rows.iter().map(|(account, row)| (*account, row.1)).collect();
    }

    /// The node hears the answer to its beat.
    pub fn hear_beat(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        let Some(Beating { began, returned, answer }) = node.beat.take() else { return };
        let now = answer.leases;
        let held = node.held.iter().filter_map(|(account, lease)| Some((*account, (*lease)?)));
        let lost: Vec<_> =
            held.filter(|(_, lease)| !now.contains(lease)).map(|(account, _)| account).collect();
        for account in lost {
            self.say(("has lost", n, account));
            self.abandon(n, account);
        }
        let node = &self.nodes[n];
        let gone = node.leaving.values().filter(|lease| !now.contains(lease) || returned.contains(lease));
        for account in gone.map(|lease| lease.broker_account_id).collect::<Vec<_>>() {
            self.abandon(n, account);
            self.nodes[n].leaving.remove(&account);
        }
        let node = &mut self.nodes[n];
        node.tenure.renewed(began);
        let excess = answer.excess.saturating_sub(node.leaving.len());
        let given: Vec<_> = node.held.values().filter_map(|lease| *lease).take(excess).collect();
        for lease in given {
            self.say(("gives back", n, lease));
            let (account, strategies) = (lease.broker_account_id, &self.directory.strategies);
            self.nodes[n].give_away(account, |strategy| strategies[&strategy].broker_account_id == account);
            self.nodes[n].leaving.insert(lease.broker_account_id, lease);
        }
        let node = &self.nodes[n];
        let is_new = |lease: &&Lease| {
            let account = &lease.broker_account_id;
            !node.held.contains_key(account)
                && !node.leaving.contains_key(account)
                && !returned.contains(lease)
        };
        let new: Vec<_> =
            now.iter().filter(is_new).map(|lease| (lease.broker_account_id, Some(*lease))).collect();
        if !new.is_empty() {
            self.follow(n);
            self.take_over(n, &new);
        }
    }

    fn abandon(&mut self, n: usize, account: BrokerAccountId) {
        let strategies = &self.directory.strategies;
        self.nodes[n].abandon(account, |strategy| strategies[&strategy].broker_account_id == account);
    }

    /// Goes on where whoever had the accounts before has stopped, with what is recorded.
    fn take_over(&mut self, n: usize, accounts: &[(BrokerAccountId, Option<Lease>)]) {
        self.say(("takes over", n, accounts));
        self.counts.takeovers +=
            u64::from(accounts.iter().any(|(_, lease)| lease.is_some_and(|one| one.epoch > 1)));
        let is_ours = |account| accounts.iter().any(|(ours, _)| *ours == account);
        let work = self.book.unfinished(|strategy| is_ours(self.account_of(strategy)));
        let node = &self.nodes[n];
        let (seeds, settled) = recovery::seeds(work, &node.view, |_| true, node.wall(self.at));
        assert!(settled.is_empty(), "everything belongs to a lane here");
        for (account, lease) in accounts {
            let turn = self.number();
            let node = &mut self.nodes[n];
            node.held.insert(*account, *lease);
            let link = Link { lease: *lease, is_up: false, is_lost: false, is_leaving: false, turn };
            node.links.insert(*account, link);
        }
        for (key, seed) in seeds {
            let jobs = seed.jobs.iter().map(|job| (job.signal.id, job.strategy_id));
            self.nodes[n].handed.extend(jobs);
            self.open(n, &key, seed);
        }
        self.deliver(n);
    }

    /// A process ends as it is asked to: it gives back what nothing is on its way for.
    pub fn stop(&mut self, n: usize) {
        if !self.nodes[n].acts() || self.nodes[n].is_cut_off {
            return;
        }
        self.say(("stops", n));
        let held = mem::take(&mut self.nodes[n].held);
        let held = held.into_values().flatten().chain(self.nodes[n].leaving.values().copied());
        let answered = |lease: &Lease| self.nodes[n].sending(lease.broker_account_id) == 0;
        let returned: Vec<_> = held.filter(answered).collect();
        self.leases.give_back(self.nodes[n].run, &returned);
        self.nodes[n].end();
    }

    /// What the store refuses, the node has lost, whatever its beats have told it.
    pub fn lease_lost(&mut self, n: usize, account: BrokerAccountId) {
        self.say(("refused", n, account));
        self.counts.refused += 1;
        let node = &mut self.nodes[n];
        if let Some(link) = node.links.get_mut(&account) {
            link.is_lost = true;
            link.is_up = false;
        }
        node.workers.retain(|key, _| key.broker_account_id != account);
    }
}
