//! Strategies.

use atomik_domain::{BrokerAccountId, Strategy, StrategyId, UserId, WebhookId};
use atomik_ports::directory::{NewStrategy, StrategyPatch};
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::postgres::PgConnection;

use super::obey_limit;
use crate::columns::Columns;
use crate::pages::{below, paged, rows_wanted};
use crate::postgres::PostgresStore;
use crate::postgres::columns::text;
use crate::postgres::faults::{fault, fault_or_missing};
use crate::rows::read_all;
use crate::setup::{read_strategy, strategy_columns};

pub(super) async fn create(
    store: &PostgresStore,
    new: NewStrategy,
    limit: Option<u32>,
) -> Result<Strategy, StoreError> {
    let mut work = store.change().await?;
    let made = insert(work.connection(), new, limit).await;
    work.finish(made).await
}

const ACTIVE: &str = "SELECT count(*) FROM strategies WHERE user_id = $1 AND active AND NOT deleted";

async fn insert(
    connection: &mut PgConnection,
    new: NewStrategy,
    limit: Option<u32>,
) -> Result<Strategy, StoreError> {
    let owned = has_webhook(connection, new.user_id, new.webhook_id).await?
        && has_account(connection, new.user_id, new.broker_account_id).await?;
    if !owned {
        return Err(StoreError::NotFound);
    }
    if new.active {
        obey_limit(connection, ACTIVE, new.user_id, limit).await?;
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO strategies (user_id, name, webhook_id, broker_account_id, symbol, quantity, max_position, \
         on_opposite_entry, bare_sell_opens_short, max_signal_age_s, active, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id",
    )
    .bind(new.user_id.0)
    .bind(text(&new.name))
    .bind(new.webhook_id.0)
    .bind(new.broker_account_id.0)
    .bind(new.symbol.as_str().to_owned())
    .bind(new.behavior.quantity.to_string())
    .bind(new.behavior.max_position.to_string())
    .bind(new.behavior.on_opposite_entry.as_str())
    .bind(new.behavior.bare_sell_opens_short)
    .bind(i64::from(new.behavior.max_signal_age_s))
    .bind(new.active)
    .bind(new.created_at.0)
    .fetch_one(&mut *connection)
    .await
    .map_err(fault)?;
    find(connection, new.user_id, StrategyId(id)).await
}

/// Whether the user has this webhook, and it is not deleted.
async fn has_webhook(
    connection: &mut PgConnection,
    user_id: UserId,
    id: WebhookId,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM webhooks WHERE id = $1 AND user_id = $2 AND NOT deleted)";
    exists(connection, sql, id.0, user_id).await
}

/// Whether the user has this account, and it is still linked.
async fn has_account(
    connection: &mut PgConnection,
    user_id: UserId,
    id: BrokerAccountId,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM broker_accounts WHERE id = $1 AND user_id = $2 AND NOT deleted)";
    exists(connection, sql, id.0, user_id).await
}

async fn exists(
    connection: &mut PgConnection,
    sql: &'static str,
    id: i64,
    user_id: UserId,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(sql).bind(id).bind(user_id.0).fetch_one(connection).await.map_err(fault)
}

async fn find(
    connection: &mut PgConnection,
    user_id: UserId,
    id: StrategyId,
) -> Result<Strategy, StoreError> {
    let sql = concat!(
        "SELECT ",
        strategy_columns!(),
        " FROM strategies WHERE id = $1 AND user_id = $2 AND NOT deleted"
    );
    let row =
        sqlx::query(sql).bind(id.0).bind(user_id.0).fetch_one(connection).await.map_err(fault_or_missing)?;
    read_strategy(&mut Columns::of(&row))
}

pub(super) async fn strategy(
    store: &PostgresStore,
    user_id: UserId,
    id: StrategyId,
) -> Result<Strategy, StoreError> {
    let mut reader = store.reader().await?;
    find(&mut reader, user_id, id).await
}

pub(super) async fn strategies(
    store: &PostgresStore,
    user_id: UserId,
    webhook_id: Option<WebhookId>,
    page: PageRequest,
) -> Result<Page<Strategy>, StoreError> {
    let sql = concat!(
        "SELECT ",
        strategy_columns!(),
        " FROM strategies WHERE user_id = $1 AND id < $2 AND NOT deleted \
         AND ($4 IS NULL OR webhook_id = $4) ORDER BY id DESC LIMIT $3"
    );
    let rows = sqlx::query(sql)
        .bind(user_id.0)
        .bind(below(page))
        .bind(rows_wanted(page))
        .bind(webhook_id.map(|id| id.0))
        .fetch_all(&store.pool)
        .await
        .map_err(fault)?;
    Ok(paged(read_all(&rows, read_strategy)?, page, |strategy| strategy.id.0))
}

