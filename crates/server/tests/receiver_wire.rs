//! What transport alone decides about a delivery, byte for byte on the wire of the real binary.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{PATIENCE, Quickstart, Server, body_of, quickstart};
use tempfile::TempDir;

const BUY: &str = r#"{"action":"BUY","price":"5000"}"#;
const LIMIT: usize = 64 * 1024;

struct Receiver {
    server: Server,
    made: Quickstart,
    path: String,
    _dir: TempDir,
}

impl Receiver {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
        let path = format!("{}?secret={}", made.path, made.secret);
        Self { server: Server::start(dir.path()), made, path, _dir: dir }
    }

    /// Sends bytes without closing, and reads until the server closes.
    fn exchange(&self, request: &[u8]) -> String {
        self.server.exchange(request)
    }

    /// Waits until the webhook's log has a delivery with this status and code.
    fn wait_for_log(&self, status: u16, code: &str) {
        self.server.wait_for("/api/v1/webhooks/1/logs", &self.made.key, |logs| {
            let rows = logs["items"].as_array().unwrap();
            rows.iter().any(|row| row["status"] == status && row["code"] == code)
        });
    }
}

/// A payload of exactly this many bytes.
fn payload_of(length: usize) -> String {
    let frame = r#"{"action":"BUY","x":""}"#;
    frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - frame.len())))
}

#[test]
fn size_is_checked_before_anything_else_and_logged() {
    let receiver = Receiver::start();
    let fits = receiver.server.post(&receiver.path, "", &payload_of(LIMIT));
    assert!(fits.starts_with("HTTP/1.1 202"), "{fits}");
    let declared = receiver.server.post(&receiver.path, "", &payload_of(LIMIT + 1));
    assert!(declared.starts_with("HTTP/1.1 413"), "{declared}");
    assert!(body_of(&declared).contains(r#""code":"payload_too_large""#), "{declared}");
    let streamed = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        receiver.path,
        LIMIT + 1,
        payload_of(LIMIT + 1)
    );
    let streamed = receiver.exchange(streamed.as_bytes());
    assert!(streamed.starts_with("HTTP/1.1 413"), "{streamed}");
    receiver.wait_for_log(413, "payload_too_large");
}

#[test]
fn a_sender_that_declares_too_much_and_waits_is_answered() {
    let receiver = Receiver::start();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n",
        receiver.path
    );
    assert!(receiver.exchange(head.as_bytes()).starts_with("HTTP/1.1 413"));
}

#[test]
fn a_slow_body_is_cut_off_and_logged() {
    let receiver = Receiver::start();
    let half = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{{", receiver.path);
    let answer = receiver.exchange(half.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(body_of(&answer).contains(r#""code":"request_timeout""#), "{answer}");
    receiver.wait_for_log(408, "request_timeout");
}

#[test]
fn other_methods_are_405_with_allow_and_logged() {
    let receiver = Receiver::start();
    for method in ["PUT", "OPTIONS", "TRACE", "BREW"] {
        let answer =
            receiver.exchange(format!("{method} {} HTTP/1.1\r\nhost: a\r\n\r\n", receiver.path).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        let allow = answer.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        assert!(allow.split(',').any(|method| method.trim() == "POST"), "{allow}");
        assert!(body_of(&answer).contains(r#""code":"method_not_allowed""#), "{answer}");
    }
    receiver.wait_for_log(405, "method_not_allowed");
}

#[test]
fn json_is_read_whatever_the_content_type_says_but_not_when_encoded() {
    let receiver = Receiver::start();
    for (n, kind) in ["text/plain; charset=utf-8", "application/json", "image/png"].iter().enumerate() {
        let alert = format!(r#"{{"action":"BUY","id":"{n}"}}"#);
        let answer = receiver.server.post(&receiver.path, &format!("content-type: {kind}\r\n"), &alert);
        assert!(answer.starts_with("HTTP/1.1 202"), "{kind}: {answer}");
    }
    let answer = receiver.server.post(&receiver.path, "content-encoding: gzip\r\n", BUY);
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(body_of(&answer).contains("gzip") && body_of(&answer).contains("malformed_json"), "{answer}");
}

#[test]
fn every_secret_that_is_given_must_be_right() {
    let receiver = Receiver::start();
    let (path, secret) = (&receiver.made.path, &receiver.made.secret);
    let escaped = format!("%{:02x}{}", secret.as_bytes()[0], &secret[1..]);
    let header = format!("x-webhook-secret: {secret}\r\n");
    let cases = [
        (format!("{path}?secret={secret}"), String::new(), 202),
        (format!("{path}?a=b&secret={escaped}"), String::new(), 202),
        (path.clone(), header.clone(), 202),
        (format!("{path}?secret={secret}&secret={secret}"), header.clone(), 202),
        (format!("{path}?secret={secret}&secret=wrong"), String::new(), 401),
        (format!("{path}?secret=wrong&secret={secret}"), String::new(), 401),
        (format!("{path}?secret={secret}"), "x-webhook-secret: wrong\r\n".to_owned(), 401),
        (format!("{path}?secret=wrong"), header, 401),
        (format!("{path}?{}", vec![format!("secret={secret}"); 9].join("&")), String::new(), 401),
        (path.clone(), String::new(), 401),
    ];
    for (n, (path, headers, status)) in cases.iter().enumerate() {
        let alert = format!(r#"{{"action":"BUY","id":"{n}"}}"#);
        let answer = receiver.server.post(path, headers, &alert);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "case {n}: {answer}");
    }
}

#[test]
fn a_repeat_is_answered_with_the_same_bytes_and_says_so() {
    let receiver = Receiver::start();
    let header = "idempotency-key: order-7\r\n";
    let first = receiver.server.post(&receiver.path, header, BUY);
    assert!(first.starts_with("HTTP/1.1 202") && !first.contains("idempotent-replayed"), "{first}");
    let again = receiver.server.post(&receiver.path, header, BUY);
    assert!(again.contains("idempotent-replayed: true\r\n"), "{again}");
    assert_eq!(body_of(&first), body_of(&again));
    let bad = receiver.server.post(&receiver.path, "idempotency-key: a b\r\n", BUY);
    assert!(bad.starts_with("HTTP/1.1 422") && body_of(&bad).contains("invalid_field"), "{bad}");
}

#[test]
fn alerts_may_follow_each_other_on_one_connection() {
    let receiver = Receiver::start();
    let mut stream = TcpStream::connect(&receiver.server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for n in 0..5 {
        let alert = format!(r#"{{"action":"BUY","id":"{n}"}}"#);
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{alert}",
            receiver.path,
            alert.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 202"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn what_breaks_off_is_no_alert() {
    let receiver = Receiver::start();
    let broken = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n{BUY}\r\n",
        receiver.path
    );
    let answer = receiver.exchange(broken.as_bytes());
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[test]
fn a_forwarding_header_counts_only_behind_a_proxy_that_is_named() {
    let forwarded = "x-forwarded-for: 52.89.214.238, 198.51.100.7\r\n";
    for (proxies, expected) in [("", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.7")] {
        let dir = TempDir::new().unwrap();
        let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
        let server = Server::start_with(dir.path(), &[("ATOMIK_SERVER__TRUSTED_PROXIES", proxies)]);
        let answer = server.post(&format!("{}?secret={}", made.path, made.secret), forwarded, BUY);
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        server.wait_for("/api/v1/webhooks/1/logs", &made.key, |logs| {
            logs["items"].as_array().unwrap().iter().any(|row| row["remote_ip"] == expected)
        });
    }
}
