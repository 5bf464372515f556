//! Serving connections, with bounds on their number, their time and their size.
//!
//! A loop of our own instead of a framework's, because the bounds are the point: a head of 8 KiB in 5 seconds, idle
//! connections closed after 75, so many connections and no more, and a stop that ends in time whatever clients do.

mod connection;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The largest head of a request, in bytes, and the most headers in it; above either: 431.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
const MAX_HEADERS: usize = 100;
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
    /// How long a stop waits for requests that are being answered.
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
            drain_timeout: Duration::from_secs(4),
        }
    }
}

/// Serves `app` until `stop` resolves: then no connection is accepted any more, idle ones are closed, and requests that
/// are being answered get [`Bounds::drain_timeout`] to end. Returns when all have ended or the time is up.
///
/// Every request carries the address of its peer as `ConnectInfo<SocketAddr>`.
pub async fn serve(listener: TcpListener, app: Router, bounds: Bounds, stop: impl Future<Output = ()>) {
    let protocol = Arc::new(protocol(bounds));
    let slots = Arc::new(Semaphore::new(bounds.max_connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener) => accepted,
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::warn!(max = bounds.max_connections, "connection refused: too many are open");
            continue;
        };
        // Answers are small and complete: waiting for more to send only delays them. Failure costs a little time.
        let _ = stream.set_nodelay(true);
        let connection = connection::connection(&protocol, stream, peer, app.clone(), bounds);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A peer that breaks off or sends no HTTP is its own problem.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    let open = graceful.count();
    if tokio::time::timeout(bounds.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(open, "stopped before every request was answered");
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
