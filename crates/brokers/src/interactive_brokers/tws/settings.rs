//! Where the gateway is, and what is traded there.

use atomik_domain::Environment;
use atomik_ports::broker::{FieldError, SettingField, SettingKind};
use serde_json::{Value, json};

use crate::settings::SettingsReader;
use crate::wire::UrlRules;

/// The ports of IB Gateway; TWS has 7497 for paper and 7496 for live.
const PAPER_PORT: u32 = 4002;
const LIVE_PORT: u32 = 4001;
/// Before a future's last trading day, the next contract is the one that is traded.
const ROLL_DAYS: u32 = 8;

/// An account's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TwsSettings {
    /// `127.0.0.1`.
    pub host: String,
    pub port: u32,
    /// The client id; `None` for one derived from the account's id.
    pub client_id: Option<u32>,
    /// The account at Interactive Brokers; `None` for the only one.
    pub account: Option<String>,
    pub roll_days: u32,
}

impl TwsSettings {
    /// Reads them.
    pub(super) fn parse(
        environment: Environment,
        settings: &Value,
        urls: UrlRules,
    ) -> Result<Self, Vec<FieldError>> {
        let mut reader = SettingsReader::new(settings, &fields())?;
        let host = reader.text("host").unwrap_or("127.0.0.1").to_owned();
        let is_name =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:_".contains(&byte));
        let is_here = ["127.0.0.1", "localhost", "::1"].contains(&host.as_str());
        if host.len() > 253 || !is_name(&host) {
            reader.refuse("host", "must be the name or the address of a machine");
        } else if !is_here && !urls.allow_custom {
            reader.refuse(
                "host",
                "may only be this machine (127.0.0.1) on this installation; the operator allows others with \
                 ATOMIK_BROKERS__ALLOW_CUSTOM_URLS=true",
            );
        }
        let usual = if environment == Environment::Live { LIVE_PORT } else { PAPER_PORT };
        let port = reader.integer("port", usual, 1..=65_535);
        let client_id =
            reader.value("client_id").is_some().then(|| reader.integer("client_id", 1, 1..=999_999));
        let account = reader.text("account").map(str::to_ascii_uppercase);
        if account.as_ref().is_some_and(|account| {
            account.len() > 32 || !account.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }) {
            reader.refuse("account", "must be an account as TWS shows it: U1234567, or DU1234567 for paper");
        }
        let roll_days = reader.integer("roll_days_before_expiry", ROLL_DAYS, 0..=60);
        reader.finish(Self { host, port, client_id, account, roll_days })
    }

    /// In full, as they are stored.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "host": self.host,
            "port": self.port,
            "client_id": self.client_id,
            "account": self.account,
            "roll_days_before_expiry": self.roll_days,
        })
    }

    /// Where to connect to.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What the catalogue shows.
pub(super) fn fields() -> Vec<SettingField> {
    vec![
        SettingField::new(
            "host",
            "Machine",
            "Where TWS or IB Gateway runs. Another machine than this one only where the operator allows it. Default: \
             127.0.0.1.",
            SettingKind::Text,
        ),
        SettingField::new(
            "port",
            "Port",
            "Its socket port. Default: IB Gateway's, 4002 for paper and 4001 for live; TWS has 7497 and 7496.",
            SettingKind::Integer,
        ),
        SettingField::new(
            "client_id",
            "Client id",
            "Names this connection at TWS; no other program may use the same. Orders can only be canceled under the id \
             that placed them, so leave it as it is once orders are open. Default: derived from the account, from 1 on.",
            SettingKind::Integer,
        ),
        SettingField::new(
            "account",
            "Account",
            "The account to trade, as TWS shows it: U1234567, or DU1234567 for paper. Default: the only one of the login.",
            SettingKind::Text,
        ),
        SettingField::new(
            "roll_days_before_expiry",
            "Roll before expiry",
            "How many days before its last trading day a future's root symbol (ES, ES1!) goes on to the next contract. \
             Default: 8.",
            SettingKind::Integer,
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(environment: Environment, settings: &Value) -> Result<TwsSettings, Vec<FieldError>> {
        TwsSettings::parse(environment, settings, UrlRules::default())
    }

    #[test]
    fn what_is_missing_gets_its_default_by_environment() {
        let paper = parse(Environment::Paper, &json!({})).unwrap();
        let live = parse(Environment::Live, &json!({})).unwrap();
        assert_eq!((paper.address().as_str(), live.port), ("127.0.0.1:4002", 4001));
        assert_eq!((paper.client_id, paper.account.clone(), paper.roll_days), (None, None, 8));
        assert_eq!(parse(Environment::Paper, &paper.to_json()).unwrap(), paper, "what is stored reads back");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let settings = json!({"host": "gateway.example", "port": 0, "client_id": 0, "account": "DU 1",
            "roll_days_before_expiry": 61});
        let errors = parse(Environment::Paper, &settings).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "settings.host",
                "settings.port",
                "settings.client_id",
                "settings.account",
                "settings.roll_days_before_expiry"
            ]
        );
    }

    #[test]
    fn another_machine_needs_the_operators_word() {
        let settings = json!({"host": "gateway.example"});
        let allowed = UrlRules { allow_custom: true };
        assert!(TwsSettings::parse(Environment::Paper, &settings, allowed).is_ok());
        assert!(TwsSettings::parse(Environment::Paper, &json!({"host": "a b"}), allowed).is_err());
    }
}
