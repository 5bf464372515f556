//! The user's stream.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::super::exchange::VenueEvent;
use super::super::faults::StreamFault;
use super::{ACCOUNT, SECOND_ACCOUNT, Venue};

/// How often the server shows that it lives, and how long it waits for the client to.
const BEAT: Duration = Duration::from_millis(2_500);
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn upgrade(State(venue): State<Arc<Venue>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| async move {
        let _ = Connection::new(socket, venue).run().await;
    })
}

/// The client is gone, or is sent away.
struct Over;

struct Connection {
    socket: WebSocket,
    venue: Arc<Venue>,
    is_authorized: bool,
    entity_types: Vec<String>,
    account: i64,
    /// What is held back to be sent in reverse.
    held_back: Vec<Value>,
}

impl Connection {
    fn new(socket: WebSocket, venue: Arc<Venue>) -> Self {
        let (entity_types, held_back) = (Vec::new(), Vec::new());
        Self { socket, venue, is_authorized: false, entity_types, account: 0, held_back }
    }

    async fn run(mut self) -> Result<(), Over> {
        let mut epoch = self.venue.epoch.subscribe();
        epoch.mark_unchanged();
        self.send("o".to_owned()).await?;
        let mut events: Option<broadcast::Receiver<VenueEvent>> = None;
        let mut beat = tokio::time::interval(BEAT);
        let mut heard = tokio::time::Instant::now();
        loop {
            let event = async {
                match &mut events {
                    Some(events) => events.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = epoch.changed() => {
                    let reason = self.venue.state().shutdown.clone();
                    if let Some(reason) = reason {
                        self.message(&json!({"e": "shutdown", "d": {"reasonCode": reason}})).await?;
                        // The client leaves by itself.
                        tokio::time::sleep(PATIENCE).await;
                    }
                    return Ok(());
                }
                _ = beat.tick() => {
                    if heard.elapsed() > PATIENCE && !self.venue.state().is_patient {
                        return Ok(());
                    }
                    self.send("h".to_owned()).await?;
                }
                event = event => match event {
                    Ok(event) => self.tell(&event).await?,
                    Err(_) => return Ok(()),
                },
                message = self.socket.recv() => {
                    heard = tokio::time::Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) if text.as_str() == "[]" => self.venue.state().beats += 1,
                        Some(Ok(Message::Text(text))) => {
                            // Whoever subscribes before asking misses nothing.
                            let listening = self.venue.exchange.listen();
                            if self.answer(text.as_str()).await? {
                                events = Some(listening);
                            }
                        }
                        Some(Ok(_)) => {}
                        _ => return Ok(()),
                    }
                }
            }
        }
    }

    /// Answers a request; whether the client is now subscribed.
    async fn answer(&mut self, text: &str) -> Result<bool, Over> {
        let lines: Vec<_> = text.splitn(4, '\n').collect();
        let [endpoint, id, _query, body] = lines[..] else { return Err(Over) };
        let id: u64 = id.parse().map_err(|_| Over)?;
        match endpoint {
            "authorize" if self.venue.is_good(body) => {
                self.is_authorized = true;
                self.message(&json!({"s": 200, "i": id})).await?;
            }
            "authorize" => self.message(&json!({"s": 401, "i": id, "d": "Invalid access token"})).await?,
            "user/syncrequest" if self.is_authorized => {
                let wanted: Value = serde_json::from_str(body).map_err(|_| Over)?;
                let texts = wanted["entityTypes"].as_array().cloned().unwrap_or_default();
                self.entity_types = texts.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
                let account = wanted["accounts"][0].as_i64().unwrap_or_default();
                if wanted["splitResponses"] != false || ![ACCOUNT, SECOND_ACCOUNT].contains(&account) {
                    self.message(&json!({"s": 400, "i": id, "d": "Bad request"})).await?;
                    return Ok(false);
                }
                self.account = account;
                let mut snapshot = self.venue.snapshot(&self.entity_types);
                if account != ACCOUNT {
                    snapshot = json!({"users": [], "contractGroups": []});
                }
                self.message(&json!({"s": 200, "i": id, "d": snapshot})).await?;
                return Ok(true);
            }
            _ => self.message(&json!({"s": 404, "i": id, "d": "Not found"})).await?,
        }
        Ok(false)
    }

    async fn tell(&mut self, event: &VenueEvent) -> Result<(), Over> {
        if self.account != ACCOUNT {
            return Ok(());
        }
        let told = self.venue.told(event);
        let wanted = told.into_iter().filter(|(kind, _, _)| self.entity_types.iter().any(|one| one == kind));
        let messages = wanted.map(|(kind, how, entity)| {
            json!({"e": "props", "d": {"entityType": kind, "eventType": how, "entity": entity}})
        });
        if self.venue.is_disturbed(StreamFault::Reordered) {
            self.held_back.extend(messages);
            if event.order.status.is_final() {
                for message in std::mem::take(&mut self.held_back).into_iter().rev() {
                    self.message(&message).await?;
                }
            }
            return Ok(());
        }
        let twice = self.venue.is_disturbed(StreamFault::Duplicated);
        for message in messages.collect::<Vec<_>>() {
            self.message(&message).await?;
            if twice {
                self.message(&message).await?;
            }
        }
        Ok(())
    }

    async fn message(&mut self, message: &Value) -> Result<(), Over> {
        self.send(format!("a[{message}]")).await
    }

    async fn send(&mut self, text: String) -> Result<(), Over> {
        self.socket.send(Message::text(text)).await.map_err(|_| Over)
    }
}
