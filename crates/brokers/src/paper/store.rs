//! The venue's database file: what the desk commits, and what it reads back.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use atomik_domain::order::Execution;
use atomik_domain::{
    Amount, BrokerAccountId, ClientOrderId, ExecutionReport, OrderStatus, Position, Price, Qty, SignedQty,
    Symbol, UnixMicros,
};
use rust_decimal::Decimal;
use serde_json::json;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite};

use super::book::{Changes, ExecutionRecord, Holding, OrderRecord, exec_id};
use super::feed::Anchor;
use super::settings::PaperSettings;
use super::venue::Account;
use crate::instruments;

/// Names an order across accounts.
pub(crate) type OrderKey = (BrokerAccountId, ClientOrderId);

/// The database could not be read, or holds what it must not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct StoreFailure(String);

impl From<sqlx::Error> for StoreFailure {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

/// What is known of a commit that failed.
#[derive(Debug)]
pub(crate) struct CommitFailure {
    /// Whether it may have happened all the same.
    pub fate_unknown: bool,
    /// What is known.
    pub detail: String,
}

/// Reads what is committed.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pool: SqlitePool,
}

/// Writes, one commit at a time.
#[derive(Debug)]
pub(crate) struct Writer {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

/// Opens the database, checks that it is whole, and brings its schema up to date.
///
/// # Errors
/// [`StoreFailure`] where the file cannot be opened, is damaged, or was written by a newer version.
pub(crate) async fn open(path: &Path) -> Result<(Reader, Writer), StoreFailure> {
    make_private(path).map_err(|error| StoreFailure(error.to_string()))?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let damage: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
    if damage != "ok" {
        return Err(StoreFailure(format!("the file is damaged: {damage}")));
    }
    let migrations = sqlx::migrate!("src/paper/migrations");
    let migrated = migrations.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| StoreFailure(error.to_string()))?;
    let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options.clone());
    Ok((Reader { pool }, Writer { options, connection: Some(connection) }))
}

/// Makes the file where there is none, for its owner's eyes only; SQLite gives the files beside it the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

