//! Counting what happened, in bounded reads.
//!
//! Neither signals nor deliveries have an index by time. Ids rise with time, so where a moment begins is found by halving
//! the ids; from there on, what is a user's is found by their webhooks.

use std::collections::HashMap;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, Order, UnixMicros, UserId, WebhookId};
use atomik_ports::StoreError;
use atomik_ports::overview::{
    AccountProfit, DeliveryGroup, EquitySample, FailureGroup, Happened, MAX_COUNTED, MAX_NOTABLE, Overview,
    WebhookActivity,
};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};

use super::PostgresStore;
use super::equity;
use super::eras::{eras, first_since, of_webhook};
use super::faults::fault;
use super::retention::KEPT;
use crate::eras::ERA_BITS;
use crate::overview::{
    Counted, Last, MAX_ERAS, SignalGroup, activity, read_alerts, read_delivery_groups, read_failures,
    read_last, read_signal_groups, sum_profits,
};
use crate::rows::{order_columns, read_all, read_order, urgency_of};

/// The user's signals that are counted, as `recent`: $1 user, $2 webhooks or null for all, $3 since, $4 the newest era, $5 the
/// oldest one, $6 how many at most. The newest eras come first, so that what is too much is the oldest.
fn recent() -> String {
    format!(
        "WITH recent (id, webhook_id, received_at, source) AS MATERIALIZED (\
         SELECT r.* FROM {} CROSS JOIN LATERAL (\
           SELECT x.id, w.id, x.received_at, x.source FROM webhooks w CROSS JOIN LATERAL {} x \
           WHERE w.user_id = $1 AND ($2 IS NULL OR w.id = ANY($2)) AND x.received_at >= $3 OFFSET 0) r LIMIT $6) ",
        eras("$5", "$4"),
        of_webhook("i.id, i.received_at, i.source", "w.id")
    )
}

/// The user's deliveries that are counted and became no signal, as `recent`, by the same parameters and in the same
/// order.
fn logged() -> String {
    format!(
        "WITH recent (id, webhook_id, received_at, code, suppressed) AS MATERIALIZED (\
         SELECT r.* FROM {} CROSS JOIN LATERAL (\
           SELECT x.id, w.id, x.received_at, x.code, x.suppressed FROM webhooks w CROSS JOIN LATERAL (\
             SELECT id, received_at, code, suppressed FROM deliveries d WHERE d.webhook_id = w.id \
             AND d.id BETWEEN e.era << {ERA_BITS} AND (e.era << {ERA_BITS}) + 4095 AND d.{KEPT} AND d.received_at >= $3 \
             OFFSET 0) x \
           WHERE w.user_id = $1 AND ($2 IS NULL OR w.id = ANY($2)) OFFSET 0) r LIMIT $6) ",
        eras("$5", "$4")
    )
}

/// Which rows are counted.
struct Span {
    user_id: UserId,
    /// `None` for all of the user's.
    webhooks: Option<Vec<i64>>,
    since: UnixMicros,
    newest_era: i64,
    oldest_era: i64,
    /// Whether it begins later than asked for.
    cut: bool,
}

impl Span {
    async fn of(
        read: &mut PgConnection,
        user_id: UserId,
        webhooks: Option<&[WebhookId]>,
        since: UnixMicros,
    ) -> Result<Self, StoreError> {
        let ids = |webhooks: &[WebhookId]| webhooks.iter().map(|id| id.0).collect::<Vec<_>>();
        let webhooks = webhooks.map(ids);
        // Signals and deliveries share one sequence of ids.
        let newest: i64 = sqlx::query_scalar(
            "SELECT greatest((SELECT max(id) FROM signals), (SELECT max(id) FROM deliveries), 0)",
        )
        .fetch_one(&mut *read)
        .await
        .map_err(fault)?;
        let newest_era = newest >> ERA_BITS;
        let signals = first_since(read, "signals", "received_at", since).await?;
        let deliveries = first_since(read, "deliveries", "received_at", since).await?;
        let wanted = (signals.min(deliveries) >> ERA_BITS).min(newest_era);
        let reached = newest_era - MAX_ERAS + 1;
        let (oldest_era, cut) = (wanted.max(reached), wanted < reached);
        Ok(Self { user_id, webhooks, since, newest_era, oldest_era, cut })
    }

