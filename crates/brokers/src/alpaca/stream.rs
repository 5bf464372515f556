//! The `trade_updates` stream: what it says makes us look, and what we see is reported.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{ClientOrderId, ExecutionReport, Qty};
use atomik_ports::broker::BrokerError;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::api::Api;
use super::broker::{missing, whole_report};
use super::replies::{Authorization, Listening, Message, Order, TradeUpdate};
use super::reports::status_of;
use crate::wire::{Frame, Socket};

const UPDATES: &str = "trade_updates";
/// The pauses between two looks for fills that the stream told of and the list does not show yet: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many looks the report goes out as it is: the engine asks from there.
const LOOKS: u32 = 8;
/// The most orders that wait for a look; more end the connection, and are looked up after the next one.
const MAX_WAITING: usize = 1_024;

/// Opens the stream, and returns once it is subscribed.
pub(super) async fn open(api: &Api) -> Result<Socket, BrokerError> {
    // The venue sends nothing while nothing happens.
    let mut socket = Socket::connect(&api.settings().stream, &[], api.policy()).await?.with_pings();
    let patience = api.policy().answer_timeout;
    let talk = async {
        socket.send(api.stream_login().expose_secret().to_owned()).await?;
        if !logged_in(&mut socket).await? {
            return Err(BrokerError::Unauthorized(api.keys().refused(api.environment())));
        }
        socket.send(json!({"action": "listen", "data": {"streams": [UPDATES]}}).to_string()).await?;
        listening(&mut socket).await
    };
    match tokio::time::timeout(patience, talk).await {
        Ok(Ok(())) => Ok(socket),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(BrokerError::Unavailable("the stream did not answer in time".to_owned())),
    }
}

async fn logged_in(socket: &mut Socket) -> Result<bool, BrokerError> {
    loop {
        let frame = socket.next().await?;
        let message = read(&frame).map_err(BrokerError::Unavailable)?;
        if message.stream == "authorization" {
            let data: Authorization = data(&message).map_err(BrokerError::Unavailable)?;
            return Ok(data.status == "authorized");
        }
    }
}

async fn listening(socket: &mut Socket) -> Result<(), BrokerError> {
    loop {
        let frame = socket.next().await?;
        let message = read(&frame).map_err(BrokerError::Unavailable)?;
        if message.stream == "listening" {
            let data: Listening = data(&message).map_err(BrokerError::Unavailable)?;
            if data.streams.iter().any(|stream| stream == UPDATES) {
                return Ok(());
            }
            let problem = "Alpaca did not subscribe the stream of trade updates".to_owned();
            return Err(BrokerError::Unavailable(problem));
        }
    }
}

fn read(frame: &Frame) -> Result<Message<'_>, String> {
    serde_json::from_slice(frame.as_bytes()).map_err(|error| format!("the stream cannot be read: {error}"))
}

fn data<'a, T: serde::Deserialize<'a>>(message: &Message<'a>) -> Result<T, String> {
    let text = message.data.map_or("null", |data| data.get());
    serde_json::from_str(text).map_err(|error| format!("the stream cannot be read: {error}"))
}

/// An order that has to be looked at.
pub(super) struct Waiting {
    order: Order,
    looks: u32,
    due: Instant,
}

/// Reports until the stream ends or nobody listens any more; either ends the connection.
pub(super) async fn follow(mut socket: Socket, api: Arc<Api>, reports: mpsc::Sender<ExecutionReport>) {
    let mut waiting: BTreeMap<ClientOrderId, Waiting> = BTreeMap::new();
    loop {
        let next =
            waiting.iter().min_by_key(|(_, waiting)| waiting.due).map(|(id, waiting)| (*id, waiting.due));
        let due = next.map_or_else(|| Instant::now() + LONGEST_PAUSE, |(_, due)| due);
        tokio::select! {
            biased;
            frame = socket.next() => {
                let heard = frame.map_err(|end| end.to_string()).and_then(|frame| hear(&frame, &mut waiting));
                if let Err(end) = heard {
                    tracing::info!(end, "the connection to Alpaca ends");
                    return;
                }
            }
            () = tokio::time::sleep_until(due), if next.is_some() => {
                let Some((id, _)) = next else { continue };
                let Some(report) = look(&api, id, &mut waiting).await else { continue };
                if reports.send(report).await.is_err() {
                    return;
                }
            }
            () = reports.closed() => return,
        }
    }
}

/// Notes what a message makes us look at.
pub(super) fn hear(frame: &Frame, waiting: &mut BTreeMap<ClientOrderId, Waiting>) -> Result<(), String> {
    let message = read(frame)?;
    if message.stream != UPDATES {
        return Ok(());
    }
    let update: TradeUpdate = data(&message)?;
    if matches!(update.event.as_str(), "trade_bust" | "trade_correct") {
        tracing::warn!(
            event = update.event,
            "Alpaca changed a trade afterwards; the books may differ from now on"
        );
    }
    // Orders of other programs, or made by hand, have other names.
    let Ok(id) = update.order.client_order_id.parse::<ClientOrderId>() else { return Ok(()) };
    let (looks, due) = (0, Instant::now());
    let is_full = waiting.len() >= MAX_WAITING;
    match waiting.get_mut(&id) {
        Some(known) => {
            if is_newer(&known.order, &update.order) {
                known.order = update.order;
            }
            (known.looks, known.due) = (looks, due);
        }
        None if is_full => return Err("too many orders wait to be looked at".to_owned()),
        None => {
            waiting.insert(id, Waiting { order: update.order, looks, due });
        }
    }
    Ok(())
}

/// Whether an update tells more than one that waits: updates may come in any order.
fn is_newer(known: &Order, update: &Order) -> bool {
    (status_of(update).is_final(), update.filled()) >= (status_of(known).is_final(), known.filled())
}

/// Looks at an order that waits. `None` where its fills are not listed yet: it waits on.
async fn look(
    api: &Api,
    id: ClientOrderId,
    waiting: &mut BTreeMap<ClientOrderId, Waiting>,
) -> Option<ExecutionReport> {
    let known = waiting.get_mut(&id)?;
    known.looks += 1;
    let is_last = known.looks >= LOOKS;
    let report = whole_report(api, id, &known.order).await;
    match report {
        Ok(report) if is_last || missing(&report) == Qty::ZERO => {
            waiting.remove(&id);
            Some(report)
        }
        Err(error) if is_last => {
            tracing::warn!(%error, "fills at Alpaca cannot be read");
            waiting.remove(&id).map(|known| super::reports::report_of(id, &known.order, Vec::new()))
        }
        Ok(_) | Err(_) => {
            known.due = Instant::now() + (FIRST_PAUSE * 2_u32.pow(known.looks)).min(LONGEST_PAUSE);
            None
        }
    }
}
