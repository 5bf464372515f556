//! Looking into eras: see [`crate::eras`].

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::faults::fault;
use crate::eras::{DISORDER_US, Eras};

/// What stands in `FROM` for a query that looks only into some eras, the newest first; `first` and `last` are its parameters
/// for them. It goes on with a `CROSS JOIN LATERAL` over [`of_webhook`].
pub(super) fn eras(first: &str, last: &str) -> String {
    format!("generate_series({last}::bigint, {first}::bigint, -1) AS e(era)")
}

/// The signals of one webhook in one era. `OFFSET 0` holds the planner to one look into the index for each pair.
pub(super) fn of_webhook(columns: &str, webhook: &str) -> String {
    format!(
        "(SELECT {columns} FROM signals i WHERE i.id >> 12 = e.era AND i.webhook_id = {webhook} OFFSET 0)"
    )
}

/// The id from which on rows are not older than a moment, give or take a little disorder: none below it is as young, and
/// those from it on are at most twice the disorder older. The highest id there can be where there are no rows.
pub(super) async fn first_since(
    read: &mut PgConnection,
    table: &'static str,
    time: &'static str,
    since: UnixMicros,
) -> Result<i64, StoreError> {
    let sql = format!(
        "WITH RECURSIVE halves (low, high) AS (\
           SELECT 0::bigint, coalesce((SELECT id FROM {table} ORDER BY id DESC LIMIT 1), 0) + 1 UNION ALL \
           SELECT CASE WHEN t.{time} < $1 THEN t.id + 1 ELSE low END, \
           CASE WHEN t.{time} < $1 THEN high ELSE (low + high) / 2 END FROM halves CROSS JOIN LATERAL \
           (SELECT id, {time} FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) t WHERE low < high) \
         SELECT CASE WHEN EXISTS (SELECT 1 FROM {table}) THEN max(low) ELSE 9223372036854775807 END FROM halves"
    );
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(since.plus(-DISORDER_US).0)
        .fetch_one(read)
        .await
        .map_err(fault)
}

/// The eras that hold signals with ids above one and below another, from the newest down or from the oldest up.
pub(super) async fn between(
    connection: &mut PgConnection,
    above: i64,
    below: i64,
    oldest_first: bool,
) -> Result<Eras, StoreError> {
    let ends: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT min(id) FROM signals WHERE id > $1), (SELECT max(id) FROM signals WHERE id < $2)",
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
