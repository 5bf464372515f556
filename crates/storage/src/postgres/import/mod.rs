//! An embedded store as one in a PostgreSQL database: copied row by row, then compared row by row, and only then served.
//!
//! Before the first row is written the database is marked as unfinished, and the mark goes when everything has been compared.
//! Every way to open a store refuses a database with the mark, so that a copy that was cut off is never taken for all there is.

mod cells;
mod compare;
mod fill;
mod source;

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use secrecy::SecretString;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::connect::Connector;
use super::faults::fault;
use super::migrate::newest_applied;
use super::open::{
    OPENING_LOCK, check_server, failed, lock_opening, prepare_schema, random_store, refuse_unfinished,
    take_server_lock, unlock,
};
use super::tables::TABLES;
use super::{Access, OpenError};
use crate::sqlite::{self, SqliteStore};

/// The row of `meta` that says that a copy is under way.
const MARK: &str = "copying";

/// Whether a copy into a database was begun and not finished.
pub(super) async fn is_unfinished(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM meta WHERE key = $1)")
        .bind(MARK)
        .fetch_one(connection)
        .await
}

/// A table that is the same in both stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
}

/// Why a store was not copied, for the operator's eyes.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database is not empty.
    #[error(
        "the database {place} is not empty: it has {what}. Name one that is, and nothing in this one is touched"
    )]
    NotEmpty {
        /// The database.
        place: String,
        /// What was found in it first.
        what: String,
    },
    /// A row is not the same in both.
    #[error("the copy is not the same as what was copied: {table}, row {row}: {what}")]
    Differs {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
        /// Which column, or which side lacks the row. No values: they may be secret.
        what: String,
    },
    /// The store that is copied cannot be read.
    #[error("the store cannot be read: {0}")]
    Source(StoreError),
    /// The database fails.
    #[error("the database fails: {0}")]
    Target(StoreError),
}

/// A copy under way. Nobody else writes to either side until it is finished or dropped.
#[derive(Debug)]
pub struct Import<'s> {
    source: sqlite::Work<'s>,
    target: PgConnection,
    at: UnixMicros,
}

impl<'s> Import<'s> {
    /// Begins to copy a store, which no server uses, into an empty database: one without tables, or one that was opened and
    /// never used. From here on the database is not served until [`Import::finish`].
    ///
    /// # Errors
    /// [`ImportError`]; the database is as it was.
    pub async fn begin(
        source: &'s SqliteStore,
        url: &SecretString,
        at: UnixMicros,
    ) -> Result<Self, ImportError> {
        let held = source.hold().await.map_err(ImportError::Source)?;
        let (mut target, place) = connect(url).await?;
        refuse_tables_of_others(&mut target, &place).await?;
        prepare_schema(&mut target, &place, true).await?;
        refuse_unfinished(&mut target, &place).await?;
        refuse_rows(&mut target, &place).await?;
        sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2)")
            .bind(MARK)
            .bind(at.0.to_string())
            .execute(&mut target)
            .await
            .map_err(target_fault)?;
        unlock(&mut target, OPENING_LOCK).await.map_err(target_fault)?;
        Ok(Self { source: held, target, at })
    }

    /// Opens a copy that was finished and has not been served since, to compare it once more.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn again(
        source: &'s SqliteStore,
        url: &SecretString,
        at: UnixMicros,
    ) -> Result<Self, ImportError> {
        let held = source.hold().await.map_err(ImportError::Source)?;
        let (mut target, place) = connect(url).await?;
        prepare_schema(&mut target, &place, true).await?;
        refuse_unfinished(&mut target, &place).await?;
        unlock(&mut target, OPENING_LOCK).await.map_err(target_fault)?;
        Ok(Self { source: held, target, at })
    }

    /// Copies all rows and compares them, in one transaction: where anything differs, none of it stays.
    ///
    /// # Errors
    /// [`ImportError`]; the database stays marked as unfinished.
    pub async fn copy(&mut self) -> Result<Vec<Compared>, ImportError> {
        self.run("BEGIN").await?;
        fill::fill(self.source.connection(), &mut self.target, self.at).await?;
        let compared = self.compare().await?;
        self.run("COMMIT").await?;
        Ok(compared)
    }

    /// Compares all rows of both sides.
    ///
    /// # Errors
    /// [`ImportError::Differs`] for the first row that is not the same.
    pub async fn compare(&mut self) -> Result<Vec<Compared>, ImportError> {
        compare::compare(self.source.connection(), &mut self.target).await
    }

    /// Lets the database be served.
    ///
    /// # Errors
    /// [`ImportError::Target`]; the database stays marked as unfinished.
    pub async fn finish(mut self) -> Result<(), ImportError> {
        // Plans would be made for empty tables until the database looks at them by itself.
        self.run("ANALYZE").await?;
        sqlx::query("DELETE FROM meta WHERE key = $1")
            .bind(MARK)
            .execute(&mut self.target)
            .await
            .map_err(target_fault)?;
        self.close().await
    }

    /// Lets both sides go.
    ///
    /// # Errors
    /// [`ImportError::Target`].
    pub async fn close(self) -> Result<(), ImportError> {
        self.target.close().await.map_err(target_fault)
    }

    async fn run(&mut self, sql: &'static str) -> Result<(), ImportError> {
        self.target.execute(sql).await.map(drop).map_err(target_fault)
    }
}

fn source_fault(error: sqlx::Error) -> ImportError {
    ImportError::Source(sqlite::copy_fault(error))
}

fn target_fault(error: sqlx::Error) -> ImportError {
    ImportError::Target(fault(error))
}

/// A session that opens the database alone, and works on statements for as long as they take.
async fn connect(url: &SecretString) -> Result<(PgConnection, String), OpenError> {
    let unusable = |reason| OpenError::Url { reason };
    let connector = Connector::of(url, random_store().map_err(unusable)?).map_err(unusable)?;
    let place = connector.place();
    let mut connection = connector.connect().await.map_err(|error| failed(&place, &error))?;
    check_server(&mut connection, &place).await?;
    lock_opening(&mut connection, &place).await?;
    take_server_lock(&mut connection, Access::Exclusive, &place).await?;
    // Long statements are expected here, and nothing waits for them.
    let patient = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";
    connection.execute(patient).await.map_err(|error| failed(&place, &error))?;
    Ok((connection, place))
}

/// Where there is no store yet, nothing else may be there either.
async fn refuse_tables_of_others(target: &mut PgConnection, place: &str) -> Result<(), ImportError> {
    let migrated = newest_applied(target).await;
    if migrated.map_err(|error| OpenError::Failed { place: place.to_owned(), reason: error.to_string() })? > 0
    {
        return Ok(());
    }
    let table: Option<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() LIMIT 1",
    )
    .fetch_optional(target)
    .await
    .map_err(target_fault)?;
    match table {
        None => Ok(()),
        Some(table) => {
            Err(ImportError::NotEmpty { place: place.to_owned(), what: format!("a table {table}") })
        }
    }
}

async fn refuse_rows(target: &mut PgConnection, place: &str) -> Result<(), ImportError> {
    for (table, _) in TABLES {
        let any = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM {table})"));
        if sqlx::query_scalar(any).fetch_one(&mut *target).await.map_err(target_fault)? {
            return Err(ImportError::NotEmpty { place: place.to_owned(), what: format!("rows in {table}") });
        }
    }
    Ok(())
}
