//! A paper account as a pure state machine: orders, positions and cash, and what a request, a cancel and a tick of the
//! price do to them. Time and prices are arguments; what changed is written into [`Changes`], for the desk to commit.

use std::collections::BTreeMap;

use atomik_domain::instrument::AssetClass;
use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, BrokerAccountId, ClientOrderId, ExecutionReport, Instrument, OrderRequest, OrderStatus, Position,
    Price, Qty, SignedQty, Symbol, TimeInForce, UnixMicros,
};

use super::book::{Changes, ExecutionRecord, Holding, NeedsPrices, OrderRecord, exec_id};
use super::feed::{Anchor, Feed};
use super::matching;
use super::settings::{MAX_AMOUNT, PaperSettings, usable};
use crate::instruments;

/// The most orders that may rest in one account.
pub(crate) const MAX_RESTING: usize = 1_000;
/// The most symbols that one account may trade.
const MAX_SYMBOLS: usize = 1_000;

/// The most of anything that one order may trade: a million millions.
const MAX_QTY: Qty = Qty(MAX_AMOUNT);

/// What a step depends on besides the account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub now: UnixMicros,
    pub feed: Feed,
}

/// A price that orders meet, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub price: Price,
    pub source: PriceSource,
}

/// A paper account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub id: BrokerAccountId,
    pub settings: PaperSettings,
    /// What it started with, profits realized and commissions paid.
    pub cash: Amount,
    /// The number of the last order.
    pub last_sequence: i64,
    pub holdings: BTreeMap<Symbol, Holding>,
    /// Orders that may still trade, by their sequence.
    pub resting: BTreeMap<i64, OrderRecord>,
}

impl Account {
    /// A new account.
    pub fn open(id: BrokerAccountId, settings: PaperSettings) -> Self {
        Self {
            id,
            cash: settings.starting_balance,
            settings,
            last_sequence: 0,
            holdings: BTreeMap::new(),
            resting: BTreeMap::new(),
        }
    }

    /// Takes new settings. Another starting balance is money paid in or out.
    pub fn change_settings(&mut self, settings: PaperSettings, changes: &mut Changes) {
        let paid_in = settings.starting_balance - self.settings.starting_balance;
        self.settings = settings;
        if !paid_in.is_zero() {
            self.cash = self.cash + paid_in;
            changes.accounts.insert(self.id);
        }
    }

    /// Takes an order, or refuses it with a reason. Either is recorded for good under the order's client order id.
    ///
    /// The alert's price is a tick for what rests in the symbol, and that meets it first.
    pub fn submit(
        &mut self,
        request: &OrderRequest,
        moment: &Moment,
        changes: &mut Changes,
    ) -> ExecutionReport {
        let instrument = self.instrument(&request.symbol);
        self.last_sequence = self.last_sequence.saturating_add(1);
        let mut order = OrderRecord::new(request, &instrument, self.last_sequence, moment.now);
        let alert = request.reference_price.map(|price| price.round_to_tick(instrument.tick_size));
        let checked = check_prices(request, &order, alert, &instrument);
        if let (Ok(()), Some(price)) = (&checked, alert) {
            self.see(&instrument, price, moment, changes);
        }
        let tick = alert.map_or_else(
            || self.tick_of(&instrument, moment),
            |price| Tick { price, source: PriceSource::Alert },
        );
        let admitted = checked.and_then(|()| self.admit(&mut order, &instrument, tick.price, moment));
        let executions = match admitted {
            Ok(()) => {
                let executions = self.meet(&mut order, &instrument, tick, moment.now, changes);
                end_at_once(&mut order);
                executions
            }
            Err(reason) => {
                order.end(OrderStatus::Rejected, &reason);
                Vec::new()
            }
        };
        let report = order.report(executions);
        changes.reports.push((self.id, report.clone()));
        self.keep(order, changes);
        report
    }

    /// Cancels an order that may still trade. `None` where there is no such order.
    pub fn cancel(&mut self, id: ClientOrderId, changes: &mut Changes) -> Option<ExecutionReport> {
        let sequence = self.resting.values().find(|order| order.client_order_id == id)?.sequence;
        let mut order = self.resting.remove(&sequence)?;
        order.end(OrderStatus::Canceled, "Canceled on request.");
        let report = order.report(Vec::new());
        changes.reports.push((self.id, report.clone()));
        self.keep(order, changes);
        Some(report)
    }

    /// One tick of every price: what rests may trade, and what has outlived its day ends.
    pub fn tick(&mut self, moment: &Moment, changes: &mut Changes) {
        self.run_resting(None, moment, changes);
    }

    /// The price that orders without an alert's price meet now: the fixed one, else the simulated.
    pub fn tick_of(&self, instrument: &Instrument, moment: &Moment) -> Tick {
        let anchor = || self.holdings.get(&instrument.symbol).and_then(|holding| holding.anchor);
        self.tick_from(anchor, instrument, moment)
    }

    /// The same for what is held.
    pub fn tick_of_held(&self, holding: &Holding, moment: &Moment) -> Tick {
        self.tick_from(|| holding.anchor, &holding.instrument, moment)
    }

