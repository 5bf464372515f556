//! One broker, two ways to it.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{BrokerAccount, Environment, ExecutionReport, Instrument};
use atomik_ports::broker::{Broker, BrokerDescription, BrokerError, FieldError, SettingField, SettingKind};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::tws::TwsConnector;
use super::web::WebConnector;
use crate::settings::{field_error, refused};
use crate::wire::{UrlRules, WirePolicy};

/// The setting that chooses.
const CONNECTION: &str = "connection";
const WEB: &str = "web";
const TWS: &str = "tws";

/// Interactive Brokers, by the Web API or by socket, as each account's settings say.
pub struct InteractiveBrokersConnector {
    web: WebConnector,
    tws: TwsConnector,
}

impl InteractiveBrokersConnector {
    /// The broker, by both ways.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self {
            web: WebConnector::new(Arc::clone(&clock), policy),
            tws: TwsConnector::new(clock, urls, policy),
        }
    }

    /// The way of this name, and the other one.
    fn ways(&self, connection: &str) -> (&dyn BrokerConnector, &dyn BrokerConnector) {
        if connection == TWS { (&self.tws, &self.web) } else { (&self.web, &self.tws) }
    }

    /// The way that settings choose, its name, and the settings without that choice.
    fn chosen(
        &self,
        settings: &Value,
    ) -> Result<(&dyn BrokerConnector, &'static str, Value), Vec<FieldError>> {
        let mut own = settings
            .as_object()
            .cloned()
            .ok_or_else(|| vec![field_error("settings", "must be a JSON object")])?;
        let connection = match own.remove(CONNECTION).unwrap_or(Value::Null) {
            Value::Null => WEB,
            Value::String(text) if text == WEB => WEB,
            Value::String(text) if text == TWS => TWS,
            _ => {
                return Err(vec![field_error(
                    "settings.connection",
                    format!("must be one of: {WEB}, {TWS}"),
                )]);
            }
        };
        let (way, other) = self.ways(connection);
        own.retain(|_, value| !value.is_null());
        let foreign = foreign_fields(&own, way, other, connection);
        if foreign.is_empty() { Ok((way, connection, Value::Object(own))) } else { Err(foreign) }
    }
}

/// The settings that only the other way knows.
fn foreign_fields(
    own: &Map<String, Value>,
    way: &dyn BrokerConnector,
    other: &dyn BrokerConnector,
    connection: &str,
) -> Vec<FieldError> {
    let knows = |way: &dyn BrokerConnector, name: &str| {
        way.description().setting_fields.iter().any(|field| field.name == name)
    };
    let foreign = own.keys().filter(|name| !knows(way, name) && knows(other, name));
    let refuse = |name: &String| {
        let problem = format!("is not used with connection {connection}; leave it empty");
        field_error(&format!("settings.{name}"), problem)
    };
    foreign.map(refuse).collect()
}

#[async_trait]
impl BrokerConnector for InteractiveBrokersConnector {
    fn description(&self) -> BrokerDescription {
        let mut description = self.web.description();
        let tws = self.tws.description().setting_fields;
        let choice = SettingField::new(
            CONNECTION,
            "Connection",
            "How the account is reached: web (the Client Portal Gateway) or tws (TWS or IB Gateway by socket). Default: web.",
            SettingKind::Choice(vec![WEB.to_owned(), TWS.to_owned()]),
        );
        let mut fields = vec![choice];
        for mut field in std::mem::take(&mut description.setting_fields) {
            if tws.iter().all(|other| other.name != field.name) {
                field.description = format!("With connection web. {}", field.description);
            }
            fields.push(field);
        }
        for mut field in tws {
            if fields.iter().all(|known| known.name != field.name) {
                field.description = format!("With connection tws. {}", field.description);
                fields.push(field);
            }
        }
        description.setting_fields = fields;
        description
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        let (way, connection, own) = self.chosen(settings)?;
        let mut full = way.check_settings(environment, &own)?;
        if let Some(full) = full.as_object_mut() {
            full.insert(CONNECTION.to_owned(), connection.into());
        }
        Ok(full)
    }

    fn check_credentials(
        &self,
        environment: Environment,
        credentials: &Credentials,
    ) -> Result<(), Vec<FieldError>> {
        self.web.check_credentials(environment, credentials)
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let (way, _, settings) = self.chosen(&account.settings).map_err(|errors| refused(&errors))?;
        way.connect(&BrokerAccount { settings, ..account.clone() }, custody, reports).await
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        self.web.search_instruments(query, limit).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use atomik_ports::SystemClock;
    use serde_json::json;

    use super::*;

    fn connector() -> InteractiveBrokersConnector {
        InteractiveBrokersConnector::new(Arc::new(SystemClock), UrlRules::default(), WirePolicy::default())
    }

    fn wrong(settings: &Value) -> Vec<String> {
        let errors = connector().check_settings(Environment::Paper, settings).unwrap_err();
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn the_web_is_the_way_where_none_is_named() {
        let full = connector().check_settings(Environment::Paper, &json!({})).unwrap();
        assert_eq!((&full["connection"], full["gateway_url"].is_string()), (&json!("web"), true));
        let full = connector().check_settings(Environment::Paper, &json!({"connection": "tws"})).unwrap();
        assert_eq!((&full["connection"], &full["port"]), (&json!("tws"), &json!(4002)));
        let again = connector().check_settings(Environment::Paper, &full).unwrap();
        assert_eq!(again, full, "what is stored reads back");
    }

    #[test]
    fn settings_of_the_other_way_are_named() {
        assert_eq!(
            wrong(&json!({"connection": "tws", "gateway_url": "https://127.0.0.1:5000"})),
            ["settings.gateway_url"]
        );
        assert_eq!(wrong(&json!({"port": 4002})), ["settings.port"]);
        assert_eq!(wrong(&json!({"connection": "fix"})), ["settings.connection"]);
        assert_eq!(wrong(&json!({"prot": 4002})), ["settings.prot"]);
        assert_eq!(wrong(&json!([])), ["settings"]);
    }

    #[test]
    fn every_setting_is_shown_once() {
        let fields = connector().description().setting_fields;
        let mut names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(names.contains(&"connection".to_owned()) && names.contains(&"port".to_owned()));
    }
}
