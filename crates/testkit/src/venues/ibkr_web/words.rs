//! What the venue says.

use atomik_domain::{OrderStatus, OrderType, Side, TimeInForce};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::{VenueExecution, VenueOrder};
use super::{Listing, Shared};

/// The first order's id.
const FIRST_ID: u64 = 1_370_000_000;

/// A status that no document knows.
pub(super) const UNHEARD: &str = "Bewildered";

/// A decimal as a JSON number.
pub(super) fn number(decimal: Decimal) -> Value {
    serde_json::from_str(&decimal.normalize().to_string()).expect("a number")
}

pub(super) const fn order_id(id: u64) -> u64 {
    FIRST_ID + id
}

pub(super) fn id_of(order_id: &str) -> Option<u64> {
    order_id.parse::<u64>().ok()?.checked_sub(FIRST_ID)
}

pub(super) fn status(shared: &Shared, order: &VenueOrder) -> &'static str {
    if shared.state().odd.contains(&order.id) {
        return UNHEARD;
    }
    match order.status {
        OrderStatus::Filled => "Filled",
        OrderStatus::Canceled | OrderStatus::Expired => "Cancelled",
        OrderStatus::Rejected => "Inactive",
        OrderStatus::Working if order.asked.stop_price.is_some() && !order.triggered => "PreSubmitted",
        _ => "Submitted",
    }
}

fn type_word(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "Market",
        OrderType::Limit => "Limit",
        OrderType::Stop => "Stop",
        OrderType::StopLimit => "Stop Limit",
    }
}

fn tif_word(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Day | TimeInForce::Fok => "DAY",
    }
}

fn side_word(side: Side) -> &'static str {
    if side == Side::Buy { "BUY" } else { "SELL" }
}

pub(super) fn live_order(shared: &Shared, order: &VenueOrder, listing: &Listing) -> Value {
    let account = shared.state().account.clone();
    let mut row = json!({
        "account": account, "acct": account, "cashCcy": "USD", "companyName": listing.name,
        "conid": listing.conid, "conidex": listing.conid.to_string(), "description1": listing.local,
        "filledQuantity": number(order.filled()), "remainingQuantity": number(order.leaves()),
        "totalSize": number(order.asked.qty), "lastExecutionTime_r": order.updated_ms,
        "listingExchange": listing.exchange, "orderId": order_id(order.id),
        "orderType": type_word(order.asked.order_type), "origOrderType": type_word(order.asked.order_type).to_uppercase(),
        "secType": listing.kind, "side": side_word(order.asked.side), "status": status(shared, order),
        "order_ccp_status": status(shared, order), "ticker": listing.symbol,
        "timeInForce": tif_word(order.asked.time_in_force),
        "sizeAndFills": format!("{}/{}", order.filled(), order.asked.qty),
    });
    if !order.asked.client_order_id.is_empty() {
        row["order_ref"] = json!(order.asked.client_order_id);
    }
    if let (OrderStatus::Rejected, Some(reason)) = (order.status, &order.reason) {
        row["order_cancellation_by_system_reason"] = json!(reason);
    }
    if let Some(price) = order.avg_price() {
        row["avgPrice"] = json!(price.normalize().to_string());
    }
    row
}

pub(super) fn order_state(shared: &Shared, order: &VenueOrder, listing: &Listing) -> Value {
    let account = shared.state().account.clone();
    let word = status(shared, order);
    let mut state = json!({
        "account": account, "order_clearing_account": account, "alert_active": 1, "company_name": listing.name,
        "conid": listing.conid, "conidex": listing.conid.to_string(), "contract_description_1": listing.local,
        "cum_fill": format!("{:.1}", order.filled()), "total_size": format!("{:.1}", order.asked.qty),
        "size": format!("{:.1}", if order.status.is_final() { Decimal::ZERO } else { order.leaves() }),
        "currency": "USD", "order_id": order_id(order.id), "order_status": word,
        "order_status_description": format!("Order {word}"), "order_type": type_word(order.asked.order_type).to_uppercase(),
        "sec_type": listing.kind, "side": side_word(order.asked.side), "symbol": listing.symbol,
        "tif": tif_word(order.asked.time_in_force), "sub_type": null,
    });
    if let Some(price) = order.avg_price() {
        state["average_price"] = json!(price.normalize().to_string());
    }
    state
}

pub(super) fn trade(
    shared: &Shared,
    order: &VenueOrder,
    execution: &VenueExecution,
    listing: &Listing,
    with_commission: bool,
) -> Value {
    let account = shared.state().account.clone();
    let buys = order.asked.side == Side::Buy;
    let mut row = json!({
        "account": account, "accountCode": account, "account_allocation_name": account,
        "execution_id": format!("0000e0d5.6576fd38.{:08x}.01", execution.id), "clearing_id": "IB", "clearing_name": "IB",
        "conid": listing.conid, "conidEx": listing.conid.to_string(), "company_name": listing.name,
        "contract_description_1": listing.local, "exchange": listing.exchange, "listing_exchange": listing.exchange,
        "order_id": order_id(order.id), "sec_type": listing.kind, "side": if buys { "B" } else { "S" },
        "size": number(execution.qty), "price": execution.price.normalize().to_string(),
        "net_amount": number(execution.qty * execution.price * Decimal::from(listing.multiplier.max(1))),
        "order_description": format!("{} {} @ {}", if buys { "Bot" } else { "Sold" }, execution.qty, execution.price),
        "symbol": listing.symbol, "trade_time_r": execution.at_ms, "trade_time": "20261125-18:00:49",
        "liquidation_trade": "0", "is_event_trading": "0", "supports_tax_opt": "0",
    });
    if !order.asked.client_order_id.is_empty() {
        row["order_ref"] = json!(order.asked.client_order_id);
    }
    if with_commission {
        row["commission"] = json!(execution.commission.normalize().to_string());
    }
    row
}

/// All executions, the oldest first.
pub(super) fn trades(shared: &Shared, with_commission: bool) -> Value {
    let orders = shared.exchange.orders();
    let rows = orders.iter().filter_map(|order| Some((order, shared.listing_of(&order.asked.symbol)?)));
    let rows = rows.flat_map(|(order, listing)| {
        let row = |execution| trade(shared, order, execution, &listing, with_commission);
        order.executions.iter().map(row).collect::<Vec<_>>()
    });
    Value::Array(rows.collect())
}

/// The orders of this session, and what is open of earlier ones.
pub(super) fn live_orders(shared: &Shared) -> Vec<Value> {
    let forgotten = shared.state().forgotten;
    let orders = shared.exchange.orders();
    let listed = orders.iter().filter(|order| order.id > forgotten || !order.status.is_final());
    listed
        .filter_map(|order| Some(live_order(shared, order, &shared.listing_of(&order.asked.symbol)?)))
        .collect()
}
