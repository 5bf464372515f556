//! The one task that owns every paper account: takes commands in batches, decides, commits once, and only then answers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, ClientOrderId, ExecutionReport, OrderRequest, OrderStatus};
use atomik_ports::Clock;
use atomik_ports::broker::{CancelOutcome, SubmitOutcome};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::book::Changes;
use super::feed::Feed;
use super::settings::PaperSettings;
use super::store::{CommitFailure, OrderKey, Reader, Writer};
use super::venue::{Account, Moment};

/// The most commands that share a commit.
const MAX_BATCH: usize = 1_024;
/// How often resting orders meet the price.
const TICK: Duration = Duration::from_millis(250);
/// How long a sender should wait after the database could not be used.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Looks at an account between two commits; `None` where the account is not to be had.
pub(crate) type Look = Box<dyn FnOnce(Option<&Account>, &Moment) + Send>;

/// What the desk can be asked.
pub(crate) enum Command {
    Connect {
        account_id: BrokerAccountId,
        settings: PaperSettings,
        reports: mpsc::Sender<ExecutionReport>,
        answer: oneshot::Sender<Result<u64, String>>,
    },
    Disconnect {
        account_id: BrokerAccountId,
        session: u64,
    },
    Submit {
        account_id: BrokerAccountId,
        request: Box<OrderRequest>,
        answer: oneshot::Sender<SubmitOutcome>,
    },
    Cancel {
        account_id: BrokerAccountId,
        id: ClientOrderId,
        answer: oneshot::Sender<CancelOutcome>,
    },
    Read {
        account_id: BrokerAccountId,
        look: Look,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

/// A connected account.
struct Session {
    number: u64,
    settings: PaperSettings,
    reports: mpsc::Sender<ExecutionReport>,
    /// `None` after a commit that failed, until it is read again.
    account: Option<Account>,
}

/// An answer that waits for the commit.
enum Answer {
    Connected(oneshot::Sender<Result<u64, String>>, u64),
    Submitted(oneshot::Sender<SubmitOutcome>, ExecutionReport),
    Canceled(oneshot::Sender<CancelOutcome>, Option<ExecutionReport>),
}

/// One batch on its way to the commit.
#[derive(Default)]
struct Batch {
    changes: Changes,
    answers: Vec<Answer>,
    looks: Vec<(BrokerAccountId, Look)>,
    leaving: Vec<(BrokerAccountId, u64)>,
    closing: Option<oneshot::Sender<()>>,
}

/// The desk.
pub(crate) struct Desk {
    clock: Arc<dyn Clock>,
    feed: Feed,
    reader: Reader,
    writer: Writer,
    sessions: HashMap<BrokerAccountId, Session>,
    last_session: u64,
    /// Accounts with resting orders, and those that have to be read again.
    ticking: BTreeSet<BrokerAccountId>,
}

impl Desk {
    pub fn new(clock: Arc<dyn Clock>, feed: Feed, reader: Reader, writer: Writer) -> Self {
        Self {
            clock,
            feed,
            reader,
            writer,
            sessions: HashMap::new(),
            last_session: 0,
            ticking: BTreeSet::new(),
        }
    }

    /// Works until it is closed, or until nobody can ask any more.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut ticker: Interval = interval(TICK);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
            };
            if let Some(done) = self.handle(&mut received, tick).await {
                break Some(done);
            }
        };
        // From here on nothing more is taken: what waits in the queue is dropped with it, unsent.
        drop(commands);
        self.writer.close().await;
        self.reader.close().await;
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Decides, commits and answers one batch. `Some` where it asked to close.
    async fn handle(&mut self, received: &mut Vec<Command>, tick: bool) -> Option<oneshot::Sender<()>> {
        let moment = Moment { now: self.clock.now(), feed: self.feed };
        let mut batch = Batch::default();
        let known = self.known(submitted_keys(received)).await;
        for command in received.drain(..) {
            self.decide(command, &known, &moment, &mut batch).await;
        }
        if tick {
            for account_id in self.ticking.clone() {
                if let Ok(account) = self.account(account_id).await {
                    account.tick(&moment, &mut batch.changes);
                }
            }
        }
        let sessions = &self.sessions;
        let account = |id: BrokerAccountId| sessions.get(&id).and_then(|session| session.account.as_ref());
        let committed =
            if batch.changes.is_empty() { Ok(()) } else { self.writer.commit(&batch.changes, account).await };
        self.settle(&batch.changes, committed.is_ok());
        for answer in batch.answers {
            answer.give(committed.as_ref().err());
        }
        for (account_id, look) in batch.looks {
            look(self.account(account_id).await.ok().map(|account| &*account), &moment);
        }
        for (account_id, session) in batch.leaving {
            self.disconnect(account_id, session);
        }
        batch.closing
    }

    /// Forgets an account, unless it was connected anew since.
    fn disconnect(&mut self, account_id: BrokerAccountId, session: u64) {
        if self.sessions.get(&account_id).is_some_and(|open| open.number == session) {
            self.sessions.remove(&account_id);
            self.ticking.remove(&account_id);
        }
    }

