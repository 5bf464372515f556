//! Registering, logging in and out, sessions, CSRF, passwords, throttling.

use std::net::IpAddr;

use atomik_ports::directory::Registration;
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use crate::common::{Client, PASSWORD, Reply, TestApp};

const DAY_S: i64 = 86_400;

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

async fn try_log_in(client: &Client, email: &str, password: &str) -> Reply {
    client.post("/api/v1/auth/login", credentials(email, password)).await
}

#[tokio::test]
async fn the_first_user_administers_and_later_ones_start_on_free() {
    let app = TestApp::start().await;
    let first = app.register("  First@Example.com ").await.expect(201).body;
    assert_eq!(first["email"], "first@example.com");
    assert_eq!((&first["role"], &first["plan"]), (&json!("admin"), &json!("unlimited")));
    let second = app.register("second@example.com").await.expect(201);
    assert!(!second.headers.contains_key("set-cookie"), "registering does not log in");
    assert_eq!((&second.body["role"], &second.body["plan"]), (&json!("trader"), &json!("free")));
    assert_eq!(second.body["subscription_status"], "active");
}

#[tokio::test]
async fn an_email_registers_once() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    app.register("A@Example.COM").await.expect_error(409, "email_taken");
}

#[tokio::test]
async fn registration_is_as_open_as_the_operator_says() {
    let first_user = TestApp::start_with(|settings| settings.registration = Registration::FirstUser).await;
    first_user.register("a@example.com").await.expect(201);
    first_user.register("b@example.com").await.expect_error(403, "registration_closed");
    let closed = TestApp::start_with(|settings| settings.registration = Registration::Closed).await;
    closed.register("a@example.com").await.expect_error(403, "registration_closed");
}

#[tokio::test]
async fn wrong_fields_of_a_registration_are_all_named() {
    let app = TestApp::start().await;
    let register = |body| async { app.anonymous().post("/api/v1/auth/register", body).await };
    let reply = register(credentials("nobody", "short")).await.expect_error(422, "invalid_request");
    assert!(reply.body["fields"]["email"].is_string() && reply.body["fields"]["password"].is_string());
    let reply = register(credentials("a@example.com", "Password123")).await.expect(422);
    assert!(reply.body["fields"]["password"].as_str().unwrap().contains("commonest"));
    let reply = register(json!({"email": "a@example.com"})).await.expect(422);
    assert!(reply.body["fields"]["password"].is_string());
    let reply = register(json!({"email": "a@example.com", "password": 12_345_678})).await.expect(422);
    assert!(!reply.text.contains("12345678"), "a secret is not repeated: {}", reply.text);
    let with_role = json!({"email": "a@example.com", "password": PASSWORD, "role": "admin"});
    assert!(register(with_role).await.expect(422).body["fields"]["role"].is_string());
}

#[tokio::test]
async fn logging_in_sets_a_cookie_that_scripts_cannot_read() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    let reply = try_log_in(&app.anonymous(), "A@example.com ", PASSWORD).await.expect(200);
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("atomik_session="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"), "{cookie}");
    assert_eq!(reply.body["email"], "a@example.com");
}

