//! A fake Tradovate and one account connected to it.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::tradovate::{RequestLimits, TradovateConnector};
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, OrderRequest, Qty, Side, Symbol,
    UnixMicros, UserId,
};
use atomik_ports::broker::{BrokerError, SubmitOutcome};
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials};
use atomik_testkit::broker_suite::{approved, market_order};
use atomik_testkit::builders::START;
use atomik_testkit::venues::spec::Spec;
use atomik_testkit::venues::tradovate::{CID, FakeTradovate, PASSWORD, SEC, USERNAME};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that stands at a moment.
pub struct StillClock(pub UnixMicros);

impl Clock for StillClock {
    fn now(&self) -> UnixMicros {
        self.0
    }
}

/// A venue, a connector, and one account's connection.
pub struct Setup {
    pub venue: FakeTradovate,
    pub connector: TradovateConnector,
    pub account: BrokerAccount,
    pub credentials: Credentials,
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

/// Quick to give up.
pub fn policy() -> WirePolicy {
    WirePolicy {
        connect_timeout: Duration::from_millis(500),
        answer_timeout: Duration::from_millis(500),
        silence_timeout: Duration::from_secs(10),
    }
}

pub fn connector(now: UnixMicros) -> TradovateConnector {
    let limits = RequestLimits { orders_per_minute: 10_000, questions_per_minute: 10_000 };
    let urls = UrlRules { allow_custom: true };
    TradovateConnector::new(Arc::new(StillClock(now)), urls, policy()).with_request_limits(limits)
}

pub fn account(id: i64, venue: &FakeTradovate, settings: Value) -> BrokerAccount {
    let mut all = json!({
        "base_url": format!("{}/v1", venue.server.http()),
        "stream_url": format!("{}/v1/websocket", venue.server.ws()),
    });
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    BrokerAccount {
        id: BrokerAccountId(id),
        user_id: UserId(1),
        broker: BrokerId("tradovate".to_owned()),
        environment: Environment::Demo,
        label: "test".to_owned(),
        settings: all,
        created_at: START,
    }
}

pub fn given(pairs: &[(&str, &str)]) -> Credentials {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
}

pub fn credentials() -> Credentials {
    given(&[("username", USERNAME), ("password", PASSWORD), ("cid", CID), ("sec", SEC)])
}

/// The venue's specification, where it is on this machine.
pub fn spec() -> Option<Spec> {
    Spec::load("tradovate-reconstructed.openapi.json", "/v1")
}

impl Setup {
    pub async fn new() -> Self {
        Self::at(START).await
    }

    /// With the trader's clock at a moment.
    pub async fn at(now: UnixMicros) -> Self {
        let venue = FakeTradovate::start(spec()).await;
        let connector = connector(now);
        let account = account(1, &venue, json!({}));
        let credentials = credentials();
        let (sender, reports) = mpsc::channel(1_024);
        let broker = connector.connect(&account, &credentials, sender).await.expect("a connection");
        Self { venue, connector, account, credentials, broker, reports }
    }

    pub async fn reconnect(&mut self) -> Result<(), BrokerError> {
        let (sender, reports) = mpsc::channel(1_024);
        self.broker = self.connector.connect(&self.account, &self.credentials, sender).await?;
        self.reports = reports;
        Ok(())
    }

    pub async fn submit(&self, request: &OrderRequest) -> SubmitOutcome {
        self.broker.submit(approved(request.clone())).await
    }

    /// Trades a contract or a root at the market.
    pub async fn trade(&self, text: &str, side: Side, count: i64) -> OrderRequest {
        let request = market_order(symbol(text), side, Qty(Decimal::from(count)));
        let outcome = self.submit(&request).await;
        assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
        request
    }

    /// The next report of an order with this status.
    pub async fn report_of(
        &mut self,
        request: &OrderRequest,
        wanted: impl Fn(&ExecutionReport) -> bool,
    ) -> ExecutionReport {
        let listen = async {
            loop {
                let report = self.reports.recv().await.expect("the connection lives");
                if report.client_order_id == request.client_order_id && wanted(&report) {
                    return report;
                }
            }
        };
        tokio::time::timeout(DEADLINE, listen).await.expect("a report in time")
    }
}

impl Drop for Setup {
    /// The only answers that break the document are those that the suite's unknown status makes.
    fn drop(&mut self) {
        let mut found = self.venue.server.violations();
        found.retain(|one| !one.contains("Teleported"));
        assert!(std::thread::panicking() || found.is_empty(), "against the document:\n{}", found.join("\n"));
    }
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}
