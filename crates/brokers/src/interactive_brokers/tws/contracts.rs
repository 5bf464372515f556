//! Symbols and their contracts.
//!
//! A symbol is read in this order:
//!
//! 1. `CONID:265598`, a contract by TWS's own number; `STK:ES`, a share whatever else the letters mean; `FUT:XYZ`, the
//!    root of a future that the catalogue does not list;
//! 2. a future of the catalogue by its root (`ES`), continuous (`ES1!`) or dated (`ESZ6`, `ESZ26`, `ESZ2026`);
//! 3. any other continuous one (`XYZ1!`);
//! 4. a coin against a currency (`BTC/USD`);
//! 5. a US share or fund, routed by SMART, in dollars (`AAPL`, `BRK.B`).

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Instrument, Price, Qty, Symbol};
use ibapi::contracts::{Contract, ContractDetails, SecurityType};
use rust_decimal::Decimal;

use super::super::names::{MONTHS, OTHER_SYMBOLS};
use super::exact;
use crate::instruments;

/// What a symbol asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Id(i32),
    Share {
        symbol: String,
    },
    Coin {
        base: String,
        quote: String,
    },
    /// A root, whose contract changes with time.
    Root {
        root: String,
    },
    /// One month of a root: its letter, and as many digits of the year as were given.
    Dated {
        root: String,
        month: u32,
        year: String,
    },
}

/// Reads a symbol.
pub(super) fn read(symbol: &Symbol) -> Option<Asked> {
    let text = symbol.as_str();
    let share = |text: &str| Asked::Share { symbol: text.replace('.', " ") };
    match text.split_once(':') {
        Some(("CONID", number)) => {
            return number.parse().ok().filter(|number| *number > 0).map(Asked::Id);
        }
        Some(("STK", rest)) => return Some(share(rest)),
        Some(("FUT", root)) => return Some(Asked::Root { root: root.to_owned() }),
        Some(_) => return None,
        None => {}
    }
    let listed = instruments::resolve(symbol);
    let canonical = instruments::canonical(symbol);
    match listed.asset_class {
        AssetClass::Future => {
            let root = canonical.as_str();
            let rest = text.strip_prefix(root)?;
            let mut letters = rest.chars();
            match letters.next() {
                None => Some(Asked::Root { root: root.to_owned() }),
                Some(letter)
                    if letters.as_str().bytes().all(|byte| byte.is_ascii_digit()) && rest.len() > 1 =>
                {
                    match MONTHS.find(letter) {
                        Some(place) => Some(Asked::Dated {
                            root: root.to_owned(),
                            month: u32::try_from(place).ok()? + 1,
                            year: letters.as_str().to_owned(),
                        }),
                        None => Some(Asked::Root { root: root.to_owned() }),
                    }
                }
                Some(_) => Some(Asked::Root { root: root.to_owned() }),
            }
        }
        AssetClass::Crypto if listed.known || canonical.as_str().contains('/') => {
            let (base, quote) = canonical.as_str().split_once('/')?;
            Some(Asked::Coin { base: base.to_owned(), quote: quote.to_owned() })
        }
        _ => match text.strip_suffix("1!") {
            Some(root) => Some(Asked::Root { root: root.to_owned() }),
            None => Some(share(text)),
        },
    }
}

/// What TWS is asked to find contracts by.
pub(super) fn query(asked: &Asked) -> Contract {
    let future = |root: &str| {
        let symbol = OTHER_SYMBOLS.iter().find(|(ours, _)| *ours == root).map_or(root, |(_, theirs)| theirs);
        let listed = Symbol::parse(root).ok().map(|root| instruments::resolve(&root));
        let exchange = listed.filter(|listed| listed.asset_class == AssetClass::Future);
        Contract {
            symbol: symbol.into(),
            security_type: SecurityType::Future,
            trading_class: root.to_owned(),
            exchange: exchange.map_or_else(String::new, |listed| listed.exchange).into(),
            ..Contract::default()
        }
    };
    match asked {
        Asked::Id(number) => Contract { contract_id: *number, exchange: "".into(), ..Contract::default() },
        Asked::Share { symbol } => Contract { symbol: symbol.as_str().into(), ..Contract::default() },
        Asked::Coin { base, quote } => Contract {
            symbol: base.as_str().into(),
            security_type: SecurityType::Crypto,
            exchange: "".into(),
            currency: quote.as_str().into(),
            ..Contract::default()
        },
        Asked::Root { root } | Asked::Dated { root, .. } => future(root),
    }
}

/// The contracts among those found that the symbol can mean, the nearest last trading day first.
pub(super) fn fitting(asked: &Asked, found: Vec<ContractDetails>) -> Vec<ContractDetails> {
    let mut found = found;
    if let Asked::Dated { month, year, .. } = asked {
        found.retain(|details| {
            let told = &details.contract_month;
            told.get(4..6).and_then(|told| told.parse().ok()) == Some(*month)
                && told.get(..4).is_some_and(|told| told.ends_with(year.as_str()))
        });
    }
    found.sort_by_key(|details| (last_trade_day(details), details.contract.contract_id));
    if matches!(asked, Asked::Share { .. }) {
        // The same share is listed once for each currency and country; SMART and dollars were asked for.
        found.retain(|details| details.contract.security_type == SecurityType::Stock);
    }
    found
}

