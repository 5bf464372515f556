//! Money and quantities in venues' JSON: read from the text as it is written, a string or a number, never through a float.
//!
//! For `#[serde(deserialize_with)]`. What is longer than a decimal can hold (28 digits: some venues' averages are) is
//! rounded at its last digit.

use std::str::FromStr;

use atomik_domain::money::parse_decimal;
use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

/// A decimal that has to be there.
///
/// # Errors
/// Where it is missing, empty or no number.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    exact_opt(deserializer)?.ok_or_else(|| Error::custom("a number is missing"))
}

/// A decimal that may be missing, null or an empty text. Goes with `#[serde(default)]`.
///
/// # Errors
/// Where it is there and no number.
pub fn exact_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    if text == "null" {
        return Ok(None);
    }
    let quoted = text.starts_with('"').then(|| serde_json::from_str::<String>(text)).transpose();
    let quoted = quoted.map_err(Error::custom)?;
    let text = quoted.as_deref().unwrap_or(text).trim();
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some).ok_or_else(|| Error::custom(format!("{text:.40} is no decimal number")))
}

/// The sum of what a venue says, which may say anything: as all sums of amounts, it stays at the end of what a decimal holds.
pub fn sum(amounts: impl Iterator<Item = Decimal>) -> Decimal {
    amounts.fold(Decimal::ZERO, Decimal::saturating_add)
}

/// A decimal as text, with or without an exponent.
#[must_use]
pub fn read(text: &str) -> Option<Decimal> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    parse_decimal(text)
        .or_else(|| is_number.then(|| Decimal::from_scientific(text).ok()).flatten())
        .or_else(|| is_number.then(|| Decimal::from_str(text).ok()).flatten())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Reply {
        #[serde(deserialize_with = "exact")]
        qty: Decimal,
        #[serde(default, deserialize_with = "exact_opt")]
        price: Option<Decimal>,
    }

    fn parse(text: &str) -> Result<Reply, serde_json::Error> {
        serde_json::from_slice(text.as_bytes())
    }

    #[test]
    fn strings_and_numbers_keep_every_digit() {
        let reply = parse(r#"{"qty": "1.792161878", "price": 2907.150000000000000001}"#).unwrap();
        assert_eq!(reply.qty.to_string(), "1.792161878");
        assert_eq!(reply.price.unwrap().to_string(), "2907.150000000000000001");
        assert_eq!(parse(r#"{"qty": 1e-9}"#).unwrap().qty.to_string(), "0.000000001");
        assert_eq!(parse(r#"{"qty": -3, "price": ""}"#).unwrap().price, None);
        assert_eq!(parse(r#"{"qty": "-3", "price": null}"#).unwrap().qty.to_string(), "-3");
    }

    #[test]
    fn what_is_longer_than_a_decimal_is_rounded_and_what_is_no_number_is_refused() {
        let long = parse(r#"{"qty": "133.84615384615384615384615384615385"}"#).unwrap();
        assert_eq!(long.qty.to_string(), "133.84615384615384615384615385");
        for wrong in [r#"{"qty": "abc"}"#, r#"{"qty": null}"#, r#"{"qty": ""}"#, r#"{}"#, r#"{"qty": "1_0"}"#]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