    /// A query over `recent`, which is [`recent`] or [`logged`], bound to it.
    fn query(&self, recent: String, sql: &str) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        sqlx::query(AssertSqlSafe(recent + sql))
            .bind(self.user_id.0)
            .bind(self.webhooks.clone())
            .bind(self.since.0)
            .bind(self.newest_era)
            .bind(self.oldest_era)
            .bind(i64::from(MAX_COUNTED))
    }
}

async fn signal_groups(read: &mut PgConnection, span: &Span) -> Result<Vec<SignalGroup>, StoreError> {
    let sql = format!(
        "SELECT webhook_id, source, urgency, count(*), max(id) AS last, min(received_at), max(received_at) FROM (\
           SELECT r.*, {urgency}::bigint AS urgency FROM recent r) g GROUP BY webhook_id, source, urgency ORDER BY last DESC",
        urgency = urgency_of("r.id")
    );
    let rows = span.query(recent(), &sql).fetch_all(read).await.map_err(fault)?;
    read_signal_groups(&rows)
}

/// How many of the signals of each webhook came as alerts.
async fn alerts(read: &mut PgConnection, span: &Span) -> Result<HashMap<WebhookId, u64>, StoreError> {
    let sql = "SELECT webhook_id, count(*) FROM recent WHERE source = 'alert' GROUP BY webhook_id";
    let rows = span.query(recent(), sql).fetch_all(read).await.map_err(fault)?;
    read_alerts(&rows)
}

async fn failures(read: &mut PgConnection, span: &Span) -> Result<Vec<FailureGroup>, StoreError> {
    let sql = format!(
        "SELECT g.strategy_id, g.status, g.code, l.detail, g.count, g.last, g.first_at, g.last_at FROM (\
           SELECT u.strategy_id, u.status, u.code, count(*) AS count, max(r.id) AS last, \
           min(r.received_at) AS first_at, max(r.received_at) AS last_at \
           FROM recent r JOIN outcomes u ON u.signal_id = r.id \
           WHERE u.status IN ('denied', 'rejected', 'expired') \
           GROUP BY u.strategy_id, u.status, u.code ORDER BY last DESC LIMIT {MAX_NOTABLE}) g \
         JOIN outcomes l ON l.signal_id = g.last AND l.strategy_id = g.strategy_id ORDER BY g.last DESC"
    );
    let rows = span.query(recent(), &sql).fetch_all(read).await.map_err(fault)?;
    read_failures(&rows)
}

/// The deliveries that became no signal, and how many rows of the log they are.
async fn delivery_groups(
    read: &mut PgConnection,
    span: &Span,
) -> Result<(Vec<DeliveryGroup>, u64), StoreError> {
    let sql = "SELECT count(*), webhook_id, code, count(*) + sum(suppressed)::bigint, min(received_at), max(received_at) \
         FROM recent GROUP BY webhook_id, code ORDER BY max(id) DESC";
    let rows = span.query(logged(), sql).fetch_all(read).await.map_err(fault)?;
    read_delivery_groups(&rows)
}

async fn unknown_orders(read: &mut PgConnection, user_id: UserId) -> Result<Vec<Order>, StoreError> {
    let sql = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders WHERE strategy_id IN (SELECT id FROM strategies WHERE user_id = $1) \
         AND status IN ('pending', 'working', 'partially_filled', 'unknown') AND status = 'unknown' \
         ORDER BY id DESC LIMIT $2"
    );
    let rows =
        sqlx::query(sql).bind(user_id.0).bind(i64::from(MAX_NOTABLE)).fetch_all(read).await.map_err(fault)?;
    read_all(&rows, read_order)
}

