//! What a trader may set about a paper account.

use std::collections::BTreeMap;

use atomik_domain::instrument::AssetClass;
use atomik_domain::{Amount, Price, Qty, Symbol};
use atomik_ports::broker::{FieldError, SettingField, SettingKind};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::instruments;
use crate::settings::{decimal_of, field_error, unknown_keys};

/// The most symbols that may have a fixed price.
const MAX_PRICES: usize = 1_000;
/// The most that any amount, price or quantity of the settings may be: a million millions.
pub(crate) const MAX_AMOUNT: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);
/// The most ticks of slippage.
const MAX_SLIPPAGE_TICKS: u32 = 1_000;
/// The highest leverage.
const MAX_LEVERAGE: u32 = 100;

/// The keys, in the order in which they are shown, with what each does.
const FIELDS: [(&str, &str, SettingKind, &str); 6] = [
    (
        "starting_balance",
        "Starting balance",
        SettingKind::Decimal,
        "The money the account starts with, in US dollars. USDT and USDC count as dollars; pairs priced in anything \
         else are rejected, because nothing is converted. Default 100000.",
    ),
    (
        "prices",
        "Fixed prices",
        SettingKind::Decimals,
        "Fixed prices by symbol, such as {\"ES\": \"5000.00\"}; the price of a future's root holds for its dated and \
         continuous symbols too. An alert's own price comes first; symbols without a fixed price follow the simulated \
         feed. Default {}.",
    ),
    (
        "commission",
        "Commission",
        SettingKind::Decimal,
        "What every contract, share or coin costs to trade, in US dollars. Default 0.",
    ),
    (
        "slippage_ticks",
        "Slippage in ticks",
        SettingKind::Integer,
        "By how many ticks market and stop orders fill worse than the price, 0 to 1000. Default 0.",
    ),
    (
        "max_fill_qty_per_tick",
        "Most that fills at once",
        SettingKind::Decimal,
        "The most of one order that fills at one price tick; the rest fills at the following ticks. Default: no limit.",
    ),
    (
        "leverage",
        "Leverage",
        SettingKind::Integer,
        "How many times its buying power the account may hold in shares and coins, 1 to 100. Default: 2 for shares, 1 \
         for coins. Futures always need a margin of 5 % of their value.",
    ),
];

/// A paper account's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaperSettings {
    /// What the account starts with.
    pub starting_balance: Amount,
    /// Fixed prices, as the trader wrote them.
    pub prices: BTreeMap<Symbol, Price>,
    /// Money per unit traded.
    pub commission: Amount,
    /// Ticks by which market and triggered stop orders fill worse than the price.
    pub slippage_ticks: u32,
    /// The most of one order that fills at one tick of the price.
    pub max_fill_qty_per_tick: Option<Qty>,
    /// The leverage of shares and coins.
    pub leverage: Option<u32>,
}

impl Default for PaperSettings {
    fn default() -> Self {
        Self {
            starting_balance: Amount(Decimal::from(100_000)),
            prices: BTreeMap::new(),
            commission: Amount::ZERO,
            slippage_ticks: 0,
            max_fill_qty_per_tick: None,
            leverage: None,
        }
    }
}

impl PaperSettings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// Every wrong field, with the path it has in the request.
    pub fn parse(settings: &Value) -> Result<Self, Vec<FieldError>> {
        let empty = Map::new();
        let object = match settings {
            Value::Null => &empty,
            Value::Object(object) => object,
            _ => return Err(vec![field_error("settings", "must be an object such as {}".to_owned())]),
        };
        let errors = unknown_keys(object, &FIELDS.map(|(name, ..)| name));
        let mut reader = Reader { object, errors };
        let defaults = Self::default();
        let parsed = Self {
            starting_balance: reader
                .amount("starting_balance", true)
                .map_or(defaults.starting_balance, Amount),
            prices: reader.prices(),
            commission: reader.amount("commission", false).map_or(defaults.commission, Amount),
            slippage_ticks: reader.whole("slippage_ticks", 0, MAX_SLIPPAGE_TICKS).unwrap_or_default(),
            max_fill_qty_per_tick: reader.amount("max_fill_qty_per_tick", true).map(Qty),
            leverage: reader.whole("leverage", 1, MAX_LEVERAGE),
        };
        if reader.errors.is_empty() { Ok(parsed) } else { Err(reader.errors) }
    }

    /// The settings in full, as the API shows them: decimals as strings, what is not set as `null`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let prices: Map<String, Value> = self
            .prices
            .iter()
            .map(|(symbol, price)| (symbol.to_string(), json!(price.to_string())))
            .collect();
        json!({
            "starting_balance": self.starting_balance.to_string(),
            "prices": prices,
            "commission": self.commission.to_string(),
            "slippage_ticks": self.slippage_ticks,
            "max_fill_qty_per_tick": self.max_fill_qty_per_tick.map(|qty| qty.to_string()),
            "leverage": self.leverage,
        })
    }

    /// The fixed price of a symbol: its own, or the one of the symbol that stands for all of its spellings (the root of
    /// a future; a pair however it is written).
    #[must_use]
    pub fn fixed_price(&self, symbol: &Symbol) -> Option<Price> {
        if self.prices.is_empty() {
            return None;
        }
        let own = self.prices.get(symbol).copied();
        let canonical = instruments::canonical(symbol);
        own.or_else(|| self.prices.get(&canonical).copied()).or_else(|| {
            // A root's own price is found above, and a dated contract's price is that contract's alone. What is left is a
            // pair whose price was written another way.
            let is_pair = canonical.as_str().contains('/');
            let same = |other: &&Symbol| is_pair && instruments::canonical(other) == canonical;
            self.prices.keys().find(same).and_then(|written| self.prices.get(written)).copied()
        })
    }

    /// How many dollars of an asset one dollar of buying power holds.
    #[must_use]
    pub fn leverage_of(&self, asset_class: AssetClass) -> Decimal {
        match asset_class {
            AssetClass::Future => Decimal::from(20),
            AssetClass::Equity => Decimal::from(self.leverage.unwrap_or(2)),
            AssetClass::Crypto => Decimal::from(self.leverage.unwrap_or(1)),
        }
    }
}

