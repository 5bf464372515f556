//! Orders on their way out, and where TWS says that they stand.

use atomik_domain::{ClientOrderId, OrderRequest, OrderStatus, OrderType, Qty, Side, TimeInForce};
use ibapi::contracts::{Contract, SecurityType};
use ibapi::orders::{Action, Order, OrderStatusKind, TimeInForce as Tif};
use rust_decimal::Decimal;

use super::exact;

/// The order as TWS takes it.
///
/// # Errors
/// Why it cannot be said exactly; nothing is sent then.
pub(super) fn to_wire(request: &OrderRequest, contract: &Contract, account: &str) -> Result<Order, String> {
    let exactly = |what: &str, decimal: Decimal| {
        exact::double(decimal).ok_or_else(|| {
            format!("The {what} {} has more digits than the socket protocol can carry.", decimal.normalize())
        })
    };
    let needed = |what: &str, decimal: Option<Decimal>| {
        let decimal = decimal.ok_or_else(|| format!("The order has no {what}."))?;
        exactly(what, decimal).map(Some)
    };
    let (limit, stop) = (request.limit_price.map(|price| price.0), request.stop_price.map(|price| price.0));
    let (limit_price, aux_price) = match request.order_type {
        OrderType::Market => (None, None),
        OrderType::Limit => (needed("limit price", limit)?, None),
        OrderType::Stop => (None, needed("stop price", stop)?),
        OrderType::StopLimit => (needed("limit price", limit)?, needed("stop price", stop)?),
    };
    let is_future = contract.security_type == SecurityType::Future;
    Ok(Order {
        action: if request.side == Side::Buy { Action::Buy } else { Action::Sell },
        total_quantity: exactly("quantity", request.order_qty.0)?,
        order_type: order_type(request.order_type).to_owned(),
        limit_price,
        aux_price,
        tif: time_in_force(request.time_in_force),
        order_ref: request.client_order_id.to_string(),
        account: account.to_owned(),
        transmit: true,
        // A future trades around the clock; without this a stop waits for the day session.
        outside_rth: is_future,
        // "Placed by a program", which US futures exchanges want said.
        manual_order_indicator: is_future.then_some(0),
        ..Order::default()
    })
}

/// An order type in TWS's words.
pub(super) const fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "MKT",
        OrderType::Limit => "LMT",
        OrderType::Stop => "STP",
        OrderType::StopLimit => "STP LMT",
    }
}

fn time_in_force(time_in_force: TimeInForce) -> Tif {
    match time_in_force {
        TimeInForce::Day => Tif::Day,
        TimeInForce::Gtc => Tif::GoodTillCanceled,
        TimeInForce::Ioc => Tif::ImmediateOrCancel,
        TimeInForce::Fok => Tif::FillOrKill,
    }
}

/// The client order id in an order's reference, where it is one of ours.
pub(super) fn reference(order_ref: &str) -> Option<ClientOrderId> {
    order_ref.parse().ok()
}

/// Whether TWS's word proves that the order is with Interactive Brokers, and not only in TWS.
pub(super) const fn is_taken(kind: &OrderStatusKind) -> bool {
    matches!(
        kind,
        OrderStatusKind::PreSubmitted
            | OrderStatusKind::Submitted
            | OrderStatusKind::PendingCancel
            | OrderStatusKind::Filled
            | OrderStatusKind::Cancelled
            | OrderStatusKind::ApiCancelled
    )
}

/// Whether nothing follows on TWS's word.
pub(super) const fn is_over(kind: &OrderStatusKind) -> bool {
    matches!(kind, OrderStatusKind::Filled | OrderStatusKind::Cancelled | OrderStatusKind::ApiCancelled)
}

