//! Rows of the journal, as the domain knows them: what is selected, how it is read, how it is bound. Each list of columns
//! stands beside the functions that depend on its order.

use std::net::IpAddr;

use atomik_domain::order::Execution;
use atomik_domain::{
    BrokerAccountId, ClientOrderId, Code, ExecId, Fill, Order, OrderRequest, Outcome, OutcomeStatus,
    Position, SignalId, StrategyId, UserId, VenueOrderId, WebhookId,
};
use atomik_ports::StoreError;
use atomik_ports::history::Signal;
use atomik_ports::journal::PositionRecord;

use crate::columns::{Cells, Columns};
use crate::values::Binds;

/// What reads a [`Signal`] (from a table named `s`).
pub(crate) const SIGNAL: &str = "s.id, s.user_id, s.webhook_id, s.source, s.received_at, s.stored_at, \
     s.action, s.comment, s.price, s.quantity, s.symbol, s.notes, s.payload";

pub(crate) fn read_signal<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Signal, StoreError> {
    Ok(Signal {
        id: SignalId(columns.get()?),
        user_id: UserId(columns.get()?),
        webhook_id: WebhookId(columns.get()?),
        source: columns.word()?,
        received_at: columns.time()?,
        stored_at: columns.time()?,
        action: columns.word()?,
        comment: columns.get()?,
        price: columns.optional_decimal()?,
        quantity: columns.optional_decimal()?,
        symbol: columns.get()?,
        notes: read_notes(columns)?,
        payload: columns.get()?,
    })
}

/// Notes as they are kept: a JSON list, or nothing.
pub(crate) fn notes_text(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| serde_json::Value::from(notes.to_vec()).to_string())
}

pub(crate) fn read_notes<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Vec<String>, StoreError> {
    let text: Option<&str> = columns.get()?;
    let read =
        |text| serde_json::from_str(text).map_err(|_| StoreError::Corrupt("a signal's notes".to_owned()));
    text.map_or(Ok(Vec::new()), read)
}

pub(crate) fn read_ip<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Option<IpAddr>, StoreError> {
    columns.optional_word()
}

/// What reads an [`Outcome`] (from a table named `u`).
pub(crate) const OUTCOME: &str =
    "u.signal_id, u.strategy_id, u.status, u.code, u.detail, u.planned_at, u.settled_at";

pub(crate) fn read_outcome<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Outcome, StoreError> {
    Ok(Outcome {
        signal_id: SignalId(columns.get()?),
        strategy_id: StrategyId(columns.get()?),
        status: columns.word()?,
        code: columns.word_by(Code::parse)?,
        detail: columns.get()?,
        planned_at: columns.optional_time()?,
        settled_at: columns.optional_time()?,
    })
}

/// An expression for how a signal stands: the urgency of its strategy that most needs a look; null where no strategy was
/// active.
pub(crate) fn urgency_of(signal_id: &str) -> String {
    let urgency: String =
        OutcomeStatus::ALL.iter().map(|word| format!("WHEN '{word}' THEN {} ", word.urgency())).collect();
    format!("(SELECT min(CASE o.status {urgency}END) FROM outcomes o WHERE o.signal_id = {signal_id})")
}

pub(crate) fn bind_outcome(outcome: &Outcome, binds: &mut impl Binds) {
    binds
        .add(outcome.signal_id.0)
        .add(outcome.strategy_id.0)
        .add(outcome.status.as_str())
        .add(outcome.code.as_str())
        .add(outcome.detail.as_str())
        .add(outcome.planned_at.map(|at| at.0))
        .add(outcome.settled_at.map(|at| at.0));
}

/// What reads an [`Order`], and in this order what [`bind_order`] writes.
macro_rules! order_columns {
    () => {
        "client_order_id, user_id, signal_id, strategy_id, leg, broker_account_id, symbol, side, order_type, \
         time_in_force, order_qty, limit_price, stop_price, reduce_only, reference_price, venue_order_id, \
         status, filled_qty, avg_price, reason, planned_at, sent_at, acknowledged_at, filled_at, updated_at"
    };
}
pub(crate) use order_columns;
pub(crate) const ORDER_COLUMNS: usize = 25;

pub(crate) fn read_order<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Order, StoreError> {
    let client_order_id = ClientOrderId::from_bytes(columns.bytes()?);
    let (user_id, signal_id) = (UserId(columns.get()?), SignalId(columns.get()?));
    let (strategy_id, leg) = (StrategyId(columns.get()?), columns.number()?);
    let broker_account_id = BrokerAccountId(columns.get()?);
    let request = OrderRequest {
        client_order_id,
        symbol: columns.symbol()?,
        side: columns.word()?,
        order_type: columns.word()?,
        time_in_force: columns.word()?,
        order_qty: columns.decimal()?,
        limit_price: columns.optional_decimal()?,
        stop_price: columns.optional_decimal()?,
        reduce_only: columns.flag()?,
        reference_price: columns.optional_decimal()?,
    };
    Ok(Order {
        user_id,
        signal_id,
        strategy_id,
        leg,
        broker_account_id,
        request,
        venue_order_id: columns.get::<Option<String>>()?.map(VenueOrderId),
        status: columns.word()?,
        filled_qty: columns.decimal()?,
        avg_price: columns.optional_decimal()?,
        reason: columns.get()?,
        planned_at: columns.time()?,
        sent_at: columns.optional_time()?,
        acknowledged_at: columns.optional_time()?,
        filled_at: columns.optional_time()?,
        updated_at: columns.time()?,
    })
}

