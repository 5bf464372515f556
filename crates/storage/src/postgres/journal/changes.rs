//! Writing what lanes changed.

use std::collections::HashMap;

use atomik_domain::Order;

use crate::batch::Merged;
use crate::postgres::arrays::Statement;
use crate::rows::{bind_fill, bind_order, bind_outcome, bind_position, order_columns, position_columns};

/// What [`bind_outcome`] writes, in its order, which is the table's own.
pub(super) const OUTCOME_COLUMNS: &str =
    "signal_id, strategy_id, status, code, detail, planned_at, settled_at";
const FILL_COLUMNS: &str = "user_id, broker_account_id, strategy_id, signal_id, client_order_id, symbol, side, exec_id, \
     last_qty, last_price, commission, fee_qty, price_source, traded_at, realized_profit, recorded_at";

/// Adds all of it, and gives what the statement is to return: the ids of the intents that were made.
pub(super) fn write(changes: &Merged<'_>, statement: &mut Statement) -> &'static str {
    let intents = as_they_end(changes);
    statement
        .with("intent", order_columns!(), &intents, |order, binds| bind_order(order, binds), INSERT_INTENTS)
        .with(
            "standing",
            order_columns!(),
            changes.orders(),
            |order, binds| bind_order(order, binds),
            UPSERT_ORDERS,
        )
        .with("fill", FILL_COLUMNS, &changes.fills, |fill, binds| bind_fill(fill, binds), INSERT_FILLS)
        .with(
            "held",
            position_columns!(),
            changes.positions(),
            |record, binds| bind_position(record, binds),
            UPSERT_POSITIONS,
        )
        .with(
            "outcome",
            OUTCOME_COLUMNS,
            changes.outcomes(),
            |outcome, binds| bind_outcome(outcome, binds),
            UPSERT_OUTCOMES,
        );
    if intents.is_empty() { "SELECT WHERE FALSE" } else { "SELECT client_order_id FROM intents_made" }
}

/// The intents, each as it stands after the batch: the parts of one statement do not see each other's rows, so the part that
/// brings orders up to date would not find one that is made beside it.
fn as_they_end<'e>(changes: &Merged<'e>) -> Vec<&'e Order> {
    let latest: HashMap<_, _> =
        changes.orders().iter().map(|order| (order.request.client_order_id, *order)).collect();
    let at_the_end =
        |intent: &&'e Order| latest.get(&intent.request.client_order_id).copied().unwrap_or(intent);
    changes.intents.iter().map(at_the_end).collect()
}

const INSERT_INTENTS: &str = concat!(
    "intents_made AS (INSERT INTO orders (",
    order_columns!(),
    ") SELECT * FROM intent ON CONFLICT DO NOTHING RETURNING client_order_id)"
);

// An order whose place is taken by another id cannot come from our own rules; should it come, it must not undo the work of
// everybody else in the batch.
const UPSERT_ORDERS: &str = concat!(
    "orders_changed AS (UPDATE orders o SET symbol = n.symbol, side = n.side, order_type = n.order_type, \
     time_in_force = n.time_in_force, order_qty = n.order_qty, limit_price = n.limit_price, stop_price = n.stop_price, \
     reduce_only = n.reduce_only, reference_price = n.reference_price, venue_order_id = n.venue_order_id, \
     status = n.status, filled_qty = n.filled_qty, avg_price = n.avg_price, reason = n.reason, \
     planned_at = n.planned_at, sent_at = n.sent_at, acknowledged_at = n.acknowledged_at, filled_at = n.filled_at, \
     updated_at = n.updated_at FROM standing n WHERE o.client_order_id = n.client_order_id), \
     orders_made AS (INSERT INTO orders (",
    order_columns!(),
    ") SELECT * FROM standing ON CONFLICT DO NOTHING)"
);

const INSERT_FILLS: &str = "fills_made AS (INSERT INTO fills (user_id, broker_account_id, strategy_id, signal_id, \
     client_order_id, symbol, side, exec_id, last_qty, last_price, commission, fee_qty, price_source, traded_at, \
     realized_profit, recorded_at) SELECT * FROM fill ON CONFLICT (broker_account_id, exec_id) DO NOTHING)";

const UPSERT_POSITIONS: &str = concat!(
    "positions_set AS (INSERT INTO positions (",
    position_columns!(),
    ") SELECT * FROM held ON CONFLICT (strategy_id, symbol) DO UPDATE SET \
     broker_account_id = excluded.broker_account_id, net_qty = excluded.net_qty, avg_price = excluded.avg_price, \
     realized_profit = excluded.realized_profit, commission = excluded.commission, fee_qty = excluded.fee_qty, \
     updated_at = excluded.updated_at)"
);

const UPSERT_OUTCOMES: &str = "outcomes_set AS (INSERT INTO outcomes AS o (signal_id, strategy_id, status, code, detail, \
     planned_at, settled_at) SELECT * FROM outcome ON CONFLICT (signal_id, strategy_id) DO UPDATE SET \
     status = excluded.status, code = excluded.code, detail = excluded.detail, planned_at = excluded.planned_at, \
     settled_at = excluded.settled_at WHERE o.status IN ('pending', 'unknown'))";
