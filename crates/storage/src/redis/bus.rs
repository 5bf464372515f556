//! The bus over PUBLISH and SUBSCRIBE. Listening has a connection of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atomik_ports::bus::{Bus, BusError, Heard};
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::Redis;
use super::address::Address;
use crate::ear::Ear;

/// After so long without a message the connection is tried, and may take as long to answer.
const SILENCE: Duration = Duration::from_secs(1);
/// The pause before the next attempt to listen.
const PAUSE: Duration = Duration::from_millis(250);

#[async_trait]
impl Bus for Redis {
    async fn publish(&self, message: &str) -> Result<(), BusError> {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(self.channel()).arg(message);
        let published = self
            .link
            .ask(|mut connection| Box::pin(async move { publish.query_async::<i64>(&mut connection).await }));
        published.await.map(|_| ()).map_err(BusError)
    }

    fn listen(&self) -> mpsc::Receiver<Heard> {
        let (ear, taken) = Ear::new();
        tokio::spawn(listen(self.link.address(), self.channel(), ear));
        taken
    }
}

impl Redis {
    fn channel(&self) -> String {
        format!("{}bus", self.prefix)
    }
}

async fn listen(address: Arc<Address>, channel: String, mut ear: Ear) {
    while !ear.is_closed() {
        if let Err(reason) = listen_once(&address, &channel, &mut ear).await {
            tracing::debug!(reason, "messages of other nodes cannot be heard; trying again");
        }
        sleep(PAUSE).await;
    }
}

/// Hands messages on until the connection is lost, or nobody takes them any more.
async fn listen_once(address: &Address, channel: &str, ear: &mut Ear) -> Result<(), String> {
    let (mut sink, mut messages) = address.subscribe(channel).await?.split();
    ear.missed();
    loop {
        let received = tokio::select! {
            () = ear.closed() => return Ok(()),
            received = timeout(SILENCE, messages.next()) => received,
        };
        match received {
            Ok(Some(message)) => {
                ear.message(message.get_payload().map_err(|error| error.to_string())?);
            }
            Ok(None) => return Err(address.lost()),
            Err(_) => {
                ear.tell();
                let alive = timeout(SILENCE, sink.ping::<redis::Value>()).await;
                alive.map_err(|_| address.silent(SILENCE))?.map_err(|error| address.sentence(&error))?;
            }
        }
    }
}