    fn tick_from(
        &self,
        anchor: impl FnOnce() -> Option<Anchor>,
        instrument: &Instrument,
        moment: &Moment,
    ) -> Tick {
        match self.settings.fixed_price(&instrument.symbol) {
            Some(price) => Tick { price, source: PriceSource::Fixed },
            None => Tick {
                price: moment.feed.price(instrument, anchor(), moment.now),
                source: PriceSource::Simulated,
            },
        }
    }

    /// The rules of a symbol.
    pub fn instrument(&self, symbol: &Symbol) -> Instrument {
        match self.holdings.get(symbol) {
            Some(holding) => holding.instrument.clone(),
            None => instruments::resolve(symbol),
        }
    }

    /// The net position in a symbol.
    pub fn net_qty(&self, symbol: &Symbol) -> SignedQty {
        self.holdings.get(symbol).map_or(SignedQty::ZERO, |holding| holding.position.net_qty)
    }

    /// Remembers an alert's price, and lets what rests in the symbol meet it.
    fn see(&mut self, instrument: &Instrument, price: Price, moment: &Moment, changes: &mut Changes) {
        if self.holdings.len() >= MAX_SYMBOLS && !self.holdings.contains_key(&instrument.symbol) {
            return;
        }
        self.holding(instrument).anchor = Some(Anchor { price, at: moment.now });
        changes.holdings.insert((self.id, instrument.symbol.clone()));
        let tick = Tick { price, source: PriceSource::Alert };
        self.run_resting(Some((&instrument.symbol, tick)), moment, changes);
    }

    /// Lets resting orders meet the price, in the order in which they came: those of one symbol at a given price, or all
    /// at the prices of now.
    fn run_resting(&mut self, only: Option<(&Symbol, Tick)>, moment: &Moment, changes: &mut Changes) {
        for (sequence, mut order) in std::mem::take(&mut self.resting) {
            if only.is_some_and(|(symbol, _)| *symbol != order.symbol) {
                self.resting.insert(sequence, order);
                continue;
            }
            let before = (order.status, order.filled_qty, order.triggered);
            let executions = if order.expires_at.is_some_and(|end| moment.now >= end) {
                order.end(OrderStatus::Expired, "The day ended.");
                Vec::new()
            } else {
                let instrument = self.instrument(&order.symbol);
                let tick = only.map_or_else(|| self.tick_of(&instrument, moment), |(_, tick)| tick);
                self.meet(&mut order, &instrument, tick, moment.now, changes)
            };
            if before == (order.status, order.filled_qty, order.triggered) {
                self.resting.insert(sequence, order);
                continue;
            }
            changes.reports.push((self.id, order.report(executions)));
            self.keep(order, changes);
        }
    }

    /// Lets an order meet a price: at most one execution.
    fn meet(
        &mut self,
        order: &mut OrderRecord,
        instrument: &Instrument,
        tick: Tick,
        now: UnixMicros,
        changes: &mut Changes,
    ) -> Vec<Execution> {
        let slippage = matching::slippage(self.settings.slippage_ticks, instrument.tick_size);
        let found = matching::at_tick(order, tick.price, slippage);
        order.triggered = found.triggered;
        let qty = self.fillable(order, instrument);
        let mut executions = Vec::new();
        if let Some(price) = found.fill_price
            && !qty.is_zero()
            && (order.time_in_force != TimeInForce::Fok || qty == order.leaves_qty())
        {
            let price = if usable(price, instrument.asset_class) { price } else { instrument.tick_size };
            executions.push(self.fill(order, instrument, qty, Tick { price, ..tick }, now, changes));
        }
        if !order.status.is_final() && self.reducible(order).is_zero() {
            order.end(OrderStatus::Canceled, "Reduce-only: nothing is left of the position.");
        }
        executions
    }

    /// How much of an order one tick may fill: what is left of it, within the size limit of a tick (at least one lot) and
    /// within what a reduce-only order may take.
    fn fillable(&self, order: &OrderRecord, instrument: &Instrument) -> Qty {
        let lot_size = instrument.lot_size;
        let leaves = order.leaves_qty().at_most(self.reducible(order));
        self.settings
            .max_fill_qty_per_tick
            .map_or(leaves, |limit| leaves.at_most(limit.floor_to_lot(lot_size).max(lot_size)))
    }

    /// How much of an order may still trade: a reduce-only order no more than the position it stands against.
    fn reducible(&self, order: &OrderRecord) -> Qty {
        if !order.reduce_only {
            return order.leaves_qty();
        }
        let net_qty = self.net_qty(&order.symbol);
        let against = order.side.signed(order.order_qty).is_long() == net_qty.is_short();
        if against && !net_qty.is_zero() { net_qty.abs() } else { Qty::ZERO }
    }

