//! Filling the database, inside the transaction that whoever calls has begun.

use atomik_domain::UnixMicros;
use futures::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::cells::write_row;
use super::source::{Table, tables};
use super::{ImportError, MARK, source_fault, target_fault};
use crate::postgres::partitions::{AHEAD, DAY_US, day_of, days, making};

/// How many bytes are sent at a time.
const PIECE: usize = 256 * 1024;
/// For how many of the last days the log gets partitions; older rows go to the one that takes the rest.
const DAYS: i64 = 1_000;

/// Copies all tables, and sets what counts behind what is counted.
pub(super) async fn fill(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    at: UnixMicros,
) -> Result<(), ImportError> {
    make_days(source, target, at).await?;
    for table in tables(source, target).await? {
        match table.name {
            // The copies of what users set up were noted as changes; what counts is how the store that is copied numbers them.
            "changes" => run(target, "DELETE FROM changes").await?,
            "meta" => run(target, &format!("DELETE FROM meta WHERE key <> '{MARK}'")).await?,
            _ => {}
        }
        copy_table(source, target, &table).await?;
    }
    set_counters(source, target).await
}

async fn run(target: &mut PgConnection, sql: &str) -> Result<(), ImportError> {
    target.execute(AssertSqlSafe(sql)).await.map(drop).map_err(target_fault)
}

/// Makes partitions for the days that the log has rows of.
async fn make_days(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    at: UnixMicros,
) -> Result<(), ImportError> {
    let today = day_of(at);
    let wanted: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT received_at / ?1 FROM deliveries WHERE received_at >= ?2 AND received_at < ?3",
    )
    .bind(DAY_US)
    .bind(today.saturating_sub(DAYS).saturating_mul(DAY_US))
    .bind(today.saturating_add(AHEAD).saturating_mul(DAY_US))
    .fetch_all(source)
    .await
    .map_err(source_fault)?;
    let there = days(&mut *target).await.map_err(ImportError::Target)?;
    for day in wanted.into_iter().filter(|day| !there.contains(day)) {
        run(target, &making(day)).await?;
    }
    Ok(())
}

async fn copy_table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &Table,
) -> Result<(), ImportError> {
    let mut rows = sqlx::query(AssertSqlSafe(table.from_source.as_str())).fetch(source);
    let copy = format!("COPY {} ({}) FROM STDIN", table.name, table.list);
    let mut copy = target.copy_in_raw(&copy).await.map_err(target_fault)?;
    let mut lines = String::new();
    while let Some(row) = rows.try_next().await.map_err(source_fault)? {
        write_row(&row, &table.columns, &mut lines).map_err(ImportError::Source)?;
        if lines.len() >= PIECE {
            copy.send(lines.as_bytes()).await.map_err(target_fault)?;
            lines.clear();
        }
    }
    copy.send(lines.as_bytes()).await.map_err(target_fault)?;
    copy.finish().await.map(drop).map_err(target_fault)
}

/// The next id is one that the store that is copied has not given away.
async fn set_counters(source: &mut SqliteConnection, target: &mut PgConnection) -> Result<(), ImportError> {
    let counted: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns \
         WHERE table_schema = current_schema() AND is_identity = 'YES'",
    )
    .fetch_all(&mut *target)
    .await
    .map_err(target_fault)?;
    for (table, column) in counted {
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), max({column})) FROM {table}"
        );
        run(target, &set).await?;
    }
    let delivery_ids = "SELECT setval('delivery_ids', greatest((SELECT max(id) FROM signals), \
         (SELECT max(id) FROM deliveries)))";
    run(target, delivery_ids).await?;
    // The last change may have been removed, and its number is not given away again.
    let last_change: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")
            .fetch_optional(source)
            .await
            .map_err(source_fault)?;
    if let Some(last) = last_change.filter(|last| *last > 0) {
        let set = format!("SELECT setval(pg_get_serial_sequence('changes', 'seq'), {last})");
        run(target, &set).await?;
    }
    Ok(())
}