#[tokio::test]
async fn under_https_the_cookie_is_secure_and_bound_to_the_host() {
    let app = TestApp::start_with(|settings| settings.secure_cookies = true).await;
    app.register("a@example.com").await.expect(201);
    let reply = try_log_in(&app.anonymous(), "a@example.com", PASSWORD).await.expect(200);
    let cookie = reply.header("set-cookie");
    assert!(cookie.starts_with("__Host-atomik_session="), "{cookie}");
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly") && cookie.contains("; Path=/;"));
    let mut client = app.anonymous();
    client.cookie = Some(reply.cookie());
    client.get("/api/v1/me").await.expect(200);
    client.cookie = Some(reply.cookie().replace("__Host-", ""));
    client.get("/api/v1/me").await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_look_alike() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    let unknown = try_log_in(&app.anonymous(), "b@example.com", PASSWORD).await;
    let wrong = try_log_in(&app.anonymous(), "a@example.com", "wrong password").await;
    let unknown = unknown.expect_error(401, "invalid_credentials");
    let wrong = wrong.expect_error(401, "invalid_credentials");
    assert_eq!(unknown.body, wrong.body);
    assert!(!wrong.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_one_time_password_may_be_sent_and_is_not_used() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    let body = json!({"email": "a@example.com", "password": PASSWORD, "totp": "123456"});
    app.anonymous().post("/api/v1/auth/login", body).await.expect(200);
}

#[tokio::test]
async fn every_login_is_a_session_of_its_own_and_ends_the_one_before() {
    let app = TestApp::start().await;
    let before = app.browser("a@example.com").await;
    let reply = try_log_in(&before, "a@example.com", PASSWORD).await.expect(200);
    assert_ne!(before.cookie.as_deref(), Some(reply.cookie().as_str()));
    before.get("/api/v1/me").await.expect(401);
    let planted = Client { cookie: Some(format!("atomik_session={}", "a".repeat(64))), ..app.anonymous() };
    let reply = try_log_in(&planted, "a@example.com", PASSWORD).await.expect(200);
    assert_ne!(planted.cookie.as_deref(), Some(reply.cookie().as_str()), "no session can be planted");
    planted.get("/api/v1/me").await.expect(401);
}

#[tokio::test]
async fn logging_out_ends_the_session_and_takes_the_cookie_away() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    let reply = browser.post("/api/v1/auth/logout", json!({})).await.expect(204);
    assert!(reply.header("set-cookie").starts_with("atomik_session=; "));
    assert!(reply.header("set-cookie").contains("Max-Age=0"));
    browser.get("/api/v1/me").await.expect_error(401, "unauthenticated");
    let program = app.program("b@example.com").await;
    program.post("/api/v1/auth/logout", json!({})).await.expect_error(422, "invalid_request");
}

#[tokio::test]
async fn writes_by_cookie_need_the_csrf_token() {
    let app = TestApp::start().await;
    let mut browser = app.browser("a@example.com").await;
    let me = browser.get("/api/v1/me").await.expect(200);
    assert_eq!(me.body["csrf_token"].as_str(), browser.csrf.as_deref());
    let other = app.browser("b@example.com").await;
    let right = browser.csrf.clone();
    for wrong in [None, Some(String::new()), Some("0".repeat(64)), other.csrf.clone()] {
        browser.csrf = wrong;
        let reply = browser.post("/api/v1/api-keys", json!({"name": "x"})).await;
        reply.expect_error(403, "csrf_required");
        browser.get("/api/v1/me").await.expect(200);
    }
    browser.csrf = right;
    browser.post("/api/v1/api-keys", json!({"name": "x"})).await.expect(201);
}

#[tokio::test]
async fn writes_by_key_need_no_csrf_token_and_are_given_none() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let me = program.get("/api/v1/me").await.expect(200);
    assert_eq!((&me.body["csrf_token"], &me.body["email"]), (&Value::Null, &json!("a@example.com")));
    program.post("/api/v1/api-keys", json!({"name": "another"})).await.expect(201);
}

#[tokio::test]
async fn another_site_cannot_log_a_person_in() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    for path in ["/api/v1/auth/login", "/api/v1/auth/register"] {
        let body = Body::from(credentials("a@example.com", PASSWORD).to_string());
        let headers = [("origin", "https://evil.example"), ("host", "localhost:8080")];
        let reply = app.anonymous().stream(Method::POST, path, &headers, body).await;
        Reply::read(reply).await.expect_error(403, "csrf_required");
    }
}

#[tokio::test]
async fn sessions_end_after_seven_unused_days_and_after_thirty_in_any_case() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    app.clock.advance_s(6 * DAY_S);
    browser.get("/api/v1/me").await.expect(200);
    app.clock.advance_s(6 * DAY_S);
    browser.get("/api/v1/me").await.expect(200);
    app.clock.advance_s(7 * DAY_S + 1);
    browser.get("/api/v1/me").await.expect_error(401, "unauthenticated");

    let kept_busy = app.log_in("a@example.com").await;
    for _ in 0..29 {
        app.clock.advance_s(DAY_S);
        kept_busy.get("/api/v1/me").await.expect(200);
    }
    app.clock.advance_s(DAY_S);
    kept_busy.get("/api/v1/me").await.expect_error(401, "unauthenticated");
}

