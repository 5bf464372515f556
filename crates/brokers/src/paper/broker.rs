//! One paper account behind the port.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::gate::Approved;
use atomik_domain::order::PriceSource;
use atomik_domain::{ClientOrderId, ExecutionReport, Instrument, SignedQty, Symbol};
use atomik_ports::broker::{
    Balance, Broker, BrokerError, CancelOutcome, Capabilities, LookUp, Quote, SubmitOutcome, VenuePosition,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::desk::{Command, ConnectionId};
use super::store::Reader;
use super::venue::{Account, Moment};

/// How long a sender should wait when the desk's queue is full.
const RETRY_WHEN_BUSY: Duration = Duration::from_millis(100);

/// A connected paper account.
pub(super) struct PaperBroker {
    pub connection: ConnectionId,
    pub commands: mpsc::Sender<Command>,
    pub reader: Arc<dyn Reader>,
    pub capabilities: Capabilities,
}

impl Drop for PaperBroker {
    fn drop(&mut self) {
        // Where the queue is full the account stays in memory until it connects again: one account's worth.
        let _ = self.commands.try_send(Command::Disconnect { connection: self.connection });
    }
}

impl PaperBroker {
    /// Looks at the account as it is after everything asked before was committed.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Account, &Moment) -> T + Send + 'static,
    ) -> Result<T, BrokerError> {
        let (answer, answered) = oneshot::channel();
        let look = Box::new(move |account: Option<&Account>, moment: &Moment| {
            if let Some(account) = account {
                drop(answer.send(look(account, moment)));
            }
        });
        let closed = || BrokerError::Unavailable("the paper venue is closed".to_owned());
        let read = Command::Read { connection: self.connection, look };
        self.commands.send(read).await.map_err(|_| closed())?;
        answered.await.map_err(|_| {
            BrokerError::Unavailable("the paper account is not connected, or cannot be read".to_owned())
        })
    }

    /// How an order stands in the database; `None` where it is not there.
    async fn stored(&self, id: ClientOrderId) -> Result<Option<ExecutionReport>, String> {
        let key = (self.connection.account_id, id);
        let found = self.reader.reports(&[key]).await.map_err(|error| error.to_string())?;
        Ok(found.into_values().next())
    }
}

#[async_trait]
impl Broker for PaperBroker {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn submit(&self, order: Approved) -> SubmitOutcome {
        let (answer, answered) = oneshot::channel();
        let request = Box::new(order.into_request());
        match self.commands.try_send(Command::Submit { connection: self.connection, request, answer }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let reason = "the paper venue has too many orders waiting".to_owned();
                return SubmitOutcome::NotSent { reason, retry_after: RETRY_WHEN_BUSY };
            }
            Err(TrySendError::Closed(_)) => {
                let reason = "the paper venue is closed".to_owned();
                return SubmitOutcome::NotSent { reason, retry_after: RETRY_WHEN_BUSY };
            }
        }
        answered.await.unwrap_or_else(|_| SubmitOutcome::Unknown {
            evidence: "the paper venue stopped before it answered".to_owned(),
        })
    }

    async fn cancel(&self, _symbol: &Symbol, id: ClientOrderId) -> CancelOutcome {
        let (answer, answered) = oneshot::channel();
        let cancel = Command::Cancel { connection: self.connection, id, answer };
        if self.commands.send(cancel).await.is_err() {
            return CancelOutcome::Unknown { evidence: "the paper venue is closed".to_owned() };
        }
        let outcome = answered.await.unwrap_or_else(|_| CancelOutcome::Unknown {
            evidence: "the paper venue stopped before it answered".to_owned(),
        });
        match outcome {
            // With all executions, in case an earlier report was dropped.
            CancelOutcome::Done(report) => {
                CancelOutcome::Done(self.stored(id).await.ok().flatten().unwrap_or(report))
            }
            other => other,
        }
    }

    async fn look_up(&self, _symbol: &Symbol, id: ClientOrderId) -> LookUp {
        // In turn behind everything sent before: an order that still waits is not "not found". And only where the account
        // could be read: while a commit's fate is open, or after another node has connected, what is not there may still come.
        if let Err(error) = self.look(|_, _| ()).await {
            return LookUp::Unavailable { evidence: error.to_string() };
        }
        match self.stored(id).await {
            Ok(Some(report)) => LookUp::Found(report),
            Ok(None) => LookUp::NotFound,
            Err(evidence) => LookUp::Unavailable { evidence },
        }
    }

    async fn positions(&self) -> Result<Vec<VenuePosition>, BrokerError> {
        self.look(Account::positions).await
    }

    async fn net_position(&self, symbol: &Symbol) -> Result<SignedQty, BrokerError> {
        let symbol = symbol.clone();
        self.look(move |account, _| account.net_qty(&symbol)).await
    }

    async fn balance(&self) -> Result<Balance, BrokerError> {
        self.look(Account::balance).await
    }

    async fn instrument(&self, symbol: &Symbol) -> Result<Instrument, BrokerError> {
        Ok(crate::instruments::resolve(symbol))
    }

    async fn search_instruments(&self, query: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
        Ok(crate::instruments::search(query, limit))
    }

    async fn price(&self, symbol: &Symbol) -> Result<Option<Quote>, BrokerError> {
        let symbol = symbol.clone();
        self.look(move |account, moment| {
            let tick = account.tick_of(&account.instrument(&symbol), moment);
            Some(Quote {
                price: tick.price,
                simulated: tick.source == PriceSource::Simulated,
                at: moment.now,
            })
        })
        .await
    }
}
