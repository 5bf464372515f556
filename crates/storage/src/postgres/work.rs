//! Transactions that write, and what is told when it is not known whether one took.
//!
//! Every transaction writes a row of its own writer before it commits: a token that no other transaction has. When the
//! connection is lost while the server may be committing, a new one waits for the row (it is locked as long as the
//! transaction is under way) and reads it: the token is there or it is not. A statement that is a transaction of its own may be
//! on its way still, and not have begun: it takes only where the row has the token of the transaction before it, so whoever reads
//! the row and finds another puts one there that fits none. The status of the transaction's number would tell
//! the same but for one case: after a crash of the server a number that never reached the disk is given to another
//! transaction, and that one's fate would be told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atomik_ports::StoreError;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, Connection, Transaction};

use super::PostgresStore;
use super::connect::{Connector, STATEMENT_TIMEOUT};
use super::faults::{code, fault, is_refusal, sentence, too_late};

/// Serializes what users set up, over all nodes. The triggers that feed `changes` take the same lock.
const DIRECTORY_LOCK: i64 = 280_587_225_857;
/// How long the answer to a statement is waited for: a little longer than the server works on it.
pub(super) const ANSWER_TIMEOUT: Duration = STATEMENT_TIMEOUT.saturating_add(Duration::from_secs(2));
/// How long it is waited between two questions whether a transaction took, at first and at most.
const ASK_AGAIN: Duration = Duration::from_millis(20);
const ASK_AGAIN_AT_MOST: Duration = Duration::from_secs(1);

/// The writers of a store: each has a row in `commits` while it has a transaction under way.
#[derive(Debug, Default)]
pub(super) struct Slots {
    free: Mutex<Vec<i64>>,
    made: AtomicI64,
    token: AtomicI64,
}

/// The token of no transaction.
const NOBODYS: i64 = -1;
/// The slot of the recorder, which is the only writer with one for good.
pub(super) const RECORDER_SLOT: i64 = 0;

impl Slots {
    /// A token that no other transaction of this store has.
    pub fn token(&self) -> i64 {
        self.token.fetch_add(1, Ordering::Relaxed)
    }

    fn take(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let number = free.unwrap_or_else(|| self.made.fetch_add(1, Ordering::Relaxed) + 1 + RECORDER_SLOT);
        Slot { slots: self, number }
    }
}

#[derive(Debug)]
struct Slot<'s> {
    slots: &'s Slots,
    number: i64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.free.lock().unwrap_or_else(PoisonError::into_inner).push(self.number);
    }
}

/// A transaction under way. Dropped without [`Work::finish`], it is rolled back.
#[derive(Debug)]
pub(super) struct Work<'s> {
    store: &'s PostgresStore,
    transaction: Transaction<'static, Postgres>,
    slot: Slot<'s>,
    token: i64,
}

impl PostgresStore {
    /// Begins a write.
    pub(super) async fn write(&self) -> Result<Work<'_>, StoreError> {
        self.begin("").await
    }

    /// Begins a write of what users set up. Waits until it is alone with that, over all nodes, so that what it counts is
    /// what is there when it is committed.
    pub(super) async fn change(&self) -> Result<Work<'_>, StoreError> {
        self.begin(&format!("SELECT pg_advisory_xact_lock({DIRECTORY_LOCK}); ")).await
    }

    async fn begin(&self, lock: &str) -> Result<Work<'_>, StoreError> {
        let (slot, token) = (self.slots.take(), self.slots.token());
        let note = note(self.connector.store, slot.number, token);
        let begin = AssertSqlSafe(format!("BEGIN; {lock}{note}"));
        let transaction = self.pool.begin_with(begin).await.map_err(fault)?;
        Ok(Work { store: self, transaction, slot, token })
    }
}

/// What notes a writer's transaction, in its own row.
pub(super) fn note(store: i64, slot: i64, token: i64) -> String {
    format!(
        "INSERT INTO commits (store, slot, token) VALUES ({store}, {slot}, {token}) ON CONFLICT (store, slot) \
         DO UPDATE SET token = excluded.token, touched_at = clock_timestamp()"
    )
}

impl Work<'_> {
    /// Where its queries go.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Ends the transaction: commits what went well, rolls back what did not. Returns only when a commit is durable, or is
    /// known not to have been.
    pub async fn finish<T>(self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let value = result?; // dropping the transaction rolls it back
        let committed = tokio::time::timeout(ANSWER_TIMEOUT, self.transaction.commit()).await;
        match committed.unwrap_or_else(|_| Err(too_late())) {
            Ok(()) => Ok(value),
            Err(error) => {
                settle(&self.store.connector, self.slot.number, self.token, error).await.map(|()| value)
            }
        }
    }
}

/// Whether a transaction took whose commit ended with an error: no error, where it did. Waits as long as nobody can tell.
pub(super) async fn settle(
    connector: &Connector,
    slot: i64,
    token: i64,
    error: sqlx::Error,
) -> Result<(), StoreError> {
    match took(connector, slot, token, &error).await {
        Some(_) => Ok(()),
        None => Err(fault(error)),
    }
}

/// Whether a transaction took whose commit ended with an error: the ids that it had noted, where it did. Where it did not, it never
/// will, however late what was sent arrives. Waits as long as nobody can tell.
pub(super) async fn took(
    connector: &Connector,
    slot: i64,
    token: i64,
    error: &sqlx::Error,
) -> Option<Vec<i64>> {
    if is_refusal(error) {
        return None;
    }
    tracing::warn!(reason = %sentence(error), "the answer to a commit was lost; asking the database whether it took");
    let mut pause = ASK_AGAIN;
    loop {
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, ask(connector, slot, token)).await;
        match asked.unwrap_or_else(|_| Err(too_late())) {
            Ok(ids) => {
                tracing::info!(took = ids.is_some(), "what became of the commit is known");
                return ids;
            }
            Err(unknown) => {
                let (reason, code) = (sentence(&unknown), code(&unknown));
                tracing::warn!(%reason, code, "it cannot be told yet whether a commit took");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(ASK_AGAIN_AT_MOST);
    }
}

/// Looks whether a writer's last transaction that took is the one with a token, once none of its transactions is under way. Where
/// it is not, the token of none is left: a statement that was sent and has not begun finds it, and undoes itself.
async fn ask(connector: &Connector, slot: i64, token: i64) -> Result<Option<Vec<i64>>, sqlx::Error> {
    let mut connection = connector.connect().await?;
    let mut asking = connection.begin().await?;
    let last: Option<(i64, Option<Vec<i64>>)> =
        sqlx::query_as("SELECT token, ids FROM commits WHERE store = $1 AND slot = $2 FOR UPDATE")
            .bind(connector.store)
            .bind(slot)
            .fetch_optional(&mut *asking)
            .await?;
    if let Some((last, ids)) = last
        && last == token
    {
        return Ok(Some(ids.unwrap_or_default()));
    }
    sqlx::raw_sql(AssertSqlSafe(note(connector.store, slot, NOBODYS))).execute(&mut *asking).await?;
    asking.commit().await?;
    Ok(None)
}