    /// How orders stand already, from the database; the reason where it cannot be read.
    async fn known(&self, keys: Vec<OrderKey>) -> Result<HashMap<OrderKey, ExecutionReport>, String> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        self.reader.reports(&keys).await.map_err(|error| error.to_string())
    }

    async fn decide(
        &mut self,
        command: Command,
        known: &Result<HashMap<OrderKey, ExecutionReport>, String>,
        moment: &Moment,
        batch: &mut Batch,
    ) {
        match command {
            Command::Connect { account_id, settings, reports, answer } => {
                match self.connect(account_id, settings, reports, &mut batch.changes).await {
                    Ok(session) => batch.answers.push(Answer::Connected(answer, session)),
                    Err(reason) => drop(answer.send(Err(reason))),
                }
            }
            Command::Disconnect { account_id, session } => {
                // Not at once: the account may have changes in this very batch, which are written from it.
                batch.leaving.push((account_id, session));
            }
            Command::Submit { account_id, request, answer } => {
                let account = match known {
                    Ok(_) => self.account(account_id).await,
                    Err(reason) => Err(reason.clone()),
                };
                let account = match account {
                    Ok(account) => account,
                    Err(reason) => {
                        drop(answer.send(SubmitOutcome::NotSent { reason, retry_after: RETRY_AFTER }));
                        return;
                    }
                };
                let key = (account_id, request.client_order_id);
                let earlier = known.as_ref().ok().and_then(|known| known.get(&key)).cloned();
                let first = batch.changes.find(account_id, request.client_order_id).or(earlier);
                let report = first.unwrap_or_else(|| account.submit(&request, moment, &mut batch.changes));
                batch.answers.push(Answer::Submitted(answer, report));
            }
            Command::Cancel { account_id, id, answer } => match self.account(account_id).await {
                Ok(account) => {
                    let report = account.cancel(id, &mut batch.changes);
                    batch.answers.push(Answer::Canceled(answer, report));
                }
                Err(evidence) => drop(answer.send(CancelOutcome::Unknown { evidence })),
            },
            Command::Read { account_id, look } => batch.looks.push((account_id, look)),
            Command::Close { done } => batch.closing = Some(done),
        }
    }

    async fn connect(
        &mut self,
        account_id: BrokerAccountId,
        settings: PaperSettings,
        reports: mpsc::Sender<ExecutionReport>,
        changes: &mut Changes,
    ) -> Result<u64, String> {
        let held = self.sessions.get_mut(&account_id).and_then(|session| session.account.take());
        let mut account = match held {
            Some(account) => account,
            None => {
                self.reader.account(account_id, settings.clone()).await.map_err(|error| error.to_string())?
            }
        };
        account.change_settings(settings.clone(), changes);
        self.last_session += 1;
        let number = self.last_session;
        if !account.resting.is_empty() {
            self.ticking.insert(account_id);
        }
        self.sessions.insert(account_id, Session { number, settings, reports, account: Some(account) });
        Ok(number)
    }

    /// A connected account, read again where a failed commit left it unread.
    async fn account(&mut self, account_id: BrokerAccountId) -> Result<&mut Account, String> {
        let session = self.sessions.get_mut(&account_id).ok_or("the paper account is not connected")?;
        let account = match session.account.take() {
            Some(account) => account,
            None => {
                let settings = session.settings.clone();
                let mut account = self
                    .reader
                    .account(account_id, settings.clone())
                    .await
                    .map_err(|error| error.to_string())?;
                // Where the commit of a changed starting balance failed, it is changed once more with the next one.
                account.change_settings(settings, &mut Changes::default());
                account
            }
        };
        Ok(session.account.insert(account))
    }

    /// Makes memory agree with what the commit did, and tells the connections.
    fn settle(&mut self, changes: &Changes, committed: bool) {
        for account_id in &changes.accounts {
            let Some(session) = self.sessions.get_mut(account_id) else { continue };
            if !committed {
                session.account = None;
            }
            if session.account.as_ref().is_none_or(|account| !account.resting.is_empty()) {
                self.ticking.insert(*account_id);
            } else {
                self.ticking.remove(account_id);
            }
        }
        if !committed {
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

impl Answer {
    /// Gives the answer, now that the commit has gone one way or the other. Nobody waiting is no error.
    fn give(self, failure: Option<&CommitFailure>) {
        match self {
            Self::Connected(answer, session) => {
                let result = failure.map_or(Ok(session), |failure| Err(failure.detail.clone()));
                drop(answer.send(result));
            }
            Self::Submitted(answer, report) => drop(answer.send(submitted(report, failure))),
            Self::Canceled(answer, report) => {
                let outcome = match (failure, report) {
                    (Some(failure), _) => CancelOutcome::Unknown { evidence: failure.detail.clone() },
                    (None, Some(report)) => CancelOutcome::Done(report),
                    (None, None) => CancelOutcome::NotOpen,
                };
                drop(answer.send(outcome));
            }
        }
    }
}

/// The orders that a batch wants to submit.
fn submitted_keys(commands: &[Command]) -> Vec<OrderKey> {
    let key = |command: &Command| match command {
        Command::Submit { account_id, request, .. } => Some((*account_id, request.client_order_id)),
        _ => None,
    };
    commands.iter().filter_map(key).collect()
}

fn submitted(report: ExecutionReport, failure: Option<&CommitFailure>) -> SubmitOutcome {
    match failure {
        Some(CommitFailure { fate_unknown: true, detail }) => {
            SubmitOutcome::Unknown { evidence: format!("the paper venue's commit did not answer: {detail}") }
        }
        Some(failure) => SubmitOutcome::NotSent {
            reason: format!("the paper venue could not record the order: {}", failure.detail),
            retry_after: RETRY_AFTER,
        },
        None if report.status == OrderStatus::Rejected => {
            SubmitOutcome::Rejected { reason: report.reason.unwrap_or_default() }
        }
        None => SubmitOutcome::Accepted(report),
    }
}
