//! A venue that keeps the truth, whatever anybody hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use atomik_domain::instrument::AssetClass;
use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, ClientOrderId, ExecId, ExecutionReport, Instrument, OrderRequest, OrderStatus, OrderType, Price,
    Qty, SignedQty, Symbol, TimeInForce, UnixMicros, VenueOrderId,
};
use atomik_ports::broker::{
    CancelOutcome, Capabilities, ClientIdUniqueness, FillReports, LookUp, SubmitOutcome,
};
use rust_decimal::Decimal;

use super::qty;

const NOT_SENT_PAUSE: Duration = Duration::from_secs(1);

/// What becomes of a send.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Accepted and filled.
    Fill,
    /// Accepted, working.
    Work,
    /// Accepted, filled in part.
    Part(i64),
    /// Refused.
    Reject,
    /// Never left.
    NotSent,
    /// No answer, and it never arrived.
    Lost,
    /// No answer, but it arrived.
    Unheard,
    /// No answer, but it arrived and filled.
    UnheardFill,
    /// No answer, and it arrives after so many microseconds.
    Late(i64),
    /// Nothing happens yet: the test answers by itself.
    Silent,
}

/// An order as the venue has it.
pub struct VenueOrder {
    pub request: OrderRequest,
    pub status: OrderStatus,
    pub executions: Vec<Execution>,
}

impl VenueOrder {
    /// How much has filled.
    pub fn filled(&self) -> Qty {
        self.executions.iter().fold(Qty::ZERO, |sum, execution| sum + execution.last_qty)
    }

    /// How much may still fill.
    pub fn leaves(&self) -> Qty {
        if self.status.is_final() { Qty::ZERO } else { self.request.order_qty.less(self.filled()) }
    }
}

/// The venue.
pub struct Venue {
    pub orders: BTreeMap<ClientOrderId, VenueOrder>,
    /// Traded by hand, past Atomik.
    pub by_hand: SignedQty,
    pub uniqueness: ClientIdUniqueness,
    pub settle_window: Duration,
    pub knows_symbol: bool,
    pub asset_class: AssetClass,
    pub lot_size: Qty,
    /// The largest part of bought coins that it may keep without telling.
    pub untold_coin_fee: Decimal,
    /// The part of what is traded that it keeps, and tells with the fill.
    pub told_fee: Qty,
    /// Orders on their way: when they arrive.
    pub in_flight: Vec<(i64, OrderRequest)>,
    /// What was filled of which order, in this order.
    pub trades: Vec<(ClientOrderId, Qty)>,
    /// What its executions are named after.
    pub name: String,
    pub next_exec: u32,
}

impl Default for Venue {
    fn default() -> Self {
        Self {
            orders: BTreeMap::new(),
            by_hand: SignedQty::ZERO,
            uniqueness: ClientIdUniqueness::Forever,
            settle_window: Duration::ZERO,
            knows_symbol: true,
            asset_class: AssetClass::Future,
            lot_size: Qty(Decimal::ONE),
            untold_coin_fee: Decimal::ZERO,
            told_fee: Qty::ZERO,
            in_flight: Vec::new(),
            trades: Vec::new(),
            name: String::new(),
            next_exec: 0,
        }
    }
}