pub(super) async fn update(
    store: &PostgresStore,
    user_id: UserId,
    id: StrategyId,
    patch: StrategyPatch,
    limit: Option<u32>,
) -> Result<Strategy, StoreError> {
    let mut work = store.change().await?;
    let changed = apply(work.connection(), user_id, id, patch, limit).await;
    work.finish(changed).await
}

async fn apply(
    connection: &mut PgConnection,
    user_id: UserId,
    id: StrategyId,
    patch: StrategyPatch,
    limit: Option<u32>,
) -> Result<Strategy, StoreError> {
    let mut strategy = find(connection, user_id, id).await?;
    if let Some(webhook_id) = patch.webhook_id {
        if !has_webhook(connection, user_id, webhook_id).await? {
            return Err(StoreError::NotFound);
        }
        strategy.webhook_id = webhook_id;
    }
    if patch.active == Some(true) && !strategy.active {
        if !has_webhook(connection, user_id, strategy.webhook_id).await? {
            return Err(StoreError::InUse("the strategy's webhook was deleted; give it another one first"));
        }
        if !has_account(connection, user_id, strategy.broker_account_id).await? {
            return Err(StoreError::InUse("the strategy's broker account was unlinked"));
        }
        obey_limit(connection, ACTIVE, user_id, limit).await?;
    }
    strategy.name = patch.name.unwrap_or(strategy.name);
    strategy.behavior = patch.behavior.unwrap_or(strategy.behavior);
    strategy.active = patch.active.unwrap_or(strategy.active);
    save(connection, &strategy).await?;
    Ok(strategy)
}

async fn save(connection: &mut PgConnection, strategy: &Strategy) -> Result<(), StoreError> {
    let behavior = &strategy.behavior;
    sqlx::query(
        "UPDATE strategies SET name = $2, webhook_id = $3, quantity = $4, max_position = $5, on_opposite_entry = $6, \
         bare_sell_opens_short = $7, max_signal_age_s = $8, active = $9 WHERE id = $1",
    )
    .bind(strategy.id.0)
    .bind(text(&strategy.name))
    .bind(strategy.webhook_id.0)
    .bind(behavior.quantity.to_string())
    .bind(behavior.max_position.to_string())
    .bind(behavior.on_opposite_entry.as_str())
    .bind(behavior.bare_sell_opens_short)
    .bind(i64::from(behavior.max_signal_age_s))
    .bind(strategy.active)
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

pub(super) async fn delete(store: &PostgresStore, user_id: UserId, id: StrategyId) -> Result<(), StoreError> {
    let mut work = store.change().await?;
    let deleted = mark_deleted(work.connection(), user_id, id).await;
    work.finish(deleted).await
}

async fn mark_deleted(
    connection: &mut PgConnection,
    user_id: UserId,
    id: StrategyId,
) -> Result<(), StoreError> {
    find(connection, user_id, id).await?;
    if let Some(why) = in_use(connection, id).await? {
        return Err(StoreError::InUse(why));
    }
    sqlx::query("UPDATE strategies SET deleted = TRUE, active = FALSE WHERE id = $1")
        .bind(id.0)
        .execute(connection)
        .await
        .map(drop)
        .map_err(fault)
}

/// Why a strategy cannot be deleted now. A signal that is being worked on may have its order recorded next. Once the account
/// is unlinked, neither a position nor a signal waits for anything that could still come.
async fn in_use(connection: &mut PgConnection, id: StrategyId) -> Result<Option<&'static str>, StoreError> {
    let (linked, holds, orders, works): (bool, bool, bool, bool) = sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM strategies s JOIN broker_accounts a ON a.id = s.broker_account_id \
           WHERE s.id = $1 AND NOT a.deleted), \
         EXISTS (SELECT 1 FROM positions WHERE strategy_id = $1 AND net_qty::numeric <> 0), \
         EXISTS (SELECT 1 FROM orders WHERE strategy_id = $1 \
           AND status IN ('pending', 'working', 'partially_filled', 'unknown')), \
         EXISTS (SELECT 1 FROM outcomes WHERE strategy_id = $1 \
           AND status IN ('pending', 'unknown'))",
    )
    .bind(id.0)
    .fetch_one(connection)
    .await
    .map_err(fault)?;
    Ok(if holds && linked {
        Some("the strategy still holds a position; flatten its account first")
    } else if orders {
        Some("the strategy has an order that is not final; wait for it or flatten its account first")
    } else if works && linked {
        Some(
            "a signal of the strategy is still being worked on; pause the strategy and try again once the signal has \
             ended, at the latest when it is older than max_signal_age_s",
        )
    } else {
        None
    })
}
