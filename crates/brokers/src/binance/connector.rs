//! Connecting an account: its key is verified, the stream is open, and only then orders may go.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{
    BrokerAccount, BrokerId, Environment, ExecutionReport, Instrument, OrderType, TimeInForce,
};
use atomik_ports::broker::{
    Broker, BrokerDescription, BrokerError, Capabilities, ClientIdUniqueness, FieldError, FillReports,
};
use atomik_ports::{BrokerConnector, Clock, Credentials, Custody};
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, mpsc};

use super::broker::{BinanceBroker, Sent};
use super::catalogue::Catalogue;
use super::client::{Client, rate_limits};
use super::credentials::{Key, credential_fields};
use super::refusal::{Failure, WRONG_TIME};
use super::replies::{FuturesAccount, PositionMode, SpotAccount};
use super::settings::{BinanceSettings, ENVIRONMENTS, Market, setting_fields};
use super::signing::Params;
use super::stream::{follow_futures, follow_spot, open_futures, open_spot};
use crate::settings::refused;
use crate::wire::{Discretion, UrlRules, Wire, WirePolicy};

/// What to do about hedge mode.
pub(super) const HEDGE_MODE: &str = "the futures account is in hedge mode, where one symbol can be long and short at once. \
    Switch Position Mode to One-way in Binance's futures preferences, with no position open";

/// Makes connections to Binance.
pub struct BinanceConnector {
    clock: Arc<dyn Clock>,
    urls: UrlRules,
    policy: WirePolicy,
    public: OnceCell<(Client, Catalogue)>,
}

impl BinanceConnector {
    /// A connector. Nothing is opened before an account connects.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, urls: UrlRules, policy: WirePolicy) -> Self {
        Self { clock, urls, policy, public: OnceCell::new() }
    }

    /// What everybody may ask: the live spot list.
    async fn public(&self) -> Result<&(Client, Catalogue), BrokerError> {
        let make = || async {
            let settings = BinanceSettings::parse(Environment::Live, &json!({}), self.urls);
            let settings = settings.map_err(|errors| refused(&errors))?;
            let (wire, base) = (Wire::new(self.policy)?, settings.base(Environment::Live)?);
            let client = Client::new(Market::Spot, Arc::clone(&self.clock), None, wire, base);
            Ok((client, Catalogue::default()))
        };
        self.public.get_or_try_init(make).await
    }
}

/// What a market can do.
#[must_use]
pub(super) fn capabilities(market: Market) -> Capabilities {
    Capabilities {
        order_types: OrderType::ALL.to_vec(),
        times_in_force: vec![TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok],
        reduce_only: market == Market::Usdm,
        fractional_quantities: true,
        client_id_uniqueness: ClientIdUniqueness::AmongOpenOrders,
        look_up_by_client_id: true,
        settle_window: match market {
            // A request whose time is more than its window of 5 s old is never taken; orders are read from a database that
            // follows the engine within a moment.
            Market::Spot => Duration::from_secs(8),
            // The same, and futures look-ups are documented to lag by seconds under load.
            Market::Usdm => Duration::from_secs(15),
        },
        fill_reports: FillReports::Streamed,
        rate_limits: rate_limits(market),
        untold_coin_fee: Decimal::ZERO,
    }
}

