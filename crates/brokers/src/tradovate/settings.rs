//! What an account is set to.

use atomik_domain::{BrokerAccount, Environment};
use atomik_ports::broker::{BrokerError, FieldError, SettingField, SettingKind};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::settings::{SettingsReader, field_error};
use crate::wire::{Endpoint, UrlRules};

/// The namespace under which device ids are derived (UUIDv5). Never change it: the venue would see other devices.
const DEVICE_NAMESPACE: Uuid = Uuid::from_u128(0x5b0f_3a0c_97d1_4c52_8f0e_2f6c_54d7_0a11);
const DEFAULT_APP_ID: &str = "Atomik";
/// The days before expiry by which most of the trade in an equity index future has moved on: the Thursday of the week
/// before the third Friday.
const DEFAULT_ROLL_DAYS: u32 = 8;
/// The venue's bound for names.
const MAX_NAME: usize = 64;

/// An account's settings.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// A name or an id; `None` for the only active one.
    pub account: Option<String>,
    pub app_id: String,
    /// `None` for one that is derived.
    pub device_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub roll_days: u32,
    pub base: Option<Endpoint>,
    pub stream: Option<Endpoint>,
}

pub(super) fn setting_fields() -> Vec<SettingField> {
    let mut fields = vec![
        SettingField::new(
            "account",
            "Account",
            "Which of the login's accounts to trade, by name or id. Default: the only active one.",
            SettingKind::Text,
        ),
        SettingField::new(
            "app_id",
            "App id",
            "The name your API key was registered for. Default: Atomik.",
            SettingKind::Text,
        ),
        SettingField::new(
            "device_id",
            "Device id",
            "How Tradovate tells this machine from others; it must stay the same. Default: derived from this account.",
            SettingKind::Text,
        ),
        SettingField::new(
            "redirect_uri",
            "OAuth redirect address",
            "The address that the authorization code was issued for. Only with an authorization code.",
            SettingKind::Text,
        ),
        SettingField::new(
            "roll_days_before_expiry",
            "Roll days before expiry",
            "How many days before expiry (or first notice) ES or ES1! moves on to the next contract. Default: 8.",
            SettingKind::Integer,
        ),
    ];
    fields.extend(UrlRules::fields());
    fields
}

impl Settings {
    /// Reads settings.
    ///
    /// # Errors
    /// Each wrong field.
    pub fn parse(
        environment: Environment,
        settings: &Value,
        urls: UrlRules,
    ) -> Result<Self, Vec<FieldError>> {
        if host(environment).is_none() {
            let problem = format!("Tradovate has no {environment} environment; use demo or live");
            return Err(vec![field_error("environment", problem)]);
        }
        let mut reader = SettingsReader::new(settings, &setting_fields())?;
        for name in ["account", "app_id", "device_id"] {
            if reader
                .text(name)
                .is_some_and(|text| text.len() > MAX_NAME || text.chars().any(char::is_control))
            {
                reader.refuse(name, format!("must be at most {MAX_NAME} plain characters"));
            }
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let read = Self {
            account: owned(reader.text("account")),
            app_id: reader.text("app_id").unwrap_or(DEFAULT_APP_ID).to_owned(),
            device_id: owned(reader.text("device_id")),
            redirect_uri: owned(reader.text("redirect_uri")),
            roll_days: reader.integer("roll_days_before_expiry", DEFAULT_ROLL_DAYS, 0..=60),
            base: urls.read(&mut reader, "base_url", &["https", "http"]),
            stream: urls.read(&mut reader, "stream_url", &["wss", "ws"]),
        };
        reader.finish(read)
    }

    /// In full, with defaults; what is derived stays out.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        let texts = [
            ("account", self.account.clone()),
            ("app_id", Some(self.app_id.clone())),
            ("device_id", self.device_id.clone()),
            ("redirect_uri", self.redirect_uri.clone()),
            ("base_url", self.base.as_ref().map(|endpoint| endpoint.url().to_string())),
            ("stream_url", self.stream.as_ref().map(|endpoint| endpoint.url().to_string())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                object.insert(name.to_owned(), Value::from(text));
            }
        }
        object.insert("roll_days_before_expiry".to_owned(), Value::from(self.roll_days));
        Value::Object(object)
    }

    /// Where requests go.
    pub fn base(&self, environment: Environment) -> Result<Endpoint, BrokerError> {
        self.base.clone().map_or_else(|| own(environment, "https", ""), Ok)
    }

    /// Where the stream is.
    pub fn stream(&self, environment: Environment) -> Result<Endpoint, BrokerError> {
        self.stream.clone().map_or_else(|| own(environment, "wss", "/websocket"), Ok)
    }

    /// The device that this account says it is: stable over restarts, and another one in another installation.
    pub fn device_id(&self, account: &BrokerAccount) -> String {
        let derived = || {
            let row = format!("{}/{}/{}", account.user_id, account.id, account.created_at.0);
            Uuid::new_v5(&DEVICE_NAMESPACE, row.as_bytes()).to_string()
        };
        self.device_id.clone().unwrap_or_else(derived)
    }
}

const fn host(environment: Environment) -> Option<&'static str> {
    match environment {
        Environment::Demo => Some("demo.tradovateapi.com"),
        Environment::Live => Some("live.tradovateapi.com"),
        Environment::Paper | Environment::Testnet => None,
    }
}

fn own(environment: Environment, scheme: &str, path: &str) -> Result<Endpoint, BrokerError> {
    let host = host(environment)
        .ok_or_else(|| BrokerError::Unavailable(format!("Tradovate has no {environment} environment")))?;
    Endpoint::parse(&format!("{scheme}://{host}/v1{path}"), &[scheme])
        .map_err(|wrong| BrokerError::Unavailable(wrong.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(settings: &Value) -> Result<Settings, Vec<FieldError>> {
        Settings::parse(Environment::Live, settings, UrlRules::default())
    }

    #[test]
    fn defaults_are_filled_in_and_addresses_are_the_environments() {
        let settings = parse(&json!({})).unwrap();
        assert_eq!(settings.to_json(), json!({"app_id": "Atomik", "roll_days_before_expiry": 8}));
        let address = |environment| settings.base(environment).unwrap().url().to_string();
        assert_eq!(address(Environment::Demo), "https://demo.tradovateapi.com/v1");
        assert_eq!(address(Environment::Live), "https://live.tradovateapi.com/v1");
        let stream = settings.stream(Environment::Live).unwrap().url().to_string();
        assert_eq!(stream, "wss://live.tradovateapi.com/v1/websocket");
    }

    #[test]
    fn wrong_settings_are_named() {
        for (settings, field) in [
            (json!({"roll_days_before_expiry": 61}), "settings.roll_days_before_expiry"),
            (json!({"app_id": "x".repeat(65)}), "settings.app_id"),
            (json!({"base_url": "http://127.0.0.1"}), "settings.base_url"),
            (json!({"acount": "1"}), "settings.acount"),
        ] {
            assert_eq!(parse(&settings).unwrap_err()[0].field, field);
        }
        let wrong = Settings::parse(Environment::Paper, &json!({}), UrlRules::default());
        assert_eq!(wrong.unwrap_err()[0].field, "environment");
    }
}
