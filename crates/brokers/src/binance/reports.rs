//! The venue's answers and events as execution reports.

use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, ClientOrderId, ExecId, ExecutionReport, OrderStatus, Price, Qty, UnixMicros, VenueOrderId,
};
use rust_decimal::Decimal;

use super::replies::{AlgoOrder, AlgoUpdate, FuturesExecution, Order, OrderFill, SpotExecution, Trade};

/// A status as ours; `None` for a word that no document knows.
#[must_use]
pub fn status_of(word: &str) -> Option<OrderStatus> {
    Some(match word {
        "NEW" | "PENDING_NEW" | "PENDING_CANCEL" | "NEW_INSURANCE" | "NEW_ADL" => OrderStatus::Working,
        "PARTIALLY_FILLED" => OrderStatus::PartiallyFilled,
        "FILLED" => OrderStatus::Filled,
        "CANCELED" => OrderStatus::Canceled,
        "REJECTED" => OrderStatus::Rejected,
        "EXPIRED" | "EXPIRED_IN_MATCH" => OrderStatus::Expired,
        _ => return None,
    })
}

/// A conditional order's status as ours, as long as no order has come of it; `None` for words that say that one has, and for
/// those that no document knows.
#[must_use]
pub fn algo_status_of(word: &str) -> Option<OrderStatus> {
    Some(match word {
        "NEW" | "TRIGGERING" => OrderStatus::Working,
        "CANCELED" => OrderStatus::Canceled,
        "REJECTED" => OrderStatus::Rejected,
        "EXPIRED" => OrderStatus::Expired,
        _ => return None,
    })
}

/// What an execution cost: its worth in the currency that the symbol is quoted in, and how much of the traded coin it took.
///
/// `buys` tells which way it went on spot, where a commission in the traded coin comes out of what is held; `None` on futures,
/// where every commission comes out of the wallet. A commission in the traded coin is valued at the execution's own price;
/// one in a third coin (BNB) cannot be told exactly, and is zero.
#[must_use]
pub fn commission(
    symbol: &str,
    price: Decimal,
    paid: Decimal,
    asset: &str,
    buys: Option<bool>,
) -> (Amount, Qty) {
    if paid.is_zero() || asset.is_empty() {
        return (Amount::ZERO, Qty::ZERO);
    }
    let pair = symbol.split('_').next().unwrap_or(symbol);
    // One name may begin a pair and end it (T in TUSDT): what is bought pays for buying, and what it brings for selling.
    let in_base = pair.starts_with(asset) && (buys == Some(true) || !pair.ends_with(asset));
    match (in_base, pair.ends_with(asset)) {
        (true, _) => {
            let kept = if buys.is_some() { Qty(paid) } else { Qty::ZERO };
            (Amount(paid.saturating_mul(price)), kept)
        }
        (false, true) => (Amount(paid), Qty::ZERO),
        (false, false) => (Amount::ZERO, Qty::ZERO),
    }
}

/// The id of an execution: trade ids are unique in a symbol only.
#[must_use]
pub fn exec_id(symbol: &str, trade_id: i64) -> ExecId {
    ExecId(format!("{symbol}-{trade_id}"))
}

/// Milliseconds since 1970 as ours.
#[must_use]
pub fn at(millis: i64) -> UnixMicros {
    UnixMicros(millis.saturating_mul(1_000))
}

fn execution(
    symbol: &str,
    id: i64,
    qty: Decimal,
    price: Decimal,
    (commission, fee_qty): (Amount, Qty),
    time: i64,
) -> Execution {
    Execution {
        exec_id: exec_id(symbol, id),
        last_qty: Qty(qty),
        last_price: Price(price),
        commission,
        fee_qty,
        price_source: PriceSource::Venue,
        traded_at: at(time),
    }
}

/// An execution of a list.
#[must_use]
pub fn of_trade(trade: &Trade) -> Execution {
    let (price, paid, asset) = (trade.price.0, trade.commission.0, &trade.commission_asset);
    let paid = commission(&trade.symbol, price, paid, asset, trade.is_buyer);
    execution(&trade.symbol, trade.id, trade.qty.0, trade.price.0, paid, trade.time)
}

/// Only spot tells executions with the answer to an order.
fn of_fill(order: &Order, fill: &OrderFill, time: i64) -> Execution {
    let (symbol, buys) = (&order.symbol, Some(order.side == "BUY"));
    let paid = commission(symbol, fill.price.0, fill.commission.0, &fill.commission_asset, buys);
    execution(symbol, fill.trade_id, fill.qty.0, fill.price.0, paid, time)
}

/// An order with the executions that its answer carries.
///
/// # Errors
/// A status that no document knows.
pub fn of_order(id: ClientOrderId, order: &Order) -> Result<ExecutionReport, String> {
    let time = order.transact_time.or(order.update_time).or(order.time).unwrap_or_default();
    let fills = order.fills.as_deref().unwrap_or_default();
    let executions = fills.iter().map(|fill| of_fill(order, fill, time)).collect();
    of_order_with(id, order, executions)
}

