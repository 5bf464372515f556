//! Orders: penalties, limits, words, fees, the stream's end.

use std::time::Duration;

use atomik_domain::{Amount, OrderRequest, OrderStatus, Qty, Side};
use atomik_ports::broker::{CancelOutcome, LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{limit_order, market_order};
use atomik_testkit::venues::exchange::NewOrder;
use atomik_testkit::venues::faults::Fault;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::setup::{DEADLINE, Setup, decimal, symbol};

fn order() -> OrderRequest {
    market_order(symbol("MESM6"), Side::Buy, Qty(Decimal::ONE))
}

fn placed(setup: &Setup) -> Vec<Value> {
    let received = setup.venue.server.received();
    let orders = received.iter().filter(|one| one.path_and_query == "/v1/order/placeorder");
    orders.map(|one| serde_json::from_slice(&one.body).unwrap()).collect()
}

#[tokio::test]
async fn a_penalized_order_comes_again_identical_but_for_the_ticket() {
    let setup = Setup::new().await;
    setup.venue.set_penalty(1, false);
    setup.venue.script().plan(Fault::PenaltyTicket);
    let outcome = setup.submit(&order()).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    let [first, second] = &placed(&setup)[..] else { panic!() };
    let mut with_ticket = first.clone();
    with_ticket["p-ticket"] = json!("order-ticket");
    assert_eq!(*second, with_ticket);
    assert_eq!(first["isAutomated"], true);
    assert_eq!(setup.venue.exchange().orders().len(), 1);
}

#[tokio::test]
async fn a_long_penalty_is_for_the_caller_to_wait_and_a_captcha_stops_everything_for_an_hour() {
    for (captcha, wait) in [(false, 60), (true, 3_600)] {
        let setup = Setup::new().await;
        setup.venue.set_penalty(60, captcha);
        setup.venue.script().plan(Fault::PenaltyTicket);
        let outcome = setup.submit(&order()).await;
        let SubmitOutcome::NotSent { retry_after, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(retry_after, Duration::from_secs(wait));
        let next = setup.submit(&order()).await;
        assert_eq!(matches!(next, SubmitOutcome::NotSent { .. }), captcha, "{next:?}");
        assert_eq!(placed(&setup).len(), if captcha { 1 } else { 2 });
    }
}

#[tokio::test]
async fn too_many_requests_stop_everything_for_an_hour() {
    let setup = Setup::new().await;
    setup.venue.script().plan(Fault::RateLimited);
    for _ in 0..2 {
        let outcome = setup.submit(&order()).await;
        let SubmitOutcome::NotSent { retry_after, .. } = outcome else { panic!("{outcome:?}") };
        assert!(retry_after > Duration::from_secs(3_500));
    }
    assert_eq!(placed(&setup).len(), 1);
    assert!(setup.broker.balance().await.is_err());
}

#[tokio::test]
async fn a_word_that_proves_nothing_is_unknown_and_the_order_is_not_sent_again() {
    let setup = Setup::new().await;
    for word in ["UnknownReason", "RiskCheckTimeout", "OtherExecutionRelated"] {
        setup.venue.fail_next_order(word);
        let order = order();
        let outcome = setup.submit(&order).await;
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
        let again = setup.submit(&order).await;
        assert!(matches!(again, SubmitOutcome::Unknown { .. }), "{again:?}");
    }
    assert_eq!(placed(&setup).len(), 3);
    setup.venue.fail_next_order("SessionClosed");
    let outcome = setup.submit(&order()).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
}

/// The venue takes an id as often as it comes: only the adapter stands between.
#[tokio::test]
async fn an_id_whose_fate_is_unknown_is_not_sent_again() {
    let setup = Setup::new().await;
    setup.venue.script().plan(Fault::TimeoutThenAbsent);
    let order = order();
    for _ in 0..2 {
        let outcome = setup.submit(&order).await;
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    }
    assert_eq!(placed(&setup).len(), 1);
}

#[tokio::test]
async fn two_401s_in_a_row_mean_that_the_login_may_not_trade() {
    let setup = Setup::new().await;
    setup.venue.script().plan(Fault::TokenExpired);
    setup.venue.script().plan(Fault::TokenExpired);
    let first = setup.submit(&order()).await;
    assert!(matches!(first, SubmitOutcome::NotSent { .. }), "{first:?}");
    let second = setup.submit(&order()).await;
    let SubmitOutcome::Rejected { reason } = second else { panic!("{second:?}") };
    assert!(reason.contains("device_id"), "{reason}");
}

#[tokio::test]
async fn fees_are_added_up_and_are_zero_where_the_venue_tells_none() {
    let mut setup = Setup::new().await;
    let first = setup.trade("MESM6", Side::Buy, 2).await;
    let report = setup.report_of(&first, |report| !report.executions.is_empty()).await;
    assert_eq!(report.executions[0].commission, Amount(decimal("2.58")));
    setup.venue.hide_fees();
    let second = setup.trade("MESM6", Side::Sell, 2).await;
    let report = setup.report_of(&second, |report| !report.executions.is_empty()).await;
    assert_eq!(report.executions[0].commission, Amount::ZERO);
    let LookUp::Found(found) = setup.broker.look_up(&first.symbol, first.client_order_id).await else {
        panic!()
    };
    assert_eq!(found.executions[0].commission, Amount(decimal("2.58")));
}

#[tokio::test]
async fn an_order_made_elsewhere_is_not_reported_and_is_found_after_a_restart_all_the_same() {
    let mut setup = Setup::new().await;
    let ours =
        limit_order(symbol("MESM6"), Side::Buy, Qty(Decimal::ONE), atomik_domain::Price(decimal("4000")));
    assert!(matches!(setup.submit(&ours).await, SubmitOutcome::Accepted(_)));
    setup.reconnect().await.unwrap();
    assert_eq!(setup.broker.cancel(&ours.symbol, ours.client_order_id).await, CancelOutcome::Requested);
    let ended = setup.report_of(&ours, |report| report.status.is_final()).await;
    assert_eq!((ended.status, ended.filled_qty), (OrderStatus::Canceled, Qty::ZERO));
    assert!(setup.reports.try_recv().is_err());
}

#[tokio::test]
async fn a_shutdown_ends_the_connection_and_so_does_dropping_it() {
    let mut setup = Setup::new().await;
    setup.venue.shut_down("Maintenance");
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(DEADLINE, ended).await.expect("the connection ends");
    let mut setup = Setup::new().await;
    setup.broker = Setup::new().await.broker.clone();
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(DEADLINE, ended).await.expect("no task outlives its broker");
}

#[tokio::test]
async fn the_stream_shows_that_it_lives() {
    let setup = Setup::new().await;
    let beats = async {
        while setup.venue.beats() < 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, beats).await.expect("heartbeats");
}

/// It must not happen; where it does, neither of the two is taken for the one that was meant.
#[tokio::test]
async fn two_orders_of_one_id_are_not_guessed_about() {
    let mut setup = Setup::new().await;
    let order = order();
    let twin = NewOrder {
        client_order_id: order.client_order_id.to_string(),
        symbol: "MESM6".to_owned(),
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        qty: order.order_qty.0,
        limit_price: None,
        stop_price: None,
        reduce_only: false,
    };
    for _ in 0..2 {
        setup.venue.exchange().place(twin.clone()).unwrap();
    }
    setup.reconnect().await.unwrap();
    let found = setup.broker.look_up(&order.symbol, order.client_order_id).await;
    assert!(matches!(found, LookUp::Unavailable { .. }), "{found:?}");
    let canceled = setup.broker.cancel(&order.symbol, order.client_order_id).await;
    assert!(matches!(canceled, CancelOutcome::Unknown { .. }), "{canceled:?}");
    let outcome = setup.submit(&order).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{outcome:?}");
    assert!(placed(&setup).is_empty());
}
