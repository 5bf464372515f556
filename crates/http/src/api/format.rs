//! How values are written in the API: decimals as strings, times as RFC 3339, words from one list each.

use std::borrow::Cow;

use atomik_domain::UnixMicros;
use atomik_domain::money::parse_decimal;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::FieldErrors;

/// A moment that may not have come yet, as RFC 3339.
pub fn optional_time(moment: Option<UnixMicros>) -> Option<String> {
    moment.map(UnixMicros::to_rfc3339)
}

/// The longest name or label, in characters.
const MAX_NAME: usize = 100;

/// A name, trimmed: 1 to 100 characters, none of them a control character; else `field` is blamed.
pub fn check_name(name: &str, field: &str, errors: &mut FieldErrors) -> String {
    errors.check(!name.trim().is_empty(), field, "must not be empty");
    errors.check(!name.contains(char::is_control), field, "must not hold control characters");
    check_text(name, MAX_NAME, field, errors)
}

/// A text, trimmed, of at most `max` characters; else `field` is blamed.
pub fn check_text(text: &str, max: usize, field: &str, errors: &mut FieldErrors) -> String {
    let text = text.trim();
    errors.check(text.chars().count() <= max, field, format!("must have at most {max} characters"));
    text.to_owned()
}

/// The most that a quantity in a request may be: a million millions. Far from where decimals end, whatever is
/// multiplied with it.
const MAX_DECIMAL: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);

/// A decimal in a request, as it was written. Read with [`DecimalText::positive`], so that a wrong one is a field error.
///
/// A JSON number is taken too, by its digits: it never passes through a float.
#[derive(Clone, PartialEq, Eq)]
pub struct DecimalText(String);

impl DecimalText {
    /// The decimal; where it is not one above zero and up to a million millions, `field` is blamed and nothing returned.
    pub fn positive(&self, field: &str, errors: &mut FieldErrors) -> Option<Decimal> {
        let fits = |decimal: &Decimal| *decimal > Decimal::ZERO && *decimal <= MAX_DECIMAL;
        let decimal = parse_decimal(self.0.trim()).filter(fits);
        if decimal.is_none() {
            let problem = format!(
                "expected a decimal above zero and up to {MAX_DECIMAL}, written as a string such as \"0.25\""
            );
            errors.add(field, problem);
        }
        decimal
    }
}

impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        if text.starts_with('"') {
            return serde_json::from_str(text).map(Self).map_err(D::Error::custom);
        }
        if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err(D::Error::custom("expected a decimal, written as a string such as \"0.25\""))
    }
}

impl PartialSchema for DecimalText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A plain decimal: no exponent, no separators, at most 28 digits."))
            .examples([serde_json::Value::from("0.25")])
            .into()
    }
}

impl ToSchema for DecimalText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Decimal")
    }
}

fn word_list(words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    let object: Object = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into();
    object.into()
}

/// Describes the words of one of our enums in the OpenAPI document, from the same list that the API reads and writes.
macro_rules! word_schemas {
    ($($(#[$doc:meta])* $schema:ident = $word:ty, $name:literal;)*) => {$(
        $(#[$doc])*
        pub enum $schema {}

        impl PartialSchema for $schema {
            fn schema() -> RefOr<Schema> {
                word_list(<$word>::ALL.iter().map(|word| word.as_str()))
            }
        }

        impl ToSchema for $schema {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    )*};
}

word_schemas! {
    /// The words of [`Action`](atomik_domain::Action).
    ActionWord = atomik_domain::Action, "Action";
    /// The words of [`Code`](atomik_domain::Code).
    CodeWord = atomik_domain::Code, "Code";
    /// The words of [`Environment`](atomik_domain::Environment).
    EnvironmentWord = atomik_domain::Environment, "Environment";
    /// The words of [`HaltMode`](atomik_domain::HaltMode).
    HaltModeWord = atomik_domain::HaltMode, "HaltMode";
    /// The words of [`OnOppositeEntry`](atomik_domain::OnOppositeEntry).
    OnOppositeEntryWord = atomik_domain::OnOppositeEntry, "OnOppositeEntry";
    /// The words of [`OrderStatus`](atomik_domain::OrderStatus).
    OrderStatusWord = atomik_domain::OrderStatus, "OrderStatus";
    /// The words of [`OrderType`](atomik_domain::OrderType).
    OrderTypeWord = atomik_domain::OrderType, "OrderType";
    /// The words of [`OutcomeStatus`](atomik_domain::OutcomeStatus).
    OutcomeStatusWord = atomik_domain::OutcomeStatus, "OutcomeStatus";
    /// The words of [`PositionSide`](atomik_domain::PositionSide).
    PositionSideWord = atomik_domain::PositionSide, "PositionSide";
    /// The words of [`PriceSource`](atomik_domain::order::PriceSource).
    PriceSourceWord = atomik_domain::order::PriceSource, "PriceSource";
    /// The words of [`Side`](atomik_domain::Side).
    SideWord = atomik_domain::Side, "Side";
    /// The words of [`SignalSource`](atomik_ports::journal::SignalSource).
    SignalSourceWord = atomik_ports::journal::SignalSource, "SignalSource";
    /// The words of [`TimeInForce`](atomik_domain::TimeInForce).
    TimeInForceWord = atomik_domain::TimeInForce, "TimeInForce";
    /// The words of [`AccountState`](atomik_engine::AccountState).
    AccountStateWord = atomik_engine::AccountState, "AccountState";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<DecimalText>(json).map(|text| text.0).map_err(|error| error.to_string())
    }

    #[test]
    fn decimals_are_read_by_their_digits() {
        assert_eq!(read("\"0.25\"").unwrap(), "0.25");
        assert_eq!(read("0.1000000000000000055511151231").unwrap(), "0.1000000000000000055511151231");
        assert_eq!(read("3").unwrap(), "3");
    }

    #[test]
    fn quantities_are_above_zero_and_bounded() {
        let positive =
            |text: &str| DecimalText(text.to_owned()).positive("quantity", &mut FieldErrors::default());
        assert_eq!(positive(" 0.001 "), Some(Decimal::new(1, 3)));
        assert_eq!(positive("1000000000000"), Some(MAX_DECIMAL));
        for text in ["0", "-1", "1000000000000.1", "1e3", "", "many"] {
            assert_eq!(positive(text), None, "{text}");
        }
    }

    #[test]
    fn anything_but_text_and_numbers_is_refused() {
        for json in ["true", "null", "[1]", "{}"] {
            assert!(read(json).unwrap_err().contains("expected a decimal"), "{json}");
        }
    }
}
