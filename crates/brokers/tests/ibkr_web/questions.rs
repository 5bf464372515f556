//! The broker's questions about orders, and what must never come of them.

use std::time::Duration;

use atomik_domain::{OrderStatus, Qty, Side};
use atomik_ports::broker::{CancelOutcome, LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{approved, limit_order, market_order, settled};
use atomik_testkit::venues::faults::Fault;
use rust_decimal::Decimal;
use serde_json::json;

use super::setup::{Setup, connect, symbol};

const PRICE: (&str, &str) = ("o163", "The following order exceeds the price percentage limit");
const NO_PRICES: (&str, &str) = (
    "o354",
    "You are submitting an order without market data. We strongly recommend against this as it may result in \
     erroneous and unexpected trades.\nAre you sure you want to submit this order?",
);

fn one() -> Qty {
    Qty(Decimal::ONE)
}

#[tokio::test]
async fn an_order_with_a_question_nobody_allowed_is_declined_and_not_placed() {
    let setup = Setup::with(json!({"answer_questions": ["o163"]})).await;
    setup.venue.ask(vec![NO_PRICES]);
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    match setup.broker.submit(approved(request.clone())).await {
        SubmitOutcome::Rejected { reason } => {
            assert!(reason.contains("without market data"), "{reason}");
            assert!(reason.contains("add o354 to the account's setting answer_questions"), "{reason}");
            assert!(!reason.contains('\n'), "{reason}");
        }
        other => panic!("an unanswered question places nothing: {other:?}"),
    }
    assert_eq!(setup.venue.declined(), 1);
    assert!(setup.venue.exchange().orders().is_empty());
    assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);
}

#[tokio::test]
async fn a_chain_of_allowed_questions_places_one_order() {
    let texts = json!({"answer_questions": ["O163", "submitting an order without market data"]});
    let setup = Setup::with(texts).await;
    setup.venue.ask(vec![PRICE, NO_PRICES]);
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    let outcome = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!((setup.venue.exchange().orders().len(), setup.venue.count("POST", "/iserver/reply/")), (1, 2));
}

#[tokio::test]
async fn the_second_question_of_a_chain_is_held_against_the_list_as_well() {
    let setup = Setup::with(json!({"answer_questions": ["o163"]})).await;
    setup.venue.ask(vec![PRICE, NO_PRICES]);
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    let outcome = setup.broker.submit(approved(request)).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
    assert!(setup.venue.exchange().orders().is_empty());
}

#[tokio::test]
async fn a_chain_without_end_is_left_and_places_nothing() {
    let setup = Setup::with(json!({"answer_questions": ["o163"]})).await;
    setup.venue.ask(vec![PRICE; 40]);
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    let outcome = setup.broker.submit(approved(request)).await;
    assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
    assert!(setup.venue.count("POST", "/iserver/reply/") <= 9);
    assert!(setup.venue.exchange().orders().is_empty());
}

#[tokio::test]
async fn a_confirmation_without_an_answer_is_unknown_and_found_by_asking() {
    for (fault, placed) in [
        (Fault::TimeoutThenFilled, true),
        (Fault::DroppedAfter, true),
        (Fault::ServerErrorAfter, true),
        (Fault::UnreadableSuccess, true),
        (Fault::TimeoutThenAbsent, false),
        (Fault::DroppedBefore, false),
    ] {
        let setup = Setup::with(json!({"answer_questions": ["o163"]})).await;
        setup.venue.ask(vec![PRICE]);
        setup.venue.plan_reply(fault);
        let request = market_order(symbol("ESZ6"), Side::Buy, one());
        let outcome = setup.broker.submit(approved(request.clone())).await;
        assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{fault:?}: {outcome:?}");
        if placed {
            settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
        } else {
            let found = setup.broker.look_up(&request.symbol, request.client_order_id).await;
            assert_eq!(found, LookUp::NotFound, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn look_ups_at_once_share_their_lists() {
    let setup = Setup::new().await;
    let before =
        (setup.venue.count("GET", "/iserver/account/orders"), setup.venue.count("GET", "/account/trades"));
    let lookups: Vec<_> = (0..20)
        .map(|_| {
            let broker = std::sync::Arc::clone(&setup.broker);
            let request = market_order(symbol("ESZ6"), Side::Buy, one());
            tokio::spawn(async move { broker.look_up(&request.symbol, request.client_order_id).await })
        })
        .collect();
    for lookup in lookups {
        assert_eq!(lookup.await.unwrap(), LookUp::NotFound);
    }
    let asked = setup.venue.count("GET", "/iserver/account/orders?force=true");
    // Each look-up that finds nothing has the list made anew; the lists themselves are shared.
    assert!(asked <= 21, "{asked} lists were made anew");
    let lists = setup.venue.count("GET", "/iserver/account/orders") - before.0 - (asked - 1);
    let trades = setup.venue.count("GET", "/account/trades") - before.1;
    assert!(lists <= 25 && trades <= 22, "{lists} lists of orders and {trades} of trades");
}

#[tokio::test]
async fn a_list_that_is_not_whole_proves_nothing() {
    let setup = Setup::new().await;
    // The gateway forgets, and its next list is empty and not whole.
    setup.venue.reset();
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    assert_eq!(setup.broker.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);
    assert!(setup.venue.count("GET", "/iserver/account/orders?force=true") >= 2, "the list was made anew");
}

#[tokio::test]
async fn an_order_of_yesterday_is_found_by_its_trades() {
    let mut setup = Setup::new().await;
    let request = market_order(symbol("ESZ6"), Side::Buy, one());
    let outcome = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    let first = settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
    setup.venue.reset();
    (setup.broker, setup.reports) = connect(&setup.venue, json!({})).await;
    let found = settled(&setup.broker, &request, |report| report.status.is_final()).await;
    assert_eq!((found.filled_qty, found.executions), (first.filled_qty, first.executions));
}

#[tokio::test]
async fn a_cancel_is_told_even_where_the_stream_tells_of_no_orders() {
    let venue = atomik_testkit::venues::ibkr_web::IbkrWebVenue::start().await;
    venue.tell_no_orders();
    let (broker, mut reports) = connect(&venue, json!({})).await;
    let request = limit_order(symbol("ESZ6"), Side::Buy, one(), atomik_domain::Price(Decimal::from(4_000)));
    assert!(matches!(broker.submit(approved(request.clone())).await, SubmitOutcome::Accepted(_)));
    assert_eq!(broker.cancel(&request.symbol, request.client_order_id).await, CancelOutcome::Requested);
    let told = async {
        loop {
            let report = reports.recv().await.expect("the connection lives");
            if report.status.is_final() {
                return report.status;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(10), told).await.expect("a report of the end");
    assert_eq!(told, OrderStatus::Canceled);
}

#[tokio::test]
async fn no_task_outlives_the_connection() {
    let mut setup = Setup::new().await;
    let venue_only = std::mem::replace(&mut setup.broker, connect(&setup.venue, json!({})).await.0);
    drop(venue_only);
    let ended = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("its reports end with it");
}
