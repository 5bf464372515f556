//! What every venue keeps: orders, executions, positions and a price for each symbol.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_domain::{OrderStatus, OrderType, Side, TimeInForce};
use rust_decimal::Decimal;
use tokio::sync::broadcast;

/// How many events a listener may lag behind.
const EVENTS: usize = 1_024;

/// A symbol and its rules.
#[derive(Clone, Debug)]
pub struct Market {
    /// The last price, at which market orders fill.
    pub price: Decimal,
    /// Quantities are multiples of this.
    pub lot: Decimal,
    /// What every unit costs to trade.
    pub commission: Decimal,
    /// The part of what is bought that is kept as a fee, in kind.
    pub kept: Decimal,
    /// Money per point and unit.
    pub multiplier: Decimal,
    /// How much may still fill; `None` for as much as anybody wants.
    pub liquidity: Option<Decimal>,
}

impl Market {
    /// A market of one price, whole lots and no fees.
    #[must_use]
    pub fn at(price: Decimal) -> Self {
        let (lot, commission, multiplier) = (Decimal::ONE, Decimal::ZERO, Decimal::ONE);
        Self { price, lot, commission, kept: Decimal::ZERO, multiplier, liquidity: None }
    }
}

/// An order to be placed.
#[derive(Clone, Debug)]
pub struct NewOrder {
    /// The client's name for it; empty for none.
    pub client_order_id: String,
    /// What to trade.
    pub symbol: String,
    /// Which way.
    pub side: Side,
    /// How it is priced.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// How much.
    pub qty: Decimal,
    /// For limit and stop-limit orders.
    pub limit_price: Option<Decimal>,
    /// For stop and stop-limit orders.
    pub stop_price: Option<Decimal>,
    /// Whether it may only make a position smaller.
    pub reduce_only: bool,
}

/// One execution.
#[derive(Clone, Debug)]
pub struct VenueExecution {
    /// Unique at the venue, rising.
    pub id: u64,
    /// How much.
    pub qty: Decimal,
    /// At which price.
    pub price: Decimal,
    /// What it cost.
    pub commission: Decimal,
    /// The account's position in the symbol after it.
    pub position_after: Decimal,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// An order as the venue has it.
#[derive(Clone, Debug)]
pub struct VenueOrder {
    /// Unique at the venue, rising.
    pub id: u64,
    /// What was asked for.
    pub asked: NewOrder,
    /// Where it stands.
    pub status: OrderStatus,
    /// Whether its stop has traded.
    pub triggered: bool,
    /// Its executions.
    pub executions: Vec<VenueExecution>,
    /// Why it ended.
    pub reason: Option<String>,
    /// When it was taken, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it last changed, in milliseconds since 1970.
    pub updated_ms: i64,
}

impl VenueOrder {
    /// How much has filled.
    #[must_use]
    pub fn filled(&self) -> Decimal {
        self.executions.iter().map(|execution| execution.qty).sum()
    }

    /// How much may still fill.
    #[must_use]
    pub fn leaves(&self) -> Decimal {
        self.asked.qty - self.filled()
    }

    /// The average price of what has filled; `None` where nothing has.
    #[must_use]
    pub fn avg_price(&self) -> Option<Decimal> {
        let cost: Decimal = self.executions.iter().map(|execution| execution.qty * execution.price).sum();
        cost.checked_div(self.filled())
    }
}

/// Something that happened to an order.
#[derive(Clone, Debug)]
pub struct VenueEvent {
    /// The order as it is after.
    pub order: VenueOrder,
    /// The execution, where it is one.
    pub execution: Option<VenueExecution>,
}

/// What an account holds of a symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Positive is long, negative is short.
    pub qty: Decimal,
    /// The average price it was opened at.
    pub avg_price: Decimal,
}

/// Among which orders a client order id must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// All.
    Ever,
    /// Those that are open.
    AmongOpen,
    /// None.
    Not,
}

/// Why an order is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The client order id is taken, by this order.
    Duplicate(u64),
    /// There is no such symbol.
    UnknownSymbol,
    /// The quantity is not positive, or no multiple of the lot.
    Quantity,
    /// It would not make a position smaller.
    NothingToReduce,
}

/// One account at a venue.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    events: broadcast::Sender<VenueEvent>,
    unique: Unique,
    clock: fn() -> i64,
}

#[derive(Debug, Default)]
struct State {
    markets: BTreeMap<String, Market>,
    orders: BTreeMap<u64, VenueOrder>,
    held: BTreeMap<String, Held>,
    cash: Decimal,
    last_id: u64,
    happened: Vec<VenueEvent>,
}

