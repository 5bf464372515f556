//! What the receiver is compared with: handlers that parse the same JSON, answer 202, and do nothing else. The empty handler says
//! what HTTP and JSON cost here; the durable floor also appends what it got to a file before it answers, with one flush for all
//! that came while the last one was under way: less than that no receiver can do that keeps what it acknowledges.

use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::mpsc;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The file that the durable floor writes, in the folder it runs in.
const FILE: &str = "floor.log";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    EmptyHandler,
    Durable,
}

impl Floor {
    /// The argument that turns this program into it.
    pub fn argument(self) -> &'static str {
        match self {
            Self::EmptyHandler => "--empty-handler",
            Self::Durable => "--durable-floor",
        }
    }

    /// Which one this process was started to be, and its port; `None` where it is the benchmark itself.
    pub fn from_arguments() -> Option<(Self, u16)> {
        let mut arguments = std::env::args();
        let floor = arguments.find_map(|argument| {
            [Self::EmptyHandler, Self::Durable].into_iter().find(|floor| floor.argument() == argument)
        })?;
        Some((floor, arguments.next()?.parse().ok()?))
    }

    /// Serves until it is killed.
    pub async fn serve(self, port: u16) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("cannot listen")?;
        let handler = match self {
            Self::EmptyHandler => post(answer),
            Self::Durable => {
                let appender = Appender::start()?;
                post(move |body| keep_and_answer(appender.clone(), body))
            }
        };
        let router = Router::new().route("/api/v1/webhooks/{token}", handler);
        axum::serve(listener, router).await.context("cannot serve")
    }
}

async fn answer(Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    // Looked at, so that the parsing is not for nothing.
    let status = if body.get("action").is_some() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    (status, Json(Value::Null))
}

async fn keep_and_answer(appender: Appender, body: Json<Value>) -> (StatusCode, Json<Value>) {
    match appender.append(body.0.to_string()).await {
        Ok(()) => answer(body).await,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(Value::Null)),
    }
}

/// Appends lines to a file, on a thread of its own.
#[derive(Clone)]
struct Appender {
    lines: mpsc::Sender<(String, oneshot::Sender<()>)>,
}

impl Appender {
    fn start() -> Result<Self> {
        let mut file = File::create(FILE).context("cannot make the file")?;
        let (lines, waiting) = mpsc::channel::<(String, oneshot::Sender<()>)>();
        std::thread::spawn(move || -> std::io::Result<()> {
            // An error ends the thread, and with it all answers.
            while let Ok(first) = waiting.recv() {
                let group: Vec<_> = std::iter::once(first).chain(waiting.try_iter()).collect();
                let text: String = group.iter().flat_map(|(line, _)| [line.as_str(), "\n"]).collect();
                file.write_all(text.as_bytes())?;
                file.sync_data()?;
                for (_, kept) in group {
                    let _ = kept.send(()); // whoever asked may be gone
                }
            }
            Ok(())
        });
        Ok(Self { lines })
    }

    /// Returns when the line is on the disk.
    async fn append(&self, line: String) -> Result<()> {
        let (kept, done) = oneshot::channel();
        self.lines.send((line, kept)).context("the file is gone")?;
        done.await.context("the line was not written")
    }
}
