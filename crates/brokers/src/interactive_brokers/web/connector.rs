//! Connecting an account.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::instrument::AssetClass;
use atomik_domain::{
    BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument, OrderType, TimeInForce,
};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, CredentialField, FieldError,
    FillReports, RateLimit, SettingField,
};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use super::broker::WebBroker;
use super::contracts::Contracts;
use super::gateway::{Gateway, Pace};
use super::look_up::Ledger;
use super::portfolio::Portfolio;
use super::session::{SignedOn, keep_alive, sign_on};
use super::settings::{Trading, WebSettings, fields};
use super::stream::Stream;
use crate::settings::{field_error, refused};
use crate::wire::WirePolicy;

/// How many orders may wait to be watched.
const MAX_WATCHES: usize = 256;

/// Interactive Brokers by the Web API.
pub struct WebConnector {
    clock: Arc<dyn Clock>,
    policy: WirePolicy,
    pace: Pace,
}

impl WebConnector {
    /// The broker. The gateway's address is a setting of its own, bound to this machine and private networks.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, policy: WirePolicy) -> Self {
        Self { clock, policy, pace: Pace::default() }
    }

    /// The broker at another pace than its own, for gateways that count differently.
    #[must_use]
    pub const fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

#[async_trait]
impl BrokerConnector for WebConnector {
    fn description(&self) -> BrokerDescription {
        described(Vec::new(), fields(), capabilities(false))
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        check_environment(environment)?;
        WebSettings::parse(settings).map(|settings| settings.to_json())
    }

    fn check_credentials(&self, _: Environment, _: &Credentials) -> Result<(), Vec<FieldError>> {
        Ok(())
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        _: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let settings = WebSettings::parse(&account.settings).map_err(|errors| refused(&errors))?;
        let gateway = Gateway::new(&settings, self.policy, &self.pace)?;
        let parts = Parts { gateway, trading: settings.trading, environment: account.environment };
        open(parts, Arc::clone(&self.clock), &self.pace, reports).await
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(search(query, limit))
    }
}

/// What the catalogue shows, with and without a gateway.
pub(super) fn described(
    credential_fields: Vec<CredentialField>,
    setting_fields: Vec<SettingField>,
    capabilities: Capabilities,
) -> BrokerDescription {
    BrokerDescription {
        broker: BrokerId("interactive_brokers".to_owned()),
        name: "Interactive Brokers".to_owned(),
        environments: vec![Environment::Paper, Environment::Live],
        credential_fields,
        setting_fields,
        capabilities,
    }
}

pub(super) fn check_environment(environment: Environment) -> Result<(), Vec<FieldError>> {
    if matches!(environment, Environment::Paper | Environment::Live) {
        return Ok(());
    }
    let problem = format!("Interactive Brokers has no {environment} environment; use paper or live");
    Err(vec![field_error("environment", problem)])
}

/// What is known without an account: the catalogue, less what cannot be traded here.
pub(super) fn search(query: &str, limit: usize) -> Vec<Instrument> {
    let mut found = crate::instruments::search(query, limit);
    found.retain(|instrument| instrument.asset_class != AssetClass::Crypto);
    found
}

/// What an account is opened with.
pub(super) struct Parts {
    pub gateway: Gateway,
    pub trading: Trading,
    pub environment: Environment,
}

/// Signs on, and listens.
pub(super) async fn open(
    parts: Parts,
    clock: Arc<dyn Clock>,
    pace: &Pace,
    reports: mpsc::Sender<ExecutionReport>,
) -> Result<Arc<dyn Broker>, BrokerError> {
    let Parts { gateway, trading, environment } = parts;
    let gateway = Arc::new(gateway);
    let SignedOn { account: id, session } = sign_on(&gateway, &trading, environment).await?;
    let ledger = Arc::new(Ledger::new(Arc::clone(&gateway), id.clone(), pace));
    // Before the stream: a list that was filtered or remembered keeps orders from it.
    ledger.renew_list().await?;
    let stream = Stream::open(&gateway, &session, &ledger).await?;
    let (watch, watched) = mpsc::channel(MAX_WATCHES);
    let listening = tokio::spawn({
        let (gateway, ledger, watch) = (Arc::clone(&gateway), Arc::clone(&ledger), watch.clone());
        let (silence, tickle) = (gateway.policy().silence_timeout, pace.tickle);
        async move {
            let reason = tokio::select! {
                reason = stream.run(ledger, silence, reports, watched, watch) => reason,
                reason = keep_alive(&gateway, tickle) => reason,
            };
            tracing::info!(reason, "a connection to Interactive Brokers ended");
        }
    });
    let portfolio = Arc::new(Portfolio::new(Arc::clone(&gateway), id.clone(), pace));
    let capabilities = capabilities(gateway.renews());
    Ok(Arc::new(WebBroker {
        contracts: Contracts::new(
            Arc::clone(&gateway),
            Arc::clone(&portfolio),
            Arc::clone(&clock),
            trading.roll_days,
        ),
        gateway,
        account: id,
        portfolio,
        ledger,
        answer_questions: trading.answer_questions,
        clock,
        watch,
        placing: Mutex::new(()),
        capabilities,
        listening: listening.abort_handle(),
    }))
}

/// What the broker can do, through a gateway or without one.
pub(super) fn capabilities(without_gateway: bool) -> Capabilities {
    let limit =
        |of: &str, max, seconds| RateLimit { of: of.to_owned(), max, per: Duration::from_secs(seconds) };
    Capabilities {
        order_types: OrderType::ALL.to_vec(),
        times_in_force: vec![TimeInForce::Day, TimeInForce::Gtc, TimeInForce::Ioc],
        reduce_only: false,
        fractional_quantities: false,
        client_id_uniqueness: ClientIdUniqueness::For(Duration::from_secs(24 * 60 * 60)),
        look_up_by_client_id: false,
        settle_window: Duration::from_secs(60),
        fill_reports: FillReports::Streamed,
        rate_limits: vec![
            if without_gateway {
                limit("requests of one user", 50, 1)
            } else {
                limit("requests through one gateway", 10, 1)
            },
            limit("lists of orders", 1, 5),
            limit("lists of trades", 1, 5),
        ],
        untold_coin_fee: Decimal::ZERO,
    }
}