impl Exchange {
    /// An account with money and nothing else. `clock` gives milliseconds since 1970.
    #[must_use]
    pub fn new(unique: Unique, cash: Decimal, clock: fn() -> i64) -> Self {
        let state = State { cash, ..State::default() };
        Self { state: Mutex::new(state), events: broadcast::Sender::new(EVENTS), unique, clock }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something, then tells what happened in that order, before anybody else does anything.
    fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state);
        for event in std::mem::take(&mut state.happened) {
            // Nobody may be listening.
            let _ = self.events.send(event);
        }
        result
    }

    /// Lists a symbol.
    pub fn list(&self, symbol: &str, market: Market) {
        self.lock().markets.insert(symbol.to_owned(), market);
    }

    /// A symbol's market.
    #[must_use]
    pub fn market(&self, symbol: &str) -> Option<Market> {
        self.lock().markets.get(symbol).cloned()
    }

    /// What happens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<VenueEvent> {
        self.events.subscribe()
    }

    /// Takes an order.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn place(&self, asked: NewOrder) -> Result<VenueOrder, Refused> {
        let now = (self.clock)();
        self.act(|state| {
            let id = state.take(asked, self.unique, now)?;
            state.work(id, now);
            Ok(state.orders[&id].clone())
        })
    }

    /// Takes an order and fills nothing of it until [`Self::work`].
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub fn rest(&self, asked: NewOrder) -> Result<VenueOrder, Refused> {
        let now = (self.clock)();
        self.act(|state| state.take(asked, self.unique, now).map(|id| state.orders[&id].clone()))
    }

    /// Lets a resting order meet the market.
    pub fn work(&self, id: u64) {
        let now = (self.clock)();
        self.act(|state| state.work(id, now));
    }

    /// Cancels an open order; `None` where there is no such open order.
    pub fn cancel(&self, id: u64) -> Option<VenueOrder> {
        let now = (self.clock)();
        self.act(|state| {
            let open = state.orders.get(&id).is_some_and(|order| !order.status.is_final());
            if !open {
                return None;
            }
            state.end(id, OrderStatus::Canceled, "canceled by the client", now);
            state.orders.get(&id).cloned()
        })
    }

    /// Rejects an order that was taken.
    pub fn reject(&self, id: u64, reason: &str) {
        let now = (self.clock)();
        self.act(|state| state.end(id, OrderStatus::Rejected, reason, now));
    }

    /// Moves a price, and lets what rests meet it.
    ///
    /// # Panics
    /// Where the symbol is not listed.
    pub fn move_price(&self, symbol: &str, price: Decimal) {
        let now = (self.clock)();
        self.act(|state| {
            state.markets.get_mut(symbol).expect("a listed symbol").price = price;
            let resting: Vec<_> = state
                .orders
                .values()
                .filter(|order| order.asked.symbol == symbol)
                .map(|order| order.id)
                .collect();
            for id in resting {
                state.work(id, now);
            }
        });
    }

    /// Lets only so much more fill of a symbol.
    ///
    /// # Panics
    /// Where the symbol is not listed.
    pub fn thin_out(&self, symbol: &str, liquidity: Option<Decimal>) {
        self.lock().markets.get_mut(symbol).expect("a listed symbol").liquidity = liquidity;
    }

    /// Trades by hand: a position that no order explains.
    pub fn trade_by_hand(&self, symbol: &str, qty: Decimal) {
        let mut state = self.lock();
        let price = state.markets.get(symbol).map_or(Decimal::ONE, |market| market.price);
        state.hold(symbol, qty, price);
    }

    /// An order by the venue's id.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<VenueOrder> {
        self.lock().orders.get(&id).cloned()
    }

    /// All orders, the oldest first: the journal that tests believe.
    #[must_use]
    pub fn orders(&self) -> Vec<VenueOrder> {
        self.lock().orders.values().cloned().collect()
    }

    /// The orders with a client order id, the oldest first.
    #[must_use]
    pub fn orders_of(&self, client_order_id: &str) -> Vec<VenueOrder> {
        self.orders().into_iter().filter(|order| order.asked.client_order_id == client_order_id).collect()
    }

    /// What is held, without what is flat.
    #[must_use]
    pub fn held(&self) -> BTreeMap<String, Held> {
        let held = self.lock().held.clone();
        held.into_iter().filter(|(_, held)| !held.qty.is_zero()).collect()
    }

    /// The money: cash, with profits realized and commissions paid.
    #[must_use]
    pub fn cash(&self) -> Decimal {
        self.lock().cash
    }

    /// What closing everything at the present prices would lock in.
    #[must_use]
    pub fn unrealized(&self) -> Decimal {
        let state = self.lock();
        let profit = |(symbol, held): (&String, &Held)| {
            let market = state.markets.get(symbol)?;
            Some((market.price - held.avg_price) * held.qty * market.multiplier)
        };
        state.held.iter().filter_map(profit).sum()
    }
}

