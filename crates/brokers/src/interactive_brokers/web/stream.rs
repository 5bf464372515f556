//! Hearing of trades and orders.

use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{ClientOrderId, ExecutionReport};
use atomik_ports::broker::BrokerError;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::gateway::{Gateway, StreamPlace};
use super::look_up::Ledger;
use super::orders::Standing;
use super::replies::{OrderRow, StreamMessage, StreamStatus, Trade};
use crate::wire::{Frame, Socket};

/// How often the stream is told that we are there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);
/// How many orders may be watched at once; an order beyond them is looked up by the engine in its own time.
const MAX_WATCHED: usize = 64;

/// An open stream, subscribed.
pub(super) struct Stream {
    socket: Socket,
    heard: Instant,
}

/// What a message comes to.
pub(super) enum Heard {
    Trades(Vec<Trade>),
    Orders(Vec<OrderRow>),
    WaitsForSession,
    Other,
}

impl Stream {
    /// Opens the stream and returns once trades are told. The broker answers the subscription of trades at once, with
    /// those of the last days: they are noted, for the engine asks for what it has open by itself. Of the subscription of
    /// orders it says nothing, and on some gateways never does.
    pub async fn open(gateway: &Gateway, session: &str, ledger: &Ledger) -> Result<Self, BrokerError> {
        let StreamPlace { url, headers, any_certificate } = gateway.stream(session)?;
        let socket = if any_certificate {
            Socket::connect_loopback(&url, &headers, gateway.policy()).await?
        } else {
            Socket::connect(&url, &headers, gateway.policy()).await?
        };
        let mut stream = Self { socket, heard: Instant::now() };
        let subscribed = stream.subscribe(session, ledger);
        let patience = gateway.policy().connect_timeout + gateway.policy().answer_timeout;
        match tokio::time::timeout(patience, subscribed).await {
            Ok(done) => done.map(|()| stream),
            Err(_) => Err(BrokerError::Unavailable("the stream of trades did not begin in time".to_owned())),
        }
    }

    async fn subscribe(&mut self, session: &str, ledger: &Ledger) -> Result<(), BrokerError> {
        self.socket.send("sor+{}".to_owned()).await?;
        self.socket.send("str+{}".to_owned()).await?;
        loop {
            match self.next().await? {
                Heard::Trades(trades) => {
                    for trade in &trades {
                        ledger.note(trade);
                    }
                    return Ok(());
                }
                Heard::WaitsForSession => {
                    self.socket.send(json!({"session": session}).to_string()).await?;
                    self.socket.send("sor+{}".to_owned()).await?;
                    self.socket.send("str+{}".to_owned()).await?;
                }
                Heard::Orders(rows) => note_rows(ledger, &rows),
                Heard::Other => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Heard, BrokerError> {
        let frame = self.socket.next().await?;
        self.heard = Instant::now();
        read(&frame).map_err(BrokerError::Unavailable)
    }

    /// Tells what is heard until the stream ends; the reason.
    pub async fn run(
        mut self,
        ledger: Arc<Ledger>,
        silence_timeout: Duration,
        reports: mpsc::Sender<ExecutionReport>,
        mut watched: mpsc::Receiver<ClientOrderId>,
        watch: mpsc::Sender<ClientOrderId>,
    ) -> String {
        let mut alive = tokio::time::interval(SIGN_OF_LIFE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ends = FuturesUnordered::new();
        loop {
            let told = tokio::select! {
                heard = self.next() => match heard {
                    Ok(Heard::Trades(trades)) => fills(&ledger, &trades),
                    Ok(Heard::Orders(rows)) => standings(&ledger, &rows, &watch),
                    Ok(Heard::WaitsForSession) => return "the stream lost its session".to_owned(),
                    Ok(Heard::Other) => Vec::new(),
                    Err(error) => return error.to_string(),
                },
                _ = alive.tick() => {
                    // The socket's own patience begins anew with every wait.
                    if self.heard.elapsed() > silence_timeout {
                        return format!("nothing was heard for {} s", silence_timeout.as_secs());
                    }
                    if let Err(end) = self.socket.send("tic".to_owned()).await {
                        return end.to_string();
                    }
                    Vec::new()
                },
                Some(id) = watched.recv(), if ends.len() < MAX_WATCHED => {
                    let ledger = Arc::clone(&ledger);
                    ends.push(async move { ledger.watch(id).await });
                    Vec::new()
                },
                Some(end) = ends.next(), if !ends.is_empty() => end.into_iter().collect(),
            };
            for report in told {
                if reports.send(report).await.is_err() {
                    return "nobody listens any more".to_owned();
                }
            }
        }
    }
}

/// Reports of executions, an order at a time.
fn fills(ledger: &Ledger, trades: &[Trade]) -> Vec<ExecutionReport> {
    let mut ids: Vec<_> = trades.iter().filter_map(|trade| ledger.note(trade)).collect();
    ids.dedup();
    ids.into_iter()
        .filter_map(|id| ledger.book(|book| book.get(id).map(|known| known.report_of_fills(id))))
        .collect()
}

/// Reports of where orders stand. Where executions are still missing, the order is watched until they come.
fn standings(
    ledger: &Ledger,
    rows: &[OrderRow],
    watch: &mpsc::Sender<ClientOrderId>,
) -> Vec<ExecutionReport> {
    let mut told = Vec::new();
    for row in rows {
        let Some(id) = ledger.book(|book| book.row(row)) else { continue };
        let Some(standing) = Standing::of_row(row) else { continue };
        match ledger.book(|book| book.get(id).and_then(|known| known.settle(id, &standing))) {
            Some(report) => told.push(report),
            // A full queue is no loss: the engine looks an order up that it hears nothing of.
            None => drop(watch.try_send(id)),
        }
    }
    told
}

fn note_rows(ledger: &Ledger, rows: &[OrderRow]) {
    for row in rows {
        ledger.book(|book| book.row(row));
    }
}

/// Reads a message; an error is the end of the stream.
pub(super) fn read(frame: &Frame) -> Result<Heard, String> {
    let unreadable = |error: serde_json::Error| format!("the stream cannot be read: {error}");
    let bytes = frame.as_bytes();
    // A sign of life may come back as it was sent.
    if !bytes.starts_with(b"{") {
        return Ok(Heard::Other);
    }
    let message: StreamMessage<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
    let args = message.args.map(serde_json::value::RawValue::get);
    match (message.topic.as_deref(), args) {
        (Some("str"), Some(args)) => serde_json::from_str(args).map(Heard::Trades).map_err(unreadable),
        (Some("sor"), Some(args)) => serde_json::from_str(args).map(Heard::Orders).map_err(unreadable),
        (Some("sts"), Some(args)) => {
            let status: StreamStatus = serde_json::from_str(args).unwrap_or_default();
            if status.competing == Some(true) && status.authenticated != Some(true) {
                return Err("another session of the same user took over".to_owned());
            }
            if status.authenticated == Some(false) {
                return Err("the trading session ended".to_owned());
            }
            Ok(Heard::Other)
        }
        (None, _) if message.message.as_deref() == Some("waiting for session") => Ok(Heard::WaitsForSession),
        (topic, _) => {
            if let Some(error) = &message.error {
                tracing::info!(topic, error, "the broker's stream tells of an error");
            }
            Ok(Heard::Other)
        }
    }
}
