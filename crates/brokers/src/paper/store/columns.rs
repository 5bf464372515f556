//! What is read: queries and rows that both engines have alike.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;

use atomik_domain::order::Execution;
use atomik_domain::{
    Amount, BrokerAccountId, ClientOrderId, ExecutionReport, OrderStatus, Position, Price, Qty, SignedQty,
    Symbol, UnixMicros,
};
use rust_decimal::Decimal;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use super::rows::{EXECUTIONS, HOLDINGS, ORDERS};
use super::{OrderKey, StoreFailure};
use crate::instruments;
use crate::paper::book::{Holding, OrderRecord, exec_id};
use crate::paper::feed::Anchor;
use crate::paper::settings::PaperSettings;
use crate::paper::venue::Account;

/// What the books are asked. `$1` is the account.
#[derive(Debug)]
pub(super) struct Queries {
    /// Orders with their executions, in the order of these; an order without any has one row.
    pub reports: String,
    pub holdings: String,
    /// An account's orders that may still trade.
    pub resting: String,
}

impl Queries {
    /// For tables in a schema (`paper.`), where `wanted` is what joins the orders that are asked for as `o`.
    pub fn of(schema: &str, wanted: &str) -> Self {
        // Without the key, which the order has too.
        let executions = "e.number, e.last_qty, e.last_price, e.commission, e.price_source, e.traded_at";
        let reports = format!(
            "SELECT {}, {executions} FROM {wanted} LEFT JOIN {schema}{} AS e ON e.account_id = o.account_id \
             AND e.client_order_id = o.client_order_id ORDER BY e.number",
            ORDERS.names("o."),
            EXECUTIONS.name,
        );
        let holdings =
            format!("SELECT {} FROM {schema}{} WHERE account_id = $1", HOLDINGS.names(""), HOLDINGS.name);
        let resting = format!(
            "SELECT {} FROM {schema}{} WHERE account_id = $1 AND status IN ('working', 'partially_filled')",
            ORDERS.names(""),
            ORDERS.name,
        );
        Self { reports, holdings, resting }
    }
}

/// A row of either engine: what a column holds, `None` where it is null.
pub(super) trait Cells {
    fn integer(&self, column: &str) -> Result<Option<i64>, sqlx::Error>;
    fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error>;
    fn blob(&self, column: &str) -> Result<&[u8], sqlx::Error>;
    fn flag(&self, column: &str) -> Result<bool, sqlx::Error>;
}

macro_rules! cells {
    ($($row:ty),*) => {$(
        impl Cells for $row {
            fn integer(&self, column: &str) -> Result<Option<i64>, sqlx::Error> {
                self.try_get(column)
            }

            fn text(&self, column: &str) -> Result<Option<&str>, sqlx::Error> {
                self.try_get(column)
            }

            fn blob(&self, column: &str) -> Result<&[u8], sqlx::Error> {
                self.try_get(column)
            }

            fn flag(&self, column: &str) -> Result<bool, sqlx::Error> {
                self.try_get(column)
            }
        }
    )*};
}

cells!(SqliteRow, PgRow);

/// Orders with their executions, from the rows of [`Queries::reports`].
pub(super) fn reports_of<R: Cells>(rows: &[R]) -> Result<HashMap<OrderKey, ExecutionReport>, StoreFailure> {
    let mut reports: HashMap<OrderKey, ExecutionReport> = HashMap::with_capacity(rows.len());
    for row in rows {
        let key = (BrokerAccountId(number(row, "account_id")?), client_order_id_of(row)?);
        let report = match reports.entry(key) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(order_of(row)?.report(Vec::new())),
        };
        report.executions.extend(execution_of(row, key.1)?);
    }
    Ok(reports)
}

/// An account, from its own row, its holdings and its resting orders. Without a row of its own it is new.
pub(super) fn account_of<R: Cells>(
    id: BrokerAccountId,
    settings: &PaperSettings,
    row: Option<&R>,
    holdings: &[R],
    resting: &[R],
) -> Result<Account, StoreFailure> {
    let mut account = Account::open(id, settings.clone());
    let Some(row) = row else { return Ok(account) };
    account.settings.starting_balance = Amount(parsed(row, "starting_balance")?);
    account.cash = Amount(parsed(row, "cash")?);
    account.last_sequence = number(row, "last_sequence")?;
    for row in holdings {
        let holding = holding_of(row)?;
        account.holdings.insert(holding.instrument.symbol.clone(), holding);
    }
    for row in resting {
        let order = order_of(row)?;
        account.resting.insert(order.sequence, order);
    }
    Ok(account)
}

