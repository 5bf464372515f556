//! Connecting an account without a gateway.

use std::sync::Arc;

use async_trait::async_trait;
use atomik_domain::{BrokerAccount, Environment, ExecutionReport, Instrument};
use atomik_ports::broker::{Broker, BrokerDescription, BrokerError, FieldError};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use serde_json::Value;
use tokio::sync::mpsc;

use super::keys::{Keys, credential_fields};
use super::session::OAuthSession;
use super::settings::{OAuthSettings, fields};
use crate::interactive_brokers::web::connector::{
    Parts, capabilities, check_environment, described, open, search,
};
use crate::interactive_brokers::web::gateway::{Gateway, Pace};
use crate::settings::refused;
use crate::wire::{Discretion, UrlRules, Wire, WirePolicy};

/// Interactive Brokers by the Web API, with OAuth 1.0a in the place of a gateway.
pub struct OAuthConnector {
    clock: Arc<dyn Clock>,
    urls: UrlRules,
    policy: WirePolicy,
    pace: Pace,
}

impl OAuthConnector {
    /// The broker. Other addresses than its own may be named where `urls` allows that.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self { clock, urls, policy, pace: Pace::without_gateway() }
    }

    /// The broker at another pace than its own, for servers that count differently.
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

#[async_trait]
impl BrokerConnector for OAuthConnector {
    fn description(&self) -> BrokerDescription {
        described(credential_fields(), fields(), capabilities(true))
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        check_environment(environment)?;
        OAuthSettings::parse(settings, self.urls).map(|read| read.to_json(settings))
    }

    fn check_credentials(&self, _: Environment, credentials: &Credentials) -> Result<(), Vec<FieldError>> {
        Keys::read(credentials).map(drop)
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let settings =
            OAuthSettings::parse(&account.settings, self.urls).map_err(|errors| refused(&errors))?;
        let credentials = custody.credentials(account.id).await?;
        if credentials.is_empty() {
            return Err(BrokerError::Unauthorized(
                "The account has no keys: with the connection oauth it needs the consumer key, the access token with its \
                 secret, both private keys and dhparam.pem."
                    .to_owned(),
            ));
        }
        let keys = Keys::read(&credentials).map_err(|errors| wrong_credentials(&errors))?;
        let discretion = Discretion::about(credentials.iter().map(|(_, secret)| secret));
        drop(credentials);
        let url = settings.base.join(super::session::PATH)?;
        let session = OAuthSession::new(keys, Arc::clone(&self.clock), url, self.pace);
        let wire = Wire::new(self.policy)?.with_discretion(discretion);
        let gateway = Gateway::by_oauth(settings.base, settings.stream, session, wire, &self.pace);
        let parts = Parts { gateway, trading: settings.trading, environment: account.environment };
        open(parts, Arc::clone(&self.clock), &self.pace, reports).await
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(search(query, limit))
    }
}

fn wrong_credentials(errors: &[FieldError]) -> BrokerError {
    let problems: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.problem)).collect();
    BrokerError::Unauthorized(format!("The stored keys cannot be used: {}.", problems.join("; ")))
}
