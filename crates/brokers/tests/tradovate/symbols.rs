//! Roots and contracts.

use atomik_domain::money::parse_decimal;
use atomik_domain::{OrderRequest, Price, Qty, Side, SignedQty, UnixMicros};
use atomik_ports::broker::{BrokerError, SubmitOutcome};
use atomik_testkit::broker_suite::market_order;
use rstest::rstest;
use rust_decimal::Decimal;

use super::setup::{Setup, symbol};

fn on(day: &str) -> UnixMicros {
    UnixMicros::parse_rfc3339(&format!("{day}T12:00:00Z")).unwrap()
}

fn lots(count: i64) -> SignedQty {
    SignedQty(Decimal::from(count))
}

#[rstest]
#[case("2026-03-11", "ES", "ESH6")]
#[case("2026-03-12", "ES", "ESM6")]
#[case("2026-03-12", "ES1!", "ESM6")]
#[case("2026-06-10", "ES", "ESM6")]
#[case("2026-06-11", "ES", "ESU6")]
#[case("2026-03-12", "CL", "CLK6")]
#[case("2026-03-11", "CL", "CLJ6")]
#[case("2026-03-22", "GC", "GCJ6")]
#[case("2026-03-23", "GC", "GCM6")]
#[tokio::test]
async fn a_root_shows_the_contract_it_stands_for(
    #[case] day: &str,
    #[case] root: &str,
    #[case] contract: &str,
) {
    let setup = Setup::at(on(day)).await;
    let instrument = setup.broker.instrument(&symbol(root)).await.unwrap();
    assert_eq!((instrument.symbol, instrument.contract), (symbol(root), Some(symbol(contract))));
    setup.trade(root, Side::Buy, 1).await;
    assert_eq!(setup.venue.exchange().orders()[0].asked.symbol, contract);
}

#[tokio::test]
async fn a_contract_stays_what_it_is_and_has_the_products_rules() {
    let setup = Setup::new().await;
    let price = |text: &str| Price(parse_decimal(text).unwrap());
    for (asked, contract, tick, multiplier) in [
        ("ESZ6", None, "0.25", 50),
        ("ESZ2026", Some("ESZ6"), "0.25", 50),
        ("ESZ26", Some("ESZ6"), "0.25", 50),
        ("MESU6", None, "0.25", 5),
        ("6JM6", None, "0.0000005", 12_500_000),
    ] {
        let instrument = setup.broker.instrument(&symbol(asked)).await.unwrap();
        assert_eq!(instrument.contract, contract.map(symbol), "{asked}");
        assert_eq!((instrument.tick_size, instrument.multiplier), (price(tick), Decimal::from(multiplier)));
        assert_eq!((instrument.lot_size, instrument.exchange.as_str()), (Qty(Decimal::ONE), "CME"));
        assert_eq!((instrument.currency.as_str(), instrument.known), ("USD", true));
    }
    for unknown in ["XX", "ESZ9", "ES2!", "AAPL", "ESZ2036", "ESZ16"] {
        let error = setup.broker.instrument(&symbol(unknown)).await.unwrap_err();
        assert_eq!(error, BrokerError::UnknownSymbol(symbol(unknown)));
        let outcome = setup.submit(&market_order(symbol(unknown), Side::Buy, Qty(Decimal::ONE))).await;
        assert!(matches!(outcome, SubmitOutcome::Rejected { .. }), "{outcome:?}");
    }
}

/// An exit must reach what is held, whatever the front contract is by then.
#[tokio::test]
async fn a_root_stays_with_the_contract_that_is_held_until_it_is_flat() {
    let mut setup = Setup::at(on("2026-06-11")).await;
    setup.venue.exchange().trade_by_hand("ESM6", Decimal::TWO);
    setup.reconnect().await.unwrap();
    let instrument = setup.broker.instrument(&symbol("ES1!")).await.unwrap();
    assert_eq!(instrument.contract, Some(symbol("ESM6")));
    assert_eq!(setup.broker.net_position(&symbol("ES")).await, Ok(lots(2)));
    assert_eq!(setup.broker.net_position(&symbol("ESU6")).await, Ok(lots(0)));
    let exit = setup.trade("ES", Side::Sell, 2).await;
    setup.report_of(&exit, |report| report.status.is_final()).await;
    assert!(setup.venue.exchange().held().is_empty());
    // The position's change comes by the stream with the fill.
    let entry = setup.trade("ES", Side::Buy, 1).await;
    setup.report_of(&entry, |report| report.status.is_final()).await;
    let held: Vec<_> = setup.venue.exchange().held().into_keys().collect();
    assert_eq!(held, ["ESU6"]);
    assert_eq!(setup.broker.net_position(&symbol("ES")).await, Ok(lots(1)));
}

#[tokio::test]
async fn several_contracts_of_a_root_are_not_guessed_about() {
    let mut setup = Setup::new().await;
    for contract in ["ESM6", "ESU6", "MESU6"] {
        setup.venue.exchange().trade_by_hand(contract, Decimal::ONE);
    }
    setup.reconnect().await.unwrap();
    let said = setup.broker.net_position(&symbol("ES")).await.unwrap_err().to_string();
    assert!(said.contains("ESM6, ESU6"), "{said}");
    let order = market_order(symbol("ES"), Side::Sell, Qty(Decimal::ONE));
    let SubmitOutcome::Rejected { reason } = setup.submit(&order).await else { panic!() };
    assert!(reason.contains("ESM6, ESU6"), "{reason}");
    assert!(setup.venue.exchange().orders().is_empty());
    assert_eq!(setup.broker.net_position(&symbol("MES")).await, Ok(lots(1)));
    let named = OrderRequest { symbol: symbol("ESM6"), ..order };
    assert!(matches!(setup.submit(&named).await, SubmitOutcome::Accepted(_)));
}

#[tokio::test]
async fn contracts_are_found_by_the_beginning_of_their_name() {
    let setup = Setup::new().await;
    let found = setup.broker.search_instruments("es", 3).await.unwrap();
    let names: Vec<_> = found.iter().map(|one| one.symbol.as_str()).collect();
    assert_eq!(names, ["ESH6", "ESM6", "ESU6"]);
}
