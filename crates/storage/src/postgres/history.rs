//! Reading back what happened.
//!
//! Ids and row numbers rise with time, so "newest first" and "oldest first" are by id, and a cursor is an id.

use std::cmp::Reverse;

use async_trait::async_trait;
use atomik_domain::{ClientOrderId, Code, Fill, Order, Outcome, OutcomeStatus, SignalId, UserId, WebhookId};
use atomik_ports::history::{Delivery, DeliveryFilter, History, Signal, SignalRecord, TradeFilter};
use atomik_ports::journal::PositionRecord;
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, PgConnection, PgRow, Postgres};

use super::PostgresStore;
use super::columns::text;
use super::eras::{between, eras, first_since, of_webhook};
use super::faults::fault;
use super::retention::KEPT;
use crate::columns::Columns;
use crate::eras::{DISORDER_US, Eras, MAX_ERAS_BY_OUTCOME};
use crate::pages::{
    below, beyond, by_outcomes, direction, keyed, not_accepted, paged, read_delivery, records, rows_wanted,
    without_keys,
};
use crate::rows::{
    FILL, OUTCOME, SIGNAL, order_columns, position_columns, read_all, read_fill, read_order, read_outcome,
    read_position, read_signal, urgency_of,
};

#[async_trait]
impl History for PostgresStore {
    async fn deliveries(
        &self,
        user_id: UserId,
        webhook_id: WebhookId,
        filter: DeliveryFilter,
        page: PageRequest,
    ) -> Result<Page<Delivery>, StoreError> {
        let mut read = self.read().await?;
        let owner: Option<i64> = sqlx::query_scalar("SELECT user_id FROM webhooks WHERE id = $1")
            .bind(webhook_id.0)
            .fetch_optional(&mut *read)
            .await
            .map_err(fault)?;
        if owner != Some(user_id.0) {
            return Err(StoreError::NotFound);
        }
        let mut found = match filter {
            DeliveryFilter::All | DeliveryFilter::Accepted | DeliveryFilter::Code(Code::Accepted) => {
                accepted(&mut read, webhook_id, page).await?
            }
            _ => Vec::new(),
        };
        if let Some(code) = not_accepted(filter) {
            found.append(&mut others(&mut read, webhook_id, code, page).await?);
        }
        found.sort_unstable_by_key(|delivery| Reverse(delivery.id));
        Ok(paged(found, page, |delivery| delivery.id.0))
    }

