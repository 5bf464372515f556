//! A fake Binance with one connected account.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atomik_brokers::binance::BinanceConnector;
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, Symbol, UnixMicros, UserId,
};
use atomik_ports::broker::BrokerError;
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials, SystemClock};
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup, SYMBOL};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::mpsc;

/// The machine's clock, off by so many seconds.
#[derive(Debug, Default)]
pub struct OffClock(pub AtomicI64);

impl Clock for OffClock {
    fn now(&self) -> UnixMicros {
        SystemClock.now().plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

pub fn policy() -> WirePolicy {
    WirePolicy { answer_timeout: Duration::from_millis(500), ..WirePolicy::default() }
}

pub fn decimal(text: &str) -> Decimal {
    atomik_domain::money::parse_decimal(text).unwrap()
}

pub fn symbol() -> Symbol {
    Symbol::parse(SYMBOL).unwrap()
}

pub fn credentials(fields: &[(&str, &str)]) -> Credentials {
    let field = |(name, value): &(&str, &str)| ((*name).to_owned(), SecretString::from(*value));
    fields.iter().map(field).collect()
}

/// The account's right credentials.
pub fn right() -> Credentials {
    credentials(&[("api_key", "fake-api-key"), ("secret_key", "fake-secret-key")])
}

pub fn account(fake: &FakeBinance, market: FakeMarket) -> BrokerAccount {
    let market = if market == FakeMarket::Spot { "spot" } else { "usdm" };
    BrokerAccount {
        id: BrokerAccountId(1),
        user_id: UserId(1),
        broker: BrokerId("binance".to_owned()),
        environment: Environment::Testnet,
        label: "test".to_owned(),
        settings: json!({"market": market, "base_url": fake.server.http(), "stream_url": fake.server.ws()}),
        credentials_set_at: None,
        created_at: UnixMicros(0),
    }
}

/// A fake, an account, a connection.
pub struct Setup {
    pub market: FakeMarket,
    pub fake: FakeBinance,
    pub clock: Arc<OffClock>,
    pub credentials: Credentials,
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

/// One connection.
pub async fn connect(
    fake: &FakeBinance,
    market: FakeMarket,
    clock: &Arc<OffClock>,
    credentials: &Credentials,
) -> Result<(Arc<dyn Broker>, mpsc::Receiver<ExecutionReport>), BrokerError> {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let connector = BinanceConnector::new(clock, UrlRules { allow_custom: true }, policy());
    let (sender, reports) = mpsc::channel(64);
    let broker = connector.connect(&account(fake, market), credentials, sender).await?;
    Ok((broker, reports))
}

impl Setup {
    pub async fn of(market: FakeMarket) -> Self {
        Self::with(FakeSetup::of(market)).await
    }

    pub async fn with(setup: FakeSetup) -> Self {
        let market = setup.market;
        let fake = FakeBinance::start(setup).await;
        let (clock, credentials) = (Arc::new(OffClock::default()), right());
        let (broker, reports) = connect(&fake, market, &clock, &credentials).await.unwrap();
        Self { market, fake, clock, credentials, broker, reports }
    }

    pub async fn reconnect(&mut self) -> Result<(), BrokerError> {
        let (broker, reports) = connect(&self.fake, self.market, &self.clock, &self.credentials).await?;
        (self.broker, self.reports) = (broker, reports);
        Ok(())
    }
}

impl Drop for Setup {
    /// Every test holds every request and answer against the specification.
    fn drop(&mut self) {
        self.fake.assert_clean();
    }
}
