//! The whole store as an embedded one: row by row, as of one moment.

use std::path::Path;

use atomik_ports::StoreError;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Column, Connection, Row, TypeInfo};

use super::PostgresStore;
use super::faults::fault;
use super::retention::KEPT;
use super::tables::TABLES;
use crate::sqlite;

/// How many rows are read at a time.
const STEP: u32 = 2_000;

/// Writes the copy to a file that must not exist.
pub(super) async fn into_file(store: &PostgresStore, to: &Path) -> Result<(), StoreError> {
    let reserved = sqlite::reserve(to).await?;
    let copied = copy(store, to).await;
    let kept = match copied {
        Ok(()) => reserved.sync_all().await.map_err(sqlite::not_writable),
        Err(error) => Err(error),
    };
    if kept.is_err() {
        // What is there is half a copy. That it cannot be removed adds nothing to the error.
        let _ = tokio::fs::remove_file(to).await;
    }
    kept
}

async fn copy(store: &PostgresStore, to: &Path) -> Result<(), StoreError> {
    let mut read = store.read().await?;
    // Long reads are expected here, and nothing waits for them.
    sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut *read).await.map_err(fault)?;
    // The first query chooses the moment. Only then something is written: whoever waits for the file to grow knows.
    sqlx::query("SELECT 1 FROM meta").execute(&mut *read).await.map_err(fault)?;
    let mut file = sqlite::make_copy(to).await?;
    begin(&mut file).await?;
    for (table, key) in TABLES {
        copy_table(&mut read, &mut file, table, key).await?;
    }
    // The copies of what users set up were noted as changes; what counts is how the store that is copied numbers them.
    run(&mut file, "DELETE FROM changes").await?;
    copy_table(&mut read, &mut file, "changes", "seq").await?;
    run(
        &mut file,
        "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(seq), 0) FROM changes) WHERE name = 'changes'",
    )
    .await?;
    copy_meta(&mut read, &mut file).await?;
    sqlite::make_restorable(&mut file).await.map_err(sqlite::copy_fault)?;
    run(&mut file, "COMMIT").await?;
    file.close().await.map_err(sqlite::copy_fault)
}

async fn begin(file: &mut SqliteConnection) -> Result<(), StoreError> {
    run(file, "BEGIN IMMEDIATE").await
}

async fn run(file: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(file).await.map(drop).map_err(sqlite::copy_fault)
}

/// What the operator's tools are told of the store; which installation it is, and who serves it, is not the copy's.
async fn copy_meta(read: &mut PgConnection, file: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT key, value FROM meta WHERE key NOT IN ('installation', 'server')")
            .fetch_all(read)
            .await
            .map_err(fault)?;
    for (key, value) in rows {
        sqlx::query("INSERT INTO meta (key, value) VALUES (?1, ?2)")
            .bind(key)
            .bind(value)
            .execute(&mut *file)
            .await
            .map_err(sqlite::copy_fault)?;
    }
    Ok(())
}

/// Copies the columns that the embedded store has too.
async fn copy_table(
    read: &mut PgConnection,
    file: &mut SqliteConnection,
    table: &str,
    key: &str,
) -> Result<(), StoreError> {
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
        .bind(table.to_owned())
        .fetch_all(&mut *file)
        .await
        .map_err(sqlite::copy_fault)?;
    let columns = columns.join(", ");
    let kept = if table == "deliveries" { format!("WHERE {KEPT}") } else { String::new() };
    let declare = format!(
        "DECLARE {table}_rows NO SCROLL CURSOR FOR SELECT {columns} FROM {table} {kept} ORDER BY {key}"
    );
    sqlx::query(AssertSqlSafe(declare)).execute(&mut *read).await.map_err(fault)?;
    let count = columns.split(", ").count();
    let insert = format!("INSERT INTO {table} ({columns}) VALUES ({})", vec!["?"; count].join(","));
    loop {
        let rows = sqlx::query(AssertSqlSafe(format!("FETCH {STEP} FROM {table}_rows")))
            .fetch_all(&mut *read)
            .await
            .map_err(fault)?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            sqlx::query_with(AssertSqlSafe(insert.as_str()), values(row)?)
                .execute(&mut *file)
                .await
                .map_err(sqlite::copy_fault)?;
        }
    }
    sqlx::query(AssertSqlSafe(format!("CLOSE {table}_rows"))).execute(read).await.map(drop).map_err(fault)
}

/// A row's values, as SQLite keeps them.
fn values(row: &PgRow) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for (index, column) in row.columns().iter().enumerate() {
        let added = match column.type_info().name() {
            "INT8" => arguments.add(row.try_get::<Option<i64>, _>(index).map_err(fault)?),
            "TEXT" => arguments.add(row.try_get::<Option<String>, _>(index).map_err(fault)?),
            "BYTEA" => arguments.add(row.try_get::<Option<Vec<u8>>, _>(index).map_err(fault)?),
            "BOOL" => arguments.add(row.try_get::<Option<bool>, _>(index).map_err(fault)?),
            other => return Err(StoreError::Corrupt(format!("{} is of the type {other}", column.name()))),
        };
        added.map_err(|error| fault(sqlx::Error::Encode(error)))?;
    }
    Ok(arguments)
}
