//! Answers that wait for the commit.

use std::collections::BTreeSet;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, ExecutionReport, OrderStatus};
use atomik_ports::broker::{CancelOutcome, SubmitOutcome};
use tokio::sync::oneshot;

use super::desk::ConnectionId;
use super::store::CommitFailure;

/// How long a sender should wait after the books could not be used.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Why nothing of an account was written.
const TAKEN_OVER: &str = "another node has connected to this account";

/// What became of a commit: the accounts of which nothing was written, because another node has connected to them.
pub(crate) type Outcome = Result<BTreeSet<BrokerAccountId>, CommitFailure>;

/// An answer, as it is if the commit goes well.
pub(crate) enum Answer {
    Connected(oneshot::Sender<Result<ConnectionId, String>>, ConnectionId),
    Submitted(oneshot::Sender<SubmitOutcome>, BrokerAccountId, ExecutionReport),
    Canceled(oneshot::Sender<CancelOutcome>, BrokerAccountId, Option<ExecutionReport>),
}

/// What became of one account's part of a commit.
enum Fate<'a> {
    Kept,
    TakenOver,
    Failed(&'a CommitFailure),
}

impl Fate<'_> {
    fn of(account_id: BrokerAccountId, outcome: &Outcome) -> Fate<'_> {
        match outcome {
            Ok(outlived) if outlived.contains(&account_id) => Fate::TakenOver,
            Ok(_) => Fate::Kept,
            Err(failure) => Fate::Failed(failure),
        }
    }

    /// Why the commit kept nothing, or may have kept nothing.
    fn trouble(&self) -> Option<String> {
        match self {
            Self::Kept => None,
            Self::TakenOver => Some(TAKEN_OVER.to_owned()),
            Self::Failed(failure) => Some(failure.detail.clone()),
        }
    }
}

impl Answer {
    /// Gives the answer, now that the commit has gone one way or the other. Nobody waiting is no error.
    pub fn give(self, outcome: &Outcome) {
        match self {
            Self::Connected(answer, connection) => {
                let trouble = Fate::of(connection.account_id, outcome).trouble();
                drop(answer.send(trouble.map_or(Ok(connection), Err)));
            }
            Self::Submitted(answer, account_id, report) => {
                drop(answer.send(submitted(report, &Fate::of(account_id, outcome))));
            }
            Self::Canceled(answer, account_id, report) => {
                let outcome = match (Fate::of(account_id, outcome).trouble(), report) {
                    (Some(evidence), _) => CancelOutcome::Unknown { evidence },
                    (None, Some(report)) => CancelOutcome::Done(report),
                    (None, None) => CancelOutcome::NotOpen,
                };
                drop(answer.send(outcome));
            }
        }
    }
}

fn submitted(report: ExecutionReport, fate: &Fate<'_>) -> SubmitOutcome {
    match fate {
        Fate::Failed(CommitFailure { fate_unknown: true, detail }) => {
            SubmitOutcome::Unknown { evidence: format!("the paper venue's commit did not answer: {detail}") }
        }
        Fate::Failed(failure) => SubmitOutcome::NotSent {
            reason: format!("the paper venue could not record the order: {}", failure.detail),
            retry_after: RETRY_AFTER,
        },
        Fate::TakenOver => SubmitOutcome::NotSent { reason: TAKEN_OVER.to_owned(), retry_after: RETRY_AFTER },
        Fate::Kept if report.status == OrderStatus::Rejected => {
            SubmitOutcome::Rejected { reason: report.reason.unwrap_or_default() }
        }
        Fate::Kept => SubmitOutcome::Accepted(report),
    }
}
