//! What every answer has in common, and the routes beside the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use atomik_domain::WebhookId;
use atomik_ports::RateLimiter;
use atomik_ports::directory::Registration;
use atomik_ports::rate::{Known, LimiterAway, Look, Rate, Token};
use atomik_testkit::builders;
use axum::body::Body;
use axum::http::Method;
use rstest::rstest;
use serde_json::json;

use crate::common::{Reply, TestApp};

#[rstest]
#[case("/")]
#[case("/api/v1/me")]
#[case("/api/v1/codes")]
#[case("/healthz")]
#[case("/no/such/thing")]
#[tokio::test]
async fn every_answer_carries_the_security_headers(#[case] path: &str) {
    let app = TestApp::start().await;
    let reply = app.anonymous().get(path).await;
    let policy =
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
    assert_eq!(reply.header("content-security-policy"), policy);
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "no-referrer");
    assert!(!reply.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn under_https_browsers_are_told_to_stay_there() {
    let app = TestApp::start_with(|settings| settings.secure_cookies = true).await;
    let reply = app.anonymous().get("/").await.expect(200);
    assert!(reply.header("strict-transport-security").contains("max-age="));
}

#[tokio::test]
async fn answers_of_the_api_are_not_cached() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    for path in ["/api/v1/me", "/api/v1/plan", "/api/v1/nothing", "/healthz", "/readyz"] {
        assert_eq!(program.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn what_nobody_serves_is_404_in_the_envelope() {
    let app = TestApp::start().await;
    for path in ["/nothing", "/api/v1/nothing", "/api/v2/webhooks", "/metrics"] {
        app.anonymous().get(path).await.expect_error(404, "not_found");
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_in_the_envelope_and_names_the_right_ones() {
    let app = TestApp::start().await;
    let reply = app.anonymous().post("/api/v1/plan", json!({})).await;
    let reply = reply.expect_error(405, "method_not_allowed");
    assert_eq!(reply.header("allow"), "GET,HEAD");
    let reply = app.anonymous().send(Method::PUT, "/api/v1/webhooks/1", None).await;
    let reply = reply.expect_error(405, "method_not_allowed");
    for method in ["POST", "GET", "PATCH", "DELETE"] {
        assert!(reply.header("allow").contains(method), "{}", reply.header("allow"));
    }
}

#[tokio::test]
async fn an_alert_by_a_wrong_method_hears_that_and_not_that_nobody_is_signed_in() {
    let app = TestApp::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let reply = app.anonymous().send(method, "/api/v1/webhooks/a1b2c3?secret=x", None).await;
        let reply = reply.expect_error(405, "method_not_allowed");
        assert!(reply.header("allow").contains("POST"));
    }
    app.anonymous().get("/api/v1/webhooks/1").await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_body_may_have_64_kib_and_no_more() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let body = |bytes: usize| {
        let text = json!({"name": ""}).to_string();
        Body::from(text.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - text.len()))))
    };
    let fits = program.stream(Method::POST, "/api/v1/api-keys", &[], body(64 * 1_024)).await;
    Reply::read(fits).await.expect_error(422, "invalid_request");
    let too_large = program.stream(Method::POST, "/api/v1/api-keys", &[], body(64 * 1_024 + 1)).await;
    Reply::read(too_large).await.expect_error(413, "payload_too_large");
}

#[tokio::test]
async fn wrong_pages_are_named() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    for (query, field) in [("limit=0", "limit"), ("limit=201", "limit"), ("cursor=x", "cursor")] {
        let reply = program.get(&format!("/api/v1/api-keys?{query}")).await;
        let reply = reply.expect_error(422, "invalid_request");
        assert!(reply.body["fields"][field].is_string(), "{query}");
    }
}

#[tokio::test]
async fn the_page_says_what_to_do_next() {
    let app = TestApp::start().await;
    let page = app.anonymous().get("/").await.expect(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains("Nobody has registered yet") && page.text.contains("atomik quickstart"));
    assert!(page.text.contains("/api/v1/openapi.json") && page.text.contains("/healthz"));
    assert!(!page.text.contains("{{") && !page.text.contains("<script") && !page.text.contains("style="));
    app.register("a@example.com").await.expect(201);
    let page = app.anonymous().get("/").await.expect(200);
    assert!(!page.text.contains("Nobody has registered yet"));
    let style = app.anonymous().get("/atomik.css").await.expect(200);
    assert!(style.header("content-type").starts_with("text/css"));
}