/// The last trading day as `20261218`; empty for what has none.
pub(super) fn last_trade_day(details: &ContractDetails) -> String {
    details.contract.last_trade_date_or_contract_month.chars().take(8).collect()
}

/// The contract that a root stands for: the held one, where one is held; else the first whose last trading day is at
/// least `roll_days` after `today` (as `20261125`); else the last there is.
pub(super) fn front<'a>(
    contracts: &'a [ContractDetails],
    held: &[i32],
    first_day: &str,
) -> Option<&'a ContractDetails> {
    let is_held = |details: &&ContractDetails| held.contains(&details.contract.contract_id);
    let is_far = |details: &&ContractDetails| last_trade_day(details).as_str() >= first_day;
    contracts.iter().find(is_held).or_else(|| contracts.iter().find(is_far)).or_else(|| contracts.last())
}

/// What a position, or a root's contract, is called here.
pub(super) fn spelling(contract: &Contract) -> Option<Symbol> {
    let symbol = contract.symbol.as_str();
    let local = if contract.local_symbol.is_empty() { symbol } else { contract.local_symbol.as_str() };
    let spelled = match contract.security_type {
        SecurityType::Stock => {
            let spelled = Symbol::parse(&symbol.replace(' ', ".")).ok();
            // A share whose letters mean a future here is told apart.
            spelled
                .filter(|spelled| matches!(read(spelled), Some(Asked::Share { .. })))
                .or_else(|| Symbol::parse(&format!("STK:{}", symbol.replace(' ', "."))).ok())
        }
        SecurityType::Crypto => Symbol::parse(&format!("{symbol}/{}", contract.currency)).ok(),
        SecurityType::Future => Symbol::parse(&local.replace(' ', "")).ok(),
        _ => None,
    };
    spelled.or_else(|| Symbol::parse(&format!("CONID:{}", contract.contract_id)).ok())
}

/// Money per point of price: the multiplier, less the factor by which prices are quoted larger (100 for cents).
pub(super) fn multiplier(multiplier: &str, magnifier: i32) -> Decimal {
    let multiplier = atomik_domain::money::parse_decimal(multiplier.trim()).unwrap_or(Decimal::ONE);
    let multiplier = if multiplier.is_zero() { Decimal::ONE } else { multiplier };
    multiplier.checked_div(Decimal::from(magnifier.max(1))).unwrap_or(multiplier)
}

