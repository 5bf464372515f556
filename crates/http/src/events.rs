//! Server-sent events: what happens to a user's things, as it happens, resumable.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::{Code, UserId};
use atomik_engine::{AccountState, Event, EventBody, RelayedEvent, Watching};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::fills::FillView;
use crate::api::orders::OrderView;
use crate::api::positions::PositionView;
use crate::auth::{CurrentUser, still_signed_in};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::extract::ApiQuery;

/// How many streams a user may have open.
const MAX_STREAMS: usize = 20;
/// How often a silent stream says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often an open stream looks whether its user is still signed in.
const CHECK_SIGN_IN: Duration = Duration::from_secs(30);

/// The routes under `/api/v1/events`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(watch_events))
}

/// Where to resume, for clients that cannot set headers.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ResumeQuery {
    /// The id of the last event that was seen; the header `Last-Event-ID` goes before it.
    last_event_id: Option<String>,
}

/// What happens to your things, as it happens
///
/// Server-sent events named `delivery`, `signal`, `order`, `fill`, `position` and `account`; `data` is JSON, in the
/// shapes of the lists of the same names. Resumable by `Last-Event-ID`. An event `missed` says that some were lost and
/// everything must be loaded again. The stream ends when the program stops or you are signed out.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    params(
        ResumeQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen."),
    ),
    responses(
        (status = OK, description = "The stream.", body = String, content_type = "text/event-stream"),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "20 streams are open already (`too_many_attempts`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`), or the program is stopping (`overloaded`).", body = ErrorBody),
    )
)]
async fn watch_events(
    current: CurrentUser,
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiQuery(query): ApiQuery<ResumeQuery>,
) -> ApiResult<impl IntoResponse> {
    let stopping = state.stopping();
    if *stopping.borrow() {
        return Err(ApiError::overloaded());
    }
    let slot = state.streams.take(current.user.id).ok_or_else(too_many_streams)?;
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last_id = header.or(query.last_event_id.as_deref());
    let subscription = state.engine.events().subscribe(current.user.id, last_id);
    let watching = state.engine.watch_everywhere().await;
    let mut check = tokio::time::interval(CHECK_SIGN_IN);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    check.reset();
    let watcher = Watcher {
        state,
        current,
        // Others told nothing while nobody watched here.
        missed: subscription.missed || (last_id.is_some() && watching.is_first),
        backlog: subscription.backlog.into(),
        live: subscription.live,
        stopping,
        check,
        _slot: slot,
        _watching: watching,
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.map(|event| (Ok::<_, Infallible>(event), watcher))
    });
    // Buffering proxies would hold events back.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok(([unbuffered], Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))))
}

fn too_many_streams() -> ApiError {
    let detail = format!("{MAX_STREAMS} event streams are open already; close one first");
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyAttempts, detail)
}

/// One open stream.
struct Watcher {
    state: AppState,
    current: CurrentUser,
    missed: bool,
    backlog: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
    stopping: watch::Receiver<bool>,
    check: Interval,
    _slot: StreamSlot,
    _watching: Watching,
}

impl Watcher {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if std::mem::take(&mut self.missed) {
                return Some(sse::Event::default().event("missed").data("{}"));
            }
            if let Some(event) = self.backlog.pop_front() {
                return Some(self.render(&event));
            }
            let received = tokio::select! {
                biased;
                () = stopped(&mut self.stopping) => return None,
                _ = self.check.tick() => None,
                received = self.live.recv() => Some(received),
            };
            match received {
                Some(Ok(event)) if event.concerns(self.current.user.id) => return Some(self.render(&event)),
                Some(Ok(_)) => {}
                Some(Err(broadcast::error::RecvError::Lagged(_))) => self.missed = true,
                Some(Err(broadcast::error::RecvError::Closed)) => return None,
                // A store that cannot answer now is no reason to send people away.
                None => {
                    if matches!(still_signed_in(&self.state, &self.current).await, Ok(false)) {
                        return None;
                    }
                }
            }
        }
    }

    fn render(&self, event: &Event) -> sse::Event {
        match shown(&self.state, event) {
            Some((name, data)) => {
                sse::Event::default().event(name).id(self.state.engine.events().id_of(event)).data(data)
            }
            None => sse::Event::default().event("missed").data("{}"),
        }
    }
}

/// Returns when the streams are to end, or nobody is left who could say so.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// An event's `data`.
#[derive(Serialize)]
#[serde(untagged)]
enum Payload {
    Delivery { webhook_id: i64, status: u16, code: Code, signal_id: Option<i64>, received_at: String },
    Signal { id: i64, webhook_id: i64 },
    Order(Box<OrderView>),
    Fill(Box<FillView>),
    Position(Box<PositionView>),
    Account { broker_account_id: i64, state: AccountWord, detail: Option<String> },
}

/// An account's state by its word.
struct AccountWord(AccountState);

