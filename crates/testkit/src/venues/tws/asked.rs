//! An order as a client asks for it, and as the exchange takes it.

use atomik_domain::{OrderType, Side, TimeInForce};
use rust_decimal::Decimal;

use super::listings::Listing;
use super::requests::OrderFields;
use crate::venues::exchange::NewOrder;

/// The order, or the code and the text of TWS's refusal.
pub(super) fn new_order(listing: &Listing, asked: &OrderFields) -> Result<NewOrder, (i32, String)> {
    let invalid = |what: &str| (321, format!("Error validating request.-'bG' : cause - Invalid {what}"));
    let side = match asked.action.as_str() {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(invalid("action")),
    };
    let order_type = match asked.order_type.as_str() {
        "MKT" => OrderType::Market,
        "LMT" => OrderType::Limit,
        "STP" => OrderType::Stop,
        "STP LMT" => OrderType::StopLimit,
        _ => return Err((387, "Unsupported order type for this exchange and security type.".to_owned())),
    };
    let time_in_force = match asked.tif.as_str() {
        "DAY" | "" => TimeInForce::Day,
        "GTC" => TimeInForce::Gtc,
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        _ => return Err((10_052, "Invalid time in force".to_owned())),
    };
    let price = |text: &str| -> Result<Decimal, (i32, String)> {
        let price: Decimal = text.parse().map_err(|_| invalid("price"))?;
        if (price % listing.min_tick).is_zero() {
            Ok(price)
        } else {
            Err((
                110,
                "The price does not conform to the minimum price variation for this contract.".to_owned(),
            ))
        }
    };
    let has_limit = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
    let has_stop = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
    Ok(NewOrder {
        client_order_id: asked.order_ref.clone(),
        symbol: listing.local_symbol.clone(),
        side,
        order_type,
        time_in_force,
        qty: asked.qty.parse().map_err(|_| invalid("size"))?,
        limit_price: if has_limit { Some(price(&asked.limit)?) } else { None },
        stop_price: if has_stop { Some(price(&asked.stop)?) } else { None },
        reduce_only: false,
    })
}
