//! Starting, keeping and saving.

use std::path::Path;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, StrategyId, Symbol};
use atomik_ports::StoreError;
use atomik_ports::journal::PositionRecord;
use atomik_ports::operations::{Operations, Retention, UnfinishedWork};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::faults::{fault, is_broken, too_late};
use super::work::{ANSWER_TIMEOUT, RECORDER_SLOT, note};
use super::{Access, PostgresStore, copy, equity, partitions, retention};
use crate::rows::{
    FILL, OUTCOME, SIGNAL, order_columns, position_columns, read_all, read_fill, read_order, read_outcome,
    read_position, read_signal,
};

/// Orders that are not final, and every order of an outcome that is not: an ended leg tells what its job has done.
const UNFINISHED: &str = "(id IN (SELECT id FROM orders WHERE status IN ('pending', 'working', 'partially_filled', \
     'unknown')) OR (signal_id, strategy_id) IN (SELECT signal_id, strategy_id FROM outcomes \
     WHERE status IN ('pending', 'unknown')))";

/// What is not finished: of some strategies, or of all.
pub(super) async fn read_unfinished(
    store: &PostgresStore,
    strategies: Option<&[i64]>,
) -> Result<UnfinishedWork, StoreError> {
    let mut read = store.read().await?;
    let only = if strategies.is_some() { "strategy_id = ANY ($1)" } else { "TRUE" };
    let outcomes = format!(
        "SELECT {SIGNAL}, {OUTCOME} FROM outcomes u JOIN signals s ON s.id = u.signal_id \
         WHERE u.status IN ('pending', 'unknown') AND {only} ORDER BY u.signal_id, u.strategy_id"
    );
    let orders = format!("SELECT {} FROM orders WHERE {UNFINISHED} AND {only} ORDER BY id", order_columns!());
    let fills = format!(
        "SELECT {FILL} FROM fills f WHERE (f.signal_id, f.client_order_id) IN \
         (SELECT signal_id, client_order_id FROM orders WHERE {UNFINISHED} AND {only}) ORDER BY f.id"
    );
    let positions = format!("SELECT {} FROM positions WHERE {only} ORDER BY id", position_columns!());
    let mut rows = Vec::with_capacity(4);
    for sql in [outcomes, orders, fills, positions] {
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match strategies {
            Some(strategies) => query.bind(strategies),
            None => query,
        };
        rows.push(query.fetch_all(&mut *read).await.map_err(fault)?);
    }
    Ok(UnfinishedWork {
        outcomes: read_all(&rows[0], |columns| Ok((read_signal(columns)?, read_outcome(columns)?)))?,
        orders: read_all(&rows[1], read_order)?,
        fills: read_all(&rows[2], read_fill)?,
        positions: read_all(&rows[3], read_position)?,
    })
}

#[async_trait]
impl Operations for PostgresStore {
    fn installation(&self) -> Uuid {
        self.installation
    }

    async fn unfinished_work(&self) -> Result<UnfinishedWork, StoreError> {
        read_unfinished(self, None).await
    }

    async fn positions_of(&self, strategy_id: StrategyId) -> Result<Vec<PositionRecord>, StoreError> {
        let rows = sqlx::query(concat!(
            "SELECT ",
            position_columns!(),
            " FROM positions WHERE strategy_id = $1 ORDER BY id"
        ))
        .bind(strategy_id.0)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        read_all(&rows, read_position)
    }

    async fn positions_on(
        &self,
        lanes: &[(BrokerAccountId, Symbol)],
    ) -> Result<Vec<PositionRecord>, StoreError> {
        let (accounts, symbols): (Vec<_>, Vec<_>) =
            lanes.iter().map(|(account, symbol)| (account.0, symbol.as_str())).unzip();
        let rows = sqlx::query(concat!(
            "SELECT ",
            position_columns!(),
            " FROM unnest($1::bigint[], $2::text[]) AS wanted (account, lane_symbol) \
             JOIN positions ON broker_account_id = account AND symbol = lane_symbol ORDER BY id"
        ))
        .bind(accounts)
        .bind(symbols)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        read_all(&rows, read_position)
    }

    async fn check(&self) -> Result<(), StoreError> {
        if self.options.access != Access::Shared {
            self.check_recorder().await?;
        }
        sqlx::query("SELECT 1 FROM meta LIMIT 1").execute(&self.pool).await.map_err(fault)?;
        Ok(())
    }

    async fn prune(&self, retention: Retention) -> Result<u64, StoreError> {
        partitions::make_ahead(self, retention.now).await?;
        let mut removed = retention::old_deliveries(self, retention.deliveries_before).await?;
        removed += retention::refusals(self, retention.refused_per_webhook).await?;
        removed += retention::repeat_keys(self, retention.now).await?;
        removed += retention::sessions(self, retention.now).await?;
        removed += retention::changes(self).await?;
        removed += equity::thin_out(self, retention.now).await?;
        retention::writers(self).await?;
        Ok(removed)
    }

    /// The copy is an embedded store, a file of SQLite: it opens anywhere. For databases that are too large for that there is
    /// `pg_dump`.
    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        copy::into_file(self, to).await
    }
}

impl PostgresStore {
    /// Whether what records can write durably: it notes a transaction of its own, and nothing else. A connection that broke
    /// since it was last used is replaced.
    async fn check_recorder(&self) -> Result<(), StoreError> {
        let mut replaced = false;
        loop {
            let mut turn = self.turn().await?;
            let token = self.slots.token();
            let begin = format!("BEGIN; {}", note(self.connector.store, RECORDER_SLOT, token));
            let noted = sqlx::raw_sql(AssertSqlSafe(begin)).execute(turn.connection());
            match tokio::time::timeout(ANSWER_TIMEOUT, noted).await.unwrap_or_else(|_| Err(too_late())) {
                Ok(_) => return turn.commit(token).await,
                Err(error) => {
                    turn.discard().await;
                    if replaced || !is_broken(&error) {
                        return Err(fault(error));
                    }
                    replaced = true;
                }
            }
        }
    }
}
