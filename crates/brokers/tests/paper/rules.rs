//! What the paper venue does beside what every venue does.

use std::sync::Arc;

use atomik_domain::order::PriceSource;
use atomik_domain::{Environment, OrderRequest, OrderStatus, OrderType, Side, TimeInForce};
use atomik_ports::broker::{CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::{BrokerConnector, Credentials};
use atomik_testkit::broker_suite::{approved, limit_order, market_order};
use rstest::rstest;
use serde_json::json;
use tokio::task::JoinSet;

use super::setup::Engine::{self, Postgres, Sqlite};
use super::setup::{DEADLINE, Setup, account, decimal, price, qty, symbol};

fn buy(text: &str, quantity: &str) -> OrderRequest {
    market_order(symbol(text), Side::Buy, qty(quantity))
}

fn sell(text: &str, quantity: &str) -> OrderRequest {
    market_order(symbol(text), Side::Sell, qty(quantity))
}

fn at(reference: &str, request: OrderRequest) -> OrderRequest {
    OrderRequest { reference_price: Some(price(reference)), ..request }
}

#[rstest]
#[tokio::test]
async fn one_point_of_es_is_fifty_dollars(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"commission": "2"})).await;
    setup.accepted(&at("5000", buy("ESZ6", "2"))).await;
    setup.accepted(&at("5001", sell("ESZ6", "2"))).await;
    let balance = setup.broker.balance().await.unwrap();
    assert_eq!(balance.cash.0, decimal("100092"));
    assert_eq!((balance.equity, balance.simulated), (balance.cash, false));
}

#[rstest]
#[tokio::test]
async fn a_coin_trades_in_fine_lots_and_exact_money(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({})).await;
    setup.accepted(&at("65000.01", buy("BTC/USD", "0.00003"))).await;
    setup.accepted(&at("65000.02", sell("BTC/USD", "0.00003"))).await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("100000.0000003"));
    let reason = setup.rejected(&at("65000", buy("BTC/USD", "0.000035"))).await;
    assert_eq!(reason, "The quantity 0.000035 is not a multiple of the lot of BTC/USD, which is 0.00001.");
}

#[rstest]
#[tokio::test]
async fn what_is_not_priced_in_dollars_is_rejected_because_nothing_is_converted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({})).await;
    for (pair, currency) in [("BTC/EUR", "EUR"), ("ETH-BTC", "BTC"), ("ETHBTC", "BTC")] {
        let reason = setup.rejected(&at("1", buy(pair, "0.01"))).await;
        assert!(reason.starts_with(&format!("{pair} is priced in {currency}, and ")), "{reason}");
        let resting = setup.rejected(&limit_order(symbol(pair), Side::Sell, qty("0.01"), price("9"))).await;
        assert_eq!(resting, reason);
    }
    setup.accepted(&at("65000", buy("BTCUSDT", "0.01"))).await;
    setup.accepted(&at("66000", sell("BTCUSDT", "0.01"))).await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("100010"));
}

#[rstest]
#[tokio::test]
async fn slippage_is_against_the_trader_and_only_for_market_and_stop_orders(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"slippage_ticks": 2, "prices": {"ES": "5000"}})).await;
    let bought = setup.accepted(&buy("ES", "1")).await;
    assert_eq!(bought.executions[0].last_price, price("5000.5"));
    let sold = setup.accepted(&sell("ES", "1")).await;
    assert_eq!(sold.executions[0].last_price, price("4999.5"));
    let limited = limit_order(symbol("ES"), Side::Buy, qty("1"), price("5000"));
    assert_eq!(setup.accepted(&limited).await.executions[0].last_price, price("5000"));
    let stop =
        OrderRequest { order_type: OrderType::Stop, stop_price: Some(price("5000")), ..sell("ES", "1") };
    assert_eq!(setup.accepted(&stop).await.executions[0].last_price, price("4999.5"));
}

#[rstest]
#[tokio::test]
async fn slippage_stops_above_zero_where_prices_do(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"slippage_ticks": 1000, "prices": {"F": "5", "CL": "5"}})).await;
    assert_eq!(setup.accepted(&sell("F", "1")).await.executions[0].last_price, price("0.01"));
    assert_eq!(setup.accepted(&sell("CL", "1")).await.executions[0].last_price, price("-5"));
}

