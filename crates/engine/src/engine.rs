//! The engine's face: what the rest of the program asks of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use atomik_domain::{BrokerAccountId, BrokerId, Code, SignalId, StrategyId, UnixMicros, UserId, WebhookId};
use atomik_ports::{Broker, BrokerConnector, Clock, Store, StoreError};

use crate::events::EventLog;
use crate::explain::Explanation;
use crate::intake::{Answer, Inbound};
use crate::settings::EngineSettings;

/// What an engine is made of.
pub struct EngineParts {
    /// Where everything is recorded.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The venues, by their names in the catalogue.
    pub connectors: BTreeMap<BrokerId, Arc<dyn BrokerConnector>>,
    /// Bounds and pace.
    pub settings: EngineSettings,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an account's connection and books stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// Being connected, or its books being compared.
    Connecting,
    /// Connected, books equal.
    Ready,
    /// Connected, but in some symbols the books differ; entries there are denied.
    BooksDiffer,
    /// Not connected; tried again and again.
    Disconnected,
}
atomik_domain::spelled!(AccountState {
    Connecting = "connecting",
    Ready = "ready",
    BooksDiffer = "books_differ",
    Disconnected = "disconnected",
});

/// An account's state, since when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountStatus {
    /// The state.
    pub state: AccountState,
    /// A sentence for people; `None` when all is well.
    pub detail: Option<String>,
    /// When the books were last compared.
    pub reconciled_at: Option<UnixMicros>,
}

/// Whether the program can do its job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether the store can be written.
    pub store: Result<(), String>,
    /// Whether every account's first comparison of books after the start has ended, one way or the other.
    pub books_reconciled: bool,
    /// Whether the engine takes new work.
    pub stopping: bool,
}

impl Readiness {
    /// Whether all is well.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.store.is_ok() && self.books_reconciled && !self.stopping
    }
}

/// What flattening an account set off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlattenReport {
    /// One signal for each strategy that held a position.
    pub signals: Vec<(StrategyId, SignalId)>,
}

/// The engine.
pub struct Engine {
    parts: EngineParts,
    events: EventLog,
}

#[allow(unused_variables, clippy::todo, clippy::unused_async)]
impl Engine {
    /// Loads what is kept in memory, resolves what the last run left unfinished, and starts working.
    ///
    /// # Errors
    /// [`StartError`] where the store cannot be read.
    pub async fn start(parts: EngineParts) -> Result<Arc<Self>, StartError> {
        todo!()
    }

    /// Puts a request through the receiver's checks and stores it.
    pub async fn receive(&self, inbound: Inbound) -> Answer {
        todo!()
    }

    /// Notes a request that transport refused (method, size, time), in the webhook's log where the token is known.
    pub fn note_refusal(
        &self,
        token: &str,
        remote_ip: std::net::IpAddr,
        received_at: UnixMicros,
        status: u16,
        code: Code,
    ) {
        todo!()
    }

    /// Lets the engine see what was just changed in the directory. Call it after every such change and before
    /// answering, so that the answer is true of the engine too.
    ///
    /// # Errors
    /// The store's.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// What a payload would do now.
    ///
    /// # Errors
    /// `NotFound` where the webhook is not the user's.
    pub async fn explain(
        &self,
        user_id: UserId,
        webhook_id: WebhookId,
        body: &[u8],
    ) -> Result<Explanation, StoreError> {
        todo!()
    }

    /// Cancels what works on an account and exits every strategy's position there.
    ///
    /// # Errors
    /// `NotFound` where the account is not the user's.
    pub async fn flatten(
        &self,
        user_id: UserId,
        account_id: BrokerAccountId,
    ) -> Result<FlattenReport, StoreError> {
        todo!()
    }

    /// How an account stands.
    #[must_use]
    pub fn account_status(&self, account_id: BrokerAccountId) -> AccountStatus {
        todo!()
    }

    /// An account's connection, where it has one.
    #[must_use]
    pub fn broker(&self, account_id: BrokerAccountId) -> Option<Arc<dyn Broker>> {
        todo!()
    }

    /// The venues.
    #[must_use]
    pub fn connectors(&self) -> &BTreeMap<BrokerId, Arc<dyn BrokerConnector>> {
        &self.parts.connectors
    }

    /// What just happened.
    #[must_use]
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.parts.clock.now()
    }

    /// Whether the program can do its job.
    pub async fn readiness(&self) -> Readiness {
        todo!()
    }

    /// Takes no new work, finishes what was accepted, and returns when all of it is recorded. Orders that still work at
    /// a venue stay there; the next start finds them.
    pub async fn stop(&self) {
        todo!()
    }
}
