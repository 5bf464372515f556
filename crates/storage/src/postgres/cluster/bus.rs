//! The bus over LISTEN and NOTIFY. Notifying has a transaction of its own, for those that notify commit one after the other.

use std::time::Duration;

use async_trait::async_trait;
use atomik_ports::bus::{Bus, BusError, Heard};
use sqlx::Executor;
use sqlx::postgres::{PgConnection, PgListener};
use tokio::sync::{Mutex, mpsc};

use crate::ear::Ear;
use crate::postgres::PostgresStore;
use crate::postgres::connect::Connector;
use crate::postgres::faults::{sentence, too_late};

const CHANNEL: &str = "atomik";
/// How long a message may take to be sent.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);
/// After so long without a message the connection is tried.
const SILENCE: Duration = Duration::from_secs(5);
/// The pause before the next attempt to listen.
const PAUSE: Duration = Duration::from_millis(250);

/// Messages between the nodes of a database.
#[derive(Debug)]
pub struct PostgresBus {
    connector: Connector,
    sender: Mutex<Option<PgConnection>>,
}

impl PostgresStore {
    /// The bus of the store's database.
    #[must_use]
    pub fn bus(&self) -> PostgresBus {
        PostgresBus { connector: self.connector.clone(), sender: Mutex::default() }
    }
}

#[async_trait]
impl Bus for PostgresBus {
    async fn publish(&self, message: &str) -> Result<(), BusError> {
        let mut sender = self.sender.lock().await;
        // Taken out: a connection on which something went wrong, or that was left halfway, is not used again.
        let connection = sender.take();
        let publishing = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => connect(&self.connector).await?,
            };
            let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(message);
            notify.execute(&mut connection).await?;
            Ok(connection)
        };
        let published = tokio::time::timeout(PUBLISH_TIMEOUT, publishing).await;
        *sender = Some(published.unwrap_or_else(|_| Err(too_late())).map_err(|error| failed(&error))?);
        Ok(())
    }

    fn listen(&self) -> mpsc::Receiver<Heard> {
        let (ear, taken) = Ear::new();
        tokio::spawn(listen(self.connector.clone(), ear));
        taken
    }
}

fn failed(error: &sqlx::Error) -> BusError {
    BusError(sentence(error).into_owned())
}

/// Nothing that is notified needs to be on the disk.
async fn connect(connector: &Connector) -> Result<PgConnection, sqlx::Error> {
    let mut connection = connector.connect().await?;
    connection.execute("SET synchronous_commit = off").await?;
    Ok(connection)
}

async fn listen(connector: Connector, mut ear: Ear) {
    let pool = connector.pool(1);
    while !ear.is_closed() {
        if let Err(error) = listen_once(&pool, &mut ear).await {
            tracing::warn!(reason = %sentence(&error), "messages of other nodes cannot be heard; trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
    pool.close().await;
}

/// Hands messages on until the connection is lost, or nobody takes them any more.
async fn listen_once(pool: &sqlx::PgPool, ear: &mut Ear) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    ear.missed();
    loop {
        let received = tokio::select! {
            () = ear.closed() => return Ok(()),
            received = tokio::time::timeout(SILENCE, listener.try_recv()) => received,
        };
        match received {
            Ok(Ok(Some(message))) => ear.message(message.payload().to_owned()),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                ear.tell();
                let alive = tokio::time::timeout(PUBLISH_TIMEOUT, listener.execute("SELECT 1")).await;
                alive.unwrap_or_else(|_| Err(too_late()))?;
            }
        }
    }
}
