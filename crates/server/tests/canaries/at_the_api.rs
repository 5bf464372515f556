//! What is sent to the server: to webhooks, to the API, in and out of place.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Quickstart, Server, body_of, quickstart, run, status_of, stderr, stdout};
use crate::search::{Canaries, digits};

/// A server that says everything it can say, and everything that it answered.
pub struct Said {
    pub server: Server,
    pub dir: TempDir,
    pub made: Quickstart,
    pub canaries: Canaries,
    answers: String,
}

impl Said {
    pub fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
        let environment = [
            ("ATOMIK_LOG__LEVEL", "trace"),
            ("ATOMIK_AUTH__REGISTRATION", "open"),
            ("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true"),
        ];
        let server = Server::start_with(dir.path(), &environment);
        let mut canaries = Canaries::default();
        canaries.add("webhook's secret", &made.secret);
        canaries.add("API key", &made.key);
        Self { server, dir, made, canaries, answers: String::new() }
    }

    /// A request whose answer is searched later. Gives the status.
    pub fn send(&mut self, request: &str) -> u16 {
        let answer = self.server.exchange(request);
        let _ = writeln!(self.answers, "{answer}");
        let status = status_of(&answer);
        assert!(status < 500 && status > 0, "{request}\n{answer}");
        status
    }

    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        self.send(&written(method, path, headers, body))
    }

    /// A request whose answer shows something that is shown once.
    pub fn make(&self, path: &str, headers: &str, body: &Value) -> (String, Value) {
        let answer = self.server.exchange(written("POST", path, headers, &body.to_string()));
        assert!((200..300).contains(&status_of(&answer)), "{path}: {answer}");
        let value = serde_json::from_str(body_of(&answer)).unwrap_or_default();
        (answer, value)
    }

    pub fn bearer(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.made.key)
    }

    /// Nothing that was written, anywhere, has a canary.
    pub fn assert_silent(mut self) {
        let bearer = self.bearer();
        for list in [
            "webhooks/1/logs",
            "signals",
            "broker-accounts",
            "webhooks",
            "api-keys",
            "strategies",
            "overview",
        ] {
            let mut path = format!("/api/v1/{list}?limit=200");
            while self.ask("GET", &path, &bearer, "") == 200 {
                let last = self.answers.rsplit_once("\"next_cursor\":\"").map(|(_, rest)| rest.to_owned());
                match last.filter(|rest| rest.find('\r').is_none()) {
                    Some(rest) => path = format!("/api/v1/{list}?limit=200&cursor={}", &rest[..16]),
                    None => break,
                }
            }
        }
        for path in ["/metrics", "/readyz", "/api/v1/signals/1", "/api/v1/broker-accounts/2"] {
            self.ask("GET", path, &bearer, "");
        }
        let data_dir = self.dir.path().to_str().unwrap().to_owned();
        let copies = TempDir::new().unwrap();
        let copy = copies.path().join("atomik.db");
        for arguments in [vec!["backup", copy.to_str().unwrap()], vec!["user", "list"], vec!["halt", "list"]]
        {
            let output = run(&[&arguments[..], &["--data-dir", &data_dir]].concat());
            assert!(output.status.success(), "{}", stderr(&output));
            self.answers += &stdout(&output);
            self.answers += &stderr(&output);
        }
        self.canaries.assert_absent_below(self.dir.path());
        assert!(self.server.terminate().success());
        self.canaries.assert_absent("an answer", self.answers.as_bytes());
        self.canaries.assert_absent_below(self.dir.path());
        self.canaries.assert_absent_below(copies.path());
        let log = std::fs::read_to_string(self.dir.path().join("server.log")).unwrap();
        assert!(log.contains("serving") && log.contains("request"), "the log says too little to be searched");
    }
}

