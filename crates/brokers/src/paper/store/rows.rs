//! What is written: tables, their columns, and a batch as rows of them. The same for both engines.

use atomik_domain::BrokerAccountId;

use super::SessionNumber;
use crate::paper::book::{Changes, ExecutionRecord, Holding, OrderRecord};
use crate::paper::venue::Account;

/// What a column holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Integer,
    Text,
    Blob,
    Flag,
}
use Kind::{Blob, Flag, Integer, Text};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// The columns, those of the key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many columns the key has.
    key: usize,
    /// What changes in a row's life; in a table without, rows are written once.
    changing: &'static [&'static str],
}

/// All tables, in the order in which a batch is written.
pub(super) const TABLES: [Table; 4] = [ACCOUNTS, ORDERS, EXECUTIONS, HOLDINGS];

const ACCOUNTS: Table = Table {
    name: "accounts",
    columns: &[
        ("account_id", Integer),
        ("starting_balance", Text),
        ("cash", Text),
        ("last_sequence", Integer),
    ],
    key: 1,
    changing: &["starting_balance", "cash", "last_sequence"],
};

pub(super) const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        ("account_id", Integer),
        ("client_order_id", Blob),
        ("sequence", Integer),
        ("symbol", Text),
        ("side", Text),
        ("order_type", Text),
        ("time_in_force", Text),
        ("order_qty", Text),
        ("limit_price", Text),
        ("stop_price", Text),
        ("reduce_only", Flag),
        ("status", Text),
        ("filled_qty", Text),
        ("execution_count", Integer),
        ("triggered", Flag),
        ("margin_per_unit", Text),
        ("reason", Text),
        ("accepted_at", Integer),
        ("expires_at", Integer),
    ],
    key: 2,
    changing: &["status", "filled_qty", "execution_count", "triggered", "reason"],
};

pub(super) const EXECUTIONS: Table = Table {
    name: "executions",
    columns: &[
        ("account_id", Integer),
        ("client_order_id", Blob),
        ("number", Integer),
        ("last_qty", Text),
        ("last_price", Text),
        ("commission", Text),
        ("price_source", Text),
        ("traded_at", Integer),
    ],
    key: 3,
    changing: &[],
};

pub(super) const HOLDINGS: Table = Table {
    name: "holdings",
    columns: &[
        ("account_id", Integer),
        ("symbol", Text),
        ("net_qty", Text),
        ("avg_price", Text),
        ("realized_profit", Text),
        ("commission", Text),
        ("anchor_price", Text),
        ("anchor_at", Integer),
    ],
    key: 2,
    changing: &["net_qty", "avg_price", "realized_profit", "commission", "anchor_price", "anchor_at"],
};

impl Table {
    /// The columns' names, each behind `prefix`: `o.` makes `o.account_id, o.symbol`.
    pub fn names(&self, prefix: &str) -> String {
        joined(self.columns.iter().map(|(name, _)| format!("{prefix}{name}")))
    }

    /// The names of the key's columns.
    pub fn key_names(&self) -> String {
        joined(self.columns.iter().take(self.key).map(|(name, _)| (*name).to_owned()))
    }

    /// A row's key, for a person.
    pub fn key_of(&self, row: &Row) -> String {
        joined(row.iter().take(self.key).map(|value| match value {
            Value::Integer(number) => number.unwrap_or_default().to_string(),
            Value::Text(text) => text.clone().unwrap_or_default(),
            Value::Blob(bytes) => hex::encode(bytes),
            Value::Flag(flag) => flag.to_string(),
        }))
    }

    /// What an insert of a row does where there is one of the same key.
    pub fn on_conflict(&self) -> String {
        if self.changing.is_empty() {
            return String::new();
        }
        let changes = joined(self.changing.iter().map(|name| format!("{name} = excluded.{name}")));
        format!(" ON CONFLICT ({}) DO UPDATE SET {changes}", self.key_names())
    }
}

pub(super) fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// A value, as one of the few types that columns have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Blob(Vec<u8>),
    Flag(bool),
}

impl Value {
    fn text(value: impl ToString) -> Self {
        Self::Text(Some(value.to_string()))
    }

