//! A gateway shows a certificate that nobody signed.

use std::net::SocketAddr;

use atomik_brokers::wire::{Sent, Wire, WirePolicy};
use atomik_domain::{OrderStatus, Qty, Side};
use atomik_ports::broker::SubmitOutcome;
use atomik_testkit::broker_suite::{approved, market_order};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use atomik_testkit::venues::tls::TlsFront;
use rust_decimal::Decimal;
use serde_json::json;

use super::setup::{connect, symbol};

fn address(venue: &IbkrWebVenue) -> SocketAddr {
    venue.url().strip_prefix("http://").unwrap().parse().unwrap()
}

#[tokio::test]
async fn it_is_taken_on_this_machine_for_requests_and_for_the_stream() {
    let venue = IbkrWebVenue::start().await;
    let front = TlsFront::start(address(&venue)).await;
    let (broker, mut reports) = connect(&venue, json!({"gateway_url": front.https()})).await;
    let order = market_order(symbol("AAPL"), Side::Buy, Qty(Decimal::ONE));
    let outcome = broker.submit(approved(order.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    loop {
        let report = reports.recv().await.expect("the stream goes on");
        assert_eq!(report.client_order_id, order.client_order_id);
        if report.status == OrderStatus::Filled {
            break;
        }
    }
    venue.assert_clean();
}

#[tokio::test]
async fn it_is_good_for_nobody_else() {
    let venue = IbkrWebVenue::start().await;
    let front = TlsFront::start(address(&venue)).await;
    let wire = Wire::new(WirePolicy::default()).unwrap();
    let request = wire.client().get(format!("{}/v1/api/tickle", front.https())).build().unwrap();
    let sent = wire.send("GET /tickle", request).await;
    assert!(matches!(&sent, Sent::NotSent(cause) if cause.contains("ertificate")), "{sent:?}");
    assert!(venue.received().is_empty(), "no byte of it is sent");
}