impl Reader {
    /// How orders stand, with all of their executions. Those that are not there are not in the answer.
    pub async fn reports(
        &self,
        keys: &[OrderKey],
    ) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
        let wanted: Vec<_> = keys.iter().map(|(account, id)| json!([account.0, id.to_string()])).collect();
        let wanted = serde_json::Value::Array(wanted).to_string();
        // One snapshot for both questions, so that an order and its executions agree.
        let mut snapshot = self.pool.begin().await?;
        let orders = sqlx::query(
            "SELECT o.* FROM json_each(?1) AS wanted CROSS JOIN orders AS o
             ON o.account_id = wanted.value ->> 0 AND o.client_order_id = unhex(wanted.value ->> 1)",
        )
        .bind(&wanted)
        .fetch_all(&mut *snapshot)
        .await?;
        let mut reports = HashMap::with_capacity(orders.len());
        for row in &orders {
            let order = order_of(row)?;
            let account_id = BrokerAccountId(row.try_get("account_id")?);
            reports.insert((account_id, order.client_order_id), order.report(Vec::new()));
        }
        if reports.is_empty() {
            return Ok(reports);
        }
        let executions = sqlx::query(
            "SELECT e.* FROM json_each(?1) AS wanted CROSS JOIN executions AS e
             ON e.account_id = wanted.value ->> 0 AND e.client_order_id = unhex(wanted.value ->> 1)
             ORDER BY e.number",
        )
        .bind(&wanted)
        .fetch_all(&mut *snapshot)
        .await?;
        for row in &executions {
            let (key, execution) = execution_of(row)?;
            if let Some(report) = reports.get_mut(&key) {
                report.executions.push(execution);
            }
        }
        Ok(reports)
    }

    /// An account as it was last committed; a new one where there is none. Its starting balance is the committed one, so
    /// that [`Account::change_settings`] can tell whether another one was set since.
    pub async fn account(
        &self,
        id: BrokerAccountId,
        settings: PaperSettings,
    ) -> Result<Account, StoreFailure> {
        let row =
            sqlx::query("SELECT starting_balance, cash, last_sequence FROM accounts WHERE account_id = ?1")
                .bind(id.0)
                .fetch_optional(&self.pool)
                .await?;
        let mut account = Account::open(id, settings);
        let Some(row) = row else { return Ok(account) };
        account.settings.starting_balance = Amount(parsed(&row, "starting_balance")?);
        account.cash = Amount(parsed(&row, "cash")?);
        account.last_sequence = row.try_get("last_sequence")?;
        account.holdings = self.holdings(id).await?;
        let resting = sqlx::query(
            "SELECT * FROM orders WHERE account_id = ?1 AND status IN ('working', 'partially_filled')",
        )
        .bind(id.0)
        .fetch_all(&self.pool)
        .await?;
        for row in &resting {
            let order = order_of(row)?;
            account.resting.insert(order.sequence, order);
        }
        Ok(account)
    }

    async fn holdings(&self, id: BrokerAccountId) -> Result<BTreeMap<Symbol, Holding>, StoreFailure> {
        let rows = sqlx::query("SELECT * FROM holdings WHERE account_id = ?1")
            .bind(id.0)
            .fetch_all(&self.pool)
            .await?;
        let mut holdings = BTreeMap::new();
        for row in &rows {
            let symbol = symbol_of(row)?;
            let position = Position {
                net_qty: SignedQty(parsed(row, "net_qty")?),
                avg_price: Price(parsed(row, "avg_price")?),
                realized_profit: Amount(parsed(row, "realized_profit")?),
                commission: Amount(parsed(row, "commission")?),
                fee_qty: Qty::ZERO,
            };
            let anchor_at: Option<i64> = row.try_get("anchor_at")?;
            let anchor = match (parsed_option(row, "anchor_price")?, anchor_at) {
                (Some(price), Some(at)) => Some(Anchor { price: Price(price), at: UnixMicros(at) }),
                _ => None,
            };
            holdings.insert(
                symbol.clone(),
                Holding { instrument: instruments::resolve(&symbol), position, anchor },
            );
        }
        Ok(holdings)
    }

    /// Closes the readers.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Writer {
    /// Commits a batch: one transaction, one sync to disk.
    ///
    /// # Errors
    /// [`CommitFailure`]. Unless its `fate_unknown` is set, nothing of the batch happened.
    pub async fn commit<'a>(
        &mut self,
        changes: &Changes,
        account: impl Fn(BrokerAccountId) -> Option<&'a Account>,
    ) -> Result<(), CommitFailure> {
        let nothing_happened =
            |error: sqlx::Error| CommitFailure { fate_unknown: false, detail: error.to_string() };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnection::connect_with(&self.options).await.map_err(nothing_happened)?,
        };
        // The connection is put back only after a commit that went well: after any other, a fresh one is opened.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(nothing_happened)?;
        write(&mut transaction, changes, account).await.map_err(nothing_happened)?;
        if !changes.orders.is_empty() {
            atomik_ports::failpoint::hit("paper_before_commit");
        }
        transaction
            .commit()
            .await
            .map_err(|error| CommitFailure { fate_unknown: true, detail: error.to_string() })?;
        if !changes.orders.is_empty() {
            atomik_ports::failpoint::hit("paper_after_commit");
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Closes the connection.
    pub async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the paper venue's database did not close cleanly");
        }
    }
}