/// A contract as an instrument.
pub(super) fn instrument(symbol: &Symbol, asked: &Asked, details: &ContractDetails) -> Option<Instrument> {
    let contract = &details.contract;
    let asset_class = match contract.security_type {
        SecurityType::Stock => AssetClass::Equity,
        SecurityType::Future => AssetClass::Future,
        SecurityType::Crypto => AssetClass::Crypto,
        _ => return None,
    };
    // TWS tells a step of 0.0001 for many shares, and takes whole ones only from a program.
    let lot = match asset_class {
        AssetClass::Crypto => details.size_increment.or(details.min_size).and_then(exact::decimal),
        AssetClass::Equity | AssetClass::Future => Some(Decimal::ONE),
    };
    let stands_for_another = matches!(asked, Asked::Root { .. } | Asked::Dated { .. });
    let exchange =
        if contract.primary_exchange.is_empty() { &contract.exchange } else { &contract.primary_exchange };
    Some(Instrument {
        symbol: symbol.clone(),
        contract: spelling(contract).filter(|spelled| stands_for_another && spelled != symbol),
        name: if details.long_name.is_empty() {
            contract.symbol.to_string()
        } else {
            details.long_name.clone()
        },
        asset_class,
        exchange: exchange.to_string(),
        currency: contract.currency.to_string(),
        tick_size: Price(exact::decimal(details.min_tick)?),
        lot_size: Qty(lot.filter(|lot| !lot.is_zero()).unwrap_or(Decimal::ONE)),
        multiplier: multiplier(&contract.multiplier, details.price_magnifier),
        known: true,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(text: &str) -> Option<Asked> {
        read(&Symbol::parse(text).unwrap())
    }

    fn future(id: i32, local: &str, month: &str, last_day: &str) -> ContractDetails {
        ContractDetails {
            contract: Contract {
                contract_id: id,
                symbol: "ES".into(),
                security_type: SecurityType::Future,
                local_symbol: local.to_owned(),
                last_trade_date_or_contract_month: last_day.to_owned(),
                multiplier: "50".to_owned(),
                ..Contract::default()
            },
            contract_month: month.to_owned(),
            min_tick: 0.25,
            ..ContractDetails::default()
        }
    }

    #[test]
    fn each_spelling_asks_for_its_kind() {
        let share = |symbol: &str| Some(Asked::Share { symbol: symbol.to_owned() });
        let root = |root: &str| Some(Asked::Root { root: root.to_owned() });
        let dated =
            |year: &str| Some(Asked::Dated { root: "ES".to_owned(), month: 12, year: year.to_owned() });
        let coin = Some(Asked::Coin { base: "BTC".to_owned(), quote: "USD".to_owned() });
        let table = [
            ("AAPL", share("AAPL")),
            ("BRK.B", share("BRK B")),
            ("STK:ES", share("ES")),
            ("ES", root("ES")),
            ("ES1!", root("ES")),
            ("6E", root("6E")),
            ("XYZ1!", root("XYZ")),
            ("FUT:XYZ", root("XYZ")),
            ("ESZ6", dated("6")),
            ("ESZ26", dated("26")),
            ("ESZ2026", dated("2026")),
            ("BTC/USD", coin),
            ("CONID:265598", Some(Asked::Id(265_598))),
            ("CONID:X", None),
            ("NASDAQ:AAPL", None),
        ];
        for (text, expected) in table {
            assert_eq!(asked(text), expected, "{text}");
        }
    }

    #[test]
    fn a_root_is_asked_for_by_tws_symbol_and_its_own_trading_class() {
        let query = query(&asked("6E").unwrap());
        let told = (query.symbol.as_str(), query.trading_class.as_str(), query.exchange.as_str());
        assert_eq!(told, ("EUR", "6E", "CME"));
    }

    #[test]
    fn a_root_stays_with_what_is_held_and_goes_on_in_time() {
        let contracts = fitting(
            &asked("ES").unwrap(),
            vec![future(2, "ESH7", "202703", "20270319"), future(1, "ESZ6", "202612", "20261218")],
        );
        let stands = |held: &[i32], first_day: &str| {
            front(&contracts, held, first_day).map(|details| details.contract.contract_id)
        };
        assert_eq!(stands(&[], "20261203"), Some(1));
        assert_eq!(stands(&[], "20261218"), Some(1), "the day itself is still in time");
        assert_eq!(stands(&[], "20261219"), Some(2), "rolled");
        assert_eq!(stands(&[1], "20261219"), Some(1), "held until flat");
        assert_eq!(stands(&[99], "20261203"), Some(1), "another root's");
        assert_eq!(stands(&[], "20280101"), Some(2), "nothing is later");
    }

    #[test]
    fn a_dated_symbol_finds_its_month_and_year_only() {
        let all = || vec![future(2, "ESZ7", "202712", "20271217"), future(1, "ESZ6", "202612", "20261218")];
        for text in ["ESZ6", "ESZ26", "ESZ2026"] {
            let found = fitting(&asked(text).unwrap(), all());
            assert_eq!(found.iter().map(|one| one.contract.contract_id).collect::<Vec<_>>(), [1], "{text}");
        }
        assert!(fitting(&asked("ESH6").unwrap(), all()).is_empty());
    }

    #[test]
    fn an_instrument_shows_the_contract_it_stands_for() {
        let details = future(1, "ESZ6", "202612", "20261218");
        let shown = |text: &str| {
            let symbol = Symbol::parse(text).unwrap();
            instrument(&symbol, &read(&symbol).unwrap(), &details).unwrap()
        };
        let es = shown("ES");
        assert_eq!(es.contract.unwrap().as_str(), "ESZ6");
        assert_eq!(
            (es.tick_size.to_string(), es.multiplier.to_string()),
            ("0.25".to_owned(), "50".to_owned())
        );
        assert_eq!(shown("ESZ6").contract, None);
        assert_eq!(shown("ESZ2026").contract.unwrap().as_str(), "ESZ6");
        assert_eq!(multiplier("5000", 100), Decimal::from(50), "grains are quoted in cents");
        assert_eq!(multiplier("", 1), Decimal::ONE);
    }

    #[test]
    fn a_position_is_called_what_an_order_would_call_it() {
        let contract = |kind, symbol: &str, local: &str| Contract {
            contract_id: 7,
            security_type: kind,
            symbol: symbol.into(),
            local_symbol: local.to_owned(),
            ..Contract::default()
        };
        let table = [
            (contract(SecurityType::Stock, "AAPL", "AAPL"), "AAPL"),
            (contract(SecurityType::Stock, "BRK B", "BRK B"), "BRK.B"),
            (contract(SecurityType::Stock, "ES", "ES"), "STK:ES"),
            (contract(SecurityType::Future, "ES", "ESZ6"), "ESZ6"),
            (contract(SecurityType::Crypto, "BTC", "BTC.USD"), "BTC/USD"),
            (contract(SecurityType::Option, "AAPL", "AAPL  261218C00200000"), "CONID:7"),
        ];
        for (contract, expected) in table {
            assert_eq!(spelling(&contract).unwrap().as_str(), expected);
        }
    }
}
