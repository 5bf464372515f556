//! Telling events: the spot WebSocket API with its requests, and the futures stream with its key in the address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::exchange::VenueEvent;
use super::super::faults::StreamFault;
use super::rest::plain;
use super::{State, locked, now_ms};

pub(super) async fn spot(Shared(state): Shared<Arc<State>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async move {
        let _ = serve(socket, &state, false).await;
    })
}

pub(super) async fn futures(
    Shared(state): Shared<Arc<State>>,
    Path(key): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if locked(&state.listen_key).as_deref() != Some(key.as_str()) {
        return plain(401, "no such listen key");
    }
    upgrade.on_upgrade(|socket| async move {
        let _ = serve(socket, &state, true).await;
    })
}

/// The client is gone.
struct Gone;

/// Counts a stream for as long as it listens.
struct Listening<'a>(&'a State);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.listening.fetch_sub(1, SeqCst);
    }
}

async fn serve(mut socket: WebSocket, state: &State, subscribed: bool) -> Result<(), Gone> {
    let mut breaks = state.breaks.subscribe();
    let mut events = state.exchange.listen();
    let mut algo_events = state.algo_events.subscribe();
    let (mut subscribed, mut logged_on) = (subscribed, false);
    let mut listening = None;
    let mut held_back: BTreeMap<u64, Vec<VenueEvent>> = BTreeMap::new();
    loop {
        if subscribed && listening.is_none() {
            state.listening.fetch_add(1, SeqCst);
            listening = Some(Listening(state));
        }
        tokio::select! {
            _ = breaks.changed() => return Ok(()),
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return Err(Gone) };
                if let Message::Text(text) = message {
                    locked(&state.messages).push((true, text.to_string()));
                    // What happened before the subscription is not told.
                    events = events.resubscribe();
                    let answer = answer(state, &text, &mut logged_on, &mut subscribed);
                    tell(&mut socket, state, &answer).await?;
                }
            }
            Ok(event) = events.recv(), if subscribed => {
                if state.is_disturbed(StreamFault::Reordered) {
                    let order = held_back.entry(event.order.id).or_default();
                    order.push(event.clone());
                    if event.order.status.is_final() {
                        for event in order.drain(..).rev().collect::<Vec<_>>() {
                            tell_event(&mut socket, state, &event).await?;
                        }
                    }
                } else {
                    tell_event(&mut socket, state, &event).await?;
                }
            }
            Ok(event) = algo_events.recv(), if subscribed => tell(&mut socket, state, &event).await?,
        }
    }
}

async fn tell_event(socket: &mut WebSocket, state: &State, event: &VenueEvent) -> Result<(), Gone> {
    let written = state.event(event);
    let times = if state.is_disturbed(StreamFault::Duplicated) { 2 } else { 1 };
    for _ in 0..times {
        tell(socket, state, &written).await?;
    }
    state.told.fetch_add(1, SeqCst);
    Ok(())
}

async fn tell(socket: &mut WebSocket, state: &State, message: &Value) -> Result<(), Gone> {
    let text = message.to_string();
    locked(&state.messages).push((false, text.clone()));
    socket.send(Message::text(text)).await.map_err(|_| Gone)
}

/// The answer to a request of the spot WebSocket API.
fn answer(state: &State, text: &str, logged_on: &mut bool, subscribed: &mut bool) -> Value {
    let request: Value = serde_json::from_str(text).unwrap_or_default();
    let id = request["id"].clone();
    let done = |result: Value| json!({"id": id, "status": 200, "result": result, "rateLimits": []});
    let refused = |(status, code, msg): super::auth::Refusal| json!({"id": id, "status": status, "error": {"code": code, "msg": msg}, "rateLimits": []});
    match request["method"].as_str().unwrap_or_default() {
        "session.logon" => match check(state, &request["params"]) {
            Ok(()) if state.setup.keys.public_key.is_none() => {
                refused((400, -4056, "HMAC_SHA256 API key is not supported."))
            }
            Ok(()) => {
                *logged_on = true;
                done(json!({
                    "apiKey": state.setup.keys.api_key, "authorizedSince": now_ms(), "connectedSince": now_ms(),
                    "returnRateLimits": false, "serverTime": now_ms(), "userDataStream": false,
                }))
            }
            Err(refusal) => refused(refusal),
        },
        "userDataStream.subscribe" if *logged_on => {
            *subscribed = true;
            done(json!({"subscriptionId": 0}))
        }
        "userDataStream.subscribe.signature" => match check(state, &request["params"]) {
            Ok(()) => {
                *subscribed = true;
                done(json!({"subscriptionId": 0}))
            }
            Err(refusal) => refused(refusal),
        },
        _ => refused((400, -1100, "the fake has no such request, or it needs a log-on")),
    }
}

/// Parameters are signed in the order of their names.
fn check(state: &State, params: &Value) -> Result<(), super::auth::Refusal> {
    state.check_key(params["apiKey"].as_str())?;
    let sorted: BTreeMap<_, _> = params.as_object().into_iter().flatten().collect();
    let pairs = sorted.into_iter().filter(|(name, _)| *name != "signature");
    let pair = |(name, value): (&String, &Value)| {
        format!("{name}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let payload = pairs.map(pair).collect::<Vec<_>>().join("&");
    state.check_signature(&payload, params["signature"].as_str().unwrap_or_default())?;
    state.check_time(
        params["timestamp"].as_i64().unwrap_or_default(),
        params["recvWindow"].as_i64().unwrap_or(5_000),
    )
}
