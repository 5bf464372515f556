//! The one connection that records, and the lock that its session holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atomik_ports::StoreError;
use sqlx::Connection;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::QueryScalar;
use tokio::sync::{Mutex, MutexGuard};

use super::faults::{fault, is_refusal, too_late};
use super::open::try_share;
use super::work::{ANSWER_TIMEOUT, RECORDER_SLOT, settle, took};
use super::{Access, PostgresStore};

/// Says, held by a session, that a server uses the database.
pub(super) const SERVER_LOCK: i64 = 280_587_225_858;
/// How often, and after what pause, a lock is asked for that our own last session may still hold.
pub(super) const TRIES: u32 = 20;
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(100);

/// A connection, and the token of the last transaction that was committed with it.
#[derive(Debug)]
struct Session {
    connection: PgConnection,
    last: Option<i64>,
}

/// The connection between two transactions.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    session: Mutex<Option<Session>>,
    /// Whether the store has shut down.
    ended: AtomicBool,
}

impl Recorder {
    /// With the connection that has opened the store.
    pub fn new(connection: Option<PgConnection>) -> Self {
        let session = connection.map(|connection| Session { connection, last: None });
        Self { session: Mutex::new(session), ended: AtomicBool::new(false) }
    }

    /// Records nothing any more, and closes the connection once nobody uses it.
    pub async fn close(&self) {
        let mut session = self.session.lock().await;
        self.ended.store(true, Ordering::Release);
        if let Some(session) = session.take() {
            // That it cannot be closed cleanly makes no difference any more.
            let _ = session.connection.close().await;
        }
    }
}

/// A turn at recording. The connection is taken out: a caller that goes away halfway takes it along, and closing it rolls back.
#[derive(Debug)]
pub(super) struct Turn<'s> {
    store: &'s PostgresStore,
    slot: MutexGuard<'s, Option<Session>>,
    session: Session,
}

impl PostgresStore {
    /// Waits for its turn, and connects anew where the connection was lost.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let mut slot = self.recorder.session.lock().await;
        if self.recorder.ended.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable("the store has shut down".to_owned()));
        }
        let session = match slot.take() {
            Some(session) => session,
            None => Session { connection: self.reconnect().await?, last: None },
        };
        Ok(Turn { store: self, slot, session })
    }

    async fn reconnect(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connector.connect().await.map_err(fault)?;
        let locking = async {
            match self.options.access {
                Access::Together => try_share(&mut connection).await,
                Access::Exclusive | Access::Shared => try_lock(&mut connection, SERVER_LOCK).await,
            }
        };
        let locked = tokio::time::timeout(ANSWER_TIMEOUT, locking).await.unwrap_or_else(|_| Err(too_late()));
        if locked.map_err(fault)? { Ok(connection) } else { Err(busy()) }
    }
}

fn busy() -> StoreError {
    StoreError::Unavailable(
        "the connection to the database was lost, and another atomik holds its lock now".to_owned(),
    )
}

impl Turn<'_> {
    /// Where its queries go.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.session.connection
    }

    /// The token of the transaction before; `None` where it is not known.
    pub fn last(&self) -> Option<i64> {
        self.session.last
    }

    /// Commits, and leaves the connection for the next turn. Returns only when the commit is durable, or is known not to
    /// have been.
    pub async fn commit(mut self, token: i64) -> Result<(), StoreError> {
        let commit = sqlx::raw_sql("COMMIT").execute(&mut self.session.connection);
        match tokio::time::timeout(ANSWER_TIMEOUT, commit).await.unwrap_or_else(|_| Err(too_late())) {
            Ok(_) => {
                self.session.last = Some(token);
                self.leave();
                Ok(())
            }
            Err(error) => {
                drop(self.session);
                settle(&self.store.connector, RECORDER_SLOT, token, error).await
            }
        }
    }

    /// Runs a statement that is a transaction of its own and gives the ids that it notes, and leaves the connection for the next
    /// turn. Returns only when the statement is durable, or is known not to have been.
    pub async fn commit_at_once(
        mut self,
        token: i64,
        statement: QueryScalar<'_, Postgres, Vec<i64>, PgArguments>,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let ran =
            tokio::time::timeout(ANSWER_TIMEOUT, statement.fetch_one(&mut self.session.connection)).await;
        match ran.unwrap_or_else(|_| Err(too_late())) {
            Ok(ids) => {
                self.session.last = Some(token);
                self.leave();
                Ok(ids)
            }
            Err(error) if is_refusal(&error) => {
                self.leave();
                Err(error)
            }
            Err(error) => {
                drop(self.session);
                took(&self.store.connector, RECORDER_SLOT, token, &error).await.ok_or(error)
            }
        }
    }

    /// Leaves the connection for the next turn.
    pub fn leave(mut self) {
        *self.slot = Some(self.session);
    }

    /// Rolls back, and leaves the connection for the next turn where that works.
    pub async fn roll_back(mut self) {
        let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut self.session.connection);
        if let Ok(Ok(_)) = tokio::time::timeout(ANSWER_TIMEOUT, rollback).await {
            self.leave();
        }
    }

    /// Closes the connection, which rolls back whatever is under way.
    pub async fn discard(self) {
        // That it cannot even be closed cleanly adds nothing to the error that is reported already.
        let _ = tokio::time::timeout(TRY_AGAIN, self.session.connection.close()).await;
    }
}

/// Whether a session's lock was free, and is this session's now.
pub(super) async fn try_lock(connection: &mut PgConnection, lock: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(lock).fetch_one(connection).await
}
