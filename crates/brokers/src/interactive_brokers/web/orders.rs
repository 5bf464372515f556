//! What is known of each order, and what may be said of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, ClientOrderId, ExecId, ExecutionReport, OrderStatus, Price, Qty, UnixMicros, VenueOrderId,
};
use rust_decimal::Decimal;

use super::replies::{OrderRow, OrderState, Trade};
use crate::wire::decimal::sum;

/// How many orders are remembered.
const MAX_ORDERS: usize = 4_096;

/// The broker's word for where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It works, or will.
    Open,
    /// All of it filled.
    Filled,
    /// It was canceled.
    Canceled,
    /// It was refused.
    Refused,
    /// A word that no document has: it ends nothing.
    Unheard(String),
}

impl Word {
    /// Reads the word. `Inactive` may become active again, and ends an order only where the broker tells why it ended it.
    #[must_use]
    pub fn read(text: &str, ended_by_system: bool) -> Self {
        match text {
            "PendingSubmit" | "PreSubmitted" | "Submitted" | "PendingCancel" | "WarnState" => Self::Open,
            "Inactive" if ended_by_system => Self::Refused,
            "Inactive" => Self::Open,
            "Filled" => Self::Filled,
            "Cancelled" => Self::Canceled,
            other => Self::Unheard(other.to_owned()),
        }
    }
}

/// Where the broker says that an order stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its word.
    pub word: Word,
    /// How much it says has filled; `None` where it does not say.
    pub filled: Option<Decimal>,
    /// How much was asked for.
    pub total: Option<Decimal>,
    /// Why it ended.
    pub reason: Option<String>,
}

impl Standing {
    /// From a row of the list; `None` where it tells no status.
    #[must_use]
    pub fn of_row(row: &OrderRow) -> Option<Self> {
        let reason = row.reason.clone().filter(|reason| !reason.is_empty());
        let total =
            row.total_size.or_else(|| Some(row.filled_quantity?.saturating_add(row.remaining_quantity?)));
        let word = Word::read(row.status.as_deref()?, reason.is_some());
        Some(Self { word, filled: row.filled_quantity, total, reason })
    }

    /// From an order's own state.
    #[must_use]
    pub fn of_state(state: &OrderState) -> Self {
        let word = Word::read(&state.order_status, false);
        Self {
            word,
            filled: state.cum_fill,
            total: state.total_size,
            reason: state.order_status_description.clone(),
        }
    }
}

/// An execution's name: without its last part, which counts corrections of the same execution.
#[must_use]
pub fn exec_id(name: &str) -> ExecId {
    ExecId(name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned())
}

/// One of our orders.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The broker's id.
    pub venue_id: Option<String>,
    /// How much was asked for; `None` for an order of an earlier run.
    pub qty: Option<Decimal>,
    executions: BTreeMap<ExecId, Noted>,
}

#[derive(Clone, Debug)]
struct Noted {
    name: String,
    execution: Execution,
    priced: bool,
}

impl Known {
    /// How much has filled, as far as its executions are known.
    #[must_use]
    pub fn filled(&self) -> Decimal {
        sum(self.executions.values().map(|noted| noted.execution.last_qty.0))
    }

