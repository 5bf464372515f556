//! What is traded: symbols and the rules of their prices and lots.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::money::{Amount, Price, Qty};

/// The venue's spelling of an instrument, upper case: `ES`, `AAPL`, `BTC/USD`, `BRK.B`, `ESZ6`, `ES1!`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Symbol(String);

/// The text cannot be a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a symbol is 1 to 32 letters, digits or any of . / - _ : ! and holds at least one letter or digit")]
pub struct NotASymbol;

impl Symbol {
    /// Trims, folds to upper case and checks.
    ///
    /// # Errors
    /// [`NotASymbol`] where a character or the length is off.
    pub fn parse(text: &str) -> Result<Self, NotASymbol> {
        let text = text.trim().to_ascii_uppercase();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"./-_:!".contains(&byte);
        let fits = (1..=32).contains(&text.len()) && text.bytes().all(allowed);
        if fits && text.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self(text))
        } else {
            Err(NotASymbol)
        }
    }

    /// The symbol as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What kind of thing an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetClass {
    /// An exchange-traded future, traded in whole contracts.
    Future,
    /// A share or an exchange-traded fund.
    Equity,
    /// A pair of coins, or a coin against cash.
    Crypto,
}

/// An instrument and the rules its orders obey (FIX 969 `tick_size`, 1231 `lot_size`, 231 `multiplier`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// The venue's spelling.
    pub symbol: Symbol,
    /// What orders in it go to where that is another symbol: the contract that a root or continuous symbol (`ES`, `ES1!`)
    /// stands for now.
    pub contract: Option<Symbol>,
    /// A name a person knows: "E-mini S&P 500".
    pub name: String,
    /// What kind of thing it is.
    pub asset_class: AssetClass,
    /// Where it trades: `CME`, `NYMEX`, `US`.
    pub exchange: String,
    /// The currency prices are quoted in: `USD`.
    pub currency: String,
    /// Prices are multiples of this.
    pub tick_size: Price,
    /// Quantities are multiples of this.
    pub lot_size: Qty,
    /// Money per point of price and unit of quantity.
    pub multiplier: Decimal,
    /// `false` where nobody knew the symbol and default rules stand in.
    pub known: bool,
}

impl Instrument {
    /// The money that `qty` units gain when the price moves by `points`.
    #[must_use]
    pub fn value_of(&self, points: Price, qty: Qty) -> Amount {
        Amount(points.0.saturating_mul(qty.0).saturating_mul(self.multiplier))
    }
}
