//! What many lanes changed, merged into as few rows as say the same.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use atomik_domain::{ClientOrderId, Fill, Order, Outcome, SignalId, StrategyId, Symbol};
use atomik_ports::StoreError;
use atomik_ports::journal::{Changes, PositionRecord};
use sqlx::sqlite::SqliteRow;

use crate::sqlite::bulk::{Bulk, Statements, insert};
use crate::sqlite::columns::Columns;
use crate::sqlite::rows::{
    FILL_COLUMNS, ORDER_COLUMNS, POSITION_COLUMNS, bind_fill, bind_order, bind_outcome, bind_position,
    order_columns, position_columns,
};

/// The changes of a whole batch, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Merged {
    intents: Vec<Order>,
    orders: Latest<ClientOrderId, Order>,
    fills: Vec<Fill>,
    positions: Latest<(StrategyId, Symbol), PositionRecord>,
    outcomes: Latest<(SignalId, StrategyId), Outcome>,
    seen_ids: HashSet<ClientOrderId>,
    seen_legs: HashSet<(SignalId, StrategyId, u8)>,
}

/// An intent of the batch.
#[derive(Debug)]
pub(super) struct Intent {
    pub id: ClientOrderId,
    /// Whether an earlier entry of the same batch made it.
    pub repeats_in_batch: bool,
}

impl Merged {
    /// Adds one entry's changes to those before it.
    pub fn take(&mut self, changes: Changes) -> Vec<Intent> {
        let intents = changes.intents.into_iter().map(|order| self.take_intent(order)).collect();
        for order in changes.orders {
            self.saw(&order);
            self.orders.put(order.request.client_order_id, order, |_| true);
        }
        self.fills.extend(changes.fills);
        for record in changes.positions {
            self.positions.put((record.strategy_id, record.symbol.clone()), record, |_| true);
        }
        for outcome in changes.outcomes {
            let key = (outcome.signal_id, outcome.strategy_id);
            self.outcomes.put(key, outcome, |earlier| !earlier.status.is_final());
        }
        intents
    }

    fn take_intent(&mut self, order: Order) -> Intent {
        let intent = Intent { id: order.request.client_order_id, repeats_in_batch: !self.saw(&order) };
        if !intent.repeats_in_batch {
            self.intents.push(order);
        }
        intent
    }

    /// Whether neither the order's id nor its place was seen before in this batch.
    fn saw(&mut self, order: &Order) -> bool {
        let new_id = self.seen_ids.insert(order.request.client_order_id);
        let new_leg = self.seen_legs.insert((order.signal_id, order.strategy_id, order.leg));
        new_id && new_leg
    }

    /// Writes all of it. What the statements return are the ids of the intents that were made: see [`Merged::existed`].
    pub fn write(&self, statements: &mut Statements) -> Result<(), StoreError> {
        statements.add(&INSERT_INTENTS, &self.intents, bind_order)?;
        statements.add(&UPSERT_ORDERS, &self.orders.rows, bind_order)?;
        statements.add(&INSERT_FILLS, &self.fills, bind_fill)?;
        statements.add(&UPSERT_POSITIONS, &self.positions.rows, bind_position)?;
        statements.add(&UPSERT_OUTCOMES, &self.outcomes.rows, bind_outcome)
    }

    /// The intents that existed before the batch.
    pub fn existed(&self, returned: &[SqliteRow]) -> Result<HashSet<ClientOrderId>, StoreError> {
        let mut existed: HashSet<_> =
            self.intents.iter().map(|order| order.request.client_order_id).collect();
        for row in returned {
            existed.remove(&ClientOrderId::from_bytes(Columns::of(row).bytes()?));
        }
        Ok(existed)
    }
}

/// Rows of which the latest of each key counts.
#[derive(Debug)]
struct Latest<K, T> {
    rows: Vec<T>,
    places: HashMap<K, usize>,
}

impl<K, T> Default for Latest<K, T> {
    fn default() -> Self {
        Self { rows: Vec::new(), places: HashMap::new() }
    }
}

impl<K: Hash + Eq, T> Latest<K, T> {
    /// Puts a row in the place of the earlier one with its key, if `may_replace` allows, or at the end.
    fn put(&mut self, key: K, row: T, may_replace: impl Fn(&T) -> bool) {
        let place = *self.places.entry(key).or_insert(self.rows.len());
        match self.rows.get_mut(place) {
            Some(earlier) if may_replace(earlier) => *earlier = row,
            Some(_) => {}
            None => self.rows.push(row),
        }
    }
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
