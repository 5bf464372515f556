//! What a database is that PostgreSQL's own tools restored: as a copy that the program makes, see `sqlite/restore.rs`.

use atomik_domain::{Code, UnixMicros};
use atomik_ports::StoreError;
use sqlx::postgres::PgConnection;

use super::PostgresStore;
use super::faults::fault;
use crate::restored::WHY_HALTED;

impl PostgresStore {
    /// Makes a restored database fit to be served: another installation, from when it is opened next, halted, with nothing left
    /// to be sent. No server may use it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn make_restorable(&self, at: UnixMicros) -> Result<(), StoreError> {
        let mut work = self.change().await?;
        let made = make(work.connection(), at).await.map_err(fault);
        work.finish(made).await
    }
}

async fn make(connection: &mut PgConnection, at: UnixMicros) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM meta WHERE key = 'installation'").execute(&mut *connection).await?;
    sqlx::query(
        "UPDATE outcomes SET status = 'expired', code = $1, detail = $2, settled_at = $3 \
         WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.signal_id = outcomes.signal_id \
         AND o.strategy_id = outcomes.strategy_id \
         AND o.status IN ('pending', 'working', 'partially_filled', 'unknown'))",
    )
    .bind(Code::Restored.as_str())
    .bind(Code::Restored.meaning())
    .bind(at.0)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO halts (scope, mode, reason, created_at) VALUES ('system', 'all', $1, $2)")
        .bind(WHY_HALTED)
        .bind(at.0)
        .execute(connection)
        .await
        .map(drop)
}
