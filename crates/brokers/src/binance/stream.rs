//! The account's own events, for as long as a connection lives. A task of a stream ends where it can no longer vouch that every
//! report arrives, and drops the sender with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{ClientOrderId, ExecutionReport, Symbol};
use atomik_ports::broker::{BrokerError, LookUp};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::client::Client;
use super::look_up::look_up;
use super::refusal::{Failure, Refusal, WRONG_TIME};
use super::replies::{AlgoUpdate, FuturesEvent, ListenKey, SpotEvent, SpotMessage};
use super::reports::{of_algo_update, of_futures_event, of_spot_event};
use crate::wire::{Endpoint, Socket, StreamEnd, WirePolicy};

/// The venue closes a connection after 24 hours; it is closed here before, at a time of our choice.
const LIFE: Duration = Duration::from_secs(23 * 60 * 60 + 30 * 60);
/// A listen key lives for an hour.
const KEEP_ALIVE: Duration = Duration::from_secs(30 * 60);
/// How soon a listen key that could not be prolonged is tried again.
const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(60);
/// Futures ping every three minutes only, so silence means something later than on spot.
const FUTURES_PATIENCE: u32 = 4;
/// How many orders that conditional ones became are remembered.
const REMEMBERED: usize = 10_000;

/// The spot stream: subscribed before this returns.
pub(super) async fn open_spot(
    client: &Client,
    stream: &Endpoint,
    policy: &WirePolicy,
) -> Result<Socket, BrokerError> {
    let mut socket = Socket::connect(&stream.join("/ws-api/v3")?, &[], policy).await?;
    if client.key()?.logs_on() {
        request(&mut socket, policy, "logon", "session.logon", signed(client)?).await?;
        request(&mut socket, policy, "subscribe", "userDataStream.subscribe", json!({})).await?;
    } else {
        let method = "userDataStream.subscribe.signature";
        request(&mut socket, policy, "subscribe", method, signed(client)?).await?;
    }
    Ok(socket)
}

/// The parameters of a signed request of the WebSocket API: signed in the order of their names.
fn signed(client: &Client) -> Result<Value, BrokerError> {
    let (key, timestamp) = (client.key()?, client.venue_now());
    let api_key = key.api_key();
    // The window is the venue's own, which is ours as well.
    let signature = key.sign(&format!("apiKey={api_key}&timestamp={timestamp}"))?;
    Ok(json!({"apiKey": api_key, "timestamp": timestamp, "signature": signature}))
}

async fn request(
    socket: &mut Socket,
    policy: &WirePolicy,
    id: &str,
    method: &str,
    params: Value,
) -> Result<(), BrokerError> {
    let message = json!({"id": id, "method": method, "params": params});
    socket.send(message.to_string()).await?;
    let answered = async {
        loop {
            let frame = socket.next().await?;
            let message: SpotMessage = serde_json::from_slice(frame.as_bytes())
                .map_err(|_| StreamEnd("its answer cannot be read".to_owned()))?;
            if message.id.as_deref() == Some(id) || message.status.is_some() {
                return Ok::<_, StreamEnd>(message);
            }
        }
    };
    let late = |_| BrokerError::Unavailable(format!("the stream did not answer {method} in time"));
    let answer = timeout(policy.answer_timeout, answered).await.map_err(late)??;
    match (answer.status, answer.error) {
        (Some(200), _) => Ok(()),
        (Some(418 | 429), _) => {
            Err(BrokerError::Unavailable("Binance asks for a pause before the stream opens".to_owned()))
        }
        (_, Some(refusal)) => Err(refused(refusal)),
        (status, None) => {
            let status = status.unwrap_or_default();
            Err(BrokerError::Unavailable(format!("the stream answered {method} with {status}")))
        }
    }
}

fn refused(refusal: Refusal) -> BrokerError {
    if refusal.code == WRONG_TIME {
        tracing::info!("the stream refused the request's time");
    }
    Failure::Refused(refusal).error()
}

/// The futures stream: events flow from the moment it is open.
pub(super) async fn open_futures(
    client: &Client,
    stream: &Endpoint,
    policy: &WirePolicy,
) -> Result<Socket, BrokerError> {
    let key = client.ask_with_key::<ListenKey>(Method::POST, "/fapi/v1/listenKey").await;
    let key = key.map_err(Failure::error)?.listen_key;
    let patient = WirePolicy { silence_timeout: policy.silence_timeout * FUTURES_PATIENCE, ..*policy };
    let url = stream.join(&format!("/private/ws/{}", key.expose_secret()))?;
    Socket::connect(&url, &[], &patient).await
}

