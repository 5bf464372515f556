//! The built-in catalogue: which symbols the paper venue knows, and the rules of those it does not.
//!
//! A symbol is read in this order:
//!
//! 1. a future by its root (`ES`), continuous (`ES1!`) or dated (`ESZ6`, `ESZ26`, `ESZ2026`). So the bare `BTC` is the
//!    CME future;
//! 2. a coin against USD, USDT, USDC, EUR or BTC (`BTC/USD`, `BTC-USD`, `BTCUSDT`). A coin nobody knows needs the
//!    separator, gets a tick of 0.00000001 and a lot of 0.00001, and is not `known`;
//! 3. a US share or fund: one to five letters, perhaps a class (`BRK.B`). Tick 0.01, lot 1. Only those with a name in
//!    the catalogue are `known`: the others may exist, but nobody here can say so;
//! 4. anything else: tick 0.01, lot 1, multiplier 1, US dollars, not `known`, and its name says so.

mod coins;
mod equities;
mod futures;

use atomik_domain::instrument::AssetClass;
use atomik_domain::money::parse_decimal;
use atomik_domain::{Instrument, Price, Qty, Symbol};
use rust_decimal::Decimal;

/// The name of an instrument that nobody knows.
const UNKNOWN_NAME: &str = "unknown symbol, default rules";

/// The rules of a symbol. Every symbol has some: see the module's order of reading. The instrument keeps the symbol as
/// the trader wrote it.
#[must_use]
pub fn resolve(symbol: &Symbol) -> Instrument {
    let text = symbol.as_str();
    if let Some(future) = futures::find(text) {
        return from_future(symbol.clone(), future);
    }
    if let Some(pair) = coins::find(text) {
        return from_pair(symbol.clone(), &pair);
    }
    from_equity(symbol.clone())
}

/// The one spelling that stands for all spellings of a symbol's rules: the root of a future (`ESZ6` -> `ES`), the pair
/// with a slash (`BTCUSD` -> `BTC/USD`), anything else as it is. A fixed price for it is a price for all of them.
#[must_use]
pub fn canonical(symbol: &Symbol) -> Symbol {
    let text = symbol.as_str();
    let spelling = match (futures::find(text), coins::find(text)) {
        (Some(future), _) => future.root.to_owned(),
        (None, Some(pair)) => format!("{}/{}", pair.base, pair.quote),
        (None, None) => return symbol.clone(),
    };
    Symbol::parse(&spelling).unwrap_or_else(|_| symbol.clone())
}

/// About where an instrument trades, where the catalogue has an idea: the start of the simulated feed.
#[must_use]
pub(crate) fn typical_price(symbol: &Symbol) -> Option<Decimal> {
    let text = symbol.as_str();
    if let Some(future) = futures::find(text) {
        return parse_decimal(future.typical_price);
    }
    let pair = coins::find(text)?;
    let dollars = parse_decimal(pair.coin?.typical_price)?;
    if pair.quote != "BTC" {
        return Some(dollars);
    }
    let bitcoin = coins::COINS.iter().find(|coin| coin.code == "BTC")?;
    dollars.checked_div(parse_decimal(bitcoin.typical_price)?)
}

/// Finds instruments of the catalogue, at most `limit`: first those whose symbol is the query, then those whose symbol
/// starts with it, then those whose name has a word that starts with each word of it. Upper and lower case are one.
///
/// A query that is itself a symbol nobody listed (`ESZ6`, `BTCUSDT`) finds that symbol's rules.
#[must_use]
pub fn search(query: &str, limit: usize) -> Vec<Instrument> {
    let query = query.trim().to_ascii_uppercase();
    let mut found: Vec<(u8, Instrument)> = Vec::new();
    for instrument in catalogue() {
        if let Some(rank) = rank(&query, &instrument) {
            found.push((rank, instrument));
        }
    }
    if !found.iter().any(|(rank, _)| *rank == 0)
        && let Ok(symbol) = Symbol::parse(&query)
    {
        let instrument = resolve(&symbol);
        if instrument.known {
            found.push((0, instrument));
        }
    }
    // Stable: within a rank the catalogue's own order stands, best known first.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().take(limit).map(|(_, instrument)| instrument).collect()
}

fn rank(query: &str, instrument: &Instrument) -> Option<u8> {
    let symbol = instrument.symbol.as_str();
    if symbol == query {
        return Some(0);
    }
    if symbol.starts_with(query) {
        return Some(1);
    }
    let name = instrument.name.to_ascii_uppercase();
    let starts_a_word = |wanted: &str| {
        name.split(|c: char| !c.is_alphanumeric() && c != '&').any(|word| word.starts_with(wanted))
    };
    query.split_whitespace().all(starts_a_word).then_some(2)
}

/// Everything the catalogue lists; coins against the dollar.
fn catalogue() -> impl Iterator<Item = Instrument> {
    let futures = futures::FUTURES.iter().map(|future| future.root.to_owned());
    let equities = equities::KNOWN.iter().map(|(symbol, _)| (*symbol).to_owned());
    let coins = coins::COINS.iter().map(|coin| format!("{}/USD", coin.code));
    futures
        .chain(equities)
        .chain(coins)
        .filter_map(|text| Symbol::parse(&text).ok())
        .map(|symbol| resolve(&symbol))
}

/// A decimal of the tables. A test reads every one of them, so the fallback is never taken.
fn table_decimal(text: &str) -> Decimal {
    parse_decimal(text).unwrap_or(Decimal::ONE)
}

fn from_future(symbol: Symbol, future: &futures::Future) -> Instrument {
    Instrument {
        symbol,
        name: future.name.to_owned(),
        asset_class: AssetClass::Future,
        exchange: future.exchange.to_owned(),
        currency: "USD".to_owned(),
        tick_size: Price(table_decimal(future.tick)),
        lot_size: Qty(Decimal::ONE),
        multiplier: table_decimal(future.multiplier),
        contract: None,
        known: true,
    }
}

fn from_pair(symbol: Symbol, pair: &coins::Pair) -> Instrument {
    let tick = match pair.coin {
        Some(coin) if pair.quote != "BTC" => coin.tick,
        _ => coins::FINEST_TICK,
    };
    let name = match pair.coin {
        Some(coin) => format!("{} / {}", coin.name, pair.quote),
        None => format!("{} / {} ({UNKNOWN_NAME})", pair.base, pair.quote),
    };
    Instrument {
        symbol,
        name,
        asset_class: AssetClass::Crypto,
        exchange: "CRYPTO".to_owned(),
        currency: pair.quote.to_owned(),
        tick_size: Price(table_decimal(tick)),
        lot_size: Qty(table_decimal(pair.coin.map_or(coins::DEFAULT_LOT, |coin| coin.lot))),
        multiplier: Decimal::ONE,
        contract: None,
        known: pair.coin.is_some(),
    }
}

fn from_equity(symbol: Symbol) -> Instrument {
    let known_name = equities::name_of(symbol.as_str());
    let exchange = if equities::looks_like_one(symbol.as_str()) { "US" } else { "UNKNOWN" };
    Instrument {
        name: known_name.unwrap_or(UNKNOWN_NAME).to_owned(),
        asset_class: AssetClass::Equity,
        exchange: exchange.to_owned(),
        currency: "USD".to_owned(),
        tick_size: Price(Decimal::new(1, 2)),
        lot_size: Qty(Decimal::ONE),
        multiplier: Decimal::ONE,
        contract: None,
        known: known_name.is_some(),
        symbol,
    }
}

#[cfg(test)]
mod tests;
