//! The stream of one account: opened, authorized and synchronized before anybody trusts it; then read to its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::ExecutionReport;
use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use reqwest::Url;
use secrecy::ExposeSecret;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

use super::frames::{self, HEARTBEAT, Message, ServerFrame};
use super::orders::{Asked, Desk, Fees};
use super::replies::SyncMessage;
use super::requests::{ENTITY_TYPES, SyncRequest};
use super::rules;
use super::session::Session;
use super::tracker::{Due, Tracker};
use crate::wire::{Frame, Socket, StreamEnd, WirePolicy};

/// How often the client shows that it lives, as documented.
const BEAT: Duration = Duration::from_millis(2_500);
/// How many touched orders may wait for their reports; one more ends the connection.
pub(super) const MAX_WAITING: usize = 4_096;
/// How often the venue is asked for an end that the stream told in part, and how long between.
const ASKS: usize = 5;
const ASK_AGAIN: Duration = Duration::from_secs(1);
const AUTHORIZE: u64 = 0;
const SYNC: u64 = 1;

/// An open and synchronized stream.
#[derive(Debug)]
pub(super) struct UserStream {
    socket: Socket,
}

/// What the tasks of a connection share.
#[derive(Clone)]
pub(super) struct Shared {
    pub session: Arc<Session>,
    pub clock: Arc<dyn Clock>,
    pub tracker: Arc<Mutex<Tracker>>,
    pub fees: Arc<Fees>,
    pub account_id: i64,
}

impl Shared {
    /// The tracker, for a moment.
    pub fn tracker<T>(&self, look: impl FnOnce(&mut Tracker) -> T) -> T {
        look(&mut self.tracker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who asks for orders.
    pub fn desk(&self) -> Desk<'_> {
        Desk { session: &self.session, clock: &*self.clock, fees: &self.fees, account_id: self.account_id }
    }
}

impl UserStream {
    /// Opens the stream and waits until it is subscribed; with how everything stood then.
    ///
    /// # Errors
    /// Where the venue refuses the token, does not answer, or closes it.
    pub async fn open(
        url: &Url,
        session: &Session,
        account_id: i64,
        policy: &WirePolicy,
    ) -> Result<(Self, Tracker), BrokerError> {
        let token = session.token().await?;
        let socket = Socket::connect(url, &[], policy).await?;
        let mut stream = Self { socket };
        let opening = async {
            stream.opened().await?;
            let authorize = frames::request("authorize", AUTHORIZE, "", token.text.expose_secret());
            stream.socket.send(authorize).await?;
            stream.answer(AUTHORIZE).await?;
            let wanted =
                SyncRequest { split_responses: false, accounts: [account_id], entity_types: ENTITY_TYPES };
            let wanted = serde_json::to_string(&wanted).map_err(|error| end(error.to_string()))?;
            stream.socket.send(frames::request("user/syncrequest", SYNC, "", &wanted)).await?;
            let (body, early) = stream.answer(SYNC).await?;
            let body = body.ok_or_else(|| end("no snapshot came"))?;
            let snapshot: SyncMessage = serde_json::from_str(body.get())
                .map_err(|error| end(format!("the snapshot cannot be read: {error}")))?;
            let mut tracker = Tracker::new(account_id, snapshot);
            for message in early {
                if let Message::Props(changes) = message {
                    for change in &changes {
                        tracker.change(change, &mut Vec::new()).map_err(end)?;
                    }
                }
            }
            Ok::<_, BrokerError>(tracker)
        };
        // A snapshot may be large: two answers' time for all of it.
        let opened = tokio::time::timeout(policy.connect_timeout + policy.answer_timeout * 2, opening).await;
        let tracker = opened
            .map_err(|_| BrokerError::Unavailable("Tradovate's stream did not open in time.".to_owned()))??;
        Ok((stream, tracker))
    }

    async fn opened(&mut self) -> Result<(), BrokerError> {
        loop {
            match self.frame().await? {
                ServerFrame::Open => return Ok(()),
                ServerFrame::Heartbeat => {}
                ServerFrame::Closed(why) => return Err(end(why)),
                ServerFrame::Messages(_) => return Err(end("a message before the opening")),
            }
        }
    }

    /// The answer to a request, and what came besides, in its order.
    async fn answer(&mut self, wanted: u64) -> Result<(Option<Box<RawValue>>, Vec<Message>), BrokerError> {
        let mut answer = None;
        let mut others = Vec::new();
        loop {
            let messages = match self.frame().await? {
                ServerFrame::Messages(messages) => messages,
                ServerFrame::Open | ServerFrame::Heartbeat => {
                    self.socket.send(HEARTBEAT.to_owned()).await?;
                    continue;
                }
                ServerFrame::Closed(why) => return Err(end(why)),
            };
            for message in messages {
                match message {
                    Message::Answer { id, status: 200, body } if id == wanted => answer = Some(body),
                    Message::Answer { id, status: 401 | 403, .. } if id == wanted => {
                        return Err(BrokerError::Unauthorized(
                            "Tradovate did not take the access token on its stream. Check the API key's permissions."
                                .to_owned(),
                        ));
                    }
                    Message::Answer { id, status, .. } if id == wanted => {
                        return Err(end(format!("it answered with status {status}")));
                    }
                    Message::Shutdown(why) => return Err(end(why)),
                    other => others.push(other),
                }
            }
            if let Some(body) = answer {
                return Ok((body, others));
            }
        }
    }

