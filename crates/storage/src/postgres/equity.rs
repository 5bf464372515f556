//! What accounts were worth: samples written, read thinned, and let go.

use std::collections::BTreeMap;

use atomik_domain::{BrokerAccountId, UnixMicros, UserId};
use atomik_ports::StoreError;
use atomik_ports::overview::{EQUITY_HOURLY_US, EQUITY_WHOLE_US, EquitySample};

use sqlx::AssertSqlSafe;

use super::PostgresStore;
use super::arrays::Statement;
use super::faults::fault;
use super::retention::remove_in_steps;
use crate::overview::read_sample;
use crate::rows::read_all;
use crate::values::Binds as _;

const HOUR_US: i64 = 3600 * UnixMicros::SECOND;

pub(super) async fn record(store: &PostgresStore, samples: &[EquitySample]) -> Result<(), StoreError> {
    if samples.is_empty() {
        return Ok(());
    }
    // In the order of the keys, so that two that record the same do not wait for each other in a ring. The last of a moment
    // counts.
    let by_key: BTreeMap<_, _> =
        samples.iter().map(|sample| ((sample.broker_account_id, sample.at), sample)).collect();
    let samples: Vec<_> = by_key.into_values().collect();
    let mut statement = Statement::default();
    statement.with(
        "sample",
        "broker_account_id, at, currency, cash, equity, simulated",
        &samples,
        |sample, binds| {
            binds
                .add(sample.broker_account_id.0)
                .add(sample.at.0)
                .add(sample.currency.as_str())
                .add(sample.cash.to_string())
                .add(sample.equity.to_string())
                .add(sample.simulated);
        },
        "recorded AS (INSERT INTO equity (broker_account_id, at, currency, cash, equity, simulated) SELECT * FROM sample \
         ON CONFLICT (broker_account_id, at) DO UPDATE SET currency = excluded.currency, cash = excluded.cash, \
         equity = excluded.equity, simulated = excluded.simulated)",
    );
    let (sql, arguments) = statement.finish("SELECT 1")?;
    let mut work = store.write().await?;
    let recorded = sqlx::query_with(AssertSqlSafe(sql), arguments).execute(work.connection()).await;
    work.finish(recorded.map(drop).map_err(fault)).await
}

/// Of each account that has more samples than asked for, the last one of each of so many equal parts of the time.
const THINNED: &str = "WITH bounds AS (\
       SELECT e.broker_account_id, min(e.at) AS first, \
       (max(e.at) - min(e.at)) / $4 + 1 AS width, \
       count(*) <= $4 AS whole \
       FROM broker_accounts a JOIN equity e ON e.broker_account_id = a.id AND e.at >= $3 \
       WHERE a.user_id = $1 AND NOT a.deleted AND ($2 IS NULL OR a.id = $2) GROUP BY e.broker_account_id) \
     SELECT DISTINCT ON (e.broker_account_id, part) e.broker_account_id, e.at, e.currency, e.cash, e.equity, e.simulated, \
       CASE WHEN b.whole THEN e.at ELSE (e.at - b.first) / b.width END AS part \
     FROM bounds b JOIN equity e ON e.broker_account_id = b.broker_account_id AND e.at >= b.first \
     ORDER BY e.broker_account_id, part, e.at DESC";

pub(super) async fn samples(
    store: &PostgresStore,
    user_id: UserId,
    account: Option<BrokerAccountId>,
    since: Option<UnixMicros>,
    max_points: u32,
) -> Result<Vec<EquitySample>, StoreError> {
    let mut read = store.read().await?;
    if let Some(account) = account {
        let owner: Option<i64> =
            sqlx::query_scalar("SELECT user_id FROM broker_accounts WHERE id = $1 AND NOT deleted")
                .bind(account.0)
                .fetch_optional(&mut *read)
                .await
                .map_err(fault)?;
        if owner != Some(user_id.0) {
            return Err(StoreError::NotFound);
        }
    }
    let rows = sqlx::query(THINNED)
        .bind(user_id.0)
        .bind(account.map(|id| id.0))
        .bind(since.map_or(i64::MIN, |since| since.0))
        .bind(i64::from(max_points.max(1)))
        .fetch_all(&mut *read)
        .await
        .map_err(fault)?;
    read_all(&rows, read_sample)
}

/// Removes samples that are too old, and of those that are no longer kept whole all but the last of each hour. Up to where
/// that was done is remembered, so that it is not looked through again.
pub(super) async fn thin_out(store: &PostgresStore, now: UnixMicros) -> Result<u64, StoreError> {
    let too_old = "DELETE FROM equity WHERE (broker_account_id, at) IN (\
         SELECT e.broker_account_id, e.at FROM broker_accounts a JOIN equity e \
         ON e.broker_account_id = a.id AND e.at < $1 LIMIT STEP)";
    let removed = remove_in_steps(store, too_old, &[now.0.saturating_sub(EQUITY_HOURLY_US)]).await?;
    let until = now.0.saturating_sub(EQUITY_WHOLE_US).div_euclid(HOUR_US) * HOUR_US;
    let done: Option<i64> =
        sqlx::query_scalar("SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'equity_hourly_before'")
            .fetch_optional(&store.pool)
            .await
            .map_err(fault)?;
    let from = done.unwrap_or(i64::MIN);
    if until <= from {
        return Ok(removed);
    }
    let all_but_the_last = "DELETE FROM equity WHERE (broker_account_id, at) IN (\
         SELECT e.broker_account_id, e.at FROM broker_accounts a JOIN equity e \
         ON e.broker_account_id = a.id AND e.at >= $1 AND e.at < $2 \
         WHERE EXISTS (SELECT 1 FROM equity l WHERE l.broker_account_id = e.broker_account_id \
         AND l.at > e.at AND l.at < (e.at / 3600000000 + 1) * 3600000000) LIMIT STEP)";
    let thinned = remove_in_steps(store, all_but_the_last, &[from, until]).await?;
    let mut work = store.write().await?;
    let noted = sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('equity_hourly_before', $1) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(until.to_string())
    .execute(work.connection())
    .await;
    work.finish(noted.map(drop).map_err(fault)).await?;
    Ok(removed + thinned)
}
