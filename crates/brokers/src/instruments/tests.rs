use super::*;
use rstest::rstest;

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

fn decimal(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

/// Root, tick and the dollar value of one tick, as the exchanges publish them.
#[rstest]
#[case("ES", "0.25", "12.5")]
#[case("NQ", "0.25", "5")]
#[case("YM", "1", "5")]
#[case("RTY", "0.1", "5")]
#[case("MES", "0.25", "1.25")]
#[case("MNQ", "0.25", "0.5")]
#[case("MYM", "1", "0.5")]
#[case("M2K", "0.1", "0.5")]
#[case("EMD", "0.1", "10")]
#[case("NKD", "5", "25")]
#[case("VX", "0.05", "50")]
#[case("CL", "0.01", "10")]
#[case("MCL", "0.01", "1")]
#[case("QM", "0.025", "12.5")]
#[case("NG", "0.001", "10")]
#[case("RB", "0.0001", "4.2")]
#[case("HO", "0.0001", "4.2")]
#[case("GC", "0.1", "10")]
#[case("MGC", "0.1", "1")]
#[case("SI", "0.005", "25")]
#[case("SIL", "0.005", "5")]
#[case("HG", "0.0005", "12.5")]
#[case("PL", "0.1", "5")]
#[case("PA", "0.5", "50")]
#[case("ZB", "0.03125", "31.25")]
#[case("UB", "0.03125", "31.25")]
#[case("ZN", "0.015625", "15.625")]
#[case("ZF", "0.0078125", "7.8125")]
#[case("ZT", "0.00390625", "7.8125")]
#[case("6E", "0.00005", "6.25")]
#[case("6B", "0.0001", "6.25")]
#[case("6J", "0.0000005", "6.25")]
#[case("6A", "0.00005", "5")]
#[case("6C", "0.00005", "5")]
#[case("6S", "0.00005", "6.25")]
#[case("M6E", "0.0001", "1.25")]
#[case("ZC", "0.25", "12.5")]
#[case("ZS", "0.25", "12.5")]
#[case("ZW", "0.25", "12.5")]
#[case("ZL", "0.01", "6")]
#[case("ZM", "0.1", "10")]
#[case("LE", "0.025", "10")]
#[case("HE", "0.025", "10")]
#[case("BTC", "5", "25")]
#[case("MBT", "5", "0.5")]
#[case("ETH", "0.5", "25")]
#[case("MET", "0.5", "0.05")]
fn a_tick_of_a_future_is_worth_what_the_exchange_says(
    #[case] root: &str,
    #[case] tick: &str,
    #[case] value: &str,
) {
    let instrument = resolve(&symbol(root));
    assert_eq!(instrument.asset_class, AssetClass::Future);
    assert!(instrument.known);
    assert_eq!(instrument.tick_size, Price(decimal(tick)));
    assert_eq!(instrument.lot_size, Qty(Decimal::ONE));
    assert_eq!(instrument.value_of(instrument.tick_size, Qty(Decimal::ONE)).0, decimal(value));
}

#[test]
fn every_decimal_of_the_tables_can_be_read() {
    for future in futures::FUTURES {
        for text in [future.tick, future.multiplier, future.typical_price] {
            assert!(decimal(text) > Decimal::ZERO, "{}", future.root);
        }
    }
    for coin in coins::COINS {
        for text in [coin.tick, coin.lot, coin.typical_price] {
            assert!(decimal(text) > Decimal::ZERO, "{}", coin.code);
        }
        assert!(decimal(coin.tick) * decimal("100") <= decimal(coin.typical_price), "{}", coin.code);
    }
    assert!(decimal(coins::FINEST_TICK) > Decimal::ZERO && decimal(coins::DEFAULT_LOT) > Decimal::ZERO);
}

#[test]
fn no_root_coin_or_share_is_listed_twice() {
    let mut symbols: Vec<String> = catalogue().map(|instrument| instrument.symbol.to_string()).collect();
    let listed = symbols.len();
    symbols.sort();
    symbols.dedup();
    assert_eq!(symbols.len(), listed);
    assert!(equities::KNOWN.iter().all(|(ticker, _)| equities::looks_like_one(ticker)));
}

#[rstest]
#[case("ES1!")]
#[case("ES2!")]
#[case("ESZ6")]
#[case("ESZ26")]
#[case("ESZ2026")]
#[case("ESH7")]
fn continuous_and_dated_symbols_have_their_roots_rules_and_their_own_spelling(#[case] written: &str) {
    let instrument = resolve(&symbol(written));
    assert_eq!(instrument.symbol, symbol(written));
    assert_eq!(Instrument { symbol: symbol("ES"), ..instrument }, resolve(&symbol("ES")));
    assert_eq!(canonical(&symbol(written)), symbol("ES"));
}

#[rstest]
#[case("ES0!")]
#[case("ES!")]
#[case("ESA6")]
#[case("ESZ123")]
#[case("ESZ1926")]
#[case("XXZ6")]
#[case("12345")]
fn what_only_looks_like_a_future_is_unknown(#[case] written: &str) {
    let instrument = resolve(&symbol(written));
    assert!(!instrument.known);
    assert_eq!(instrument.name, UNKNOWN_NAME);
    assert_eq!(instrument.multiplier, Decimal::ONE);
    assert_eq!(canonical(&symbol(written)), symbol(written));
}

#[test]
fn micro_contracts_with_digits_keep_their_dates_apart() {
    assert_eq!(canonical(&symbol("M2KZ6")), symbol("M2K"));
    assert_eq!(canonical(&symbol("6EH2027")), symbol("6E"));
    assert_eq!(canonical(&symbol("M6E1!")), symbol("M6E"));
}

#[rstest]
#[case("BTC/USD", "USD", "0.01", "0.00001")]
#[case("BTCUSD", "USD", "0.01", "0.00001")]
#[case("btc-usdt", "USDT", "0.01", "0.00001")]
#[case("BTCUSDT", "USDT", "0.01", "0.00001")]
#[case("ETH/BTC", "BTC", "0.00000001", "0.0001")]
#[case("ETHBTC", "BTC", "0.00000001", "0.0001")]
#[case("DOGEEUR", "EUR", "0.00001", "1")]
#[case("SHIB/USDC", "USDC", "0.00000001", "1")]
fn coin_pairs_have_fine_lots(
    #[case] written: &str,
    #[case] currency: &str,
    #[case] tick: &str,
    #[case] lot: &str,
) {
    let instrument = resolve(&symbol(written));
    assert_eq!(instrument.asset_class, AssetClass::Crypto);
    assert!(instrument.known);
    assert_eq!(instrument.currency, currency);
    assert_eq!(instrument.tick_size, Price(decimal(tick)));
    assert_eq!(instrument.lot_size, Qty(decimal(lot)));
}

#[test]
fn the_bare_coin_is_the_future_and_the_pair_is_the_coin() {
    assert_eq!(resolve(&symbol("BTC")).asset_class, AssetClass::Future);
    assert_eq!(resolve(&symbol("BTCUSD")).asset_class, AssetClass::Crypto);
    assert_eq!(canonical(&symbol("BTC-USD")), canonical(&symbol("BTCUSD")));
    assert_ne!(canonical(&symbol("BTCUSDT")), canonical(&symbol("BTCUSD")));
    assert_eq!(resolve(&symbol("BTC/BTC")).asset_class, AssetClass::Equity);
}

#[test]
fn a_coin_nobody_knows_needs_a_separator_and_says_so() {
    let pair = resolve(&symbol("WOOFY/USDT"));
    assert_eq!((pair.asset_class, pair.known), (AssetClass::Crypto, false));
    assert!(pair.name.contains(UNKNOWN_NAME));
    assert_eq!(resolve(&symbol("WOOFYUSDT")).asset_class, AssetClass::Equity);
}

#[test]
fn shares_have_default_rules_and_only_listed_ones_are_known() {
    let apple = resolve(&symbol("AAPL"));
    assert_eq!((apple.exchange.as_str(), apple.known), ("US", true));
    assert_eq!((apple.tick_size, apple.lot_size), (Price(decimal("0.01")), Qty(Decimal::ONE)));
    assert!(resolve(&symbol("BRK.B")).known);
    let nobody = resolve(&symbol("ZZZY"));
    assert_eq!((nobody.exchange.as_str(), nobody.known), ("US", false));
    assert_eq!(nobody.name, UNKNOWN_NAME);
    assert_eq!(resolve(&symbol("TOOLONG")).exchange, "UNKNOWN");
}

#[test]
fn search_prefers_the_symbol_then_its_beginning_then_words_of_the_name() {
    let symbols = |query: &str| -> Vec<String> {
        search(query, 10).into_iter().map(|instrument| instrument.symbol.to_string()).collect()
    };
    assert_eq!(symbols("es")[0], "ES");
    assert!(symbols("m").len() == 10);
    assert_eq!(symbols("apple"), ["AAPL"]);
    assert_eq!(symbols("micro gold"), ["MGC"]);
    assert!(symbols("btc").contains(&"BTC/USD".to_owned()));
    assert_eq!(symbols("btc")[0], "BTC");
    assert_eq!(symbols("ESZ6"), ["ESZ6"]);
    assert!(symbols("no such thing").is_empty());
    assert!(search("", 5).len() == 5);
    assert!(search("e", 0).is_empty());
}
