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
use atomik_testkit::venues::spec::{Spec, material_file};
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
        connect_timeout: Duration::from_secs(2),
        answer_timeout: Duration::from_millis(800),
        silence_timeout: Duration::from_secs(10),
    }
}

pub fn connector(now: UnixMicros) -> TradovateConnector {
    connector_with(now, policy())
}

pub fn connector_with(now: UnixMicros, policy: WirePolicy) -> TradovateConnector {
    let limits = RequestLimits { orders_per_minute: 10_000, questions_per_minute: 10_000 };
    let urls = UrlRules { allow_custom: true };
    TradovateConnector::new(Arc::new(StillClock(now)), urls, policy).with_request_limits(limits)
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
        credentials_set_at: None,
        created_at: START,
    }
}

pub fn given(pairs: &[(&str, &str)]) -> Credentials {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
}

pub fn credentials() -> Credentials {
    given(&[("username", USERNAME), ("password", PASSWORD), ("cid", CID), ("sec", SEC)])
}

/// What the adapter asks for. Whatever else it asked for would be no operation of the document that is checked.
const ROUTES: &[&str] = &[
    "/account/list",
    "/auth/accesstokenrequest",
    "/auth/oauthtoken",
    "/auth/renewaccesstoken",
    "/cashBalance/getcashbalancesnapshot",
    "/command/list",
    "/contract/find",
    "/contract/items",
    "/contract/suggest",
    "/contractMaturity/deps",
    "/currency/list",
    "/exchange/list",
    "/executionReport/deps",
    "/fill/deps",
    "/fillFee/deps",
    "/order/cancelorder",
    "/order/item",
    "/order/placeorder",
    "/orderVersion/deps",
    "/position/list",
    "/product/find",
];

/// The venue's specification, where it is on this machine: of its 319 paths and 135 schemas those that are used, since every
/// schema is compiled with all the others.
pub fn spec() -> Option<Spec> {
    let file = material_file("specs/tradovate-reconstructed.openapi.json")?;
    let mut document: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let paths = document["paths"].as_object_mut().unwrap();
    // The stream is opened by an upgrade, which no document describes.
    paths.retain(|path, _| ROUTES.contains(&path.as_str()));
    assert_eq!(paths.len(), ROUTES.len(), "the document has every route");
    let mut used = document["paths"].to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap().clone();
    let mut kept = serde_json::Map::new();
    loop {
        let refers = |name: &String| used.contains(&format!("\"#/components/schemas/{name}\""));
        let more: Vec<_> =
            schemas.iter().filter(|(name, _)| !kept.contains_key(*name) && refers(name)).collect();
        if more.is_empty() {
            break;
        }
        let texts: String = more.iter().map(|(_, schema)| schema.to_string()).collect();
        kept.extend(more.into_iter().map(|(name, schema)| (name.clone(), schema.clone())));
        used.push_str(&texts);
    }
    document["components"]["schemas"] = Value::Object(kept);
    Some(Spec::of(document, "/v1"))
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
