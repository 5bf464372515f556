//! Which orders are taken.

use atomik_domain::{OrderType, Side, TimeInForce};
use axum::http::StatusCode;
use rust_decimal::Decimal;
use serde_json::Value;

use super::{Listing, Shared, lock, words};
use crate::venues::exchange::{NewOrder, Refused};

/// A refusal: status, code and message.
pub(super) type Refusal = (StatusCode, u32, String);

const UNREADABLE: u32 = 40_010_001;
const INVALID: u32 = 42_210_000;
const FORBIDDEN: u32 = 40_310_000;

fn unreadable(message: impl Into<String>) -> Refusal {
    (StatusCode::UNPROCESSABLE_ENTITY, UNREADABLE, message.into())
}

fn invalid(message: impl Into<String>) -> Refusal {
    (StatusCode::UNPROCESSABLE_ENTITY, INVALID, message.into())
}

fn forbidden(message: impl Into<String>) -> Refusal {
    (StatusCode::FORBIDDEN, FORBIDDEN, message.into())
}

/// A decimal of a body: a string by the document, a number by the venue's own client.
fn decimal(body: &Value, name: &str) -> Result<Option<Decimal>, Refusal> {
    let text = match &body[name] {
        Value::Null => return Ok(None),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(unreadable(format!("{name} must be a number"))),
    };
    text.parse().map(Some).map_err(|_| unreadable(format!("{name} must be a number")))
}

fn word<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body[name].as_str().ok_or_else(|| unreadable(format!("{name} is required")))
}

/// Reads an order and holds it against the rules.
pub(super) fn read(shared: &Shared, body: &Value) -> Result<NewOrder, Refusal> {
    let blocks = *lock(&shared.blocks);
    if blocks.account || blocks.trading || blocks.by_user {
        return Err(forbidden("account is not allowed to trade"));
    }
    let symbol = word(body, "symbol")?;
    let listing = shared.listing(symbol).ok_or_else(|| invalid(format!("asset \"{symbol}\" not found")))?;
    if !listing.tradable {
        return Err(invalid(format!("asset {symbol} is not tradable")));
    }
    let qty = decimal(body, "qty")?.ok_or_else(|| unreadable("qty is required"))?;
    if qty <= Decimal::ZERO || qty.scale() > 9 && qty.normalize().scale() > 9 {
        return Err(unreadable("qty must be positive and have at most 9 decimals"));
    }
    let side = words::side(word(body, "side")?).ok_or_else(|| unreadable("invalid side"))?;
    let order_type: OrderType = word(body, "type")?.parse().map_err(|_| unreadable("invalid type"))?;
    let time_in_force: TimeInForce =
        word(body, "time_in_force")?.parse().map_err(|_| unreadable("invalid time_in_force"))?;
    let limit_price = decimal(body, "limit_price")?;
    let stop_price = decimal(body, "stop_price")?;
    let needs_limit = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
    let needs_stop = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
    if needs_limit != limit_price.is_some() || needs_stop != stop_price.is_some() {
        return Err(invalid(format!("{order_type} orders need other prices")));
    }
    for price in limit_price.iter().chain(&stop_price) {
        check_price(&listing, *price)?;
    }
    check_kind(&listing, order_type, time_in_force, qty)?;
    check_holdings(shared, &listing, side, qty)?;
    check_money(shared, &listing, side, qty)?;
    let client_order_id = body["client_order_id"].as_str().unwrap_or_default().to_owned();
    if client_order_id.len() > 128 {
        return Err(unreadable("client_order_id must be no more than 128 characters"));
    }
    let symbol = listing.symbol;
    let reduce_only = false;
    Ok(NewOrder {
        client_order_id,
        symbol,
        side,
        order_type,
        time_in_force,
        qty,
        limit_price,
        stop_price,
        reduce_only,
    })
}

fn check_price(listing: &Listing, price: Decimal) -> Result<(), Refusal> {
    let tick = match listing.increments {
        Some((_, tick)) => tick,
        None if price < Decimal::ONE => Decimal::new(1, 4),
        None => Decimal::new(1, 2),
    };
    if price <= Decimal::ZERO || !(price % tick).is_zero() {
        let problem = "sub-penny increment does not fulfill minimum pricing criteria";
        return Err(invalid(format!("invalid price {price}. {problem}")));
    }
    Ok(())
}

fn check_kind(
    listing: &Listing,
    order_type: OrderType,
    time_in_force: TimeInForce,
    qty: Decimal,
) -> Result<(), Refusal> {
    if listing.crypto {
        if !matches!(time_in_force, TimeInForce::Gtc | TimeInForce::Ioc) {
            return Err(invalid("invalid crypto time_in_force"));
        }
        if order_type == OrderType::Stop {
            return Err(invalid("invalid order type for crypto order"));
        }
        return Ok(());
    }
    if qty.fract().is_zero() {
        return Ok(());
    }
    if !listing.fractionable {
        return Err(forbidden(format!("asset \"{}\" is not fractionable", listing.symbol)));
    }
    if time_in_force != TimeInForce::Day {
        return Err(invalid("fractional orders must be DAY orders"));
    }
    Ok(())
}

/// Selling more than is held long is refused, selling short only whole shares is not.
fn check_holdings(shared: &Shared, listing: &Listing, side: Side, qty: Decimal) -> Result<(), Refusal> {
    let held = shared.exchange.held().get(&listing.symbol).map_or(Decimal::ZERO, |held| held.qty);
    let against = if side == Side::Sell { held } else { -held };
    if against > Decimal::ZERO && qty > against {
        let problem =
            format!("insufficient qty available for order (requested: {qty}, available: {against})");
        return Err(forbidden(problem));
    }
    if side == Side::Sell && against <= Decimal::ZERO {
        if listing.crypto {
            let coin = listing.symbol.split('/').next().unwrap_or_default();
            let problem = format!("insufficient balance for {coin} (requested: {qty}, available: 0)");
            return Err(forbidden(problem));
        }
        if !qty.fract().is_zero() {
            return Err(invalid("fractional orders cannot be sold short"));
        }
    }
    Ok(())
}

fn check_money(shared: &Shared, listing: &Listing, side: Side, qty: Decimal) -> Result<(), Refusal> {
    let price = shared.exchange.market(&listing.symbol).map_or(Decimal::ZERO, |market| market.price);
    let power = shared.exchange.cash() * Decimal::TWO;
    if side == Side::Buy && price * qty > power {
        return Err(forbidden("insufficient buying power"));
    }
    Ok(())
}

/// What the exchange refuses, in the venue's words.
pub(super) fn refused(refused: &Refused) -> Refusal {
    match refused {
        Refused::Duplicate(_) => unreadable("client_order_id must be unique"),
        Refused::UnknownSymbol => invalid("asset not found"),
        Refused::Quantity => invalid("invalid qty"),
        Refused::NothingToReduce => invalid("nothing to reduce"),
    }
}