impl Venue {
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            order_types: OrderType::ALL.to_vec(),
            times_in_force: TimeInForce::ALL.to_vec(),
            reduce_only: false,
            fractional_quantities: false,
            client_id_uniqueness: self.uniqueness,
            settle_window: self.settle_window,
            look_up_by_client_id: true,
            fill_reports: FillReports::Streamed,
            rate_limits: Vec::new(),
            untold_coin_fee: self.untold_coin_fee,
        }
    }

    /// Takes an order. A second one with the same id is what must never happen.
    pub fn take(&mut self, request: OrderRequest) {
        let id = request.client_order_id;
        let order = VenueOrder { request, status: OrderStatus::Working, executions: Vec::new() };
        assert!(self.orders.insert(id, order).is_none(), "the venue got an order twice");
    }

    /// An order is sent; what the sender hears of it.
    pub fn receive(
        &mut self,
        request: OrderRequest,
        fate: Fate,
        (now, tick): (UnixMicros, i64),
    ) -> Option<SubmitOutcome> {
        let (id, order_qty) = (request.client_order_id, request.order_qty);
        match fate {
            Fate::Fill | Fate::Work | Fate::Part(_) | Fate::Unheard | Fate::UnheardFill => {
                self.take(request);
            }
            Fate::Late(after) => self.in_flight.push((tick + after, request)),
            Fate::Reject | Fate::NotSent | Fate::Lost | Fate::Silent => {}
        }
        match fate {
            Fate::Fill | Fate::UnheardFill => drop(self.fill(id, order_qty, now)),
            Fate::Part(units) => drop(self.fill(id, qty(units), now)),
            _ => {}
        }
        Some(match fate {
            Fate::Fill | Fate::Work | Fate::Part(_) => SubmitOutcome::Accepted(self.report(id)),
            Fate::Reject => SubmitOutcome::Rejected { reason: "no margin".to_owned() },
            Fate::NotSent => {
                SubmitOutcome::NotSent { reason: "refused".to_owned(), retry_after: NOT_SENT_PAUSE }
            }
            Fate::Lost | Fate::Unheard | Fate::UnheardFill | Fate::Late(_) => {
                SubmitOutcome::Unknown { evidence: "no answer".to_owned() }
            }
            Fate::Silent => return None,
        })
    }

    /// What it says of an order.
    pub fn look_up(&self, id: ClientOrderId) -> LookUp {
        match self.orders.contains_key(&id) {
            true => LookUp::Found(self.report(id)),
            false => LookUp::NotFound,
        }
    }

    /// Cancels an order: `at_once`, or some time.
    pub fn cancel(&mut self, id: ClientOrderId, at_once: bool) -> CancelOutcome {
        match self.orders.get(&id) {
            Some(order) if order.status.is_final() => CancelOutcome::NotOpen,
            Some(_) if !at_once => CancelOutcome::Requested,
            Some(_) => CancelOutcome::Done(self.end(id, OrderStatus::Canceled)),
            None => CancelOutcome::NotOpen,
        }
    }

    /// Lets those arrive that are due.
    pub fn arrive(&mut self, tick: i64) {
        let (due, later) = std::mem::take(&mut self.in_flight).into_iter().partition(|(at, _)| *at <= tick);
        self.in_flight = later;
        let due: Vec<(i64, OrderRequest)> = due;
        due.into_iter().for_each(|(_, request)| self.take(request));
    }

    /// Fills some of an order; the report carries this execution alone.
    pub fn fill(&mut self, id: ClientOrderId, qty: Qty, now: UnixMicros) -> ExecutionReport {
        self.next_exec += 1;
        let execution = Execution {
            exec_id: ExecId(format!("{}X{}", self.name, self.next_exec)),
            last_qty: qty,
            last_price: Price(Decimal::from(100)),
            commission: Amount::ZERO,
            fee_qty: self.told_fee,
            price_source: PriceSource::Venue,
            traded_at: now,
        };
        let order = self.orders.get_mut(&id).expect("the venue fills an order it has");
        assert!(!order.status.is_final(), "the venue fills an ended order");
        order.executions.push(execution.clone());
        self.trades.push((id, qty));
        assert!(order.filled() <= order.request.order_qty, "the venue overfilled an order");
        order.status = match order.filled() == order.request.order_qty {
            true => OrderStatus::Filled,
            false => OrderStatus::PartiallyFilled,
        };
        ExecutionReport { executions: vec![execution], ..self.report(id) }
    }

    /// Ends an order.
    pub fn end(&mut self, id: ClientOrderId, status: OrderStatus) -> ExecutionReport {
        let order = self.orders.get_mut(&id).expect("the venue ends an order it has");
        if !order.status.is_final() {
            order.status = status;
        }
        ExecutionReport { executions: Vec::new(), ..self.report(id) }
    }

    /// Everything about an order.
    pub fn report(&self, id: ClientOrderId) -> ExecutionReport {
        let order = &self.orders[&id];
        ExecutionReport {
            client_order_id: id,
            venue_order_id: Some(VenueOrderId(format!("V-{id}"))),
            status: order.status,
            filled_qty: order.filled(),
            executions: order.executions.clone(),
            reason: None,
        }
    }

    /// The account's net position.
    pub fn net(&self) -> SignedQty {
        let kept = |order: &VenueOrder| {
            order.executions.iter().fold(Decimal::ZERO, |sum, execution| sum + execution.fee_qty.0)
        };
        let orders = self.orders.values();
        orders.fold(self.by_hand, |sum, order| {
            sum + order.request.side.signed(order.filled()) - SignedQty(kept(order))
        })
    }

    pub fn instrument(&self, symbol: &Symbol) -> Instrument {
        Instrument {
            symbol: symbol.clone(),
            name: "Test".to_owned(),
            asset_class: self.asset_class,
            exchange: "TEST".to_owned(),
            currency: "USD".to_owned(),
            tick_size: Price(Decimal::new(25, 2)),
            lot_size: self.lot_size,
            multiplier: Decimal::ONE,
            contract: None,
            known: true,
        }
    }
}
