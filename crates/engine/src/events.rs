//! What just happened, for whoever watches: a bounded log of events with ids that a watcher can resume from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::{BrokerAccountId, Code, Fill, Order, SignalId, UnixMicros, UserId, WebhookId};
use atomik_ports::journal::PositionRecord;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// How many events are kept for watchers that come back.
const KEPT: usize = 4_096;

/// Something that happened to one user's things.
#[derive(Debug)]
pub struct Event {
    /// Rises by one with every event of this run.
    pub number: u64,
    /// Whose it is.
    pub user_id: UserId,
    /// When.
    pub at: UnixMicros,
    /// What.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug)]
pub enum EventBody {
    /// A request to a webhook was answered.
    Delivery {
        /// The webhook.
        webhook_id: WebhookId,
        /// The HTTP status.
        status: u16,
        /// What became of it.
        code: Code,
        /// The signal it became or repeated.
        signal_id: Option<SignalId>,
    },
    /// A signal was stored, or an outcome of it changed.
    Signal {
        /// The signal.
        signal_id: SignalId,
        /// The webhook.
        webhook_id: WebhookId,
    },
    /// An order changed.
    Order(Box<Order>),
    /// A fill was recorded.
    Fill(Box<Fill>),
    /// A position changed.
    Position(Box<PositionRecord>),
    /// A broker account's connection or books changed.
    Account {
        /// The account.
        broker_account_id: BrokerAccountId,
    },
    /// Something happened on another node.
    Relayed {
        /// What watchers are shown it as.
        name: String,
        /// What they are shown: JSON.
        shown: String,
    },
    /// Whatever happened on other nodes just now may have been missed. Concerns everybody.
    Gap,
}

/// An event on its way to another node, as watchers are shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayedEvent {
    /// Whose it is.
    pub user_id: UserId,
    /// When, in microseconds.
    pub at: i64,
    /// What watchers are shown it as.
    pub name: String,
    /// What they are shown: JSON.
    pub shown: String,
}

impl Event {
    /// Whether a user's watchers are shown it.
    #[must_use]
    pub fn concerns(&self, user_id: UserId) -> bool {
        self.user_id == user_id || matches!(self.body, EventBody::Gap)
    }
}

/// The log.
#[derive(Debug)]
pub struct EventLog {
    /// Tells this run's numbers from another run's.
    run: u64,
    recent: Mutex<Recent>,
    live: broadcast::Sender<Arc<Event>>,
}

#[derive(Debug, Default)]
struct Recent {
    next_number: u64,
    events: VecDeque<Arc<Event>>,
}

/// A watcher's view of the log.
#[derive(Debug)]
pub struct Subscription {
    /// Whether events were missed that the log no longer has: the watcher must load everything again.
    pub missed: bool,
    /// Events from the log, oldest first.
    pub backlog: Vec<Arc<Event>>,
    /// Events as they happen.
    pub live: broadcast::Receiver<Arc<Event>>,
}

impl EventLog {
    /// An empty log. `run` is any number that differs from run to run.
    #[must_use]
    pub fn new(run: u64) -> Self {
        let (live, _) = broadcast::channel(1_024);
        Self { run, recent: Mutex::default(), live }
    }

    /// Adds an event and wakes the watchers.
    pub fn publish(&self, user_id: UserId, at: UnixMicros, body: EventBody) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Arc::new(Event { number: recent.next_number, user_id, at, body });
        recent.next_number += 1;
        if recent.events.len() == KEPT {
            recent.events.pop_front();
        }
        recent.events.push_back(Arc::clone(&event));
        // Sent under the lock, so that live events and the backlog meet without a gap. Nobody watching is no error.
        let _ = self.live.send(event);
    }

    /// Adds an event of another node.
    pub(crate) fn relay(&self, event: RelayedEvent) {
        let RelayedEvent { user_id, at, name, shown } = event;
        self.publish(user_id, UnixMicros(at), EventBody::Relayed { name, shown });
    }

    /// Events of other nodes may have been lost.
    pub(crate) fn gap(&self, at: UnixMicros) {
        self.publish(UserId(0), at, EventBody::Gap);
    }

    /// Watches everybody's events as they happen.
    pub fn watch(&self) -> broadcast::Receiver<Arc<Event>> {
        self.live.subscribe()
    }

    /// The id a watcher resumes from.
    #[must_use]
    pub fn id_of(&self, event: &Event) -> String {
        format!("{:x}-{}", self.run, event.number)
    }

    /// Watches one user's events, from just after `last_id` where one is given.
    #[must_use]
    pub fn subscribe(&self, user_id: UserId, last_id: Option<&str>) -> Subscription {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.subscribe();
        let Some(last_id) = last_id else {
            return Subscription { missed: false, backlog: Vec::new(), live };
        };
        let oldest = recent.events.front().map_or(recent.next_number, |event| event.number);
        let last = self.number_in(last_id).filter(|number| number.saturating_add(1) >= oldest);
        let Some(last) = last else {
            return Subscription { missed: true, backlog: Vec::new(), live };
        };
        let wanted = |event: &&Arc<Event>| event.number > last && event.concerns(user_id);
        Subscription { missed: false, backlog: recent.events.iter().filter(wanted).cloned().collect(), live }
    }

    fn number_in(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (u64::from_str_radix(run, 16).ok()? == self.run).then_some(number.parse().ok()?)
    }
}
