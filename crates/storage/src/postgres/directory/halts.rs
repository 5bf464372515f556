//! Halts.

use atomik_domain::{Halt, HaltId, UnixMicros, UserId};
use atomik_ports::StoreError;
use atomik_ports::directory::NewHalt;

use crate::postgres::PostgresStore;
use crate::postgres::columns::text;
use crate::postgres::faults::fault;
use crate::rows::read_all;
use crate::setup::{halt_columns, read_halt};

pub(super) async fn create(store: &PostgresStore, new: NewHalt) -> Result<Halt, StoreError> {
    let mut work = store.change().await?;
    let made = sqlx::query_scalar(
        "INSERT INTO halts (scope, target_id, mode, reason, user_id, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
         RETURNING id",
    )
    .bind(new.scope.as_str())
    .bind(new.scope.target_id())
    .bind(new.mode.as_str())
    .bind(text(&new.reason))
    .bind(new.user_id.map(|id| id.0))
    .bind(new.created_at.0)
    .fetch_one(work.connection())
    .await;
    let made = work.finish(made.map_err(fault)).await?;
    Ok(Halt {
        id: HaltId(made),
        scope: new.scope,
        mode: new.mode,
        reason: new.reason,
        user_id: new.user_id,
        created_at: new.created_at,
    })
}

pub(super) async fn halts(store: &PostgresStore) -> Result<Vec<Halt>, StoreError> {
    let sql = concat!("SELECT ", halt_columns!(), " FROM halts WHERE lifted_at IS NULL ORDER BY id DESC");
    let rows = sqlx::query(sql).fetch_all(&store.pool).await.map_err(fault)?;
    read_all(&rows, read_halt)
}

pub(super) async fn lift(
    store: &PostgresStore,
    id: HaltId,
    by: Option<UserId>,
    now: UnixMicros,
) -> Result<(), StoreError> {
    let lifted =
        sqlx::query("UPDATE halts SET lifted_at = $2, lifted_by = $3 WHERE id = $1 AND lifted_at IS NULL");
    store.change_one(lifted.bind(id.0).bind(now.0).bind(by.map(|id| id.0))).await
}
