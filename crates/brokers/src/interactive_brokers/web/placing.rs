//! The ticket of an order, and what an answer to it means.

use atomik_domain::{OrderRequest, OrderType, Side, TimeInForce};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;

use super::replies::{Refusal, Taken};
use crate::wire::Answer;

/// How many questions in a row are answered about one order.
pub const MAX_QUESTIONS: usize = 8;
/// How much of a question is shown.
const SHOWN: usize = 400;

/// A decimal as a JSON number, digit for digit.
fn literal(decimal: Decimal) -> Option<Box<RawValue>> {
    RawValue::from_string(decimal.normalize().to_string()).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ticket<'a> {
    conid: i64,
    order_type: &'a str,
    side: &'a str,
    tif: &'a str,
    quantity: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aux_price: Option<Box<RawValue>>,
    #[serde(rename = "cOID")]
    coid: String,
    #[serde(rename = "outsideRTH")]
    outside_rth: bool,
    // US futures exchanges want to know that no person gave the order.
    manual_indicator: bool,
    acct_id: &'a str,
}

/// The broker's word for an order type.
#[must_use]
pub const fn order_type(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "MKT",
        OrderType::Limit => "LMT",
        OrderType::Stop => "STP",
        OrderType::StopLimit => "STOP_LIMIT",
    }
}

/// The broker's word for an order type, in the rules of a contract.
#[must_use]
pub const fn rule_of(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "market",
        OrderType::Limit => "limit",
        OrderType::Stop => "stop",
        OrderType::StopLimit => "stop_limit",
    }
}

/// The broker's word for a time in force; `None` for what it has not.
#[must_use]
pub const fn time_in_force(time_in_force: TimeInForce) -> Option<&'static str> {
    match time_in_force {
        TimeInForce::Day => Some("DAY"),
        TimeInForce::Gtc => Some("GTC"),
        TimeInForce::Ioc => Some("IOC"),
        TimeInForce::Fok => None,
    }
}

/// An order's ticket, as JSON.
///
/// # Errors
/// Why the broker cannot take such an order.
pub fn ticket(request: &OrderRequest, conid: i64, account: &str) -> Result<String, String> {
    let tif = time_in_force(request.time_in_force);
    let tif = tif.ok_or("Interactive Brokers' Web API takes no fill-or-kill orders")?;
    // A stop order's trigger is its price; a stop-limit order has its limit there.
    let (price, aux_price) = match request.order_type {
        OrderType::Market => (None, None),
        OrderType::Limit => (request.limit_price, None),
        OrderType::Stop => (request.stop_price, None),
        OrderType::StopLimit => (request.limit_price, request.stop_price),
    };
    let missing = match request.order_type {
        OrderType::Market => false,
        OrderType::Limit | OrderType::Stop => price.is_none(),
        OrderType::StopLimit => price.is_none() || aux_price.is_none(),
    };
    if missing {
        return Err(format!("a {} order needs its price", request.order_type));
    }
    let ticket = Ticket {
        conid,
        order_type: order_type(request.order_type),
        side: match request.side {
            Side::Buy => "BUY",
            Side::Sell => "SELL",
        },
        tif,
        quantity: literal(request.order_qty.0).ok_or("the quantity is no number")?,
        price: price.and_then(|price| literal(price.0)),
        aux_price: aux_price.and_then(|price| literal(price.0)),
        coid: request.client_order_id.to_string(),
        outside_rth: false,
        manual_indicator: false,
        acct_id: account,
    };
    serde_json::to_string(&ticket)
        .map(|ticket| format!("{{\"orders\":[{ticket}]}}"))
        .map_err(|error| error.to_string())
}

/// What an answer to an order, or to the confirmation of a question, means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The order exists.
    Placed {
        /// The broker's id.
        order_id: String,
        /// Where it stands.
        status: Option<String>,
    },
    /// The order will exist once this is confirmed.
    Asks(Question),
    /// Nothing was placed.
    Refused(String),
    /// The broker has an order of this id already.
    Duplicate,
    /// Nobody can say.
    Unclear(String),
}

/// What the broker asks before it places an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is answered by.
    pub reply_id: String,
    /// What is asked, made readable.
    pub messages: Vec<String>,
    /// The kinds of the messages, in their order.
    pub ids: Vec<String>,
}

