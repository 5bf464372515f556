//! What is Alpaca's own about orders: lives, fractions, coins, ids, fills.

use std::time::Duration;

use atomik_domain::{
    ExecutionReport, OrderRequest, OrderStatus, OrderType, Qty, Side, SignedQty, TimeInForce,
};
use atomik_ports::broker::{BrokerError, LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{approved, limit_order, settled};
use atomik_testkit::venues::alpaca::Listing;
use atomik_testkit::venues::faults::Fault;
use rstest::rstest;
use rust_decimal::Decimal;
use serde_json::Value;

use super::setup::{Setup, buy, decimal, price, qty, sell, symbol};

/// The body of the last order that was sent.
fn last_body(setup: &Setup) -> Value {
    let received = setup.venue.received();
    let last = received.iter().rev().find(|request| request.method == "POST").expect("an order");
    serde_json::from_slice(&last.body).unwrap()
}

fn posts(setup: &Setup) -> usize {
    setup.venue.received().iter().filter(|request| request.method == "POST").count()
}

fn request(of: &str, how_much: &str, order_type: OrderType, time_in_force: TimeInForce) -> OrderRequest {
    let (limit, stop) = if of == "BTC/USD" { ("50000", "70000") } else { ("40", "60") };
    let is_limit = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
    let is_stop = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
    OrderRequest {
        order_type,
        time_in_force,
        limit_price: is_limit.then(|| price(limit)),
        stop_price: is_stop.then(|| price(stop)),
        ..buy(of, how_much)
    }
}

#[tokio::test]
async fn an_order_that_waits_for_the_opening_says_so() {
    let setup = Setup::new().await;
    setup.venue.close_market("2099-01-02T14:30:00Z");
    for _ in 0..2 {
        let waits = setup.accept(&buy("ACME", "1")).await;
        let reason = waits.reason.unwrap();
        assert_eq!(
            (waits.status, reason.contains("2099-01-02T14:30:00Z")),
            (OrderStatus::Working, true),
            "{reason}"
        );
    }
    let coin = setup.accept(&buy("BTC/USD", "1")).await;
    assert_eq!(coin.reason, None);
    let asked = setup.venue.received().into_iter().filter(|request| request.path_and_query == "/v2/clock");
    assert_eq!(asked.count(), 1, "what the clock said holds until the opening");
}

#[tokio::test]
async fn while_the_market_is_open_nothing_waits_for_it() {
    let setup = Setup::new().await;
    let resting = request("NIBBLE", "1", OrderType::Limit, TimeInForce::Day);
    assert_eq!(setup.accept(&resting).await.reason, None);
}

/// No fill says what was kept: the engine finds it by comparing, and counts it as a fee up to what is declared here.
#[tokio::test]
async fn what_is_kept_of_bought_coins_is_at_most_what_is_declared() {
    let setup = Setup::new().await;
    let report = setup.accept(&buy("BTC/USD", "2")).await;
    let told: Decimal = report.executions.iter().map(|execution| execution.fee_qty.0).sum();
    let held = setup.broker.net_position(&symbol("BTC/USD")).await.unwrap();
    assert_eq!((told, held), (Decimal::ZERO, SignedQty(decimal("1.995"))));
    assert_eq!(decimal("2") * setup.broker.capabilities().untold_coin_fee, decimal("0.005"));
}

#[rstest]
#[case("ACME", "1", OrderType::Market, TimeInForce::Day, Ok("day"))]
#[case("ACME", "1", OrderType::Market, TimeInForce::Gtc, Ok("gtc"))]
#[case("ACME", "1", OrderType::Limit, TimeInForce::Ioc, Ok("ioc"))]
#[case("ACME", "1", OrderType::Limit, TimeInForce::Fok, Ok("fok"))]
#[case("ACME", "1", OrderType::Stop, TimeInForce::Gtc, Ok("gtc"))]
#[case("ACME", "1", OrderType::StopLimit, TimeInForce::Day, Ok("day"))]
#[case("NIBBLE", "1", OrderType::Market, TimeInForce::Gtc, Ok("gtc"))]
#[case("NIBBLE", "1.5", OrderType::Market, TimeInForce::Day, Ok("day"))]
#[case("NIBBLE", "1.5", OrderType::Market, TimeInForce::Gtc, Ok("day"))]
#[case("NIBBLE", "0.000000001", OrderType::Limit, TimeInForce::Day, Ok("day"))]
#[case("NIBBLE", "1.5", OrderType::Limit, TimeInForce::Gtc, Err("for the day only"))]
#[case("NIBBLE", "1.5", OrderType::Market, TimeInForce::Ioc, Err("for the day only"))]
#[case("NIBBLE", "1.0000000001", OrderType::Market, TimeInForce::Day, Err("no multiple"))]
#[case("BTC/USD", "0.5", OrderType::Market, TimeInForce::Day, Ok("gtc"))]
#[case("BTC/USD", "0.5", OrderType::Market, TimeInForce::Gtc, Ok("gtc"))]
#[case("BTC/USD", "0.5", OrderType::Limit, TimeInForce::Ioc, Ok("ioc"))]
#[case("BTC/USD", "0.5", OrderType::StopLimit, TimeInForce::Gtc, Ok("gtc"))]
#[case("BTC/USD", "0.5", OrderType::Limit, TimeInForce::Day, Err("only gtc and ioc"))]
#[case("BTC/USD", "0.5", OrderType::Market, TimeInForce::Fok, Err("only gtc and ioc"))]
#[case("BTC/USD", "0.5", OrderType::Stop, TimeInForce::Gtc, Err("only stop-limit"))]
#[case("BTC/USD", "0.00005", OrderType::Market, TimeInForce::Day, Err("no multiple"))]
#[tokio::test]
async fn every_order_is_written_as_its_asset_takes_it_or_is_not_sent(
    #[case] of: &str,
    #[case] how_much: &str,
    #[case] order_type: OrderType,
    #[case] time_in_force: TimeInForce,
    #[case] expected: Result<&str, &str>,
) {
    let setup = Setup::new().await;
    let request = request(of, how_much, order_type, time_in_force);
    match expected {
        Ok(word) => {
            setup.accept(&request).await;
            let body = last_body(&setup);
            assert_eq!(body["time_in_force"], word);
            assert_eq!((&body["qty"], &body["symbol"]), (&Value::from(how_much), &Value::from(of)));
            assert_eq!(body["client_order_id"], request.client_order_id.to_string());
        }
        Err(reason) => {
            let said = setup.reject(&request).await;
            assert!(said.contains(reason) && said.starts_with("Not sent"), "{said}");
            assert_eq!(posts(&setup), 0);
        }
    }
}

#[rstest]
#[case("ACME", "10.01", true)]
#[case("ACME", "10.001", false)]
#[case("ACME", "0.9999", true)]
#[case("ACME", "0.99999", false)]
#[case("BTC/USD", "50000", true)]
#[case("BTC/USD", "50000.5", false)]
#[tokio::test]
async fn a_price_between_two_ticks_is_not_sent(#[case] of: &str, #[case] at: &str, #[case] is_taken: bool) {
    let setup = Setup::new().await;
    let request = limit_order(symbol(of), Side::Buy, qty("1"), price(at));
    match setup.submit(&request).await {
        SubmitOutcome::Accepted(_) => assert!(is_taken),
        SubmitOutcome::Rejected { reason } => assert!(!is_taken && reason.contains("tick"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(posts(&setup), usize::from(is_taken));
}

#[tokio::test]
async fn rules_of_assets_become_instruments() {
    let setup = Setup::new().await;
    let rules = |of: &'static str| {
        let broker = std::sync::Arc::clone(&setup.broker);
        async move {
            let one = broker.instrument(&symbol(of)).await.unwrap();
            let contract = one.contract.map(|symbol| symbol.to_string());
            (one.lot_size.to_string(), one.tick_size.to_string(), one.currency, contract)
        }
    };
    let usd = || "USD".to_owned();
    assert_eq!(rules("ACME").await, ("1".to_owned(), "0.01".to_owned(), usd(), None));
    assert_eq!(rules("NIBBLE").await, ("0.000000001".to_owned(), "0.01".to_owned(), usd(), None));
    assert_eq!(rules("BTC/USD").await, ("0.0001".to_owned(), "1".to_owned(), usd(), None));
    let old_spelling = rules("BTCUSD").await;
    assert_eq!(old_spelling, ("0.0001".to_owned(), "1".to_owned(), usd(), Some("BTC/USD".to_owned())));
}

#[tokio::test]
async fn coins_are_held_under_their_own_spelling_whatever_positions_say() {
    let setup = Setup::new().await;
    let bought = buy("BTC/USD", "0.5");
    setup.accept(&bought).await;
    settled(&setup.broker, &bought, |report| report.status == OrderStatus::Filled).await;
    let held = setup.broker.positions().await.unwrap();
    assert_eq!((held[0].symbol.clone(), held[0].net_qty), (symbol("BTC/USD"), SignedQty(decimal("0.49875"))));
    for spelling in ["BTC/USD", "BTCUSD"] {
        let net = setup.broker.net_position(&symbol(spelling)).await.unwrap();
        assert_eq!(net, SignedQty(decimal("0.49875")), "{spelling}");
    }
    let quote = setup.broker.price(&symbol("BTC/USD")).await.unwrap().unwrap();
    assert_eq!((quote.price, quote.simulated), (price("60000"), false));
    assert_eq!(setup.broker.price(&symbol("ACME")).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_venue_refuses_is_said_in_its_words() {
    let setup = Setup::new().await;
    let unknown = setup.reject(&buy("NOSUCH", "1")).await;
    assert!(unknown.contains("does not know the symbol"), "{unknown}");
    let dear = setup.reject(&buy("BTC/USD", "1000")).await;
    assert!(dear.contains("insufficient buying power (40310000)"), "{dear}");
    setup.accept(&buy("ACME", "1")).await;
    let flip = setup.reject(&sell("ACME", "5")).await;
    assert!(flip.contains("insufficient qty available"), "{flip}");
    let short = OrderRequest { time_in_force: TimeInForce::Day, ..sell("NIBBLE", "0.5") };
    let short = setup.reject(&short).await;
    assert!(short.contains("cannot be sold short"), "{short}");
    let net = setup.broker.net_position(&symbol("NOSUCH")).await;
    assert_eq!(net, Err(BrokerError::UnknownSymbol(symbol("NOSUCH"))));
}

#[tokio::test]
async fn a_taken_client_id_is_looked_up_and_answered_with_what_the_order_is() {
    let setup = Setup::new().await;
    let request = buy("ACME", "2");
    setup.venue.plan(Fault::TimeoutThenFilled);
    assert!(matches!(setup.submit(&request).await, SubmitOutcome::Unknown { .. }));
    let again = setup.accept(&request).await;
    assert_eq!((again.status, again.filled_qty), (OrderStatus::Filled, qty("2")));
    assert_eq!(again.executions.len(), 1);
    assert_eq!(setup.venue.exchange().orders().len(), 1);
}

/// Waits for a report of an order that is as wanted.
async fn heard(
    setup: &mut Setup,
    request: &OrderRequest,
    wanted: impl Fn(&ExecutionReport) -> bool,
) -> ExecutionReport {
    let listen = async {
        loop {
            let report = setup.reports.recv().await.expect("the connection lives");
            if report.client_order_id == request.client_order_id && wanted(&report) {
                return report;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), listen).await.expect("a report in time")
}

#[tokio::test]
async fn fills_are_named_by_their_activities_and_waited_for_where_those_come_late() {
    let mut setup = Setup::new().await;
    setup.venue.hide_fills(2);
    let request = buy("ACME", "3");
    setup.accept(&request).await;
    let report = heard(&mut setup, &request, |report| report.status == OrderStatus::Filled).await;
    let LookUp::Found(found) = setup.broker.look_up(&request.symbol, request.client_order_id).await else {
        panic!("the venue has it");
    };
    assert_eq!(report, found, "the stream and the look-up name the same executions");
    assert!(report.executions[0].exec_id.0.contains("::"), "an activity's id: {report:?}");
}

/// More fills than a page has, all of them, each once.
#[tokio::test]
async fn an_order_of_many_fills_is_listed_whole() {
    let setup = Setup::new().await;
    let request = limit_order(symbol("ACME"), Side::Buy, qty("230"), price("100"));
    let exchange = setup.venue.exchange();
    exchange.thin_out("ACME", Some(Decimal::ONE));
    setup.accept(&request).await;
    for _ in 1..230 {
        exchange.thin_out("ACME", Some(Decimal::ONE));
        exchange.move_price("ACME", Decimal::ONE_HUNDRED);
    }
    let found = settled(&setup.broker, &request, |report| report.status == OrderStatus::Filled).await;
    let mut ids: Vec<_> = found.executions.iter().map(|execution| execution.exec_id.clone()).collect();
    ids.sort();
    ids.dedup();
    let sum = found.executions.iter().fold(Qty::ZERO, |sum, execution| sum + execution.last_qty);
    assert_eq!((ids.len(), sum), (230, qty("230")));
}

#[tokio::test]
async fn orders_of_other_programs_are_not_reported() {
    let mut setup = Setup::new().await;
    let by_hand = atomik_testkit::venues::exchange::NewOrder {
        client_order_id: "made-by-hand".to_owned(),
        symbol: "ACME".to_owned(),
        side: Side::Buy,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Day,
        qty: Decimal::ONE,
        limit_price: None,
        stop_price: None,
        reduce_only: false,
    };
    setup.venue.exchange().place(by_hand).unwrap();
    let request = buy("ACME", "1");
    setup.accept(&request).await;
    let first = setup.reports.recv().await.expect("the connection lives");
    assert_eq!(first.client_order_id, request.client_order_id);
    assert_eq!(setup.broker.net_position(&symbol("ACME")).await.unwrap(), SignedQty(decimal("2")));
}

#[tokio::test]
async fn cash_is_what_it_is_without_what_is_open() {
    let setup = Setup::new().await;
    let before = setup.broker.balance().await.unwrap();
    setup.accept(&buy("ACME", "10")).await;
    setup.accept(&sell("PENY", "100")).await;
    setup.venue.exchange().move_price("ACME", decimal("110"));
    let after = setup.broker.balance().await.unwrap();
    assert_eq!((after.cash, after.currency.as_str()), (before.cash, "USD"));
    assert_eq!(after.equity.0 - before.equity.0, decimal("100"));
}

#[tokio::test]
async fn an_asset_that_stopped_trading_is_refused_by_the_venue() {
    let setup = Setup::new().await;
    let gone = Listing {
        symbol: "GONE".to_owned(),
        name: "Gone With Inc.".to_owned(),
        crypto: false,
        fractionable: false,
        tradable: false,
        increments: None,
    };
    setup.venue.list(gone, Decimal::TEN);
    let reason = setup.reject(&buy("GONE", "1")).await;
    assert!(reason.contains("not tradable"), "{reason}");
}

/// Orders keep a part of the limit to themselves: questions are turned away first.
#[tokio::test]
async fn questions_never_use_up_what_orders_need() {
    let setup = Setup::new().await;
    let mut refused = 0;
    for _ in 0..170 {
        refused += usize::from(setup.broker.net_position(&symbol("ACME")).await.is_err());
    }
    assert!(refused > 0, "questions go beyond their part of the limit");
    let request = buy("ACME", "1");
    let outcome = setup.broker.submit(approved(request)).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
}

/// "Not found" lets an order be sent again, and "no position" ends an exit: only the venue itself may say so.
#[tokio::test]
async fn a_page_of_somebody_in_between_proves_nothing() {
    let setup = Setup::new().await;
    let request = buy("ACME", "1");
    setup.accept(&request).await;
    setup.venue.wall_off(true);
    let found = setup.broker.look_up(&request.symbol, request.client_order_id).await;
    assert!(matches!(found, LookUp::Unavailable { .. }), "{found:?}");
    let net = setup.broker.net_position(&request.symbol).await;
    assert!(matches!(net, Err(BrokerError::Unavailable(_))), "{net:?}");
    let refused = setup.submit(&buy("ACME", "1")).await;
    assert!(matches!(refused, SubmitOutcome::Unknown { .. }), "{refused:?}");
    setup.venue.wall_off(false);
    assert_eq!(setup.broker.net_position(&request.symbol).await.unwrap(), SignedQty(decimal("1")));
}
