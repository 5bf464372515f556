//! What a trader may set about a Binance account, and where its worlds are.

use atomik_domain::Environment;
use atomik_ports::broker::{BrokerError, FieldError, SettingField, SettingKind};
use serde_json::{Value, json};

use crate::settings::{SettingsReader, field_error};
use crate::wire::{Endpoint, UrlRules, WrongUrl};

/// Which of Binance's markets an account trades in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Coins against coins, owned outright.
    Spot,
    /// USD-M futures: margined in USDT and other dollars.
    Usdm,
}

impl Market {
    /// Its name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Usdm => "usdm",
        }
    }
}

/// The worlds that Binance has.
pub(super) const ENVIRONMENTS: [Environment; 3] =
    [Environment::Demo, Environment::Testnet, Environment::Live];

/// A Binance account's settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinanceSettings {
    /// Where it trades.
    pub market: Market,
    base_url: Option<Endpoint>,
    stream_url: Option<Endpoint>,
}

/// The settings that the catalogue shows.
#[must_use]
pub(super) fn setting_fields() -> Vec<SettingField> {
    let market = SettingField::new(
        "market",
        "Market",
        "What the account trades: spot, or usdm for USD-M futures. Default spot.",
        SettingKind::Choice(vec!["spot".to_owned(), "usdm".to_owned()]),
    );
    std::iter::once(market).chain(UrlRules::fields()).collect()
}

impl BinanceSettings {
    /// Reads settings.
    ///
    /// # Errors
    /// Every wrong field.
    pub fn parse(
        environment: Environment,
        settings: &Value,
        urls: UrlRules,
    ) -> Result<Self, Vec<FieldError>> {
        if !ENVIRONMENTS.contains(&environment) {
            let problem = format!("Binance has no {environment} environment; use demo, testnet or live");
            return Err(vec![field_error("environment", problem)]);
        }
        let mut reader = SettingsReader::new(settings, &setting_fields())?;
        let market = if reader.text("market") == Some("usdm") { Market::Usdm } else { Market::Spot };
        let base_url = urls.read(&mut reader, "base_url", &["https", "http"]);
        let stream_url = urls.read(&mut reader, "stream_url", &["wss", "ws"]);
        reader.finish(Self { market, base_url, stream_url })
    }

    /// The settings in full.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut settings = json!({"market": self.market.as_str()});
        for (name, url) in [("base_url", &self.base_url), ("stream_url", &self.stream_url)] {
            if let Some(endpoint) = url {
                settings[name] = json!(endpoint.url().as_str().trim_end_matches('/'));
            }
        }
        settings
    }

    /// Where requests go.
    ///
    /// # Errors
    /// Never for the addresses of this program.
    pub fn base(&self, environment: Environment) -> Result<Endpoint, BrokerError> {
        let known = match (self.market, environment) {
            (Market::Spot, Environment::Testnet) => "https://testnet.binance.vision",
            (Market::Spot, Environment::Demo) => "https://demo-api.binance.com",
            (Market::Spot, _) => "https://api.binance.com",
            (Market::Usdm, Environment::Testnet) => "https://testnet.binancefuture.com",
            (Market::Usdm, Environment::Demo) => "https://demo-fapi.binance.com",
            (Market::Usdm, _) => "https://fapi.binance.com",
        };
        chosen(self.base_url.as_ref(), known)
    }

    /// Where the account's events come from.
    ///
    /// # Errors
    /// Never for the addresses of this program.
    pub fn stream(&self, environment: Environment) -> Result<Endpoint, BrokerError> {
        let known = match (self.market, environment) {
            (Market::Spot, Environment::Testnet) => "wss://ws-api.testnet.binance.vision",
            (Market::Spot, Environment::Demo) => "wss://demo-ws-api.binance.com",
            (Market::Spot, _) => "wss://ws-api.binance.com",
            (Market::Usdm, Environment::Testnet) => "wss://fstream.binancefuture.com",
            (Market::Usdm, Environment::Demo) => "wss://demo-fstream.binance.com",
            (Market::Usdm, _) => "wss://fstream.binance.com",
        };
        chosen(self.stream_url.as_ref(), known)
    }
}

fn chosen(given: Option<&Endpoint>, known: &str) -> Result<Endpoint, BrokerError> {
    match given {
        Some(endpoint) => Ok(endpoint.clone()),
        None => Endpoint::parse(known, &["https", "wss"])
            .map_err(|WrongUrl(problem)| BrokerError::Unavailable(problem)),
    }
}
