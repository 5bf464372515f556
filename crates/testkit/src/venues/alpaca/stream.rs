//! `/stream`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::{Shared, lock, words};
use crate::venues::exchange::VenueEvent;
use crate::venues::faults::StreamFault;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().route("/stream", any(upgrade)).with_state(shared)
}

async fn upgrade(State(shared): State<Arc<Shared>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| serve(socket, shared))
}

/// One client's stream.
struct Client {
    socket: WebSocket,
    shared: Arc<Shared>,
    is_known: bool,
    is_listening: bool,
    /// Events of an order that are to come in reverse, once it is over.
    held_back: BTreeMap<u64, Vec<VenueEvent>>,
}

async fn serve(socket: WebSocket, shared: Arc<Shared>) {
    let mut breaks = shared.breaks.subscribe();
    let mut events = shared.exchange.listen();
    let mut client = Client {
        socket,
        shared: Arc::clone(&shared),
        is_known: false,
        is_listening: false,
        held_back: BTreeMap::new(),
    };
    loop {
        let goes_on = tokio::select! {
            biased;
            _ = breaks.changed() => false,
            received = client.socket.recv() => match received {
                Some(Ok(message)) => client.hear(&message).await,
                _ => false,
            },
            event = events.recv() => match event {
                Ok(event) => client.tell(event).await,
                Err(broadcast::error::RecvError::Lagged(_)) => false,
                Err(broadcast::error::RecvError::Closed) => false,
            },
        };
        if !goes_on {
            break;
        }
    }
    if client.is_listening {
        shared.subscribed.send_modify(|count| *count -= 1);
    }
}

impl Client {
    async fn say(&mut self, message: &Value) -> bool {
        let text = message.to_string();
        let is_binary = self.shared.binary.load(Ordering::SeqCst);
        let frame = if is_binary { Message::Binary(text.into()) } else { Message::Text(text.into()) };
        self.socket.send(frame).await.is_ok()
    }

    /// Does what the client wants; whether the stream goes on.
    async fn hear(&mut self, message: &Message) -> bool {
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return false,
            Message::Ping(_) | Message::Pong(_) => return true,
        };
        let Ok(wanted) = serde_json::from_slice::<Value>(bytes) else { return false };
        match wanted["action"].as_str() {
            // The form of the present documents, and that of older ones and of the venue's own clients.
            Some("auth") => self.log_in(&wanted["key"], &wanted["secret"]).await,
            Some("authenticate") => {
                self.log_in(&wanted["data"]["key_id"], &wanted["data"]["secret_key"]).await
            }
            Some("listen") if self.is_known => {
                let asked = wanted["data"]["streams"].as_array().cloned().unwrap_or_default();
                let listens = asked.iter().any(|stream| stream == "trade_updates");
                let streams = if listens { vec!["trade_updates"] } else { Vec::new() };
                let said = self.say(&json!({"stream": "listening", "data": {"streams": streams}})).await;
                if listens && !self.is_listening {
                    self.is_listening = true;
                    self.shared.subscribed.send_modify(|count| *count += 1);
                }
                said
            }
            _ => {
                let data = json!({"status": "unauthorized", "action": "listen"});
                self.say(&json!({"stream": "authorization", "data": data})).await;
                false
            }
        }
    }

    async fn log_in(&mut self, key: &Value, secret: &Value) -> bool {
        self.is_known = {
            let keys = lock(&self.shared.keys);
            *key == keys.0 && *secret == keys.1
        };
        let status = if self.is_known { "authorized" } else { "unauthorized" };
        let data = json!({"status": status, "action": "authenticate"});
        self.say(&json!({"stream": "authorization", "data": data})).await && self.is_known
    }

    async fn tell(&mut self, event: VenueEvent) -> bool {
        if !self.is_listening {
            return true;
        }
        if !self.shared.is_disturbed(StreamFault::Reordered) {
            return self.tell_one(&event).await;
        }
        let (id, is_over) = (event.order.id, event.order.status.is_final());
        self.held_back.entry(id).or_default().push(event);
        if is_over {
            for event in self.held_back.remove(&id).unwrap_or_default().iter().rev() {
                if !self.tell_one(event).await {
                    return false;
                }
            }
        }
        true
    }

    async fn tell_one(&mut self, event: &VenueEvent) -> bool {
        let update = words::update(&self.shared, &event.order, event.execution.as_ref());
        let times = if self.shared.is_disturbed(StreamFault::Duplicated) { 2 } else { 1 };
        for _ in 0..times {
            if !self.say(&update).await {
                return false;
            }
        }
        self.shared.told.send_modify(|told| *told.entry(event.order.id).or_default() += 1);
        true
    }
}
