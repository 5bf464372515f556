//! How an order ends that the broker had taken.

use atomik_domain::{OrderStatus, Price, Qty, Side};
use atomik_ports::broker::{LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{approved, limit_order};
use rust_decimal::Decimal;

use super::setup::{Setup, symbol};

/// Its own state only says that it is inactive; the list says why.
#[tokio::test]
async fn an_order_that_the_broker_rejects_later_ends_with_the_brokers_reason() {
    let setup = Setup::new().await;
    let order = limit_order(symbol("AAPL"), Side::Buy, Qty(Decimal::ONE), Price(Decimal::TEN));
    let outcome = setup.broker.submit(approved(order.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    let exchange = setup.venue.exchange();
    exchange.reject(exchange.orders()[0].id, "Margin is insufficient.");
    let LookUp::Found(report) = setup.broker.look_up(&symbol("AAPL"), order.client_order_id).await else {
        panic!("it is there")
    };
    assert_eq!(report.status, OrderStatus::Rejected);
    assert!(report.reason.is_some_and(|reason| reason.contains("Margin is insufficient.")));
}
