//! Writing what lanes changed.

use atomik_ports::StoreError;

use crate::batch::Merged;
use crate::rows::{
    FILL_COLUMNS, ORDER_COLUMNS, POSITION_COLUMNS, bind_fill, bind_order, bind_outcome, bind_position,
    order_columns, position_columns,
};
use crate::sqlite::bulk::{Bulk, Statements, insert};

/// Writes all of it. What the statements return are the ids of the intents that were made: see [`Merged::existed`].
pub(super) fn write(changes: &Merged<'_>, statements: &mut Statements) -> Result<(), StoreError> {
    statements.add(&INSERT_INTENTS, &changes.intents, |order, binds| bind_order(order, binds))?;
    statements.add(&UPSERT_ORDERS, changes.orders(), |order, binds| bind_order(order, binds))?;
    statements.add(&INSERT_FILLS, &changes.fills, |fill, binds| bind_fill(fill, binds))?;
    statements.add(&UPSERT_POSITIONS, changes.positions(), |record, binds| bind_position(record, binds))?;
    statements.add(&UPSERT_OUTCOMES, changes.outcomes(), |outcome, binds| bind_outcome(outcome, binds))
}

macro_rules! insert_orders {
    () => {
        concat!("INSERT INTO orders (", order_columns!(), ")")
    };
}

static INSERT_INTENTS: Bulk =
    insert!(insert_orders!(), ORDER_COLUMNS, " ON CONFLICT DO NOTHING RETURNING client_order_id");

// An order whose place is taken by another id cannot come from our own rules; should it come, it must not undo the work
// of everybody else in the batch.
static UPSERT_ORDERS: Bulk = insert!(
    insert_orders!(),
    ORDER_COLUMNS,
    " ON CONFLICT (client_order_id) DO UPDATE SET symbol = excluded.symbol, side = excluded.side, \
     order_type = excluded.order_type, time_in_force = excluded.time_in_force, order_qty = excluded.order_qty, \
     limit_price = excluded.limit_price, stop_price = excluded.stop_price, reduce_only = excluded.reduce_only, \
     reference_price = excluded.reference_price, venue_order_id = excluded.venue_order_id, status = excluded.status, \
     filled_qty = excluded.filled_qty, avg_price = excluded.avg_price, reason = excluded.reason, \
     planned_at = excluded.planned_at, sent_at = excluded.sent_at, acknowledged_at = excluded.acknowledged_at, \
     filled_at = excluded.filled_at, updated_at = excluded.updated_at \
     ON CONFLICT (signal_id, strategy_id, leg) DO NOTHING",
);

static INSERT_FILLS: Bulk = insert!(
    "INSERT INTO fills (user_id, broker_account_id, strategy_id, signal_id, client_order_id, symbol, side, exec_id, \
     last_qty, last_price, commission, fee_qty, price_source, traded_at, realized_profit, recorded_at)",
    FILL_COLUMNS,
    " ON CONFLICT (broker_account_id, exec_id) DO NOTHING",
);

static UPSERT_POSITIONS: Bulk = insert!(
    concat!("INSERT INTO positions (", position_columns!(), ")"),
    POSITION_COLUMNS,
    " ON CONFLICT (strategy_id, symbol) DO UPDATE SET broker_account_id = excluded.broker_account_id, \
     net_qty = excluded.net_qty, avg_price = excluded.avg_price, realized_profit = excluded.realized_profit, \
     commission = excluded.commission, fee_qty = excluded.fee_qty, updated_at = excluded.updated_at",
);

static UPSERT_OUTCOMES: Bulk = insert!(
    "INSERT INTO outcomes (signal_id, strategy_id, status, code, detail, planned_at, settled_at)",
    7,
    " ON CONFLICT (signal_id, strategy_id) DO UPDATE SET status = excluded.status, code = excluded.code, \
     detail = excluded.detail, planned_at = excluded.planned_at, settled_at = excluded.settled_at \
     WHERE outcomes.status IN ('pending', 'unknown')",
);