impl Question {
    /// Whether every message of it is one that may be answered with yes.
    #[must_use]
    pub fn is_allowed(&self, allowed: &[String]) -> bool {
        let may = |position: usize, message: &String| {
            let id = self.ids.get(position);
            allowed.iter().any(|entry| {
                let text = readable(entry).to_lowercase();
                id.is_some_and(|id| id.eq_ignore_ascii_case(entry.trim()))
                    || (text.chars().count() >= 20 && message.to_lowercase().contains(&text))
            })
        };
        !self.messages.is_empty()
            && self.ids.len() <= self.messages.len()
            && self.messages.iter().enumerate().all(|(position, message)| may(position, message))
    }

    /// What the trader is told where it is not answered.
    #[must_use]
    pub fn declined(&self) -> String {
        let text: String = self.messages.join(" ").chars().take(SHOWN).collect();
        let entry = if self.ids.is_empty() { "its text".to_owned() } else { self.ids.join(" and ") };
        format!(
            "The broker asks: \"{text}\" ({}). Nothing was placed, for nobody may answer that. To have such orders placed, add \
             {entry} to the account's setting answer_questions.",
            if self.ids.is_empty() { "without an id".to_owned() } else { self.ids.join(", ") },
        )
    }
}

/// A text without markup and line breaks.
#[must_use]
pub fn readable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for c in text.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                plain.push(' ');
            }
            _ if in_tag => {}
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads an answer. Only what is understood whole is a placement or a refusal.
#[must_use]
pub fn read(answer: &Answer) -> Verdict {
    if answer.is_server_error() {
        return Verdict::Unclear(answer.quoted());
    }
    let first = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'[') if answer.is_success() => read_list(answer),
        Some(b'{') => read_object(answer),
        _ => Verdict::Unclear(answer.quoted()),
    }
}

fn read_list(answer: &Answer) -> Verdict {
    let rows: Vec<Taken> = match answer.json() {
        Ok(rows) => rows,
        Err(evidence) => return Verdict::Unclear(evidence),
    };
    let [row] = rows.as_slice() else {
        return Verdict::Unclear(format!("{} answers to one order: {}", rows.len(), answer.quoted()));
    };
    if let Some(order_id) = row.order_id.clone().filter(|id| !id.is_empty()) {
        return Verdict::Placed { order_id, status: row.order_status.clone() };
    }
    match (&row.id, &row.message) {
        (Some(reply_id), Some(messages)) if !reply_id.is_empty() => Verdict::Asks(Question {
            reply_id: reply_id.clone(),
            messages: messages.iter().map(|message| readable(message)).collect(),
            ids: row.message_ids.clone().unwrap_or_default(),
        }),
        _ => Verdict::Unclear(answer.quoted()),
    }
}

fn read_object(answer: &Answer) -> Verdict {
    let refusal: Refusal = match answer.json() {
        Ok(refusal) => refusal,
        Err(evidence) => return Verdict::Unclear(evidence),
    };
    match (refusal.error, refusal.text) {
        (Some(error), _) if is_duplicate(&error) => Verdict::Duplicate,
        (Some(error), _) if !error.is_empty() => {
            Verdict::Refused(format!("The broker refused the order: {}", readable(&error)))
        }
        // A prompt comes with the rejection of the order, and offers ways to send it anew; none is taken.
        (None, Some(text)) if answer.is_success() && !text.is_empty() => {
            let kind = refusal.message_id.map(|id| format!(" ({id})")).unwrap_or_default();
            Verdict::Refused(format!("The broker rejected the order{kind}: {}", readable(&text)))
        }
        _ => Verdict::Unclear(answer.quoted()),
    }
}

fn is_duplicate(error: &str) -> bool {
    error.contains("Local order ID=") && error.contains("already registered")
}

/// What an answer to a cancel means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelVerdict {
    /// The broker took the request.
    Requested,
    /// There is no such order.
    Absent,
    /// It was refused, and why; the order may have ended.
    Refused(String),
    /// Nobody can say.
    Unclear(String),
}

/// Reads an answer to a cancel.
#[must_use]
pub fn read_cancel(answer: &Answer) -> CancelVerdict {
    if answer.is_server_error() {
        return CancelVerdict::Unclear(answer.quoted());
    }
    match answer.json::<Refusal>() {
        Ok(Refusal { error: Some(error), .. }) if error.contains("doesn't exist") => CancelVerdict::Absent,
        Ok(Refusal { error: Some(error), .. }) => CancelVerdict::Refused(readable(&error)),
        Ok(Refusal { msg: Some(_), .. }) if answer.is_success() => CancelVerdict::Requested,
        _ => CancelVerdict::Unclear(answer.quoted()),
    }
}
