//! Streams: one WebSocket, watched for signs of life.

use std::sync::Arc;
use std::time::Duration;

use atomik_ports::broker::BrokerError;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::http::WirePolicy;

/// The longest message that is read.
const MAX_MESSAGE: usize = 16 << 20;

/// A message of the venue's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Frame {
    /// The message's bytes, whichever it is.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Why a stream is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream ended: {0}")]
pub struct StreamEnd(pub String);

impl From<StreamEnd> for BrokerError {
    fn from(end: StreamEnd) -> Self {
        Self::Unavailable(end.to_string())
    }
}

/// An open stream. Pings are answered by themselves while it is read.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    silence_timeout: Duration,
    /// After how much silence we ask for a sign of life ourselves; `None` where the venue gives one unasked.
    ping_after: Option<Duration>,
    /// When something was heard last, and when we asked last.
    heard: Instant,
    pinged: Instant,
}

impl Socket {
    /// Connects, with these headers besides the protocol's own.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] where that fails or takes too long; `Unauthorized` where the venue refuses with 401 or
    /// 403.
    pub async fn connect(
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        policy: &WirePolicy,
    ) -> Result<Self, BrokerError> {
        let tls = tls()?;
        Self::connect_with(url, headers, policy, tls).await
    }

    /// Connects and takes any certificate: for a gateway on this very machine, whose certificate nobody signed. Callers make
    /// sure that the address is a loopback one.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_loopback(
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        policy: &WirePolicy,
    ) -> Result<Self, BrokerError> {
        let mut tls = tls()?;
        tls.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(provider())));
        Self::connect_with(url, headers, policy, tls).await
    }

    async fn connect_with(
        url: &Url,
        headers: &[(HeaderName, HeaderValue)],
        policy: &WirePolicy,
        tls: ClientConfig,
    ) -> Result<Self, BrokerError> {
        let mut request = url.as_str().into_client_request().map_err(|error| unavailable(&error))?;
        request.headers_mut().extend(headers.iter().cloned());
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let connector = Some(Connector::Rustls(Arc::new(tls)));
        let connecting = connect_async_tls_with_config(request, Some(config), true, connector);
        match tokio::time::timeout(policy.connect_timeout + policy.answer_timeout, connecting).await {
            Ok(Ok((stream, _))) => {
                let (silence_timeout, now) = (policy.silence_timeout, Instant::now());
                Ok(Self { stream, silence_timeout, ping_after: None, heard: now, pinged: now })
            }
            Ok(Err(Error::Http(response))) if matches!(response.status().as_u16(), 401 | 403) => Err(
                BrokerError::Unauthorized(format!("The broker refused the stream ({}).", response.status())),
            ),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(BrokerError::Unavailable("the stream did not open in time".to_owned())),
        }
    }

    /// Pings a venue that is silent for a third of the policy's `silence_timeout`: for venues that send nothing by
    /// themselves while nothing happens.
    #[must_use]
    pub fn with_pings(mut self) -> Self {
        self.ping_after = Some(self.silence_timeout / 3);
        self
    }

    /// Sends a text.
    ///
    /// # Errors
    /// [`StreamEnd`].
    pub async fn send(&mut self, text: String) -> Result<(), StreamEnd> {
        self.stream.send(Message::text(text)).await.map_err(|error| StreamEnd(cause(&error)))
    }

    /// The next message. May be dropped while it waits, without losing one.
    ///
    /// # Errors
    /// [`StreamEnd`] where the venue closed it, it broke, or nothing was heard for the policy's `silence_timeout`.
    pub async fn next(&mut self) -> Result<Frame, StreamEnd> {
        if self.ping_after.is_none() {
            self.heard = Instant::now();
        }
        loop {
            let silent_at = self.heard + self.silence_timeout;
            let ping_at = self.ping_after.map(|pause| self.heard.max(self.pinged) + pause);
            let wake = ping_at.map_or(silent_at, |ping_at| ping_at.min(silent_at));
            let heard = tokio::time::timeout_at(wake, self.stream.next()).await;
            if heard.is_ok() {
                self.heard = Instant::now();
            }
            match heard {
                Err(_) if wake < silent_at => {
                    self.pinged = Instant::now();
                    let ping = Message::Ping(Bytes::new());
                    self.stream.send(ping).await.map_err(|error| StreamEnd(cause(&error)))?;
                }
                Err(_) => {
                    return Err(StreamEnd(format!(
                        "nothing was heard for {} s",
                        self.silence_timeout.as_secs()
                    )));
                }
                Ok(None) => return Err(StreamEnd("the broker closed it".to_owned())),
                Ok(Some(Err(error))) => return Err(StreamEnd(cause(&error))),
                Ok(Some(Ok(Message::Text(text)))) => return Ok(Frame::Text(text.to_string())),
                Ok(Some(Ok(Message::Binary(bytes)))) => return Ok(Frame::Binary(bytes)),
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let reason =
                        frame.map(|frame| frame.reason.to_string()).filter(|reason| !reason.is_empty());
                    return Err(StreamEnd(reason.unwrap_or_else(|| "the broker closed it".to_owned())));
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)))) => {}
            }
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn tls() -> Result<ClientConfig, BrokerError> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.and_then(|config| config.with_platform_verifier());
    let config = config.map_err(|error| BrokerError::Unavailable(format!("no TLS: {error}")))?;
    Ok(config.with_no_client_auth())
}