/// What each account's fills locked in, and how many fills that are.
async fn profits(
    read: &mut PgConnection,
    user_id: UserId,
    since: UnixMicros,
) -> Result<(Vec<AccountProfit>, usize), StoreError> {
    let first = first_since(read, "fills", "recorded_at", since).await?;
    let rows = sqlx::query(
        "SELECT broker_account_id, realized_profit, commission FROM fills \
         WHERE user_id = $1 AND id >= $2 AND recorded_at >= $3 ORDER BY id DESC LIMIT $4",
    )
    .bind(user_id.0)
    .bind(first)
    .bind(since.0)
    .bind(i64::from(MAX_COUNTED))
    .fetch_all(&mut *read)
    .await
    .map_err(fault)?;
    let sums = sum_profits(&rows)?;
    let mut profits = Vec::with_capacity(sums.len());
    for (account, (realized_profit, commission)) in sums {
        let currency: Option<String> = sqlx::query_scalar(
            "SELECT currency FROM equity WHERE broker_account_id = $1 ORDER BY at DESC LIMIT 1",
        )
        .bind(account)
        .fetch_optional(&mut *read)
        .await
        .map_err(fault)?;
        let broker_account_id = BrokerAccountId(account);
        profits.push(AccountProfit { broker_account_id, currency, realized_profit, commission });
    }
    Ok((profits, rows.len()))
}

/// When the last delivery came to each webhook of a span, and what became of it.
async fn last_deliveries(read: &mut PgConnection, span: &Span) -> Result<Vec<Last>, StoreError> {
    let sql = format!(
        "WITH last (webhook_id, delivery_id, signal_id) AS MATERIALIZED (SELECT w.id, \
           (SELECT d.id FROM deliveries d WHERE d.webhook_id = w.id AND d.{KEPT} ORDER BY d.id DESC LIMIT 1), \
           (SELECT x.id FROM {} CROSS JOIN LATERAL (SELECT i.id FROM signals i WHERE i.id >> 12 = e.era \
             AND i.webhook_id = w.id AND i.source = 'alert' ORDER BY i.id DESC LIMIT 1) x LIMIT 1) \
           FROM webhooks w WHERE w.user_id = $1 AND w.id = ANY($2)) \
         SELECT l.webhook_id, CASE WHEN s.id > coalesce(d.id, 0) THEN s.received_at ELSE d.received_at END, \
         CASE WHEN s.id > coalesce(d.id, 0) THEN 'accepted' ELSE d.code END \
         FROM last l LEFT JOIN deliveries d ON d.id = l.delivery_id LEFT JOIN signals s ON s.id = l.signal_id",
        eras("$4", "$3")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(span.user_id.0)
        .bind(span.webhooks.clone())
        .bind(span.newest_era)
        .bind((span.newest_era - MAX_ERAS + 1).max(0))
        .fetch_all(read)
        .await
        .map_err(fault)?;
    read_last(&rows)
}

#[async_trait]
impl Overview for PostgresStore {
    async fn happened(&self, user_id: UserId, since: UnixMicros) -> Result<Happened, StoreError> {
        let mut read = self.read().await?;
        let span = Span::of(&mut read, user_id, None, since).await?;
        let counted = Counted {
            signals: signal_groups(&mut read, &span).await?,
            deliveries: delivery_groups(&mut read, &span).await?,
            failures: failures(&mut read, &span).await?,
            unknown_orders: unknown_orders(&mut read, user_id).await?,
            profits: profits(&mut read, user_id, since).await?,
            cut: span.cut,
        };
        Ok(counted.happened())
    }

    async fn webhook_activity(
        &self,
        user_id: UserId,
        webhooks: &[WebhookId],
        since: UnixMicros,
    ) -> Result<Vec<WebhookActivity>, StoreError> {
        let mut read = self.read().await?;
        let span = Span::of(&mut read, user_id, Some(webhooks), since).await?;
        let last = last_deliveries(&mut read, &span).await?;
        let alerts = alerts(&mut read, &span).await?;
        let (others, _) = delivery_groups(&mut read, &span).await?;
        Ok(activity(last, &alerts, &others))
    }

    async fn record_equity(&self, samples: &[EquitySample]) -> Result<(), StoreError> {
        equity::record(self, samples).await
    }

    async fn equity(
        &self,
        user_id: UserId,
        account: Option<BrokerAccountId>,
        since: Option<UnixMicros>,
        max_points: u32,
    ) -> Result<Vec<EquitySample>, StoreError> {
        equity::samples(self, user_id, account, since, max_points).await
    }
}