#[rstest]
#[case(Registration::FirstUser, false, true)]
#[case(Registration::FirstUser, true, false)]
#[case(Registration::Open, false, true)]
#[case(Registration::Open, true, true)]
#[case(Registration::Closed, false, false)]
#[case(Registration::Closed, true, false)]
#[tokio::test]
async fn the_page_tells_to_register_only_where_one_can(
    #[case] registration: Registration,
    #[case] has_user: bool,
    #[case] open: bool,
) {
    let app = TestApp::start_with(|settings| settings.registration = registration).await;
    if has_user {
        app.store.create_user(builders::new_user("a"), Registration::Open).await.unwrap();
    }
    let page = app.anonymous().get("/").await.expect(200).text;
    assert_eq!(page.contains("/api/v1/auth/register"), open, "{page}");
    assert_eq!(page.contains("Register and log in."), open, "{page}");
    assert_eq!(page.contains("has its administrator"), has_user, "{page}");
    assert!(page.contains("http://localhost:8080/api/v1/auth/login") && !page.contains("{{"), "{page}");
    let status = app.register("b@example.com").await.status;
    assert_eq!(status, if open { 201 } else { 403 });
}

#[tokio::test]
async fn health_and_readiness_are_told_apart() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    assert_eq!(client.get("/healthz").await.expect(200).body, json!({"status": "ok"}));
    let ready = client.get_until_ready().await;
    assert_eq!(ready, json!({"ready": true, "store": "ok", "books_reconciled": true, "stopping": false}));
    app.state.engine.stop(std::time::Duration::from_secs(5)).await;
    let reply = client.get("/readyz").await.expect(503);
    assert_eq!((&reply.body["ready"], &reply.body["stopping"]), (&json!(false), &json!(true)));
    client.get("/healthz").await.expect(200);
}

/// Lets everything pass, or is away.
struct Limiter(AtomicBool);

#[async_trait]
impl RateLimiter for Limiter {
    async fn take(&self, _: WebhookId, _: Rate, _: Option<Look>) -> Result<Token, LimiterAway> {
        self.state().map(|()| Token::Taken { at: 0, first: None })
    }

    fn remember(&self, _: Known) {}

    fn state(&self) -> Result<(), LimiterAway> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(LimiterAway("a test".to_owned())),
            false => Ok(()),
        }
    }
}

#[tokio::test]
async fn what_is_not_needed_is_shown_and_does_not_make_it_unready() {
    let limiter = Arc::new(Limiter(AtomicBool::new(false)));
    let app = TestApp::start_limited(Arc::clone(&limiter) as Arc<dyn RateLimiter>).await;
    let client = app.browser("a@example.com").await;
    assert_eq!(client.get_until_ready().await["redis"], "ok");
    limiter.0.store(true, Ordering::SeqCst);
    let ready = client.get("/readyz").await.expect(200).body;
    assert_eq!((&ready["ready"], &ready["redis"]), (&json!(true), &json!("away")));
    let system = client.get("/api/v1/overview").await.expect(200).body["system"].clone();
    assert_eq!((&system["ready"], &system["redis"]), (&json!(true), &json!("away")));
}

impl crate::common::Client {
    async fn get_until_ready(&self) -> serde_json::Value {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let reply = self.get("/readyz").await;
            if reply.status == 200 {
                return reply.body;
            }
            assert!(std::time::Instant::now() < deadline, "{}", reply.text);
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn metrics_are_served_where_the_configuration_says_so() {
    let app = TestApp::start_with(|settings| settings.metrics = Some(Arc::new(|| "up 1\n".to_owned()))).await;
    let reply = app.anonymous().get("/metrics").await.expect(200);
    assert_eq!(reply.text, "up 1\n");
    assert!(reply.header("content-type").starts_with("text/plain"));
}
