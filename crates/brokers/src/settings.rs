//! Checking an account's settings against the fields that the catalogue shows.

use std::collections::BTreeMap;

use atomik_domain::money::parse_decimal;
use atomik_ports::broker::{BrokerError, FieldError, SettingField, SettingKind};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// A wrong field, named as in a request.
#[must_use]
pub fn field_error(field: &str, problem: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), problem: problem.into() }
}

/// Stored settings that are not right any more: the operator took back what they need, or a newer program wrote them.
#[must_use]
pub fn refused(errors: &[FieldError]) -> BrokerError {
    let problems: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.problem)).collect();
    BrokerError::Unavailable(problems.join("; "))
}

/// A JSON string or number as an exact decimal. A number is taken as it is written, not as a float.
#[must_use]
pub fn decimal_of(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => parse_decimal(text.trim()),
        Value::Number(number) => parse_decimal(&number.to_string()),
        _ => None,
    }
}

/// A refusal for every key of `object` that is none of `names`, with the name that it may have meant.
#[must_use]
pub fn unknown_keys(object: &Map<String, Value>, names: &[&str]) -> Vec<FieldError> {
    let refuse = |key: &String| {
        let nearest = names.iter().min_by_key(|name| strsim::levenshtein(name, key));
        let shown: String = key.chars().take(64).collect();
        let hint = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        field_error(&format!("settings.{shown}"), format!("is not a setting{hint}"))
    };
    object.keys().filter(|key| !names.contains(&key.as_str())).map(refuse).collect()
}

/// Settings, read field by field; what is wrong is gathered.
pub struct SettingsReader<'a> {
    object: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl<'a> SettingsReader<'a> {
    /// Begins to read settings that may have the keys of `fields` and no others.
    ///
    /// # Errors
    /// Where the settings are no JSON object.
    pub fn new(settings: &'a Value, fields: &[SettingField]) -> Result<Self, Vec<FieldError>> {
        let object =
            settings.as_object().ok_or_else(|| vec![field_error("settings", "must be a JSON object")])?;
        let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
        let mut reader = Self { object, errors: unknown_keys(object, &names) };
        for field in fields {
            reader.check_kind(field);
        }
        Ok(reader)
    }

    /// Notes that a setting is wrong.
    pub fn refuse(&mut self, name: &str, problem: impl Into<String>) {
        self.errors.push(field_error(&format!("settings.{name}"), problem));
    }

    /// A setting's value; `None` where it is missing or null.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A text, trimmed; `None` where it is missing or empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.value(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A switch; `fallback` where it is missing.
    #[must_use]
    pub fn switch(&self, name: &str, fallback: bool) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(fallback)
    }

    /// A whole number within bounds; `fallback` where it is missing or, with a note, out of them.
    pub fn integer(&mut self, name: &str, fallback: u32, bounds: std::ops::RangeInclusive<u32>) -> u32 {
        let Some(value) = self.value(name) else { return fallback };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => number,
            None => {
                self.refuse(
                    name,
                    format!("must be a whole number from {} to {}", bounds.start(), bounds.end()),
                );
                fallback
            }
        }
    }

    /// A list of texts, trimmed and without empty ones.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.value(name).and_then(Value::as_array).into_iter().flatten();
        let texts = items.filter_map(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    }

    /// What was read, unless something was wrong.
    ///
    /// # Errors
    /// Everything that was noted.
    pub fn finish<T>(self, read: T) -> Result<T, Vec<FieldError>> {
        if self.errors.is_empty() { Ok(read) } else { Err(self.errors) }
    }

    fn check_kind(&mut self, field: &SettingField) {
        let Some(value) = self.value(&field.name) else { return };
        let problem = match &field.kind {
            SettingKind::Text if !value.is_string() => "must be a text".to_owned(),
            SettingKind::Boolean if !value.is_boolean() => "must be true or false".to_owned(),
            SettingKind::Integer if !value.is_u64() => "must be a whole number".to_owned(),
            SettingKind::Decimal if decimal_of(value).is_none() => {
                "must be a decimal, as text: \"1.25\"".to_owned()
            }
            SettingKind::Choice(choices)
                if !value.as_str().is_some_and(|text| choices.iter().any(|one| one == text)) =>
            {
                format!("must be one of: {}", choices.join(", "))
            }
            SettingKind::List if !is_list_of_texts(value) => "must be a list of texts".to_owned(),
            SettingKind::Decimals if !is_map_of_decimals(value) => {
                "must be an object of decimals, as text: {\"ES\": \"5000.00\"}".to_owned()
            }
            _ => return,
        };
        self.refuse(&field.name, problem);
    }
}

fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

fn is_map_of_decimals(value: &Value) -> bool {
    value.as_object().is_some_and(|object| {
        let decimals: BTreeMap<_, _> = object.iter().map(|(name, value)| (name, decimal_of(value))).collect();
        decimals.values().all(Option::is_some)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn fields() -> Vec<SettingField> {
        let field = |name: &str, kind| SettingField {
            name: name.to_owned(),
            label: name.to_owned(),
            description: String::new(),
            kind,
        };
        vec![
            field("region", SettingKind::Choice(vec!["us".to_owned(), "eu".to_owned()])),
            field("days", SettingKind::Integer),
            field("answers", SettingKind::List),
            field("fast", SettingKind::Boolean),
            field("fee", SettingKind::Decimal),
        ]
    }

    #[test]
    fn every_wrong_field_is_named_with_what_is_expected() {
        let settings =
            json!({"regoin": "us", "region": "mars", "days": "3", "answers": [1], "fast": 1, "fee": "x"});
        let errors = SettingsReader::new(&settings, &fields()).unwrap().finish(()).unwrap_err();
        let said: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.problem)).collect();
        assert_eq!(
            said,
            [
                "settings.regoin is not a setting; did you mean region?",
                "settings.region must be one of: us, eu",
                "settings.days must be a whole number",
                "settings.answers must be a list of texts",
                "settings.fast must be true or false",
                "settings.fee must be a decimal, as text: \"1.25\"",
            ]
        );
    }

    #[test]
    fn right_ones_are_read_and_missing_ones_fall_back() {
        let settings = json!({"answers": [" o163 ", ""], "days": 4, "fee": 1.10});
        let mut reader = SettingsReader::new(&settings, &fields()).unwrap();
        assert_eq!(reader.list("answers"), ["o163"]);
        assert_eq!((reader.integer("days", 8, 0..=30), reader.switch("fast", true)), (4, true));
        assert_eq!((reader.integer("missing", 8, 0..=30), reader.text("region")), (8, None));
        assert!(reader.finish(()).is_ok());
        let far = json!({"days": 31});
        let mut reader = SettingsReader::new(&far, &fields()).unwrap();
        reader.integer("days", 8, 0..=30);
        assert_eq!(reader.finish(()).unwrap_err()[0].problem, "must be a whole number from 0 to 30");
    }
}