#[rstest]
#[tokio::test]
async fn the_same_order_many_times_in_one_batch_is_one_order(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let request = buy("ES", "1");
    let mut sends = JoinSet::new();
    for _ in 0..8 {
        let (broker, order) = (Arc::clone(&setup.broker), approved(request.clone()));
        sends.spawn(async move { broker.submit(order).await });
    }
    let outcomes = sends.join_all().await;
    assert!(matches!(outcomes[0], SubmitOutcome::Accepted(_)), "{:?}", outcomes[0]);
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    assert_eq!(setup.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("1"));
}

#[rstest]
#[tokio::test]
async fn an_order_that_is_sent_again_behind_a_connection_is_one_order(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    for request in [buy("ES", "1"), resting] {
        let (sender, _reports) = tokio::sync::mpsc::channel(8);
        let (other, credentials) = (account(2, json!({})), Credentials::default());
        // All three are asked for before the venue looks at the first.
        let (first, connected, second) = tokio::join!(
            setup.submit(&request),
            setup.venue.connect(&other, &credentials, sender),
            setup.submit(&request),
        );
        connected.unwrap();
        assert!(matches!(first, SubmitOutcome::Accepted(_)), "{first:?}");
        assert_eq!(second, first);
    }
    assert_eq!(setup.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("1"));
}

#[rstest]
#[tokio::test]
async fn too_little_buying_power_is_a_reason_with_numbers(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup =
        Setup::on(engine, json!({"starting_balance": "10000", "prices": {"ES": "5000", "AAPL": "200"}}))
            .await;
    let reason = setup.rejected(&buy("ES", "2")).await;
    assert_eq!(reason, "The order needs 25,000.00 of buying power, 10,000.00 is left.");
    // Shares at twice the money: 100 x 200 / 2.
    setup.accepted(&buy("AAPL", "100")).await;
    let reason = setup.rejected(&buy("AAPL", "1")).await;
    assert_eq!(reason, "The order needs 100.00 of buying power, 0.00 is left.");
}

#[rstest]
#[tokio::test]
async fn an_exit_needs_no_buying_power_and_a_reversal_only_what_it_adds(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"starting_balance": "12500", "prices": {"ES": "5000"}})).await;
    setup.accepted(&buy("ES", "1")).await;
    assert!(setup.broker.balance().await.unwrap().buying_power.is_zero());
    // Far under water: nothing is left, and the exit still goes.
    setup.accepted(&at("4000", sell("ES", "1"))).await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("-37500"));
    let setup = Setup::on(engine, json!({"starting_balance": "12500", "prices": {"ES": "5000"}})).await;
    setup.accepted(&buy("ES", "1")).await;
    // A reduce-only order adds nothing, however large it is.
    let too_large = OrderRequest { reduce_only: true, ..sell("ES", "9") };
    assert_eq!(setup.accepted(&too_large).await.filled_qty, qty("1"));
    let setup = Setup::on(engine, json!({"starting_balance": "12500", "prices": {"ES": "5000"}})).await;
    setup.accepted(&buy("ES", "1")).await;
    setup.accepted(&sell("ES", "2")).await;
    assert_eq!(setup.broker.net_position(&symbol("ES")).await.unwrap().0, decimal("-1"));
    setup.rejected(&sell("ES", "1")).await;
}

