//! Tables: order types, filters, refusals, symbols, settings and credentials.

use std::time::Duration;

use atomik_brokers::binance::BinanceConnector;
use atomik_brokers::binance::credentials::Key;
use atomik_brokers::binance::orders::write;
use atomik_brokers::binance::refusal::judge;
use atomik_brokers::binance::replies::SymbolInfo;
use atomik_brokers::binance::reports::commission;
use atomik_brokers::binance::rules::Rules;
use atomik_brokers::binance::settings::Market;
use atomik_brokers::wire::{Answer, UrlRules};
use atomik_domain::{Amount, Environment, OrderRequest, OrderType, Price, Qty, Side, TimeInForce};
use atomik_ports::broker::SubmitOutcome;
use atomik_ports::{BrokerConnector, SystemClock};
use atomik_testkit::broker_suite::market_order;
use rstest::rstest;
use serde_json::json;

use super::setup::{credentials, decimal, policy, symbol};

fn request(order_type: OrderType, qty: &str, limit: Option<&str>, stop: Option<&str>) -> OrderRequest {
    let price = |text: Option<&str>| text.map(|text| Price(decimal(text)));
    let (limit_price, stop_price) = (price(limit), price(stop));
    OrderRequest {
        order_type,
        limit_price,
        stop_price,
        ..market_order(symbol(), Side::Sell, Qty(decimal(qty)))
    }
}

#[rstest]
#[case(Market::Spot, OrderType::Market, TimeInForce::Day, "type=MARKET&quantity=1")]
#[case(Market::Spot, OrderType::Limit, TimeInForce::Gtc, "type=LIMIT&quantity=1&price=9&timeInForce=GTC")]
#[case(Market::Spot, OrderType::Stop, TimeInForce::Gtc, "type=STOP_LOSS&quantity=1&stopPrice=8")]
#[case(
    Market::Spot,
    OrderType::StopLimit,
    TimeInForce::Fok,
    "type=STOP_LOSS_LIMIT&quantity=1&price=9&stopPrice=8&timeInForce=FOK"
)]
#[case(Market::Usdm, OrderType::Market, TimeInForce::Ioc, "type=MARKET&quantity=1&reduceOnly=true")]
#[case(
    Market::Usdm,
    OrderType::Limit,
    TimeInForce::Ioc,
    "type=LIMIT&quantity=1&price=9&timeInForce=IOC&reduceOnly=true"
)]
#[case(
    Market::Usdm,
    OrderType::Stop,
    TimeInForce::Gtc,
    "type=STOP_MARKET&quantity=1&triggerPrice=8&reduceOnly=true&algoType=CONDITIONAL"
)]
#[case(
    Market::Usdm,
    OrderType::StopLimit,
    TimeInForce::Gtc,
    "type=STOP&quantity=1&price=9&triggerPrice=8&timeInForce=GTC&reduceOnly=true&algoType=CONDITIONAL"
)]
fn every_order_type_is_written(
    #[case] market: Market,
    #[case] order_type: OrderType,
    #[case] time_in_force: TimeInForce,
    #[case] expected: &str,
) {
    let asked =
        OrderRequest { time_in_force, reduce_only: true, ..request(order_type, "1", Some("9"), Some("8")) };
    let placement = write(market, &asked, "ours").unwrap();
    let written = placement.params.encoded();
    assert_eq!(written.split_once("&type=").unwrap().1, expected.strip_prefix("type=").unwrap());
    assert_eq!(placement.path.contains("algoOrder"), written.contains("clientAlgoId=ours"));
}

#[rstest]
#[case(OrderType::Limit, TimeInForce::Day)]
#[case(OrderType::StopLimit, TimeInForce::Day)]
#[case(OrderType::Market, TimeInForce::Fok)]
fn what_binance_has_no_order_for_is_refused(
    #[case] order_type: OrderType,
    #[case] time_in_force: TimeInForce,
) {
    let asked = OrderRequest { time_in_force, ..request(order_type, "1", Some("9"), Some("8")) };
    assert!(write(Market::Spot, &asked, "ours").is_err());
    assert!(write(Market::Usdm, &asked, "ours").is_err());
}