pub(crate) fn bind_order(order: &Order, binds: &mut impl Binds) {
    let request = &order.request;
    binds
        .add(request.client_order_id.as_bytes().as_slice())
        .add(order.user_id.0)
        .add(order.signal_id.0)
        .add(order.strategy_id.0)
        .add(i64::from(order.leg))
        .add(order.broker_account_id.0)
        .add(request.symbol.as_str())
        .add(request.side.as_str())
        .add(request.order_type.as_str())
        .add(request.time_in_force.as_str())
        .add(request.order_qty.to_string())
        .add(request.limit_price.map(|price| price.to_string()))
        .add(request.stop_price.map(|price| price.to_string()))
        .add(request.reduce_only)
        .add(request.reference_price.map(|price| price.to_string()))
        .add(order.venue_order_id.as_ref().map(|id| id.0.as_str()))
        .add(order.status.as_str())
        .add(order.filled_qty.to_string())
        .add(order.avg_price.map(|price| price.to_string()))
        .add(order.reason.as_deref())
        .add(order.planned_at.0)
        .add(order.sent_at.map(|at| at.0))
        .add(order.acknowledged_at.map(|at| at.0))
        .add(order.filled_at.map(|at| at.0))
        .add(order.updated_at.0);
}

/// What reads a [`Fill`] (from a table named `f`), and in this order what [`bind_fill`] writes.
pub(crate) const FILL: &str = "f.user_id, f.broker_account_id, f.strategy_id, f.signal_id, f.client_order_id, \
     f.symbol, f.side, f.exec_id, f.last_qty, f.last_price, f.commission, f.fee_qty, f.price_source, \
     f.traded_at, f.realized_profit, f.recorded_at";
pub(crate) const FILL_COLUMNS: usize = 16;

pub(crate) fn read_fill<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Fill, StoreError> {
    Ok(Fill {
        user_id: UserId(columns.get()?),
        broker_account_id: BrokerAccountId(columns.get()?),
        strategy_id: StrategyId(columns.get()?),
        signal_id: SignalId(columns.get()?),
        client_order_id: ClientOrderId::from_bytes(columns.bytes()?),
        symbol: columns.symbol()?,
        side: columns.word()?,
        execution: Execution {
            exec_id: ExecId(columns.get()?),
            last_qty: columns.decimal()?,
            last_price: columns.decimal()?,
            commission: columns.decimal()?,
            fee_qty: columns.decimal()?,
            price_source: columns.word()?,
            traded_at: columns.time()?,
        },
        realized_profit: columns.decimal()?,
        recorded_at: columns.time()?,
    })
}

pub(crate) fn bind_fill(fill: &Fill, binds: &mut impl Binds) {
    let execution = &fill.execution;
    binds
        .add(fill.user_id.0)
        .add(fill.broker_account_id.0)
        .add(fill.strategy_id.0)
        .add(fill.signal_id.0)
        .add(fill.client_order_id.as_bytes().as_slice())
        .add(fill.symbol.as_str())
        .add(fill.side.as_str())
        .add(execution.exec_id.0.as_str())
        .add(execution.last_qty.to_string())
        .add(execution.last_price.to_string())
        .add(execution.commission.to_string())
        .add(execution.fee_qty.to_string())
        .add(execution.price_source.as_str())
        .add(execution.traded_at.0)
        .add(fill.realized_profit.to_string())
        .add(fill.recorded_at.0);
}

/// What reads a [`PositionRecord`], and in this order what [`bind_position`] writes.
macro_rules! position_columns {
    () => {
        "user_id, strategy_id, broker_account_id, symbol, net_qty, avg_price, realized_profit, commission, \
         fee_qty, updated_at"
    };
}
pub(crate) use position_columns;
pub(crate) const POSITION_COLUMNS: usize = 10;

pub(crate) fn read_position<R: Cells>(columns: &mut Columns<'_, R>) -> Result<PositionRecord, StoreError> {
    Ok(PositionRecord {
        user_id: UserId(columns.get()?),
        strategy_id: StrategyId(columns.get()?),
        broker_account_id: BrokerAccountId(columns.get()?),
        symbol: columns.symbol()?,
        position: Position {
            net_qty: columns.decimal()?,
            avg_price: columns.decimal()?,
            realized_profit: columns.decimal()?,
            commission: columns.decimal()?,
            fee_qty: columns.decimal()?,
        },
        updated_at: columns.time()?,
    })
}

pub(crate) fn bind_position(record: &PositionRecord, binds: &mut impl Binds) {
    binds
        .add(record.user_id.0)
        .add(record.strategy_id.0)
        .add(record.broker_account_id.0)
        .add(record.symbol.as_str())
        .add(record.position.net_qty.to_string())
        .add(record.position.avg_price.to_string())
        .add(record.position.realized_profit.to_string())
        .add(record.position.commission.to_string())
        .add(record.position.fee_qty.to_string())
        .add(record.updated_at.0);
}

/// Reads all rows with one of the functions above.
pub(crate) fn read_all<R: Cells, T>(
    rows: &[R],
    read: impl Fn(&mut Columns<'_, R>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| read(&mut Columns::of(row))).collect()
}
