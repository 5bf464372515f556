//! Money in JSON as it is written: a text or a number, never through a float.

use rust_decimal::Decimal;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A JSON literal as an exact decimal: `"1.50"`, `1.50`, `5.0E-7`. `None` for everything else.
#[must_use]
pub fn literal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim();
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
}

/// For `#[serde(deserialize_with)]`: a decimal that must be there.
///
/// # Errors
/// Where it is no decimal, or has more digits than a decimal holds.
pub fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    literal(raw.get()).ok_or_else(|| D::Error::custom("not a decimal"))
}

/// For `#[serde(default, deserialize_with)]`: a decimal that may be missing or null.
///
/// # Errors
/// Where it is there and no decimal.
pub fn exact_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decimal>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    if raw.get() == "null" {
        return Ok(None);
    }
    literal(raw.get()).map(Some).ok_or_else(|| D::Error::custom("not a decimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Money {
        #[serde(deserialize_with = "exact")]
        a: Decimal,
        #[serde(default, deserialize_with = "exact_opt")]
        b: Option<Decimal>,
    }

    #[test]
    fn digits_stay_as_they_are_written() {
        for (json, a, b) in [
            (r#"{"a": 0.1}"#, "0.1", None),
            (r#"{"a": 12345678901234.5678901, "b": null}"#, "12345678901234.5678901", None),
            (r#"{"a": "1.50", "b": -3}"#, "1.50", Some("-3")),
            (r#"{"a": 5.0E-7, "b": 1e3}"#, "0.00000050", Some("1000")),
        ] {
            let money: Money = serde_json::from_str(json).unwrap();
            assert_eq!(money.a.to_string(), a, "{json}");
            assert_eq!(money.b.map(|b| b.to_string()).as_deref(), b, "{json}");
        }
        for wrong in [r#"{"a": "x"}"#, r#"{"a": true}"#, r#"{"a": null}"#, r#"{"a": 1, "b": ""}"#] {
            assert!(serde_json::from_str::<Money>(wrong).is_err(), "{wrong}");
        }
    }
}
