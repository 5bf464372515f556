//! The venue's books: what the desk commits, and what it reads back.
//!
//! They are kept by one of two engines: `sqlite`, a file that one process has, or `postgres`, a database that many nodes
//! share. Beside them is what both share: `rows`, what is written into which table, and `columns`, what is read from it.
//!
//! Architecture invariant: an account has one session at a time, over all nodes. Connecting takes it over, and whatever was
//! begun under an earlier session can write nothing any more, however late it arrives.

mod columns;
pub(super) mod postgres;
mod rows;
pub(super) mod sqlite;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, ClientOrderId, ExecutionReport};

use super::settings::PaperSettings;
use super::venue::Account;
pub(crate) use rows::Rows;

/// Names an order across accounts.
pub(crate) type OrderKey = (BrokerAccountId, ClientOrderId);

/// The number of an account's session: the latest is the one that counts.
pub(crate) type SessionNumber = i64;

/// The books could not be read, or hold what they must not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailure {
    /// The database does not answer, or refuses.
    #[error("{0}")]
    Unavailable(String),
    /// A row holds what it must not.
    #[error("{0}")]
    Corrupt(String),
}

impl From<sqlx::Error> for StoreFailure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Self::Corrupt(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What is known of a commit that failed.
#[derive(Debug)]
pub(crate) struct CommitFailure {
    /// Whether it may have happened all the same, or may still happen.
    pub fate_unknown: bool,
    /// What is known.
    pub detail: String,
}

/// What opening the books gives.
pub(crate) type Opened = (Arc<dyn Reader>, Box<dyn Books>);

/// Reads what is committed, for many at once.
#[async_trait]
pub(crate) trait Reader: fmt::Debug + Send + Sync {
    /// How orders stand, with all of their executions. Those that are not there are not in the answer.
    async fn reports(&self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure>;
}

/// The books as the desk has them: one call at a time.
#[async_trait]
pub(crate) trait Books: fmt::Debug + Send {
    /// Whether other processes may use them beside this one.
    fn are_shared(&self) -> bool;

    /// The same as [`Reader::reports`].
    async fn known(&mut self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure>;

    /// Begins a session of an account and gives the account as it was last committed; a new one where there is none. What
    /// was begun under an earlier session writes nothing from here on, even where it is still under way.
    ///
    /// Where `after` names a session, only if that one is still the latest: `None` where another has followed it. Without,
    /// whatever session there was is over.
    ///
    /// The account's starting balance is the committed one, so that [`Account::change_settings`] can tell whether another
    /// one was set since.
    async fn load(
        &mut self,
        id: BrokerAccountId,
        settings: &PaperSettings,
        after: Option<SessionNumber>,
    ) -> Result<Option<(SessionNumber, Account)>, StoreFailure>;

    /// Commits a batch, durably. Gives the accounts whose session is no longer the latest: of theirs nothing is written.
    ///
    /// # Errors
    /// [`CommitFailure`]. Unless its `fate_unknown` is set, nothing of the batch happened. Where it is set, only
    /// [`Books::load`] settles the fate of each account's part.
    async fn commit(&mut self, rows: Rows) -> Result<BTreeSet<BrokerAccountId>, CommitFailure>;

    /// Which of these sessions are no longer the latest of their accounts.
    async fn outlived(
        &mut self,
        sessions: &[(BrokerAccountId, SessionNumber)],
    ) -> Result<Vec<BrokerAccountId>, StoreFailure>;

    /// Closes everything, the reader too.
    async fn close(self: Box<Self>);
}
