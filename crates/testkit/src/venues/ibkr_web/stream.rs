//! The stream.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Extracted;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::super::exchange::VenueEvent;
use super::super::faults::StreamFault;
use super::{SESSION, Shared, words};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/ws", get(open))
}

async fn open(
    Extracted(shared): Extracted<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let cookie = headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
    let known = cookie.split(';').any(|part| part.trim() == format!("api={SESSION}"));
    upgrade.on_upgrade(move |socket| async move {
        let breaks = shared.breaks.subscribe();
        let mut breaks_seen = breaks.clone();
        breaks_seen.mark_unchanged();
        tokio::select! {
            _ = Talk { shared, socket, trades: false, orders: false, held_back: Vec::new() }.run(known) => {}
            _ = breaks_seen.changed() => {}
        }
    })
}

struct Talk {
    shared: Arc<Shared>,
    socket: WebSocket,
    trades: bool,
    orders: bool,
    held_back: Vec<Value>,
}

impl Talk {
    async fn say(&mut self, message: &Value) -> Option<()> {
        self.socket.send(Message::text(message.to_string())).await.ok()
    }

    async fn run(mut self, mut known: bool) -> Option<()> {
        if !known {
            self.say(&json!({"message": "waiting for session"})).await?;
        }
        while !known {
            let text = self.socket.recv().await?.ok()?;
            let said: Value = serde_json::from_str(text.to_text().ok()?).unwrap_or_default();
            known = said["session"] == json!(SESSION);
        }
        self.say(&json!({"topic": "system", "success": "user", "isFT": false, "isPaper": true})).await?;
        let authenticated = self.shared.state().authenticated;
        self.say(&json!({"topic": "sts", "args": {"authenticated": authenticated, "competing": false, "message": ""}}))
            .await?;
        let shared = Arc::clone(&self.shared);
        let mut events = shared.exchange.listen();
        loop {
            tokio::select! {
                said = self.socket.recv() => self.hear(said?.ok()?.to_text().ok()?.to_owned()).await?,
                event = events.recv() => match event {
                    Ok(event) => self.tell(&event).await?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    async fn hear(&mut self, said: String) -> Option<()> {
        if said.starts_with("str+") {
            self.trades = true;
            let trades = words::trades(&self.shared, false);
            self.say(&json!({"topic": "str", "args": trades})).await?;
        } else if said.starts_with("sor+") && self.shared.state().tells_orders {
            self.orders = true;
            let orders = words::live_orders(&self.shared);
            self.say(&json!({"topic": "sor", "args": orders})).await?;
        } else if said == "tic" {
            self.say(&json!({"topic": "system", "hb": 1_712_156_105_000_i64})).await?;
        }
        Some(())
    }

    async fn tell(&mut self, event: &VenueEvent) -> Option<()> {
        let shared = Arc::clone(&self.shared);
        let listing = shared.listing_of(&event.order.asked.symbol)?;
        let mut messages = Vec::new();
        if let Some(execution) = event.execution.as_ref().filter(|_| self.trades) {
            let row = words::trade(&shared, &event.order, execution, &listing, false);
            messages.push(json!({"topic": "str", "args": [row]}));
        }
        if self.orders {
            let row = words::live_order(&shared, &event.order, &listing);
            messages.push(json!({"topic": "sor", "args": [row]}));
        }
        if shared.is_disturbed(StreamFault::Reordered) {
            self.held_back.append(&mut messages);
            if event.order.status.is_final() {
                messages = std::mem::take(&mut self.held_back);
                messages.reverse();
            }
        }
        let times = if shared.is_disturbed(StreamFault::Duplicated) { 2 } else { 1 };
        for message in &messages {
            for _ in 0..times {
                self.say(message).await?;
            }
        }
        shared.told.send_modify(|told| *told.entry(event.order.id).or_default() += 1);
        Some(())
    }
}
