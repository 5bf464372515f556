//! What a copy of the books is before anybody opens it: another installation, halted, with nothing left to be sent.

use atomik_domain::Code;
use sqlx::sqlite::SqliteConnection;

use crate::restored::WHY_HALTED;

/// Makes a copy fit to be served beside or after the original.
///
/// A copy numbers its signals from where it ends, as the original did after it. Client order ids are derived from the
/// installation, so that a venue that never forgets one does not take a new order for an old one: the copy gets an
/// installation of its own when it is first opened. Orders that are open in it keep their ids and are looked up; signals that
/// waited are settled, because the original has worked on them since. What a person has to look at first is behind a halt.
pub(crate) async fn make_restorable(copy: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM meta WHERE key = 'installation'").execute(&mut *copy).await?;
    sqlx::query(
        "UPDATE outcomes SET status = 'expired', code = ?1, detail = ?2, \
         settled_at = CAST(unixepoch('subsec') * 1000000 AS INTEGER) \
         WHERE status = 'pending' AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.signal_id = outcomes.signal_id \
         AND o.strategy_id = outcomes.strategy_id \
         AND o.status IN ('pending', 'working', 'partially_filled', 'unknown'))",
    )
    .bind(Code::Restored.as_str())
    .bind(Code::Restored.meaning())
    .execute(&mut *copy)
    .await?;
    sqlx::query(
        "INSERT INTO halts (scope, mode, reason, created_at) \
         VALUES ('system', 'all', ?1, CAST(unixepoch('subsec') * 1000000 AS INTEGER))",
    )
    .bind(WHY_HALTED)
    .execute(copy)
    .await
    .map(drop)
}