fn written(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Every place of an alert that may hold a secret, with the status it is answered with if the secret is wrong.
fn in_alerts(said: &mut Said, path: &str, secret: &str) {
    let header = format!("x-webhook-secret: {secret}\r\n");
    let twice = format!("{path}?secret={secret}");
    let escaped: String = secret.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let in_json: String = secret.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let bodies = [
        format!(r#"{{"action":"BUY","price":"1","secret":"{secret}"}}"#),
        format!(r#"{{"action":"BUY","price":"1","SECRET" : "{secret}"}}"#),
        format!(r#"{{"action":"BUY","price":"1","secret":"{{{{{secret}}}}}"}}"#),
        format!(r#"{{"action":"BUY","price":"1","s\u0065cret":"{in_json}"}}"#),
        format!(r#"{{"action":"BUY","price":"1","secret":{{"x":"{secret}"}}}}"#),
        format!(r#"{{"action":"BUY","price":"1","comment":"{secret}"}}"#),
        format!(r#"{{"action":"BUY","price":"1","comment":"EXIT_{secret}"}}"#),
        format!(r#"{{"action":"{secret}"}}"#),
        format!(r#"{{"action":"BUY","price":"{secret}","quantity":"{secret}","symbol":"{secret}"}}"#),
        format!(r#"{{"action":"BUY","id":"{secret}","price":"1"}}"#),
        format!(r#"{{"action":"BUY","{secret}":1,"{secret}":2}}"#),
        format!(r#"{{"action":"BUY","note":{{"deep":["{secret}"]}},"price":"1"}}"#),
        format!(r#"{{"action":"BUY","secret":"{secret}"#),
        format!(r#"{{"action":"BUY","secret":'{secret}'}}"#),
        format!("action=BUY&secret={secret}"),
        format!("BUY ES secret {secret}"),
        format!("\u{feff}{{\"secret\":\"{secret}\"}}"),
        secret.to_owned(),
    ];
    for body in &bodies {
        for (path, header) in [
            (path, ""),
            (path, header.as_str()),
            (twice.as_str(), ""),
            (&format!("{path}?secret={escaped}"), "content-type: text/plain\r\n"),
            (&format!("{path}?secret=wrong"), header.as_str()),
        ] {
            said.ask("POST", path, header, body);
        }
    }
    said.ask("POST", &twice, &format!("idempotency-key: {secret}\r\n"), r#"{"action":"BUY","price":"1"}"#);
    said.ask("POST", &twice, &format!("idempotency-key: {secret} {secret}\r\n"), "{}");
    said.ask("POST", &twice, &format!("content-encoding: {}\r\n", &secret[..20]), "{}");
    said.ask("PUT", &twice, &header, "{}");
    said.ask("POST", &format!("/api/v1/webhooks/{secret}?secret={secret}"), &header, "{}");
    said.ask("POST", &twice, &header, &"x".repeat(70_000));
}

/// The API's places, right and wrong, for something that opens nothing here.
fn at_the_api(said: &mut Said, secret: &str) {
    let bearer = said.bearer();
    for headers in [
        format!("authorization: Bearer {secret}\r\n"),
        format!("authorization: Bearer atk_{secret}\r\n"),
        format!("authorization: Basic {secret}\r\n"),
        format!("authorization: {secret}\r\n"),
        format!("cookie: atomik_session={secret}; other={secret}\r\n"),
        format!("{bearer}x-csrf-token: {secret}\r\nreferer: http://a/?secret={secret}\r\n"),
        format!("{bearer}cookie: {secret}\r\nlast-event-id: {secret}\r\norigin: http://{secret}\r\n"),
    ] {
        said.ask("GET", "/api/v1/me", &headers, "");
        said.ask("DELETE", "/api/v1/strategies/999", &headers, "");
    }
    for path in [
        format!("/api/v1/me?api_key={secret}&password={secret}"),
        format!("/api/v1/orders?cursor={secret}"),
        format!("/api/v1/orders?limit={secret}"),
        format!("/api/v1/orders?strategy_id={secret}&since={secret}"),
        format!("/api/v1/orders?{secret}={secret}"),
        format!("/api/v1/strategies/{secret}"),
        format!("/api/v1/{secret}"),
        format!("/{secret}?{secret}"),
        format!("/api/v1/webhooks/1/logs?outcome={secret}"),
    ] {
        said.ask("GET", &path, &bearer, "");
    }
    for path in ["/api/v1/auth/login", "/api/v1/auth/register"] {
        for (number, body) in [
            json!({"email": "nobody@example.com", "password": secret}).to_string(),
            json!({"email": "nobody@example.com", "password": [secret]}).to_string(),
            json!({"email": "nobody@example.com", "password": {"x": secret}}).to_string(),
            json!({"email": [secret], "password": secret}).to_string(),
            json!({"email": "nobody@example.com", "password": "wrong", "totp": secret}).to_string(),
            json!({"email": "nobody@example.com", "password": "wrong", "totp": {"x": secret}}).to_string(),
            format!(r#"{{"email":"nobody@example.com","password":"{secret}"#),
            format!(r#"{{"email":"nobody@example.com","password":{secret}}}"#),
            format!("email=nobody@example.com&password={secret}"),
            format!("\"{secret}\""),
        ]
        .into_iter()
        .enumerate()
        {
            // Each from an address of its own kind of trouble: too many attempts are not asked for the password.
            let kind = ["application/json", "application/x-www-form-urlencoded"][number % 2];
            said.ask("POST", path, &format!("content-type: {kind}\r\n"), &body);
        }
    }
    let account = |credentials: Value, settings: Value| json!({"broker": "alpaca", "environment": "paper", "label": "a", "credentials": credentials, "settings": settings});
    for body in [
        account(json!({"key_id": secret}), json!({})),
        account(json!({"key_id": secret, "secret_key": [secret]}), json!({})),
        account(
            json!({"key_id": format!("{secret} {secret}"), "secret_key": format!("{secret}\n")}),
            json!({}),
        ),
        account(json!({"secret": secret}), json!({})),
        account(json!(secret), json!({})),
        account(json!([secret]), json!({})),
    ] {
        assert!(said.ask("POST", "/api/v1/broker-accounts", &bearer, &body.to_string()) == 422, "{body}");
        said.ask("PATCH", "/api/v1/broker-accounts/1", &bearer, &body.to_string());
    }
}

#[test]
fn webhook_secrets_are_nowhere() {
    let mut said = Said::start();
    let bearer = said.bearer();
    let (_, rotated) = said.make("/api/v1/webhooks/1/rotate-secret", &bearer, &json!({"overlap_s": 600}));
    let rotated = said.canaries.add("rotated secret", rotated["secret"].as_str().unwrap());
    let wrong = said.canaries.with_digits("wrong secret");
    let (path, first) = (said.made.path.clone(), said.made.secret.clone());
    for secret in [first, rotated, wrong] {
        in_alerts(&mut said, &path, &secret);
        in_alerts(&mut said, "/api/v1/webhooks/unknown0unknown0unknown0unknown0", &secret);
        at_the_api(&mut said, &secret);
        // Refusals that come too fast are only counted; these are to be kept.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    said.assert_silent();
}

#[test]
fn what_people_sign_in_with_is_nowhere() {
    let mut said = Said::start();
    let password = said.canaries.with_letters("password");
    let signed = json!({"email": "someone@example.com", "password": password});
    said.make("/api/v1/auth/register", "", &signed);
    let (answer, _) = said.make("/api/v1/auth/login", "", &signed);
    let cookie = answer.split_once("atomik_session=").unwrap().1.split(';').next().unwrap().to_owned();
    let cookie = said.canaries.add("session cookie", &cookie);
    let session = format!("cookie: atomik_session={cookie}\r\n");
    let me = said.server.exchange(written("GET", "/api/v1/me", &session, ""));
    let me: Value = serde_json::from_str(body_of(&me)).unwrap();
    let csrf = said.canaries.add("CSRF token", me["csrf_token"].as_str().unwrap());
    let (_, key) = said.make("/api/v1/api-keys", &said.bearer(), &json!({"name": "second"}));
    let key = said.canaries.add("second API key", key["key"].as_str().unwrap());
    let (guess, stale) =
        (said.canaries.with_letters("wrong password"), said.canaries.with_digits("stale cookie"));
    let path = said.made.path.clone();
    for secret in [cookie.clone(), csrf.clone(), key] {
        in_alerts(&mut said, &path, &secret);
    }
    // The right cookie shows its own CSRF token, as it has to.
    for secret in [&password, &guess, &stale, &csrf] {
        at_the_api(&mut said, secret);
    }
    let writes = format!("{session}x-csrf-token: {csrf}\r\n");
    let changed = said.canaries.with_letters("changed password");
    let change = json!({"current_password": password, "new_password": changed}).to_string();
    assert_eq!(said.ask("POST", "/api/v1/me/password", &writes, &change), 204);
    said.ask("POST", "/api/v1/auth/logout", &writes, "{}");
    assert_eq!(said.ask("GET", "/api/v1/me", &session, ""), 401);
    said.assert_silent();
}

#[test]
fn a_master_key_is_nowhere() {
    let key = digits();
    let dir = TempDir::new().unwrap();
    let environment = [("ATOMIK_SECRETS__MASTER_KEY", key.as_str()), ("ATOMIK_LOG__LEVEL", "trace")];
    let server = Server::start_with(dir.path(), &environment);
    let mut canaries = Canaries::default();
    canaries.add("master key", &key);
    assert_eq!(status_of(&server.exchange(written("GET", "/readyz", "", ""))), 200);
    let metrics = server.exchange(written("GET", "/metrics", "", ""));
    assert!(server.terminate().success());
    canaries.assert_absent("the metrics", metrics.as_bytes());
    canaries.assert_absent_below(dir.path());
}
