//! Serving connections, with bounds on their number, their time and their size.
//!
//! A loop of our own instead of a framework's, because the bounds are the point: a head of 8 KiB in 5 seconds, idle
//! connections closed after 75, so many connections and no more, and a stop that ends in time whatever clients do.

mod connection;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use connection::Dispatch;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The largest head of a request, in bytes, and the most headers in it; above either: 431.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;
/// The most connections that are taken at the end: more than the system lets wait, as a rule.
const MAX_WAITING: usize = 4_096;
/// How long accepting pauses when the machine has no more connections to give.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many connections may be open; one more is closed at once.
    pub max_connections: usize,
    /// How long a request's head may take from its first byte (on a new connection: from its start).
    pub head_timeout: Duration,
    /// How long a request's body may take after its head. Routes may ask for less.
    pub body_timeout: Duration,
    /// How long a peer may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// For how long after a stop was asked for connections are still accepted, so that a balancer that asks for readiness
    /// notices and sends nobody here any more.
    pub notice: Duration,
    /// For how long after that an idle connection may still bring a request, which may be under way already.
    pub linger: Duration,
    /// How long a stop then waits for requests that are being answered.
    pub drain_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(75),
            notice: Duration::ZERO,
            linger: Duration::from_millis(500),
            drain_timeout: Duration::from_secs(4),
        }
    }
}

/// Serves `app` until `stop` resolves, and then, within the bounds of a stop, until everything that was accepted is answered.
///
/// From the stop on every answer is its connection's last, and says so. Connections are accepted for [`Bounds::notice`] more,
/// and those that the system has accepted by then are taken as well: closing the listener would reset them. A listener that
/// other processes have too stays open, and what comes next is theirs. Connections that stay idle are closed after
/// [`Bounds::linger`], and requests get [`Bounds::drain_timeout`] to end. Returns when all have ended or the time is up.
///
/// Every request carries the address of its peer as `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: impl Future<Output = ()>) {
    let connections = Connections::new(app, bounds);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            (stream, peer) = accept(&listener) => connections.begin(stream, peer),
        }
    }
    connections.last_answers.store(true, Ordering::Relaxed);
    if !bounds.notice.is_zero() {
        let accepting = async {
            loop {
                let (stream, peer) = accept(&listener).await;
                connections.begin(stream, peer);
            }
        };
        // Never ends by itself.
        let _ = tokio::time::timeout(bounds.notice, accepting).await;
    }
    connections.take_waiting(listener);
    connections.end().await;
}

/// The open connections of a listener.
struct Connections {
    app: Router,
    bounds: Bounds,
    protocol: Arc<hyper::server::conn::http1::Builder>,
    slots: Arc<Semaphore>,
    graceful: GracefulShutdown,
    /// Whether each answer is to be its connection's last.
    last_answers: Arc<AtomicBool>,
}

impl Connections {
    fn new(app: Router, bounds: Bounds) -> Self {
        Self {
            app,
            bounds,
            protocol: Arc::new(protocol(bounds)),
            slots: Arc::new(Semaphore::new(bounds.max_connections)),
            graceful: GracefulShutdown::new(),
            last_answers: Arc::default(),
        }
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            tracing::warn!(max = self.bounds.max_connections, "connection refused: too many are open");
            return;
        };
        // Answers are small and complete: waiting for more to send only delays them. Failure costs a little time.
        let _ = stream.set_nodelay(true);
        let dispatch = Dispatch::new(self.app.clone(), peer, Arc::clone(&self.last_answers));
        let connection = connection::connection(&self.protocol, stream, dispatch, self.bounds);
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            // A peer that breaks off or sends no HTTP is its own problem.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(slot);
        });
    }

    /// Takes the connections that wait to be accepted, and closes the listener.
    fn take_waiting(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..MAX_WAITING {
            // It does not block: where nobody waits that is an error.
            let Ok((stream, peer)) = listener.accept() else { return };
            let taken = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = taken {
                self.begin(stream, peer);
            }
        }
    }

    async fn end(self) {
        let all = u32::try_from(self.bounds.max_connections).unwrap_or(u32::MAX);
        // Each connection holds one.
        let _ = tokio::time::timeout(self.bounds.linger, self.slots.acquire_many(all)).await;
        let open = self.graceful.count();
        if tokio::time::timeout(self.bounds.drain_timeout, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(open, "stopped before every request was answered");
        }
    }
}

fn protocol(bounds: Bounds) -> hyper::server::conn::http1::Builder {
    let mut protocol = hyper::server::conn::http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        // hyper counts this from the end of the last answer, so it bounds idleness; heads have a bound of their own.
        .header_read_timeout(bounds.idle_timeout)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .max_buf_size(4 * MAX_HEAD_BYTES)
        .keep_alive(true)
        .half_close(false);
    protocol
}

/// The next connection. Errors are of one connection that broke off, or of a machine that is out of descriptors: both
/// pass, so accepting goes on after a moment.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}
