//! Removing what is no longer kept, in small transactions that let writers through.

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::Arguments;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgArguments;

use super::faults::fault;
use super::{PostgresStore, WindowClock, partitions};

/// The most rows that one transaction removes; stands in the statements below as `STEP`.
const STEP: i64 = 1_000;

/// A condition on what the log still shows, to stand behind `AND` and the table's name, if any. Older rows lie there until the
/// partition of their day is dropped.
pub(super) const KEPT: &str = "received_at >= coalesce((SELECT value::bigint FROM meta WHERE key = 'deliveries_before'), \
     '-9223372036854775808'::bigint)";

/// Runs a statement that removes at most a step, again and again until it removes nothing.
pub(super) async fn remove_in_steps(
    store: &PostgresStore,
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

async fn remove(store: &PostgresStore, sql: &str, binds: &[i64]) -> Result<u64, StoreError> {
    let mut arguments = PgArguments::default();
    for bind in binds {
        arguments.add(*bind).map_err(|error| fault(sqlx::Error::Encode(error)))?;
    }
    let mut work = store.write().await?;
    let done = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(work.connection()).await;
    work.finish(done.map(|done| done.rows_affected()).map_err(fault)).await
}

/// Takes deliveries received before a moment out of the log, and drops the days that are over. Accepted ones stay, being
/// signals; they only leave the webhook's log. Gives how many rows left the log.
pub(super) async fn old_deliveries(store: &PostgresStore, before: UnixMicros) -> Result<u64, StoreError> {
    let mut work = store.write().await?;
    let moved = sqlx::query_scalar(
        "WITH last AS (SELECT coalesce((SELECT value::bigint FROM meta WHERE key = 'deliveries_before'), \
           '-9223372036854775808'::bigint) AS before), \
         gone AS (SELECT count(*) AS count FROM deliveries \
           WHERE received_at >= (SELECT before FROM last) AND received_at < $1), \
         moved AS (INSERT INTO meta (key, value) VALUES ('deliveries_before', $2) ON CONFLICT (key) DO UPDATE \
           SET value = excluded.value WHERE excluded.value::bigint > meta.value::bigint) \
         SELECT count FROM gone",
    )
    .bind(before.0)
    .bind(before.0.to_string())
    .fetch_one(work.connection())
    .await;
    let gone: i64 = work.finish(moved.map_err(fault)).await?;
    partitions::drop_before(store, before).await?;
    let rest = "DELETE FROM deliveries_rest WHERE id IN \
         (SELECT id FROM deliveries_rest WHERE received_at < $1 LIMIT STEP) AND received_at < $1";
    remove_in_steps(store, rest, &[before.0]).await?;
    Ok(gone.unsigned_abs())
}

/// Removes the refusals of each webhook beyond its `keep` newest.
pub(super) async fn refusals(store: &PostgresStore, keep: u32) -> Result<u64, StoreError> {
    let crowded: Vec<i64> =
        sqlx::query_scalar("SELECT webhook_id FROM deliveries GROUP BY webhook_id HAVING count(*) > $1")
            .bind(i64::from(keep))
            .fetch_all(&store.pool)
            .await
            .map_err(fault)?;
    let mut removed = 0;
    for webhook_id in crowded {
        let first_to_go: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM deliveries WHERE webhook_id = $1 AND code <> 'replayed' \
             ORDER BY id DESC LIMIT 1 OFFSET $2",
        )
        .bind(webhook_id)
        .bind(i64::from(keep))
        .fetch_optional(&store.pool)
        .await
        .map_err(fault)?;
        let Some(first_to_go) = first_to_go else { continue };
        let beyond = "DELETE FROM deliveries WHERE webhook_id = $1 AND code <> 'replayed' AND id IN (\
             SELECT id FROM deliveries WHERE webhook_id = $1 AND id <= $2 AND code <> 'replayed' ORDER BY id LIMIT STEP)";
        removed += remove_in_steps(store, beyond, &[webhook_id, first_to_go]).await?;
    }
    Ok(removed)
}

/// Removes repeat keys that nothing can repeat any more, by the clock that windows are measured with. Those that a
/// transaction holds just now are left for another time.
pub(super) async fn repeat_keys(store: &PostgresStore, now: UnixMicros) -> Result<u64, StoreError> {
    let now = match store.options.window_clock {
        WindowClock::Caller => now.0,
        WindowClock::Database => {
            sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
                .fetch_one(&store.pool)
                .await
                .map_err(fault)?
        }
    };
    let mut removed = 0;
    let mut after = (i64::MIN, Vec::new());
    loop {
        let step: Vec<(i64, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT webhook_id, key, forget_at FROM repeat_keys WHERE (webhook_id, key) > ($1, $2) \
             ORDER BY webhook_id, key LIMIT $3",
        )
        .bind(after.0)
        .bind(&after.1)
        .bind(STEP)
        .fetch_all(&store.pool)
        .await
        .map_err(fault)?;
        let Some((webhook_id, key, _)) = step.last().cloned() else { return Ok(removed) };
        if step.iter().any(|(.., forget_at)| *forget_at <= now) {
            let mut work = store.write().await?;
            let done = sqlx::query(
                "DELETE FROM repeat_keys WHERE (webhook_id, key) IN (SELECT webhook_id, key FROM repeat_keys \
                 WHERE (webhook_id, key) > ($1, $2) AND (webhook_id, key) <= ($3, $4) AND forget_at <= $5 \
                 ORDER BY webhook_id, key FOR UPDATE SKIP LOCKED)",
            )
            .bind(after.0)
            .bind(&after.1)
            .bind(webhook_id)
            .bind(&key)
            .bind(now)
            .execute(work.connection())
            .await;
            removed += work.finish(done.map(|done| done.rows_affected()).map_err(fault)).await?;
        }
        after = (webhook_id, key);
    }
}

/// Removes sessions that have ended.
pub(super) async fn sessions(store: &PostgresStore, now: UnixMicros) -> Result<u64, StoreError> {
    let ended =
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= $1 LIMIT STEP)";
    remove_in_steps(store, ended, &[now.0]).await
}

/// Removes the oldest changes of the directory, beyond what processes that follow them may still ask for. One that asks
/// for older ones is told everything. The newest one always stays: its number is the number now.
pub(super) async fn changes(store: &PostgresStore) -> Result<u64, StoreError> {
    let oldest = "DELETE FROM changes WHERE seq IN (SELECT seq FROM changes \
         WHERE seq <= (SELECT max(seq) FROM changes) - 10000 ORDER BY seq LIMIT STEP)";
    remove_in_steps(store, oldest, &[]).await
}

/// Removes what the writers of stores left that were closed long ago.
pub(super) async fn writers(store: &PostgresStore) -> Result<(), StoreError> {
    let old = "DELETE FROM commits WHERE (store, slot) IN (SELECT store, slot FROM commits \
         WHERE touched_at < clock_timestamp() - interval '30 days' LIMIT STEP FOR UPDATE SKIP LOCKED)";
    remove_in_steps(store, old, &[]).await?;
    let dead = "DELETE FROM nodes WHERE id IN (SELECT id FROM nodes n WHERE n.alive_until < clock_timestamp() \
         - interval '1 day' AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.node = n.id) LIMIT STEP)";
    remove_in_steps(store, dead, &[]).await.map(drop)
}
