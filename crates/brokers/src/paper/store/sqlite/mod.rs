//! The books in a file that one process has.

mod texts;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, ExecutionReport};
use futures::TryStreamExt;
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteExecutor, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, Sqlite};

use super::columns::{Queries, account_of, reports_of};
use super::rows::{Row, Table};
use super::{Books, CommitFailure, Opened, OrderKey, Reader, Rows, SessionNumber, StoreFailure};
use crate::paper::settings::PaperSettings;
use crate::paper::venue::Account;

/// The schema.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/paper/store/sqlite/migrations");

/// The orders of a list of accounts and client order ids.
const WANTED: &str = "(SELECT value ->> 0 AS account_id, unhex(value ->> 1) AS client_order_id FROM json_each(?1)) \
                      AS wanted CROSS JOIN orders AS o ON o.account_id = wanted.account_id \
                      AND o.client_order_id = wanted.client_order_id";

/// The log is folded into the file when it has this many pages (64 MiB): the commit that does it waits for it.
const CHECKPOINT_PAGES: u32 = 32_000;
/// Half of SQLite's usual page: orders of many accounts touch many pages, and each is written whole.
const PAGE_SIZE: u32 = 2_048;
const WRITER_CACHE_KIB: i32 = 8_192;
/// Texts kept ready.
const STATEMENTS: usize = 200;

/// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
const FLUSH_FAILED: [i32; 2] = [1034, 1290];
/// `SQLITE_NOMEM`, `SQLITE_IOERR` and `SQLITE_FULL`, without what else their codes say: a commit may be in the log by then.
const MAY_BE_COMMITTED: [i32; 3] = [7, 10, 13];
/// `SQLITE_BUSY`: somebody else had the file for too long, and the transaction never began.
const BUSY: i32 = 5;

/// Reads what is committed.
#[derive(Debug)]
struct SqliteReader {
    pool: SqlitePool,
    queries: Queries,
    /// Whether the disk failed to flush a commit. The next process may find it in the file or not, so this one, which does not
    /// see it, says nothing of the file any more.
    flush_failed: AtomicBool,
}

/// The books: accounts are read by the reader's connections; a connection of their own writes, one commit at a time, and says what
/// is known already: whoever wrote last has the pages at hand.
#[derive(Debug)]
struct SqliteBooks {
    reader: Arc<SqliteReader>,
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

/// Opens the file, checks that it is whole, and brings its schema up to date.
///
/// # Errors
/// [`StoreFailure`] where the file cannot be opened, is damaged, or was written by a newer version.
pub(crate) async fn open(path: &Path) -> Result<Opened, StoreFailure> {
    make_private(path).map_err(|error| StoreFailure::Unavailable(error.to_string()))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .page_size(PAGE_SIZE)
        .statement_cache_capacity(STATEMENTS)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", (PAGE_SIZE * CHECKPOINT_PAGES).to_string())
        .disable_statement_logging();
    let writer = options.clone().pragma("cache_size", (-WRITER_CACHE_KIB).to_string());
    let mut connection = SqliteConnection::connect_with(&writer).await?;
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    if damage != "ok" {
        return Err(StoreFailure::Corrupt(format!("the file is damaged: {damage}")));
    }
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| StoreFailure::Unavailable(error.to_string()))?;
    let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
    let queries = Queries::of("", WANTED);
    let reader = Arc::new(SqliteReader { pool, queries, flush_failed: AtomicBool::new(false) });
    let books = SqliteBooks { reader: Arc::clone(&reader), options: writer, connection: Some(connection) };
    Ok((reader, Box::new(books)))
}

/// Makes the file where there is none, for its owner's eyes only; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[async_trait]
impl Reader for SqliteReader {
    async fn reports(&self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        self.check_flushed()?;
        self.reports_over(&self.pool, keys).await
    }
}

impl SqliteReader {
    fn check_flushed(&self) -> Result<(), StoreFailure> {
        if self.flush_failed.load(Ordering::Acquire) {
            let why =
                "the disk failed to flush a write, and what came of it is seen once atomik is restarted";
            return Err(StoreFailure::Unavailable(why.to_owned()));
        }
        Ok(())
    }

    async fn reports_over(
        &self,
        connection: impl SqliteExecutor<'_>,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        let wanted: Vec<_> = keys.iter().map(|(account, id)| json!([account.0, id.to_string()])).collect();
        let wanted = serde_json::Value::Array(wanted).to_string();
        let asked = sqlx::query(AssertSqlSafe(self.queries.reports.as_str())).bind(wanted);
        reports_of(&all_answers(connection, asked, 1).await?)
    }

