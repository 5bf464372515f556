//! The conformance suite of [`Broker`](atomik_ports::Broker): what every adapter has to do, as tests stamped onto it by
//! [`broker_suite!`](crate::broker_suite!).
//!
//! A case that a venue cannot pass is skipped only where the venue's own capabilities, or the fixture's [`lacks`](
//! VenueFixture::lacks), say so; the skip names the ability and is printed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "made of assertions"
)]

pub mod cases;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::{Approved, BooksState, Circumstances, Gate};
use atomik_domain::{
    Amount, ClientOrderId, ExecutionReport, OrderRequest, OrderType, Price, Qty, Side, SignalId, SignedQty,
    StrategyId, Symbol, TimeInForce, UnixMicros,
};
use atomik_ports::broker::{Broker, LookUp};
use rust_decimal::Decimal;
use uuid::Uuid;

/// How long the suite waits for what has to happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// A venue with one connected account, flat and with money, and one symbol whose price stands still.
#[async_trait]
pub trait VenueFixture: Send + Sync {
    /// The account's connection, as of now: another one after `restart`.
    fn broker(&self) -> Arc<dyn Broker>;
    /// The symbol to trade. The account can hold at least ten lots of it, long or short.
    fn symbol(&self) -> Symbol;
    /// The symbol's price: where a market order fills.
    fn price(&self) -> Price;
    /// What the venue charges for each unit traded.
    fn commission_per_unit(&self) -> Amount;
    /// What this venue or its fixture cannot do, besides what its capabilities leave out.
    fn lacks(&self) -> Vec<Ability>;
    /// Moves the symbol's price, so that resting orders meet it. Never called where `MovingPrices` is lacking.
    async fn move_price(&mut self, price: Price);
    /// Lets only `qty` of the next limit order at [`Self::price`] fill, and nothing more of it after. Never called where
    /// `PartialFills` is lacking.
    async fn thin_out(&mut self, qty: Qty);
    /// Loses the connection (and restarts the venue, where it is ours) and connects anew.
    async fn restart(&mut self);
    /// The next report that came by the stream.
    async fn next_report(&mut self) -> ExecutionReport;
}

/// Something a venue may not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// Taking an order type.
    OrderType(OrderType),
    /// Taking a time in force.
    TimeInForce(TimeInForce),
    /// Holding an order to making a position smaller.
    ReduceOnly,
    /// Showing a price that moves on demand.
    MovingPrices,
    /// Filling an order partly on demand.
    PartialFills,
}

/// A case was not run, because the venue declares that it lacks an ability. Only [`require`] makes one.
#[derive(Debug)]
pub struct Skipped {
    ability: Ability,
}

/// What a case comes to; it panics where the venue does not conform.
pub type Verdict = Result<(), Skipped>;

/// Goes on only where the venue has an ability.
///
/// # Errors
/// [`Skipped`] where it declares that it has not.
pub fn require(venue: &impl VenueFixture, ability: Ability) -> Verdict {
    let broker = venue.broker();
    let capabilities = broker.capabilities();
    let able = match ability {
        Ability::OrderType(order_type) => capabilities.order_types.contains(&order_type),
        Ability::TimeInForce(time_in_force) => capabilities.times_in_force.contains(&time_in_force),
        Ability::ReduceOnly => capabilities.reduce_only,
        Ability::MovingPrices | Ability::PartialFills => !venue.lacks().contains(&ability),
    };
    if able { Ok(()) } else { Err(Skipped { ability }) }
}

/// Prints a skip.
pub fn conclude(case: &str, verdict: &Verdict) {
    if let Err(Skipped { ability }) = verdict {
        println!("skipped {case}: the venue declares that it lacks {ability:?}");
    }
}

/// A market order with a client order id of its own, good till canceled.
#[must_use]
pub fn market_order(symbol: Symbol, side: Side, qty: Qty) -> OrderRequest {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let signal = SignalId(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    OrderRequest {
        client_order_id: ClientOrderId::derive(Uuid::nil(), signal, StrategyId(1), 0),
        symbol,
        side,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Gtc,
        order_qty: qty,
        limit_price: None,
        stop_price: None,
        reduce_only: false,
        reference_price: None,
    }
}

/// A limit order with a client order id of its own, good till canceled.
#[must_use]
pub fn limit_order(symbol: Symbol, side: Side, qty: Qty, limit_price: Price) -> OrderRequest {
    let order_type = OrderType::Limit;
    OrderRequest { order_type, limit_price: Some(limit_price), ..market_order(symbol, side, qty) }
}

/// Passes a request through a real gate whose circumstances stand against nothing.
///
/// # Panics
/// Where the gate refuses all the same: a quantity that is not positive.
#[must_use]
pub fn approved(request: OrderRequest) -> Approved {
    let now = UnixMicros(0);
    let held =
        if request.reduce_only { request.side.opposite().signed(request.order_qty) } else { SignedQty::ZERO };
    let circumstances = Circumstances {
        now,
        strategy_id: StrategyId(1),
        active: true,
        signal_received_at: now,
        max_signal_age_s: 30,
        net_qty: held,
        entries_working: Qty::ZERO,
        exits_working: Qty::ZERO,
        max_position: Qty(Decimal::MAX),
        halt: None,
        books: BooksState::Agree,
        unknown_order_open: false,
    };
    Gate::new(1_000).approve(request, &circumstances).expect("nothing stands against the order")
}

/// Looks an order up until it is as wanted.
///
/// # Panics
/// Where it is not so in time.
pub async fn settled(
    broker: &Arc<dyn Broker>,
    request: &OrderRequest,
    wanted: impl Fn(&ExecutionReport) -> bool,
) -> ExecutionReport {
    let mut last = None;
    let poll = async {
        loop {
            let found = broker.look_up(&request.symbol, request.client_order_id).await;
            match found {
                LookUp::Found(report) if wanted(&report) => return report,
                other => last = Some(other),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(DEADLINE, poll).await;
    outcome.unwrap_or_else(|_| panic!("the order did not come to be as wanted; last seen: {last:?}"))
}

/// Stamps the suite onto an adapter: one test a case. `make` is an async function that gives a fresh
/// [`VenueFixture`](crate::broker_suite::VenueFixture). The calling crate needs tokio.
#[macro_export]
macro_rules! broker_suite {
    ($make:path) => {
        $crate::broker_suite! { $make:
            a_market_order_is_accepted_and_fills,
            a_quantity_below_the_lot_is_rejected_with_a_reason,
            a_client_order_id_makes_one_order,
            a_look_up_finds_an_order_with_its_executions,
            a_look_up_of_an_order_never_sent_finds_nothing,
            a_working_order_is_canceled,
            a_filled_order_is_not_open_to_a_cancel,
            a_partly_filled_order_keeps_its_fill_when_canceled,
            positions_follow_trades,
            a_reduce_only_order_never_flips,
            a_restart_keeps_orders_and_positions,
            an_ioc_order_never_rests,
            a_fok_order_fills_all_or_nothing,
            a_limit_order_fills_when_the_price_comes_to_it,
            a_stop_order_waits_for_its_stop,
            a_stop_limit_order_is_bound_by_its_limit,
            the_balance_moves_by_profit_and_commission,
        }
    };
    ($make:path: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let verdict = $crate::broker_suite::cases::$case($make().await).await;
            $crate::broker_suite::conclude(stringify!($case), &verdict);
        }
    )*};
}
