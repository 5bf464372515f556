//! Looking into eras: see [`crate::eras`].

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::faults::fault;
use crate::eras::{DISORDER_US, Eras};

/// What a query that looks only into some eras begins with; `first` and `last` are its parameters for them. It goes on with
/// `FROM e CROSS JOIN signals x ON x.id >> 12 = e.era AND x.webhook_id = ...`.
pub(super) fn with_eras(first: &str, last: &str) -> String {
    format!("WITH RECURSIVE e(era) AS (VALUES ({last}) UNION ALL SELECT era - 1 FROM e WHERE era > {first})")
}

/// The id from which on rows are not older than a moment, give or take a little disorder: none below it is as young, and
/// those from it on are at most twice the disorder older. The highest id there can be where there are no rows.
pub(super) async fn first_since(
    read: &mut SqliteConnection,
    table: &'static str,
    time: &'static str,
    since: UnixMicros,
) -> Result<i64, StoreError> {
    let sql = format!(
        "WITH RECURSIVE halves (low, high) AS (SELECT 0, coalesce(max(id), 0) + 1 FROM {table} UNION ALL \
         SELECT CASE WHEN t.{time} < ?1 THEN t.id + 1 ELSE low END, \
         CASE WHEN t.{time} < ?1 THEN high ELSE (low + high) / 2 END \
         FROM halves CROSS JOIN {table} t ON t.id = (SELECT min(id) FROM {table} WHERE id >= (low + high) / 2) \
         WHERE low < high) SELECT iif(EXISTS (SELECT 1 FROM {table}), max(low), 9223372036854775807) FROM halves"
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(since.plus(-DISORDER_US).0)
        .fetch_one(read)
        .await
        .map_err(fault)
}

/// The eras that hold signals with ids above one and below another, from the newest down or from the oldest up.
pub(super) async fn between(
    connection: &mut SqliteConnection,
    above: i64,
    below: i64,
    oldest_first: bool,
) -> Result<Eras, StoreError> {
    let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT min(id) FROM signals WHERE id > ?1), (SELECT max(id) FROM signals WHERE id < ?2)",
    )
    .bind(above)
    .bind(below)
    .fetch_one(connection)
    .await
    .map_err(fault)?;
    Ok(match ends {
        (Some(lowest), Some(highest)) => Eras::of_ids(lowest, highest, oldest_first),
        _ => Eras::none(oldest_first),
    })
}
