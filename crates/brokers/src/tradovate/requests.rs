//! What the venue is asked: the bodies of requests.

use atomik_domain::{OrderRequest, OrderType, Price, Side, TimeInForce};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use serde_json::value::RawValue;

/// An order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlaceOrder {
    account_spec: String,
    account_id: i64,
    cl_ord_id: String,
    action: &'static str,
    symbol: String,
    order_qty: u64,
    order_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_price: Option<Box<RawValue>>,
    time_in_force: &'static str,
    /// Exchanges want orders of programs marked.
    is_automated: bool,
}

/// A cancel. It has no client order id: ours names the order, not its commands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelOrder {
    pub order_id: i64,
    pub is_automated: bool,
}

/// What the stream is asked for. `entityTypes` must be given: nothing comes otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncRequest {
    pub split_responses: bool,
    pub accounts: [i64; 1],
    pub entity_types: &'static [&'static str],
}

/// The entities that the tracker reads.
pub(super) const ENTITY_TYPES: &[&str] =
    &["order", "orderVersion", "command", "fill", "executionReport", "position"];

impl PlaceOrder {
    /// An order for a contract.
    ///
    /// # Errors
    /// The rule of the venue that it breaks: it would take nothing.
    pub fn new(
        request: &OrderRequest,
        contract: &str,
        tick: Price,
        account: (i64, &str),
    ) -> Result<Self, String> {
        let qty = request.order_qty.0.normalize();
        let whole = qty.to_u64().filter(|whole| *whole > 0 && Decimal::from(*whole) == qty);
        let order_qty = whole
            .ok_or_else(|| format!("Tradovate trades whole contracts, and {qty} is not a number of them."))?;
        let priced = matches!(request.order_type, OrderType::Limit | OrderType::StopLimit);
        let stopped = matches!(request.order_type, OrderType::Stop | OrderType::StopLimit);
        Ok(Self {
            account_spec: account.1.to_owned(),
            account_id: account.0,
            cl_ord_id: request.client_order_id.to_string(),
            action: action(request.side),
            symbol: contract.to_owned(),
            order_qty,
            order_type: order_type(request.order_type),
            price: price(priced, request.limit_price, tick, "limit price")?,
            stop_price: price(stopped, request.stop_price, tick, "stop price")?,
            time_in_force: time_in_force(request.order_type, request.time_in_force),
            is_automated: true,
        })
    }
}

const fn action(side: Side) -> &'static str {
    match side {
        Side::Buy => "Buy",
        Side::Sell => "Sell",
    }
}

const fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "Market",
        OrderType::Limit => "Limit",
        OrderType::Stop => "Stop",
        OrderType::StopLimit => "StopLimit",
    }
}

/// A market order that the exchange's price protection left open must not work on the next day: `Day` for `GTC`.
const fn time_in_force(order_type: OrderType, time_in_force: TimeInForce) -> &'static str {
    match (time_in_force, order_type) {
        (TimeInForce::Day, _) | (TimeInForce::Gtc, OrderType::Market) => "Day",
        (TimeInForce::Gtc, _) => "GTC",
        (TimeInForce::Ioc, _) => "IOC",
        (TimeInForce::Fok, _) => "FOK",
    }
}

fn price(
    is_needed: bool,
    price: Option<Price>,
    tick: Price,
    name: &str,
) -> Result<Option<Box<RawValue>>, String> {
    if !is_needed {
        return Ok(None);
    }
    let price = price.ok_or_else(|| format!("The order has no {name}."))?;
    if price.round_to_tick(tick) != price {
        return Err(format!("The {name} {price} is not a multiple of the tick {tick}."));
    }
    number(price.0).map(Some)
}