#[rstest]
#[tokio::test]
async fn resting_orders_hold_their_buying_power_back_until_they_end(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"starting_balance": "20000", "prices": {"ES": "5000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    setup.accepted(&resting).await;
    assert_eq!(setup.broker.balance().await.unwrap().buying_power.0, decimal("10000"));
    setup.rejected(&buy("ES", "1")).await;
    setup.broker.cancel(&resting.symbol, resting.client_order_id).await;
    setup.accepted(&buy("ES", "1")).await;
}

#[rstest]
#[tokio::test]
async fn leverage_is_a_setting_of_shares_and_coins(#[values(Sqlite, Postgres)] engine: Engine) {
    let prices = json!({"AAPL": "100", "ETH/USD": "2000"});
    let setup = Setup::on(engine, json!({"starting_balance": "1000", "leverage": 4, "prices": prices})).await;
    setup.accepted(&buy("AAPL", "20")).await;
    setup.accepted(&buy("ETH/USD", "1")).await;
    setup.rejected(&buy("AAPL", "1")).await;
    let setup = Setup::on(engine, json!({"starting_balance": "1000", "prices": prices})).await;
    setup.rejected(&buy("ETH/USD", "0.5001")).await;
    setup.accepted(&buy("ETH/USD", "0.5")).await;
}

#[rstest]
#[tokio::test]
async fn the_rest_of_a_large_order_fills_tick_by_tick(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"max_fill_qty_per_tick": "2", "prices": {"MES": "5000"}})).await;
    let request = buy("MES", "5");
    let first = setup.accepted(&request).await;
    assert_eq!((first.status, first.filled_qty), (OrderStatus::PartiallyFilled, qty("2")));
    let last = setup.report(&request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(last.filled_qty, qty("5"));
    let LookUp::Found(whole) = setup.broker.look_up(&request.symbol, request.client_order_id).await else {
        panic!("not found");
    };
    let parts: Vec<_> = whole.executions.iter().map(|execution| execution.last_qty).collect();
    assert_eq!(parts, [qty("2"), qty("2"), qty("1")]);
    let mut ids: Vec<_> = whole.executions.iter().map(|execution| &execution.exec_id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[rstest]
#[tokio::test]
async fn an_alert_price_is_a_tick_for_what_rests_in_its_symbol(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000", "NQ": "18000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4900"));
    setup.accepted(&resting).await;
    setup.accepted(&at("4890", buy("NQ", "1"))).await;
    setup.accepted(&at("4895.10", sell("ES", "1"))).await;
    let filled = setup.report(&resting, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(filled.executions[0].last_price, price("4895"));
    assert_eq!(filled.executions[0].price_source, PriceSource::Alert);
}

#[rstest]
#[tokio::test]
async fn an_ioc_order_keeps_what_filled_and_drops_the_rest(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"max_fill_qty_per_tick": "2", "prices": {"MES": "5000"}})).await;
    let request = OrderRequest { time_in_force: TimeInForce::Ioc, ..buy("MES", "5") };
    let report = setup.accepted(&request).await;
    assert_eq!((report.status, report.filled_qty), (OrderStatus::Expired, qty("2")));
    assert!(report.reason.unwrap().contains("Immediate or cancel"));
}

#[rstest]
#[tokio::test]
async fn the_alerts_price_comes_before_the_fixed_one_and_that_before_the_simulated(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let source = |report: atomik_domain::ExecutionReport| {
        (report.executions[0].price_source, report.executions[0].last_price)
    };
    assert_eq!(
        source(setup.accepted(&at("5010.10", buy("ES", "1"))).await),
        (PriceSource::Alert, price("5010"))
    );
    assert_eq!(source(setup.accepted(&buy("ES", "1")).await), (PriceSource::Fixed, price("5000")));
    assert_eq!(source(setup.accepted(&buy("ESZ6", "1")).await), (PriceSource::Fixed, price("5000")));
    let quote = setup.broker.price(&symbol("ES")).await.unwrap().unwrap();
    assert_eq!((quote.price, quote.simulated), (price("5000"), false));
    setup.change(json!({})).await;
    // With no fixed price any more, the feed goes on from the last price that was real.
    assert_eq!(source(setup.accepted(&buy("ES", "1")).await), (PriceSource::Simulated, price("5010")));
    let quote = setup.broker.price(&symbol("ES")).await.unwrap().unwrap();
    assert!(quote.simulated);
    assert!(setup.broker.balance().await.unwrap().simulated);
    assert_eq!(source(setup.accepted(&buy("MNQ", "1")).await).0, PriceSource::Simulated);
}

#[rstest]
#[tokio::test]
async fn the_simulated_feed_is_the_same_after_a_restart(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({})).await;
    let before = setup.broker.price(&symbol("NQ")).await.unwrap();
    setup.restart().await;
    assert_eq!(setup.broker.price(&symbol("NQ")).await.unwrap(), before);
}