    fn fill(
        &mut self,
        order: &mut OrderRecord,
        instrument: &Instrument,
        qty: Qty,
        tick: Tick,
        now: UnixMicros,
        changes: &mut Changes,
    ) -> Execution {
        let commission = Amount(self.settings.commission.0.saturating_mul(qty.0));
        let holding = self.holding(instrument);
        let (position, profit) = holding.position.after_trade(instrument, order.side, qty, tick.price);
        holding.position = position.charged(commission, Qty::ZERO);
        self.cash = self.cash + profit - commission;
        let number = order.execution_count;
        order.execution_count = number.saturating_add(1);
        order.filled_qty = order.filled_qty + qty;
        let filled = order.leaves_qty().is_zero();
        order.status = if filled { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        let execution = Execution {
            exec_id: exec_id(order.client_order_id, number),
            last_qty: qty,
            last_price: tick.price,
            commission,
            fee_qty: Qty::ZERO,
            price_source: tick.source,
            traded_at: now,
        };
        changes.holdings.insert((self.id, instrument.symbol.clone()));
        changes.executions.push(ExecutionRecord {
            account_id: self.id,
            client_order_id: order.client_order_id,
            number,
            execution: execution.clone(),
        });
        execution
    }

    /// Whether the venue takes an order whose prices are in order: quantity, room, reduce-only, buying power.
    fn admit(
        &self,
        order: &mut OrderRecord,
        instrument: &Instrument,
        market: Price,
        moment: &Moment,
    ) -> Result<(), String> {
        check_qty(order, instrument)?;
        if self.resting.len() >= MAX_RESTING {
            return Err(format!(
                "The account already has {MAX_RESTING} resting orders, which is the most it may have."
            ));
        }
        if self.holdings.len() >= MAX_SYMBOLS && !self.holdings.contains_key(&order.symbol) {
            return Err(format!(
                "The account already trades {MAX_SYMBOLS} symbols, which is the most it may trade."
            ));
        }
        if self.reducible(order).is_zero() {
            let net_qty = self.net_qty(&order.symbol);
            return Err(format!(
                "A reduce-only {} reduces nothing: the account's position in {} is {net_qty}.",
                order.side, order.symbol
            ));
        }
        self.reserve_margin(order, instrument, market, moment)
    }

    fn holding(&mut self, instrument: &Instrument) -> &mut Holding {
        self.holdings.entry(instrument.symbol.clone()).or_insert_with(|| Holding {
            instrument: instrument.clone(),
            position: Position::default(),
            anchor: None,
        })
    }

    /// Puts an order where it belongs after a step, and into the changes.
    fn keep(&mut self, order: OrderRecord, changes: &mut Changes) {
        changes.accounts.insert(self.id);
        changes.orders.insert((self.id, order.client_order_id), order.clone());
        if !order.status.is_final() {
            self.resting.insert(order.sequence, order);
        }
    }
}

/// Ends what may not rest, once it has met its first price.
fn end_at_once(order: &mut OrderRecord) {
    if order.status.is_final() {
        return;
    }
    match order.time_in_force {
        TimeInForce::Ioc => {
            order.end(OrderStatus::Expired, "Immediate or cancel: the rest could not fill at once.");
        }
        TimeInForce::Fok => order.end(OrderStatus::Expired, "Fill or kill: it could not fill all at once."),
        TimeInForce::Day | TimeInForce::Gtc => {}
    }
}

fn check_prices(
    request: &OrderRequest,
    order: &OrderRecord,
    alert: Option<Price>,
    instrument: &Instrument,
) -> Result<(), String> {
    let order_type = request.order_type;
    let needed = [
        ("limit", order_type.has_limit(), order.limit_price),
        ("stop", order_type.has_stop(), order.stop_price),
    ];
    for (name, needs_it, price) in needed {
        if needs_it && price.is_none() {
            return Err(format!("A {order_type} order needs a {name} price."));
        }
    }
    if order_type.has_stop() && matches!(request.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) {
        return Err(format!(
            "A {order_type} order waits for its stop, so it cannot be {}.",
            request.time_in_force
        ));
    }
    let wrong =
        [("limit", order.limit_price), ("stop", order.stop_price), ("alert's", alert)].into_iter().find_map(
            |(name, price)| Some((name, price.filter(|price| !usable(*price, instrument.asset_class))?)),
        );
    match wrong {
        Some((name, price)) if instrument.asset_class == AssetClass::Future => {
            Err(format!("The {name} price {price} is out of bounds."))
        }
        Some((name, price)) => Err(format!(
            "The {name} price {price} is out of bounds: {} trades from {}.",
            instrument.symbol, instrument.tick_size
        )),
        None => Ok(()),
    }
}

fn check_qty(order: &OrderRecord, instrument: &Instrument) -> Result<(), String> {
    let (qty, lot_size) = (order.order_qty, instrument.lot_size);
    if qty > MAX_QTY {
        return Err(format!("The quantity {qty} is above the most an order may have, which is {MAX_QTY}."));
    }
    if qty < lot_size {
        return Err(format!("The quantity {qty} is below one lot of {}, which is {lot_size}.", order.symbol));
    }
    if qty != qty.floor_to_lot(lot_size) {
        return Err(format!(
            "The quantity {qty} is not a multiple of the lot of {}, which is {lot_size}.",
            order.symbol
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