/// An order with its executions.
///
/// # Errors
/// A status that no document knows.
pub fn of_order_with(
    id: ClientOrderId,
    order: &Order,
    executions: Vec<Execution>,
) -> Result<ExecutionReport, String> {
    let word = &order.status;
    let status = status_of(word).ok_or_else(|| format!("Binance says that the order is {word}"))?;
    let filled = order.executed_qty.0;
    Ok(ExecutionReport {
        client_order_id: id,
        venue_order_id: Some(VenueOrderId(order.order_id.to_string())),
        status: partly(status, filled),
        filled_qty: Qty(filled),
        executions,
        reason: (status == OrderStatus::Expired).then(|| format!("Binance ended it: {word}.")),
    })
}

/// Working with something filled is partly filled.
fn partly(status: OrderStatus, filled: Decimal) -> OrderStatus {
    if status == OrderStatus::Working && !filled.is_zero() { OrderStatus::PartiallyFilled } else { status }
}

/// A conditional order that has become no order yet.
///
/// # Errors
/// A status that no document knows, or that says that an order has come of it.
pub fn of_algo(id: ClientOrderId, order: &AlgoOrder) -> Result<ExecutionReport, String> {
    let word = &order.algo_status;
    let status = algo_status_of(word).ok_or_else(|| format!("Binance says that the order is {word}"))?;
    Ok(algo_report(id, order.algo_id, status, None))
}

/// A conditional order's event, as long as it has become no order; `None` where it has, or nobody knows.
#[must_use]
pub fn of_algo_update(update: &AlgoUpdate) -> Option<ExecutionReport> {
    let id = update.client_algo_id.parse().ok()?;
    let status = algo_status_of(&update.status)?;
    // The text stands in every event; it is a reason only where the order was refused.
    let reason = update.reason.clone().filter(|_| status == OrderStatus::Rejected);
    Some(algo_report(id, update.algo_id, status, reason))
}

/// A report of a conditional order.
#[must_use]
pub fn algo_report(
    id: ClientOrderId,
    algo_id: u64,
    status: OrderStatus,
    reason: Option<String>,
) -> ExecutionReport {
    ExecutionReport {
        client_order_id: id,
        venue_order_id: Some(VenueOrderId(format!("algo-{algo_id}"))),
        status,
        filled_qty: Qty::ZERO,
        executions: Vec::new(),
        reason,
    }
}

/// What an event of the spot stream says; `None` where the order is not ours.
#[must_use]
pub fn of_spot_event(event: &SpotExecution) -> Option<ExecutionReport> {
    let named = if event.orig_client_order_id.is_empty() {
        &event.client_order_id
    } else {
        &event.orig_client_order_id
    };
    let reason = Some(&event.reject_reason).filter(|reason| *reason != "NONE").cloned();
    let asset = event.commission_asset.as_deref().unwrap_or_default();
    let trade = (event.execution_type == "TRADE" && event.trade_id >= 0).then(|| {
        let buys = Some(event.side == "BUY");
        let paid = commission(&event.symbol, event.last_price.0, event.commission.0, asset, buys);
        execution(&event.symbol, event.trade_id, event.last_qty.0, event.last_price.0, paid, event.time)
    });
    Some(event_report(named.parse().ok()?, event.order_id, &event.status, event.filled_qty.0, trade, reason))
}

/// What an event of the futures stream says of the order that is ours by `id`.
#[must_use]
pub fn of_futures_event(id: ClientOrderId, event: &FuturesExecution) -> ExecutionReport {
    let asset = event.commission_asset.as_deref().unwrap_or_default();
    let trades = matches!(event.execution_type.as_str(), "TRADE" | "CALCULATED") && event.trade_id > 0;
    let trade = trades.then(|| {
        let paid = event.commission.unwrap_or_default().0;
        let paid = commission(&event.symbol, event.last_price.0, paid, asset, None);
        execution(&event.symbol, event.trade_id, event.last_qty.0, event.last_price.0, paid, event.time)
    });
    event_report(id, event.order_id, &event.status, event.filled_qty.0, trade, None)
}

fn event_report(
    id: ClientOrderId,
    order_id: u64,
    word: &str,
    filled: Decimal,
    trade: Option<Execution>,
    reason: Option<String>,
) -> ExecutionReport {
    // A word that nobody knows ends nothing: a look-up will say.
    let status = status_of(word).unwrap_or(OrderStatus::Working);
    let ended = (status == OrderStatus::Expired).then(|| format!("Binance ended it: {word}."));
    ExecutionReport {
        client_order_id: id,
        venue_order_id: Some(VenueOrderId(order_id.to_string())),
        status: partly(status, filled),
        filled_qty: Qty(filled),
        executions: Vec::from_iter(trade),
        reason: reason.or(ended),
    }
}
