//! One connection: a socket that knows what its peer is to send next, and how long that may take.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tower::Service;

use super::Bounds;

/// Puts a connection together, to be polled until it ends.
pub(super) fn connection(
    protocol: &http1::Builder,
    stream: TcpStream,
    dispatch: Dispatch,
    bounds: Bounds,
) -> http1::Connection<TokioIo<Bounded>, Dispatch> {
    let bounded = Bounded {
        stream,
        expected: dispatch.expected.clone(),
        bounds,
        reading: Patience::default(),
        writing: Patience::default(),
    };
    protocol.serve_connection(TokioIo::new(bounded), dispatch)
}

/// Something that the peer is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The next request, when it pleases.
    Nothing,
    /// The rest of a request's head.
    Head,
    /// The rest of a request's body.
    Body,
}

/// What the peer is to send next, shared by the socket, the dispatch and the body of one connection. One task polls all
/// three, so there is nothing to order between them. Each change gives it another number, so that one request's wait is
/// never taken for the next one's.
#[derive(Clone, Debug)]
struct Expected(Arc<AtomicU64>);

impl Expected {
    /// A new connection is to send a head.
    fn head() -> Self {
        let expected = Self(Arc::default());
        expected.set(Part::Head);
        expected
    }

    fn set(&self, part: Part) {
        let changes = self.number() / 4 + 1;
        let part = match part {
            Part::Nothing => 0,
            Part::Head => 1,
            Part::Body => 2,
        };
        self.0.store(changes * 4 + part, Ordering::Relaxed);
    }

    fn part(&self) -> Part {
        match self.number() % 4 {
            0 => Part::Nothing,
            1 => Part::Head,
            _ => Part::Body,
        }
    }

    fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How much longer something may be waited for. Costs no timer until it has to be waited for.
#[derive(Debug, Default)]
struct Patience {
    wait: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Patience {
    /// Whether wait number `number` has lasted longer than `limit`.
    fn is_over(&mut self, context: &mut Context<'_>, number: u64, limit: Duration) -> bool {
        if self.wait.as_ref().is_none_or(|(waited_for, _)| *waited_for != number) {
            self.wait = Some((number, Box::pin(tokio::time::sleep_until(Instant::now() + limit))));
        }
        self.wait.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(context).is_ready())
    }

    fn end(&mut self) {
        self.wait = None;
    }
}

/// A socket whose peer may not dawdle.
pub(super) struct Bounded {
    stream: TcpStream,
    expected: Expected,
    bounds: Bounds,
    reading: Patience,
    writing: Patience,
}

impl Bounded {
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.writing.end();
        } else if self.writing.is_over(context, 0, self.bounds.write_timeout) {
            return Poll::Ready(Err(too_slow()));
        }
        polled
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer was too slow")
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if polled.is_ready() {
            if buffer.filled().len() > before && this.expected.part() == Part::Nothing {
                this.expected.set(Part::Head);
            }
            return polled;
        }
        let limit = match this.expected.part() {
            Part::Nothing => {
                this.reading.end();
                return polled;
            }
            Part::Head => this.bounds.head_timeout,
            Part::Body => this.bounds.body_timeout,
        };
        if this.reading.is_over(context, this.expected.number(), limit) {
            return Poll::Ready(Err(too_slow()));
        }
        polled
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Hands requests to the router, with the peer's address.
pub(super) struct Dispatch {
    app: Router,
    peer: SocketAddr,
    expected: Expected,
    /// Whether each answer is to be its connection's last.
    last_answers: Arc<AtomicBool>,
}

impl Dispatch {
    /// For a new connection from `peer`.
    pub fn new(app: Router, peer: SocketAddr, last_answers: Arc<AtomicBool>) -> Self {
        Self { app, peer, expected: Expected::head(), last_answers }
    }
}

impl hyper::service::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (mut parts, incoming) = request.into_parts();
        parts.extensions.insert(ConnectInfo(self.peer));
        let body = if incoming.is_end_stream() {
            self.expected.set(Part::Nothing);
            Body::empty()
        } else {
            self.expected.set(Part::Body);
            Body::new(WatchedBody { incoming, expected: self.expected.clone() })
        };
        Answering {
            answer: self.app.clone().call(Request::from_parts(parts, body)),
            last_answers: Arc::clone(&self.last_answers),
        }
    }
}

/// An answer on its way. The one that is its connection's last says so, and the connection is closed after it.
pub(super) struct Answering {
    answer: <Router as Service<Request<Body>>>::Future,
    last_answers: Arc<AtomicBool>,
}

impl Future for Answering {
    type Output = Result<Response<Body>, std::convert::Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = Pin::new(&mut self.answer).poll(context);
        polled.map_ok(|mut answer| {
            if self.last_answers.load(Ordering::Relaxed) {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        })
    }
}

/// A body that notes when all of it has arrived.
struct WatchedBody {
    incoming: Incoming,
    expected: Expected,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.incoming).poll_frame(context);
        let ended = matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream();
        if ended && self.expected.part() == Part::Body {
            self.expected.set(Part::Nothing);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
