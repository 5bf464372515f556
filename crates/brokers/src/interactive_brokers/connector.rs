//! One broker, three ways to it.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{BrokerAccount, Environment, ExecutionReport, Instrument};
use atomik_ports::broker::{Broker, BrokerDescription, BrokerError, FieldError, SettingField, SettingKind};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::tws::TwsConnector;
use super::web::WebConnector;
use super::web::oauth::OAuthConnector;
use crate::settings::{field_error, refused};
use crate::wire::{UrlRules, WirePolicy};

/// The setting that chooses.
const CONNECTION: &str = "connection";

/// Interactive Brokers, by the Web API through a gateway or without one, or by socket, as each account's settings say.
pub struct InteractiveBrokersConnector {
    web: WebConnector,
    tws: TwsConnector,
    oauth: OAuthConnector,
}

impl InteractiveBrokersConnector {
    /// The broker, by all ways.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self {
            web: WebConnector::new(Arc::clone(&clock), policy),
            tws: TwsConnector::new(Arc::clone(&clock), urls, policy),
            oauth: OAuthConnector::new(clock, urls, policy),
        }
    }

    /// The ways by their names in the setting, that which is taken where none is named first.
    fn ways(&self) -> [(&'static str, &dyn BrokerConnector); 3] {
        [("web", &self.web), ("tws", &self.tws), ("oauth", &self.oauth)]
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
        let ways = self.ways();
        let (connection, way) = match own.remove(CONNECTION).unwrap_or(Value::Null) {
            Value::Null => Some(ways[0]),
            Value::String(text) => ways.into_iter().find(|(name, _)| *name == text),
            _ => None,
        }
        .ok_or_else(|| {
            let names = ways.map(|(name, _)| name).join(", ");
            vec![field_error("settings.connection", format!("must be one of: {names}"))]
        })?;
        own.retain(|_, value| !value.is_null());
        let foreign = foreign_fields(&own, way, &ways, connection);
        if foreign.is_empty() { Ok((way, connection, Value::Object(own))) } else { Err(foreign) }
    }
}

fn knows(way: &dyn BrokerConnector, name: &str) -> bool {
    way.description().setting_fields.iter().any(|field| field.name == name)
}

/// The settings that only the other ways know.
fn foreign_fields(
    own: &Map<String, Value>,
    way: &dyn BrokerConnector,
    ways: &[(&'static str, &dyn BrokerConnector)],
    connection: &str,
) -> Vec<FieldError> {
    let foreign =
        own.keys().filter(|name| !knows(way, name) && ways.iter().any(|(_, other)| knows(*other, name)));
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
        let ways = self.ways();
        let choice = SettingField::new(
            CONNECTION,
            "Connection",
            "How the account is reached: web (the Client Portal Gateway), tws (TWS or IB Gateway by socket) or oauth (the \
             broker's servers, with keys of your own). Default: web.",
            SettingKind::Choice(ways.iter().map(|(name, _)| (*name).to_owned()).collect()),
        );
        let mut fields = vec![choice];
        for mut field in ways.iter().flat_map(|(_, way)| way.description().setting_fields) {
            if fields.iter().any(|known| known.name == field.name) {
                continue;
            }
            let by: Vec<_> =
                ways.iter().filter(|(_, way)| knows(*way, &field.name)).map(|(name, _)| *name).collect();
            if by.len() < ways.len() {
                field.description = format!("With connection {}. {}", by.join(" or "), field.description);
            }
            fields.push(field);
        }
        description.credential_fields = self.oauth.description().credential_fields;
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
        // Only one way needs any, and which one is taken the settings say, when the account connects.
        if credentials.is_empty() {
            return Ok(());
        }
        self.oauth.check_credentials(environment, credentials)
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
    fn without_a_gateway_addresses_are_the_brokers_own_unless_the_operator_allows_others() {
        let full = connector().check_settings(Environment::Live, &json!({"connection": "oauth"})).unwrap();
        assert_eq!(
            full,
            json!({"connection": "oauth", "account": null, "compete": false, "answer_questions": [],
                   "roll_days_before_expiry": 8})
        );
        assert_eq!(
            connector().check_settings(Environment::Live, &full).unwrap(),
            full,
            "what is stored reads back"
        );
        for name in ["base_url", "stream_url"] {
            let settings = json!({"connection": "oauth", name: "https://broker.example"});
            assert_eq!(wrong(&settings), [format!("settings.{name}")]);
            assert_eq!(wrong(&json!({name: "https://broker.example"})), [format!("settings.{name}")]);
        }
        assert_eq!(
            wrong(&json!({"connection": "oauth", "gateway_url": "https://127.0.0.1:5000"})),
            ["settings.gateway_url"]
        );
    }

    #[test]
    fn keys_are_for_one_way_and_then_all_of_them() {
        let check = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
            connector().check_credentials(Environment::Live, &given)
        };
        assert!(check(&[]).is_ok());
        let missing = check(&[("consumer_key", "ATOMIKKEY")]).unwrap_err();
        assert_eq!(missing.len(), 5, "{missing:?}");
        assert!(connector().description().credential_fields.iter().all(|field| !field.required));
    }

    #[test]
    fn every_setting_is_shown_once() {
        let fields = connector().description().setting_fields;
        let mut names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        for name in ["connection", "port", "gateway_url", "base_url"] {
            assert!(names.contains(&name.to_owned()), "{name}");
        }
        let said = |name: &str| fields.iter().find(|field| field.name == name).unwrap().description.clone();
        assert!(said("compete").starts_with("With connection web or oauth. "), "{}", said("compete"));
        assert!(!said("account").contains("With connection"), "{}", said("account"));
    }
}
