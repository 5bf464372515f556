//! A gateway, or the broker without one, and an account connected to it.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::interactive_brokers::web::oauth::OAuthConnector;
use atomik_brokers::interactive_brokers::web::{Pace, WebConnector};
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, Symbol, UnixMicros, UserId,
};
use atomik_ports::broker::BrokerError;
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A day on which the December contract is the front one.
pub const NOW: &str = "2026-11-25T15:00:00Z";

pub struct FixedClock(pub UnixMicros);

impl Clock for FixedClock {
    fn now(&self) -> UnixMicros {
        self.0
    }
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

const POLICY: WirePolicy = WirePolicy {
    connect_timeout: Duration::from_secs(2),
    answer_timeout: Duration::from_millis(700),
    silence_timeout: Duration::from_secs(60),
};

/// A fake counts nothing; what is counted of it are its requests.
pub fn pace() -> Pace {
    let brief = Duration::from_millis(5);
    Pace { requests_per_second: 10_000, lists: brief, holdings: brief, ..Pace::default() }
}

fn clock_at(now: &str) -> Arc<FixedClock> {
    Arc::new(FixedClock(UnixMicros::parse_rfc3339(now).unwrap()))
}

pub fn connector_at(now: &str) -> WebConnector {
    WebConnector::new(clock_at(now), POLICY).with_pace(pace())
}

/// Where the operator allows other addresses than the broker's own.
pub fn oauth_connector(clock: Arc<dyn Clock>, pace: Pace) -> OAuthConnector {
    OAuthConnector::new(clock, UrlRules { allow_custom: true }, POLICY).with_pace(pace)
}

pub fn account(venue: &IbkrWebVenue, environment: Environment, extra: &Value) -> BrokerAccount {
    let mut settings = venue.settings();
    for (name, value) in extra.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    BrokerAccount {
        id: BrokerAccountId(1),
        user_id: UserId(1),
        broker: BrokerId("interactive_brokers".to_owned()),
        environment,
        label: "mine".to_owned(),
        settings,
        credentials_set_at: None,
        created_at: UnixMicros(0),
    }
}

pub type Connected = (Arc<dyn Broker>, mpsc::Receiver<ExecutionReport>);

pub async fn connect_as(
    venue: &IbkrWebVenue,
    environment: Environment,
    now: &str,
    extra: &Value,
) -> Result<Connected, BrokerError> {
    let (reports, received) = mpsc::channel(256);
    let account = account(venue, environment, extra);
    let broker = if venue.is_oauth() {
        let connector = oauth_connector(clock_at(now), pace());
        connector.connect(&account, &venue.credentials(&[]), reports).await?
    } else {
        connector_at(now).connect(&account, &Credentials::default(), reports).await?
    };
    Ok((broker, received))
}

pub async fn connect(venue: &IbkrWebVenue, extra: Value) -> Connected {
    connect_as(venue, Environment::Paper, NOW, &extra).await.unwrap()
}

/// A venue and a connection, held against the document to the end.
pub struct Setup {
    pub venue: IbkrWebVenue,
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

impl Setup {
    pub async fn with(extra: Value) -> Self {
        let venue = IbkrWebVenue::start().await;
        let (broker, reports) = connect(&venue, extra).await;
        Self { venue, broker, reports }
    }

    pub async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// Without a gateway.
    pub async fn oauth() -> Self {
        let venue = IbkrWebVenue::start_oauth().await;
        let (broker, reports) = connect(&venue, json!({})).await;
        Self { venue, broker, reports }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        self.venue.assert_clean();
    }
}