/// The settings as the catalogue describes them.
#[must_use]
pub(crate) fn setting_fields() -> Vec<SettingField> {
    let field = |(name, label, kind, description)| SettingField::new(name, label, description, kind);
    FIELDS.into_iter().map(field).collect()
}

struct Reader<'a> {
    object: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    /// A key's value; `None` where it is missing or null.
    fn value(&self, key: &str) -> Option<&Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn wrong(&mut self, key: &str, problem: &str) {
        self.errors.push(field_error(&format!("settings.{key}"), problem.to_owned()));
    }

    fn amount(&mut self, key: &str, above_zero: bool) -> Option<Decimal> {
        let value = self.value(key)?;
        let amount = decimal_of(value).filter(|amount| *amount <= MAX_AMOUNT);
        match amount {
            Some(amount) if amount > Decimal::ZERO || (amount.is_zero() && !above_zero) => {
                return Some(amount);
            }
            _ if above_zero => self.wrong(key, "must be a decimal above 0 and at most 1000000000000"),
            _ => self.wrong(key, "must be a decimal from 0 to 1000000000000"),
        }
        None
    }

    fn whole(&mut self, key: &str, least: u32, most: u32) -> Option<u32> {
        let value = self.value(key)?;
        let number =
            decimal_of(value).filter(Decimal::is_integer).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.wrong(key, &format!("must be a whole number from {least} to {most}"));
        }
        number
    }

    fn prices(&mut self) -> BTreeMap<Symbol, Price> {
        let mut prices = BTreeMap::new();
        let object = match self.value("prices") {
            None => return prices,
            Some(Value::Object(object)) if object.len() <= MAX_PRICES => object.clone(),
            Some(_) => {
                self.wrong(
                    "prices",
                    "must be an object of at most 1000 prices by symbol, such as {\"ES\": \"5000\"}",
                );
                return prices;
            }
        };
        for (written, value) in &object {
            let shown: String = written.chars().take(64).collect();
            let Ok(symbol) = Symbol::parse(written) else {
                self.wrong(&format!("prices.{shown}"), "is not a symbol");
                continue;
            };
            let instrument = instruments::resolve(&symbol);
            let price = decimal_of(value).filter(|price| price.abs() <= MAX_AMOUNT).map(Price);
            match price.map(|price| price.round_to_tick(instrument.tick_size)) {
                Some(price) if usable(price, instrument.asset_class) => {
                    prices.insert(symbol, price);
                }
                _ => self.wrong(
                    &format!("prices.{shown}"),
                    &format!("must be a price of at least one tick, which is {}", instrument.tick_size),
                ),
            }
        }
        prices
    }
}

