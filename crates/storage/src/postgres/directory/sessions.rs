//! What proves who is asking: sessions and API keys.

use atomik_domain::{ApiKeyId, SessionId, UnixMicros, User, UserId};
use atomik_ports::directory::{ApiKey, NewSession, Session, TokenHash};
use atomik_ports::{Page, PageRequest, StoreError};

use crate::columns::Columns;
use crate::pages::{below, paged, rows_wanted};
use crate::postgres::PostgresStore;
use crate::postgres::columns::text;
use crate::postgres::faults::{fault, fault_or_missing, fault_or_taken};
use crate::rows::read_all;
use crate::setup::{key_columns, read_key, read_session, read_user, session_columns, user_columns};

/// The most sessions of one user that are listed.
const SESSIONS_LISTED: i64 = 200;

pub(super) async fn create(store: &PostgresStore, new: NewSession) -> Result<Session, StoreError> {
    let mut work = store.write().await?;
    let made = sqlx::query_scalar(
        "INSERT INTO sessions (user_id, token_hash, created_at, last_used_at, expires_at, user_agent) \
         VALUES ($1, $2, $3, $3, $4, $5) RETURNING id",
    )
    .bind(new.user_id.0)
    .bind(new.token_hash.to_vec())
    .bind(new.created_at.0)
    .bind(new.expires_at.0)
    .bind(text(&new.user_agent))
    .fetch_one(work.connection())
    .await;
    let made = work.finish(made.map_err(fault_or_taken("the session token"))).await?;
    Ok(Session {
        id: SessionId(made),
        user_id: new.user_id,
        created_at: new.created_at,
        last_used_at: new.created_at,
        expires_at: new.expires_at,
        user_agent: new.user_agent,
    })
}

pub(super) async fn session(
    store: &PostgresStore,
    token_hash: TokenHash,
    now: UnixMicros,
) -> Result<(Session, User), StoreError> {
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        ", ",
        user_columns!(),
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1 AND s.expires_at > $2"
    );
    let row = sqlx::query(sql)
        .bind(token_hash.to_vec())
        .bind(now.0)
        .fetch_one(&store.pool)
        .await
        .map_err(fault_or_missing)?;
    let mut columns = Columns::of(&row);
    Ok((read_session(&mut columns)?, read_user(&mut columns)?))
}

pub(super) async fn touch(store: &PostgresStore, id: SessionId, now: UnixMicros) -> Result<(), StoreError> {
    let touched = sqlx::query("UPDATE sessions SET last_used_at = greatest(last_used_at, $2) WHERE id = $1");
    store.change_one(touched.bind(id.0).bind(now.0)).await
}

pub(super) async fn sessions(
    store: &PostgresStore,
    user_id: UserId,
    now: UnixMicros,
) -> Result<Vec<Session>, StoreError> {
    let sql = concat!(
        "SELECT ",
        session_columns!(),
        " FROM sessions s WHERE s.user_id = $1 AND s.expires_at > $2 ORDER BY s.id DESC LIMIT $3"
    );
    let rows = sqlx::query(sql)
        .bind(user_id.0)
        .bind(now.0)
        .bind(SESSIONS_LISTED)
        .fetch_all(&store.pool)
        .await
        .map_err(fault)?;
    read_all(&rows, read_session)
}

pub(super) async fn delete(store: &PostgresStore, user_id: UserId, id: SessionId) -> Result<(), StoreError> {
    let ended = sqlx::query("DELETE FROM sessions WHERE id = $1 AND user_id = $2");
    store.change_one(ended.bind(id.0).bind(user_id.0)).await
}

pub(super) async fn delete_others(
    store: &PostgresStore,
    user_id: UserId,
    keep: Option<SessionId>,
) -> Result<(), StoreError> {
    let mut work = store.write().await?;
    let ended = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2")
        .bind(user_id.0)
        .bind(keep.map(|id| id.0))
        .execute(work.connection())
        .await;
    work.finish(ended.map(drop).map_err(fault)).await
}

pub(super) async fn create_key(
    store: &PostgresStore,
    user_id: UserId,
    name: String,
    token_hash: TokenHash,
    now: UnixMicros,
) -> Result<ApiKey, StoreError> {
    let mut work = store.write().await?;
    let made = sqlx::query_scalar(
        "INSERT INTO api_keys (user_id, name, token_hash, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(user_id.0)
    .bind(text(&name))
    .bind(token_hash.to_vec())
    .bind(now.0)
    .fetch_one(work.connection())
    .await;
    let made = work.finish(made.map_err(fault_or_taken("the key"))).await?;
    Ok(ApiKey { id: ApiKeyId(made), user_id, name, created_at: now, last_used_at: None })
}

pub(super) async fn key(store: &PostgresStore, token_hash: TokenHash) -> Result<(ApiKey, User), StoreError> {
    let sql = concat!(
        "SELECT ",
        key_columns!(),
        ", ",
        user_columns!(),
        " FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.token_hash = $1"
    );
    let row =
        sqlx::query(sql).bind(token_hash.to_vec()).fetch_one(&store.pool).await.map_err(fault_or_missing)?;
    let mut columns = Columns::of(&row);
    Ok((read_key(&mut columns)?, read_user(&mut columns)?))
}

pub(super) async fn touch_key(
    store: &PostgresStore,
    id: ApiKeyId,
    now: UnixMicros,
) -> Result<(), StoreError> {
    let touched = sqlx::query("UPDATE api_keys SET last_used_at = greatest(last_used_at, $2) WHERE id = $1");
    store.change_one(touched.bind(id.0).bind(now.0)).await
}

pub(super) async fn keys(
    store: &PostgresStore,
    user_id: UserId,
    page: PageRequest,
) -> Result<Page<ApiKey>, StoreError> {
    let sql = concat!(
        "SELECT ",
        key_columns!(),
        " FROM api_keys k WHERE k.user_id = $1 AND k.id < $2 ORDER BY k.id DESC LIMIT $3"
    );
    let rows = sqlx::query(sql)
        .bind(user_id.0)
        .bind(below(page))
        .bind(rows_wanted(page))
        .fetch_all(&store.pool)
        .await
        .map_err(fault)?;
    Ok(paged(read_all(&rows, read_key)?, page, |key| key.id.0))
}

pub(super) async fn delete_key(
    store: &PostgresStore,
    user_id: UserId,
    id: ApiKeyId,
) -> Result<(), StoreError> {
    let revoked = sqlx::query("DELETE FROM api_keys WHERE id = $1 AND user_id = $2");
    store.change_one(revoked.bind(id.0).bind(user_id.0)).await
}