/// Follows the spot stream until it ends.
pub(super) async fn follow_spot(mut socket: Socket, reports: mpsc::Sender<ExecutionReport>) {
    let end = Instant::now() + LIFE;
    let why = loop {
        let heard = tokio::select! {
            heard = socket.next() => heard,
            () = sleep_until(end) => break "a day is over".to_owned(),
            () = reports.closed() => return,
        };
        let frame = match heard {
            Ok(frame) => frame,
            Err(StreamEnd(why)) => break why,
        };
        let Ok(message) = serde_json::from_slice::<SpotMessage>(frame.as_bytes()) else {
            break "a message cannot be read".to_owned();
        };
        match message.event {
            Some(SpotEvent::Execution(event)) => {
                if let Some(report) = of_spot_event(&event)
                    && reports.send(report).await.is_err()
                {
                    return;
                }
            }
            Some(SpotEvent::Terminated) => break "the subscription was ended".to_owned(),
            Some(SpotEvent::Shutdown) => break "the server is being shut down".to_owned(),
            Some(SpotEvent::Other) | None => {}
        }
    };
    tracing::info!(why, "the spot stream ended");
}

/// Follows the futures stream until it ends, and keeps its key alive.
pub(super) async fn follow_futures(
    mut socket: Socket,
    client: Arc<Client>,
    reports: mpsc::Sender<ExecutionReport>,
) {
    let alive = {
        let client = Arc::clone(&client);
        async move { keep_alive(&client).await }
    };
    tokio::pin!(alive);
    let end = Instant::now() + LIFE;
    let mut triggered = Triggered::default();
    let why = loop {
        let heard = tokio::select! {
            heard = socket.next() => heard,
            why = &mut alive => break why,
            () = sleep_until(end) => break "a day is over".to_owned(),
            () = reports.closed() => return,
        };
        let frame = match heard {
            Ok(frame) => frame,
            Err(StreamEnd(why)) => break why,
        };
        let Ok(event) = serde_json::from_slice::<FuturesEvent>(frame.as_bytes()) else {
            break "a message cannot be read".to_owned();
        };
        let report = match event {
            FuturesEvent::Expired => break "its key expired".to_owned(),
            FuturesEvent::Other => None,
            FuturesEvent::Order { order } => {
                let id = order.client_order_id.parse().ok().or_else(|| triggered.find(order.order_id));
                id.map(|id| of_futures_event(id, &order))
            }
            FuturesEvent::Algo { order } => match algo_event(&client, &mut triggered, &order).await {
                Ok(report) => report,
                Err(why) => break why,
            },
        };
        if let Some(report) = report
            && reports.send(report).await.is_err()
        {
            return;
        }
    };
    tracing::info!(why, "the futures stream ended");
}

/// A conditional order's event. Once it has become an order, that is looked up: its fills may have come before, under a name
/// that was not known to be ours.
async fn algo_event(
    client: &Client,
    triggered: &mut Triggered,
    update: &AlgoUpdate,
) -> Result<Option<ExecutionReport>, String> {
    let (Ok(id), Ok(symbol)) =
        (update.client_algo_id.parse::<ClientOrderId>(), Symbol::parse(&update.symbol))
    else {
        return Ok(None);
    };
    if update.actual_order_id.is_empty() {
        return Ok(of_algo_update(update));
    }
    if let Ok(order_id) = update.actual_order_id.parse() {
        triggered.note(order_id, id);
    }
    match look_up(client, &symbol, id).await {
        LookUp::Found(report) => Ok(Some(report)),
        // It is there, and cannot be told: a new connection looks up what is open.
        LookUp::NotFound => Err("a triggered order does not show".to_owned()),
        LookUp::Unavailable { evidence } => Err(evidence),
    }
}

/// The orders that conditional ones became.
#[derive(Default)]
struct Triggered(VecDeque<(u64, ClientOrderId)>);

impl Triggered {
    fn note(&mut self, order_id: u64, id: ClientOrderId) {
        if self.find(order_id).is_none() {
            self.0.push_back((order_id, id));
        }
        if self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
    }

    fn find(&self, order_id: u64) -> Option<ClientOrderId> {
        self.0.iter().rev().find(|(known, _)| *known == order_id).map(|(_, id)| *id)
    }
}

/// Prolongs the listen key; gives a reason once that is impossible.
async fn keep_alive(client: &Client) -> String {
    let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let prolong = || client.ask_with_key::<Value>(Method::PUT, "/fapi/v1/listenKey");
        if let Err(first) = prolong().await {
            tracing::info!(why = first.evidence(), "the stream's key was not prolonged; trying again");
            tokio::time::sleep(KEEP_ALIVE_AGAIN).await;
            if let Err(failure) = prolong().await {
                return failure.evidence();
            }
        }
    }
}