async fn write<'a>(
    connection: &mut SqliteConnection,
    changes: &Changes,
    account: impl Fn(BrokerAccountId) -> Option<&'a Account>,
) -> Result<(), sqlx::Error> {
    let accounts: Vec<&Account> = changes.accounts.iter().filter_map(|id| account(*id)).collect();
    write_accounts(connection, &accounts).await?;
    let orders: Vec<(BrokerAccountId, &OrderRecord)> =
        changes.orders.iter().map(|((id, _), order)| (*id, order)).collect();
    write_orders(connection, &orders).await?;
    let executions: Vec<&ExecutionRecord> = changes.executions.iter().collect();
    write_executions(connection, &executions).await?;
    let holdings: Vec<(BrokerAccountId, &Holding)> = changes
        .holdings
        .iter()
        .filter_map(|(id, symbol)| Some((*id, account(*id)?.holdings.get(symbol)?)))
        .collect();
    write_holdings(connection, &holdings).await
}

/// Rows in one statement: as few statements as may be, in few sizes, so that each stays prepared.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = [64, 8, 1].into_iter().find(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

async fn write_accounts(connection: &mut SqliteConnection, rows: &[&Account]) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO accounts (account_id, starting_balance, cash, last_sequence) ",
        );
        query.push_values(chunk, |mut row, account| {
            row.push_bind(account.id.0)
                .push_bind(account.settings.starting_balance.to_string())
                .push_bind(account.cash.to_string())
                .push_bind(account.last_sequence);
        });
        query.push(
            " ON CONFLICT (account_id) DO UPDATE SET starting_balance = excluded.starting_balance,
             cash = excluded.cash, last_sequence = excluded.last_sequence",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_orders(
    connection: &mut SqliteConnection,
    rows: &[(BrokerAccountId, &OrderRecord)],
) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO orders (account_id, client_order_id, sequence, symbol, side, order_type, time_in_force,
             order_qty, limit_price, stop_price, reduce_only, status, filled_qty, execution_count, triggered,
             margin_per_unit, reason, accepted_at, expires_at) ",
        );
        query.push_values(chunk, |mut row, (account_id, order)| {
            row.push_bind(account_id.0)
                .push_bind(order.client_order_id.as_bytes().to_vec())
                .push_bind(order.sequence)
                .push_bind(order.symbol.as_str())
                .push_bind(order.side.as_str())
                .push_bind(order.order_type.as_str())
                .push_bind(order.time_in_force.as_str())
                .push_bind(order.order_qty.to_string())
                .push_bind(order.limit_price.map(|price| price.to_string()))
                .push_bind(order.stop_price.map(|price| price.to_string()))
                .push_bind(order.reduce_only)
                .push_bind(order.status.as_str())
                .push_bind(order.filled_qty.to_string())
                .push_bind(order.execution_count)
                .push_bind(order.triggered)
                .push_bind(order.margin_per_unit.to_string())
                .push_bind(order.reason.as_deref())
                .push_bind(order.accepted_at.0)
                .push_bind(order.expires_at.map(|at| at.0));
        });
        // Only what changes in an order's life.
        query.push(
            " ON CONFLICT (account_id, client_order_id) DO UPDATE SET status = excluded.status,
             filled_qty = excluded.filled_qty, execution_count = excluded.execution_count,
             triggered = excluded.triggered, reason = excluded.reason",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_executions(
    connection: &mut SqliteConnection,
    rows: &[&ExecutionRecord],
) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO executions (account_id, client_order_id, number, last_qty, last_price, commission,
             price_source, traded_at) ",
        );
        query.push_values(chunk, |mut row, record| {
            row.push_bind(record.account_id.0)
                .push_bind(record.client_order_id.as_bytes().to_vec())
                .push_bind(record.number)
                .push_bind(record.execution.last_qty.to_string())
                .push_bind(record.execution.last_price.to_string())
                .push_bind(record.execution.commission.to_string())
                .push_bind(record.execution.price_source.as_str())
                .push_bind(record.execution.traded_at.0);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_holdings(
    connection: &mut SqliteConnection,
    rows: &[(BrokerAccountId, &Holding)],
) -> Result<(), sqlx::Error> {
    for chunk in chunks(rows) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO holdings (account_id, symbol, net_qty, avg_price, realized_profit, commission,
             anchor_price, anchor_at) ",
        );
        query.push_values(chunk, |mut row, (account_id, holding)| {
            row.push_bind(account_id.0)
                .push_bind(holding.instrument.symbol.as_str())
                .push_bind(holding.position.net_qty.to_string())
                .push_bind(holding.position.avg_price.to_string())
                .push_bind(holding.position.realized_profit.to_string())
                .push_bind(holding.position.commission.to_string())
                .push_bind(holding.anchor.map(|anchor| anchor.price.to_string()))
                .push_bind(holding.anchor.map(|anchor| anchor.at.0));
        });
        query.push(
            " ON CONFLICT (account_id, symbol) DO UPDATE SET net_qty = excluded.net_qty,
             avg_price = excluded.avg_price, realized_profit = excluded.realized_profit,
             commission = excluded.commission, anchor_price = excluded.anchor_price, anchor_at = excluded.anchor_at",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A text column as what it stands for.
fn parsed<T: FromStr>(row: &SqliteRow, column: &str) -> Result<T, StoreFailure> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| StoreFailure(format!("the column {column} holds {text:?}")))
}

fn parsed_option(row: &SqliteRow, column: &str) -> Result<Option<Decimal>, StoreFailure> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|_| parsed(row, column)).transpose()
}

