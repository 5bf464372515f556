//! Broker accounts.

use atomik_domain::{BrokerAccount, BrokerAccountId, UserId};
use atomik_ports::directory::{BrokerAccountPatch, NewBrokerAccount};
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::sqlite::SqliteConnection;

use super::obey_limit;
use crate::columns::Columns;
use crate::pages::{below, paged, rows_wanted};
use crate::rows::read_all;
use crate::seal::{Row, Seal};
use crate::setup::{account_columns, read_account};
use crate::sqlite::faults::{fault, fault_or_missing};
use crate::sqlite::{SqliteStore, custody};

pub(super) async fn create(
    store: &SqliteStore,
    new: NewBrokerAccount,
    limit: Option<u32>,
) -> Result<BrokerAccount, StoreError> {
    let mut work = store.write().await?;
    let made = insert(work.connection(), store.seal.as_ref(), new, limit).await;
    work.finish(made).await
}

async fn insert(
    connection: &mut SqliteConnection,
    seal: Option<&Seal>,
    new: NewBrokerAccount,
    limit: Option<u32>,
) -> Result<BrokerAccount, StoreError> {
    let linked = "SELECT count(*) FROM broker_accounts WHERE user_id = ?1 AND NOT deleted";
    obey_limit(connection, linked, new.user_id, limit).await?;
    let id = sqlx::query(
        "INSERT INTO broker_accounts (user_id, broker, environment, label, settings, created_at, credentials_set_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(new.user_id.0)
    .bind(new.broker.0)
    .bind(new.environment.as_str())
    .bind(new.label)
    .bind(new.settings.to_string())
    .bind(new.created_at.0)
    .bind((!new.credentials.is_empty()).then_some(new.created_at.0))
    .execute(&mut *connection)
    .await
    .map_err(fault)?
    .last_insert_rowid();
    let row = Row { user_id: new.user_id, account_id: BrokerAccountId(id) };
    custody::keep(connection, seal, row, &new.credentials).await?;
    find(connection, new.user_id, row.account_id).await
}

async fn find(
    connection: &mut SqliteConnection,
    user_id: UserId,
    id: BrokerAccountId,
) -> Result<BrokerAccount, StoreError> {
    let sql = concat!(
        "SELECT ",
        account_columns!(),
        " FROM broker_accounts WHERE id = ?1 AND user_id = ?2 AND NOT deleted"
    );
    let row =
        sqlx::query(sql).bind(id.0).bind(user_id.0).fetch_one(connection).await.map_err(fault_or_missing)?;
    read_account(&mut Columns::of(&row))
}

pub(super) async fn account(
    store: &SqliteStore,
    user_id: UserId,
    id: BrokerAccountId,
) -> Result<BrokerAccount, StoreError> {
    let mut reader = store.reader().await?;
    find(&mut reader, user_id, id).await
}

pub(super) async fn accounts(
    store: &SqliteStore,
    user_id: UserId,
    page: PageRequest,
) -> Result<Page<BrokerAccount>, StoreError> {
    let sql = concat!(
        "SELECT ",
        account_columns!(),
        " FROM broker_accounts WHERE user_id = ?1 AND id < ?2 AND NOT deleted ORDER BY id DESC LIMIT ?3"
    );
    let rows = sqlx::query(sql)
        .bind(user_id.0)
        .bind(below(page))
        .bind(rows_wanted(page))
        .fetch_all(&store.readers)
        .await
        .map_err(fault)?;
    Ok(paged(read_all(&rows, read_account)?, page, |account| account.id.0))
}

pub(super) async fn update(
    store: &SqliteStore,
    user_id: UserId,
    id: BrokerAccountId,
    patch: BrokerAccountPatch,
) -> Result<BrokerAccount, StoreError> {
    let mut work = store.write().await?;
    let changed = apply(work.connection(), store.seal.as_ref(), user_id, id, patch).await;
    work.finish(changed).await
}

async fn apply(
    connection: &mut SqliteConnection,
    seal: Option<&Seal>,
    user_id: UserId,
    id: BrokerAccountId,
    patch: BrokerAccountPatch,
) -> Result<BrokerAccount, StoreError> {
    let mut account = find(connection, user_id, id).await?;
    account.label = patch.label.unwrap_or(account.label);
    account.settings = patch.settings.unwrap_or(account.settings);
    if let Some((credentials, at)) = &patch.credentials {
        custody::keep(connection, seal, Row { user_id, account_id: id }, credentials).await?;
        account.credentials_set_at = (!credentials.is_empty()).then_some(*at);
    }
    sqlx::query(
        "UPDATE broker_accounts SET label = ?2, settings = ?3, credentials_set_at = ?4 WHERE id = ?1",
    )
    .bind(id.0)
    .bind(account.label.clone())
    .bind(account.settings.to_string())
    .bind(account.credentials_set_at.map(|at| at.0))
    .execute(connection)
    .await
    .map_err(fault)?;
    Ok(account)
}

pub(super) async fn delete(
    store: &SqliteStore,
    user_id: UserId,
    id: BrokerAccountId,
) -> Result<(), StoreError> {
    let mut work = store.write().await?;
    let deleted = mark_unlinked(work.connection(), user_id, id).await;
    work.finish(deleted).await
}

async fn mark_unlinked(
    connection: &mut SqliteConnection,
    user_id: UserId,
    id: BrokerAccountId,
) -> Result<(), StoreError> {
    find(connection, user_id, id).await?;
    // Signals that are still being worked on do not count: an exit waits for a broken connection without end, and unlinking
    // is the way out of that.
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM orders INDEXED BY orders_open \
         WHERE status IN ('pending', 'working', 'partially_filled', 'unknown') AND broker_account_id = ?1",
    )
    .bind(id.0)
    .fetch_one(&mut *connection)
    .await
    .map_err(fault)?;
    if open > 0 {
        return Err(StoreError::InUse(
            "the account has orders that are not final; wait for them or flatten the account first",
        ));
    }
    custody::forget(connection, id).await?;
    sqlx::query("UPDATE broker_accounts SET deleted = 1 WHERE id = ?1")
        .bind(id.0)
        .execute(&mut *connection)
        .await
        .map_err(fault)?;
    sqlx::query("UPDATE strategies SET active = 0 WHERE broker_account_id = ?1 AND active")
        .bind(id.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}
