//! The days of the log of deliveries: a partition each (UTC), made ahead and dropped whole.

use std::collections::BTreeSet;

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgExecutor;

use super::PostgresStore;
use super::faults::{code, fault, sentence};

pub(super) const DAY_US: i64 = 24 * 3600 * UnixMicros::SECOND;
/// For how many days after today there are partitions.
pub(super) const AHEAD: i64 = 3;
/// What a partition is called before the number of its day, counted from 1970.
const PREFIX: &str = "deliveries_day_";
/// How long the log's own lock is waited for: who comes after waits as well.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

pub(super) fn day_of(at: UnixMicros) -> i64 {
    at.0.div_euclid(DAY_US)
}

/// Makes the partitions of the next days, where they are missing. What falls on a day without one goes to the partition that
/// takes the rest, and stays there.
pub(super) async fn make_ahead(store: &PostgresStore, now: UnixMicros) -> Result<(), StoreError> {
    let there = days(&store.pool).await?;
    let today = day_of(now);
    for day in (today..=today.saturating_add(AHEAD)).filter(|day| !there.contains(day)) {
        make(store, day).await?;
    }
    Ok(())
}

async fn make(store: &PostgresStore, day: i64) -> Result<(), StoreError> {
    match in_one_transaction(store, &format!("{PATIENCE}; {}", making(day))).await {
        // Another process has just made it, the rest has rows of that day already, or the log is busy.
        Err(error) if matches!(code(&error).as_deref(), Some("42P07" | "23514" | "55P03" | "40P01")) => {
            tracing::debug!(day, reason = %sentence(&error), "a day of the log has no partition yet");
            Ok(())
        }
        done => done.map_err(fault),
    }
}

/// Drops the partitions of days that ended before a moment. One that is busy is dropped another time.
pub(super) async fn drop_before(store: &PostgresStore, before: UnixMicros) -> Result<(), StoreError> {
    for day in days(&store.pool).await?.into_iter().filter(|day| *day < day_of(before)) {
        match in_one_transaction(store, &format!("{PATIENCE}; DROP TABLE IF EXISTS {PREFIX}{day}")).await {
            Err(error) if matches!(code(&error).as_deref(), Some("55P03" | "40P01")) => {
                tracing::debug!(day, reason = %sentence(&error), "a day of the log is not dropped yet");
            }
            done => done.map_err(fault)?,
        }
    }
    Ok(())
}

/// What makes a day's partition: beside the log and attached, because a partition that is made in it locks everybody out for
/// that long.
pub(super) fn making(day: i64) -> String {
    let (from, to) = (day.saturating_mul(DAY_US), day.saturating_add(1).saturating_mul(DAY_US));
    format!(
        "CREATE TABLE {PREFIX}{day} (LIKE deliveries INCLUDING ALL, \
         CONSTRAINT of_the_day CHECK (received_at >= {from} AND received_at < {to})); \
         ALTER TABLE deliveries ATTACH PARTITION {PREFIX}{day} FOR VALUES FROM ({from}) TO ({to}); \
         ALTER TABLE {PREFIX}{day} DROP CONSTRAINT of_the_day"
    )
}

async fn in_one_transaction(store: &PostgresStore, sql: &str) -> Result<(), sqlx::Error> {
    let mut transaction = store.pool.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// The days that have a partition.
pub(super) async fn days(executor: impl PgExecutor<'_>) -> Result<BTreeSet<i64>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'deliveries'::regclass",
    )
    .fetch_all(executor)
    .await
    .map_err(fault)?;
    Ok(names.iter().filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect())
}