fn rules(market: Market) -> Rules {
    let notional = match market {
        Market::Spot => {
            json!({"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000.00"})
        }
        Market::Usdm => json!({"filterType": "MIN_NOTIONAL", "notional": "5"}),
    };
    let info: SymbolInfo = serde_json::from_value(json!({
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "orderTypes": ["LIMIT", "MARKET", "STOP_LOSS_LIMIT"], "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "10000.00", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "100.000", "stepSize": "0.001"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "0.01", "maxQty": "10.00", "stepSize": "0.01"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "5"}, notional,
        ],
    }))
    .unwrap();
    Rules::read(market, &info).unwrap()
}

#[rstest]
#[case(OrderType::Limit, "0.5", Some("100.1"), None, None)]
#[case(OrderType::Limit, "0.0005", Some("100"), None, Some("LOT_SIZE: 0.0005 is below the least"))]
#[case(OrderType::Limit, "0.0505", Some("1000"), None, Some("LOT_SIZE: 0.0505 is not a multiple of 0.001"))]
#[case(OrderType::Limit, "100.001", Some("10"), None, Some("LOT_SIZE: 100.001 is above"))]
#[case(OrderType::Market, "0.5", None, None, None)]
#[case(OrderType::Market, "0.505", None, None, Some("MARKET_LOT_SIZE"))]
#[case(OrderType::Market, "11", None, None, Some("MARKET_LOT_SIZE"))]
#[case(OrderType::Limit, "0.505", Some("100"), None, None)]
#[case(OrderType::Limit, "0.5", Some("100.15"), None, Some("PRICE_FILTER: 100.15 is not on the tick"))]
#[case(OrderType::Limit, "0.5", Some("10000.1"), None, Some("PRICE_FILTER"))]
#[case(OrderType::StopLimit, "0.5", Some("100"), Some("100.05"), Some("PRICE_FILTER"))]
#[case(OrderType::Limit, "0.04", Some("100"), None, Some("NOTIONAL"))]
#[case(OrderType::Limit, "100", Some("100"), None, Some("NOTIONAL"))]
#[case(OrderType::Stop, "0.5", None, Some("100"), Some("takes no STOP_LOSS orders"))]
fn filters_are_checked_before_sending(
    #[case] order_type: OrderType,
    #[case] qty: &str,
    #[case] limit: Option<&str>,
    #[case] stop: Option<&str>,
    #[case] refused: Option<&str>,
) {
    let checked = rules(Market::Spot).check(&request(order_type, qty, limit, stop));
    match (checked, refused) {
        (Ok(()), None) => {}
        (Err(why), Some(expected)) => assert!(why.contains(expected), "{why}"),
        (checked, _) => panic!("{checked:?} instead of {refused:?}"),
    }
}

#[test]
fn the_lot_is_the_coarser_of_both_and_small_exits_are_let_through_on_futures() {
    assert_eq!(rules(Market::Spot).instrument.lot_size, Qty(decimal("0.01")));
    let small = request(OrderType::Limit, "0.04", Some("100"), None);
    assert!(rules(Market::Usdm).check(&small).is_err());
    assert!(rules(Market::Usdm).check(&OrderRequest { reduce_only: true, ..small }).is_ok());
}

