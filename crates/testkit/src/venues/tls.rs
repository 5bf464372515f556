//! TLS in front of a fake venue, with a certificate that nobody signed: how a gateway on one's own machine shows itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Takes TLS connections and hands on what is in them. Ends when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl TlsFront {
    /// Starts on a free port of 127.0.0.1, before a server of this machine.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (stop, mut stopped) = watch::channel(false);
        let acceptor = TlsAcceptor::from(Arc::new(self_signed()));
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = stopped.wait_for(|stop| *stop) => return,
                };
                let Ok((connection, _)) = accepted else { continue };
                tokio::spawn(hand_on(connection, acceptor.clone(), server, stopped.clone()));
            }
        });
        Self { address, stop }
    }

    /// Its address: `https://127.0.0.1:1234`.
    #[must_use]
    pub fn https(&self) -> String {
        format!("https://{}", self.address)
    }
}

fn self_signed() -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a certificate that fits its key")
}

async fn hand_on(
    connection: TcpStream,
    acceptor: TlsAcceptor,
    server: SocketAddr,
    mut stopped: watch::Receiver<bool>,
) {
    let handed_on = async {
        // A client that does not like the certificate goes away again.
        let Ok(mut client) = acceptor.accept(connection).await else { return };
        let Ok(mut server) = TcpStream::connect(server).await else { return };
        let _ = copy_bidirectional(&mut client, &mut server).await;
    };
    tokio::select! {
        () = handed_on => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}
