//! A TCP proxy for a network that misbehaves: late, slow, one way only, or not there. It concerns the connections that are
//! open and those that are made.

#![allow(clippy::unwrap_used)] // for tests only, where what cannot be should stop the test

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// As it should be.
    #[default]
    Open,
    /// Everything comes so much later.
    Delayed(Duration),
    /// A few bytes at a time, with a pause after each few.
    Dripping(usize, Duration),
    /// Nothing comes through, and nobody is told. What was on its way comes when the network is another again.
    Blackhole,
    /// What the server says ends; what clients say comes through.
    HalfClosed,
    /// Connections are reset, those that are open and those that are made.
    Reset,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// The proxy. It ends with the test's runtime.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
}

impl FaultProxy {
    /// Passes everything on to an address: `127.0.0.1:5432`.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn to(target: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let network = watch::Sender::new(Network::Open);
        let watched = network.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target.clone(), watched.clone()));
            }
        });
        Ok(Self { address, network })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The network is like this from now on.
    pub fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

async fn relay(client: TcpStream, target: String, network: watch::Receiver<Network>) {
    if *network.borrow() == Network::Reset {
        return reset(client.into_split().1);
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut there = tokio::spawn(pass(from_client, to_server, Way::ToServer, network.clone()));
    let mut back = tokio::spawn(pass(from_server, to_client, Way::ToClient, network));
    // A reset ends both ways; an orderly end of one leaves the other.
    tokio::select! {
        ended = &mut there => if ended.is_ok_and(|went_well| went_well) { let _ = back.await; } else { back.abort(); },
        ended = &mut back => if ended.is_ok_and(|went_well| went_well) { let _ = there.await; } else { there.abort(); },
    }
}

/// Has the stream closed by a reset, without an orderly end before it.
fn reset(stream: OwnedWriteHalf) {
    let _ = stream.as_ref().set_zero_linger();
    stream.forget();
}

/// Passes bytes on one way until they end. `false`: the connection is reset.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut network: watch::Receiver<Network>,
) -> bool {
    let mut bytes = vec![0; 16 * 1_024];
    loop {
        let now = *network.borrow_and_update();
        match now {
            Network::Blackhole => {
                if network.changed().await.is_err() {
                    return true;
                }
                continue;
            }
            Network::Reset => {
                reset(to);
                return false;
            }
            Network::HalfClosed if way == Way::ToClient => {
                let _ = to.shutdown().await;
                return true;
            }
            Network::Open | Network::Delayed(_) | Network::Dripping(..) | Network::HalfClosed => {}
        }
        let read = tokio::select! {
            changed = network.changed() => if changed.is_err() { return true } else { continue },
            read = from.read(&mut bytes) => read,
        };
        match read {
            Ok(0) => {
                let _ = to.shutdown().await;
                return true;
            }
            Ok(count) => {
                if !write(&mut to, &bytes[..count], &mut network).await {
                    reset(to);
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
}

/// Writes as the network is while it writes. `false`: the connection is gone.
async fn write(to: &mut OwnedWriteHalf, mut bytes: &[u8], network: &mut watch::Receiver<Network>) -> bool {
    while !bytes.is_empty() {
        let now = *network.borrow_and_update();
        let (some, pause) = match now {
            Network::Open | Network::HalfClosed => (bytes.len(), Duration::ZERO),
            Network::Delayed(pause) => (bytes.len(), pause),
            Network::Dripping(some, pause) => (some.clamp(1, bytes.len()), pause),
            Network::Blackhole => {
                if network.changed().await.is_err() {
                    return false;
                }
                continue;
            }
            Network::Reset => return false,
        };
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = network.changed() => continue,
            }
        }
        if to.write_all(&bytes[..some]).await.is_err() {
            return false;
        }
        bytes = &bytes[some..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says back what it is told, through a proxy.
    async fn echoing() -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut from, mut to) = stream.into_split();
                tokio::spawn(async move { tokio::io::copy(&mut from, &mut to).await });
            }
        });
        FaultProxy::to(address).await.unwrap()
    }

    async fn said_back(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await.map(|_| back)
    }

    #[tokio::test]
    async fn a_network_is_what_it_is_told_to_be() {
        let proxy = echoing().await;
        let connect = || TcpStream::connect(proxy.address());
        let mut stream = connect().await.unwrap();
        assert_eq!(said_back(&mut stream, b"open").await.unwrap(), b"open");
        for network in
            [Network::Delayed(Duration::from_millis(1)), Network::Dripping(2, Duration::from_millis(1))]
        {
            proxy.set(network);
            assert_eq!(said_back(&mut stream, b"slow").await.unwrap(), b"slow");
        }
        proxy.set(Network::Blackhole);
        stream.write_all(b"later").await.unwrap();
        let mut back = [0; 5];
        let nothing = tokio::time::timeout(Duration::from_millis(50), stream.read_exact(&mut back)).await;
        assert!(nothing.is_err(), "nothing comes through");
        proxy.set(Network::Open);
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"later");
        proxy.set(Network::HalfClosed);
        assert_eq!(stream.read(&mut back).await.unwrap(), 0, "the server's end is closed");
        stream.write_all(b"unheard").await.unwrap();
        proxy.set(Network::Open);
        let mut stream = connect().await.unwrap();
        assert_eq!(said_back(&mut stream, b"new").await.unwrap(), b"new");
        proxy.set(Network::Reset);
        assert!(stream.read(&mut back).await.is_err(), "reset, not closed");
        let mut refused = connect().await.unwrap();
        assert!(said_back(&mut refused, b"no").await.is_err());
    }
}
