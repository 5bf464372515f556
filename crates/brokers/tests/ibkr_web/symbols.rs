//! What symbols stand for.

use atomik_domain::{Environment, OrderStatus, Qty, Side};
use atomik_ports::broker::{BrokerError, SubmitOutcome};
use atomik_testkit::broker_suite::{approved, market_order, settled};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use rstest::rstest;
use rust_decimal::Decimal;
use serde_json::json;

use super::setup::{NOW, Setup, connect_as, symbol};

/// After the roll of December's contract.
const ROLLED: &str = "2026-12-14T15:00:00Z";

#[rstest]
#[case("ES", NOW, Some("ESZ6"), "0.25", "50")]
#[case("ES1!", NOW, Some("ESZ6"), "0.25", "50")]
#[case("ES", ROLLED, Some("ESH7"), "0.25", "50")]
#[case("ESZ6", ROLLED, None, "0.25", "50")]
#[case("ESH27", NOW, Some("ESH7"), "0.25", "50")]
#[case("ESZ2026", NOW, Some("ESZ6"), "0.25", "50")]
// Two sizes of one name, told apart by the exchange's name for the product.
#[case("SI", NOW, Some("SIZ6"), "0.005", "5000")]
#[case("SIL", NOW, Some("SILZ6"), "0.005", "1000")]
// Crude oil of January ends in December.
#[case("CLF7", NOW, None, "0.01", "1000")]
#[case("AAPL", NOW, None, "0.01", "1")]
#[case("BRK.B", NOW, None, "0.01", "1")]
#[case("STK:AAPL", NOW, Some("AAPL"), "0.01", "1")]
#[tokio::test]
async fn a_symbol_has_its_contract_and_rules(
    #[case] text: &str,
    #[case] now: &str,
    #[case] contract: Option<&str>,
    #[case] tick: &str,
    #[case] multiplier: &str,
) {
    let venue = IbkrWebVenue::start().await;
    let (broker, _reports) = connect_as(&venue, Environment::Paper, now, &json!({})).await.unwrap();
    let instrument = broker.instrument(&symbol(text)).await.unwrap();
    assert_eq!(instrument.symbol, symbol(text));
    assert_eq!(instrument.contract, contract.map(symbol));
    assert_eq!(
        (instrument.tick_size.to_string(), instrument.lot_size.to_string()),
        (tick.to_owned(), "1".to_owned())
    );
    assert_eq!(instrument.multiplier.normalize().to_string(), multiplier);
    venue.assert_clean();
}

#[tokio::test]
async fn symbols_that_are_unknown_or_mean_several_are_refused_and_nothing_is_sent() {
    let setup = Setup::new().await;
    for unknown in ["NOSUCH", "ESM9", "BTC/USD", "QQ1!"] {
        let error = setup.broker.instrument(&symbol(unknown)).await.unwrap_err();
        assert!(matches!(error, BrokerError::UnknownSymbol(_)), "{unknown}: {error:?}");
    }
    let error = setup.broker.instrument(&symbol("TWIN")).await.unwrap_err();
    assert!(error.to_string().contains("2 shares"), "{error}");
    let order = market_order(symbol("NOSUCH"), Side::Buy, Qty(Decimal::ONE));
    assert!(matches!(setup.broker.submit(approved(order)).await, SubmitOutcome::Rejected { .. }));
    let order = market_order(symbol("TWIN"), Side::Buy, Qty(Decimal::ONE));
    assert!(matches!(setup.broker.submit(approved(order)).await, SubmitOutcome::NotSent { .. }));
    assert_eq!(setup.venue.count("POST", "/orders"), 0);
}

#[tokio::test]
async fn a_root_stays_with_the_contract_that_is_held_until_it_is_flat() {
    let venue = IbkrWebVenue::start().await;
    // Held since before the roll.
    venue.exchange().trade_by_hand("495512563", Decimal::TWO);
    let (broker, _reports) = connect_as(&venue, Environment::Paper, ROLLED, &json!({})).await.unwrap();
    let root = symbol("ES");
    assert_eq!(broker.instrument(&root).await.unwrap().contract, Some(symbol("ESZ6")));
    assert_eq!(broker.net_position(&root).await.unwrap().0, Decimal::TWO);
    let exit = market_order(root.clone(), Side::Sell, Qty(Decimal::TWO));
    assert!(matches!(broker.submit(approved(exit.clone())).await, SubmitOutcome::Accepted(_)));
    settled(&broker, &exit, |report| report.status == OrderStatus::Filled).await;
    assert!(venue.exchange().held().is_empty(), "the exit closed what was held");
    assert_eq!(broker.instrument(&root).await.unwrap().contract, Some(symbol("ESH7")));
    let entry = market_order(root.clone(), Side::Buy, Qty(Decimal::ONE));
    assert!(matches!(broker.submit(approved(entry.clone())).await, SubmitOutcome::Accepted(_)));
    settled(&broker, &entry, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(venue.exchange().held().keys().collect::<Vec<_>>(), ["495512564"]);
    assert_eq!(broker.positions().await.unwrap()[0].symbol, symbol("ESH7"));
    venue.assert_clean();
}

#[tokio::test]
async fn positions_are_fresh_however_often_they_are_asked_for() {
    let setup = Setup::new().await;
    let future = symbol("ESZ6");
    for expected in 1..=3_i64 {
        assert_eq!(setup.broker.net_position(&future).await.unwrap().0, Decimal::from(expected - 1));
        setup.venue.exchange().trade_by_hand("495512563", Decimal::ONE);
        assert_eq!(setup.broker.net_position(&future).await.unwrap().0, Decimal::from(expected));
    }
}

#[tokio::test]
async fn prices_and_searches_answer() {
    let setup = Setup::new().await;
    let quote = setup.broker.price(&symbol("ESZ6")).await.unwrap().unwrap();
    assert_eq!(quote.price.to_string(), "5000");
    let found = setup.broker.search_instruments("AAPL", 10).await.unwrap();
    assert!(found.iter().any(|instrument| instrument.symbol == symbol("AAPL")), "{found:?}");
    assert!(setup.broker.search_instruments("NOSUCHTHING", 10).await.unwrap().is_empty());
}
