//! The HTTP and WebSocket side of a fake venue, on a loopback port.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use atomik_domain::UnixMicros;
use atomik_ports::{Clock, SystemClock};
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use super::spec::Spec;

/// Put into an answer's extensions: the connection is closed, and nobody gets the answer.
#[derive(Clone, Copy, Debug)]
pub struct HangUp;

/// An answer that never arrives: the connection breaks instead.
#[must_use]
pub fn hang_up() -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(HangUp);
    response
}

/// No answer, for as long as anybody waits for one.
pub async fn never() -> Response {
    std::future::pending().await
}

/// A request that came, as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST`.
    pub method: String,
    /// The path and the query.
    pub path_and_query: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// When all of it was there.
    pub at: UnixMicros,
}

/// A venue's server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Shared {
    spec: Option<Spec>,
    received: Mutex<Vec<Received>>,
    hangs: AtomicBool,
    violations: Mutex<Vec<String>>,
}

impl Server {
    /// Serves `router` on a free port of 127.0.0.1. With a `spec`, every request and every answer in JSON is held against
    /// it; what it finds is kept for [`Self::violations`].
    pub async fn start(router: Router, spec: Option<Spec>) -> Self {
        Self::start_on(0, router, spec).await
    }

    /// Serves on this port.
    pub async fn start_on(port: u16, router: Router, spec: Option<Spec>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { spec, ..Shared::default() });
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(accept(listener, router, Arc::clone(&shared), stopped));
        Self { address, shared, stop }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for requests.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address for streams.
    #[must_use]
    pub fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Every request so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers nothing any more, to anybody.
    pub fn hang(&self) {
        self.shared.hangs.store(true, Ordering::SeqCst);
    }

    /// What did not keep to the specification so far: of the client's requests and of this server's own answers.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Panics where anything did not keep to the specification, unless a test is failing already.
    pub fn assert_clean(&self) {
        let violations = self.violations();
        assert!(
            std::thread::panicking() || violations.is_empty(),
            "against the venue's specification:\n{}",
            violations.join("\n")
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        let Ok((connection, _)) = accepted else { continue };
        let _ = connection.set_nodelay(true);
        tokio::spawn(connected(connection, router.clone(), Arc::clone(&shared), stopped.clone()));
    }
}

async fn connected(
    connection: TcpStream,
    router: Router,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let service =
        service_fn(move |request: Request<Incoming>| answer(request, router.clone(), Arc::clone(&shared)));
    let mut http = hyper::server::conn::http1::Builder::new();
    let served =
        http.timer(TokioTimer::new()).serve_connection(TokioIo::new(connection), service).with_upgrades();
    tokio::select! {
        // An error is a hang-up, ours or theirs.
        _ = served => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

/// A connection that is to break.
#[derive(Debug, thiserror::Error)]
#[error("hung up")]
struct HungUp;

async fn answer(
    request: Request<Incoming>,
    router: Router,
    shared: Arc<Shared>,
) -> Result<hyper::Response<Body>, HungUp> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let received = Received {
        method: parts.method.to_string(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.iter().map(header).collect(),
        body: body.clone(),
        at: SystemClock.now(),
    };
    shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(received.clone());
    if shared.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let upgrades = parts.headers.contains_key(hyper::header::UPGRADE);
    let request = Request::from_parts(parts, Body::from(body));
    let response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<HangUp>().is_some() {
        return Err(HungUp);
    }
    let Some(spec) = shared.spec.as_ref().filter(|_| !upgrades) else { return Ok(response) };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| HungUp)?.to_bytes();
    let mut found = spec.check_request(&received);
    if parts.status.is_success() {
        found.extend(spec.check_answer(&received, parts.status.as_u16(), &body));
    }
    shared.violations.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    Ok(hyper::Response::from_parts(parts, Body::from(body)))
}
