//! What is not finished on some accounts, and what waits there.

use atomik_domain::{BrokerAccountId, SignalId, StrategyId};
use atomik_ports::StoreError;
use atomik_ports::cluster::{WAITING_PAGE, Waiting};
use atomik_ports::operations::UnfinishedWork;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres};

use crate::columns::Columns;
use crate::postgres::PostgresStore;
use crate::postgres::faults::fault;
use crate::postgres::operations::read_unfinished;
use crate::rows::{OUTCOME, SIGNAL, read_all, read_outcome, read_signal};

/// The strategies on accounts, those that are gone among them.
const STRATEGIES: &str = "SELECT id FROM strategies WHERE broker_account_id = ANY ($1)";

pub(super) async fn on_accounts(
    store: &PostgresStore,
    accounts: &[BrokerAccountId],
) -> Result<UnfinishedWork, StoreError> {
    let accounts: Vec<_> = accounts.iter().map(|id| id.0).collect();
    let strategies: Vec<i64> =
        sqlx::query_scalar(STRATEGIES).bind(&accounts).fetch_all(&store.pool).await.map_err(fault)?;
    read_unfinished(store, Some(&strategies)).await
}

pub(super) async fn for_strategies(
    store: &PostgresStore,
    strategies: &[StrategyId],
    after: SignalId,
) -> Result<Vec<Waiting>, StoreError> {
    let strategies: Vec<_> = strategies.iter().map(|id| id.0).collect();
    let sql = whole("u.strategy_id = ANY ($1) AND u.signal_id > $2");
    read(sqlx::query(AssertSqlSafe(sql)).bind(strategies).bind(after.0), store).await
}

pub(super) async fn waiting_on(
    store: &PostgresStore,
    accounts: &[BrokerAccountId],
    after: (SignalId, StrategyId),
) -> Result<Vec<(SignalId, StrategyId)>, StoreError> {
    let accounts: Vec<_> = accounts.iter().map(|id| id.0).collect();
    let sql = format!(
        "SELECT signal_id, strategy_id FROM outcomes WHERE status = 'pending' AND strategy_id IN ({STRATEGIES}) \
         AND (signal_id, strategy_id) > ($2, $3) ORDER BY signal_id, strategy_id LIMIT {WAITING_PAGE}"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql)).bind(accounts).bind(after.0.0).bind(after.1.0);
    let found: Vec<(i64, i64)> = query.fetch_all(&store.pool).await.map_err(fault)?;
    Ok(found.into_iter().map(|(signal, strategy)| (SignalId(signal), StrategyId(strategy))).collect())
}

pub(super) async fn waiting(
    store: &PostgresStore,
    which: &[(SignalId, StrategyId)],
) -> Result<Vec<Waiting>, StoreError> {
    let (signals, strategies): (Vec<_>, Vec<_>) =
        which.iter().map(|(signal, strategy)| (signal.0, strategy.0)).unzip();
    let sql = whole("(u.signal_id, u.strategy_id) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))");
    read(sqlx::query(AssertSqlSafe(sql)).bind(signals).bind(strategies), store).await
}

fn whole(which: &str) -> String {
    format!(
        "SELECT {SIGNAL}, {OUTCOME}, t.broker_account_id, t.symbol FROM outcomes u \
         JOIN signals s ON s.id = u.signal_id JOIN strategies t ON t.id = u.strategy_id \
         WHERE u.status = 'pending' AND {which} ORDER BY u.signal_id, u.strategy_id"
    )
}

async fn read(
    query: sqlx::query::Query<'_, Postgres, sqlx::postgres::PgArguments>,
    store: &PostgresStore,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = query.fetch_all(&store.pool).await.map_err(fault)?;
    read_all(&rows, |columns: &mut Columns<'_, PgRow>| {
        Ok(Waiting {
            signal: read_signal(columns)?,
            outcome: read_outcome(columns)?,
            broker_account_id: BrokerAccountId(columns.get()?),
            symbol: columns.symbol()?,
        })
    })
}
