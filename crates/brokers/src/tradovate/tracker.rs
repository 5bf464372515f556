//! What the stream told of one account: which orders are whose, where they stand, what they traded, what is held.
//!
//! Plain state: it is fed with entities and asked for reports. An order carries no client order id at the venue; the
//! command that made it does.

use std::collections::{BTreeMap, HashMap, HashSet};

use atomik_domain::{ClientOrderId, OrderStatus, Qty};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::frames::Change;
use super::replies::{Command, Fill, Order, OrderVersion, Position, SyncMessage, VenueExecutionReport};
use super::rules;
use crate::wire::decimal::sum;

/// How many orders are kept; the oldest ended ones go first.
const MAX_ORDERS: usize = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    account_id: i64,
    orders: BTreeMap<i64, Tracked>,
    ids: HashMap<ClientOrderId, i64>,
    /// Ids of which the venue has made several orders.
    doubled: HashSet<ClientOrderId>,
    held: BTreeMap<i64, Decimal>,
}

#[derive(Debug, Default)]
struct Tracked {
    id: Option<ClientOrderId>,
    is_foreign: bool,
    word: Option<String>,
    qty: Option<Decimal>,
    cum_qty: Decimal,
    reason: Option<String>,
    fills: BTreeMap<i64, Fill>,
    unsent: Vec<i64>,
    sent: Option<(OrderStatus, Qty)>,
}

/// A report to be sent, but for what its fills cost.
#[derive(Debug)]
pub(super) struct Draft {
    pub id: ClientOrderId,
    pub order_id: i64,
    pub status: OrderStatus,
    pub filled_qty: Qty,
    pub fills: Vec<Fill>,
    pub reason: Option<String>,
}

/// What there is to say about an order.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    Report(Draft),
    /// It ended, and the stream has not told all of its fills: the venue must be asked.
    Ask,
}

impl Tracked {
    fn filled(&self) -> Decimal {
        sum(self.fills.values().map(|fill| fill.qty))
    }
}

impl Tracker {
    /// A tracker of an account that begins with how things stand. Nothing of it is reported: who connects asks.
    pub fn new(account_id: i64, snapshot: SyncMessage) -> Self {
        let mut tracker = Self { account_id, ..Self::default() };
        for order in snapshot.orders {
            tracker.order(order);
        }
        for version in snapshot.order_versions {
            tracker.version(&version);
        }
        for command in snapshot.commands {
            tracker.command(&command);
        }
        for report in snapshot.execution_reports {
            tracker.execution_report(&report);
        }
        for fill in snapshot.fills {
            tracker.fill(fill);
        }
        for position in snapshot.positions {
            tracker.position(&position);
        }
        for order in tracker.orders.values_mut() {
            order.unsent.clear();
            let filled = Qty(order.filled());
            let qty = order.qty.map(Qty);
            order.sent = order
                .word
                .as_deref()
                .and_then(|word| rules::status(word, filled, qty))
                .map(|one| (one, filled));
        }
        tracker
    }

    /// Takes a change; the orders that it touched are added to `touched`.
    ///
    /// # Errors
    /// Where an entity that matters cannot be read: something would be missed.
    pub fn change(&mut self, change: &Change, touched: &mut Vec<i64>) -> Result<(), String> {
        if change.event_type == "Deleted" {
            return Ok(());
        }
        for entity in &change.entities {
            let order_id = match change.entity_type.as_str() {
                "order" => self.order(read(change, entity)?),
                "orderVersion" => self.version(&read(change, entity)?),
                "command" => self.command(&read(change, entity)?),
                "executionReport" => self.execution_report(&read(change, entity)?),
                "fill" => self.fill(read(change, entity)?),
                "position" => {
                    self.position(&read(change, entity)?);
                    continue;
                }
                _ => continue,
            };
            touched.push(order_id);
        }
        self.prune();
        Ok(())
    }

    /// Notes whose an order is: the answer to it came.
    pub fn name(&mut self, order_id: i64, id: ClientOrderId) {
        self.orders.entry(order_id).or_default().id = Some(id);
        if self.ids.insert(id, order_id).is_some_and(|known| known != order_id) {
            self.doubled.insert(id);
        }
    }

    /// Whether the venue has made several orders of one id: then it is not clear which one is meant.
    pub fn is_doubled(&self, id: ClientOrderId) -> bool {
        self.doubled.contains(&id)
    }

    /// The venue's id of an order of ours.
    pub fn order_id(&self, id: ClientOrderId) -> Option<i64> {
        self.ids.get(&id).copied()
    }

    /// The contracts that are held, by the venue's ids.
    pub fn held(&self) -> Vec<i64> {
        self.held.keys().copied().collect()
    }