#[tokio::test]
async fn a_person_sees_and_ends_their_sessions() {
    let app = TestApp::start().await;
    let one = app.browser("a@example.com").await;
    let other = app.log_in("a@example.com").await;
    let sessions = one.get("/api/v1/me/sessions").await.expect(200).body;
    let items = sessions["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let not_current = items.iter().find(|session| session["current"] == false).unwrap();
    one.delete(&format!("/api/v1/me/sessions/{}", not_current["id"])).await.expect(204);
    other.get("/api/v1/me").await.expect(401);
    one.get("/api/v1/me").await.expect(200);
    one.delete(&format!("/api/v1/me/sessions/{}", not_current["id"])).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn a_person_has_at_most_fifty_sessions_and_the_oldest_end() {
    let app = TestApp::start().await;
    let first = app.browser("a@example.com").await;
    let second = app.log_in("a@example.com").await;
    for _ in 0..49 {
        app.log_in("a@example.com").await;
    }
    first.get("/api/v1/me").await.expect(401);
    let sessions = second.get("/api/v1/me/sessions").await.expect(200).body;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn changing_the_password_ends_every_other_session() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    let elsewhere = app.log_in("a@example.com").await;
    let change = |current: &'static str, new: &'static str| {
        let body = json!({"current_password": current, "new_password": new});
        let browser = browser.clone();
        async move { browser.post("/api/v1/me/password", body).await }
    };
    let reply = change("wrong password", "another long one").await.expect_error(422, "invalid_request");
    assert!(reply.body["fields"]["current_password"].is_string());
    assert!(change(PASSWORD, "short").await.expect(422).body["fields"]["new_password"].is_string());
    elsewhere.get("/api/v1/me").await.expect(200);
    change(PASSWORD, "another long one").await.expect(204);
    browser.get("/api/v1/me").await.expect(200);
    elsewhere.get("/api/v1/me").await.expect(401);
    try_log_in(&app.anonymous(), "a@example.com", PASSWORD).await.expect(401);
    try_log_in(&app.anonymous(), "a@example.com", "another long one").await.expect(200);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_locks_nobody_out_for_long() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    let client = app.anonymous();
    let refused = loop {
        let reply = try_log_in(&client, "a@example.com", "wrong password").await;
        if reply.status != 401 {
            break reply.expect_error(429, "too_many_attempts");
        }
    };
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=6).contains(&wait));
    try_log_in(&client, "a@example.com", PASSWORD).await.expect(429);
    app.clock.advance_s(wait);
    try_log_in(&client, "a@example.com", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn guessing_through_many_emails_is_slowed_down_by_address() {
    let app = TestApp::start().await;
    let mut client = app.anonymous();
    client.address = "2001:db8::1".parse::<IpAddr>().unwrap();
    let mut tried = 0;
    while try_log_in(&client, &format!("{tried}@example.com"), PASSWORD).await.status == 401 {
        tried += 1;
        assert!(tried < 200, "nobody slowed this down");
    }
    client.address = "2001:db8::ffff:1".parse::<IpAddr>().unwrap();
    try_log_in(&client, "x@example.com", PASSWORD).await.expect(429);
    client.address = "2001:db8:0:1::1".parse::<IpAddr>().unwrap();
    try_log_in(&client, "x@example.com", PASSWORD).await.expect(401);
}

#[tokio::test]
async fn guessing_the_current_password_is_slowed_down_too() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    let body = json!({"current_password": "wrong password", "new_password": "another long one"});
    for _ in 0..10 {
        browser.post("/api/v1/me/password", body.clone()).await.expect(422);
    }
    browser.post("/api/v1/me/password", body).await.expect_error(429, "too_many_attempts");
}

#[tokio::test]
async fn right_passwords_are_never_slowed_down() {
    let app = TestApp::start().await;
    app.register("a@example.com").await.expect(201);
    for _ in 0..40 {
        try_log_in(&app.anonymous(), "a@example.com", PASSWORD).await.expect(200);
    }
}

#[tokio::test]
async fn mass_registration_is_slowed_down() {
    let app = TestApp::start().await;
    for n in 0..100 {
        app.register(&format!("{n}@example.com")).await.expect(201);
    }
    app.register("one-more@example.com").await.expect_error(429, "too_many_attempts");
}
