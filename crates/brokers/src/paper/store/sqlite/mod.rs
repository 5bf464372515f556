//! The books in a file that one process has.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, ExecutionReport};
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, QueryBuilder, Sqlite};

use super::columns::{Queries, account_of, reports_of};
use super::rows::{Row, TABLES, Table, Value};
use super::{Books, CommitFailure, Opened, OrderKey, Reader, Rows, SessionNumber, StoreFailure};
use crate::paper::settings::PaperSettings;
use crate::paper::venue::Account;

/// The schema.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/paper/store/sqlite/migrations");

/// The orders of a list of accounts and client order ids.
const WANTED: &str = "(SELECT value ->> 0 AS account_id, unhex(value ->> 1) AS client_order_id FROM json_each(?1)) \
                      AS wanted CROSS JOIN orders AS o ON o.account_id = wanted.account_id \
                      AND o.client_order_id = wanted.client_order_id";

/// `SQLITE_IOERR_FSYNC` and `SQLITE_IOERR_DIR_FSYNC`.
const FLUSH_FAILED: [&str; 2] = ["1034", "1290"];

/// Reads what is committed.
#[derive(Debug)]
struct SqliteReader {
    pool: SqlitePool,
    queries: Queries,
    /// Whether the disk failed to flush a commit. The next process may find it in the file or not, so this one, which does not
    /// see it, says nothing of the file any more.
    flush_failed: AtomicBool,
}

/// The books: they are read by the reader's connections and written by one of their own, one commit at a time.
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
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    if damage != "ok" {
        return Err(StoreFailure::Corrupt(format!("the file is damaged: {damage}")));
    }
    let migrated = MIGRATIONS.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| StoreFailure::Unavailable(error.to_string()))?;
    let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options.clone());
    let queries = Queries::of("", WANTED);
    let reader = Arc::new(SqliteReader { pool, queries, flush_failed: AtomicBool::new(false) });
    let books = SqliteBooks { reader: Arc::clone(&reader), options, connection: Some(connection) };
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
        let wanted: Vec<_> = keys.iter().map(|(account, id)| json!([account.0, id.to_string()])).collect();
        let wanted = serde_json::Value::Array(wanted).to_string();
        let asked = sqlx::query(AssertSqlSafe(self.queries.reports.as_str())).bind(wanted);
        reports_of(&asked.fetch_all(&self.pool).await?)
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

    async fn account(&self, id: BrokerAccountId, settings: &PaperSettings) -> Result<Account, StoreFailure> {
        self.check_flushed()?;
        let row =
            sqlx::query("SELECT starting_balance, cash, last_sequence FROM accounts WHERE account_id = ?1")
                .bind(id.0)
                .fetch_optional(&self.pool)
                .await?;
        let all =
            async |query: &str| sqlx::query(AssertSqlSafe(query)).bind(id.0).fetch_all(&self.pool).await;
        let (holdings, resting) = (all(&self.queries.holdings).await?, all(&self.queries.resting).await?);
        account_of(id, settings, row.as_ref(), &holdings, &resting)
    }
}

#[async_trait]
impl Books for SqliteBooks {
    fn are_shared(&self) -> bool {
        false
    }

    async fn known(&mut self, keys: &[OrderKey]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        self.reader.reports(keys).await
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
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await.map_err(nothing_happened)?,
        };
        // The connection is put back only after a commit that went well: after any other, a fresh one is opened.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(nothing_happened)?;
        for (table, rows) in TABLES.iter().zip(&rows.tables) {
            write(&mut transaction, table, rows).await.map_err(nothing_happened)?;
        }
        rows.pass("paper_before_commit");
        transaction.commit().await.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            if code.is_some_and(|code| FLUSH_FAILED.contains(&code.as_ref())) {
                self.reader.flush_failed.store(true, Ordering::Release);
                tracing::error!(%error, "the paper broker's books are not used again until atomik is restarted");
            }
            CommitFailure { fate_unknown: true, detail: error.to_string() }
        })?;
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

/// Rows in one statement: as few statements as may be, in few sizes, so that each stays prepared.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [64, 8, 1].into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// Writes rows of a table.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    table: &Table,
    rows: &[Row],
) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let insert = format!("INSERT INTO {} ({}) ", table.name, table.names(""));
        let mut query = QueryBuilder::<Sqlite>::new(insert);
        query.push_values(chunk, |mut row, values| {
            for value in values {
                match value {
                    Value::Integer(number) => row.push_bind(*number),
                    Value::Text(text) => row.push_bind(text.as_deref()),
                    Value::Blob(bytes) => row.push_bind(bytes.as_slice()),
                    Value::Flag(flag) => row.push_bind(*flag),
                };
            }
        });
        query.push(table.on_conflict());
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}
