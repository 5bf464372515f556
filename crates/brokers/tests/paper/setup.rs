//! A paper venue in a directory or a database of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atomik_brokers::paper::{DATABASE_FILE, HeldVenue, PaperVenue};
use atomik_domain::money::parse_decimal;
use atomik_domain::{
    BrokerAccount, BrokerAccountId, BrokerId, Environment, ExecutionReport, OrderRequest, Price, Qty, Symbol,
    UnixMicros, UserId,
};
use atomik_ports::broker::SubmitOutcome;
use atomik_ports::{Broker, BrokerConnector, Clock, Credentials};
use atomik_testkit::broker_suite::approved;
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::database::Database;

/// How long a test waits for what has to happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A clock that a test sets.
pub struct SetClock(AtomicI64);

impl SetClock {
    pub fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(UnixMicros::parse_rfc3339(text).unwrap().0)))
    }

    pub fn set(&self, text: &str) {
        self.0.store(UnixMicros::parse_rfc3339(text).unwrap().0, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMicros {
        UnixMicros(self.0.load(Ordering::SeqCst))
    }
}

/// What keeps a venue's books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Where a venue's books are.
pub enum Place {
    Directory(TempDir),
    Database(Database),
}

impl Place {
    pub async fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Directory(tempfile::tempdir().unwrap()),
            Engine::Postgres => Self::Database(Database::empty().await),
        }
    }

    pub async fn open(&self, clock: Arc<SetClock>) -> PaperVenue {
        match self {
            Self::Directory(directory) => PaperVenue::open(directory.path(), clock, 7).await.unwrap(),
            Self::Database(database) => {
                PaperVenue::open_in_postgres(&database.url(), clock, 7).await.unwrap()
            }
        }
    }

    pub async fn hold(&self) -> Option<HeldVenue> {
        match self {
            Self::Directory(directory) => HeldVenue::hold(directory.path()).await.unwrap(),
            Self::Database(database) => HeldVenue::hold_in_postgres(&database.url()).await.unwrap(),
        }
    }

    /// The directory of books that are in one.
    pub fn directory(&self) -> &Path {
        match self {
            Self::Directory(directory) => directory.path(),
            Self::Database(_) => panic!("the books are in no directory"),
        }
    }

    /// A connection beside the venue's.
    pub async fn beside(&self) -> Beside {
        match self {
            Self::Directory(directory) => {
                let options = SqliteConnectOptions::new()
                    .filename(directory.path().join(DATABASE_FILE))
                    .busy_timeout(Duration::ZERO);
                Beside::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
            Self::Database(database) => Beside::Postgres(database.raw().await),
        }
    }
}

/// A connection beside the venue's.
pub enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A statement as SQLite and as PostgreSQL has it.
pub type Sql = [&'static str; 2];

impl Beside {
    pub async fn run(&mut self, [sqlite, postgres]: Sql) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.execute(sqlite).await.map(drop),
            Self::Postgres(connection) => connection.execute(postgres).await.map(drop),
        }
    }

    /// Runs what must go well, once the venue is not writing.
    pub async fn execute(&mut self, sql: Sql) {
        self.run(["PRAGMA busy_timeout = 10000", "SELECT 1"]).await.unwrap();
        self.run(sql).await.unwrap();
        self.run(["PRAGMA busy_timeout = 0", "SELECT 1"]).await.unwrap();
    }

    pub async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// A venue, one account, one connection.
pub struct Setup {
    pub place: Place,
    pub clock: Arc<SetClock>,
    pub venue: PaperVenue,
    pub account: BrokerAccount,
    pub broker: Arc<dyn Broker>,
    pub reports: mpsc::Receiver<ExecutionReport>,
}

pub fn account(id: i64, settings: Value) -> BrokerAccount {
    BrokerAccount {
        id: BrokerAccountId(id),
        user_id: UserId(1),
        broker: BrokerId("paper".to_owned()),
        environment: Environment::Paper,
        label: "test".to_owned(),
        settings,
        credentials_set_at: None,
        created_at: UnixMicros(0),
    }
}

impl Setup {
    pub async fn on(engine: Engine, settings: Value) -> Self {
        let place = Place::of(engine).await;
        let clock = SetClock::at("2026-03-20T12:00:00Z");
        let venue = place.open(clock.clone()).await;
        let account = account(1, settings);
        let (sender, reports) = mpsc::channel(4_096);
        let broker = venue.connect(&account, &Credentials::default(), sender).await.unwrap();
        Self { place, clock, venue, account, broker, reports }
    }

    /// Connects anew under other settings.
    pub async fn change(&mut self, settings: Value) {
        self.account.settings = settings;
        let (sender, reports) = mpsc::channel(4_096);
        self.broker = self.venue.connect(&self.account, &Credentials::default(), sender).await.unwrap();
        self.reports = reports;
    }

    /// Closes the venue and opens it again.
    pub async fn restart(&mut self) {
        self.venue.close().await;
        self.venue = self.place.open(self.clock.clone()).await;
        self.change(self.account.settings.clone()).await;
    }

    pub async fn submit(&self, request: &OrderRequest) -> SubmitOutcome {
        self.broker.submit(approved(request.clone())).await
    }

    pub async fn accepted(&self, request: &OrderRequest) -> ExecutionReport {
        match self.submit(request).await {
            SubmitOutcome::Accepted(report) => report,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub async fn rejected(&self, request: &OrderRequest) -> String {
        match self.submit(request).await {
            SubmitOutcome::Rejected { reason } => reason,
            other => panic!("not rejected: {other:?}"),
        }
    }

    /// The next report of an order that is as wanted.
    pub async fn report(
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

pub fn decimal(text: &str) -> Decimal {
    parse_decimal(text).unwrap()
}

pub fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

pub fn price(text: &str) -> Price {
    Price(decimal(text))
}

pub fn qty(text: &str) -> Qty {
    Qty(decimal(text))
}
