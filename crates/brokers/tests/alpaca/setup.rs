//! A connected account at a fake venue.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::alpaca::AlpacaConnector;
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, OrderRequest, Price, Qty, Side,
    Symbol, UnixMicros, UserId,
};
use atomik_ports::broker::{BrokerError, SubmitOutcome};
use atomik_ports::{Broker, BrokerConnector, Credentials, SystemClock};
use atomik_testkit::broker_suite::{approved, market_order};
use atomik_testkit::venues::alpaca::{AlpacaVenue, KEY_ID, SECRET_KEY};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn price(text: &str) -> Price {
    Price(decimal(text))
}

pub fn qty(text: &str) -> Qty {
    Qty(decimal(text))
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub fn credentials(key_id: &str, secret_key: &str) -> Credentials {
    let secret = |name: &str, text: &str| (name.to_owned(), SecretString::from(text));
    [secret("key_id", key_id), secret("secret_key", secret_key)].into_iter().collect()
}

/// Short patience, so that what never answers is given up soon; silence is allowed.
pub fn policy() -> WirePolicy {
    WirePolicy { answer_timeout: Duration::from_millis(500), ..WirePolicy::default() }
}

pub fn connector() -> AlpacaConnector {
    AlpacaConnector::new(Arc::new(SystemClock), UrlRules { allow_custom: true }, policy())
}

pub fn account(environment: Environment, settings: Value) -> BrokerAccount {
    BrokerAccount {
        id: BrokerAccountId(1),
        user_id: UserId(1),
        broker: BrokerId("alpaca".to_owned()),
        environment,
        label: "test".to_owned(),
        settings,
        credentials_set_at: None,
        created_at: UnixMicros(0),
    }
}

pub struct Setup {
    pub venue: AlpacaVenue,
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

impl Setup {
    pub async fn new() -> Self {
        Self::at(AlpacaVenue::start().await).await
    }

    pub async fn at(venue: AlpacaVenue) -> Self {
        let (broker, reports) = connect(&venue, &credentials(KEY_ID, SECRET_KEY)).await.unwrap();
        Self { venue, broker, reports }
    }

    pub async fn reconnect(&mut self) {
        let (broker, reports) = connect(&self.venue, &credentials(KEY_ID, SECRET_KEY)).await.unwrap();
        (self.broker, self.reports) = (broker, reports);
    }

    pub async fn submit(&self, request: &OrderRequest) -> SubmitOutcome {
        self.broker.submit(approved(request.clone())).await
    }

    pub async fn accept(&self, request: &OrderRequest) -> ExecutionReport {
        match self.submit(request).await {
            SubmitOutcome::Accepted(report) => report,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub async fn reject(&self, request: &OrderRequest) -> String {
        match self.submit(request).await {
            SubmitOutcome::Rejected { reason } => reason,
            other => panic!("not rejected: {other:?}"),
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.venue.assert_clean();
    }
}

pub fn settings(venue: &AlpacaVenue) -> Value {
    json!({"base_url": venue.base_url(), "stream_url": venue.stream_url()})
}

pub async fn connect(
    venue: &AlpacaVenue,
    credentials: &Credentials,
) -> Result<(Arc<dyn Broker>, mpsc::Receiver<ExecutionReport>), BrokerError> {
    let (sender, receiver) = mpsc::channel(64);
    let account = account(Environment::Paper, settings(venue));
    let broker = connector().connect(&account, credentials, sender).await?;
    Ok((broker, receiver))
}

pub fn buy(of: &str, how_much: &str) -> OrderRequest {
    market_order(symbol(of), Side::Buy, qty(how_much))
}

pub fn sell(of: &str, how_much: &str) -> OrderRequest {
    market_order(symbol(of), Side::Sell, qty(how_much))
}
