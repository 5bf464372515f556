//! The books held still, and copied into a file as [`sqlite`] has them.

use std::path::Path;

use secrecy::SecretString;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ColumnIndex, ConnectOptions, Connection, Decode, Executor, Row, Type};

use super::connect::Connector;
use super::open::{self, Schema};
use crate::paper::store::rows::{Kind, Row as Values, TABLES, Table, Value};
use crate::paper::store::{StoreFailure, sqlite};

/// How many rows are read at a time.
const STEP: u32 = 2_000;

/// Books that nobody writes to, on whichever node, until the connection that holds them ends.
#[derive(Debug)]
pub(in crate::paper) struct Held(PgConnection);

impl Held {
    /// Holds the books of a database; `None` where there never were any.
    pub async fn hold(url: &SecretString) -> Result<Option<Self>, StoreFailure> {
        let connector = Connector::of(url).map_err(StoreFailure::Unavailable)?;
        let mut connection = connector.connect().await?;
        match open::look(&mut connection).await? {
            Schema::Missing => return Ok(None),
            Schema::Older => {
                let reason = "an older atomik serves it. Restart that one with this version first";
                return Err(StoreFailure::Unavailable(reason.to_owned()));
            }
            Schema::Current => {}
        }
        // Copying takes what it takes; one that is stopped in between lets go after a while. The lock lets others read, and
        // waits for those that write; every commit and every new session writes to this table.
        connection
            .execute(
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '60s'; \
                 BEGIN; LOCK TABLE paper.accounts IN SHARE MODE",
            )
            .await?;
        Ok(Some(Self(connection)))
    }

    /// Copies the books as they stand into an empty file.
    pub async fn copy(&mut self, to: &Path) -> Result<(), StoreFailure> {
        let options = SqliteConnectOptions::new()
            .filename(to)
            .journal_mode(SqliteJournalMode::Delete)
            .disable_statement_logging();
        let mut file = options.connect().await?;
        let made = sqlite::MIGRATIONS.run_direct(None, &mut file, false).await;
        made.map_err(|error| StoreFailure::Unavailable(error.to_string()))?;
        let mut writing = file.begin().await?;
        for table in &TABLES {
            copy_table(&mut self.0, &mut writing, table).await?;
        }
        writing.commit().await?;
        Ok(file.close().await?)
    }

    /// Lets the venue go on.
    pub async fn release(self) -> Result<(), StoreFailure> {
        Ok(self.0.close().await?)
    }
}

async fn copy_table(
    from: &mut PgConnection,
    to: &mut SqliteConnection,
    table: &Table,
) -> Result<(), StoreFailure> {
    let (name, names, key) = (table.name, table.names(""), table.key_names());
    let declare =
        format!("DECLARE {name}_rows NO SCROLL CURSOR FOR SELECT {names} FROM paper.{name} ORDER BY {key}");
    sqlx::query(AssertSqlSafe(declare)).execute(&mut *from).await?;
    loop {
        let fetch = format!("FETCH {STEP} FROM {name}_rows");
        let rows = sqlx::query(AssertSqlSafe(fetch)).fetch_all(&mut *from).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let rows = rows.iter().map(|row| values_of(row, table)).collect::<Result<Vec<_>, _>>()?;
        sqlite::write(to, table, &rows).await?;
    }
}

/// A row of either engine.
pub(super) fn values_of<'r, R: Row>(row: &'r R, table: &Table) -> Result<Values, sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |(name, kind): &(&'static str, Kind)| {
        Ok(match kind {
            Kind::Integer => Value::Integer(row.try_get(*name)?),
            Kind::Text => Value::Text(row.try_get(*name)?),
            Kind::Blob => Value::Blob(row.try_get(*name)?),
            Kind::Flag => Value::Flag(row.try_get(*name)?),
        })
    };
    table.columns.iter().map(value).collect()
}
