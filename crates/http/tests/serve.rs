//! The accept loop against raw sockets: bounds on heads, bodies, idleness, connections, and the end.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use atomik_http::client_ip;
use atomik_http::serve::{Bounds, MAX_HEAD_BYTES, serve};
use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// However slow the machine: longer than any of these tests takes.
const PATIENCE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(100);

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    /// A request to `/held` has begun.
    begun: Arc<Notify>,
    /// Lets it end.
    release: Arc<Notify>,
}

async fn start(bounds: Bounds) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = {
        let (begun, release) = (Arc::clone(&begun), Arc::clone(&release));
        async move || {
            begun.notify_one();
            release.notified().await;
            "released"
        }
    };
    let app = Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/peer", get(async |request: Request| client_ip::peer(request.extensions()).to_string()))
        .route("/held", get(held));
    let ended = tokio::spawn(serve(listener, app, bounds, async {
        let _ = stopped.await;
    }));
    Server { address, stop, ended, begun, release }
}

/// Bounds that no test runs into by itself.
fn patient() -> Bounds {
    Bounds {
        max_connections: 100,
        head_timeout: PATIENCE,
        body_timeout: PATIENCE,
        write_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        notice: Duration::ZERO,
        linger: Duration::ZERO,
        drain_timeout: PATIENCE,
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the server closes. A reset counts as the end.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server keeps the connection open");
    String::from_utf8(answer).unwrap()
}

/// One answer with a body that ends in `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(end.as_bytes()) {
            answer.push(stream.read_u8().await.expect("the server closed the connection"));
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("no answer came");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection_and_may_be_pipelined() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200"));
    let two = "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\none\
               GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(two.as_bytes()).await.unwrap();
    let answers = read_to_end(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    assert!(answers.contains("one") && answers.ends_with("hello"), "{answers}");
}

#[tokio::test]
async fn the_peers_address_reaches_the_handler() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn a_head_above_8_kib_is_431() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(MAX_HEAD_BYTES));
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_head_below_8_kib_is_fine() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    let long = "x".repeat(MAX_HEAD_BYTES - 100);
    let head = format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {long}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn more_than_100_headers_are_431() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    let headers: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    stream.write_all(format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn what_is_no_http_is_400() {
    let server = start(patient()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"\x16\x03\x01 hello\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let server = start(Bounds { head_timeout: SHORT, ..patient() }).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
    assert_eq!(read_to_end(&mut silent).await, "");
    assert_eq!(read_to_end(&mut slow).await, "");
}

#[tokio::test]
async fn a_later_head_that_does_not_end_is_cut_off_too() {
    let server = start(Bounds { head_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut stream, "hello").await;
    stream.write_all(b"GET / HT").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_body_that_does_not_end_is_cut_off() {
    let server = start(Bounds { body_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = start(Bounds { idle_timeout: SHORT, ..patient() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn a_request_that_is_being_answered_is_not_cut_off() {
    let bounds = Bounds { head_timeout: SHORT, body_timeout: SHORT, idle_timeout: SHORT, ..patient() };
    let server = start(bounds).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /held HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    // Other connections being cut off shows that the bounds have passed for this one too.
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
    server.release.notify_one();
    assert!(read_to_end(&mut stream).await.ends_with("released"));
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_free_slot_is_used_again() {
    let server = start(Bounds { max_connections: 1, ..patient() }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut first, "hello").await;
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
    drop(first);
    let again = async {
        loop {
            let mut stream = server.connect().await;
            let request = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(request).await;
            if read_to_end(&mut stream).await.ends_with("hello") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the slot is not given back");
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_closes_what_is_idle() {
    let server = start(patient()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    read_until(&mut idle, "hello").await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    server.stop.send(()).unwrap();
    assert_eq!(read_to_end(&mut idle).await, "");
    server.release.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("released"));
    tokio::time::timeout(PATIENCE, server.ended).await.expect("it does not end").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn an_idle_connection_may_bring_one_more_request_and_hears_that_it_was_the_last() {
    let server = start(Bounds { linger: PATIENCE, ..patient() }).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(!read_until(&mut idle, "hello").await.contains("connection: close"));
    server.stop.send(()).unwrap();
    // Nobody is accepted any more, so the stop has begun.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = read_to_end(&mut idle).await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    tokio::time::timeout(PATIENCE, server.ended).await.expect("it waits for nobody").unwrap();
}

#[tokio::test]
async fn connections_that_wait_to_be_accepted_at_a_stop_are_answered() {
    // The stop comes first: whoever is served was waiting.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        waiting.push(stream);
    }
    let app = Router::new().route("/", get(async || "hello"));
    let ended = tokio::spawn(serve(listener, app, patient(), async {}));
    for mut stream in waiting {
        assert!(read_to_end(&mut stream).await.ends_with("hello"));
    }
    tokio::time::timeout(PATIENCE, ended).await.expect("it does not end").unwrap();
}

#[tokio::test]
async fn connections_are_accepted_until_the_notice_is_over() {
    let server = start(Bounds { notice: PATIENCE, ..patient() }).await;
    server.stop.send(()).unwrap();
    let last = async {
        loop {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            if read_until(&mut stream, "hello").await.contains("connection: close") {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, last).await.expect("no answer says that it is the last");
    assert!(!server.ended.is_finished());
    server.ended.abort();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let server = start(Bounds { drain_timeout: SHORT, ..patient() }).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /held HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    server.begun.notified().await;
    server.stop.send(()).unwrap();
    tokio::time::timeout(PATIENCE, server.ended).await.expect("it does not end").unwrap();
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dropped = Arc::new(Notify::new());
    struct Tell(Arc<Notify>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let endless = {
        let dropped = Arc::clone(&dropped);
        async move || {
            let tell = Tell(Arc::clone(&dropped));
            let pieces = futures::stream::repeat_with(move || {
                let _held_until_the_answer_is_dropped = &tell;
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536]))
            });
            axum::body::Body::from_stream(pieces)
        }
    };
    let app = Router::new().route("/endless", get(endless));
    let bounds = Bounds { write_timeout: SHORT, ..patient() };
    tokio::spawn(serve(listener, app, bounds, pending()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::timeout(PATIENCE, dropped.notified()).await.expect("the answer is never given up");
}