#[rstest]
#[tokio::test]
async fn a_day_order_ends_with_the_day_and_a_gtc_order_does_not(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let gtc = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    let day = OrderRequest {
        time_in_force: TimeInForce::Day,
        ..limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"))
    };
    setup.accepted(&gtc).await;
    setup.accepted(&day).await;
    setup.clock.set("2026-03-21T00:00:00Z");
    let ended = setup.report(&day, |report| report.status.is_final()).await;
    assert_eq!(ended.status, OrderStatus::Expired);
    let outcome = setup.broker.cancel(&gtc.symbol, gtc.client_order_id).await;
    assert!(matches!(outcome, CancelOutcome::Done(_)));
}

#[rstest]
#[tokio::test]
async fn what_an_order_lacks_is_named(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let limit = OrderRequest { order_type: OrderType::Limit, ..buy("ES", "1") };
    assert_eq!(setup.rejected(&limit).await, "A limit order needs a limit price.");
    let stop = OrderRequest { order_type: OrderType::Stop, ..buy("ES", "1") };
    assert_eq!(setup.rejected(&stop).await, "A stop order needs a stop price.");
    let stop_limit =
        OrderRequest { order_type: OrderType::StopLimit, limit_price: Some(price("5000")), ..buy("ES", "1") };
    assert_eq!(setup.rejected(&stop_limit).await, "A stop_limit order needs a stop price.");
    let hasty = OrderRequest { stop_price: Some(price("5100")), time_in_force: TimeInForce::Ioc, ..stop };
    let hasty = OrderRequest { client_order_id: buy("ES", "1").client_order_id, ..hasty };
    assert!(setup.rejected(&hasty).await.contains("cannot be ioc"));
    assert!(setup.rejected(&at("0", buy("AAPL", "1"))).await.contains("alert's price 0"));
    assert!(
        setup.rejected(&at("9999999999999999999999999999", buy("ES", "1"))).await.contains("out of bounds")
    );
    assert!(setup.rejected(&buy("ES", "9999999999999999999999999999")).await.contains("above the most"));
    let exit = OrderRequest { reduce_only: true, ..sell("ES", "1") };
    assert!(setup.rejected(&exit).await.contains("reduces nothing"));
}

#[rstest]
#[tokio::test]
async fn crude_oil_may_trade_below_zero(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({})).await;
    setup.accepted(&at("-37.63", buy("CL", "1"))).await;
    setup.accepted(&at("-36.63", sell("CL", "1"))).await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("101000"));
}

#[rstest]
#[tokio::test]
async fn a_rejection_is_remembered_too(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"starting_balance": "1", "prices": {"ES": "5000"}})).await;
    let request = buy("ES", "1");
    let reason = setup.rejected(&request).await;
    setup.change(json!({"starting_balance": "1000000", "prices": {"ES": "5000"}})).await;
    assert_eq!(setup.rejected(&request).await, reason);
    let LookUp::Found(report) = setup.broker.look_up(&request.symbol, request.client_order_id).await else {
        panic!("not found");
    };
    assert_eq!((report.status, report.reason), (OrderStatus::Rejected, Some(reason)));
}

#[rstest]
#[tokio::test]
async fn another_starting_balance_is_money_paid_in(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"starting_balance": "1000"})).await;
    setup.accepted(&at("10", buy("AAPL", "1"))).await;
    setup.accepted(&at("12", sell("AAPL", "1"))).await;
    setup.change(json!({"starting_balance": "5000"})).await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("5002"));
    setup.restart().await;
    assert_eq!(setup.broker.balance().await.unwrap().cash.0, decimal("5002"));
}

#[rstest]
#[tokio::test]
async fn an_account_may_have_a_thousand_resting_orders_and_no_more(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({"starting_balance": "1000000000", "prices": {"AAPL": "100"}})).await;
    for _ in 0..1_000 {
        setup.accepted(&limit_order(symbol("AAPL"), Side::Buy, qty("1"), price("50"))).await;
    }
    let one_more = limit_order(symbol("AAPL"), Side::Buy, qty("1"), price("50"));
    assert!(setup.rejected(&one_more).await.contains("1000 resting orders"));
}

