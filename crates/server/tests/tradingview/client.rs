//! TradingView as it behaves towards a webhook: alerts come from one of four addresses, the request is given up after three
//! seconds, and an answer that says that the server failed (5xx but 504) is followed by the same alert five seconds later, three
//! times at most. Nothing else is sent again. The body is `application/json` where the message is JSON, else `text/plain`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::common::status_of;

/// Where alerts come from.
pub const SOURCES: [&str; 4] = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
/// When a request is given up.
const CUT: Duration = Duration::from_secs(3);
/// How long after a failure the same alert is sent again.
const RESEND: Duration = Duration::from_secs(5);
/// How often an alert is sent at most.
const SENDS: usize = 4;

/// The client, with the journal of what it was told.
pub struct TradingView {
    address: SocketAddr,
    resend: Duration,
    turn: AtomicUsize,
    journal: Mutex<Vec<Fired>>,
}

/// What a send was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status.
    Status(u16),
    /// 202, as the repeat of another alert.
    Repeat,
    /// Nothing: it was given up, broke off, or nobody was there.
    Nothing,
}

/// An alert that was fired.
#[derive(Clone, Debug)]
pub struct Fired {
    /// What its message has of its own, and no other one.
    pub mark: String,
    /// What each send was answered.
    pub answers: Vec<Answer>,
}

impl TradingView {
    /// A client of a server. Its pauses between sends are so many times as long as TradingView's.
    pub fn new(address: &str, scale: f64) -> Arc<Self> {
        let (address, resend) = (address.parse().unwrap(), RESEND.mul_f64(scale));
        Arc::new(Self { address, resend, turn: AtomicUsize::new(0), journal: Mutex::default() })
    }

    /// Fires an alert, and sends it again for as long as TradingView does.
    pub async fn fire(&self, path: &str, mark: &str, message: &str) {
        assert!(message.contains(mark));
        let source = SOURCES[self.turn.fetch_add(1, Ordering::Relaxed) % SOURCES.len()];
        let mut answers = Vec::new();
        loop {
            let answer = timeout(CUT, self.send(source, path, message)).await;
            let answer = answer.ok().and_then(Result::ok).unwrap_or(Answer::Nothing);
            answers.push(answer);
            if !matches!(answer, Answer::Status(500..=503 | 505..=599)) || answers.len() == SENDS {
                break;
            }
            sleep(self.resend).await;
        }
        self.journal.lock().unwrap().push(Fired { mark: mark.to_owned(), answers });
    }

    /// One request from an address.
    pub async fn send(&self, source: &str, path: &str, message: &str) -> std::io::Result<Answer> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0))?;
        let mut stream = socket.connect(self.address).await?;
        let is_json = serde_json::from_str::<serde_json::Value>(message).is_ok();
        let kind = if is_json { "application/json; charset=utf-8" } else { "text/plain; charset=utf-8" };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
             Content-Type: {kind}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n{message}",
            self.address,
            message.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        Ok(match status_of(&answer) {
            0 => Answer::Nothing,
            202 if answer.contains("idempotent-replayed: true") => Answer::Repeat,
            status => Answer::Status(status),
        })
    }

    pub fn journal(&self) -> Vec<Fired> {
        self.journal.lock().unwrap().clone()
    }
}

impl Fired {
    pub fn is_accepted(&self) -> bool {
        self.answers.last() == Some(&Answer::Status(202))
    }
}
