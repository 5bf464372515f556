//! Halts.

use atomik_domain::{Halt, HaltId, UnixMicros, UserId};
use atomik_ports::StoreError;
use atomik_ports::directory::NewHalt;

use crate::rows::read_all;
use crate::setup::{halt_columns, read_halt};
use crate::sqlite::SqliteStore;
use crate::sqlite::faults::fault;

pub(super) async fn create(store: &SqliteStore, new: NewHalt) -> Result<Halt, StoreError> {
    let mut work = store.write().await?;
    let made = sqlx::query(
        "INSERT INTO halts (scope, target_id, mode, reason, user_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(new.scope.as_str())
    .bind(new.scope.target_id())
    .bind(new.mode.as_str())
    .bind(new.reason.clone())
    .bind(new.user_id.map(|id| id.0))
    .bind(new.created_at.0)
    .execute(work.connection())
    .await;
    let made = work.finish(made.map_err(fault)).await?;
    Ok(Halt {
        id: HaltId(made.last_insert_rowid()),
        scope: new.scope,
        mode: new.mode,
        reason: new.reason,
        user_id: new.user_id,
        created_at: new.created_at,
    })
}

pub(super) async fn halts(store: &SqliteStore) -> Result<Vec<Halt>, StoreError> {
    let sql = concat!("SELECT ", halt_columns!(), " FROM halts WHERE lifted_at IS NULL ORDER BY id DESC");
    let rows = sqlx::query(sql).fetch_all(&store.readers).await.map_err(fault)?;
    read_all(&rows, read_halt)
}

pub(super) async fn lift(
    store: &SqliteStore,
    id: HaltId,
    by: Option<UserId>,
    now: UnixMicros,
) -> Result<(), StoreError> {
    let lifted =
        sqlx::query("UPDATE halts SET lifted_at = ?2, lifted_by = ?3 WHERE id = ?1 AND lifted_at IS NULL");
    store.change_one(lifted.bind(id.0).bind(now.0).bind(by.map(|id| id.0))).await
}