impl Serialize for AccountWord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// An event's name and `data`; `None` where watchers must load everything again.
fn shown(state: &AppState, event: &Event) -> Option<(String, String)> {
    if let EventBody::Relayed { name, shown } = &event.body {
        return Some((name.clone(), shown.clone()));
    }
    let (name, payload) = view_of(state, event)?;
    match serde_json::to_string(&payload) {
        Ok(data) => Some((name.to_owned(), data)),
        Err(error) => {
            tracing::error!(%error, name, "an event could not be written");
            None
        }
    }
}

/// How many events are told to other nodes at once, at most.
const RELAYED_AT_ONCE: usize = 64;

/// How long it is not looked at what happens, while nobody watches on another node.
const UNWATCHED_PAUSE: Duration = Duration::from_millis(50);

/// Tells what happens on this node to those who watch on others. Ends with the engine's events.
pub async fn relay(state: AppState) {
    let mut live = state.engine.events().watch();
    let mut stopping = state.stopping();
    let mut waiting = Vec::new();
    loop {
        // Before it is asked who watches: what happens after somebody has begun to must be among it.
        let from_now = state.engine.events().watch();
        if !state.engine.is_watched_elsewhere() {
            // Nobody would see what came until now, and waking up for each event costs more than it.
            live = from_now;
            tokio::select! {
                () = stopped(&mut stopping) => return,
                () = tokio::time::sleep(UNWATCHED_PAUSE) => continue,
            }
        }
        let received = tokio::select! {
            () = stopped(&mut stopping) => return,
            received = live.recv() => received,
        };
        match received {
            Ok(event) => waiting.extend(relayed(&state, &event)),
            Err(broadcast::error::RecvError::Lagged(_)) => state.engine.relay_missed().await,
            Err(broadcast::error::RecvError::Closed) => return,
        }
        while waiting.len() < RELAYED_AT_ONCE
            && let Ok(event) = live.try_recv()
        {
            waiting.extend(relayed(&state, &event));
        }
        state.engine.relay(std::mem::take(&mut waiting)).await;
    }
}

/// An event of this node, as it is shown on others.
fn relayed(state: &AppState, event: &Event) -> Option<RelayedEvent> {
    if matches!(event.body, EventBody::Relayed { .. } | EventBody::Gap) {
        return None;
    }
    let (name, shown) = shown(state, event)?;
    Some(RelayedEvent { user_id: event.user_id, at: event.at.0, name, shown })
}

fn view_of(state: &AppState, event: &Event) -> Option<(&'static str, Payload)> {
    let view = match &event.body {
        EventBody::Relayed { .. } | EventBody::Gap => return None,
        EventBody::Delivery { webhook_id, status, code, signal_id } => {
            let signal_id = signal_id.map(|id| id.0);
            let received_at = event.at.to_rfc3339();
            let (webhook_id, status, code) = (webhook_id.0, *status, *code);
            ("delivery", Payload::Delivery { webhook_id, status, code, signal_id, received_at })
        }
        EventBody::Signal { signal_id, webhook_id } => {
            ("signal", Payload::Signal { id: signal_id.0, webhook_id: webhook_id.0 })
        }
        EventBody::Order(order) => ("order", Payload::Order(Box::new(OrderView::from(&**order)))),
        EventBody::Fill(fill) => ("fill", Payload::Fill(Box::new(FillView::from(&**fill)))),
        EventBody::Position(record) => {
            ("position", Payload::Position(Box::new(PositionView::from(&**record))))
        }
        EventBody::Account { broker_account_id } => {
            let status = state.engine.account_status(*broker_account_id);
            let (broker_account_id, state) = (broker_account_id.0, AccountWord(status.state));
            ("account", Payload::Account { broker_account_id, state, detail: status.detail })
        }
    };
    Some(view)
}

/// How many streams each user has open.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamSlots(Arc<Mutex<HashMap<UserId, usize>>>);

/// One open stream's place. Dropped, it is free again.
#[derive(Debug)]
pub(crate) struct StreamSlot {
    slots: StreamSlots,
    user_id: UserId,
}

impl StreamSlots {
    fn take(&self, user_id: UserId) -> Option<StreamSlot> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user_id).or_default();
        if *count >= MAX_STREAMS {
            return None;
        }
        *count += 1;
        Some(StreamSlot { slots: self.clone(), user_id })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.slots.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user_id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_twenty_streams_and_closing_one_makes_room() {
        let slots = StreamSlots::default();
        let mut taken: Vec<_> = (0..20).map(|_| slots.take(UserId(1)).unwrap()).collect();
        assert!(slots.take(UserId(1)).is_none());
        assert!(slots.take(UserId(2)).is_some());
        taken.pop();
        assert!(slots.take(UserId(1)).is_some());
        drop(taken);
        assert!(slots.0.lock().unwrap().is_empty());
    }
}
