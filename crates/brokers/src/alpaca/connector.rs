//! Connecting accounts.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{
    BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument, OrderType, TimeInForce,
};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, FieldError, FillReports,
    RateLimit,
};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::mpsc;

use super::api::{Api, REQUESTS, SPAN};
use super::assets::{Assets, Listed};
use super::broker::{AlpacaBroker, Prices};
use super::hours::Hours;
use super::replies::Account;
use super::settings::{Keys, Settings, credential_fields, setting_fields};
use super::stream;
use crate::settings::refused;
use crate::wire::{UrlRules, WirePolicy};

/// How long an order may take to show. The venue documents nothing; it is long, because only exits wait for it.
const SETTLE_WINDOW: Duration = Duration::from_secs(10);

/// Makes connections to Alpaca.
pub struct AlpacaConnector {
    clock: Arc<dyn Clock>,
    urls: UrlRules,
    policy: WirePolicy,
    listed: Listed,
}

impl AlpacaConnector {
    /// A connector. `urls` says whether settings may name other addresses than the venue's.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self { clock, urls, policy, listed: Listed::default() }
    }
}

#[async_trait]
impl BrokerConnector for AlpacaConnector {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("alpaca".to_owned()),
            name: "Alpaca".to_owned(),
            environments: vec![Environment::Paper, Environment::Live],
            credential_fields: credential_fields(),
            setting_fields: setting_fields(),
            capabilities: capabilities(),
        }
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        Settings::parse(environment, settings, self.urls).map(|parsed| parsed.to_json(settings))
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
        let environment = account.environment;
        let settings = Settings::parse(environment, &account.settings, self.urls);
        let settings = settings.map_err(|errors| refused(&errors))?;
        let credentials = custody.credentials(account.id).await?;
        let keys = Keys::read(&credentials).map_err(|_| {
            BrokerError::Unauthorized(
                "The API keys are missing or damaged: enter both of them again.".to_owned(),
            )
        })?;
        drop(credentials);
        let api = Arc::new(Api::new(settings, keys, environment, Arc::clone(&self.clock), self.policy)?);
        may_trade(&api.account().await?)?;
        let socket = stream::open(&api).await?;
        let following = tokio::spawn(stream::follow(socket, Arc::clone(&api), reports));
        Ok(Arc::new(AlpacaBroker {
            api,
            assets: Assets::default(),
            listed: Arc::clone(&self.listed),
            capabilities: capabilities(),
            stream: following.abort_handle(),
            prices: Prices::default(),
            hours: Hours::default(),
        }))
    }

    /// Alpaca shows its list to customers only.
    async fn search_instruments(&self, _: &str, _: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(Vec::new())
    }
}

/// Whether orders of this account are taken at all.
pub(super) fn may_trade(account: &Account) -> Result<(), BrokerError> {
    let problem = if account.account_blocked {
        "Alpaca has blocked this account: ask Alpaca's support why."
    } else if account.trading_blocked {
        "Alpaca has blocked trading on this account: ask Alpaca's support why."
    } else if account.trade_suspended_by_user {
        "Trading is suspended in this account's configuration at Alpaca: switch it on again there."
    } else if account.status == "ACTIVE" {
        return Ok(());
    } else {
        let problem = format!("The account is not active at Alpaca (its status is {}).", account.status);
        return Err(BrokerError::Unauthorized(problem));
    };
    Err(BrokerError::Unauthorized(problem.to_owned()))
}

/// The most that Alpaca keeps of bought coins: what takers pay in the first tier.
const COIN_FEE: Decimal = Decimal::from_parts(25, 0, 0, false, 4);

fn capabilities() -> Capabilities {
    Capabilities {
        order_types: OrderType::ALL.to_vec(),
        times_in_force: TimeInForce::ALL.to_vec(),
        // The venue has no such mark. It refuses to sell more than is held long, which is a part of it.
        reduce_only: false,
        fractional_quantities: true,
        client_id_uniqueness: ClientIdUniqueness::Forever,
        look_up_by_client_id: true,
        settle_window: SETTLE_WINDOW,
        fill_reports: FillReports::Streamed,
        rate_limits: vec![RateLimit { of: "requests of one key".to_owned(), max: REQUESTS, per: SPAN }],
        untold_coin_fee: COIN_FEE,
    }
}
