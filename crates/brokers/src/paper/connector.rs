//! The paper venue as the engine sees it: opened once, connected to once an account.

use std::path::Path;
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
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::broker::PaperBroker;
use super::desk::{Command, Desk};
use super::feed::Feed;
use super::settings::{PaperSettings, setting_fields};
use super::store::{Opened, Reader, StoreFailure, postgres, sqlite};
use crate::instruments;
use crate::settings::refused;

/// How many commands may wait for the desk; more are answered "not sent".
const MAX_WAITING: usize = 10_000;
/// The name of the venue's database file in the data directory.
pub const DATABASE_FILE: &str = "paper.db";

/// Why the paper venue did not open.
#[derive(Debug, thiserror::Error)]
#[error("the paper venue's database {place} cannot be opened: {reason}")]
pub struct OpenError {
    /// The file, or where the PostgreSQL database is, without its password.
    pub place: String,
    /// What is wrong with it, in the database's words.
    pub reason: String,
}

/// The paper venue.
#[derive(Debug)]
pub struct PaperVenue {
    commands: mpsc::Sender<Command>,
    reader: Arc<dyn Reader>,
    capabilities: Capabilities,
}

impl PaperVenue {
    /// Opens the venue's database in `data_dir`, which must exist, and starts its desk. `seed` is the simulated feed's.
    ///
    /// Must be called within a tokio runtime. One process at a time may have a data directory's venue open.
    ///
    /// # Errors
    /// [`OpenError`] where the file cannot be opened, is damaged, or was written by a newer version.
    pub async fn open(data_dir: &Path, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, OpenError> {
        let file = data_dir.join(DATABASE_FILE);
        let opened = sqlite::open(&file).await;
        Self::begin(opened, || file.display().to_string(), clock, seed)
    }

    /// Opens the venue in the PostgreSQL database of a URL, in the schema `paper`, and starts this process's desk. Any number
    /// of processes may have it open: an account belongs to the one that has connected to it last. `seed` must be the same
    /// for all of them.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] where the database cannot be reached, or was written by a newer version. It does not hold the password.
    pub async fn open_in_postgres(
        url: &SecretString,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let opened = postgres::open(url).await;
        let place = || postgres::place_of(url).unwrap_or_else(|_| "in PostgreSQL".to_owned());
        Self::begin(opened, place, clock, seed)
    }

    fn begin(
        opened: Result<Opened, StoreFailure>,
        place: impl FnOnce() -> String,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let (reader, books) =
            opened.map_err(|failure| OpenError { place: place(), reason: failure.to_string() })?;
        let (commands, received) = mpsc::channel(MAX_WAITING);
        tokio::spawn(Desk::new(clock, Feed::new(seed), books).run(received));
        Ok(Self { commands, reader, capabilities: capabilities() })
    }

    /// Finishes what the desk has taken, closes the database and returns when that is done. Every later call is answered
    /// "not sent" or "unavailable". Dropping the venue and its connections does the same without waiting.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).await.is_ok() {
            let _ = closed.await;
        }
    }
}

#[async_trait]
impl BrokerConnector for PaperVenue {
    fn description(&self) -> BrokerDescription {
        BrokerDescription {
            broker: BrokerId("paper".to_owned()),
            name: "Paper trading".to_owned(),
            environments: vec![Environment::Paper],
            credential_fields: Vec::new(),
            setting_fields: setting_fields(),
            capabilities: self.capabilities.clone(),
        }
    }

    fn check_settings(&self, environment: Environment, settings: &Value) -> Result<Value, Vec<FieldError>> {
        if environment != Environment::Paper {
            let problem = format!("the paper broker has no {environment} environment; use paper");
            return Err(vec![FieldError { field: "environment".to_owned(), problem }]);
        }
        PaperSettings::parse(settings).map(|settings| settings.to_json())
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
        let settings = PaperSettings::parse(&account.settings).map_err(|errors| refused(&errors))?;
        let (answer, answered) = oneshot::channel();
        let connect = Command::Connect { account_id: account.id, settings, reports, answer };
        let closed = || BrokerError::Unavailable("the paper venue is closed".to_owned());
        self.commands.send(connect).await.map_err(|_| closed())?;
        let connection = answered.await.map_err(|_| closed())?.map_err(BrokerError::Unavailable)?;
        Ok(Arc::new(PaperBroker {
            connection,
            commands: self.commands.clone(),
            reader: Arc::clone(&self.reader),
            capabilities: self.capabilities.clone(),
        }))
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(instruments::search(query, limit))
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        order_types: OrderType::ALL.to_vec(),
        times_in_force: TimeInForce::ALL.to_vec(),
        reduce_only: true,
        fractional_quantities: true,
        client_id_uniqueness: ClientIdUniqueness::Forever,
        // An order is either committed or will never be: the desk takes look-ups in turn, behind what was sent before.
        settle_window: Duration::ZERO,
        look_up_by_client_id: true,
        fill_reports: FillReports::Streamed,
        rate_limits: Vec::new(),
        untold_coin_fee: Decimal::ZERO,
    }
}