    /// Whose order it is, where it ended and not all of its fills are known.
    pub fn told_in_part(&self, order_id: i64) -> Option<ClientOrderId> {
        let order = self.orders.get(&order_id).filter(|order| !order.is_foreign)?;
        let word = order.word.as_deref().filter(|word| rules::is_final(word))?;
        let filled = order.filled();
        let told_all =
            filled >= order.cum_qty && (word != "Filled" || order.qty.is_some_and(|qty| filled >= qty));
        order.id.filter(|_| !told_all && !order.sent.is_some_and(|(status, _)| status.is_final()))
    }

    /// What there is to say about an order now; it is said once.
    pub fn due(&mut self, order_id: i64) -> Due {
        if self.told_in_part(order_id).is_some() {
            return Due::Ask;
        }
        let Some(order) = self.orders.get_mut(&order_id).filter(|order| !order.is_foreign) else {
            return Due::Nothing;
        };
        let (Some(id), Some(word)) = (order.id, order.word.as_deref()) else { return Due::Nothing };
        let filled = order.filled();
        let open = if filled.is_zero() { OrderStatus::Working } else { OrderStatus::PartiallyFilled };
        let status = rules::status(word, Qty(filled), order.qty.map(Qty)).unwrap_or(open);
        let standing = (status, Qty(filled));
        // An end that was told stays the end, whatever comes late.
        let is_over = order.sent.is_some_and(|(sent, _)| sent.is_final());
        if (order.sent == Some(standing) || (is_over && !status.is_final())) && order.unsent.is_empty() {
            return Due::Nothing;
        }
        order.sent = Some(standing);
        let unsent = std::mem::take(&mut order.unsent);
        let fills = unsent.iter().filter_map(|fill| order.fills.get(fill).cloned()).collect();
        let reason = order.reason.clone().filter(|_| status.is_final() && status != OrderStatus::Filled);
        Due::Report(Draft { id, order_id, status, filled_qty: Qty(filled), fills, reason })
    }

    /// Notes that an order's end was told in full from elsewhere.
    pub fn told(&mut self, order_id: i64, status: OrderStatus, filled: Qty) {
        if let Some(order) = self.orders.get_mut(&order_id) {
            order.sent = Some((status, filled));
            order.unsent.clear();
        }
    }

    fn order(&mut self, order: Order) -> i64 {
        let is_foreign = order.account_id != self.account_id;
        let tracked = self.orders.entry(order.id).or_default();
        tracked.is_foreign = is_foreign;
        // Changes may come out of order; an end is not followed by anything.
        if !tracked.word.as_deref().is_some_and(rules::is_final) {
            tracked.word = Some(order.ord_status);
        }
        order.id
    }

    fn version(&mut self, version: &OrderVersion) -> i64 {
        self.orders.entry(version.order_id).or_default().qty = Some(version.order_qty);
        version.order_id
    }

    fn command(&mut self, command: &Command) -> i64 {
        let id = command.cl_ord_id.as_deref().and_then(|text| text.parse().ok());
        if let Some(id) = id.filter(|_| command.command_type == "New") {
            self.name(command.order_id, id);
        }
        command.order_id
    }

    fn execution_report(&mut self, report: &VenueExecutionReport) -> i64 {
        let order = self.orders.entry(report.order_id).or_default();
        order.cum_qty = order.cum_qty.max(report.cum_qty.unwrap_or_default());
        order.reason = report.reason().or(order.reason.take());
        report.order_id
    }

    fn fill(&mut self, fill: Fill) -> i64 {
        let order_id = fill.order_id;
        let order = self.orders.entry(order_id).or_default();
        if fill.active && !order.fills.contains_key(&fill.id) {
            order.unsent.push(fill.id);
            order.fills.insert(fill.id, fill);
        }
        order_id
    }

    fn position(&mut self, position: &Position) {
        if position.account_id != self.account_id {
            return;
        }
        if position.net_pos.is_zero() {
            self.held.remove(&position.contract_id);
        } else {
            self.held.insert(position.contract_id, position.net_pos);
        }
    }

    fn prune(&mut self) {
        let excess = self.orders.len().saturating_sub(MAX_ORDERS);
        if excess == 0 {
            return;
        }
        let is_over =
            |order: &Tracked| order.is_foreign || order.sent.is_some_and(|(status, _)| status.is_final());
        let over: Vec<_> =
            self.orders.iter().filter(|(_, order)| is_over(order)).map(|(id, _)| *id).collect();
        for order_id in over.into_iter().take(excess + MAX_ORDERS / 10) {
            if let Some(id) = self.orders.remove(&order_id).and_then(|order| order.id) {
                self.ids.remove(&id);
            }
        }
    }
}

