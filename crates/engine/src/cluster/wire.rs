//! What nodes say to each other, and what is done when it is heard.

use std::sync::{Arc, Weak};

use atomik_domain::StrategyId;
use atomik_ports::Bus;
use atomik_ports::bus::{Heard, MAX_MESSAGE};
use atomik_ports::cluster::NodeId;
use serde::{Deserialize, Serialize};

use super::Membership;
use crate::engine::Engine;
use crate::events::RelayedEvent;

/// How many strategies one message names at most: with the longest numbers they fit.
const STRATEGIES: usize = 300;

/// What stands around the events of a message, and around each of them, in bytes at most.
const MAX_EVENTS: usize = MAX_MESSAGE - 100;
const EVENT_FRAME: usize = 100;

/// A message from node to node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// Signals wait for these strategies.
    Waiting(Vec<StrategyId>),
    /// The directory has changed.
    Changed,
    /// There are leases to take.
    Leases,
    /// Something happened to users' things.
    Events {
        /// The node where it happened.
        node: i64,
        /// What.
        events: Vec<RelayedEvent>,
    },
    /// More happened than can be told, or was.
    Missed {
        /// The node where it happened.
        node: i64,
        /// The node that is told so; all, where none is named.
        #[serde(default)]
        to: Option<i64>,
    },
    /// Somebody watches what happens.
    Watching {
        /// The node where they do.
        node: i64,
    },
}

impl Message {
    /// Tells all nodes over the bus that carries more, where there is one and it can be reached.
    pub async fn publish_fast(&self, membership: &Membership) {
        if let Some(fast) = &membership.fast_bus
            && let Ok(text) = serde_json::to_string(self)
            && fast.publish(&text).await.is_ok()
        {
            return;
        }
        self.publish(&*membership.bus).await;
    }

    /// Tells all nodes, and says whether that went well. What cannot be told is found by them a little later.
    pub async fn publish(&self, bus: &dyn Bus) -> bool {
        let sent = match serde_json::to_string(self) {
            Ok(text) => bus.publish(&text).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = &sent {
            tracing::warn!(reason, "other nodes could not be told");
        }
        sent.is_ok()
    }
}

/// Tells all nodes for which strategies signals wait.
pub(crate) async fn tell_waiting(bus: &dyn Bus, strategies: &[StrategyId]) {
    for some in strategies.chunks(STRATEGIES) {
        Message::Waiting(some.to_vec()).publish(bus).await;
    }
}

/// Tells all nodes what happened on this one, in as few messages as hold it.
pub(crate) async fn tell_events(membership: &Membership, events: Vec<RelayedEvent>) {
    let node = membership.cluster.node().0;
    let (mut some, mut bytes) = (Vec::new(), 0);
    for event in events {
        // As it is written inside of JSON, every quote in it twice as long; and what stands around it.
        let quotes = event.shown.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        let length = event.shown.len() + quotes + event.name.len() + EVENT_FRAME;
        if length > MAX_EVENTS {
            Message::Missed { node, to: None }.publish_fast(membership).await;
            continue;
        }
        if bytes + length > MAX_EVENTS {
            Message::Events { node, events: std::mem::take(&mut some) }.publish_fast(membership).await;
            bytes = 0;
        }
        bytes += length;
        some.push(event);
    }
    if !some.is_empty() {
        Message::Events { node, events: some }.publish_fast(membership).await;
    }
}

/// Tells a node, or all, that something happened on this one that it was not told of. Says whether that went well.
pub(crate) async fn tell_missed(membership: &Membership, to: Option<i64>) -> bool {
    Message::Missed { node: membership.cluster.node().0, to }.publish(&*membership.bus).await
}

/// Tells all nodes that somebody watches on this one.
pub(crate) async fn tell_watching(membership: &Membership) {
    Message::Watching { node: membership.cluster.node().0 }.publish(&*membership.bus).await;
}

/// Takes in what is said, until the engine is gone or stops.
pub(crate) async fn listen(engine: Weak<Engine>, bus: Arc<dyn Bus>) {
    let mut heard = bus.listen();
    drop(bus);
    while let Some(heard) = heard.recv().await {
        let Some(engine) = engine.upgrade() else { return };
        if *engine.work().stop.borrow() {
            return;
        }
        match heard {
            Heard::Gap => {
                engine.events().gap(engine.now());
                take_in(&engine, Message::Changed).await;
            }
            Heard::Message(text) => match serde_json::from_str(&text) {
                Ok(message) => take_in(&engine, message).await,
                // A later version may say what this one does not know.
                Err(error) => tracing::debug!(%error, "a message of another node was not understood"),
            },
        }
    }
}

async fn take_in(engine: &Arc<Engine>, message: Message) {
    let Some(membership) = &engine.work().cluster else { return };
    let own = membership.cluster.node().0;
    match message {
        Message::Waiting(strategies) => {
            let is_ours = |id: &StrategyId| engine.work().works_on(*id);
            membership.courier.tell(strategies.into_iter().filter(is_ours));
        }
        Message::Changed => {
            if let Err(error) = engine.follow().await {
                tracing::warn!(%error, "changes in the directory could not be read");
            }
        }
        Message::Leases => membership.hurry(),
        Message::Events { node, events } if node != own => {
            events.into_iter().for_each(|event| engine.events().relay(event));
        }
        Message::Missed { node, to } if node != own && to.is_none_or(|to| to == own) => {
            engine.events().gap(engine.now());
        }
        Message::Watching { node } if node != own => {
            let is_news = membership.watched.note(NodeId(node), engine.work().ticks.now());
            if is_news && !tell_missed(membership, Some(node)).await {
                membership.watched.forget(NodeId(node));
            }
        }
        Message::Events { .. } | Message::Missed { .. } | Message::Watching { .. } => {}
    }
}
