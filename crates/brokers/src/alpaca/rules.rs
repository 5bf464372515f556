//! Which orders the venue takes, and how they are written.

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Instrument, OrderRequest, OrderType, Price, Qty, Symbol, TimeInForce};
use rust_decimal::Decimal;
use serde::Serialize;

use super::replies::Asset;

/// The least part of a share.
const LEAST_PART: Decimal = Decimal::from_parts(1, 0, 0, false, 9);
/// Ticks of shares: a cent, and a hundredth of one below a dollar.
const CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
const SUB_CENT: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// An order as `POST /v2/orders` wants it.
#[derive(Debug, Serialize)]
pub(super) struct OrderTicket {
    pub symbol: String,
    pub qty: String,
    pub side: &'static str,
    #[serde(rename = "type")]
    pub order_type: &'static str,
    pub time_in_force: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<String>,
    pub client_order_id: String,
}

/// The kind of an asset; `None` for what we do not trade: options, bonds and others.
pub(super) fn class_of(asset: &Asset) -> Option<AssetClass> {
    match asset.class.as_str() {
        "us_equity" => Some(AssetClass::Equity),
        "crypto" => Some(AssetClass::Crypto),
        _ => None,
    }
}

/// Quantities are multiples of this.
fn lot_of(asset: &Asset, class: AssetClass, fractional: bool) -> Decimal {
    if class == AssetClass::Equity && !(asset.fractionable && fractional) {
        return Decimal::ONE;
    }
    asset.min_trade_increment.filter(|increment| *increment > Decimal::ZERO).unwrap_or(LEAST_PART)
}

fn tick_of(asset: &Asset, price: Option<Decimal>) -> Decimal {
    let own = asset.price_increment.filter(|increment| *increment > Decimal::ZERO);
    own.unwrap_or(if price.is_some_and(|price| price < Decimal::ONE) { SUB_CENT } else { CENT })
}

/// The rules of an asset, asked for as `symbol`.
pub(super) fn instrument_of(symbol: &Symbol, asset: &Asset, fractional: bool) -> Option<Instrument> {
    let class = class_of(asset)?;
    let own = Symbol::parse(&asset.symbol).ok()?;
    let currency = asset.symbol.split_once('/').map_or("USD", |(_, quote)| quote).to_owned();
    Some(Instrument {
        contract: (own != *symbol).then_some(own),
        symbol: symbol.clone(),
        name: if asset.name.is_empty() { asset.symbol.clone() } else { asset.name.clone() },
        asset_class: class,
        exchange: asset.exchange.clone(),
        currency,
        tick_size: Price(tick_of(asset, None)),
        lot_size: Qty(lot_of(asset, class, fractional)),
        multiplier: Decimal::ONE,
        known: true,
    })
}

/// How an order is written, or why the venue would refuse it: by rules that it documents, so that nothing needs to be sent.
pub(super) fn ticket_for(
    request: &OrderRequest,
    asset: &Asset,
    fractional: bool,
) -> Result<OrderTicket, String> {
    let class = class_of(asset).ok_or_else(|| format!("Atomik does not trade {} at Alpaca", asset.class))?;
    let qty = request.order_qty.0;
    let lot = lot_of(asset, class, fractional);
    if qty <= Decimal::ZERO || !qty.checked_rem(lot).is_some_and(|rest| rest.is_zero()) {
        let lot = Qty(lot);
        return Err(format!(
            "{} is no multiple of {lot}, the least quantity of {}",
            request.order_qty, asset.symbol
        ));
    }
    let is_whole = qty.fract().is_zero();
    let time_in_force = time_in_force(request.order_type, request.time_in_force, class, is_whole)?;
    let price = |price: Option<Price>, what: &str| -> Result<String, String> {
        let price = price.ok_or_else(|| format!("the order has no {what}"))?;
        let tick = tick_of(asset, Some(price.0));
        if price.0 <= Decimal::ZERO || !price.0.checked_rem(tick).is_some_and(|rest| rest.is_zero()) {
            return Err(format!("the {what} {price} is no multiple of the tick {}", Price(tick)));
        }
        Ok(price.to_string())
    };
    let is_limit = matches!(request.order_type, OrderType::Limit | OrderType::StopLimit);
    let is_stop = matches!(request.order_type, OrderType::Stop | OrderType::StopLimit);
    Ok(OrderTicket {
        symbol: asset.symbol.clone(),
        qty: request.order_qty.to_string(),
        side: request.side.as_str(),
        order_type: request.order_type.as_str(),
        time_in_force,
        limit_price: is_limit.then(|| price(request.limit_price, "limit price")).transpose()?,
        stop_price: is_stop.then(|| price(request.stop_price, "stop price")).transpose()?,
        client_order_id: request.client_order_id.to_string(),
    })
}

/// The venue's word for how long an order lives. A market order trades at once, or at the next opening: there the words
/// mean the same, and the one that the asset allows is taken. A resting order lives as long as was asked, or is refused.
fn time_in_force(
    order_type: OrderType,
    asked: TimeInForce,
    class: AssetClass,
    is_whole: bool,
) -> Result<&'static str, String> {
    let is_market = order_type == OrderType::Market;
    if class == AssetClass::Crypto {
        if order_type == OrderType::Stop {
            return Err("Alpaca takes no stop orders for coins, only stop-limit orders".to_owned());
        }
        return match asked {
            TimeInForce::Gtc => Ok("gtc"),
            TimeInForce::Ioc => Ok("ioc"),
            TimeInForce::Day if is_market => Ok("gtc"),
            other => Err(format!("Alpaca takes no {other} {order_type} orders for coins, only gtc and ioc")),
        };
    }
    if !is_whole {
        return match asked {
            TimeInForce::Day => Ok("day"),
            TimeInForce::Gtc if is_market => Ok("day"),
            other => Err(format!("Alpaca takes orders for parts of a share for the day only, not {other}")),
        };
    }
    Ok(asked.as_str())
}
