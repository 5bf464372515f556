//! What the venue says, in JSON.

use atomik_domain::{OrderStatus, OrderType, Side};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Listing, Shared, lock};
use crate::venues::exchange::{Held, VenueExecution, VenueOrder};

/// A status that no document knows.
pub(super) const OF_TOMORROW: &str = "teleported";

/// A number that is a name, as a UUID.
pub(super) fn uuid(kind: u32, number: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

/// The number in a UUID of ours.
pub(super) fn number(uuid: &str) -> Option<u64> {
    u64::from_str_radix(uuid.rsplit('-').next()?, 16).ok()
}

pub(super) fn order_id(id: u64) -> String {
    uuid(0x0a_de_00_01, id)
}

pub(super) fn asset_id(number: usize) -> String {
    uuid(0x0a_55_e7_00, number as u64)
}

/// Milliseconds since 1970 as RFC 3339, and as the digits that an activity's id begins with.
fn moment(ms: i64) -> (String, String) {
    let text = atomik_domain::UnixMicros(ms * 1_000).to_rfc3339();
    let digits: String = text.chars().filter(char::is_ascii_digit).take(17).collect();
    (text, digits)
}

fn status(order: &VenueOrder) -> &'static str {
    match order.status {
        OrderStatus::PartiallyFilled => "partially_filled",
        OrderStatus::Filled => "filled",
        // What an IOC or a FOK order leaves is canceled, by the document.
        OrderStatus::Canceled | OrderStatus::Expired => "canceled",
        OrderStatus::Rejected => "rejected",
        _ => "new",
    }
}

pub(super) fn order(shared: &Shared, order: &VenueOrder) -> Value {
    let (created, _) = moment(order.created_ms);
    let (updated, _) = moment(order.updated_ms);
    let asked = &order.asked;
    let status = if lock(&shared.odd).contains(&order.id) { OF_TOMORROW } else { status(order) };
    let is_crypto = asked.symbol.contains('/');
    let text = |value: Option<Decimal>| value.map(|value| value.normalize().to_string());
    let kind = match asked.order_type {
        OrderType::Market => "market",
        OrderType::Limit => "limit",
        OrderType::Stop => "stop",
        OrderType::StopLimit => "stop_limit",
    };
    let at = |wanted: &str| (status == wanted).then(|| updated.clone());
    json!({
        "id": order_id(order.id),
        "client_order_id": asked.client_order_id,
        "created_at": created, "updated_at": updated, "submitted_at": created,
        "filled_at": at("filled"), "expired_at": null, "canceled_at": at("canceled"), "failed_at": null,
        "replaced_at": null, "replaced_by": null, "replaces": null,
        "asset_id": shared.asset_id(&asked.symbol),
        "symbol": asked.symbol,
        "asset_class": if is_crypto { "crypto" } else { "us_equity" },
        "notional": null,
        "qty": text(Some(asked.qty)),
        "filled_qty": text(Some(order.filled())),
        "filled_avg_price": text(order.avg_price()),
        "order_class": "", "order_type": kind, "type": kind,
        "side": asked.side.as_str(),
        "time_in_force": asked.time_in_force.as_str(),
        "limit_price": text(asked.limit_price),
        "stop_price": text(asked.stop_price),
        "status": status,
        "extended_hours": false, "legs": null, "trail_percent": null, "trail_price": null, "hwm": null,
        "subtag": null, "source": null,
    })
}

pub(super) fn fill(order: &VenueOrder, execution: &VenueExecution) -> Value {
    let before = |other: &&VenueExecution| other.id <= execution.id;
    let cumulative: Decimal = order.executions.iter().filter(before).map(|other| other.qty).sum();
    let leaves = order.asked.qty - cumulative;
    let (at, digits) = moment(execution.at_ms);
    let is_whole = leaves.is_zero();
    json!({
        "id": format!("{digits}::{}", uuid(0x0f_11_00_01, execution.id)),
        "activity_type": "FILL",
        "transaction_time": at,
        "type": if is_whole { "fill" } else { "partial_fill" },
        "price": execution.price.normalize().to_string(),
        "qty": execution.qty.normalize().to_string(),
        "side": order.asked.side.as_str(),
        "symbol": order.asked.symbol,
        "leaves_qty": leaves.normalize().to_string(),
        "order_id": order_id(order.id),
        "cum_qty": cumulative.normalize().to_string(),
        "order_status": if is_whole { "filled" } else { "partially_filled" },
    })
}

