//! The load generator: prebuilt requests over raw keep-alive connections, one in flight on each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How many connections send at once.
pub const CONNECTIONS: usize = 64;
/// No run takes longer.
const LONGEST_RUN: Duration = Duration::from_secs(120);
/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// When requests leave.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request as soon as it has its answer.
    AsFastAsPossible,
    /// One request every so often over all connections, whether or not earlier ones were answered.
    Every(Duration),
}

/// What a run measured.
#[derive(Debug)]
pub struct Run {
    /// Requests answered.
    pub requests: usize,
    /// From the first byte sent to the last byte read.
    pub took: Duration,
    /// From a request's first byte to its answer's last, in microseconds.
    pub latency_us: Histogram<u64>,
}

impl Run {
    /// Requests answered a second.
    pub fn throughput(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }
}

/// Builds the bytes of one delivery.
pub fn request(token: &str, secret: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/webhooks/{token}?secret={secret} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends every request once, in order of their places, to these ports in turns, and checks that each is answered 202.
pub async fn send_all(ports: &[u16], requests: Arc<Vec<Vec<u8>>>, pace: Pace) -> Result<Run> {
    send_all_over(CONNECTIONS, ports, requests, pace).await
}

/// The same, over so many connections.
pub async fn send_all_over(
    count: usize,
    ports: &[u16],
    requests: Arc<Vec<Vec<u8>>>,
    pace: Pace,
) -> Result<Run> {
    let mut connections = Vec::with_capacity(count);
    for port in ports.iter().cycle().take(count) {
        connections.push(Connection::open(*port).await?);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(send_some(connection, Arc::clone(&requests), Arc::clone(&next), pace, start));
    }
    let mut latency_us = new_histogram()?;
    let all = async {
        while let Some(sender) = senders.join_next().await {
            latency_us.add(sender??).context("histograms differ")?;
        }
        anyhow::Ok(())
    };
    let in_time = tokio::time::timeout(LONGEST_RUN, all).await;
    in_time.with_context(|| format!("the run took longer than {LONGEST_RUN:?}"))??;
    Ok(Run { requests: requests.len(), took: start.elapsed(), latency_us })
}

/// A histogram of microseconds up to a minute, to three digits.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).context("bounds of the histogram")
}

async fn send_some(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
    pace: Pace,
    start: Instant,
) -> Result<Histogram<u64>> {
    let mut latency_us = new_histogram()?;
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(place) else { return Ok(latency_us) };
        if let Pace::Every(gap) = pace {
            let due = start + gap * u32::try_from(place)?;
            tokio::time::sleep_until(due.into()).await;
        }
        let sent_at = Instant::now();
        let status = connection.exchange(request).await?;
        ensure!(status == 202, "request {place} was answered {status}: {}", connection.answer());
        latency_us.saturating_record(u64::try_from(sent_at.elapsed().as_micros())?);
    }
}

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(port: u16) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream =
            TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(4_096) })
    }

    /// Sends a request and reads its whole answer; gives its status.
    async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await.context("cannot send")?;
        self.read.clear();
        loop {
            let count = self.stream.read_buf(&mut self.read).await.context("cannot read")?;
            ensure!(count > 0, "the server closed the connection after: {}", self.answer());
            if let Some(status) = complete(&self.read)? {
                return Ok(status);
            }
            ensure!(self.read.len() <= LARGEST_ANSWER, "the answer is too long");
        }
    }

    /// Asks for a page, with an API key where one is given; gives the answer's status and body.
    pub async fn get(&mut self, path: &str, key: Option<&str>) -> Result<(u16, String)> {
        let authorization = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n");
        let status = self.exchange(request.as_bytes()).await?;
        let answer = self.answer();
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
        Ok((status, body.to_owned()))
    }

    /// Posts JSON with an API key; gives the JSON of the answer, which must be a success.
    pub async fn post(&mut self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = self.exchange(request.as_bytes()).await?;
        let answer = self.answer();
        ensure!((200..300).contains(&status), "{path} was answered: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer without a head")?;
        serde_json::from_str(body).context("an answer that is not JSON")
    }

    fn answer(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

/// The status of an answer that is complete; `None` while some of it is missing.
fn complete(read: &[u8]) -> Result<Option<u16>> {
    let Some(head_end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..head_end]).context("the answer's head is not text")?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line.split(' ').nth(1).unwrap_or_default();
    let status = status.parse().with_context(|| format!("unreadable status line: {status_line}"))?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let Some((_, length)) = length else { bail!("the answer has no Content-Length: {head}") };
    let length: usize = length.trim().parse().context("unreadable Content-Length")?;
    Ok((read.len() >= head_end + 4 + length).then_some(status))
}
