//! What an account is linked with: settings and credentials.

use atomik_domain::Environment;
use atomik_ports::Credentials;
use atomik_ports::broker::{BrokerError, CredentialField, FieldError, SettingField, SettingKind};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::settings::{SettingsReader, field_error};
use crate::wire::{Discretion, Endpoint, UrlRules};

const HTTP: &[&str] = &["https", "http"];
const WS: &[&str] = &["wss", "ws"];

/// Settings, checked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub base: Endpoint,
    pub stream: Url,
    /// Whether quantities may be parts of a share.
    pub fractional: bool,
}

pub(super) fn setting_fields() -> Vec<SettingField> {
    let mut fields = UrlRules::fields();
    fields.push(SettingField::new(
        "fractional",
        "Fractions of shares",
        "Whether quantities of shares may be fractions where the asset allows it. Switch it off to sell short: Alpaca sells \
         only whole shares short. Default: true.",
        SettingKind::Boolean,
    ));
    fields
}

impl Settings {
    pub(super) fn parse(
        environment: Environment,
        settings: &Value,
        rules: UrlRules,
    ) -> Result<Self, Vec<FieldError>> {
        let host = match environment {
            Environment::Paper => "paper-api.alpaca.markets",
            Environment::Live => "api.alpaca.markets",
            other => {
                let problem = format!("Alpaca has no {other} environment; use paper or live");
                return Err(vec![field_error("environment", problem)]);
            }
        };
        let mut reader = SettingsReader::new(settings, &setting_fields())?;
        let base = rules.read(&mut reader, "base_url", HTTP);
        let stream = rules.read(&mut reader, "stream_url", WS);
        let fractional = reader.switch("fractional", true);
        let base = match base {
            Some(base) => base,
            None => Endpoint::parse(&format!("https://{host}"), HTTP)
                .map_err(|error| vec![field_error("settings.base_url", error.0)])?,
        };
        // Keys never go to the venue's own stream when the operator sent requests elsewhere.
        let stream = match stream {
            Some(stream) => stream.url().clone(),
            None => stream_beside(&base)
                .ok_or_else(|| vec![field_error("settings.stream_url", "has to be given")])?,
        };
        reader.finish(Self { base, stream, fractional })
    }

    /// The settings in full, as they are stored: addresses only where they are not the venue's own.
    pub(super) fn to_json(&self, given: &Value) -> Value {
        let mut full = json!({"fractional": self.fractional});
        for name in ["base_url", "stream_url"] {
            if let Some(address) = given.get(name).filter(|address| address.is_string()) {
                full[name] = address.clone();
            }
        }
        full
    }
}

/// The stream of an address: the same host, at `/stream`.
fn stream_beside(base: &Endpoint) -> Option<Url> {
    let address = base.url().as_str().trim_end_matches('/');
    let address = address.strip_prefix("http")?;
    Url::parse(&format!("ws{address}/stream")).ok()
}

pub(super) fn credential_fields() -> Vec<CredentialField> {
    let field = |name: &str, label: &str, description: &str| CredentialField {
        name: name.to_owned(),
        label: label.to_owned(),
        description: description.to_owned(),
        required: true,
        multiline: false,
    };
    vec![
        field(
            "key_id",
            "API key ID",
            "From Alpaca's dashboard, under API Keys. Paper trading has keys of its own, which begin with PK.",
        ),
        field("secret_key", "Secret key", "Shown once, beside the API key ID, when the key is generated."),
    ]
}

/// An account's keys.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    key_id: SecretString,
    secret_key: SecretString,
}

impl Keys {
    pub(super) fn read(credentials: &Credentials) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut read = |name: &str| {
            let secret =
                credentials.get(name).map(|secret| secret.expose_secret().trim()).unwrap_or_default();
            if secret.is_empty() {
                errors.push(field_error(&format!("credentials.{name}"), "is missing"));
            } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                let problem = "has a character that no key of Alpaca's has: copy it again";
                errors.push(field_error(&format!("credentials.{name}"), problem));
            }
            SecretString::from(secret)
        };
        let keys = Self { key_id: read("key_id"), secret_key: read("secret_key") };
        if errors.is_empty() { Ok(keys) } else { Err(errors) }
    }

    /// The headers that authenticate a request.
    pub(super) fn headers(&self) -> Result<HeaderMap, BrokerError> {
        let mut headers = HeaderMap::new();
        for (name, secret) in [("apca-api-key-id", &self.key_id), ("apca-api-secret-key", &self.secret_key)] {
            let mut value = HeaderValue::from_str(secret.expose_secret()).map_err(|_| {
                BrokerError::Unauthorized(
                    "The API keys have a character that no key has: enter them again.".to_owned(),
                )
            })?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// What leaves these keys out of what Alpaca says.
    pub(super) fn discretion(&self) -> Discretion {
        Discretion::about([&self.key_id, &self.secret_key])
    }

    /// The message that authenticates the stream.
    pub(super) fn stream_login(&self) -> String {
        let (key_id, secret_key) = (self.key_id.expose_secret(), self.secret_key.expose_secret());
        json!({"action": "authenticate", "data": {"key_id": key_id, "secret_key": secret_key}}).to_string()
    }

    /// What a refusal of these keys tells the trader to do.
    pub(super) fn refused(&self, environment: Environment) -> String {
        let key_id = self.key_id.expose_secret();
        match environment {
            Environment::Live if key_id.starts_with("PK") => {
                "Alpaca refused the keys: they are keys of paper trading, and this account is a live one. Enter the keys of \
                 the live account, or link it as a paper account."
            }
            Environment::Paper if key_id.starts_with("AK") => {
                "Alpaca refused the keys: they are keys of a live account, and this is paper trading. Enter the keys of the \
                 paper account, or link it as a live account."
            }
            _ => {
                "Alpaca refused the keys: the key ID or the secret key is wrong, the key was deleted or generated anew, or it \
                 belongs to the other environment (paper and live have keys of their own)."
            }
        }
        .to_owned()
    }
}