fn read<T: DeserializeOwned>(change: &Change, entity: &RawValue) -> Result<T, String> {
    serde_json::from_str(entity.get())
        .map_err(|error| format!("its {} cannot be read: {error}", change.entity_type))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "07070707070707070707070707070707";

    fn change(entity_type: &str, entity: &Value) -> Change {
        let entities = vec![RawValue::from_string(entity.to_string()).unwrap()];
        Change { entity_type: entity_type.to_owned(), event_type: "Created".to_owned(), entities }
    }

    fn order(word: &str) -> Change {
        change("order", &json!({"id": 5, "accountId": 1, "ordStatus": word}))
    }

    fn command() -> Change {
        change("command", &json!({"orderId": 5, "commandType": "New", "clOrdId": ID}))
    }

    fn fill(id: i64, qty: i64) -> Change {
        let fill = json!({"id": id, "orderId": 5, "timestamp": "2026-03-20T00:00:00Z", "qty": qty, "price": 5000.25, "active": true});
        change("fill", &fill)
    }

    fn version() -> Change {
        change("orderVersion", &json!({"orderId": 5, "orderQty": 2}))
    }

    fn execution_report(cum: i64) -> Change {
        change("executionReport", &json!({"orderId": 5, "cumQty": cum, "rejectReason": "Success"}))
    }

    /// Feeds changes one by one; the quantities and statuses of the reports, and whether asking was due at last.
    fn feed(changes: &[Change]) -> (Decimal, Vec<OrderStatus>, bool) {
        let mut tracker = Tracker::new(1, SyncMessage::default());
        let (mut traded, mut statuses, mut asks) = (Decimal::ZERO, Vec::new(), false);
        for change in changes {
            tracker.change(change, &mut Vec::new()).unwrap();
            asks = false;
            match tracker.due(5) {
                Due::Report(draft) => {
                    traded += draft.fills.iter().map(|fill| fill.qty).sum::<Decimal>();
                    statuses.push(draft.status);
                }
                Due::Ask => asks = true,
                Due::Nothing => {}
            }
        }
        (traded, statuses, asks)
    }

    #[test]
    fn changes_add_up_in_any_order_and_however_often_they_come() {
        let all = || {
            vec![
                command(),
                order("Working"),
                version(),
                fill(8, 1),
                fill(9, 1),
                execution_report(2),
                order("Filled"),
            ]
        };
        let twice: Vec<_> = all().into_iter().zip(all()).flat_map(|(one, two)| [one, two]).collect();
        let reversed: Vec<_> = all().into_iter().rev().collect();
        for (what, changes) in [("in order", all()), ("twice", twice), ("reversed", reversed)] {
            let (traded, statuses, asks) = feed(&changes);
            assert_eq!((traded, asks), (Decimal::TWO, false), "{what}");
            assert_eq!(statuses.last(), Some(&OrderStatus::Filled), "{what}: {statuses:?}");
            assert_eq!(statuses.iter().filter(|status| status.is_final()).count(), 1, "{what}: {statuses:?}");
        }
    }

    #[test]
    fn an_end_whose_fills_are_not_told_is_asked_for() {
        assert!(feed(&[command(), order("Filled")]).2);
        assert!(feed(&[command(), version(), fill(8, 1), order("Filled")]).2);
        assert!(feed(&[command(), execution_report(1), order("Canceled")]).2);
        assert!(!feed(&[command(), execution_report(1), fill(8, 1), order("Canceled")]).2);
    }

    #[test]
    fn what_is_not_ours_is_not_reported() {
        let other = change("order", &json!({"id": 5, "accountId": 2, "ordStatus": "Working"}));
        assert!(feed(&[command(), other]).1.is_empty());
        let by_hand = change("command", &json!({"orderId": 5, "commandType": "New", "clOrdId": "mine"}));
        assert!(feed(&[order("Working"), by_hand, fill(8, 1)]).1.is_empty());
        let cancel = change("command", &json!({"orderId": 5, "commandType": "Cancel", "clOrdId": ID}));
        assert!(feed(&[order("Working"), cancel]).1.is_empty());
    }

    #[test]
    fn a_word_that_nobody_knows_ends_nothing_and_an_entity_that_nobody_can_read_is_an_error() {
        assert_eq!(feed(&[command(), order("Teleported")]).1, [OrderStatus::Working]);
        let broken = change("fill", &json!({"id": 5}));
        assert!(Tracker::default().change(&broken, &mut Vec::new()).is_err());
    }

    #[test]
    fn what_is_held_follows_positions() {
        let mut tracker = Tracker::new(1, SyncMessage::default());
        for (account, contract, net) in [(1, 7, 2), (2, 8, 1), (1, 9, -1), (1, 7, 0)] {
            let position = json!({"accountId": account, "contractId": contract, "netPos": net});
            tracker.change(&change("position", &position), &mut Vec::new()).unwrap();
        }
        assert_eq!(tracker.held(), [9]);
    }
}