/// An update of the stream. Its name for the execution is not the activity's.
pub(super) fn update(shared: &Shared, about: &VenueOrder, execution: Option<&VenueExecution>) -> Value {
    let said = order(shared, about);
    let (at, _) = moment(about.updated_ms);
    let mut data = json!({"order": said, "timestamp": at});
    match execution {
        Some(execution) => {
            data["event"] = json!(if about.status == OrderStatus::Filled { "fill" } else { "partial_fill" });
            data["execution_id"] = json!(uuid(0x0e_8e_c0_01, execution.id));
            data["price"] = json!(execution.price.normalize().to_string());
            data["qty"] = json!(execution.qty.normalize().to_string());
            data["position_qty"] = json!(execution.position_after.normalize().to_string());
        }
        None if about.status.is_final() => data["event"] = json!("canceled"),
        None => data["event"] = json!("new"),
    }
    json!({"stream": "trade_updates", "data": data})
}

pub(super) fn position(shared: &Shared, symbol: &str, held: &Held) -> Value {
    let price = shared.exchange.market(symbol).map_or(Decimal::ZERO, |market| market.price);
    let (cost, value) = (held.qty * held.avg_price, held.qty * price);
    let text = |value: Decimal| value.normalize().to_string();
    let is_crypto = symbol.contains('/');
    let part = |value: Decimal| text(value.checked_div(cost.abs()).unwrap_or_default().round_dp(6));
    json!({
        "asset_id": shared.asset_id(symbol),
        // Positions in coins are spelled without the slash.
        "symbol": symbol.replace('/', ""),
        "exchange": if is_crypto { "CRYPTO" } else { "NYSE" },
        "asset_class": if is_crypto { "crypto" } else { "us_equity" },
        "asset_marginable": !is_crypto,
        "qty": text(held.qty), "qty_available": text(held.qty),
        "avg_entry_price": text(held.avg_price),
        "side": if held.qty > Decimal::ZERO { "long" } else { "short" },
        "market_value": text(value), "cost_basis": text(cost),
        "unrealized_pl": text(value - cost), "unrealized_plpc": part(value - cost),
        "unrealized_intraday_pl": text(value - cost), "unrealized_intraday_plpc": part(value - cost),
        "current_price": text(price), "lastday_price": text(price), "change_today": "0",
    })
}

pub(super) fn account(shared: &Shared) -> Value {
    let exchange = &shared.exchange;
    let held = exchange.held();
    let cost: Decimal = held.values().map(|held| held.qty * held.avg_price).sum();
    let equity = exchange.cash() + exchange.unrealized();
    let text = |value: Decimal| value.normalize().to_string();
    let blocks = *lock(&shared.blocks);
    json!({
        "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98", "account_number": "PA0123456789",
        "status": "ACTIVE", "crypto_status": "ACTIVE", "currency": "USD",
        "cash": text(exchange.cash() - cost), "equity": text(equity), "portfolio_value": text(equity),
        "buying_power": text(exchange.cash() * Decimal::TWO),
        "account_blocked": blocks.account, "trading_blocked": blocks.trading,
        "trade_suspended_by_user": blocks.by_user, "transfers_blocked": false, "shorting_enabled": true,
        "multiplier": "2", "created_at": "2019-06-12T22:47:07.99658Z",
        "long_market_value": "0", "short_market_value": "0", "initial_margin": "0", "maintenance_margin": "0",
        "last_equity": text(equity), "last_maintenance_margin": "0", "sma": "0", "regt_buying_power": text(equity),
        "daytrading_buying_power": "0", "non_marginable_buying_power": text(exchange.cash() - cost),
        "pattern_day_trader": false, "daytrade_count": 0,
    })
}

pub(super) fn asset(number: usize, listing: &Listing) -> Value {
    let mut said = json!({
        "id": asset_id(number),
        "class": if listing.crypto { "crypto" } else { "us_equity" },
        "exchange": if listing.crypto { "CRYPTO" } else { "NYSE" },
        "symbol": listing.symbol, "name": listing.name,
        "status": "active", "tradable": listing.tradable, "marginable": !listing.crypto,
        "shortable": !listing.crypto, "easy_to_borrow": !listing.crypto, "fractionable": listing.fractionable,
        "attributes": [],
    });
    if let Some((lot, tick)) = listing.increments {
        said["min_order_size"] = json!(lot.to_string());
        said["min_trade_increment"] = json!(lot.to_string());
        said["price_increment"] = json!(tick.to_string());
    }
    said
}

/// A side in the venue's words.
pub(super) fn side(text: &str) -> Option<Side> {
    text.parse().ok()
}
