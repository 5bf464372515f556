//! A TCP proxy that cuts a connection at a moment that a test chooses: when the client sends a certain text.

#![allow(clippy::unwrap_used)] // for tests only, where what cannot be should stop the test

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the bytes with the text, and of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both sides are closed, and the bytes are lost.
    Before,
    /// The bytes are passed on, and the client's side is closed before any answer.
    After,
    /// The client's side is closed; the bytes are passed on so much later, as if they had been under way.
    Late(Duration),
}

type Armed = (Vec<u8>, Cut);

/// The proxy. It ends with the test's runtime.
#[derive(Clone, Debug)]
pub struct CuttingProxy {
    address: SocketAddr,
    /// What the next cut is made at.
    armed: Arc<Mutex<Option<Armed>>>,
}

impl CuttingProxy {
    /// Passes everything on to an address: `127.0.0.1:5432`.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn to(target: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, armed: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                tokio::spawn(accepting.clone().relay(client, server));
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts the next connection whose client sends a text, once.
    pub fn cut_at(&self, text: &str, cut: Cut) {
        *self.armed.lock().unwrap() = Some((text.as_bytes().to_vec(), cut));
    }

    /// Whether the cut has been made.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.armed.lock().unwrap().is_none()
    }

    fn cut_for(&self, bytes: &[u8]) -> Option<Cut> {
        let mut armed = self.armed.lock().unwrap();
        let (text, cut) = armed.as_ref()?;
        if !bytes.windows(text.len()).any(|part| part == text) {
            return None;
        }
        let cut = *cut;
        *armed = None;
        Some(cut)
    }

    async fn relay(self, mut client: TcpStream, mut server: TcpStream) {
        let (mut from_client, mut from_server) = (vec![0; 64 * 1_024], vec![0; 64 * 1_024]);
        loop {
            tokio::select! {
                read = client.read(&mut from_client) => {
                    let Ok(count @ 1..) = read else { return };
                    let bytes = &from_client[..count];
                    let cut = self.cut_for(bytes);
                    match cut {
                        Some(Cut::Before) => return,
                        Some(Cut::Late(pause)) => {
                            drop(client);
                            tokio::time::sleep(pause).await;
                        }
                        Some(Cut::After) => drop(client),
                        None => {
                            if server.write_all(bytes).await.is_err() {
                                return;
                            }
                            continue;
                        }
                    }
                    // The server answers into the void, and only then its side is closed.
                    let _ = server.write_all(bytes).await;
                    let _ = server.read(&mut from_server).await;
                    return;
                }
                read = server.read(&mut from_server) => {
                    let Ok(count @ 1..) = read else { return };
                    if client.write_all(&from_server[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