/// Whether something of this kind can trade at this price: futures can at any (crude oil has been below zero), shares
/// and coins only above zero.
pub(crate) fn usable(price: Price, asset_class: AssetClass) -> bool {
    price.0.abs() <= MAX_AMOUNT && (asset_class == AssetClass::Future || price.0 > Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use atomik_domain::money::parse_decimal;
    use rstest::rstest;

    fn symbol(text: &str) -> Symbol {
        Symbol::parse(text).unwrap()
    }

    fn decimal(text: &str) -> Decimal {
        parse_decimal(text).unwrap()
    }

    #[test]
    fn nothing_set_is_the_defaults() {
        assert_eq!(PaperSettings::parse(&json!({})).unwrap(), PaperSettings::default());
        assert_eq!(PaperSettings::parse(&Value::Null).unwrap(), PaperSettings::default());
        assert_eq!(PaperSettings::default().starting_balance.to_string(), "100000");
    }

    #[test]
    fn the_full_settings_read_back_as_themselves() {
        let settings = json!({"starting_balance": "2500.5", "prices": {"es": "5000.00", "BTC/USD": 0.1},
            "commission": 2.25, "slippage_ticks": 2, "max_fill_qty_per_tick": "10", "leverage": "4"});
        let parsed = PaperSettings::parse(&settings).unwrap();
        assert_eq!(parsed.starting_balance, Amount(decimal("2500.5")));
        assert_eq!(parsed.commission, Amount(decimal("2.25")));
        assert_eq!(parsed.prices[&symbol("BTC/USD")], Price(decimal("0.1")));
        assert_eq!(PaperSettings::parse(&parsed.to_json()).unwrap(), parsed);
        let defaults = PaperSettings::default();
        assert_eq!(PaperSettings::parse(&defaults.to_json()).unwrap(), defaults);
    }

    #[rstest]
    #[case(json!({"slipage_ticks": 1}), "settings.slipage_ticks", "did you mean slippage_ticks?")]
    #[case(json!({"price": {}}), "settings.price", "did you mean prices?")]
    #[case(json!({"starting_balance": "0"}), "settings.starting_balance", "above 0")]
    #[case(json!({"starting_balance": "-5"}), "settings.starting_balance", "above 0")]
    #[case(json!({"starting_balance": "1000000000001"}), "settings.starting_balance", "at most")]
    #[case(json!({"starting_balance": 1e300}), "settings.starting_balance", "decimal")]
    #[case(json!({"starting_balance": true}), "settings.starting_balance", "decimal")]
    #[case(json!({"commission": "-1"}), "settings.commission", "from 0")]
    #[case(json!({"slippage_ticks": 1.5}), "settings.slippage_ticks", "whole")]
    #[case(json!({"slippage_ticks": -1}), "settings.slippage_ticks", "whole")]
    #[case(json!({"slippage_ticks": 1001}), "settings.slippage_ticks", "1000")]
    #[case(json!({"leverage": 0}), "settings.leverage", "from 1 to 100")]
    #[case(json!({"leverage": 101}), "settings.leverage", "from 1 to 100")]
    #[case(json!({"max_fill_qty_per_tick": 0}), "settings.max_fill_qty_per_tick", "above 0")]
    #[case(json!({"prices": []}), "settings.prices", "object")]
    #[case(json!({"prices": {"ES": "5e3"}}), "settings.prices.ES", "price")]
    #[case(json!({"prices": {"AAPL": "-1"}}), "settings.prices.AAPL", "at least one tick")]
    #[case(json!({"prices": {"AAPL": "0.001"}}), "settings.prices.AAPL", "0.01")]
    #[case(json!({"prices": {"E S": "1"}}), "settings.prices.E S", "not a symbol")]
    #[case(json!([]), "settings", "object")]
    fn what_is_wrong_is_named(#[case] settings: Value, #[case] field: &str, #[case] problem: &str) {
        let errors = PaperSettings::parse(&settings).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].field, field);
        assert!(errors[0].problem.contains(problem), "{}", errors[0].problem);
    }

    #[test]
    fn every_wrong_field_is_reported_at_once() {
        let errors = PaperSettings::parse(&json!({"commission": "x", "leverage": 0, "foo": 1})).unwrap_err();
        assert_eq!(errors.len(), 3);
    }

    #[test]
    fn a_fixed_price_holds_for_every_spelling_of_its_symbol() {
        let settings =
            PaperSettings::parse(&json!({"prices": {"ES": "5000", "ESH7": "5050", "BTCUSD": "65000"}}))
                .unwrap();
        let price = |text: &str| settings.fixed_price(&symbol(text)).map(|price| price.to_string());
        assert_eq!(price("ES").as_deref(), Some("5000"));
        assert_eq!(price("ES1!").as_deref(), Some("5000"));
        assert_eq!(price("ESZ6").as_deref(), Some("5000"));
        assert_eq!(price("ESH7").as_deref(), Some("5050"));
        assert_eq!(price("BTC/USD").as_deref(), Some("65000"));
        assert_eq!(price("BTC-USD").as_deref(), Some("65000"));
        assert_eq!(price("BTCUSDT"), None);
        assert_eq!(price("NQ"), None);
        let dated = PaperSettings::parse(&json!({"prices": {"ESH7": "5050"}})).unwrap();
        assert_eq!(dated.fixed_price(&symbol("ES")), None);
    }

    #[test]
    fn the_bound_on_amounts_is_a_million_millions() {
        assert_eq!(MAX_AMOUNT, decimal("1000000000000"));
    }
}