#[rstest]
#[case(400, -2010, "rejected")]
#[case(400, -1013, "rejected")]
#[case(400, -1111, "rejected")]
#[case(400, -1121, "rejected")]
#[case(401, -2015, "rejected")]
#[case(400, -2019, "rejected")]
#[case(400, -2021, "rejected")]
#[case(400, -2022, "rejected")]
#[case(400, -4061, "rejected")]
#[case(400, -4164, "rejected")]
#[case(429, -1003, "not sent")]
#[case(418, -1003, "not sent")]
#[case(429, -1015, "not sent")]
#[case(503, -1008, "not sent")]
#[case(400, -1021, "not sent")]
#[case(400, -1006, "unknown")]
#[case(408, -1007, "unknown")]
#[case(400, -1000, "unknown")]
#[case(400, -1001, "unknown")]
#[case(500, -1000, "unknown")]
#[case(503, 0, "unknown")]
#[case(502, -2010, "unknown")]
#[case(403, 0, "unknown")]
#[case(400, 0, "unknown")]
fn a_refusal_proves_what_the_documents_say(#[case] status: u16, #[case] code: i64, #[case] expected: &str) {
    let body = json!({"code": code, "msg": "Something about it."}).to_string();
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("retry-after", "7".parse().unwrap());
    let outcome = judge(&Answer { status, headers, body: body.into() }).unwrap_err().outcome();
    let said = match &outcome {
        SubmitOutcome::Rejected { reason } => {
            assert!(reason.contains(&code.to_string()), "{reason}");
            "rejected"
        }
        SubmitOutcome::NotSent { retry_after, .. } => {
            assert_eq!(*retry_after, Duration::from_secs(if code == -1021 { 1 } else { 7 }));
            "not sent"
        }
        SubmitOutcome::Unknown { .. } => "unknown",
        SubmitOutcome::Accepted(_) => "accepted",
    };
    assert_eq!(said, expected, "{outcome:?}");
}

#[rstest]
#[case::quoted("BTCUSDT", "USDT", Some(true), "2.5", "0")]
#[case::bought("BTCUSDT", "BTC", Some(true), "250", "2.5")]
#[case::a_third_coin("BTCUSDT", "BNB", Some(true), "0", "0")]
#[case::the_fee_coin_itself("BNBBTC", "BNB", Some(true), "250", "2.5")]
#[case::the_fee_coin_sold("BNBUSDT", "BNB", Some(false), "250", "2.5")]
#[case::one_name_within_another("TUSDT", "T", Some(true), "250", "2.5")]
#[case::and_the_other_way("EURIEUR", "EUR", Some(false), "2.5", "0")]
#[case::futures("BTCUSDT_260327", "USDT", None, "2.5", "0")]
#[case::futures_take_nothing_of_a_position("BNBUSDT", "BNB", None, "250", "0")]
fn a_commission_is_told_in_the_quoted_currency_and_in_kind(
    #[case] symbol: &str,
    #[case] asset: &str,
    #[case] buys: Option<bool>,
    #[case] told: &str,
    #[case] kept: &str,
) {
    let paid = commission(symbol, decimal("100"), decimal("2.5"), asset, buys);
    assert_eq!(paid, (Amount(decimal(told)), Qty(decimal(kept))));
}

#[test]
fn settings_and_credentials_are_checked_and_never_shown() {
    let connector = BinanceConnector::new(std::sync::Arc::new(SystemClock), UrlRules::default(), policy());
    let settings = |environment, value| connector.check_settings(environment, &value);
    assert_eq!(settings(Environment::Live, json!({})).unwrap(), json!({"market": "spot"}));
    assert!(settings(Environment::Paper, json!({})).is_err());
    assert!(settings(Environment::Live, json!({"market": "coinm"})).is_err());
    assert!(settings(Environment::Live, json!({"base_url": "http://127.0.0.1:1"})).is_err());
    let secret = "hunter2-hunter2";
    for (fields, wrong) in [
        (vec![("secret_key", secret)], "credentials.api_key"),
        (vec![("api_key", secret)], "credentials.secret_key"),
        (vec![("api_key", secret), ("secret_key", "two words")], "credentials.secret_key"),
        (vec![("api_key", secret), ("private_key", secret)], "credentials.private_key"),
        (
            vec![("api_key", secret), ("secret_key", secret), ("private_key", secret)],
            "credentials.private_key",
        ),
    ] {
        let errors = connector.check_credentials(Environment::Live, &credentials(&fields)).unwrap_err();
        assert_eq!(errors[0].field, wrong);
        assert!(!format!("{errors:?}").contains(secret));
    }
    let key = Key::read(&credentials(&[("api_key", secret), ("secret_key", secret)])).unwrap();
    assert!(!format!("{key:?} {:?}", key.header().unwrap()).contains(secret));
}
