//! A fake TWS and a connection to it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use atomik_brokers::interactive_brokers::tws::TwsConnector;
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, Symbol, UnixMicros, UserId,
};
use atomik_ports::broker::BrokerError;
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials, SystemClock};
use atomik_testkit::venues::tws::Tws;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long a test waits for what has to happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn now_ms() -> i64 {
    SystemClock.now().0 / 1_000
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Impatient, so that what never comes is quick to wait for.
pub fn policy() -> WirePolicy {
    WirePolicy {
        connect_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_millis(500),
        silence_timeout: Duration::from_secs(90),
    }
}

pub fn connector() -> TwsConnector {
    TwsConnector::new(Arc::new(SystemClock), UrlRules::default(), policy())
}

pub fn account(environment: Environment, settings: Value) -> BrokerAccount {
    BrokerAccount {
        id: BrokerAccountId(7),
        user_id: UserId(1),
        broker: BrokerId("interactive_brokers".to_owned()),
        environment,
        label: "TWS".to_owned(),
        settings,
        credentials_set_at: None,
        created_at: UnixMicros(0),
    }
}

/// A connection, and what it reports.
pub struct Connection {
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

/// Connects once. There is room for every report of a test that reads none.
pub async fn connect_once(account: &BrokerAccount) -> Result<Connection, BrokerError> {
    let (sender, reports) = mpsc::channel(4_096);
    let broker = connector().connect(account, &Credentials::default(), sender).await?;
    Ok(Connection { broker, reports })
}

/// Connects; waits while TWS has not given up the connection before.
pub async fn connect(account: &BrokerAccount) -> Connection {
    let connecting = async {
        loop {
            match connect_once(account).await {
                Ok(connection) => return connection,
                Err(BrokerError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, connecting).await.expect("a connection")
}

/// A fake, and the present connection to it: a new one where the last has ended, as the engine would make.
pub struct Setup {
    pub tws: Tws,
    pub account: BrokerAccount,
    pub connection: Mutex<Option<Connection>>,
}

impl Setup {
    pub async fn new() -> Self {
        Self::with(json!({})).await
    }

    pub async fn with(settings: Value) -> Self {
        let tws = Tws::start(now_ms).await;
        let mut settings = settings;
        settings["port"] = json!(tws.address().port());
        let account = account(Environment::Paper, settings);
        let connection = connect(&account).await;
        Self { tws, account, connection: Mutex::new(Some(connection)) }
    }

    pub fn broker(&self) -> Arc<dyn Broker> {
        let mut connection = self.connection.lock().unwrap();
        let alive = connection.as_ref().is_some_and(|connection| !connection.reports.is_closed());
        if !alive {
            *connection = None;
            let handle = tokio::runtime::Handle::current();
            let made = tokio::task::block_in_place(|| handle.block_on(connect(&self.account)));
            *connection = Some(made);
        }
        Arc::clone(&connection.as_ref().expect("a connection").broker)
    }

    pub async fn next_report(&mut self) -> Option<ExecutionReport> {
        let connection = self.connection.get_mut().unwrap();
        connection.as_mut().expect("a connection").reports.recv().await
    }

    pub async fn restart(&mut self) {
        *self.connection.get_mut().unwrap() = None;
        let made = connect(&self.account).await;
        *self.connection.get_mut().unwrap() = Some(made);
    }
}
