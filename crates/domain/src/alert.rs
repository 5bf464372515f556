//! An alert's payload, parsed once and strictly.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use rust_decimal::Decimal;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::code::Code;
use crate::money::{Price, Qty, parse_decimal};
use crate::order::{Side, spelled};

/// The longest comment kept; longer ones are cut, for they are somebody's order id and not a word of ours.
const MAX_COMMENT_CHARS: usize = 128;
/// The longest explicit id.
pub const MAX_ID_BYTES: usize = 128;
/// How deep a payload may nest. Alerts are flat; extra fields may hold a little structure.
const MAX_DEPTH: u8 = 16;

/// `action`: which way the alert points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// BUY.
    Buy,
    /// SELL.
    Sell,
}
spelled!(Action { Buy = "buy", Sell = "sell" });

impl Action {
    /// The side of the order that this action asks for.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::Buy => Side::Buy,
            Self::Sell => Side::Sell,
        }
    }
}

/// How much of a position an exit closes: a percentage in (0, 100].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitPercent(Decimal);

impl ExitPercent {
    /// All of it.
    pub const ALL: Self = Self(Decimal::ONE_HUNDRED);

    /// A percentage; `None` outside (0, 100].
    #[must_use]
    pub fn new(percent: Decimal) -> Option<Self> {
        (percent > Decimal::ZERO && percent <= Decimal::ONE_HUNDRED).then_some(Self(percent))
    }

    /// The percentage, in (0, 100].
    #[must_use]
    pub fn get(self) -> Decimal {
        self.0
    }
}

/// What kind of signal the comment makes of the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intention {
    /// No comment, or one that is no word of ours.
    Bare,
    /// `ENTRY`.
    Entry,
    /// `EXIT_*`.
    Exit(ExitPercent),
}

impl Intention {
    /// Reads a comment: trimmed, case-insensitive, strictly.
    ///
    /// # Errors
    /// [`AlertError::InvalidExit`] for anything that starts with `EXIT_` and names no part in (0, 100].
    pub fn parse(comment: &str) -> Result<Self, AlertError> {
        let word = comment.trim().to_ascii_uppercase();
        if word == "ENTRY" {
            return Ok(Self::Entry);
        }
        let Some(part) = word.strip_prefix("EXIT_") else { return Ok(Self::Bare) };
        let percent = match part {
            "FINAL" | "ALL" => Some(ExitPercent::ALL),
            "HALF" => ExitPercent::new(Decimal::from(50)),
            _ if part.starts_with(['+', '-']) => None,
            _ => parse_decimal(part).and_then(ExitPercent::new),
        };
        percent.map(Self::Exit).ok_or_else(|| AlertError::InvalidExit(excerpt(comment)))
    }
}

/// A valid alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Which way it points.
    pub action: Action,
    /// The comment as sent, trimmed and cut to 128 characters; `None` where there was none or an empty one.
    pub comment: Option<String>,
    /// What the comment makes of it.
    pub intention: Intention,
    /// The alert's own price, where it has a readable one.
    pub price: Option<Price>,
    /// The alert's own quantity. Tells repeats apart; strategies trade their own quantity.
    pub quantity: Option<Qty>,
    /// The alert's own symbol. Tells repeats apart; strategies trade their own symbol.
    pub symbol: Option<String>,
    /// An id the sender chose, remembered for 24 hours.
    pub id: Option<String>,
    /// A secret in the body. Never stored.
    pub secret: Option<String>,
    /// What was read otherwise than it was written, for the webhook's log.
    pub notes: Vec<String>,
}

/// Why a payload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// Not one JSON object that can be read in one way only.
    #[error("The body is not valid JSON: {0}. Expected an object such as {{\"action\": \"BUY\"}}")]
    MalformedJson(String),
    /// No action, or another word.
    #[error("{0} Expected \"BUY\" or \"SELL\"")]
    InvalidAction(String),
    /// `EXIT_` and something that is no part.
    #[error(
        "\"{0}\" is not an exit. Expected EXIT_50, EXIT_HALF, EXIT_FINAL, EXIT_ALL or EXIT_n with a plain number 0 < n <= 100"
    )]
    InvalidExit(String),
    /// A known field of the wrong type.
    #[error("\"{field}\" {problem}")]
    InvalidField {
        /// The field.
        field: &'static str,
        /// What is wrong and what is expected.
        problem: String,
    },
}

impl AlertError {
    /// The stable code of the refusal.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::MalformedJson(_) => Code::MalformedJson,
            Self::InvalidAction(_) => Code::InvalidAction,
            Self::InvalidExit(_) => Code::InvalidExit,
            Self::InvalidField { .. } => Code::InvalidField,
        }
    }
}

impl Alert {
    /// Parses a body, with or without a byte order mark.
    ///
    /// # Errors
    /// [`AlertError`] says what is wrong and what was expected.
    pub fn parse(body: &[u8]) -> Result<Self, AlertError> {
        let fields = Fields::read(body)?;
        let action = parse_action(fields.action.as_ref())?;
        let mut notes = Vec::new();
        let comment = fields.comment.and_then(Scalar::into_text);
        // Read whole and only then cut: the beginning of a long comment may look like a word that was not sent.
        let intention = comment.as_deref().map_or(Ok(Intention::Bare), Intention::parse)?;
        let comment = comment.map(|text| cut(text.trim(), MAX_COMMENT_CHARS)).filter(|text| !text.is_empty());
        if let (Some(text), Intention::Bare) = (&comment, intention) {
            notes.push(format!("comment \"{text}\" is no signal word and was treated as no comment"));
        }
        let price = readable(fields.price, "price", &mut notes).map(Price);
        let quantity = readable(fields.quantity, "quantity", &mut notes).map(Qty);
        let id =
            fields.id.and_then(Scalar::into_text).map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        if id.as_ref().is_some_and(|id| id.len() > MAX_ID_BYTES) {
            let problem = format!("is longer than {MAX_ID_BYTES} bytes");
            return Err(AlertError::InvalidField { field: "id", problem });
        }
        Ok(Self {
            action,
            comment,
            intention,
            price,
            quantity,
            symbol: fields.symbol.and_then(Scalar::into_text).map(|text| cut(text.trim(), 64)),
            id,
            secret: fields.secret.and_then(Scalar::into_text),
            notes,
        })
    }

