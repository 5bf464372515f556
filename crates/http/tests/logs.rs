//! What the log says of requests, and what it never says. A binary of its own: a log is one to a process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde_json::json;

use common::TestApp;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_name_routes_and_never_tokens_secrets_or_queries() {
    let app = TestApp::start().await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let program = app.program("a@example.com").await;
    let webhook = program.post("/api/v1/webhooks", json!({"name": "w"})).await.expect(201);
    let token = webhook.body["token"].as_str().unwrap().to_owned();
    let secret = webhook.body["secret"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/webhooks/{token}?secret={secret}");
    program.post(&path, json!({"action": "BUY"})).await.expect(202);
    program.send(Method::PUT, &path, None).await.expect(405);
    program.get(&format!("/api/v1/orders?cursor=0000000000000001&secret={secret}")).await.expect(200);
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("/api/v1/webhooks/{id}") && text.contains("method=POST"), "{text}");
    let key = program.bearer.clone().unwrap();
    for hidden in [&token, &secret, &key, common::PASSWORD, "cursor="] {
        assert!(!text.contains(hidden), "{hidden} is in the log");
    }
}