/// A text column as what it stands for.
fn parsed<T: FromStr>(row: &impl Cells, column: &str) -> Result<T, StoreFailure> {
    let text = row.text(column)?.unwrap_or_default();
    text.parse().map_err(|_| StoreFailure::Corrupt(format!("the column {column} holds {text:?}")))
}

fn parsed_option(row: &impl Cells, column: &str) -> Result<Option<Decimal>, StoreFailure> {
    row.text(column)?.map(|_| parsed(row, column)).transpose()
}

/// A whole number.
pub(super) fn number<T: TryFrom<i64>>(row: &impl Cells, column: &str) -> Result<T, StoreFailure> {
    let number = row.integer(column)?;
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.ok_or_else(|| StoreFailure::Corrupt(format!("the column {column} holds {number:?}")))
}

fn symbol_of(row: &impl Cells) -> Result<Symbol, StoreFailure> {
    let text = row.text("symbol")?.unwrap_or_default();
    Symbol::parse(text).map_err(|error| StoreFailure::Corrupt(error.to_string()))
}

fn client_order_id_of(row: &impl Cells) -> Result<ClientOrderId, StoreFailure> {
    let wrong = |_| StoreFailure::Corrupt("a client order id is not 16 bytes".to_owned());
    Ok(ClientOrderId::from_bytes(row.blob("client_order_id")?.try_into().map_err(wrong)?))
}

fn order_of(row: &impl Cells) -> Result<OrderRecord, StoreFailure> {
    Ok(OrderRecord {
        client_order_id: client_order_id_of(row)?,
        sequence: number(row, "sequence")?,
        symbol: symbol_of(row)?,
        side: parsed(row, "side")?,
        order_type: parsed(row, "order_type")?,
        time_in_force: parsed(row, "time_in_force")?,
        order_qty: Qty(parsed(row, "order_qty")?),
        limit_price: parsed_option(row, "limit_price")?.map(Price),
        stop_price: parsed_option(row, "stop_price")?.map(Price),
        reduce_only: row.flag("reduce_only")?,
        status: parsed::<OrderStatus>(row, "status")?,
        filled_qty: Qty(parsed(row, "filled_qty")?),
        execution_count: number(row, "execution_count")?,
        triggered: row.flag("triggered")?,
        margin_per_unit: Amount(parsed(row, "margin_per_unit")?),
        reason: row.text("reason")?.map(str::to_owned),
        accepted_at: UnixMicros(number(row, "accepted_at")?),
        expires_at: row.integer("expires_at")?.map(UnixMicros),
    })
}

/// The execution of a row of [`Queries::reports`], where it has one.
fn execution_of(row: &impl Cells, order: ClientOrderId) -> Result<Option<Execution>, StoreFailure> {
    if row.integer("number")?.is_none() {
        return Ok(None);
    }
    Ok(Some(Execution {
        exec_id: exec_id(order, number(row, "number")?),
        last_qty: Qty(parsed(row, "last_qty")?),
        last_price: Price(parsed(row, "last_price")?),
        commission: Amount(parsed(row, "commission")?),
        fee_qty: Qty::ZERO,
        price_source: parsed(row, "price_source")?,
        traded_at: UnixMicros(number(row, "traded_at")?),
    }))
}

fn holding_of(row: &impl Cells) -> Result<Holding, StoreFailure> {
    let position = Position {
        net_qty: SignedQty(parsed(row, "net_qty")?),
        avg_price: Price(parsed(row, "avg_price")?),
        realized_profit: Amount(parsed(row, "realized_profit")?),
        commission: Amount(parsed(row, "commission")?),
        fee_qty: Qty::ZERO,
    };
    let anchor = match (parsed_option(row, "anchor_price")?, row.integer("anchor_at")?) {
        (Some(price), Some(at)) => Some(Anchor { price: Price(price), at: UnixMicros(at) }),
        _ => None,
    };
    Ok(Holding { instrument: instruments::resolve(&symbol_of(row)?), position, anchor })
}