/// Takes whatever certificate a server on this machine shows; that the server holds its key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn unavailable(error: &Error) -> BrokerError {
    BrokerError::Unavailable(format!("the stream did not open: {}", cause(error)))
}

/// What went wrong, without the address: it may hold a key.
fn cause(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Tls(error) => error.to_string(),
        Error::Protocol(error) => error.to_string(),
        Error::Capacity(error) => error.to_string(),
        Error::Http(response) => format!("status {}", response.status()),
        Error::ConnectionClosed | Error::AlreadyClosed => "it is closed".to_owned(),
        _ => "it failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use futures::stream::SplitStream;
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_async;

    use super::*;

    /// Short, because silence is what is waited for.
    fn policy() -> WirePolicy {
        WirePolicy { silence_timeout: Duration::from_millis(300), ..WirePolicy::default() }
    }

    /// A venue of one connection, and our end of it.
    async fn connected() -> (WebSocketStream<TcpStream>, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
        let accept = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
        let policy = policy();
        let (venue, socket) = tokio::join!(accept, Socket::connect(&url, &[], &policy));
        (venue, socket.unwrap())
    }

    /// Answers pings until so many have come: answers leave while it is read.
    async fn answers(venue: &mut SplitStream<WebSocketStream<TcpStream>>, pings: usize) {
        let mut heard = 0;
        while heard < pings {
            heard += usize::from(venue.next().await.unwrap().unwrap().is_ping());
        }
    }

    #[tokio::test]
    async fn a_venue_that_says_nothing_is_asked_for_a_sign_of_life_and_kept() {
        let (venue, socket) = connected().await;
        let mut socket = socket.with_pings();
        let (mut say, mut hear) = venue.split();
        let venue = async {
            // More than fit into the time that silence may last.
            answers(&mut hear, 8).await;
            say.send(Message::text("at last")).await.unwrap();
        };
        let ((), heard) = tokio::join!(venue, socket.next());
        assert_eq!(heard.unwrap(), Frame::Text("at last".to_owned()));
    }

    #[tokio::test]
    async fn a_venue_that_does_not_even_answer_pings_is_gone() {
        let (_venue, socket) = connected().await;
        let end = socket.with_pings().next().await.unwrap_err();
        assert_eq!(end.0, "nothing was heard for 0 s");
    }

    #[tokio::test]
    async fn a_venue_that_should_speak_by_itself_is_not_asked() {
        let (venue, mut socket) = connected().await;
        let (_say, mut hear) = venue.split();
        let silent = async {
            answers(&mut hear, 1).await;
            panic!("it was asked");
        };
        let end = tokio::select! {
            () = silent => return,
            end = socket.next() => end.unwrap_err(),
        };
        assert!(end.0.starts_with("nothing was heard"), "{end}");
    }
}
