//! A venue's file as books in a database: copied and compared row by row, in one transaction.

use std::path::Path;

use futures::TryStreamExt;
use secrecy::SecretString;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::connect::Connector;
use super::copy::values_of;
use super::open::{self, Schema};
use crate::paper::store::StoreFailure;
use crate::paper::store::rows::{Row, TABLES, Table, joined};

/// How many rows are written at a time.
const STEP: usize = 2_000;

/// How many rows a table has in both.
pub(in crate::paper) type Counted = (&'static str, u64);

/// Copies a venue's file, which nobody writes to, into a database that has no books yet. None of it stays where it fails.
pub(in crate::paper) async fn fill(file: &Path, url: &SecretString) -> Result<Vec<Counted>, StoreFailure> {
    let (mut from, mut to) = (read(file).await?, connect(url).await?);
    open::prepare(&mut to).await?;
    to.execute("BEGIN; LOCK TABLE paper.accounts IN SHARE ROW EXCLUSIVE MODE").await?;
    for table in &TABLES {
        refuse_rows(&mut to, table).await?;
        fill_table(&mut from, &mut to, table).await?;
    }
    let counted = compare_tables(&mut from, &mut to).await?;
    to.execute("COMMIT; ANALYZE paper.orders, paper.executions").await?;
    to.close().await?;
    Ok(counted)
}

/// Compares a venue's file with the books of a database.
pub(in crate::paper) async fn compare(file: &Path, url: &SecretString) -> Result<Vec<Counted>, StoreFailure> {
    let (mut from, mut to) = (read(file).await?, connect(url).await?);
    if open::look(&mut to).await? == Schema::Missing {
        return Err(StoreFailure::Corrupt("the copy differs: it has no paper books".to_owned()));
    }
    compare_tables(&mut from, &mut to).await
}

async fn read(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(file).disable_statement_logging();
    let mut connection = options.connect().await?;
    // Nobody writes to it until the connection ends.
    connection.execute("BEGIN IMMEDIATE").await?;
    Ok(connection)
}

async fn connect(url: &SecretString) -> Result<PgConnection, StoreFailure> {
    let connector = Connector::of(url).map_err(StoreFailure::Unavailable)?;
    let mut connection = connector.connect().await?;
    // Long statements are expected here, and nothing waits for them.
    connection.execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0").await?;
    Ok(connection)
}

async fn refuse_rows(to: &mut PgConnection, table: &Table) -> Result<(), StoreFailure> {
    let any = AssertSqlSafe(format!("SELECT EXISTS (SELECT 1 FROM paper.{})", table.name));
    if sqlx::query_scalar(any).fetch_one(to).await? {
        return Err(StoreFailure::Unavailable(format!(
            "it is not empty: it has rows in paper.{}",
            table.name
        )));
    }
    Ok(())
}

async fn fill_table(
    from: &mut SqliteConnection,
    to: &mut PgConnection,
    table: &Table,
) -> Result<(), StoreFailure> {
    let (name, names) = (table.name, table.names(""));
    let places =
        joined(table.columns.iter().zip(1..).map(|((_, kind), n)| format!("${n}::{}[]", kind.sql_type())));
    let insert = format!(
        "INSERT INTO paper.{name} ({names}) SELECT {names} FROM unnest({places}) AS written ({names})"
    );
    let select = format!("SELECT {names} FROM {name} ORDER BY {}", table.key_names());
    let mut rows = sqlx::query(AssertSqlSafe(select)).fetch(from).try_chunks(STEP);
    while let Some(chunk) = rows.try_next().await.map_err(|failed| failed.1)? {
        let chunk = chunk.iter().map(|row| values_of(row, table)).collect::<Result<Vec<Row>, _>>()?;
        let mut arguments = PgArguments::default();
        for (column, (_, kind)) in table.columns.iter().enumerate() {
            kind.add(&chunk, column, &mut arguments).map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(AssertSqlSafe(insert.as_str()), arguments).execute(&mut *to).await?;
    }
    Ok(())
}

async fn compare_tables(
    from: &mut SqliteConnection,
    to: &mut PgConnection,
) -> Result<Vec<Counted>, StoreFailure> {
    let mut counted = Vec::new();
    for table in &TABLES {
        counted.push((table.name, compare_table(from, to, table).await?));
    }
    Ok(counted)
}

async fn compare_table(
    from: &mut SqliteConnection,
    to: &mut PgConnection,
    table: &Table,
) -> Result<u64, StoreFailure> {
    let (name, names, key) = (table.name, table.names(""), table.key_names());
    let original = format!("SELECT {names} FROM {name} ORDER BY {key}");
    let copy = format!("SELECT {names} FROM paper.{name} ORDER BY {key}");
    let mut originals = sqlx::query(AssertSqlSafe(original)).fetch(from);
    let mut copies = sqlx::query(AssertSqlSafe(copy)).fetch(to);
    let mut rows = 0;
    loop {
        let original = originals.try_next().await?.map(|row| values_of(&row, table)).transpose()?;
        let copy = copies.try_next().await?.map(|row| values_of(&row, table)).transpose()?;
        if original != copy {
            let row = table.key_of(&original.or(copy).unwrap_or_default());
            return Err(StoreFailure::Corrupt(format!("the copy differs: paper.{name}, row {row}")));
        }
        if original.is_none() {
            return Ok(rows);
        }
        rows += 1;
    }
}