/// A decimal as a JSON number with all its digits.
fn number(decimal: Decimal) -> Result<Box<RawValue>, String> {
    RawValue::from_string(decimal.normalize().to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use atomik_domain::money::parse_decimal;
    use atomik_domain::{ClientOrderId, Qty, Symbol};
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn request(order_type: OrderType, time_in_force: TimeInForce) -> OrderRequest {
        OrderRequest {
            client_order_id: ClientOrderId::from_bytes([7; 16]),
            symbol: Symbol::parse("ES").unwrap(),
            side: Side::Sell,
            order_type,
            time_in_force,
            order_qty: Qty(Decimal::TWO),
            limit_price: Some(Price(parse_decimal("5000.250").unwrap())),
            stop_price: Some(Price(parse_decimal("5010").unwrap())),
            reduce_only: false,
            reference_price: None,
        }
    }

    fn tick() -> Price {
        Price(parse_decimal("0.25").unwrap())
    }

    fn body(request: &OrderRequest) -> Result<Value, String> {
        let order = PlaceOrder::new(request, "ESZ6", tick(), (12, "DEMO12"))?;
        Ok(serde_json::from_str(&serde_json::to_string(&order).unwrap()).unwrap())
    }

    #[test]
    fn an_order_is_written_as_documented_and_marked_as_automated() {
        let written = body(&request(OrderType::StopLimit, TimeInForce::Gtc)).unwrap();
        let expected = json!({
            "accountSpec": "DEMO12", "accountId": 12, "clOrdId": "07070707070707070707070707070707",
            "action": "Sell", "symbol": "ESZ6", "orderQty": 2, "orderType": "StopLimit", "price": 5000.25,
            "stopPrice": 5010, "timeInForce": "GTC", "isAutomated": true,
        });
        assert_eq!(written, expected);
    }

    #[rstest]
    #[case(OrderType::Market, TimeInForce::Gtc, "Market", "Day", false, false)]
    #[case(OrderType::Market, TimeInForce::Day, "Market", "Day", false, false)]
    #[case(OrderType::Market, TimeInForce::Ioc, "Market", "IOC", false, false)]
    #[case(OrderType::Limit, TimeInForce::Day, "Limit", "Day", true, false)]
    #[case(OrderType::Limit, TimeInForce::Gtc, "Limit", "GTC", true, false)]
    #[case(OrderType::Limit, TimeInForce::Ioc, "Limit", "IOC", true, false)]
    #[case(OrderType::Limit, TimeInForce::Fok, "Limit", "FOK", true, false)]
    #[case(OrderType::Stop, TimeInForce::Gtc, "Stop", "GTC", false, true)]
    #[case(OrderType::StopLimit, TimeInForce::Day, "StopLimit", "Day", true, true)]
    fn types_and_times_have_the_venues_names(
        #[case] order_type: OrderType,
        #[case] time_in_force: TimeInForce,
        #[case] type_name: &str,
        #[case] time_name: &str,
        #[case] has_price: bool,
        #[case] has_stop: bool,
    ) {
        let written = body(&request(order_type, time_in_force)).unwrap();
        assert_eq!((&written["orderType"], &written["timeInForce"]), (&json!(type_name), &json!(time_name)));
        assert_eq!(
            (written.get("price").is_some(), written.get("stopPrice").is_some()),
            (has_price, has_stop)
        );
    }

    #[test]
    fn what_the_venue_would_never_take_is_not_sent() {
        let plain = request(OrderType::Limit, TimeInForce::Day);
        for (wrong, why) in [
            (
                OrderRequest { order_qty: Qty(Decimal::ONE / Decimal::TWO), ..plain.clone() },
                "whole contracts",
            ),
            (OrderRequest { order_qty: Qty::ZERO, ..plain.clone() }, "whole contracts"),
            (OrderRequest { limit_price: None, ..plain.clone() }, "no limit price"),
            (OrderRequest { limit_price: Some(Price(parse_decimal("5000.1").unwrap())), ..plain }, "tick"),
        ] {
            assert!(body(&wrong).unwrap_err().contains(why), "{why}");
        }
    }
}
