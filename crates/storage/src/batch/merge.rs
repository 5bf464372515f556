//! What many lanes changed, merged into as few rows as say the same.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use atomik_domain::{ClientOrderId, Fill, Order, Outcome, SignalId, StrategyId, Symbol};
use atomik_ports::StoreError;
use atomik_ports::journal::{Changes, PositionRecord};

use crate::columns::{Cells, Columns};

/// The changes of a whole batch, in the order in which they were made.
#[derive(Debug, Default)]
pub struct Merged<'e> {
    /// New orders, each once.
    pub intents: Vec<&'e Order>,
    orders: Latest<ClientOrderId, &'e Order>,
    /// Fills.
    pub fills: Vec<&'e Fill>,
    positions: Latest<(StrategyId, &'e Symbol), &'e PositionRecord>,
    outcomes: Latest<(SignalId, StrategyId), &'e Outcome>,
    seen_ids: HashSet<ClientOrderId>,
    seen_legs: HashSet<(SignalId, StrategyId, u8)>,
}

/// An intent of the batch.
#[derive(Debug)]
pub struct Intent {
    /// The order's id.
    pub id: ClientOrderId,
    /// Whether an earlier entry of the same batch made it.
    pub repeats_in_batch: bool,
}

impl<'e> Merged<'e> {
    /// Adds one entry's changes to those before it.
    pub fn take(&mut self, changes: &'e Changes) -> Vec<Intent> {
        let intents = changes.intents.iter().map(|order| self.take_intent(order)).collect();
        for order in &changes.orders {
            self.saw(order);
            self.orders.put(order.request.client_order_id, order, |_| true);
        }
        self.fills.extend(&changes.fills);
        for record in &changes.positions {
            self.positions.put((record.strategy_id, &record.symbol), record, |_| true);
        }
        for outcome in &changes.outcomes {
            let key = (outcome.signal_id, outcome.strategy_id);
            self.outcomes.put(key, outcome, |earlier| !earlier.status.is_final());
        }
        intents
    }

    fn take_intent(&mut self, order: &'e Order) -> Intent {
        let intent = Intent { id: order.request.client_order_id, repeats_in_batch: !self.saw(order) };
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

    /// Orders as they stand after the batch.
    #[must_use]
    pub fn orders(&self) -> &[&'e Order] {
        &self.orders.rows
    }

    /// Positions as they stand after the batch.
    #[must_use]
    pub fn positions(&self) -> &[&'e PositionRecord] {
        &self.positions.rows
    }

    /// Outcomes as they stand after the batch.
    #[must_use]
    pub fn outcomes(&self) -> &[&'e Outcome] {
        &self.outcomes.rows
    }

    /// The intents that existed before the batch, given the rows of the ids of those that were made.
    pub(crate) fn existed<R: Cells>(&self, made: &[R]) -> Result<HashSet<ClientOrderId>, StoreError> {
        let mut existed: HashSet<_> =
            self.intents.iter().map(|order| order.request.client_order_id).collect();
        for row in made {
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
