//! What the receiver is compared with: an axum handler that parses the same JSON and answers 202, and nothing else.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;

/// The argument that turns this program into the empty handler.
pub const ARGUMENT: &str = "--empty-handler";

/// The port to serve on, where this process was started to be the empty handler.
pub fn port_from_arguments() -> Option<u16> {
    let mut arguments = std::env::args().skip_while(|argument| argument != ARGUMENT).skip(1);
    arguments.next()?.parse().ok()
}

/// Serves until it is killed.
pub async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("cannot listen")?;
    let router = Router::new().route("/api/v1/webhooks/{token}", post(answer));
    axum::serve(listener, router).await.context("cannot serve")
}

async fn answer(Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    // Looked at, so that the parsing is not for nothing.
    let status = if body.get("action").is_some() { StatusCode::ACCEPTED } else { StatusCode::BAD_REQUEST };
    (status, Json(Value::Null))
}
