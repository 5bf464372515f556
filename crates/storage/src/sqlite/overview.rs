//! Counting what happened, in bounded reads.
//!
//! Neither signals nor deliveries have an index by time. Ids rise with time, so where a moment begins is found by halving
//! the ids; from there on, what is a user's is found by their webhooks.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use atomik_domain::{
    Amount, BrokerAccountId, Code, Order, OutcomeStatus, SignalId, StrategyId, UnixMicros, UserId, WebhookId,
};
use atomik_ports::StoreError;
use atomik_ports::journal::SignalSource;
use atomik_ports::overview::{
    AccountProfit, DeliveryGroup, EquitySample, FailureGroup, Happened, MAX_COUNTED, MAX_NOTABLE, Overview,
    UnheardGroup, WebhookActivity,
};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection};

use super::SqliteStore;
use super::columns::Columns;
use super::equity;
use super::eras::{ERA_BITS, first_since, with_eras};
use super::faults::fault;
use super::rows::{order_columns, read_all, read_order, urgency_of};

/// How many eras (4,096 ids each, everybody's) one read goes back at most.
const MAX_ERAS: i64 = 4_096;

/// The user's signals that are counted, as `recent`: ?1 user, ?2 webhooks as JSON or null for all, ?3 since, ?4 the newest
/// era, ?5 the oldest one, ?6 how many at most. The newest eras come first, so that what is too much is the oldest.
const RECENT: &str = ", recent (id, webhook_id, received_at, source) AS MATERIALIZED (\
       SELECT s.id, s.webhook_id, s.received_at, s.source FROM e CROSS JOIN webhooks w \
       CROSS JOIN signals s INDEXED BY signals_by_webhook ON s.id >> 12 = e.era AND s.webhook_id = w.id \
       WHERE w.user_id = ?1 AND (?2 IS NULL OR w.id IN (SELECT value FROM json_each(?2))) \
       AND s.received_at >= ?3 LIMIT ?6) ";

/// The user's deliveries that are counted and became no signal, as `recent`, by the same parameters and in the same order.
const LOGGED: &str = ", recent (id, webhook_id, received_at, code, suppressed) AS MATERIALIZED (\
       SELECT d.id, d.webhook_id, d.received_at, d.code, d.suppressed FROM e CROSS JOIN webhooks w \
       CROSS JOIN deliveries d INDEXED BY deliveries_by_webhook \
       ON d.webhook_id = w.id AND d.id BETWEEN e.era << 12 AND (e.era << 12) + 4095 \
       WHERE w.user_id = ?1 AND (?2 IS NULL OR w.id IN (SELECT value FROM json_each(?2))) \
       AND d.received_at >= ?3 LIMIT ?6) ";

/// Which rows are counted.
struct Span {
    user_id: UserId,
    /// Webhooks as a JSON list; `None` for all of the user's.
    webhooks: Option<String>,
    since: UnixMicros,
    newest_era: i64,
    oldest_era: i64,
    /// Whether it begins later than asked for.
    cut: bool,
}

