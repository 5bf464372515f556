//! The load generator: prebuilt requests over raw keep-alive connections.
//!
//! Two models. Closed: so many connections, one request in flight on each, which says what a server carries. Open: requests leave
//! on a schedule, whether or not earlier ones were answered, and each latency counts from the moment at which its request was
//! meant to leave. Whatever makes a request late, the server's slowness or ours, is in its latency (no coordinated omission).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::report::{QUANTILES, quantiles};

/// How many connections send at once, and how many are open before a schedule begins.
pub const CONNECTIONS: usize = 64;
/// The most connections that a schedule opens: with that many requests in flight the server is not slow, but stuck.
const MOST_CONNECTIONS: usize = 9_900;
/// No run as fast as possible takes longer, and nothing on a schedule so long after its end.
const LONGEST_RUN: Duration = Duration::from_secs(120);
/// The first request of a schedule is this far ahead, so that the thread that sends it runs by then.
const LEAD: Duration = Duration::from_millis(20);

/// When requests leave.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends its next request as soon as it has its answer.
    AsFastAsPossible,
    /// One request every so often, whether or not earlier ones were answered.
    Every(Duration),
}

impl Pace {
    /// So many requests a second.
    pub fn per_second(rate: u32) -> Self {
        Self::Every(Duration::from_secs(1) / rate)
    }
}

/// What a run measured.
#[derive(Debug)]
pub struct Run {
    /// Requests answered.
    pub requests: usize,
    /// From the first byte sent to the last byte read.
    pub took: Duration,
    /// To a request's answer's last byte, in microseconds: from its first byte, or from the moment it was meant to leave.
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

/// The same, over so many connections; a schedule begins with them, and opens more where all are busy.
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
    match pace {
        Pace::AsFastAsPossible => send_fast(connections, requests).await,
        Pace::Every(gap) => send_on_schedule(Pool::of(connections, ports), requests, gap).await,
    }
}

/// A histogram of microseconds up to two minutes, to three digits.
pub fn new_histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 120_000_000, 3).context("bounds of the histogram")
}

async fn send_fast(connections: Vec<Connection>, requests: Arc<Vec<Vec<u8>>>) -> Result<Run> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for connection in connections {
        senders.spawn(send_some(connection, Arc::clone(&requests), Arc::clone(&next)));
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

async fn send_some(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    next: Arc<AtomicUsize>,
) -> Result<Histogram<u64>> {
    let mut latency_us = new_histogram()?;
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = requests.get(place) else { return Ok(latency_us) };
        let sent_at = Instant::now();
        deliver(&mut connection, request, place).await?;
        latency_us.saturating_record(micros_since(sent_at));
    }
}

async fn send_on_schedule(pool: Pool, requests: Arc<Vec<Vec<u8>>>, gap: Duration) -> Result<Run> {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let start = Instant::now() + LEAD;
    let schedule = Schedule { pool: Arc::new(pool), requests: Arc::clone(&requests), start, gap, answered };
    let runtime = Handle::current();
    let sender = std::thread::spawn(move || schedule.run(&runtime));
    let (mut late_us, mut latency_us) = (new_histogram()?, new_histogram()?);
    let all = async {
        while let Some(arrived) = answers.recv().await {
            let Arrived { late, answered } = arrived?;
            late_us.saturating_record(late);
            latency_us.saturating_record(answered);
        }
        anyhow::Ok(())
    };
    let longest = gap * u32::try_from(requests.len())? + LONGEST_RUN;
    let in_time = tokio::time::timeout(longest, all).await;
    in_time.with_context(|| format!("the run took longer than {longest:?}"))??;
    let took = start.elapsed();
    ensure!(sender.join().is_ok(), "the thread that sends ended with a panic");
    ensure!(latency_us.len() == requests.len() as u64, "{} requests were answered", latency_us.len());
    println!("  left {} after their moments, {QUANTILES}", quantiles(&late_us));
    Ok(Run { requests: requests.len(), took, latency_us })
}

/// How long after its moment a request left, and was answered, in microseconds.
struct Arrived {
    late: u64,
    answered: u64,
}

/// Requests and the moments at which they leave.
struct Schedule {
    pool: Arc<Pool>,
    requests: Arc<Vec<Vec<u8>>>,
    start: Instant,
    gap: Duration,
    answered: UnboundedSender<Result<Arrived>>,
}

impl Schedule {
    /// Starts each request at its moment. A thread of its own, because the runtime's timer counts in whole milliseconds.
    fn run(self, runtime: &Handle) {
        let mut due = self.start;
        for place in 0..self.requests.len() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if self.answered.is_closed() {
                return; // the run has failed
            }
            let (pool, requests) = (Arc::clone(&self.pool), Arc::clone(&self.requests));
            let answered = self.answered.clone();
            runtime.spawn(async move {
                // Nobody listens any more where the run has failed.
                let _ = answered.send(arrive(&pool, &requests, place, due).await);
            });
            due += self.gap;
        }
    }
}

async fn arrive(pool: &Pool, requests: &[Vec<u8>], place: usize, due: Instant) -> Result<Arrived> {
    let mut connection = pool.take().await?;
    let late = micros_since(due);
    deliver(&mut connection, &requests[place], place).await?;
    pool.put_back(connection);
    Ok(Arrived { late, answered: micros_since(due) })
}

async fn deliver(connection: &mut Connection, request: &[u8], place: usize) -> Result<()> {
    let status = connection.exchange(request).await?;
    ensure!(status == 202, "request {place} was answered {status}: {}", connection.answer());
    Ok(())
}

fn micros_since(moment: Instant) -> u64 {
    u64::try_from(moment.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Connections that nothing is in flight on; where there is none, one more is opened, so that no request waits for the answer to
/// another.
struct Pool {
    ports: Vec<u16>,
    /// The one that was idle for longest goes first: a server closes those that are never used.
    idle: Mutex<VecDeque<Connection>>,
    opened: AtomicUsize,
}

impl Pool {
    fn of(connections: Vec<Connection>, ports: &[u16]) -> Self {
        let opened = AtomicUsize::new(connections.len());
        Self { ports: ports.to_vec(), idle: Mutex::new(connections.into()), opened }
    }

    async fn take(&self) -> Result<Connection> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        ensure!(number < MOST_CONNECTIONS, "{number} requests wait for their answers");
        Connection::open(self.ports[number % self.ports.len()]).await
    }

    fn put_back(&self, connection: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(connection);
    }
}
