//! What is Binance's own: keys of both kinds, hedge mode, permissions, clocks, commissions in the coin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{ExecutionReport, OrderRequest, OrderStatus, OrderType, Price, Qty, Side, SignedQty};
use atomik_ports::broker::{BrokerError, LookUp, SubmitOutcome};
use atomik_testkit::broker_suite::{approved, limit_order, market_order, settled};
use atomik_testkit::venues::binance::{FakeBinance, FakeKeys, FakeMarket, FakeSetup, SYMBOL};
use atomik_testkit::venues::faults::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;

use super::setup::{OffClock, Setup, connect, credentials, decimal, right, symbol};
use super::vectors::{PRIVATE, PUBLIC};

async fn told(setup: FakeSetup) -> BrokerError {
    let market = setup.market;
    let fake = FakeBinance::start(setup).await;
    connect(&fake, market, &Arc::new(OffClock::default()), &right()).await.map(|_| ()).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ed25519_key_logs_on_and_trades() {
    let public_key = Some(STANDARD.decode(PUBLIC).unwrap());
    let keys = FakeKeys { public_key, ..FakeKeys::default() };
    let fake = FakeBinance::start(FakeSetup { keys, ..FakeSetup::of(FakeMarket::Spot) }).await;
    let key = credentials(&[("api_key", "fake-api-key"), ("private_key", PRIVATE)]);
    let (broker, mut reports) =
        connect(&fake, FakeMarket::Spot, &Arc::new(OffClock::default()), &key).await.unwrap();
    assert!(fake.messages().iter().any(|(ours, text)| *ours && text.contains("session.logon")));
    let request = market_order(symbol(), Side::Buy, Qty(decimal("0.01")));
    assert!(matches!(broker.submit(approved(request.clone())).await, SubmitOutcome::Accepted(_)));
    assert_eq!(reports.recv().await.unwrap().client_order_id, request.client_order_id);
    fake.assert_clean();
}

#[tokio::test]
async fn a_key_that_may_not_trade_is_found_out_when_it_connects() {
    for market in [FakeMarket::Spot, FakeMarket::Usdm] {
        let error = told(FakeSetup { may_trade: false, ..FakeSetup::of(market) }).await;
        assert!(matches!(&error, BrokerError::Unauthorized(why) if why.contains("allow trading")), "{error}");
    }
}

#[tokio::test]
async fn hedge_mode_is_refused_with_what_to_do() {
    let error = told(FakeSetup { hedge_mode: true, ..FakeSetup::of(FakeMarket::Usdm) }).await;
    assert!(error.to_string().contains("Switch Position Mode to One-way"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_in_mid_session_is_compared_again() {
    let setup = Setup::of(FakeMarket::Usdm).await;
    setup.clock.0.store(-3_600, Ordering::SeqCst);
    let request = market_order(symbol(), Side::Buy, Qty(decimal("0.01")));
    let outcome = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    assert_eq!(setup.fake.journal(&request.client_order_id.to_string()).0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_is_never_to_the_venues_liking_sends_nothing() {
    let setup = Setup::of(FakeMarket::Spot).await;
    setup.fake.refuse_time();
    let request = market_order(symbol(), Side::Buy, Qty(decimal("0.01")));
    let outcome = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(outcome, SubmitOutcome::NotSent { .. }), "{outcome:?}");
    let posts = setup.fake.server.received().into_iter();
    let posts = posts.filter(|one| one.method == "POST" && one.path_and_query == "/api/v3/order");
    assert_eq!(posts.count(), 2, "it is tried once more, and no more");
}

/// The venue takes its part of what is bought: an exit of all that the fills say sells what is there, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commissions_in_the_coin_make_the_holding_smaller_and_an_exit_sells_what_is_there() {
    let setup =
        Setup::with(FakeSetup { spot_rate: decimal("0.001"), ..FakeSetup::of(FakeMarket::Spot) }).await;
    let qty = Qty(decimal("0.1"));
    let buy = market_order(symbol(), Side::Buy, qty);
    setup.broker.submit(approved(buy.clone())).await;
    let bought = settled(&setup.broker, &buy, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(bought.filled_qty, qty);
    let paid: Decimal = bought.executions.iter().map(|one| one.commission.0).sum();
    assert_eq!(paid, decimal("5"), "a thousandth of 0.1 at 50000");
    let kept: Decimal = bought.executions.iter().map(|one| one.fee_qty.0).sum();
    assert_eq!(kept, decimal("0.0001"));
    assert_eq!(setup.broker.net_position(&symbol()).await.unwrap(), SignedQty(decimal("0.0999")));
    let exit = OrderRequest { reduce_only: true, ..market_order(symbol(), Side::Sell, qty) };
    let SubmitOutcome::Accepted(report) = setup.broker.submit(approved(exit.clone())).await else {
        panic!("the exit was not accepted")
    };
    assert_eq!(report.reason.as_deref(), Some("Only 0.099 of 0.1 was free to sell."));
    let sold = settled(&setup.broker, &exit, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(sold.filled_qty, Qty(decimal("0.099")));
    assert_eq!(setup.broker.net_position(&symbol()).await.unwrap(), SignedQty(decimal("0.0009")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_order_of_the_same_name_is_told_and_not_taken_for_a_rejection() {
    for market in [FakeMarket::Spot, FakeMarket::Usdm] {
        let mut setup = Setup::of(market).await;
        let request = OrderRequest {
            order_type: OrderType::Limit,
            limit_price: Some(Price(decimal("40000"))),
            ..market_order(symbol(), Side::Buy, Qty(decimal("0.01")))
        };
        assert!(matches!(setup.broker.submit(approved(request.clone())).await, SubmitOutcome::Accepted(_)));
        // A new connection remembers nothing: only the venue can say that the order is there.
        setup.reconnect().await.unwrap();
        let outcome = setup.broker.submit(approved(request.clone())).await;
        assert!(matches!(&outcome, SubmitOutcome::Accepted(report) if report.status == OrderStatus::Working));
        assert_eq!(setup.fake.journal(&request.client_order_id.to_string()).0, 1);
    }
}

/// The venue would take a second order: the first has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_may_have_left_never_leaves_again() {
    let setup = Setup::of(FakeMarket::Spot).await;
    let request = market_order(symbol(), Side::Buy, Qty(decimal("0.01")));
    setup.fake.plan(Fault::ServerErrorAfter);
    let first = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(first, SubmitOutcome::Unknown { .. }), "{first:?}");
    let second = setup.broker.submit(approved(request.clone())).await;
    assert!(matches!(second, SubmitOutcome::Accepted(_)), "{second:?}");
    assert_eq!(setup.fake.journal(&request.client_order_id.to_string()), (1, decimal("0.01")));
}

/// An order without all of its executions would leave the books short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_waits_for_the_executions_or_is_no_answer() {
    for market in [FakeMarket::Spot, FakeMarket::Usdm] {
        let setup = Setup::of(market).await;
        let request = market_order(symbol(), Side::Buy, Qty(decimal("0.01")));
        setup.broker.submit(approved(request.clone())).await;
        setup.fake.lag_executions(2);
        match setup.broker.look_up(&symbol(), request.client_order_id).await {
            LookUp::Found(report) => assert_eq!(report.executions.len(), 1),
            other => panic!("the executions come in the end: {other:?}"),
        }
        setup.fake.lag_executions(1_000);
        let found = setup.broker.look_up(&symbol(), request.client_order_id).await;
        assert!(matches!(found, LookUp::Unavailable { .. }), "{found:?}");
    }
}

/// One answer holds a thousand executions at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_turns_the_pages_of_executions() {
    for market in [FakeMarket::Spot, FakeMarket::Usdm] {
        let mut setup = Setup::of(market).await;
        let (lot, count) = (decimal("0.001"), 1_001_u32);
        let request =
            limit_order(symbol(), Side::Buy, Qty(lot * Decimal::from(count)), Price(decimal("50000")));
        let exchange = setup.fake.exchange();
        exchange.thin_out(SYMBOL, Some(lot));
        setup.broker.submit(approved(request.clone())).await;
        let id = exchange.orders()[0].id;
        for _ in 1..count {
            exchange.thin_out(SYMBOL, Some(lot));
            exchange.work(id);
            // The stream is read, so that nothing waits for it.
            while setup.reports.try_recv().is_ok() {}
        }
        match setup.broker.look_up(&symbol(), request.client_order_id).await {
            LookUp::Found(report) => {
                assert_eq!((report.status, report.executions.len()), (OrderStatus::Filled, 1_001));
            }
            other => panic!("it is found: {other:?}"),
        }
    }
}

/// The stream tells the fills of a triggered order under our name, whatever the venue names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_triggered_orders_fills_come_by_the_stream_under_our_name() {
    for triggered_keeps_name in [true, false] {
        let setup = FakeSetup { triggered_keeps_name, ..FakeSetup::of(FakeMarket::Usdm) };
        let mut setup = Setup::with(setup).await;
        let request = OrderRequest {
            order_type: OrderType::Stop,
            stop_price: Some(Price(decimal("51000"))),
            ..market_order(symbol(), Side::Buy, Qty(decimal("0.01")))
        };
        setup.broker.submit(approved(request.clone())).await;
        setup.fake.move_price(decimal("51500"));
        let told = async {
            loop {
                let report = setup.reports.recv().await.expect("the connection lives");
                assert_eq!(report.client_order_id, request.client_order_id);
                if report.status == OrderStatus::Filled && !report.executions.is_empty() {
                    return report;
                }
            }
        };
        let report = tokio::time::timeout(Duration::from_secs(20), told).await.expect("a report of the fill");
        assert_eq!(report.filled_qty, request.order_qty);
        let found = settled(&setup.broker, &request, |_| true).await;
        assert_eq!(found.executions[0].exec_id, report.executions[0].exec_id);
    }
}

/// A triggered order that rests fills long after the venue has said what it came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_triggered_order_of_another_name_is_followed_while_it_rests() {
    let setup = FakeSetup { triggered_keeps_name: false, ..FakeSetup::of(FakeMarket::Usdm) };
    let mut setup = Setup::with(setup).await;
    let request = OrderRequest {
        order_type: OrderType::StopLimit,
        stop_price: Some(Price(decimal("51000"))),
        ..limit_order(symbol(), Side::Buy, Qty(decimal("0.01")), Price(decimal("51100")))
    };
    setup.broker.submit(approved(request.clone())).await;
    setup.fake.move_price(decimal("52000"));
    let mut heard = async |wanted: fn(&ExecutionReport) -> bool| {
        let told = async {
            loop {
                let report = setup.reports.recv().await.expect("the connection lives");
                if wanted(&report) {
                    return report;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.expect("a report")
    };
    let is_the_order =
        |report: &ExecutionReport| report.venue_order_id.as_ref().is_some_and(|id| !id.0.starts_with("algo"));
    let rests = heard(is_the_order).await;
    assert_eq!((rests.status, rests.client_order_id), (OrderStatus::Working, request.client_order_id));
    setup.fake.move_price(decimal("51050"));
    let filled = heard(|report| report.status == OrderStatus::Filled).await;
    assert_eq!((filled.client_order_id, filled.executions.len()), (request.client_order_id, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outlives_a_connection_that_is_dropped() {
    for market in [FakeMarket::Spot, FakeMarket::Usdm] {
        let fake = FakeBinance::start(FakeSetup::of(market)).await;
        let (broker, mut reports) =
            connect(&fake, market, &Arc::new(OffClock::default()), &right()).await.unwrap();
        drop(broker);
        let ended = tokio::time::timeout(Duration::from_secs(20), reports.recv()).await;
        assert_eq!(ended.expect("the task ends"), None);
        fake.assert_clean();
    }
}