fn symbol_of(row: &SqliteRow) -> Result<Symbol, StoreFailure> {
    Symbol::parse(row.try_get("symbol")?).map_err(|error| StoreFailure(error.to_string()))
}

fn client_order_id_of(row: &SqliteRow) -> Result<ClientOrderId, StoreFailure> {
    let bytes: &[u8] = row.try_get("client_order_id")?;
    let bytes = bytes.try_into().map_err(|_| StoreFailure("a client order id is not 16 bytes".to_owned()))?;
    Ok(ClientOrderId::from_bytes(bytes))
}

fn order_of(row: &SqliteRow) -> Result<OrderRecord, StoreFailure> {
    let expires_at: Option<i64> = row.try_get("expires_at")?;
    Ok(OrderRecord {
        client_order_id: client_order_id_of(row)?,
        sequence: row.try_get("sequence")?,
        symbol: symbol_of(row)?,
        side: parsed(row, "side")?,
        order_type: parsed(row, "order_type")?,
        time_in_force: parsed(row, "time_in_force")?,
        order_qty: Qty(parsed(row, "order_qty")?),
        limit_price: parsed_option(row, "limit_price")?.map(Price),
        stop_price: parsed_option(row, "stop_price")?.map(Price),
        reduce_only: row.try_get("reduce_only")?,
        status: parsed::<OrderStatus>(row, "status")?,
        filled_qty: Qty(parsed(row, "filled_qty")?),
        execution_count: row.try_get("execution_count")?,
        triggered: row.try_get("triggered")?,
        margin_per_unit: Amount(parsed(row, "margin_per_unit")?),
        reason: row.try_get("reason")?,
        accepted_at: UnixMicros(row.try_get("accepted_at")?),
        expires_at: expires_at.map(UnixMicros),
    })
}

fn execution_of(row: &SqliteRow) -> Result<(OrderKey, Execution), StoreFailure> {
    let client_order_id = client_order_id_of(row)?;
    let execution = Execution {
        exec_id: exec_id(client_order_id, row.try_get("number")?),
        last_qty: Qty(parsed(row, "last_qty")?),
        last_price: Price(parsed(row, "last_price")?),
        commission: Amount(parsed(row, "commission")?),
        fee_qty: Qty::ZERO,
        price_source: parsed(row, "price_source")?,
        traded_at: UnixMicros(row.try_get("traded_at")?),
    };
    Ok(((BrokerAccountId(row.try_get("account_id")?), client_order_id), execution))
}