    async fn account(&self, id: BrokerAccountId, settings: &PaperSettings) -> Result<Account, StoreFailure> {
        self.check_flushed()?;
        let all = async |query: &str| {
            all_answers(&self.pool, sqlx::query(AssertSqlSafe(query.to_owned())).bind(id.0), 1).await
        };
        let row =
            all("SELECT starting_balance, cash, last_sequence FROM accounts WHERE account_id = ?1").await?;
        let (holdings, resting) = (all(&self.queries.holdings).await?, all(&self.queries.resting).await?);
        account_of(id, settings, row.first(), &holdings, &resting)
    }
}

impl SqliteBooks {
    /// The connection. It is put back only after what went well: after anything else, a fresh one is opened.
    async fn take_connection(&mut self) -> Result<SqliteConnection, sqlx::Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => SqliteConnection::connect_with(&self.options).await,
        }
    }

    /// What is known where the text that ends with the commit failed.
    async fn failed_commit(&self, mut connection: SqliteConnection, error: sqlx::Error) -> CommitFailure {
        let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
        let detail = error.to_string();
        if code.is_some_and(|code| FLUSH_FAILED.contains(&code)) {
            self.reader.flush_failed.store(true, Ordering::Release);
            tracing::error!(%error, "the paper broker's books are not used again until atomik is restarted");
        }
        let fate_unknown = match code.map(|code: i32| code & 0xff) {
            Some(BUSY) => false,
            // A transaction that is still there was not committed.
            Some(code) if !MAY_BE_COMMITTED.contains(&code) => connection.execute("ROLLBACK").await.is_err(),
            _ => true,
        };
        CommitFailure { fate_unknown, detail }
    }
}

#[async_trait]
impl Books for SqliteBooks {
    fn are_shared(&self) -> bool {
        false
    }

    async fn known(&mut self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        self.reader.check_flushed()?;
        let mut connection = self.take_connection().await?;
        let known = self.reader.reports_over(&mut connection, keys).await?;
        self.connection = Some(connection);
        Ok(known)
    }

    /// Nobody else writes, and a commit is over when it is answered: sessions need no numbers.
    async fn load(
        &mut self,
        id: BrokerAccountId,
        settings: &PaperSettings,
        after: Option<SessionNumber>,
    ) -> Result<Option<(SessionNumber, Account)>, StoreFailure> {
        Ok(Some((after.unwrap_or_default(), self.reader.account(id, settings).await?)))
    }

    /// One transaction, one sync to disk.
    async fn commit(&mut self, rows: Rows) -> Result<BTreeSet<BrokerAccountId>, CommitFailure> {
        let nothing_happened =
            |error: sqlx::Error| CommitFailure { fate_unknown: false, detail: error.to_string() };
        if let Err(failure) = self.reader.check_flushed() {
            return Err(CommitFailure { fate_unknown: false, detail: failure.to_string() });
        }
        let mut connection = self.take_connection().await.map_err(nothing_happened)?;
        let mut texts = texts::of_batch(&rows);
        let last = texts.pop();
        for text in texts {
            text.run(&mut connection).await.map_err(nothing_happened)?;
        }
        rows.pass("paper_before_commit");
        if let Some(last) = last
            && let Err(error) = last.run(&mut connection).await
        {
            return Err(self.failed_commit(connection, error).await);
        }
        rows.pass("paper_after_commit");
        self.connection = Some(connection);
        Ok(BTreeSet::new())
    }

    async fn outlived(
        &mut self,
        _: &[(BrokerAccountId, SessionNumber)],
    ) -> Result<Vec<BrokerAccountId>, StoreFailure> {
        Ok(Vec::new())
    }

    async fn close(self: Box<Self>) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the paper venue's database did not close cleanly");
        }
        self.reader.pool.close().await;
    }
}

/// Runs a text of so many statements and collects what they return. Where the connection's thread dies halfway, sqlx's answer just
/// ends: only the count tells that the rest of the text, and the commit at its end, may never have run.
async fn all_answers(
    connection: impl SqliteExecutor<'_>,
    query: sqlx::query::Query<'_, Sqlite, SqliteArguments>,
    statements: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let mut answers = connection.fetch_many(query);
    let (mut rows, mut ended) = (Vec::new(), 0);
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Left(_) => ended += 1,
            Either::Right(row) => rows.push(row),
        }
    }
    if ended == statements { Ok(rows) } else { Err(sqlx::Error::WorkerCrashed) }
}

/// Writes rows of a table.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    table: &Table,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    for text in texts::of_table(table, rows) {
        text.run(&mut *connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_ends_before_the_text_does_is_an_error() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let text = "BEGIN; SELECT 7; COMMIT";
        let rows = all_answers(&mut connection, sqlx::query(text), 3).await.unwrap();
        assert_eq!(rows.len(), 1);
        let cut_short = all_answers(&mut connection, sqlx::query(text), 4).await.unwrap_err();
        assert!(matches!(cut_short, sqlx::Error::WorkerCrashed), "{cut_short}");
    }
}
