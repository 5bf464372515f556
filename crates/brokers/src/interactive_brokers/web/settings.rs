//! An account's settings.

use std::net::IpAddr;

use atomik_ports::broker::{FieldError, SettingField, SettingKind};
use reqwest::Url;
use serde_json::{Value, json};

use crate::settings::SettingsReader;
use crate::wire::{Endpoint, WrongUrl};

/// Where the gateway listens unless told otherwise.
const GATEWAY: &str = "https://127.0.0.1:5000";
/// How long before its last day a future is left for the next.
const ROLL_DAYS: u32 = 8;
/// A question's text must be named by at least so much of it: a short word could be in any question.
const SHORTEST_TEXT: usize = 20;

/// The settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSettings {
    /// The gateway.
    pub gateway: Endpoint,
    /// Whether the gateway is on this machine.
    pub loopback: bool,
    /// How to trade.
    pub trading: Trading,
}

/// The settings that are the same with and without a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trading {
    /// Which of the login's accounts; `None` for its only one.
    pub account: Option<String>,
    /// Whether to end another session of the same user.
    pub compete: bool,
    /// Which questions may be answered with yes: ids of messages, or parts of their texts.
    pub answer_questions: Vec<String>,
    /// How many days before a future's last day its root stands for the next contract.
    pub roll_days: u32,
}

impl Trading {
    /// Reads them; what is wrong is noted in `reader`.
    pub(super) fn read(reader: &mut SettingsReader<'_>) -> Self {
        let account = reader.text("account").map(str::to_ascii_uppercase);
        if account.as_ref().is_some_and(|account| !account.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            reader.refuse("account", "must be an account's id: letters and digits, such as U1234567");
        }
        let answer_questions = reader.list("answer_questions");
        for entry in &answer_questions {
            if !is_message_id(entry) && entry.chars().count() < SHORTEST_TEXT {
                reader.refuse(
                    "answer_questions",
                    format!("has {entry:?}, which is neither a message's id such as o163 nor {SHORTEST_TEXT} letters or more of its text"),
                );
            }
        }
        let compete = reader.switch("compete", false);
        let roll_days = reader.integer("roll_days_before_expiry", ROLL_DAYS, 0..=60);
        Self { account, compete, answer_questions, roll_days }
    }

    /// In full, with what was left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "account": self.account,
            "compete": self.compete,
            "answer_questions": self.answer_questions,
            "roll_days_before_expiry": self.roll_days,
        })
    }
}

impl WebSettings {
    /// Reads them.
    ///
    /// # Errors
    /// Each wrong field.
    pub fn parse(settings: &Value) -> Result<Self, Vec<FieldError>> {
        let mut reader = SettingsReader::new(settings, &fields())?;
        let (gateway, loopback) = read_gateway(&mut reader)
            .or_else(|| Some((Endpoint::parse(GATEWAY, &["https"]).ok()?, true)))
            .ok_or_else(Vec::new)?;
        let trading = Trading::read(&mut reader);
        reader.finish(Self { gateway, loopback, trading })
    }

    /// In full, with what was left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut full = self.trading.to_json();
        full["gateway_url"] = json!(self.address());
        full
    }

    /// The gateway's address for people.
    #[must_use]
    pub fn address(&self) -> String {
        self.gateway.url().as_str().trim_end_matches('/').to_owned()
    }
}

/// A message's id is a letter and a number: `o163`, `p12`.
fn is_message_id(entry: &str) -> bool {
    let digits = entry.strip_prefix(|c: char| c.is_ascii_alphabetic());
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_gateway(reader: &mut SettingsReader<'_>) -> Option<(Endpoint, bool)> {
    let text = reader.text("gateway_url")?;
    let checked = Endpoint::parse(text, &["https", "http"]).and_then(|endpoint| {
        let loopback = nearness(endpoint.url())?;
        if endpoint.url().scheme() == "http" && !loopback {
            return Err(WrongUrl("must begin with https:// where it is not this machine".to_owned()));
        }
        Ok((endpoint, loopback))
    });
    match checked {
        Ok(found) => Some(found),
        Err(WrongUrl(problem)) => {
            reader.refuse("gateway_url", problem);
            None
        }
    }
}

/// Whether an address is this machine's; refused where it is neither that nor in a private network.
fn nearness(url: &Url) -> Result<bool, WrongUrl> {
    let host = url.host_str().unwrap_or_default();
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(true);
    }
    let near = match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) if ip.is_loopback() => Some(true),
        Ok(IpAddr::V4(ip)) if ip.is_private() => Some(false),
        Ok(IpAddr::V6(ip)) if ip.is_loopback() => Some(true),
        Ok(IpAddr::V6(ip)) if ip.is_unique_local() => Some(false),
        _ => None,
    };
    near.ok_or_else(|| {
        WrongUrl(
            "must be on this machine or in a private network, by number: https://127.0.0.1:5000".to_owned(),
        )
    })
}

/// What the catalogue shows.
#[must_use]
pub fn fields() -> Vec<SettingField> {
    let gateway = SettingField::new(
        "gateway_url",
        "Gateway address",
        "Where your Client Portal Gateway listens: on this machine, or in a private network. Default: https://127.0.0.1:5000.",
        SettingKind::Text,
    );
    [gateway].into_iter().chain(trading_fields()).collect()
}

/// What it shows of [`Trading`].
pub(super) fn trading_fields() -> Vec<SettingField> {
    vec![
        SettingField::new(
            "account",
            "Account id",
            "Which account to trade, such as U1234567 or DU1234567. Default: the login's only one.",
            SettingKind::Text,
        ),
        SettingField::new(
            "compete",
            "Take over the session",
            "Whether to end another session of the same user (TWS, the mobile app), for the broker allows one. Default: no.",
            SettingKind::Boolean,
        ),
        SettingField::new(
            "answer_questions",
            "Questions to answer with yes",
            "Which of the broker's questions about an order are confirmed: their ids, such as o163, or 20 letters or more of \
             their text. An order with any other question is not placed. Default: none.",
            SettingKind::List,
        ),
        SettingField::new(
            "roll_days_before_expiry",
            "Roll futures so many days early",
            "How many days before its last day a root symbol such as ES stands for the next contract. Default: 8.",
            SettingKind::Integer,
        ),
    ]
}
