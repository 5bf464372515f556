//! The one writing connection, what it remembers, and how it survives faults.

use std::sync::atomic::{AtomicBool, Ordering};

use atomik_ports::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::{Mutex, MutexGuard};

use super::bulk::Statements;
use super::faults::{fault, leaves_fate_unknown, sentence};
use super::journal::Recent;

/// Said once a flush failed, or a connection's thread died in the middle of a commit, until the process ends.
const FATE_UNKNOWN: &str = "the disk failed to flush a write, or SQLite broke down in it, so nothing is written until atomik is \
     restarted and has checked the file";

/// The one writer.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    connection: Mutex<Option<Held>>,
    /// Whether a commit's fate is unknown: see [`leaves_fate_unknown`].
    fate_unknown: AtomicBool,
}

/// The connection between two transactions.
#[derive(Debug)]
struct Held {
    connection: SqliteConnection,
    /// What the journal remembers of what it has committed.
    recent: Option<Recent>,
}

impl Writer {
    pub fn new(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        let held = Held { connection, recent: None };
        Self { options, connection: Mutex::new(Some(held)), fate_unknown: AtomicBool::new(false) }
    }

    /// Waits for its turn and begins a transaction that no other can come before.
    pub async fn begin(&self) -> Result<Work<'_>, StoreError> {
        let mut work = self.take_turn().await?;
        work.begin().await?;
        Ok(work)
    }

    /// Waits for its turn, and leaves it to [`Work::begin`] or [`Work::commit`] to begin the transaction.
    pub async fn take_turn(&self) -> Result<Work<'_>, StoreError> {
        let mut slot = self.connection.lock().await;
        if self.fate_unknown.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable(FATE_UNKNOWN.to_owned()));
        }
        // Taken out: a caller that goes away halfway takes the connection with it, and closing it rolls back.
        let held = match slot.take() {
            Some(held) => held,
            None => Held { connection: self.options.connect().await.map_err(fault)?, recent: None },
        };
        Ok(Work { writer: self, slot, held, begun: false })
    }

    fn note_failed_commit(&self, error: &sqlx::Error) {
        let reason = sentence(error);
        if leaves_fate_unknown(error) {
            self.fate_unknown.store(true, Ordering::Relaxed);
            tracing::error!(%reason, "{FATE_UNKNOWN}");
        } else {
            tracing::warn!(%reason, "a transaction was rolled back");
        }
    }
}

/// A transaction under way. Dropped without [`Work::finish`], it is rolled back.
#[derive(Debug)]
pub(crate) struct Work<'w> {
    writer: &'w Writer,
    slot: MutexGuard<'w, Option<Held>>,
    held: Held,
    begun: bool,
}

impl Work<'_> {
    /// Begins the transaction, unless it has begun.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        if !self.begun {
            sqlx::query("BEGIN IMMEDIATE").execute(self.connection()).await.map_err(fault)?;
            self.begun = true;
        }
        Ok(())
    }

    /// Where its queries go.
    pub fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.held.connection
    }

    /// What the journal remembers. Whatever is changed in it is forgotten, all of it, unless this transaction is
    /// committed.
    pub(super) fn recent(&mut self) -> &mut Option<Recent> {
        &mut self.held.recent
    }

    /// Runs the last statements, commits, and gives back what they returned. Returns only when the commit is durable, or is known
    /// not to be: never where that cannot be known, for then the next process may find it or not.
    pub(super) async fn commit(mut self, statements: Statements) -> Result<Vec<SqliteRow>, StoreError> {
        match statements.commit(&mut self.held.connection, self.begun).await {
            Ok(returned) => {
                *self.slot = Some(self.held);
                Ok(returned)
            }
            Err(error) => {
                self.writer.note_failed_commit(&error);
                self.discard().await;
                if leaves_fate_unknown(&error) {
                    // Whoever waits gets no answer, which promises nothing.
                    return std::future::pending().await;
                }
                Err(fault(error))
            }
        }
    }

    /// Ends the transaction: commits what went well, rolls back what did not. Returns as [`Work::commit`] does.
    pub async fn finish<T>(mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match result {
            Ok(value) => self.commit(Statements::default()).await.map(|_| value),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => {
                self.discard().await;
                Err(error)
            }
            // Nothing is wrong with the store: it was asked for what is not there or not allowed.
            Err(refusal) => {
                let rolled_back = sqlx::query("ROLLBACK").execute(self.connection()).await;
                if rolled_back.is_ok() {
                    *self.slot = Some(Held { recent: None, ..self.held });
                }
                Err(refusal)
            }
        }
    }

    /// Closes the connection, which rolls back whatever SQLite itself has not rolled back yet, and leaves the place for
    /// a new one.
    async fn discard(self) {
        // That it cannot even be closed cleanly adds nothing to the error that is reported already.
        let _ = self.held.connection.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::faults::tests::with_code;

    async fn in_memory() -> Writer {
        let options = SqliteConnectOptions::new().in_memory(true);
        let connection = options.connect().await.unwrap();
        Writer::new(options, connection)
    }

    #[tokio::test]
    async fn after_a_commit_of_unknown_fate_nothing_is_written_until_a_restart() {
        for error in [with_code(1034), sqlx::Error::WorkerCrashed] {
            let writer = in_memory().await;
            writer.begin().await.unwrap().finish(Ok(())).await.unwrap();
            writer.note_failed_commit(&error);
            let refused = writer.begin().await.unwrap_err();
            assert!(matches!(refused, StoreError::Unavailable(sentence) if sentence.contains("restarted")));
        }
    }

    #[tokio::test]
    async fn other_faults_leave_a_writer_that_works() {
        let writer = in_memory().await;
        writer.note_failed_commit(&with_code(13));
        let fault = StoreError::Unavailable("the disk or the database is full".to_owned());
        let lost = writer.begin().await.unwrap().finish::<()>(Err(fault.clone())).await;
        assert_eq!(lost, Err(fault));
        writer.begin().await.unwrap().finish(Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_halfway_leaves_a_writer_that_works() {
        let writer = in_memory().await;
        drop(writer.begin().await.unwrap());
        writer.begin().await.unwrap().finish(Ok(())).await.unwrap();
    }
}
