//! An account's settings.

use atomik_ports::broker::{FieldError, SettingField};
use reqwest::Url;
use serde_json::{Value, json};

use super::super::settings::{Trading, trading_fields};
use crate::settings::{SettingsReader, field_error};
use crate::wire::{Endpoint, UrlRules};

/// Where the broker is, paper accounts among them.
const BASE: &str = "https://api.ibkr.com/v1/api";

/// The settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthSettings {
    /// Where requests go.
    pub base: Endpoint,
    /// Where the stream is.
    pub stream: Url,
    /// How to trade.
    pub trading: Trading,
}

/// What the catalogue shows.
pub(super) fn fields() -> Vec<SettingField> {
    let mut fields = trading_fields();
    fields.extend(UrlRules::fields());
    fields
}

impl OAuthSettings {
    /// Reads them.
    ///
    /// # Errors
    /// Each wrong field.
    pub fn parse(settings: &Value, rules: UrlRules) -> Result<Self, Vec<FieldError>> {
        let mut reader = SettingsReader::new(settings, &fields())?;
        let base = rules.read(&mut reader, "base_url", &["https", "http"]);
        let stream = rules.read(&mut reader, "stream_url", &["wss", "ws"]);
        let trading = Trading::read(&mut reader);
        let base = match base {
            Some(base) => base,
            None => Endpoint::parse(BASE, &["https"])
                .map_err(|error| vec![field_error("settings.base_url", error.0)])?,
        };
        // Tokens never go to the broker's own stream when the operator sent requests elsewhere.
        let stream = match stream {
            Some(stream) => stream.url().clone(),
            None => stream_beside(&base)
                .ok_or_else(|| vec![field_error("settings.stream_url", "has to be given")])?,
        };
        reader.finish(Self { base, stream, trading })
    }

    /// In full, with what was left out: addresses only where they are not the broker's own.
    #[must_use]
    pub fn to_json(&self, given: &Value) -> Value {
        let mut full = self.trading.to_json();
        for name in ["base_url", "stream_url"] {
            if let Some(address) = given.get(name).filter(|address| address.is_string()) {
                full[name] = json!(address);
            }
        }
        full
    }
}

/// The stream of an address: the same host, at `/ws` below it.
fn stream_beside(base: &Endpoint) -> Option<Url> {
    let address = base.url().as_str().trim_end_matches('/');
    Url::parse(&format!("ws{}/ws", address.strip_prefix("http")?)).ok()
}
