//! Removing what is no longer kept, in small transactions that let writers through.

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe};

use super::SqliteStore;
use super::faults::fault;

/// The most rows that one transaction removes; stands in the statements below as `STEP`.
const STEP: u32 = 1_000;

/// Runs a statement that removes at most a step, again and again until it removes nothing.
pub(super) async fn remove_in_steps(
    store: &SqliteStore,
    sql: &str,
    binds: &[i64],
) -> Result<u64, StoreError> {
    let sql = sql.replace("STEP", &STEP.to_string());
    let mut removed = 0;
    loop {
        let step = remove(store, &sql, binds).await?;
        if step == 0 {
            return Ok(removed);
        }
        removed += step;
    }
}

async fn remove(store: &SqliteStore, sql: &str, binds: &[i64]) -> Result<u64, StoreError> {
    let mut arguments = SqliteArguments::default();
    for bind in binds {
        arguments.add(*bind).map_err(|error| fault(sqlx::Error::Encode(error)))?;
    }
    let mut work = store.write().await?;
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(work.connection()).await;
    work.finish(done.map(|done| done.rows_affected()).map_err(fault)).await
}

/// Removes deliveries received before a moment. Accepted ones stay, being signals; they only leave the webhook's log.
pub(super) async fn old_deliveries(store: &SqliteStore, before: UnixMicros) -> Result<u64, StoreError> {
    let mut work = store.write().await?;
    let moved = sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('deliveries_before', ?1) ON CONFLICT (key) DO UPDATE \
         SET value = excluded.value WHERE CAST(excluded.value AS INTEGER) > CAST(meta.value AS INTEGER)",
    )
    .bind(before.0.to_string())
    .execute(work.connection())
    .await;
    work.finish(moved.map(drop).map_err(fault)).await?;
    // Ids are in the order of arrival, so the old ones are at the front.
    let oldest = "DELETE FROM deliveries WHERE id IN (SELECT id FROM \
         (SELECT id, received_at FROM deliveries ORDER BY id LIMIT STEP) WHERE received_at < ?1)";
    remove_in_steps(store, oldest, &[before.0]).await
}

/// Removes the refusals of each webhook beyond its `keep` newest.
pub(super) async fn refusals(store: &SqliteStore, keep: u32) -> Result<u64, StoreError> {
    let crowded: Vec<i64> =
        sqlx::query_scalar("SELECT webhook_id FROM deliveries GROUP BY webhook_id HAVING count(*) > ?1")
            .bind(i64::from(keep))
            .fetch_all(&store.readers)
            .await
            .map_err(fault)?;
    let mut removed = 0;
    for webhook_id in crowded {
        let first_to_go: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM deliveries WHERE webhook_id = ?1 AND code <> 'replayed' \
             ORDER BY id DESC LIMIT 1 OFFSET ?2",
        )
        .bind(webhook_id)
        .bind(i64::from(keep))
        .fetch_optional(&store.readers)
        .await
        .map_err(fault)?;
        let Some(first_to_go) = first_to_go else { continue };
        let beyond = "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries \
             WHERE webhook_id = ?1 AND id <= ?2 AND code <> 'replayed' LIMIT STEP)";
        removed += remove_in_steps(store, beyond, &[webhook_id, first_to_go]).await?;
    }
    Ok(removed)
}

/// Removes repeat keys that nothing can repeat any more.
pub(super) async fn repeat_keys(store: &SqliteStore, now: UnixMicros) -> Result<u64, StoreError> {
    let mut removed = 0;
    let mut after = (i64::MIN, Vec::new());
    loop {
        let step: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT webhook_id, key, forget_at FROM repeat_keys WHERE (webhook_id, key) > (?1, ?2) \
             ORDER BY webhook_id, key LIMIT ?3",
        )
        .bind(after.0)
        .bind(after.1.clone())
        .bind(STEP)
        .fetch_all(&store.readers)
        .await
        .map_err(fault)?;
        let Some((webhook_id, key, _)) = step.last().cloned() else { return Ok(removed) };
        if step.iter().any(|(.., forget_at)| *forget_at <= now.0) {
            let mut work = store.write().await?;
            let done = sqlx::query(
                "DELETE FROM repeat_keys WHERE (webhook_id, key) > (?1, ?2) AND (webhook_id, key) <= (?3, ?4) \
                 AND forget_at <= ?5",
            )
            .bind(after.0)
            .bind(after.1)
            .bind(webhook_id)
            .bind(key.clone())
            .bind(now.0)
            .execute(work.connection())
            .await;
            removed += work.finish(done.map(|done| done.rows_affected()).map_err(fault)).await?;
        }
        after = (webhook_id, key);
    }
}

/// Removes sessions that have ended.
pub(super) async fn sessions(store: &SqliteStore, now: UnixMicros) -> Result<u64, StoreError> {
    let ended =
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ?1 LIMIT STEP)";
    remove_in_steps(store, ended, &[now.0]).await
}

/// Removes the oldest changes of the directory, beyond what processes that follow them may still ask for. One that asks
/// for older ones is told everything.
pub(super) async fn changes(store: &SqliteStore) -> Result<u64, StoreError> {
    let oldest = "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes \
         WHERE seq <= (SELECT max(seq) FROM changes) - 10000 ORDER BY seq LIMIT STEP)";
    remove_in_steps(store, oldest, &[]).await
}
