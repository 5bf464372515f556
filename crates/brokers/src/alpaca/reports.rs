//! From the venue's words to reports.

use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, ClientOrderId, ExecId, ExecutionReport, OrderStatus, Price, Qty, UnixMicros, VenueOrderId,
};
use rust_decimal::Decimal;

use super::replies::{Fill, Order};
use crate::wire::decimal::sum;

/// What a status means. A word that we do not know is that of an order which goes on.
pub(super) fn status_of(order: &Order) -> OrderStatus {
    match order.status.as_str() {
        "filled" => OrderStatus::Filled,
        // What a customer or a corporate action put in its place is another order, under another client order id.
        "canceled" | "replaced" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        "rejected" => OrderStatus::Rejected,
        _ if order.filled() > Decimal::ZERO => OrderStatus::PartiallyFilled,
        _ => OrderStatus::Working,
    }
}

/// The order's report, with these executions.
pub(super) fn report_of(id: ClientOrderId, order: &Order, mut fills: Vec<Fill>) -> ExecutionReport {
    // Fills of one millisecond are listed in any order; what had filled with each says which came first.
    fills.sort_by(|a, b| (a.cum_qty, &a.id).cmp(&(b.cum_qty, &b.id)));
    let executions: Vec<_> = fills.iter().map(execution_of).collect();
    let listed = sum(executions.iter().map(|execution| execution.last_qty.0));
    ExecutionReport {
        client_order_id: id,
        venue_order_id: Some(VenueOrderId(order.id.clone())),
        status: status_of(order),
        // The list is asked for after the order, and may know more.
        filled_qty: Qty(order.filled().max(listed)),
        executions,
        reason: reason_of(order),
    }
}

/// Alpaca tells no commission with a fill, and charges none for shares; its fees for coins come later, as activities of
/// their own, mostly taken out of the coins.
fn execution_of(fill: &Fill) -> Execution {
    Execution {
        exec_id: ExecId(fill.id.clone()),
        last_qty: Qty(fill.qty),
        last_price: Price(fill.price),
        commission: Amount::ZERO,
        fee_qty: Qty::ZERO,
        price_source: PriceSource::Venue,
        traded_at: UnixMicros::parse_rfc3339(&fill.transaction_time).unwrap_or_default(),
    }
}

fn reason_of(order: &Order) -> Option<String> {
    let reason = match order.status.as_str() {
        "canceled" => "Alpaca says that the order was canceled.",
        "expired" => "The order's time ran out.",
        "rejected" => "Alpaca took the order and then rejected it.",
        "replaced" => "The order was replaced by another one at Alpaca, which is not followed here.",
        _ => return None,
    };
    Some(reason.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn order(status: &str, filled: &str) -> Order {
        serde_json::from_value(json!({"id": "1", "status": status, "filled_qty": filled})).unwrap()
    }

    #[rstest]
    #[case("new", "0", OrderStatus::Working)]
    #[case("accepted", "0", OrderStatus::Working)]
    #[case("pending_new", "0", OrderStatus::Working)]
    #[case("accepted_for_bidding", "0", OrderStatus::Working)]
    #[case("held", "0", OrderStatus::Working)]
    #[case("stopped", "0", OrderStatus::Working)]
    #[case("suspended", "0", OrderStatus::Working)]
    #[case("pending_cancel", "1", OrderStatus::PartiallyFilled)]
    #[case("pending_replace", "0", OrderStatus::Working)]
    #[case("done_for_day", "1", OrderStatus::PartiallyFilled)]
    #[case("calculated", "0", OrderStatus::Working)]
    #[case("partially_filled", "1", OrderStatus::PartiallyFilled)]
    #[case("filled", "2", OrderStatus::Filled)]
    #[case("canceled", "1", OrderStatus::Canceled)]
    #[case("expired", "0", OrderStatus::Expired)]
    #[case("rejected", "0", OrderStatus::Rejected)]
    #[case("replaced", "0", OrderStatus::Canceled)]
    #[case("teleported", "0", OrderStatus::Working)]
    #[case("teleported", "1", OrderStatus::PartiallyFilled)]
    fn every_status_has_its_meaning(#[case] word: &str, #[case] filled: &str, #[case] expected: OrderStatus) {
        assert_eq!(status_of(&order(word, filled)), expected);
    }

    #[test]
    fn fills_are_in_their_order_and_what_is_filled_is_never_less_than_they_are() {
        let fill = |id: &str, qty: &str, cum: &str| -> Fill {
            serde_json::from_value(
                json!({"id": id, "order_id": "1", "side": "buy", "symbol": "X", "qty": qty, "price": "2",
                "cum_qty": cum, "transaction_time": "2022-03-04T18:54:20.903569Z"}),
            )
            .unwrap()
        };
        let report = report_of(
            ClientOrderId::from_bytes([7; 16]),
            &order("partially_filled", "1"),
            vec![fill("b", "2", "3"), fill("a", "1", "1")],
        );
        let ids: Vec<_> = report.executions.iter().map(|execution| execution.exec_id.0.as_str()).collect();
        assert_eq!((ids, report.filled_qty.to_string()), (vec!["a", "b"], "3".to_owned()));
        assert_eq!(report.executions[0].traded_at.0, 1_646_420_060_903_569);
    }
}