#[rstest]
#[tokio::test]
async fn accounts_do_not_see_each_other(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let request = buy("ES", "1");
    setup.accepted(&request).await;
    let (sender, _reports) = tokio::sync::mpsc::channel(8);
    let other = setup.venue.connect(&account(2, json!({})), &Credentials::default(), sender).await.unwrap();
    assert!(other.positions().await.unwrap().is_empty());
    assert_eq!(other.look_up(&request.symbol, request.client_order_id).await, LookUp::NotFound);
}

#[rstest]
#[tokio::test]
async fn a_reduce_only_order_ends_when_its_position_is_gone(#[values(Sqlite, Postgres)] engine: Engine) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    setup.accepted(&buy("ES", "1")).await;
    let exit =
        OrderRequest { reduce_only: true, ..limit_order(symbol("ES"), Side::Sell, qty("1"), price("6000")) };
    setup.accepted(&exit).await;
    setup.accepted(&sell("ES", "1")).await;
    let ended = setup.report(&exit, |report| report.status.is_final()).await;
    assert_eq!((ended.status, ended.filled_qty), (OrderStatus::Canceled, qty("0")));
}

#[rstest]
#[tokio::test]
async fn settings_are_checked_and_the_catalogue_describes_them(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({})).await;
    let errors = setup.venue.check_settings(Environment::Paper, &json!({"comission": 1})).unwrap_err();
    assert_eq!(errors[0].problem, "is not a setting; did you mean commission?");
    let errors = setup.venue.check_settings(Environment::Live, &json!({})).unwrap_err();
    assert_eq!(errors[0].field, "environment");
    let full = setup.venue.check_settings(Environment::Paper, &json!({"prices": {"es": 5000}})).unwrap();
    assert_eq!(full["prices"], json!({"ES": "5000"}));
    let described: Vec<_> =
        setup.venue.description().setting_fields.into_iter().map(|field| field.name).collect();
    let keys: Vec<_> = full.as_object().unwrap().keys().cloned().collect();
    assert!(keys.iter().all(|key| described.contains(key)) && keys.len() == described.len());
    let found = setup.venue.search_instruments("micro", 3).await.unwrap();
    assert_eq!(found.len(), 3);
}

#[rstest]
#[tokio::test]
async fn a_symbol_nobody_knows_trades_by_default_rules_and_says_so(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let setup = Setup::on(engine, json!({})).await;
    let instrument = setup.broker.instrument(&symbol("FOO_BAR9")).await.unwrap();
    assert!(!instrument.known && instrument.name.contains("unknown symbol"));
    setup.accepted(&at("12.345", buy("FOO_BAR9", "1"))).await;
    assert_eq!(setup.broker.positions().await.unwrap()[0].avg_price, price("12.35"));
}

#[rstest]
#[tokio::test]
async fn a_dropped_connection_is_forgotten_and_a_new_one_has_everything(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let mut setup = Setup::on(engine, json!({"prices": {"ES": "5000"}})).await;
    let resting = limit_order(symbol("ES"), Side::Buy, qty("1"), price("4000"));
    setup.accepted(&resting).await;
    // The new connection comes first, then the old one goes: the account must stay.
    setup.change(json!({"prices": {"ES": "3900"}})).await;
    let filled = setup.report(&resting, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(filled.executions[0].last_price, price("3900"));
    assert_eq!(setup.broker.positions().await.unwrap().len(), 1);
    // And with the last connection the account leaves memory: nobody reports any more.
    setup.broker = setup
        .venue
        .connect(&account(2, json!({})), &Credentials::default(), tokio::sync::mpsc::channel(1).0)
        .await
        .unwrap();
    let gone = async { while setup.reports.recv().await.is_some() {} };
    tokio::time::timeout(DEADLINE, gone).await.expect("the account is forgotten");
}

#[rstest]
#[tokio::test]
async fn an_account_may_trade_a_thousand_symbols_and_no_more(#[values(Sqlite, Postgres)] engine: Engine) {
    let setup = Setup::on(engine, json!({})).await;
    for number in 0..1_000 {
        setup.accepted(&at("1", buy(&format!("S{number}"), "1"))).await;
    }
    assert!(setup.rejected(&at("1", buy("ANOTHER", "1"))).await.contains("1000 symbols"));
    setup.accepted(&at("1", sell("S7", "1"))).await;
}