    /// Whether the commission of each execution is known.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.executions.values().all(|noted| noted.priced)
    }

    fn note(&mut self, trade: &Trade) {
        let id = exec_id(&trade.execution_id);
        let known = self.executions.get(&id);
        // A later correction stands; the same one again may bring the commission, and never takes it away.
        if known.is_some_and(|known| {
            known.name > trade.execution_id
                || (known.name == trade.execution_id && trade.commission.is_none())
        }) {
            return;
        }
        let execution = Execution {
            exec_id: id.clone(),
            last_qty: Qty(trade.size.abs()),
            last_price: Price(trade.price),
            commission: Amount(trade.commission.unwrap_or_default()),
            fee_qty: Qty::ZERO,
            price_source: PriceSource::Venue,
            traded_at: UnixMicros(trade.trade_time_r.saturating_mul(1_000)),
        };
        let (name, priced) = (trade.execution_id.clone(), trade.commission.is_some());
        self.executions.insert(id, Noted { name, execution, priced });
    }

    fn report(&self, id: ClientOrderId, status: OrderStatus, reason: Option<String>) -> ExecutionReport {
        ExecutionReport {
            client_order_id: id,
            venue_order_id: self.venue_id.clone().map(VenueOrderId),
            status,
            filled_qty: Qty(self.filled()),
            executions: self.executions.values().map(|noted| noted.execution.clone()).collect(),
            reason,
        }
    }

    fn working(&self) -> OrderStatus {
        if self.filled().is_zero() { OrderStatus::Working } else { OrderStatus::PartiallyFilled }
    }

    /// What its executions alone say.
    #[must_use]
    pub fn report_of_fills(&self, id: ClientOrderId) -> ExecutionReport {
        let whole = self.qty.is_some_and(|qty| self.filled() >= qty);
        let status = if whole { OrderStatus::Filled } else { self.working() };
        self.report(id, status, None)
    }

    /// What may be said with the broker's word for it; `None` where executions that the broker counts are still missing.
    #[must_use]
    pub fn settle(&self, id: ClientOrderId, standing: &Standing) -> Option<ExecutionReport> {
        let filled = self.filled();
        if standing.filled.is_some_and(|counted| counted > filled) {
            return None;
        }
        let whole = standing.total.or(self.qty).is_some_and(|total| !filled.is_zero() && filled >= total);
        let (status, reason) = match &standing.word {
            Word::Open if whole => (OrderStatus::Filled, None),
            Word::Open => (self.working(), None),
            Word::Unheard(word) => {
                (self.working(), Some(format!("the broker says {word:?}, a word that is not known here")))
            }
            Word::Filled if whole => (OrderStatus::Filled, None),
            Word::Filled => return None,
            // How much filled before the end must have been told.
            Word::Canceled | Word::Refused if standing.filled.is_none() => return None,
            Word::Canceled | Word::Refused if whole => (OrderStatus::Filled, None),
            Word::Refused if filled.is_zero() => (OrderStatus::Rejected, standing.reason.clone()),
            Word::Canceled | Word::Refused => (OrderStatus::Canceled, standing.reason.clone()),
        };
        Some(self.report(id, status, reason))
    }

    /// What may be said of an order that the broker does not list any more, and whose executions are all known.
    #[must_use]
    pub fn gone(&self, id: ClientOrderId) -> ExecutionReport {
        let report = self.report_of_fills(id);
        if report.status == OrderStatus::Filled {
            return report;
        }
        self.report(id, OrderStatus::Canceled, Some("it is not open at the broker any more".to_owned()))
    }
}

/// Our orders, the newest [`MAX_ORDERS`].
#[derive(Debug, Default)]
pub struct OrderBook {
    orders: BTreeMap<ClientOrderId, Known>,
    by_venue: HashMap<String, ClientOrderId>,
    by_age: VecDeque<ClientOrderId>,
}

impl OrderBook {
    fn entry(&mut self, id: ClientOrderId) -> &mut Known {
        if !self.orders.contains_key(&id) {
            self.by_age.push_back(id);
            if self.by_age.len() > MAX_ORDERS
                && let Some(oldest) = self.by_age.pop_front()
                && let Some(venue_id) = self.orders.remove(&oldest).and_then(|known| known.venue_id)
            {
                self.by_venue.remove(&venue_id);
            }
        }
        self.orders.entry(id).or_default()
    }

    /// What is known of an order.
    #[must_use]
    pub fn get(&self, id: ClientOrderId) -> Option<&Known> {
        self.orders.get(&id)
    }

    /// An order is about to be sent.
    pub fn expect(&mut self, id: ClientOrderId, qty: Qty) {
        self.entry(id).qty = Some(qty.0);
    }

    /// The broker gave an order its id.
    pub fn placed(&mut self, id: ClientOrderId, venue_id: &str) {
        self.entry(id).venue_id = Some(venue_id.to_owned());
        self.by_venue.insert(venue_id.to_owned(), id);
    }

    /// An execution; our order, where it is one of ours.
    pub fn trade(&mut self, trade: &Trade) -> Option<ClientOrderId> {
        let of_venue = trade.order_id.as_ref().and_then(|id| self.by_venue.get(id)).copied();
        let id = trade.order_ref.as_deref().and_then(|text| text.parse().ok()).or(of_venue)?;
        if let Some(venue_id) = &trade.order_id {
            self.placed(id, venue_id);
        }
        self.entry(id).note(trade);
        Some(id)
    }

    /// A row of the list of orders; our order, where it is one of ours.
    pub fn row(&mut self, row: &OrderRow) -> Option<ClientOrderId> {
        let named = row.order_ref.as_deref().and_then(|text| text.parse().ok());
        let id = named.or_else(|| self.by_venue.get(&row.order_id).copied())?;
        self.placed(id, &row.order_id);
        Some(id)
    }
}