    fn optional_text(value: Option<impl ToString>) -> Self {
        Self::Text(value.map(|value| value.to_string()))
    }
}

/// A row's values, in the order of its table's columns.
pub(super) type Row = Vec<Value>;

/// A batch: what it writes, and under which sessions.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Every account of the batch with the session that it has here.
    pub(super) sessions: Vec<(BrokerAccountId, SessionNumber)>,
    /// The rows of [`TABLES`].
    pub(super) tables: [Vec<Row>; TABLES.len()],
}

impl Rows {
    /// What changed, with the accounts as they stand after it.
    pub fn of<'a>(
        changes: &Changes,
        account: impl Fn(BrokerAccountId) -> Option<(SessionNumber, &'a Account)>,
    ) -> Self {
        let accounts = changes.accounts.iter().filter_map(|id| account(*id));
        let holding =
            |(id, symbol): &(BrokerAccountId, _)| Some((*id, account(*id)?.1.holdings.get(symbol)?));
        let holdings = changes.holdings.iter().filter_map(holding);
        Self {
            sessions: accounts.clone().map(|(session, account)| (account.id, session)).collect(),
            tables: [
                accounts.map(|(_, account)| account_row(account)).collect(),
                changes.orders.iter().map(|((id, _), order)| order_row(*id, order)).collect(),
                changes.executions.iter().map(execution_row).collect(),
                holdings.map(|(id, holding)| holding_row(id, holding)).collect(),
            ],
        }
    }

    /// Passes a point at which tests kill the program, where the batch is one with orders.
    pub(super) fn pass(&self, failpoint: &'static str) {
        let [_, orders, ..] = &self.tables;
        if !orders.is_empty() {
            atomik_ports::failpoint::hit(failpoint);
        }
    }
}

fn account_row(account: &Account) -> Row {
    vec![
        Value::Integer(Some(account.id.0)),
        Value::text(account.settings.starting_balance),
        Value::text(account.cash),
        Value::Integer(Some(account.last_sequence)),
    ]
}

fn order_row(account_id: BrokerAccountId, order: &OrderRecord) -> Row {
    vec![
        Value::Integer(Some(account_id.0)),
        Value::Blob(order.client_order_id.as_bytes().to_vec()),
        Value::Integer(Some(order.sequence)),
        Value::text(order.symbol.as_str()),
        Value::text(order.side.as_str()),
        Value::text(order.order_type.as_str()),
        Value::text(order.time_in_force.as_str()),
        Value::text(order.order_qty),
        Value::optional_text(order.limit_price),
        Value::optional_text(order.stop_price),
        Value::Flag(order.reduce_only),
        Value::text(order.status.as_str()),
        Value::text(order.filled_qty),
        Value::Integer(Some(order.execution_count.into())),
        Value::Flag(order.triggered),
        Value::text(order.margin_per_unit),
        Value::optional_text(order.reason.as_deref()),
        Value::Integer(Some(order.accepted_at.0)),
        Value::Integer(order.expires_at.map(|at| at.0)),
    ]
}

fn execution_row(record: &ExecutionRecord) -> Row {
    vec![
        Value::Integer(Some(record.account_id.0)),
        Value::Blob(record.client_order_id.as_bytes().to_vec()),
        Value::Integer(Some(record.number.into())),
        Value::text(record.execution.last_qty),
        Value::text(record.execution.last_price),
        Value::text(record.execution.commission),
        Value::text(record.execution.price_source.as_str()),
        Value::Integer(Some(record.execution.traded_at.0)),
    ]
}

fn holding_row(account_id: BrokerAccountId, holding: &Holding) -> Row {
    vec![
        Value::Integer(Some(account_id.0)),
        Value::text(holding.instrument.symbol.as_str()),
        Value::text(holding.position.net_qty),
        Value::text(holding.position.avg_price),
        Value::text(holding.position.realized_profit),
        Value::text(holding.position.commission),
        Value::optional_text(holding.anchor.map(|anchor| anchor.price)),
        Value::Integer(holding.anchor.map(|anchor| anchor.at.0)),
    ]
}