    async fn frame(&mut self) -> Result<ServerFrame, BrokerError> {
        read(&self.socket.next().await?).map_err(end)
    }

    /// Reads the stream to its end, and sends reports. Returns when reports can no longer be vouched for.
    pub async fn run(
        self,
        shared: Shared,
        waiting: (mpsc::Sender<i64>, mpsc::Receiver<i64>),
        reports: mpsc::Sender<ExecutionReport>,
    ) {
        let (touched, due) = waiting;
        let ended = tokio::select! {
            ended = self.listen(&shared, &touched) => ended,
            ended = tell(&shared, due, &reports) => ended,
            () = shared.session.keep_alive() => StreamEnd("its token is kept no more".to_owned()),
            () = reports.closed() => StreamEnd("nobody listens".to_owned()),
        };
        tracing::info!(%ended, "Tradovate's stream is over");
    }

    async fn listen(mut self, shared: &Shared, touched: &mpsc::Sender<i64>) -> StreamEnd {
        let mut beat = tokio::time::interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let frame = tokio::select! {
                frame = self.socket.next() => frame,
                _ = beat.tick() => {
                    if let Err(ended) = self.socket.send(HEARTBEAT.to_owned()).await {
                        return ended;
                    }
                    continue;
                }
            };
            let heard = frame.and_then(|frame| read(&frame).map_err(StreamEnd));
            let messages = match heard {
                Ok(ServerFrame::Messages(messages)) => messages,
                Ok(ServerFrame::Open | ServerFrame::Heartbeat) => continue,
                Ok(ServerFrame::Closed(why)) => return StreamEnd(why),
                Err(ended) => return ended,
            };
            for message in messages {
                if let Err(ended) = take(shared, message, touched) {
                    return ended;
                }
            }
        }
    }
}

fn read(frame: &Frame) -> Result<ServerFrame, String> {
    let text = std::str::from_utf8(frame.as_bytes()).map_err(|_| "a frame that is no text".to_owned())?;
    frames::read(text)
}

fn end(why: impl Into<String>) -> BrokerError {
    BrokerError::Unavailable(format!("Tradovate's stream did not open: {}.", why.into()))
}

fn take(shared: &Shared, message: Message, touched: &mpsc::Sender<i64>) -> Result<(), StreamEnd> {
    match message {
        Message::Props(changes) => {
            let mut orders = Vec::new();
            shared
                .tracker(|tracker| changes.iter().try_for_each(|change| tracker.change(change, &mut orders)))
                .map_err(StreamEnd)?;
            for order in orders {
                touched
                    .try_send(order)
                    .map_err(|_| StreamEnd("reports came faster than they were taken".to_owned()))?;
            }
            Ok(())
        }
        Message::Shutdown(why) => Err(StreamEnd(format!("Tradovate shuts down: {why}"))),
        Message::Answer { .. } | Message::Other => Ok(()),
    }
}

/// Sends the reports of touched orders.
async fn tell(
    shared: &Shared,
    mut due: mpsc::Receiver<i64>,
    reports: &mpsc::Sender<ExecutionReport>,
) -> StreamEnd {
    while let Some(order_id) = due.recv().await {
        let report = match shared.tracker(|tracker| tracker.due(order_id)) {
            Due::Nothing => continue,
            Due::Report(draft) => {
                let mut report = rules::report(draft.id, draft.order_id, draft.status, draft.filled_qty);
                for fill in &draft.fills {
                    let commission = shared.fees.of(&shared.session, fill.id).await;
                    report.executions.push(rules::execution(fill, commission, shared.clock.now()));
                }
                report.reason = draft.reason;
                report
            }
            Due::Ask => match ask(shared, order_id).await {
                Ok(Some(report)) => report,
                Ok(None) => continue,
                Err(ended) => return ended,
            },
        };
        if reports.send(report).await.is_err() {
            break;
        }
    }
    StreamEnd("nobody listens".to_owned())
}

/// The end of an order that the stream told in part: its other fills may still come, or the venue is asked.
async fn ask(shared: &Shared, order_id: i64) -> Result<Option<ExecutionReport>, StreamEnd> {
    for _ in 0..ASKS {
        let Some(id) = shared.tracker(|tracker| tracker.told_in_part(order_id)) else { return Ok(None) };
        match shared.desk().order(id, order_id).await {
            Ok(Asked::Found(report)) if report.status.is_final() => {
                shared.tracker(|tracker| tracker.told(order_id, report.status, report.filled_qty));
                return Ok(Some(report));
            }
            Ok(Asked::NotFound) => return Ok(None),
            Ok(Asked::Found(_) | Asked::Unclear(_)) | Err(_) => {}
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Err(StreamEnd("an order ended, and its fills could not be had".to_owned()))
}
