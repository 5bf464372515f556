//! What may be said about a broker account, and whether it makes sense.

use std::collections::BTreeMap;
use std::str::FromStr;

use atomik_domain::{BrokerAccount, BrokerId, Environment};
use atomik_ports::directory::BrokerAccountPatch;
use atomik_ports::{BrokerConnector, Credentials};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::AppState;
use crate::api::format::{EnvironmentWord, check_name};
use crate::api::instruments::find_connector;
use crate::error::{ApiError, ApiResult, FieldErrors};

/// The longest credential, in bytes: a key in PEM is shorter.
const MAX_CREDENTIAL: usize = 16 << 10;

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
    /// What the broker's `credential_fields` ask for. They are sealed, and never shown again. Paper takes none.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    credentials: BTreeMap<String, Secret>,
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
    /// All credentials anew, in place of those it had.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    credentials: Option<BTreeMap<String, Secret>>,
}

/// A credential as a request holds it. Whatever is wrong with it, the refusal does not repeat it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Secret {
    Text(SecretString),
    NoText(IgnoredAny),
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
    /// What it is reached with.
    pub credentials: Credentials,
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
        let environment = read_environment(&self.environment, &**connector, &mut errors);
        let settings = environment
            .and_then(|environment| check_settings(&**connector, environment, self.settings, &mut errors));
        let credentials = environment
            .map(|environment| check_credentials(&**connector, environment, self.credentials, &mut errors));
        match (environment, settings, credentials) {
            (Some(environment), Some(settings), Some(credentials)) if errors.is_empty() => {
                Ok(CheckedAccount { broker, environment, label, settings, credentials })
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
        let mut patch = BrokerAccountPatch { label, ..BrokerAccountPatch::default() };
        if (self.settings.is_some() || self.credentials.is_some())
            && let Some(connector) = find_connector(state, &before.broker, &mut errors)
        {
            let environment = before.environment;
            patch.settings = self
                .settings
                .and_then(|settings| check_settings(&**connector, environment, settings, &mut errors));
            patch.credentials = self.credentials.map(|credentials| {
                (check_credentials(&**connector, environment, credentials, &mut errors), state.now())
            });
        }
        errors.into_result()?;
        Ok(patch)
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

fn check_credentials(
    connector: &dyn BrokerConnector,
    environment: Environment,
    given: BTreeMap<String, Secret>,
    errors: &mut FieldErrors,
) -> Credentials {
    let known = connector.description().credential_fields;
    let mut fields = Vec::new();
    for (name, secret) in given {
        let field = format!("credentials.{}", name.chars().take(64).collect::<String>());
        let Some(wanted) = known.iter().find(|field| field.name == name) else {
            let names: Vec<_> = known.iter().map(|field| field.name.as_str()).collect();
            errors.add(
                field,
                match names.as_slice() {
                    [] => "this broker takes no credentials".to_owned(),
                    names => format!("is no credential of this broker; expected: {}", names.join(", ")),
                },
            );
            continue;
        };
        match secret {
            Secret::Text(text) if text.expose_secret().len() > MAX_CREDENTIAL => {
                errors.add(field, format!("must have at most {MAX_CREDENTIAL} bytes"));
            }
            // What is pasted often brings a line break along; a key in PEM has its own.
            Secret::Text(text) if wanted.multiline => fields.push((name, text)),
            Secret::Text(text) => fields.push((name, SecretString::from(text.expose_secret().trim()))),
            Secret::NoText(_) => errors.add(field, "must be a text".to_owned()),
        }
    }
    fields.retain(|(_, text)| !text.expose_secret().is_empty());
    for missing in
        known.iter().filter(|field| field.required && fields.iter().all(|(name, _)| *name != field.name))
    {
        errors.add(format!("credentials.{}", missing.name), "is required".to_owned());
    }
    let credentials: Credentials = fields.into_iter().collect();
    if let Err(problems) = connector.check_credentials(environment, &credentials) {
        for problem in problems {
            errors.add(problem.field, problem.problem);
        }
    }
    credentials
}

/// The 422 of fields of which at least one is wrong.
fn refusal(errors: FieldErrors) -> ApiError {
    errors.into_result().err().unwrap_or_else(|| ApiError::invalid("The broker refused the settings"))
}