#[async_trait]
impl BrokerConnector for BinanceConnector {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("binance".to_owned()),
            name: "Binance".to_owned(),
            environments: ENVIRONMENTS.to_vec(),
            credential_fields: credential_fields(),
            setting_fields: setting_fields(),
            capabilities: capabilities(Market::Spot),
        }
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        BinanceSettings::parse(environment, settings, self.urls).map(|settings| settings.to_json())
    }

    fn check_credentials(&self, _: Environment, credentials: &Credentials) -> Result<(), Vec<FieldError>> {
        Key::read(credentials).map(|_| ())
    }

    async fn connect(
        &self,
        account: &BrokerAccount,
        custody: &dyn Custody,
        reports: mpsc::Sender<ExecutionReport>,
    ) -> Result<Arc<dyn Broker>, BrokerError> {
        let environment = account.environment;
        let settings = BinanceSettings::parse(environment, &account.settings, self.urls);
        let settings = settings.map_err(|errors| refused(&errors))?;
        let credentials = custody.credentials(account.id).await?;
        let key = Key::read(&credentials).map_err(|errors| wrong_credentials(&errors))?;
        let discretion = Discretion::about(credentials.iter().map(|(_, secret)| secret));
        drop(credentials);
        let (wire, base) = (Wire::new(self.policy)?.with_discretion(discretion), settings.base(environment)?);
        let market = settings.market;
        let client = Arc::new(Client::new(market, Arc::clone(&self.clock), Some(key), wire, base));
        verify(&client, environment).await?;
        let stream = settings.stream(environment)?;
        let stream = match market {
            Market::Spot => {
                let socket = open_spot(&client, &stream, &self.policy).await?;
                tokio::spawn(follow_spot(socket, reports))
            }
            Market::Usdm => {
                let socket = open_futures(&client, &stream, &self.policy).await?;
                tokio::spawn(follow_futures(socket, Arc::clone(&client), reports))
            }
        };
        Ok(Arc::new(BinanceBroker {
            client,
            catalogue: Arc::new(Catalogue::default()),
            capabilities: capabilities(market),
            sent: Sent::default(),
            stream,
        }))
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        let (client, catalogue) = self.public().await?;
        catalogue.search(client, query, limit).await
    }
}

fn wrong_credentials(errors: &[FieldError]) -> BrokerError {
    let problems: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.problem)).collect();
    BrokerError::Unauthorized(format!("The stored credentials cannot be used: {}.", problems.join("; ")))
}

/// Reads the account, and has an order checked that is never placed: a key that only reads is found out before it is needed.
async fn verify(client: &Client, environment: Environment) -> Result<(), BrokerError> {
    let place = format!("{} ({environment})", client.market.as_str());
    let read = |failure| told(failure, &place, false);
    let none = Params::default();
    match client.market {
        Market::Spot => {
            let account: SpotAccount = client.ask_signed("/api/v3/account", &none).await.map_err(read)?;
            if !account.can_trade {
                return Err(BrokerError::Unauthorized(
                    "Binance does not let this account trade now.".to_owned(),
                ));
            }
        }
        Market::Usdm => {
            let _: FuturesAccount = client.ask_signed("/fapi/v3/account", &none).await.map_err(read)?;
            let mode = client.ask_signed("/fapi/v1/positionSide/dual", &none).await;
            let mode: PositionMode = mode.map_err(read)?;
            if mode.dual_side_position {
                return Err(BrokerError::Unavailable(format!("{HEDGE_MODE}.")));
            }
        }
    }
    let path = client.path("/api/v3/order/test", "/fapi/v1/order/test");
    let test =
        none.with("symbol", "BTCUSDT").with("side", "BUY").with("type", "MARKET").with("quantity", "1");
    match client.signed(Method::POST, path, &test).await {
        // Any other refusal comes after the key was taken: the order itself is not to a rule's liking.
        Err(Failure::Refused(refusal))
            if !matches!(refusal.code, -1002 | -1022 | -2014 | -2015 | WRONG_TIME) =>
        {
            Ok(())
        }
        Err(failure) => Err(told(failure, &place, true)),
        Ok(_) => Ok(()),
    }
}

/// What is wrong with a key, in the trader's words.
fn told(failure: Failure, place: &str, reads: bool) -> BrokerError {
    let sentence = match &failure {
        Failure::Refused(refusal) if matches!(refusal.code, -2014 | -2015 | -1002) && reads => format!(
            "The key may read the {place} account but not trade: allow trading for it in API Management ({}).",
            refusal.code
        ),
        Failure::Refused(refusal) if matches!(refusal.code, -2014 | -2015) => format!(
            "Binance refused the key for {place}: it is wrong, belongs to another environment or market, is bound to other \
             IP addresses, or may not read ({}).",
            refusal.code
        ),
        _ => return failure.error(),
    };
    BrokerError::Unauthorized(sentence)
}
