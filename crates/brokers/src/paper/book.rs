//! What the venue keeps about orders and positions, and the changes that one step makes to it.

use std::collections::{BTreeSet, HashMap};

use atomik_domain::order::Execution;
use atomik_domain::{
    Amount, BrokerAccountId, ClientOrderId, ExecId, ExecutionReport, Instrument, OrderRequest, OrderStatus,
    OrderType, Position, Price, Qty, Side, Symbol, TimeInForce, UnixMicros, VenueOrderId,
};

use super::feed::Anchor;

/// An order as the venue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderRecord {
    pub client_order_id: ClientOrderId,
    /// The account's orders in the order in which they came: earlier ones trade first.
    pub sequence: i64,
    pub symbol: Symbol,
    pub side: Side,
    pub order_type: OrderType,
    pub time_in_force: TimeInForce,
    pub order_qty: Qty,
    pub limit_price: Option<Price>,
    pub stop_price: Option<Price>,
    pub reduce_only: bool,
    pub status: OrderStatus,
    pub filled_qty: Qty,
    /// How many executions it has; the next one's number.
    pub execution_count: u32,
    /// Whether its stop was reached.
    pub triggered: bool,
    /// The buying power that each unit not yet filled holds back.
    pub margin_per_unit: Amount,
    pub reason: Option<String>,
    pub accepted_at: UnixMicros,
    /// When a day order ends.
    pub expires_at: Option<UnixMicros>,
}

impl OrderRecord {
    /// A request as a working order that nothing has happened to yet; prices on their ticks.
    pub fn new(request: &OrderRequest, instrument: &Instrument, sequence: i64, now: UnixMicros) -> Self {
        let on_tick = |price: Option<Price>| price.map(|price| price.round_to_tick(instrument.tick_size));
        Self {
            client_order_id: request.client_order_id,
            sequence,
            symbol: request.symbol.clone(),
            side: request.side,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            order_qty: request.order_qty,
            limit_price: on_tick(request.limit_price).filter(|_| request.order_type.has_limit()),
            stop_price: on_tick(request.stop_price).filter(|_| request.order_type.has_stop()),
            reduce_only: request.reduce_only,
            status: OrderStatus::Working,
            filled_qty: Qty::ZERO,
            execution_count: 0,
            triggered: false,
            margin_per_unit: Amount::ZERO,
            reason: None,
            accepted_at: now,
            expires_at: (request.time_in_force == TimeInForce::Day).then(|| end_of_day(now)),
        }
    }

    /// What has not filled.
    pub fn leaves_qty(&self) -> Qty {
        self.order_qty.less(self.filled_qty)
    }

    /// The venue's name for it: its account's running number.
    pub fn venue_order_id(&self) -> VenueOrderId {
        VenueOrderId(format!("paper-{}", self.sequence))
    }

    /// What the venue says about it.
    pub fn report(&self, executions: Vec<Execution>) -> ExecutionReport {
        ExecutionReport {
            client_order_id: self.client_order_id,
            venue_order_id: Some(self.venue_order_id()),
            status: self.status,
            filled_qty: self.filled_qty,
            executions,
            reason: self.reason.clone(),
        }
    }

    /// Ends it.
    pub fn end(&mut self, status: OrderStatus, reason: &str) {
        self.status = status;
        self.reason = Some(reason.to_owned());
    }
}

/// Which prices an order type needs.
pub(crate) trait NeedsPrices {
    /// Whether it has a limit price.
    fn has_limit(self) -> bool;
    /// Whether it has a stop price.
    fn has_stop(self) -> bool;
}

impl NeedsPrices for OrderType {
    fn has_limit(self) -> bool {
        matches!(self, Self::Limit | Self::StopLimit)
    }

    fn has_stop(self) -> bool {
        matches!(self, Self::Stop | Self::StopLimit)
    }
}

/// The end of the venue's day: the next midnight UTC.
fn end_of_day(now: UnixMicros) -> UnixMicros {
    const DAY: i64 = 86_400 * UnixMicros::SECOND;
    UnixMicros(now.0.div_euclid(DAY).saturating_add(1).saturating_mul(DAY))
}

/// The venue's name for one execution: unique within the account, because the client order id is.
pub(crate) fn exec_id(client_order_id: ClientOrderId, number: u32) -> ExecId {
    ExecId(format!("{client_order_id}-{number}"))
}

/// What an account holds of one symbol, and the rules of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holding {
    pub instrument: Instrument,
    pub position: Position,
    /// The last real price seen, where an alert carried one.
    pub anchor: Option<Anchor>,
}

/// An execution and the order it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExecutionRecord {
    pub account_id: BrokerAccountId,
    pub client_order_id: ClientOrderId,
    pub number: u32,
    pub execution: Execution,
}

/// Everything that a batch of steps changed, to be committed together and answered after.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Orders as they stand after the batch.
    pub orders: HashMap<(BrokerAccountId, ClientOrderId), OrderRecord>,
    /// New executions.
    pub executions: Vec<ExecutionRecord>,
    /// Holdings that changed.
    pub holdings: BTreeSet<(BrokerAccountId, Symbol)>,
    /// Accounts whose cash or numbering changed.
    pub accounts: BTreeSet<BrokerAccountId>,
    /// What to tell the accounts' connections, in order.
    pub reports: Vec<(BrokerAccountId, ExecutionReport)>,
}

impl Changes {
    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// How an order stands within this batch, with the executions the batch gave it.
    pub fn find(&self, account_id: BrokerAccountId, id: ClientOrderId) -> Option<ExecutionReport> {
        let order = self.orders.get(&(account_id, id))?;
        let own = |record: &&ExecutionRecord| record.account_id == account_id && record.client_order_id == id;
        Some(
            order.report(self.executions.iter().filter(own).map(|record| record.execution.clone()).collect()),
        )
    }
}