impl State {
    fn take(&mut self, asked: NewOrder, unique: Unique, now: i64) -> Result<u64, Refused> {
        let market = self.markets.get(&asked.symbol).ok_or(Refused::UnknownSymbol)?;
        if asked.qty <= Decimal::ZERO || !(asked.qty % market.lot).is_zero() {
            return Err(Refused::Quantity);
        }
        let clashes = |order: &&VenueOrder| match unique {
            Unique::Ever => true,
            Unique::AmongOpen => !order.status.is_final(),
            Unique::Not => false,
        };
        let same = |order: &&VenueOrder| order.asked.client_order_id == asked.client_order_id;
        if !asked.client_order_id.is_empty()
            && let Some(order) = self.orders.values().filter(same).find(clashes)
        {
            return Err(Refused::Duplicate(order.id));
        }
        let mut asked = asked;
        if asked.reduce_only {
            let held = self.held.get(&asked.symbol).copied().unwrap_or_default().qty;
            let reduces = match asked.side {
                Side::Buy => held < Decimal::ZERO,
                Side::Sell => held > Decimal::ZERO,
            };
            if !reduces {
                return Err(Refused::NothingToReduce);
            }
            asked.qty = asked.qty.min(held.abs());
        }
        self.last_id += 1;
        let id = self.last_id;
        let order = VenueOrder {
            id,
            asked,
            status: OrderStatus::Working,
            triggered: false,
            executions: Vec::new(),
            reason: None,
            created_ms: now,
            updated_ms: now,
        };
        self.orders.insert(id, order.clone());
        self.happened.push(VenueEvent { order, execution: None });
        Ok(id)
    }

    /// Fills what the market fills of an order now.
    fn work(&mut self, id: u64, now: i64) {
        let Some(order) = self.orders.get_mut(&id).filter(|order| !order.status.is_final()) else { return };
        let Some(market) = self.markets.get(&order.asked.symbol) else { return };
        let price = market.price;
        if let Some(stop) = order.asked.stop_price {
            order.triggered |= match order.asked.side {
                Side::Buy => price >= stop,
                Side::Sell => price <= stop,
            };
            if !order.triggered {
                return;
            }
        }
        let meets = order.asked.limit_price.is_none_or(|limit| match order.asked.side {
            Side::Buy => price <= limit,
            Side::Sell => price >= limit,
        });
        let fills = if meets {
            market.liquidity.map_or(order.leaves(), |left| left.min(order.leaves()))
        } else {
            Decimal::ZERO
        };
        let leaves = order.leaves();
        let time_in_force = order.asked.time_in_force;
        if time_in_force == TimeInForce::Fok && fills < leaves {
            self.end(id, OrderStatus::Expired, "could not be filled whole", now);
            return;
        }
        if fills > Decimal::ZERO {
            self.execute(id, fills, price, now);
        }
        if time_in_force == TimeInForce::Ioc && fills < leaves {
            self.end(id, OrderStatus::Expired, "the rest was not filled at once", now);
        }
    }

    fn execute(&mut self, id: u64, qty: Decimal, price: Decimal, now: i64) {
        self.last_id += 1;
        let exec_id = self.last_id;
        let Some(order) = self.orders.get_mut(&id) else { return };
        let symbol = order.asked.symbol.clone();
        let signed = if order.asked.side == Side::Buy { qty } else { -qty };
        let Some(market) = self.markets.get_mut(&symbol) else { return };
        let (commission, kept) = (market.commission * qty, market.kept * signed.max(Decimal::ZERO));
        if let Some(left) = &mut market.liquidity {
            *left -= qty;
        }
        self.cash -= commission;
        self.hold(&symbol, signed, price);
        self.held.entry(symbol.clone()).or_default().qty -= kept;
        let position_after = self.held.get(&symbol).copied().unwrap_or_default().qty;
        let execution = VenueExecution { id: exec_id, qty, price, commission, position_after, at_ms: now };
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.executions.push(execution.clone());
        order.status =
            if order.leaves().is_zero() { OrderStatus::Filled } else { OrderStatus::PartiallyFilled };
        order.updated_ms = now;
        let order = order.clone();
        self.happened.push(VenueEvent { order, execution: Some(execution) });
    }

    /// Changes a position; what closes realizes its profit.
    fn hold(&mut self, symbol: &str, signed: Decimal, price: Decimal) {
        let multiplier = self.markets.get(symbol).map_or(Decimal::ONE, |market| market.multiplier);
        let held = self.held.entry(symbol.to_owned()).or_default();
        let same_way = held.qty.is_zero() || (held.qty > Decimal::ZERO) == (signed > Decimal::ZERO);
        if same_way {
            let cost = held.qty * held.avg_price + signed * price;
            held.qty += signed;
            held.avg_price = cost.checked_div(held.qty).unwrap_or_default();
            return;
        }
        let part = held.qty.abs().min(signed.abs());
        let closed = if held.qty > Decimal::ZERO { part } else { -part };
        self.cash += (price - held.avg_price) * closed * multiplier;
        let before = held.qty;
        held.qty += signed;
        if held.qty.is_zero() {
            held.avg_price = Decimal::ZERO;
        } else if (held.qty > Decimal::ZERO) != (before > Decimal::ZERO) {
            held.avg_price = price;
        }
    }

    fn end(&mut self, id: u64, status: OrderStatus, reason: &str, now: i64) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.status = status;
        order.reason = Some(reason.to_owned());
        order.updated_ms = now;
        let order = order.clone();
        self.happened.push(VenueEvent { order, execution: None });
    }
}