    async fn signals(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<SignalRecord>, StoreError> {
        let mut read = self.read().await?;
        let mut signals = Vec::new();
        let (mut looked_into, mut rest) = (0, None);
        let mut eras = eras_of(&mut read, filter, page).await?;
        while let Some(stretch) = eras.next() {
            let rows = filtered(signals_sql(filter), user_id, filter, page)
                .bind(filter.webhook_id.map(|id| id.0))
                .bind(stretch.first)
                .bind(stretch.last)
                .bind(filter.outcome.map(|outcome| i64::from(outcome.urgency())))
                .fetch_all(&mut *read)
                .await
                .map_err(fault)?;
            signals.append(&mut read_all(&rows, read_signal)?);
            if signals.len() >= usize::try_from(rows_wanted(page)).unwrap_or(usize::MAX) {
                break;
            }
            looked_into += stretch.last - stretch.first + 1;
            if by_outcomes(filter) && looked_into >= MAX_ERAS_BY_OUTCOME {
                rest = eras.rest();
                break;
            }
        }
        let page = paged(signals, page, |signal: &Signal| signal.id.0);
        let items = with_all_that_came(&mut read, page.items).await?;
        Ok(Page { items, next: page.next.or(rest) })
    }

    async fn signal(&self, user_id: UserId, id: SignalId) -> Result<SignalRecord, StoreError> {
        let mut read = self.read().await?;
        let sql = format!("SELECT {SIGNAL} FROM signals s WHERE s.id = $1 AND s.user_id = $2");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(id.0)
            .bind(user_id.0)
            .fetch_all(&mut *read)
            .await
            .map_err(fault)?;
        let found = with_all_that_came(&mut read, read_all(&rows, read_signal)?).await?;
        found.into_iter().next().ok_or(StoreError::NotFound)
    }

    async fn orders(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<Order>, StoreError> {
        let sql = listed(order_columns!(), "orders", "planned_at", "AND ($9 IS NULL OR status = $9)", filter);
        let rows = filtered(sql, user_id, filter, page)
            .bind(filter.status.map(|status| status.as_str()))
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        Ok(without_keys(paged(read_all(&rows, |row| keyed(row, read_order))?, page, |(key, _)| *key)))
    }

    async fn order(&self, user_id: UserId, id: ClientOrderId) -> Result<Order, StoreError> {
        let sql =
            concat!("SELECT ", order_columns!(), " FROM orders WHERE client_order_id = $1 AND user_id = $2");
        let row = sqlx::query(sql)
            .bind(id.as_bytes().as_slice())
            .bind(user_id.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?
            .ok_or(StoreError::NotFound)?;
        read_order(&mut Columns::of(&row))
    }

    async fn fills(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<(i64, Fill)>, StoreError> {
        let sql = listed(FILL, "fills f", "recorded_at", "", filter);
        let rows = filtered(sql, user_id, filter, page).fetch_all(&self.pool).await.map_err(fault)?;
        Ok(paged(read_all(&rows, |row| keyed(row, read_fill))?, page, |(key, _)| *key))
    }

    async fn positions(
        &self,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> Result<Page<PositionRecord>, StoreError> {
        let open = "AND (NOT $9 OR net_qty::numeric <> 0)";
        let sql = listed(position_columns!(), "positions", "updated_at", open, filter);
        let rows = filtered(sql, user_id, filter, page)
            .bind(filter.open)
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        Ok(without_keys(paged(read_all(&rows, |row| keyed(row, read_position))?, page, |(key, _)| *key)))
    }
}

/// The eras that a list of signals can be in.
async fn eras_of(
    read: &mut PgConnection,
    filter: &TradeFilter,
    page: PageRequest,
) -> Result<Eras, StoreError> {
    let start = beyond(filter, page);
    let (mut above, mut below) = if filter.oldest_first { (start, i64::MAX) } else { (i64::MIN, start) };
    if let Some(since) = filter.since {
        above = above.max(first_since(read, "signals", "received_at", since).await? - 1);
    }
    if let Some(until) = filter.until {
        below = below.min(first_since(read, "signals", "received_at", until.plus(2 * DISORDER_US)).await?);
    }
    between(read, above, below, filter.oldest_first).await
}

/// The query of a list whose rows belong to a strategy, to be bound by [`filtered`]: `time` is the column that `since` and
/// `until` are about, `more` is a condition from $9 on.
fn listed(columns: &str, table: &str, time: &str, more: &str, filter: &TradeFilter) -> AssertSqlSafe<String> {
    let (beyond, order) = direction(filter);
    AssertSqlSafe(format!(
        "SELECT id, {columns} FROM {table} WHERE user_id = $1 AND id {beyond} $2 AND ($4 IS NULL OR strategy_id = $4) \
         AND ($5 IS NULL OR broker_account_id = $5) AND ($6 IS NULL OR symbol = $6) \
         AND ($7 IS NULL OR {time} >= $7) AND ($8 IS NULL OR {time} < $8) {more} ORDER BY id {order} LIMIT $3"
    ))
}

/// A query bound to what all lists take: $1 user, $2 beyond which id, $3 how many rows, $4 strategy, $5 account, $6 symbol,
/// $7 since, $8 until. What is bound next is $9.
fn filtered<'q>(
    sql: AssertSqlSafe<String>,
    user_id: UserId,
    filter: &TradeFilter,
    page: PageRequest,
) -> sqlx::query::Query<'q, Postgres, PgArguments> {
    sqlx::query(sql)
        .bind(user_id.0)
        .bind(beyond(filter, page))
        .bind(rows_wanted(page))
        .bind(filter.strategy_id.map(|id| id.0))
        .bind(filter.broker_account_id.map(|id| id.0))
        .bind(filter.symbol.as_ref().map(|symbol| text(symbol.as_str())))
        .bind(filter.since.map(|since| since.0))
        .bind(filter.until.map(|until| until.0))
}

/// A user's newest (or oldest) signals of some eras, by webhook, as they are indexed. Finds their ids first and only then
/// reads whole rows.
fn signals_sql(filter: &TradeFilter) -> AssertSqlSafe<String> {
    let (beyond, order) = direction(filter);
    AssertSqlSafe(format!(
        "SELECT {SIGNAL} FROM signals s WHERE s.id IN (\
           SELECT x.id FROM {eras} CROSS JOIN webhooks w CROSS JOIN LATERAL {of_webhook} x \
           WHERE w.user_id = $1 AND ($9 IS NULL OR w.id = $9) AND x.id {beyond} $2 \
           AND ($7 IS NULL OR x.received_at >= $7) AND ($8 IS NULL OR x.received_at < $8) \
           AND (($4 IS NULL AND $5 IS NULL AND $6 IS NULL) OR EXISTS (\
             SELECT 1 FROM outcomes u JOIN strategies t ON t.id = u.strategy_id WHERE u.signal_id = x.id \
             AND ($4 IS NULL OR t.id = $4) AND ($5 IS NULL OR t.broker_account_id = $5) \
             AND ($6 IS NULL OR t.symbol = $6))) \
           AND ($12 IS NULL OR $12 = coalesce({urgency}, {skipped})) \
           ORDER BY x.id {order} LIMIT $3) \
         ORDER BY s.id {order}",
        urgency = urgency_of("x.id"),
        skipped = OutcomeStatus::Skipped.urgency(),
        eras = eras("$10", "$11"),
        of_webhook = of_webhook("i.id, i.received_at", "w.id"),
    ))
}

/// Adds outcomes, orders and fills to signals: three queries, however many signals.
async fn with_all_that_came(
    connection: &mut PgConnection,
    signals: Vec<Signal>,
) -> Result<Vec<SignalRecord>, StoreError> {
    let ids: Vec<i64> = signals.iter().map(|signal| signal.id.0).collect();
    let among = "= ANY($1)";
    let outcomes: Vec<Outcome> = read_all(
        &of_signals(
            connection,
            format!("SELECT {OUTCOME} FROM outcomes u WHERE u.signal_id {among} ORDER BY u.signal_id, u.strategy_id"),
            &ids,
        )
        .await?,
        read_outcome,
    )?;
    let columns = order_columns!();
    let orders: Vec<Order> = read_all(
        &of_signals(
            connection,
            format!(
                "SELECT {columns} FROM orders WHERE signal_id {among} ORDER BY signal_id, strategy_id, leg"
            ),
            &ids,
        )
        .await?,
        read_order,
    )?;
    let fills: Vec<(i64, Fill)> = read_all(
        &of_signals(
            connection,
            format!("SELECT f.id, {FILL} FROM fills f WHERE f.signal_id {among} ORDER BY f.id"),
            &ids,
        )
        .await?,
        |row| keyed(row, read_fill),
    )?;
    Ok(records(signals, &outcomes, &orders, &fills))
}

async fn of_signals(
    connection: &mut PgConnection,
    sql: String,
    ids: &[i64],
) -> Result<Vec<PgRow>, StoreError> {
    sqlx::query(AssertSqlSafe(sql)).bind(ids).fetch_all(connection).await.map_err(fault)
}

/// The newest accepted deliveries of a webhook, which are its signals.
async fn accepted(
    connection: &mut PgConnection,
    webhook_id: WebhookId,
    page: PageRequest,
) -> Result<Vec<Delivery>, StoreError> {
    let sql = format!(
        "SELECT x.id, x.webhook_id, x.received_at, greatest(x.stored_at - x.received_at, 0), x.remote_ip, 202::bigint, \
         'accepted', NULL::text, x.payload, x.id, 0::bigint, x.notes FROM {} CROSS JOIN LATERAL {} x \
         WHERE x.id < $2 AND x.source = 'alert' AND x.{KEPT} ORDER BY x.id DESC LIMIT $3",
        eras("$4", "$5"),
        of_webhook("*", "$1")
    );
    let mut deliveries = Vec::new();
    for stretch in between(connection, i64::MIN, below(page), false).await? {
        let rows = sqlx::query(AssertSqlSafe(sql.as_str()))
            .bind(webhook_id.0)
            .bind(below(page))
            .bind(rows_wanted(page))
            .bind(stretch.first)
            .bind(stretch.last)
            .fetch_all(&mut *connection)
            .await
            .map_err(fault)?;
        deliveries.append(&mut read_all(&rows, read_delivery)?);
        if deliveries.len() >= usize::try_from(rows_wanted(page)).unwrap_or(usize::MAX) {
            break;
        }
    }
    Ok(deliveries)
}

/// The newest of the other deliveries of a webhook: all, or those whose code compares so to one.
async fn others(
    connection: &mut PgConnection,
    webhook_id: WebhookId,
    code: Option<(&'static str, Code)>,
    page: PageRequest,
) -> Result<Vec<Delivery>, StoreError> {
    let among = code.map_or_else(String::new, |(compared, _)| format!("AND code {compared} $4"));
    let sql = format!("{OTHERS} AND {KEPT} {among} ORDER BY id DESC LIMIT $3");
    let mut query =
        sqlx::query(AssertSqlSafe(sql)).bind(webhook_id.0).bind(below(page)).bind(rows_wanted(page));
    if let Some((_, code)) = code {
        query = query.bind(code.as_str());
    }
    read_all(&query.fetch_all(connection).await.map_err(fault)?, read_delivery)
}

/// The other deliveries, in the columns of [`accepted`].
const OTHERS: &str = "SELECT id, webhook_id, received_at, duration_us, remote_ip, status, code, detail, payload, signal_id, \
     suppressed, NULL::text AS notes FROM deliveries WHERE webhook_id = $1 AND id < $2";
