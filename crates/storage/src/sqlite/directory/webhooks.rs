//! Webhooks.

use atomik_domain::{UserId, Webhook, WebhookId};
use atomik_ports::directory::{NewWebhook, WebhookPatch};
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::sqlite::SqliteConnection;

use super::obey_limit;
use crate::columns::Columns;
use crate::pages::{below, paged, rows_wanted};
use crate::rows::read_all;
use crate::setup::{read_webhook, webhook_columns};
use crate::sqlite::SqliteStore;
use crate::sqlite::faults::{fault, fault_or_missing, fault_or_taken};

pub(super) async fn create(
    store: &SqliteStore,
    new: NewWebhook,
    limit: Option<u32>,
) -> Result<Webhook, StoreError> {
    let mut work = store.write().await?;
    let made = insert(work.connection(), new, limit).await;
    work.finish(made).await
}

const ACTIVE: &str = "SELECT count(*) FROM webhooks WHERE user_id = ?1 AND active AND NOT deleted";

async fn insert(
    connection: &mut SqliteConnection,
    new: NewWebhook,
    limit: Option<u32>,
) -> Result<Webhook, StoreError> {
    obey_limit(connection, ACTIVE, new.user_id, limit).await?;
    let id = sqlx::query(
        "INSERT INTO webhooks (user_id, name, description, token, secret_hash, require_secret, allowed_ips, active, \
         dedupe_window_s, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9)",
    )
    .bind(new.user_id.0)
    .bind(new.name)
    .bind(new.description)
    .bind(new.token)
    .bind(new.secret_hash.to_vec())
    .bind(new.require_secret)
    .bind(new.allowed_ips.to_string())
    .bind(i64::from(new.dedupe_window_s))
    .bind(new.created_at.0)
    .execute(&mut *connection)
    .await
    .map_err(fault_or_taken("the webhook's token"))?
    .last_insert_rowid();
    find(connection, new.user_id, WebhookId(id)).await
}

async fn find(
    connection: &mut SqliteConnection,
    user_id: UserId,
    id: WebhookId,
) -> Result<Webhook, StoreError> {
    let sql = concat!(
        "SELECT ",
        webhook_columns!(),
        " FROM webhooks WHERE id = ?1 AND user_id = ?2 AND NOT deleted"
    );
    let row =
        sqlx::query(sql).bind(id.0).bind(user_id.0).fetch_one(connection).await.map_err(fault_or_missing)?;
    read_webhook(&mut Columns::of(&row))
}

pub(super) async fn webhook(
    store: &SqliteStore,
    user_id: UserId,
    id: WebhookId,
) -> Result<Webhook, StoreError> {
    let mut reader = store.reader().await?;
    find(&mut reader, user_id, id).await
}

pub(super) async fn webhooks(
    store: &SqliteStore,
    user_id: UserId,
    page: PageRequest,
) -> Result<Page<Webhook>, StoreError> {
    let sql = concat!(
        "SELECT ",
        webhook_columns!(),
        " FROM webhooks WHERE user_id = ?1 AND id < ?2 AND NOT deleted ORDER BY id DESC LIMIT ?3"
    );
    let rows = sqlx::query(sql)
        .bind(user_id.0)
        .bind(below(page))
        .bind(rows_wanted(page))
        .fetch_all(&store.readers)
        .await
        .map_err(fault)?;
    Ok(paged(read_all(&rows, read_webhook)?, page, |webhook| webhook.id.0))
}

pub(super) async fn update(
    store: &SqliteStore,
    user_id: UserId,
    id: WebhookId,
    patch: WebhookPatch,
    limit: Option<u32>,
) -> Result<Webhook, StoreError> {
    let mut work = store.write().await?;
    let changed = apply(work.connection(), user_id, id, patch, limit).await;
    work.finish(changed).await
}

async fn apply(
    connection: &mut SqliteConnection,
    user_id: UserId,
    id: WebhookId,
    patch: WebhookPatch,
    limit: Option<u32>,
) -> Result<Webhook, StoreError> {
    let mut webhook = find(connection, user_id, id).await?;
    if patch.active == Some(true) && !webhook.active {
        obey_limit(connection, ACTIVE, user_id, limit).await?;
    }
    webhook.name = patch.name.unwrap_or(webhook.name);
    webhook.description = patch.description.unwrap_or(webhook.description);
    webhook.require_secret = patch.require_secret.unwrap_or(webhook.require_secret);
    webhook.allowed_ips = patch.allowed_ips.unwrap_or(webhook.allowed_ips);
    webhook.active = patch.active.unwrap_or(webhook.active);
    webhook.dedupe_window_s = patch.dedupe_window_s.unwrap_or(webhook.dedupe_window_s);
    if let Some((hash, previous)) = patch.secret {
        webhook.secret_hash = hash;
        webhook.previous_secret = previous;
    }
    sqlx::query(
        "UPDATE webhooks SET name = ?2, description = ?3, secret_hash = ?4, previous_secret_hash = ?5, \
         previous_secret_until = ?6, require_secret = ?7, allowed_ips = ?8, active = ?9, dedupe_window_s = ?10 \
         WHERE id = ?1",
    )
    .bind(id.0)
    .bind(webhook.name.clone())
    .bind(webhook.description.clone())
    .bind(webhook.secret_hash.to_vec())
    .bind(webhook.previous_secret.map(|previous| previous.hash.to_vec()))
    .bind(webhook.previous_secret.map(|previous| previous.valid_until.0))
    .bind(webhook.require_secret)
    .bind(webhook.allowed_ips.to_string())
    .bind(webhook.active)
    .bind(i64::from(webhook.dedupe_window_s))
    .execute(connection)
    .await
    .map_err(fault)?;
    Ok(webhook)
}

pub(super) async fn delete(store: &SqliteStore, user_id: UserId, id: WebhookId) -> Result<(), StoreError> {
    let mut work = store.write().await?;
    let deleted = mark_deleted(work.connection(), user_id, id).await;
    work.finish(deleted).await
}

async fn mark_deleted(
    connection: &mut SqliteConnection,
    user_id: UserId,
    id: WebhookId,
) -> Result<(), StoreError> {
    find(connection, user_id, id).await?;
    sqlx::query("UPDATE webhooks SET deleted = 1, active = 0 WHERE id = ?1")
        .bind(id.0)
        .execute(&mut *connection)
        .await
        .map_err(fault)?;
    sqlx::query("UPDATE strategies SET active = 0 WHERE webhook_id = ?1 AND active")
        .bind(id.0)
        .execute(connection)
        .await
        .map_err(fault)?;
    Ok(())
}
