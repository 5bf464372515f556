//! What may be said about a broker account, and whether it makes sense.

use std::collections::BTreeMap;
use std::str::FromStr;

use atomik_domain::{BrokerAccount, BrokerId, Environment};
use atomik_ports::BrokerConnector;
use atomik_ports::directory::BrokerAccountPatch;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::AppState;
use crate::api::format::{EnvironmentWord, check_name};
use crate::api::instruments::find_connector;
use crate::error::{ApiError, ApiResult, FieldErrors};

/// A broker account to be linked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkBrokerAccount {
    /// At which broker: a name from `/api/v1/brokers`.
    #[schema(example = "paper")]
    broker: String,
    /// In which of its worlds.
    #[schema(value_type = EnvironmentWord)]
    environment: String,
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// What the broker's `credential_fields` ask for. They are never shown again. Paper takes none.
    // No broker takes credentials yet, so their values are not even kept in memory.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    credentials: BTreeMap<String, IgnoredAny>,
    /// What the broker's `setting_fields` name; what is left out gets its default.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// What changes of a broker account. Fields that are left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBrokerAccount {
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    label: Option<String>,
    /// All settings anew; what is left out gets its default.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
}

/// A broker account's particulars, checked.
pub struct CheckedAccount {
    /// At which broker.
    pub broker: BrokerId,
    /// In which of its worlds.
    pub environment: Environment,
    /// What the trader calls it.
    pub label: String,
    /// Settings with defaults filled in.
    pub settings: Value,
}

impl LinkBrokerAccount {
    /// The particulars, checked by the broker's own rules.
    ///
    /// # Errors
    /// 422, naming every wrong field.
    pub fn check(self, state: &AppState) -> ApiResult<CheckedAccount> {
        let mut errors = FieldErrors::default();
        let broker = BrokerId(self.broker);
        let label = check_name(&self.label, "label", &mut errors);
        let Some(connector) = find_connector(state, &broker, &mut errors) else {
            return Err(refusal(errors));
        };
        for name in self.credentials.keys() {
            let field = format!("credentials.{name}");
            errors.add(field, format!("{broker} takes no credentials"));
        }
        let environment = read_environment(&self.environment, &**connector, &mut errors);
        let settings = environment
            .and_then(|environment| check_settings(&**connector, environment, self.settings, &mut errors));
        match (environment, settings) {
            (Some(environment), Some(settings)) if errors.is_empty() => {
                Ok(CheckedAccount { broker, environment, label, settings })
            }
            _ => Err(refusal(errors)),
        }
    }
}

impl UpdateBrokerAccount {
    /// The changes to an account, checked by its broker's own rules.
    ///
    /// # Errors
    /// 422, naming every wrong field.
    pub fn check(self, before: &BrokerAccount, state: &AppState) -> ApiResult<BrokerAccountPatch> {
        let mut errors = FieldErrors::default();
        let label = self.label.as_deref().map(|label| check_name(label, "label", &mut errors));
        let settings = match self.settings {
            None => None,
            Some(settings) => find_connector(state, &before.broker, &mut errors).and_then(|connector| {
                check_settings(&**connector, before.environment, settings, &mut errors)
            }),
        };
        errors.into_result()?;
        Ok(BrokerAccountPatch { label, settings })
    }
}

fn read_environment(
    text: &str,
    connector: &dyn BrokerConnector,
    errors: &mut FieldErrors,
) -> Option<Environment> {
    let offered = connector.description().environments;
    let environment = Environment::from_str(text).ok().filter(|environment| offered.contains(environment));
    if environment.is_none() {
        let names: Vec<_> = offered.iter().map(|environment| environment.as_str()).collect();
        errors.add("environment", format!("expected one of: {}", names.join(", ")));
    }
    environment
}

fn check_settings(
    connector: &dyn BrokerConnector,
    environment: Environment,
    settings: Map<String, Value>,
    errors: &mut FieldErrors,
) -> Option<Value> {
    match connector.check_settings(environment, &Value::Object(settings)) {
        Ok(settings) => Some(settings),
        Err(problems) => {
            for problem in problems {
                errors.add(problem.field, problem.problem);
            }
            None
        }
    }
}

/// The 422 of fields of which at least one is wrong.
fn refusal(errors: FieldErrors) -> ApiError {
    errors.into_result().err().unwrap_or_else(|| ApiError::invalid("The broker refused the settings"))
}