impl Span {
    async fn of(
        read: &mut SqliteConnection,
        user_id: UserId,
        webhooks: Option<&[WebhookId]>,
        since: UnixMicros,
    ) -> Result<Self, StoreError> {
        let ids = |webhooks: &[WebhookId]| webhooks.iter().map(|id| id.0).collect::<Vec<_>>();
        let webhooks = webhooks.map(|webhooks| serde_json::Value::from(ids(webhooks)).to_string());
        // Signals and deliveries share one sequence of ids.
        let newest: i64 = sqlx::query_scalar(
            "SELECT max(ifnull((SELECT max(id) FROM signals), 0), ifnull((SELECT max(id) FROM deliveries), 0))",
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

    /// A query over `recent`, which is [`RECENT`] or [`LOGGED`], bound to it.
    fn query(&self, recent: &str, sql: &str) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
        sqlx::query(AssertSqlSafe(with_eras("?5", "?4") + recent + sql))
            .bind(self.user_id.0)
            .bind(self.webhooks.clone())
            .bind(self.since.0)
            .bind(self.newest_era)
            .bind(self.oldest_era)
            .bind(MAX_COUNTED)
    }
}

/// Signals of one webhook and source that stand alike.
struct SignalGroup {
    webhook_id: WebhookId,
    source: SignalSource,
    /// `None` where no strategy was active.
    status: Option<OutcomeStatus>,
    count: u64,
    last_signal_id: SignalId,
    first_at: UnixMicros,
    last_at: UnixMicros,
}

async fn signal_groups(read: &mut SqliteConnection, span: &Span) -> Result<Vec<SignalGroup>, StoreError> {
    let sql = format!(
        "SELECT webhook_id, source, urgency, count(*), max(id) AS last, min(received_at), max(received_at) FROM (\
           SELECT r.*, {urgency} AS urgency FROM recent r) GROUP BY webhook_id, source, urgency ORDER BY last DESC",
        urgency = urgency_of("r.id")
    );
    let rows = span.query(RECENT, &sql).fetch_all(read).await.map_err(fault)?;
    read_all(&rows, |columns| {
        Ok(SignalGroup {
            webhook_id: WebhookId(columns.get()?),
            source: columns.word()?,
            status: columns.get::<Option<i64>>()?.and_then(by_urgency),
            count: columns.number()?,
            last_signal_id: SignalId(columns.get()?),
            first_at: columns.time()?,
            last_at: columns.time()?,
        })
    })
}

fn by_urgency(urgency: i64) -> Option<OutcomeStatus> {
    OutcomeStatus::ALL.iter().copied().find(|status| i64::from(status.urgency()) == urgency)
}

/// How many of the signals of each webhook came as alerts.
async fn alerts(read: &mut SqliteConnection, span: &Span) -> Result<HashMap<WebhookId, u64>, StoreError> {
    let sql = "SELECT webhook_id, count(*) FROM recent WHERE source = 'alert' GROUP BY webhook_id";
    let rows = span.query(RECENT, sql).fetch_all(read).await.map_err(fault)?;
    let counts = read_all(&rows, |columns| Ok((WebhookId(columns.get()?), columns.number()?)))?;
    Ok(counts.into_iter().collect())
}

async fn failures(read: &mut SqliteConnection, span: &Span) -> Result<Vec<FailureGroup>, StoreError> {
    let sql = format!(
        "SELECT g.strategy_id, g.status, g.code, l.detail, g.count, g.last, g.first_at, g.last_at FROM (\
           SELECT u.strategy_id, u.status, u.code, count(*) AS count, max(r.id) AS last, \
           min(r.received_at) AS first_at, max(r.received_at) AS last_at \
           FROM recent r CROSS JOIN outcomes u ON u.signal_id = r.id \
           WHERE u.status IN ('denied', 'rejected', 'expired') \
           GROUP BY u.strategy_id, u.status, u.code ORDER BY last DESC LIMIT {MAX_NOTABLE}) g \
         JOIN outcomes l ON l.signal_id = g.last AND l.strategy_id = g.strategy_id ORDER BY g.last DESC"
    );
    let rows = span.query(RECENT, &sql).fetch_all(read).await.map_err(fault)?;
    read_all(&rows, |columns| {
        Ok(FailureGroup {
            strategy_id: StrategyId(columns.get()?),
            status: columns.word()?,
            code: columns.word_by(Code::parse)?,
            detail: columns.get()?,
            count: columns.number()?,
            last_signal_id: SignalId(columns.get()?),
            first_at: columns.time()?,
            last_at: columns.time()?,
        })
    })
}

/// The deliveries that became no signal, and how many rows of the log they are.
async fn delivery_groups(
    read: &mut SqliteConnection,
    span: &Span,
) -> Result<(Vec<DeliveryGroup>, u64), StoreError> {
    let sql = "SELECT count(*), webhook_id, code, count(*) + sum(suppressed), min(received_at), max(received_at) \
         FROM recent GROUP BY webhook_id, code ORDER BY max(id) DESC";
    let rows = span.query(LOGGED, sql).fetch_all(read).await.map_err(fault)?;
    let groups = read_all(&rows, |columns| Ok((columns.number::<u64>()?, read_delivery_group(columns)?)))?;
    let looked_at = groups.iter().map(|(rows, _)| rows).sum();
    Ok((groups.into_iter().map(|(_, group)| group).collect(), looked_at))
}

fn read_delivery_group(columns: &mut Columns<'_>) -> Result<DeliveryGroup, StoreError> {
    Ok(DeliveryGroup {
        webhook_id: WebhookId(columns.get()?),
        code: columns.word_by(Code::parse)?,
        count: columns.number()?,
        first_at: columns.time()?,
        last_at: columns.time()?,
    })
}

async fn unknown_orders(read: &mut SqliteConnection, user_id: UserId) -> Result<Vec<Order>, StoreError> {
    let sql = concat!(
        "SELECT ",
        order_columns!(),
        " FROM orders INDEXED BY orders_open WHERE strategy_id IN (SELECT id FROM strategies WHERE user_id = ?1) \
         AND status IN ('pending', 'working', 'partially_filled', 'unknown') AND status = 'unknown' \
         ORDER BY id DESC LIMIT ?2"
    );
    let rows = sqlx::query(sql).bind(user_id.0).bind(MAX_NOTABLE).fetch_all(read).await.map_err(fault)?;
    read_all(&rows, read_order)
}

/// What each account's fills locked in, and how many fills that are.
async fn profits(
    read: &mut SqliteConnection,
    user_id: UserId,
    since: UnixMicros,
) -> Result<(Vec<AccountProfit>, usize), StoreError> {
    let first = first_since(read, "fills", "recorded_at", since).await?;
    let rows = sqlx::query(
        "SELECT broker_account_id, realized_profit, commission FROM fills INDEXED BY fills_by_user \
         WHERE user_id = ?1 AND id >= ?2 AND recorded_at >= ?3 ORDER BY id DESC LIMIT ?4",
    )
    .bind(user_id.0)
    .bind(first)
    .bind(since.0)
    .bind(MAX_COUNTED)
    .fetch_all(&mut *read)
    .await
    .map_err(fault)?;
    // Summed here: SQLite would sum as floats.
    let mut sums: BTreeMap<i64, (Amount, Amount)> = BTreeMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let sum = sums.entry(columns.get()?).or_default();
        *sum = (sum.0 + columns.decimal()?, sum.1 + columns.decimal()?);
    }
    let mut profits = Vec::with_capacity(sums.len());
    for (account, (realized_profit, commission)) in sums {
        let currency: Option<String> = sqlx::query_scalar(
            "SELECT currency FROM equity WHERE broker_account_id = ?1 ORDER BY at DESC LIMIT 1",
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
async fn last_deliveries(
    read: &mut SqliteConnection,
    span: &Span,
) -> Result<Vec<(WebhookId, Option<(UnixMicros, Code)>)>, StoreError> {
    let sql = ", last (webhook_id, delivery_id, signal_id) AS MATERIALIZED (SELECT w.id, \
           (SELECT max(d.id) FROM deliveries d WHERE d.webhook_id = w.id), \
           (SELECT newest FROM (SELECT (SELECT max(s.id) FROM signals s INDEXED BY signals_by_webhook \
              WHERE s.id >> 12 = e.era AND s.webhook_id = w.id AND s.source = 'alert') AS newest FROM e) \
            WHERE newest IS NOT NULL LIMIT 1) \
           FROM webhooks w WHERE w.user_id = ?1 AND w.id IN (SELECT value FROM json_each(?2))) \
         SELECT l.webhook_id, CASE WHEN s.id > ifnull(d.id, 0) THEN s.received_at ELSE d.received_at END, \
         CASE WHEN s.id > ifnull(d.id, 0) THEN 'accepted' ELSE d.code END \
         FROM last l LEFT JOIN deliveries d ON d.id = l.delivery_id LEFT JOIN signals s ON s.id = l.signal_id";
    let rows = sqlx::query(AssertSqlSafe(with_eras("?4", "?3") + sql))
        .bind(span.user_id.0)
        .bind(span.webhooks.clone())
        .bind(span.newest_era)
        .bind((span.newest_era - MAX_ERAS + 1).max(0))
        .fetch_all(read)
        .await
        .map_err(fault)?;
    read_all(&rows, |columns| {
        let (webhook_id, at) = (WebhookId(columns.get()?), columns.optional_time()?);
        let code = columns.get::<Option<&str>>()?.and_then(Code::parse);
        Ok((webhook_id, at.zip(code)))
    })
}

#[async_trait]
impl Overview for SqliteStore {
    async fn happened(&self, user_id: UserId, since: UnixMicros) -> Result<Happened, StoreError> {
        let mut read = self.read().await?;
        let span = Span::of(&mut read, user_id, None, since).await?;
        let groups = signal_groups(&mut read, &span).await?;
        let (others, deliveries) = delivery_groups(&mut read, &span).await?;
        let (profits, fills) = profits(&mut read, user_id, since).await?;
        let mut happened = Happened {
            others,
            failures: failures(&mut read, &span).await?,
            unknown_orders: unknown_orders(&mut read, user_id).await?,
            profits,
            ..Happened::default()
        };
        for group in groups {
            *happened.signals.entry(group.status.unwrap_or(OutcomeStatus::Skipped)).or_default() +=
                group.count;
            if group.source == SignalSource::Alert {
                happened.accepted += group.count;
            }
            if group.status.is_none() && happened.unheard.len() < MAX_NOTABLE as usize {
                happened.unheard.push(group.unheard());
            }
        }
        let most = u64::from(MAX_COUNTED);
        let signals: u64 = happened.signals.values().sum();
        happened.truncated =
            span.cut || signals >= most || deliveries >= most || fills >= MAX_COUNTED as usize;
        Ok(happened)
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
        let activity = |(webhook_id, last)| {
            let counted = |replayed: bool| {
                let own = others.iter().filter(|group| group.webhook_id == webhook_id);
                own.filter(|group| (group.code == Code::Replayed) == replayed).map(|group| group.count).sum()
            };
            WebhookActivity {
                webhook_id,
                last,
                accepted: alerts.get(&webhook_id).copied().unwrap_or_default(),
                replayed: counted(true),
                refused: counted(false),
            }
        };
        Ok(last.into_iter().map(activity).collect())
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

impl SignalGroup {
    fn unheard(&self) -> UnheardGroup {
        UnheardGroup {
            webhook_id: self.webhook_id,
            count: self.count,
            last_signal_id: self.last_signal_id,
            first_at: self.first_at,
            last_at: self.last_at,
        }
    }
}
