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
pub mod faults;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::{Approved, BooksState, Circumstances, Gate};
use atomik_domain::{
    Amount, ClientOrderId, ExecutionReport, OrderRequest, OrderType, Price, Qty, Side, SignalId, SignedQty,
    StrategyId, Symbol, TimeInForce, UnixMicros,
};
use atomik_ports::broker::{Broker, BrokerError, LookUp};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::venues::faults::{Fault, StreamFault};

/// How long the suite waits for what has to happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// A venue with one connected account, flat and with money, and one symbol whose price stands still.
#[async_trait]
pub trait VenueFixture: Send + Sync {
    /// The account's connection, as of now: another one after `restart`.
    fn broker(&self) -> Arc<dyn Broker>;
    /// The symbol to trade. The account can hold at least ten lots of it, long or, unless `Shorts` is lacking, short.
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
    /// The next report that came by the stream; `None` once the connection has ended.
    async fn next_report(&mut self) -> Option<ExecutionReport>;
    /// Lets this befall the next order. Never called with one that is lacking.
    async fn plan(&mut self, fault: Fault);
    /// Lets this befall the stream from now on. Never called with one that is lacking.
    async fn disturb(&mut self, fault: StreamFault);
    /// How many orders the venue's own journal has under a client order id, and how much of them filled.
    async fn journal(&self, id: ClientOrderId) -> (usize, Qty);
    /// Connects anew with something wrong, and gives what the trader is told. Never called with what is lacking.
    async fn connect_wrongly(&mut self, wrong: Wrong) -> Result<(), BrokerError>;
}

/// What may be wrong when an account connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// The credentials are not the venue's.
    Credentials,
    /// This machine's clock is an hour off.
    Clock,
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
    /// Meeting a fault: the venue cannot have it.
    Fault(Fault),
    /// Meeting a disturbance of its stream: the venue cannot have it.
    Stream(StreamFault),
    /// Connecting with something wrong: the venue does not look at it.
    Wrong(Wrong),
    /// Fees known with the fill.
    Commissions,
    /// Holding less than nothing: selling what is not owned.
    Shorts,
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
        Ability::MovingPrices
        | Ability::PartialFills
        | Ability::Fault(_)
        | Ability::Stream(_)
        | Ability::Wrong(_)
        | Ability::Commissions
        | Ability::Shorts => !venue.lacks().contains(&ability),
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
            an_exit_is_taken_by_every_venue,
            a_restart_keeps_orders_and_positions,
            an_ioc_order_never_rests,
            a_fok_order_fills_all_or_nothing,
            a_limit_order_fills_when_the_price_comes_to_it,
            a_stop_order_waits_for_its_stop,
            a_stop_limit_order_is_bound_by_its_limit,
            the_balance_moves_by_profit_and_commission,
            an_order_whose_answer_never_came_is_found,
            an_order_that_was_lost_is_not_found,
            an_order_whose_connection_broke_before_is_not_found,
            an_order_whose_connection_broke_after_is_found,
            an_order_behind_a_server_error_is_found,
            an_error_inside_a_success_is_a_rejection,
            an_order_behind_an_unreadable_success_is_found,
            too_many_requests_is_not_sent_and_says_when,
            a_penalty_is_waited_out_and_takes_the_order_once,
            an_expired_token_in_mid_order_doubles_nothing,
            maintenance_doubles_nothing,
            a_status_that_nobody_knows_is_never_final,
            a_cancel_that_races_a_fill_tells_the_fill,
            a_gap_in_the_stream_ends_the_connection_and_a_look_up_fills_it,
            reports_that_come_twice_carry_the_same_executions,
            reports_out_of_order_add_up,
            reports_before_the_answer_add_up,
            wrong_credentials_say_what_to_do,
            a_clock_that_is_off_is_no_hindrance_or_says_so,
        }
    };
    ($make:path: $($case:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            use $crate::broker_suite::{cases::*, faults::*};
            let verdict = $case($make().await).await;
            $crate::broker_suite::conclude(stringify!($case), &verdict);
        }
    )*};
}
