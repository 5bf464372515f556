//! What is read of the embedded store, and what it is to be the same as.

use atomik_ports::StoreError;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::cells::{Column, Kind};
use super::{ImportError, MARK, source_fault, target_fault};
use crate::batch::WINDOW;
use crate::postgres::tables::TABLES;
use crate::sqlite::MEMORY_US;

/// A table of both stores.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    pub columns: Vec<Column>,
    /// The first column is read first, and so on: its names, joined.
    pub list: String,
    /// Which of the columns make the key.
    pub key: Vec<usize>,
    /// What reads it from the embedded store, in the order of its key.
    pub from_source: String,
    /// What reads it from the database.
    pub from_target: String,
}

/// All tables, in the order in which they are filled.
pub(super) async fn tables(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Vec<Table>, ImportError> {
    let mut tables = Vec::new();
    for (name, key) in TABLES.into_iter().chain([("changes", "seq"), ("meta", "key")]) {
        tables.push(table(source, target, name, key).await?);
    }
    Ok(tables)
}

async fn table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    name: &'static str,
    key: &'static str,
) -> Result<Table, ImportError> {
    let columns = if name == "repeat_keys" {
        columns_of_target(target, name).await?
    } else {
        let names = columns_of_source(source, name).await?;
        let known = columns_of_target(target, name).await?;
        let known = |name: &String| known.iter().find(|column| column.name == *name).cloned();
        let found = names.iter().map(|column| known(column).ok_or_else(|| unknown(name, column)));
        found.collect::<Result<_, _>>()?
    };
    let list = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let place = |key: &str| columns.iter().position(|column| column.name == key);
    let from = match name {
        "repeat_keys" => repeat_keys(),
        _ => name.to_owned(),
    };
    let only = if name == "meta" {
        // Who serves the database, and that it is being filled, is not in the store that is copied.
        format!(" WHERE key NOT IN ('server', '{MARK}')")
    } else {
        String::new()
    };
    Ok(Table {
        name,
        key: key.split(", ").filter_map(place).collect(),
        from_source: format!("SELECT {list} FROM {from}{only} ORDER BY {key}"),
        from_target: format!("SELECT {list} FROM {name}{only} ORDER BY {key}"),
        list,
        columns,
    })
}

fn unknown(table: &str, column: &str) -> ImportError {
    ImportError::Target(StoreError::Corrupt(format!("its table {table} has no column {column}")))
}

async fn columns_of_source(source: &mut SqliteConnection, table: &str) -> Result<Vec<String>, ImportError> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
        .bind(table.to_owned())
        .fetch_all(source)
        .await
        .map_err(source_fault)
}

async fn columns_of_target(target: &mut PgConnection, table: &str) -> Result<Vec<Column>, ImportError> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT column_name::text, data_type::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(target)
    .await
    .map_err(target_fault)?;
    let read = |(name, data_type): (String, String)| match Kind::parse(&data_type) {
        Some(kind) => Ok(Column { name, kind }),
        None => Err(ImportError::Target(StoreError::Corrupt(format!("{name} is of the type {data_type}")))),
    };
    columns.into_iter().map(read).collect()
}

/// Repeat keys as the database keeps them: with what stands in their signals, and with those of the last moments, which the
/// embedded store's writer has in memory. Where a key was used twice, the later signal counts.
fn repeat_keys() -> String {
    let window = format!("CAST(x'{WINDOW:02x}' || s.fingerprint AS BLOB)");
    format!(
        "(SELECT webhook_id, key, signal_id, received_at, accepted_at, forget_at, body, max(signal_id) FROM (\
         SELECT k.webhook_id, k.key, k.signal_id, s.received_at, s.stored_at AS accepted_at, k.forget_at, k.body \
         FROM repeat_keys k JOIN signals s ON s.id = k.signal_id \
         UNION ALL \
         SELECT s.webhook_id, {window}, s.id, s.received_at, s.stored_at, s.stored_at + {MEMORY_US}, NULL \
         FROM signals s WHERE s.fingerprint IS NOT NULL \
         AND s.stored_at > (SELECT max(stored_at) FROM signals) - {MEMORY_US} \
         AND NOT EXISTS (SELECT 1 FROM repeat_keys k \
         WHERE k.webhook_id = s.webhook_id AND k.key = {window} AND k.signal_id = s.id)) \
         GROUP BY webhook_id, key)"
    )
}