    /// Finds a secret in a body without caring about anything else: the secret is checked before the payload is.
    /// `None` where the body cannot be read.
    #[must_use]
    pub fn secret_in(body: &[u8]) -> Option<String> {
        Fields::read(body).ok()?.secret.and_then(Scalar::into_text)
    }
}

fn parse_action(action: Option<&Scalar>) -> Result<Action, AlertError> {
    let text = match action {
        Some(Scalar::Text(text)) => text,
        Some(Scalar::Number(number)) => {
            return Err(AlertError::InvalidAction(format!("action is the number {}.", excerpt(number))));
        }
        None => return Err(AlertError::InvalidAction("action is missing.".to_owned())),
    };
    let word = text.trim();
    if word.eq_ignore_ascii_case("buy") {
        Ok(Action::Buy)
    } else if word.eq_ignore_ascii_case("sell") {
        Ok(Action::Sell)
    } else {
        Err(AlertError::InvalidAction(format!("action is \"{}\".", excerpt(word))))
    }
}

/// A price or quantity, as a number or a string. One that cannot be read is noted and dropped: an exit must not be lost
/// to a field that is only decoration.
fn readable(field: Option<Scalar>, name: &str, notes: &mut Vec<String>) -> Option<Decimal> {
    let text = field?.into_text()?;
    let decimal = parse_decimal(text.trim());
    if decimal.is_none() {
        notes.push(format!("{name} \"{}\" is no plain number and was ignored", excerpt(&text)));
    }
    decimal
}

fn excerpt(text: &str) -> String {
    cut(text.trim(), 40).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn cut(text: &str, chars: usize) -> String {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end]).to_owned()
}

/// A JSON string or number, as text. Null counts as absent.
enum Scalar {
    Text(String),
    Number(String),
}

impl Scalar {
    #[allow(clippy::unnecessary_wraps)] // so that it chains with `and_then` like the other readers
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
        }
    }
}

/// The fields an alert may have, before they mean anything.
#[derive(Default)]
struct Fields {
    action: Option<Scalar>,
    comment: Option<Scalar>,
    price: Option<Scalar>,
    quantity: Option<Scalar>,
    symbol: Option<Scalar>,
    id: Option<Scalar>,
    secret: Option<Scalar>,
    wrong_type: Option<&'static str>,
}

impl Fields {
    fn read(body: &[u8]) -> Result<Self, AlertError> {
        let malformed = |problem: String| AlertError::MalformedJson(problem);
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        if text.trim().is_empty() {
            return Err(malformed("it is empty".to_owned()));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let fields = reader.deserialize_map(FieldsVisitor).and_then(|fields| reader.end().map(|()| fields));
        let fields: Self = fields.map_err(|error| malformed(error.to_string()))?;
        match fields.wrong_type {
            Some("action") => Err(AlertError::InvalidAction("action is not a string.".to_owned())),
            Some(field) => {
                Err(AlertError::InvalidField { field, problem: "must be a string or a number".to_owned() })
            }
            None => Ok(fields),
        }
    }

    fn slot(&mut self, key: &str) -> Option<(&'static str, &mut Option<Scalar>)> {
        Some(match key {
            "action" => ("action", &mut self.action),
            "comment" => ("comment", &mut self.comment),
            "price" => ("price", &mut self.price),
            "quantity" => ("quantity", &mut self.quantity),
            "symbol" => ("symbol", &mut self.symbol),
            "id" => ("id", &mut self.id),
            "secret" => ("secret", &mut self.secret),
            _ => return None,
        })
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if let Some((name, slot)) = fields.slot(&key) {
                match scalar(map.next_value::<&RawValue>()?).map_err(A::Error::custom)? {
                    Some(value) => *slot = value,
                    None => fields.wrong_type = fields.wrong_type.or(Some(name)),
                }
            } else {
                map.next_value_seed(Unambiguous { depth: 1 })?;
            }
            let repeated = excerpt(&key);
            if !seen.insert(key) {
                return Err(A::Error::custom(format!("the key \"{repeated}\" appears twice")));
            }
        }
        Ok(fields)
    }
}

/// `Ok(Some(None))` is null, `Ok(None)` another type than string or number.
fn scalar(raw: &RawValue) -> Result<Option<Option<Scalar>>, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => Some(Some(Scalar::Text(serde_json::from_str(text)?))),
        Some(b'-' | b'0'..=b'9') => Some(Some(Scalar::Number(text.to_owned()))),
        Some(b'n') => Some(None),
        _ => None,
    })
}

/// Skips a value, refusing what two readers could read differently: repeated keys, and nesting without end.
#[derive(Clone, Copy)]
struct Unambiguous {
    depth: u8,
}

impl Unambiguous {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("it nests deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            map.next_value_seed(inner)?;
            let repeated = excerpt(&key);
            if !seen.insert(key) {
                return Err(A::Error::custom(format!("the key \"{repeated}\" appears twice")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    #[allow(clippy::disallowed_types)] // serde's name for any other JSON number; the value is dropped unseen
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
