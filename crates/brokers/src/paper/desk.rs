//! The one task that owns every paper account: takes commands in batches, decides, commits once, and only then answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, ClientOrderId, ExecutionReport, OrderRequest};
use atomik_ports::Clock;
use atomik_ports::broker::{CancelOutcome, SubmitOutcome};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::answers::{Answer, Outcome, RETRY_AFTER};
use super::book::Changes;
use super::feed::Feed;
use super::settings::PaperSettings;
use super::store::{Books, OrderKey, Rows, SessionNumber, StoreFailure};
use super::venue::{Account, Moment};

/// The most commands that share a commit.
const MAX_BATCH: usize = 1_024;
/// How often resting orders meet the price.
const TICK: Duration = Duration::from_millis(250);
/// How often it is asked whether other nodes have connected to accounts. What is committed is safe without; this ends
/// connections that commit nothing.
const SWEEP: Duration = Duration::from_secs(2);

/// Looks at an account between two commits; `None` where the account is not to be had, or the connection has ended.
pub(crate) type Look = Box<dyn FnOnce(Option<&Account>, &Moment) + Send>;

/// One connection to an account, among all that this desk has ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionId {
    pub account_id: BrokerAccountId,
    pub number: u64,
}

/// What the desk can be asked.
pub(crate) enum Command {
    Connect {
        account_id: BrokerAccountId,
        settings: PaperSettings,
        reports: mpsc::Sender<ExecutionReport>,
        answer: oneshot::Sender<Result<ConnectionId, String>>,
    },
    Disconnect {
        connection: ConnectionId,
    },
    Submit {
        connection: ConnectionId,
        request: Box<OrderRequest>,
        answer: oneshot::Sender<SubmitOutcome>,
    },
    Cancel {
        connection: ConnectionId,
        id: ClientOrderId,
        answer: oneshot::Sender<CancelOutcome>,
    },
    Read {
        connection: ConnectionId,
        look: Look,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

impl Command {
    /// The account that it needs.
    fn account_id(&self) -> Option<BrokerAccountId> {
        match self {
            Self::Submit { connection, .. }
            | Self::Cancel { connection, .. }
            | Self::Read { connection, .. } => Some(connection.account_id),
            // A connection reads the account by itself.
            Self::Connect { .. } | Self::Disconnect { .. } | Self::Close { .. } => None,
        }
    }
}

/// A connected account.
struct Session {
    /// Which connection it is.
    connection: u64,
    /// Its number in the books.
    number: SessionNumber,
    settings: PaperSettings,
    reports: mpsc::Sender<ExecutionReport>,
    /// Why there is none, after a commit that failed, until it is read again.
    account: Result<Account, String>,
}

/// One batch on its way to the commit.
#[derive(Default)]
struct Batch {
    changes: Changes,
    answers: Vec<Answer>,
    looks: Vec<(ConnectionId, Look)>,
    leaving: Vec<ConnectionId>,
}

/// How orders stand already; the reason where the books cannot be read.
type Known = Result<HashMap<OrderKey, ExecutionReport>, String>;

/// The desk.
pub(crate) struct Desk {
    clock: Arc<dyn Clock>,
    feed: Feed,
    books: Box<dyn Books>,
    sessions: HashMap<BrokerAccountId, Session>,
    last_connection: u64,
    /// Accounts with resting orders, and those that have to be read again.
    ticking: BTreeSet<BrokerAccountId>,
}

impl Desk {
    pub fn new(clock: Arc<dyn Clock>, feed: Feed, books: Box<dyn Books>) -> Self {
        Self { clock, feed, books, sessions: HashMap::new(), last_connection: 0, ticking: BTreeSet::new() }
    }

    /// Works until it is closed, or until nobody can ask any more.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let every = |period: Duration| {
            let mut ticker: Interval = interval(period);
            ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticker
        };
        let (mut ticker, mut sweeper) = (every(TICK), every(SWEEP));
        let shared = self.books.are_shared();
        let mut received = Vec::with_capacity(MAX_BATCH);
        let closing = loop {
            let tick = tokio::select! {
                count = commands.recv_many(&mut received, MAX_BATCH) => {
                    if count == 0 {
                        break None;
                    }
                    false
                }
                _ = ticker.tick(), if !self.ticking.is_empty() => true,
                _ = sweeper.tick(), if shared && !self.sessions.is_empty() => {
                    self.sweep().await;
                    continue;
                }
            };
            if let Some(done) = self.handle_all(&mut received, tick).await {
                break Some(done);
            }
        };
        // From here on nothing more is taken: what waits in the queue is dropped with it, unsent.
        drop(commands);
        self.books.close().await;
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Handles what was received, batch by batch. `Some` where it asks to close: what comes after that is dropped.
    async fn handle_all(
        &mut self,
        received: &mut Vec<Command>,
        mut tick: bool,
    ) -> Option<oneshot::Sender<()>> {
        let mut closing = None;
        while closing.is_none() && (tick || !received.is_empty()) {
            let later = received.split_off(end_of_batch(received));
            closing = self.handle(std::mem::replace(received, later), tick).await;
            tick = false;
        }
        closing
    }

    /// Decides, commits and answers one batch. `Some` where it asks to close.
    async fn handle(&mut self, batched: Vec<Command>, tick: bool) -> Option<oneshot::Sender<()>> {
        let moment = Moment { now: self.clock.now(), feed: self.feed };
        // First, because it settles what a failed commit left open: what is read after it is the truth.
        self.read_again(self.unread(&batched, tick)).await;
        let known = self.known(submitted_keys(&batched)).await;
        let mut batch = Batch::default();
        let mut closing = None;
        for command in batched {
            match command {
                Command::Connect { account_id, settings, reports, answer } => {
                    match self.connect(account_id, settings, reports, &mut batch.changes).await {
                        Ok(connection) => batch.answers.push(Answer::Connected(answer, connection)),
                        Err(reason) => drop(answer.send(Err(reason))),
                    }
                }
                // Not at once: the account may have changes in this very batch, which are written from it.
                Command::Disconnect { connection } => batch.leaving.push(connection),
                Command::Submit { connection, request, answer } => {
                    self.submit(connection, &request, answer, &known, &moment, &mut batch);
                }
                Command::Cancel { connection, id, answer } => match self.account(connection) {
                    Ok(account) => {
                        let report = account.cancel(id, &mut batch.changes);
                        batch.answers.push(Answer::Canceled(answer, connection.account_id, report));
                    }
                    Err(evidence) => drop(answer.send(CancelOutcome::Unknown { evidence })),
                },
                Command::Read { connection, look } => batch.looks.push((connection, look)),
                Command::Close { done } => closing = Some(done),
            }
        }
        if tick {
            for account_id in self.ticking.clone() {
                let session = self.sessions.get_mut(&account_id);
                if let Some(Session { account: Ok(account), .. }) = session {
                    account.tick(&moment, &mut batch.changes);
                }
            }
        }
        self.finish(batch, &moment).await;
        closing
    }

    /// Commits a batch, answers it, and makes memory agree.
    async fn finish(&mut self, batch: Batch, moment: &Moment) {
        let outcome = if batch.changes.is_empty() {
            Ok(BTreeSet::new())
        } else {
            let rows = Rows::of(&batch.changes, |id| {
                let session = self.sessions.get(&id)?;
                Some((session.number, session.account.as_ref().ok()?))
            });
            self.books.commit(rows).await
        };
        self.settle(&batch.changes, &outcome);
        for answer in batch.answers {
            answer.give(&outcome);
        }
        for (connection, look) in batch.looks {
            look(self.account(connection).ok().map(|account| &*account), moment);
        }
        for ConnectionId { account_id, number } in batch.leaving {
            // Unless it was connected anew since.
            if self.sessions.get(&account_id).is_some_and(|session| session.connection == number) {
                self.forget(account_id);
            }
        }
    }

    /// Ends an account's connection: with the sender of its reports dropped, whoever listens knows.
    fn forget(&mut self, account_id: BrokerAccountId) {
        self.sessions.remove(&account_id);
        self.ticking.remove(&account_id);
    }

    /// Ends the connections of accounts that another node has connected to since.
    async fn sweep(&mut self) {
        let sessions: Vec<_> = self.sessions.iter().map(|(id, session)| (*id, session.number)).collect();
        match self.books.outlived(&sessions).await {
            Ok(outlived) => outlived.into_iter().for_each(|account_id| self.taken_over(account_id)),
            Err(error) => tracing::debug!(%error, "it cannot be told whether paper accounts are still ours"),
        }
    }

    fn taken_over(&mut self, account_id: BrokerAccountId) {
        tracing::info!(account = account_id.0, "another node has connected to a paper account");
        self.forget(account_id);
    }

    async fn known(&mut self, keys: Vec<OrderKey>) -> Known {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        self.books.known(&keys).await.map_err(|error| error.to_string())
    }

    fn submit(
        &mut self,
        connection: ConnectionId,
        request: &OrderRequest,
        answer: oneshot::Sender<SubmitOutcome>,
        known: &Known,
        moment: &Moment,
        batch: &mut Batch,
    ) {
        let known = known.as_ref().map_err(Clone::clone);
        let found = known.and_then(|known| Ok((known, self.account(connection)?)));
        let (known, account) = match found {
            Ok(found) => found,
            Err(reason) => {
                drop(answer.send(SubmitOutcome::NotSent { reason, retry_after: RETRY_AFTER }));
                return;
            }
        };
        let account_id = connection.account_id;
        let earlier = known.get(&(account_id, request.client_order_id)).cloned();
        let first = batch.changes.find(account_id, request.client_order_id).or(earlier);
        let report = first.unwrap_or_else(|| account.submit(request, moment, &mut batch.changes));
        batch.answers.push(Answer::Submitted(answer, account_id, report));
    }

    async fn connect(
        &mut self,
        account_id: BrokerAccountId,
        settings: PaperSettings,
        reports: mpsc::Sender<ExecutionReport>,
        changes: &mut Changes,
    ) -> Result<ConnectionId, String> {
        let loaded = self.books.load(account_id, &settings, None).await.map_err(|error| error.to_string())?;
        let (number, mut account) = loaded.ok_or("the paper account cannot be taken over")?;
        account.change_settings(settings.clone(), changes);
        self.last_connection += 1;
        let connection = self.last_connection;
        if account.resting.is_empty() {
            self.ticking.remove(&account_id);
        } else {
            self.ticking.insert(account_id);
        }
        let session = Session { connection, number, settings, reports, account: Ok(account) };
        self.sessions.insert(account_id, session);
        Ok(ConnectionId { account_id, number: connection })
    }

    /// The accounts that a failed commit left unread, of those that are needed now.
    fn unread(&self, received: &[Command], tick: bool) -> BTreeSet<BrokerAccountId> {
        let asked_for = received.iter().filter_map(Command::account_id);
        let ticking = self.ticking.iter().copied().filter(|_| tick);
        let is_unread =
            |id: &BrokerAccountId| self.sessions.get(id).is_some_and(|session| session.account.is_err());
        asked_for.chain(ticking).filter(is_unread).collect()
    }

    async fn read_again(&mut self, unread: BTreeSet<BrokerAccountId>) {
        for account_id in unread {
            let Some(session) = self.sessions.get_mut(&account_id) else { continue };
            match self.books.load(account_id, &session.settings, Some(session.number)).await {
                Ok(Some((number, mut account))) => {
                    // Where the commit of a changed starting balance failed, it is changed once more with the next one.
                    account.change_settings(session.settings.clone(), &mut Changes::default());
                    session.number = number;
                    session.account = Ok(account);
                }
                Ok(None) => self.taken_over(account_id),
                // The others would only wait for the same.
                Err(StoreFailure::Unavailable(reason)) => {
                    session.account = Err(reason);
                    return;
                }
                Err(StoreFailure::Corrupt(reason)) => session.account = Err(reason),
            }
        }
    }

    /// The account of a connection that has not ended.
    fn account(&mut self, connection: ConnectionId) -> Result<&mut Account, String> {
        let session = self.sessions.get_mut(&connection.account_id);
        let session = session.filter(|session| session.connection == connection.number);
        let session = session.ok_or("this connection to the paper account has ended")?;
        session.account.as_mut().map_err(|reason| reason.clone())
    }

    /// Makes memory agree with what the commit did, and tells the connections.
    fn settle(&mut self, changes: &Changes, outcome: &Outcome) {
        for account_id in &changes.accounts {
            let Some(session) = self.sessions.get_mut(account_id) else { continue };
            match outcome {
                Ok(outlived) if outlived.contains(account_id) => {
                    self.taken_over(*account_id);
                    continue;
                }
                Ok(_) => {}
                Err(failure) => session.account = Err(failure.detail.clone()),
            }
            if session.account.as_ref().is_ok_and(|account| account.resting.is_empty()) {
                self.ticking.remove(account_id);
            } else {
                self.ticking.insert(*account_id);
            }
        }
        if outcome.is_err() {
            return;
        }
        for (account_id, report) in &changes.reports {
            let Some(session) = self.sessions.get(account_id) else { continue };
            // A connection that does not listen finds the order by looking it up.
            if let Err(mpsc::error::TrySendError::Full(_)) = session.reports.try_send(report.clone()) {
                tracing::warn!(
                    account = account_id.0,
                    "a paper account's reports are not read; one was dropped"
                );
            }
        }
    }
}

/// Where a batch ends: before the next connection. What came before one belongs to the session that it ends, and has to be
/// committed by then.
fn end_of_batch(commands: &[Command]) -> usize {
    let is_connect = |command: &Command| matches!(command, Command::Connect { .. });
    let further = commands.iter().skip(1).position(is_connect);
    further.map_or(commands.len(), |further| further + 1)
}

/// The orders that a batch wants to submit.
fn submitted_keys(commands: &[Command]) -> Vec<OrderKey> {
    let key = |command: &Command| match command {
        Command::Submit { connection, request, .. } => Some((connection.account_id, request.client_order_id)),
        _ => None,
    };
    commands.iter().filter_map(key).collect()
}
