//! Starting, keeping and saving.

use std::io::ErrorKind;
use std::path::Path;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, StrategyId, Symbol};
use atomik_ports::StoreError;
use atomik_ports::journal::PositionRecord;
use atomik_ports::operations::{Operations, Retention, UnfinishedWork};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use uuid::Uuid;

use super::SqliteStore;
use super::bulk::Bulk;
use super::equity;
use super::faults::fault;
use super::restore::make_restorable;
use super::retention;
use crate::rows::{
    FILL, OUTCOME, SIGNAL, order_columns, position_columns, read_all, read_fill, read_order, read_outcome,
    read_position, read_signal,
};
use crate::values::Binds as _;

/// Orders that are not final, and every order of an outcome that is not: an ended leg tells what its job has done.
macro_rules! unfinished {
    () => {
        "id IN (SELECT id FROM orders INDEXED BY orders_open \
         WHERE status IN ('pending', 'working', 'partially_filled', 'unknown')) \
         OR (signal_id, strategy_id) IN (SELECT signal_id, strategy_id FROM outcomes INDEXED BY outcomes_open \
         WHERE status IN ('pending', 'unknown'))"
    };
}

// CROSS JOIN holds SQLite to this order: for each wanted lane, one look into the index.
static POSITIONS_ON: Bulk = Bulk::new(
    "WITH wanted (account, lane_symbol) AS (VALUES ",
    2,
    concat!(
        ") SELECT ",
        position_columns!(),
        " FROM wanted CROSS JOIN positions INDEXED BY positions_by_lane \
         ON broker_account_id = account AND symbol = lane_symbol ORDER BY id"
    ),
);

#[async_trait]
impl Operations for SqliteStore {
    fn installation(&self) -> Uuid {
        self.installation
    }

    async fn unfinished_work(&self) -> Result<UnfinishedWork, StoreError> {
        let mut read = self.read().await?;
        let outcomes = format!(
            "SELECT {SIGNAL}, {OUTCOME} FROM outcomes u JOIN signals s ON s.id = u.signal_id \
             WHERE u.status IN ('pending', 'unknown') ORDER BY u.signal_id, u.strategy_id"
        );
        let outcomes = sqlx::query(AssertSqlSafe(outcomes)).fetch_all(&mut *read).await.map_err(fault)?;
        let orders = sqlx::query(concat!(
            "SELECT ",
            order_columns!(),
            " FROM orders WHERE ",
            unfinished!(),
            " ORDER BY id"
        ))
        .fetch_all(&mut *read)
        .await
        .map_err(fault)?;
        let fills = format!(
            "SELECT {FILL} FROM fills f WHERE (f.signal_id, f.client_order_id) IN \
             (SELECT signal_id, client_order_id FROM orders WHERE {}) ORDER BY f.id",
            unfinished!()
        );
        let fills = sqlx::query(AssertSqlSafe(fills)).fetch_all(&mut *read).await.map_err(fault)?;
        let positions = sqlx::query(concat!("SELECT ", position_columns!(), " FROM positions ORDER BY id"))
            .fetch_all(&mut *read)
            .await
            .map_err(fault)?;
        Ok(UnfinishedWork {
            outcomes: read_all(&outcomes, |columns| Ok((read_signal(columns)?, read_outcome(columns)?)))?,
            orders: read_all(&orders, read_order)?,
            fills: read_all(&fills, read_fill)?,
            positions: read_all(&positions, read_position)?,
        })
    }

    async fn positions_of(&self, strategy_id: StrategyId) -> Result<Vec<PositionRecord>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            position_columns!(),
            " FROM positions WHERE strategy_id = ?1 ORDER BY id"
        ))
        .bind(strategy_id.0)
        .fetch_all(&self.readers)
        .await
        .map_err(fault)?;
        read_all(&rows, read_position)
    }

    async fn positions_on(
        &self,
        lanes: &[(BrokerAccountId, Symbol)],
    ) -> Result<Vec<PositionRecord>, StoreError> {
        let mut reader = self.readers.acquire().await.map_err(fault)?;
        let rows = POSITIONS_ON
            .fetch(&mut reader, lanes, |(account, symbol), binds| {
                binds.add(account.0).add(symbol.as_str());
            })
            .await?;
        read_all(&rows, read_position)
    }

    async fn check(&self) -> Result<(), StoreError> {
        let mut work = self.write().await?;
        // The insert needs room in the database, the commit needs room on a disk that can be written; nothing stays.
        let written = sqlx::raw_sql("INSERT INTO probe (room) VALUES (zeroblob(16384)); DELETE FROM probe")
            .execute(work.connection())
            .await
            .map(drop)
            .map_err(fault);
        work.finish(written).await?;
        sqlx::query("SELECT 1 FROM meta LIMIT 1").execute(&self.readers).await.map_err(fault)?;
        Ok(())
    }

    async fn prune(&self, retention: Retention) -> Result<u64, StoreError> {
        let mut removed = retention::old_deliveries(self, retention.deliveries_before).await?;
        removed += retention::refusals(self, retention.refused_per_webhook).await?;
        removed += retention::repeat_keys(self, retention.now).await?;
        removed += retention::sessions(self, retention.now).await?;
        removed += retention::changes(self).await?;
        removed += equity::thin_out(self, retention.now).await?;
        Ok(removed)
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let text = to.to_str().ok_or_else(|| not_writable("its name is not UTF-8"))?;
        let reserved = reserve(to).await?;
        // SQLite writes into a file that is there as long as it is empty.
        let copied = sqlx::query("VACUUM INTO ?1").bind(text).execute(&self.readers).await.map_err(fault);
        let copied = match copied {
            Ok(_) => restorable(to).await.map_err(fault),
            Err(error) => Err(error),
        };
        let kept = match copied {
            Ok(()) => reserved.sync_all().await.map_err(not_writable),
            Err(error) => Err(error),
        };
        if kept.is_err() {
            // What is there is half a backup. That it cannot be removed adds nothing to the error.
            let _ = tokio::fs::remove_file(to).await;
        }
        kept
    }
}

async fn restorable(copy: &Path) -> Result<(), sqlx::Error> {
    let mut copy = SqliteConnectOptions::new().filename(copy).connect().await?;
    make_restorable(&mut copy).await?;
    copy.close().await
}

/// Makes the file of a copy, which must not exist and only its owner may read: it holds password hashes.
pub(crate) async fn reserve(to: &Path) -> Result<tokio::fs::File, StoreError> {
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(to).await.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Taken("the backup file's name"),
        _ => not_writable(error),
    })
}

pub(crate) fn not_writable(reason: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the backup file cannot be written: {reason}"))
}