/// Where an order stands. `refused` tells whether TWS said so with a code of refusal. `Inactive` alone is not the end: TWS
/// uses the word for orders that were rejected as well as for orders that wait.
pub(super) fn status(kind: &OrderStatusKind, filled: Qty, refused: bool) -> OrderStatus {
    match kind {
        OrderStatusKind::Filled => OrderStatus::Filled,
        _ if refused && filled.is_zero() => OrderStatus::Rejected,
        OrderStatusKind::Cancelled | OrderStatusKind::ApiCancelled => OrderStatus::Canceled,
        _ if refused => OrderStatus::Canceled,
        _ if filled.is_zero() => OrderStatus::Working,
        _ => OrderStatus::PartiallyFilled,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use atomik_domain::{Price, SignalId, StrategyId, Symbol};
    use uuid::Uuid;

    use super::*;

    fn request(order_type: OrderType, time_in_force: TimeInForce) -> OrderRequest {
        OrderRequest {
            client_order_id: ClientOrderId::derive(Uuid::nil(), SignalId(1), StrategyId(1), 0),
            symbol: Symbol::parse("AAPL").unwrap(),
            side: Side::Sell,
            order_type,
            time_in_force,
            order_qty: Qty(Decimal::new(15, 1)),
            limit_price: Some(Price(Decimal::new(500_025, 2))),
            stop_price: Some(Price(Decimal::new(4_999, 0))),
            reduce_only: true,
            reference_price: None,
        }
    }

    #[test]
    fn each_order_type_carries_its_prices_and_no_others() {
        let table = [
            (OrderType::Market, "MKT", None, None),
            (OrderType::Limit, "LMT", Some(5000.25), None),
            (OrderType::Stop, "STP", None, Some(4999.0)),
            (OrderType::StopLimit, "STP LMT", Some(5000.25), Some(4999.0)),
        ];
        for (order_type, word, limit, stop) in table {
            let request = request(order_type, TimeInForce::Gtc);
            let order = to_wire(&request, &Contract::default(), "DU1").unwrap();
            let told = (order.order_type.as_str(), order.limit_price, order.aux_price);
            assert_eq!(told, (word, limit, stop));
            assert_eq!((order.total_quantity, order.action, order.transmit), (1.5, Action::Sell, true));
            assert_eq!(
                (reference(&order.order_ref), order.account.as_str()),
                (Some(request.client_order_id), "DU1")
            );
        }
    }

    #[test]
    fn each_time_in_force_has_its_word() {
        let table = [
            (TimeInForce::Day, "DAY"),
            (TimeInForce::Gtc, "GTC"),
            (TimeInForce::Ioc, "IOC"),
            (TimeInForce::Fok, "FOK"),
        ];
        for (ours, word) in table {
            let order = to_wire(&request(OrderType::Market, ours), &Contract::default(), "DU1").unwrap();
            assert_eq!(order.tif.as_str(), word);
        }
    }

    #[test]
    fn a_future_trades_outside_the_day_session_and_is_marked_as_a_programs() {
        let future = Contract { security_type: SecurityType::Future, ..Contract::default() };
        let request = request(OrderType::Stop, TimeInForce::Gtc);
        let order = to_wire(&request, &future, "DU1").unwrap();
        assert_eq!((order.outside_rth, order.manual_order_indicator), (true, Some(0)));
        let order = to_wire(&request, &Contract::default(), "DU1").unwrap();
        assert_eq!((order.outside_rth, order.manual_order_indicator), (false, None));
    }

    #[test]
    fn what_cannot_be_said_exactly_is_not_said() {
        let exact = Qty("1.000000000000000001".parse().unwrap());
        let request = OrderRequest { order_qty: exact, ..request(OrderType::Market, TimeInForce::Day) };
        let problem = to_wire(&request, &Contract::default(), "DU1").unwrap_err();
        assert!(problem.contains("1.000000000000000001"), "{problem}");
    }

    #[test]
    fn no_word_ends_an_order_but_those_that_mean_it() {
        let (none, some) = (Qty::ZERO, Qty(Decimal::ONE));
        let unknown = OrderStatusKind::Unknown("Suspended".to_owned());
        let table = [
            (OrderStatusKind::ApiPending, none, false, OrderStatus::Working),
            (OrderStatusKind::PendingSubmit, none, false, OrderStatus::Working),
            (OrderStatusKind::PreSubmitted, none, false, OrderStatus::Working),
            (OrderStatusKind::Submitted, some, false, OrderStatus::PartiallyFilled),
            (OrderStatusKind::PendingCancel, some, false, OrderStatus::PartiallyFilled),
            (OrderStatusKind::Inactive, none, false, OrderStatus::Working),
            (OrderStatusKind::Inactive, none, true, OrderStatus::Rejected),
            (OrderStatusKind::Inactive, some, true, OrderStatus::Canceled),
            (OrderStatusKind::Cancelled, none, true, OrderStatus::Rejected),
            (OrderStatusKind::Cancelled, some, false, OrderStatus::Canceled),
            (OrderStatusKind::ApiCancelled, none, false, OrderStatus::Canceled),
            (OrderStatusKind::Filled, some, false, OrderStatus::Filled),
            (unknown.clone(), none, false, OrderStatus::Working),
            (unknown, some, false, OrderStatus::PartiallyFilled),
        ];
        for (kind, filled, refused, expected) in table {
            assert_eq!(status(&kind, filled, refused), expected, "{kind:?} {filled} {refused}");
        }
    }
}
