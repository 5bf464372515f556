//! Where somebody watches what happens: events are told to other nodes only while somebody sees them there.
//!
//! A node that is watched says so when that begins, and with every beat. Whoever hears it for the first time answers that it may
//! have been missed, for what happened here before was told to nobody; so watchers load what they show again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use atomik_domain::UnixMicros;
use atomik_ports::cluster::NodeId;

use super::wire::tell_watching;
use crate::work::Work;

/// How long it counts that a node is watched, after it has said so.
const COUNTS_US: i64 = 5 * UnixMicros::SECOND;
/// How long a node hears of everything after its last watcher has gone: a stream that breaks off is opened again soon.
const KEPT_US: i64 = 60 * UnixMicros::SECOND;

/// Where somebody watches.
#[derive(Debug, Default)]
pub(crate) struct Watched(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many watch here.
    here: usize,
    /// Until when others are told that this node is watched.
    here_until: Option<i64>,
    /// Until when it counts that a node is watched.
    elsewhere: HashMap<NodeId, i64>,
}

impl Watched {
    /// Somebody begins to watch here. Says whether others have to be told now.
    pub fn begin(&self, tick: i64) -> bool {
        let mut known = self.known();
        let is_told = known.is_watched_here(tick);
        known.here += 1;
        !is_told
    }

    /// Somebody who has begun to watch here ceases.
    pub fn end(&self, tick: i64) {
        let mut known = self.known();
        known.here = known.here.saturating_sub(1);
        known.here_until = Some(tick.saturating_add(KEPT_US));
    }

    /// Whether this node is to say that it is watched.
    pub fn is_here(&self, tick: i64) -> bool {
        self.known().is_watched_here(tick)
    }

    /// A node has said that it is watched. Says whether that is news.
    pub fn note(&self, node: NodeId, tick: i64) -> bool {
        let until = self.known().elsewhere.insert(node, tick.saturating_add(COUNTS_US));
        until.is_none_or(|until| until <= tick)
    }

    /// A node could not be told what it may have missed: it is, when it says the next time that it is watched.
    pub fn forget(&self, node: NodeId) {
        self.known().elsewhere.remove(&node);
    }

    /// Whether somebody watches on another node.
    pub fn is_elsewhere(&self, tick: i64) -> bool {
        let mut known = self.known();
        known.elsewhere.retain(|_, until| tick < *until);
        !known.elsewhere.is_empty()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_watched_here(&self, tick: i64) -> bool {
        self.here > 0 || self.here_until.is_some_and(|until| tick < until)
    }
}

/// Somebody who watches on this node what happens on all of them.
pub struct Watching {
    work: Arc<Work>,
    /// Whether until now nobody watched here, so that what happened elsewhere was not told.
    pub is_first: bool,
}

impl Watching {
    /// Has others told, where they do not know. Whoever watches must be able to hear by then that something was missed.
    pub(crate) async fn begin(work: &Arc<Work>) -> Self {
        let Some(membership) = &work.cluster else { return Self { work: Arc::clone(work), is_first: false } };
        let is_first = membership.watched.begin(work.ticks.now());
        // Made before anything is waited for: whoever goes away meanwhile watches no more.
        let watching = Self { work: Arc::clone(work), is_first };
        if is_first {
            tell_watching(membership).await;
        }
        watching
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(membership) = &self.work.cluster {
            membership.watched.end(self.work.ticks.now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_watched_until_a_minute_after_its_last_watcher_has_gone() {
        let watched = Watched::default();
        assert!(!watched.is_here(0));
        assert!(watched.begin(0), "the first one is news");
        assert!(!watched.begin(1));
        watched.end(2);
        assert!(watched.is_here(KEPT_US * 2), "one watches on");
        watched.end(10);
        assert!(watched.is_here(9 + KEPT_US) && !watched.begin(9 + KEPT_US));
        watched.end(20);
        assert!(!watched.is_here(20 + KEPT_US) && watched.begin(20 + KEPT_US));
    }

    #[test]
    fn what_a_node_has_said_counts_for_a_while_and_is_news_once() {
        let watched = Watched::default();
        let (one, other) = (NodeId(1), NodeId(2));
        assert!(!watched.is_elsewhere(0));
        assert!(watched.note(one, 0) && watched.is_elsewhere(0));
        assert!(!watched.note(one, COUNTS_US - 1), "it is said again and again");
        assert!(watched.note(other, COUNTS_US - 1));
        assert!(watched.is_elsewhere(2 * COUNTS_US - 2) && !watched.is_elsewhere(2 * COUNTS_US - 1));
        assert!(watched.note(one, 2 * COUNTS_US), "nothing was told meanwhile");
    }
}
