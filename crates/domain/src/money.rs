//! Exact decimals with a meaning. There are no floats in this crate.

use std::fmt;
use std::ops::{Add, Neg, Sub};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

macro_rules! decimals {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Decimal);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// Whether this is exactly zero.
            #[must_use]
            pub fn is_zero(self) -> bool {
                self.0.is_zero()
            }
        }

        impl fmt::Display for $name {
            /// Without trailing zeros: `0.25`, `5000`.
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.normalize(), formatter)
            }
        }

        impl From<Decimal> for $name {
            fn from(decimal: Decimal) -> Self {
                Self(decimal)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
    )*};
}

decimals! {
    /// A price per unit, in the instrument's currency. May be negative (crude oil has been).
    Price,
    /// A quantity of contracts, shares or coins: how much, never which way. Not negative where the rules make it.
    Qty,
    /// A quantity with a direction: positive is long, negative is short.
    SignedQty,
    /// An amount of money in the account's currency: cash, profit, commission.
    Amount,
}

impl Qty {
    /// The smaller of two quantities.
    #[must_use]
    pub fn at_most(self, limit: Self) -> Self {
        self.min(limit)
    }

    /// What is left after `other`, never below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        (self - other).max(Self::ZERO)
    }

    /// Rounded up to a whole number of lots. A lot step of zero leaves the quantity as it is.
    #[must_use]
    pub fn ceil_to_lot(self, lot_size: Self) -> Self {
        self.to_lot(lot_size, RoundingStrategy::ToPositiveInfinity)
    }

    /// Rounded down to a whole number of lots. A lot step of zero leaves the quantity as it is.
    #[must_use]
    pub fn floor_to_lot(self, lot_size: Self) -> Self {
        self.to_lot(lot_size, RoundingStrategy::ToNegativeInfinity)
    }

    fn to_lot(self, lot_size: Self, strategy: RoundingStrategy) -> Self {
        if lot_size.is_zero() {
            return self;
        }
        // `%` on decimals is exact where a division need not be: 1/3 has no finite decimal.
        let remainder = self.0.checked_rem(lot_size.0).unwrap_or_default();
        if remainder.is_zero() {
            return self;
        }
        let down = self.0 - remainder;
        match strategy {
            RoundingStrategy::ToPositiveInfinity => Self(down.saturating_add(lot_size.0)),
            _ => Self(down),
        }
    }
}

impl SignedQty {
    /// How much, without the direction.
    #[must_use]
    pub fn abs(self) -> Qty {
        Qty(self.0.abs())
    }

    /// Whether this is long.
    #[must_use]
    pub fn is_long(self) -> bool {
        self.0 > Decimal::ZERO
    }

    /// Whether this is short.
    #[must_use]
    pub fn is_short(self) -> bool {
        self.0 < Decimal::ZERO
    }
}

impl Neg for SignedQty {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Price {
    /// The nearest multiple of the tick, halves away from zero. A tick of zero leaves the price as it is.
    #[must_use]
    pub fn round_to_tick(self, tick_size: Self) -> Self {
        if tick_size.is_zero() {
            return self;
        }
        // A price with more ticks than a decimal can count is far out of every venue's bounds: left for them to refuse.
        let Some(ticks) = self.0.checked_div(tick_size.0) else {
            return self;
        };
        let ticks = ticks.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
        Self(ticks.saturating_mul(tick_size.0))
    }
}

/// Reads a plain decimal: an optional sign, ASCII digits, at most one point, at most 28 digits in all. No exponent, no
/// separators, no other script's digits.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<Decimal> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().filter(u8::is_ascii_digit).count();
    let points = unsigned.bytes().filter(|byte| *byte == b'.').count();
    let plain = digits + points == unsigned.len() && points <= 1 && (1..=28).contains(&digits);
    if !plain || unsigned.starts_with('.') || unsigned.ends_with('.') {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn decimal(text: &str) -> Decimal {
        parse_decimal(text).unwrap()
    }

    #[rstest]
    #[case("3.5", "1", "4")]
    #[case("4", "1", "4")]
    #[case("7.0000000000001", "1", "8")]
    #[case("0.0033", "0.001", "0.004")]
    #[case("0.003", "0.001", "0.003")]
    #[case("1.2", "0", "1.2")]
    fn ceil_goes_to_the_next_lot(#[case] qty: &str, #[case] lot: &str, #[case] expected: &str) {
        assert_eq!(Qty(decimal(qty)).ceil_to_lot(Qty(decimal(lot))), Qty(decimal(expected)));
    }

    #[test]
    fn seven_percent_of_a_hundred_is_seven_and_not_eight() {
        let share = decimal("100") * decimal("7") / decimal("100");
        assert_eq!(Qty(share).ceil_to_lot(Qty(decimal("1"))), Qty(decimal("7")));
    }

    #[rstest]
    #[case("5000.13", "0.25", "5000.25")]
    #[case("5000.12", "0.25", "5000")]
    #[case("-37.635", "0.01", "-37.64")]
    fn prices_land_on_ticks(#[case] price: &str, #[case] tick: &str, #[case] expected: &str) {
        assert_eq!(Price(decimal(price)).round_to_tick(Price(decimal(tick))), Price(decimal(expected)));
    }

    #[test]
    fn the_largest_numbers_round_without_a_panic() {
        let price = Price(Decimal::MAX);
        assert_eq!(price.round_to_tick(Price(decimal("0.01"))), price);
        let tiny = Qty(Decimal::new(1, 28));
        let _ = (Qty(Decimal::MAX).ceil_to_lot(tiny), Qty(Decimal::MAX).floor_to_lot(tiny));
    }

    #[rstest]
    #[case("1e2")]
    #[case("")]
    #[case("-")]
    #[case(".5")]
    #[case("5.")]
    #[case("1.2.3")]
    #[case("١٢")]
    #[case("NaN")]
    #[case("1_000")]
    #[case("99999999999999999999999999999")]
    fn only_plain_decimals_are_read(#[case] text: &str) {
        assert_eq!(parse_decimal(text), None);
    }
}
