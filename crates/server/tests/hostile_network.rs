//! Strangers on the network, at the real binary with the bounds it is served with: those who hold connections, who send slowly,
//! who guess, and who send heads that nobody should read. What a trader's own alerts see of it is the measure.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{PATIENCE, Quickstart, Server, body_of, quickstart, status_of};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How many connections of each kind are held; there are four kinds.
const OF_EACH: usize = 500;
/// What the slowest alert of a trader may take beside all that, on a machine that does other things: the server answers within
/// two seconds, and an alert source gives up after three.
const BEARABLE: Duration = Duration::from_secs(2);
/// How long a head may take, and some more for a machine that does other things.
const HEADS_END: Duration = Duration::from_secs(15);

struct Installation {
    server: Server,
    made: Quickstart,
    _dir: TempDir,
}

impl Installation {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let made = quickstart(dir.path(), "http://127.0.0.1:8080", &["--quantity", "1"]);
        let server = Server::start(dir.path());
        server.wait_until_connected(1, &made.key);
        Self { server, made, _dir: dir }
    }

    /// A webhook more, as path with secret.
    fn another_webhook(&self, name: &str) -> String {
        let headers = format!("authorization: Bearer {}\r\n", self.made.key);
        let answer = self.server.post("/api/v1/webhooks", &headers, &format!(r#"{{"name":"{name}"}}"#));
        assert_eq!(status_of(&answer), 201, "{answer}");
        let webhook: Value = serde_json::from_str(body_of(&answer)).unwrap();
        let (token, secret) = (webhook["token"].as_str().unwrap(), webhook["secret"].as_str().unwrap());
        format!("/api/v1/webhooks/{token}?secret={secret}")
    }

    fn own_path(&self) -> String {
        format!("{}?secret={}", self.made.path, self.made.secret)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// So many alerts, one after another, each on a connection of its own and within the webhook's rate. Gives the time that the
    /// slowest answer took.
    fn slowest_alert(&self, path: &str, name: &str, count: usize) -> Duration {
        let mut slowest = Duration::ZERO;
        for number in 0..count {
            let alert = format!(r#"{{"action":"BUY","price":"5000","id":"{name}-{number}"}}"#);
            let began = Instant::now();
            let answer = self.server.post(path, "", &alert);
            slowest = slowest.max(began.elapsed());
            assert_eq!(status_of(&answer), 202, "{name}, alert {number}: {answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
        slowest
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// Lets this process, and with it the server that it starts, have so many descriptors.
fn raise_descriptors(count: usize) {
    let own = std::process::id().to_string();
    let raised =
        Command::new("prlimit").args(["--pid", &own, &format!("--nofile={count}:")]).output().unwrap();
    assert!(raised.status.success(), "this test holds {count} descriptors: {}", common::stderr(&raised));
}

/// All that comes until the server closes; a reset counts as the end, and that it stays open fails.
fn rest_of(mut stream: &TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let open = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
        assert!(!open.contains(&error.kind()), "the server keeps a connection open");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn two_thousand_connections_that_bring_nothing_delay_no_alert_and_end() {
    raise_descriptors(3 * 4 * OF_EACH);
    let all = Installation::start();
    let path = all.own_path();
    let before = all.slowest_alert(&path, "before", 20);
    let held = |first: String| -> Vec<TcpStream> {
        let open = || {
            let mut stream = all.connect();
            stream.write_all(first.as_bytes()).unwrap();
            stream
        };
        (0..OF_EACH).map(|_| open()).collect()
    };
    let idle = held("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n".to_owned());
    let began = Instant::now();
    let silent = held(String::new());
    let halves_of_heads = held(format!("POST {path} HTTP/1.1\r\nhost: a\r\nx-drip: "));
    let halves_of_bodies = held(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{{"));
    let ended = AtomicBool::new(false);
    let (during, memory) = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Whoever sends a byte from time to time is no less slow.
            while !ended.load(Ordering::Relaxed) && began.elapsed() < HEADS_END {
                for mut stream in &halves_of_heads {
                    let _ = stream.write_all(b"x");
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        let during = all.slowest_alert(&path, "during", 20);
        let memory = all.resident_kib();
        for stream in silent.iter().chain(&halves_of_heads) {
            assert_eq!(rest_of(stream), "", "nobody asked for anything");
        }
        assert!(began.elapsed() < HEADS_END, "heads may take {:?}", began.elapsed());
        ended.store(true, Ordering::Relaxed);
        (during, memory)
    });
    for stream in &halves_of_bodies {
        let answer = rest_of(stream);
        assert_eq!(status_of(&answer), 408, "{answer}");
    }
    // Who has asked before may ask again.
    for mut stream in &idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        assert_eq!(rest_of(stream).matches("HTTP/1.1 200").count(), 2);
    }
    println!("slowest alert: {before:?} alone, {during:?} beside 2,000 connections; {memory} KiB resident");
    assert!(during < BEARABLE, "{during:?} beside 2,000 connections, {before:?} without");
    let refused = all.server.wait_for("/api/v1/webhooks/1/logs?outcome=refused", &all.made.key, |logs| {
        !logs["items"].as_array().unwrap().is_empty()
    });
    assert_eq!(refused["items"][0]["code"], "request_timeout");
}

#[test]
fn strangers_connections_leave_room_for_a_broker() {
    let dir = TempDir::new().unwrap();
    let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let allowed = [("ATOMIK_BROKERS__ALLOW_CUSTOM_URLS", "true")];
    let server = Server::start_under(&["prlimit", "--nofile=300"], dir.path(), &allowed);
    let (mut own, venue) =
        (TcpStream::connect(&server.address).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let held: Vec<_> = (0..400).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    // Those that there is no room for are closed, and the others are not.
    held[399].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(rest_of(&held[399]), "");
    let account = json!({"broker": "alpaca", "environment": "paper", "label": "a",
        "credentials": {"key_id": "PKPKPKPK", "secret_key": "secret"},
        "settings": {"base_url": format!("http://{}", venue.local_addr().unwrap())}})
    .to_string();
    let request = format!(
        "POST /api/v1/broker-accounts HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\n\r\n{account}",
        made.key,
        account.len()
    );
    own.write_all(request.as_bytes()).unwrap();
    let linked = rest_of(&own);
    assert_eq!(status_of(&linked), 201, "{linked}");
    let (reached, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || reached.send(venue.accept().is_ok()));
    assert_eq!(wait.recv_timeout(PATIENCE), Ok(true), "the broker is not reached");
}

/// One connection that sends alerts with a wrong secret as fast as they are answered, until told to end.
fn flood(all: &Installation, path: &str, enough: &AtomicBool, refused: &AtomicUsize) {
    let wrong = "0".repeat(64);
    let body = format!(r#"{{"action":"BUY","price":"1","secret":"{wrong}"}}"#);
    let request = format!(
        "POST {path}?secret={wrong} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = all.connect();
    let mut answer = [0; 4_096];
    while !enough.load(Ordering::Relaxed) {
        stream.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        // A refusal ends with its envelope.
        while !answer[..length].ends_with(b"}") {
            length += stream.read(&mut answer[length..]).unwrap();
        }
        assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer[..length]));
        refused.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_flood_of_wrong_secrets_uses_up_nobodys_rate_and_delays_nobody() {
    let all = Installation::start();
    let (own, other) = (all.own_path(), all.another_webhook("somebody else's"));
    let (enough, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (slowest_own, slowest_other) = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| flood(&all, &all.made.path, &enough, &refused));
        }
        let others = scope.spawn(|| all.slowest_alert(&other, "other", 25));
        // The owner's ten at once are still ten.
        let slowest = all.slowest_burst(&own);
        let slowest = slowest.max(all.slowest_alert(&own, "own", 15));
        let others = others.join().unwrap();
        enough.store(true, Ordering::Relaxed);
        (slowest, others)
    });
    let refused = refused.into_inner();
    println!(
        "beside {refused} wrong secrets: slowest alert {slowest_own:?}, of another webhook {slowest_other:?}"
    );
    assert!(refused > 1_000, "{refused} is no flood");
    assert!(slowest_own < BEARABLE && slowest_other < BEARABLE, "{slowest_own:?}, {slowest_other:?}");
    // Few of them are kept. With the next one that is, the owner learns how many there were in between.
    let deadline = Instant::now() + PATIENCE;
    let (mut sent, mut rows, mut told) = (refused as u64, 0, 0);
    while told < sent {
        assert!(Instant::now() < deadline, "{told} of {sent} refusals are accounted for, in {rows} rows");
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(status_of(&all.server.post(&format!("{}?secret=wrong", all.made.path), "", "{}")), 401);
        sent += 1;
        let logs = all.server.list("/api/v1/webhooks/1/logs", &all.made.key);
        let wrong: Vec<_> = logs.iter().filter(|row| row["code"] == "invalid_secret").collect();
        told = wrong.iter().map(|row| 1 + row["suppressed"].as_u64().unwrap()).sum();
        rows = wrong.len();
    }
    assert_eq!(told, sent);
    assert!(rows < 60, "{rows} rows of {sent} refusals");
}

impl Installation {
    fn slowest_burst(&self, path: &str) -> Duration {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..10)
                .map(|number| {
                    let alert = format!(r#"{{"action":"SELL","price":"5000","id":"burst-{number}"}}"#);
                    scope.spawn(move || self.server.post(path, "", &alert))
                })
                .collect();
            for sender in senders {
                let answer = sender.join().unwrap();
                assert_eq!(status_of(&answer), 202, "{answer}");
            }
        });
        let slowest = began.elapsed();
        // Ten a second: they come back.
        std::thread::sleep(Duration::from_secs(1));
        slowest
    }
}

/// What is answered to a body that breaks off: its sender is known, so it counts against the webhook's rate.
const BROKEN: &[u16] = &[400, 413, 422, 429];

/// Heads and framings that nobody should read, and what may be answered; 0 is a connection that is closed without a word.
fn bombs(path: &str) -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let head = |rest: &str| format!("POST {path} HTTP/1.1\r\nhost: a\r\n{rest}").into_bytes();
    let many = |count: usize, line: &str| line.repeat(count);
    let mut bombs: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("a long header", head(&format!("x: {}\r\n\r\n", "x".repeat(1 << 20))), &[431]),
        ("many headers", head(&format!("{}\r\n", many(20_000, "x: y\r\n"))), &[431]),
        ("a header more than there may be", head(&format!("{}\r\n", many(100, "x: y\r\n"))), &[431]),
        ("a long name", head(&format!("{}: y\r\n\r\n", "x".repeat(1 << 20))), &[431]),
        ("a long path", format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20)).into(), &[414, 431]),
        (
            "a long query",
            format!("POST {path}&{} HTTP/1.1\r\n\r\n", "x=y&".repeat(1 << 18)).into(),
            &[414, 431],
        ),
        ("a long method", format!("{} / HTTP/1.1\r\n\r\n", "X".repeat(1 << 20)).into(), &[400, 431]),
        ("no end of empty lines", "\r\n".repeat(1 << 19).into(), &[400, 431]),
        ("a header without a colon", head("nonsense\r\n\r\n"), &[400]),
        ("a NUL in a header", head("x: a\0b\r\n\r\n"), &[400]),
        ("a folded header", head("x: a\r\n b\r\n\r\n"), &[400]),
        ("two lengths", head("content-length: 1\r\ncontent-length: 2\r\n\r\n{}"), &[400]),
        ("a negative length", head("content-length: -1\r\n\r\n"), &[400]),
        ("a length beyond all numbers", head("content-length: 99999999999999999999999\r\n\r\n"), &[400]),
        ("another coding", head("transfer-encoding: gzip, smuggled\r\n\r\n0\r\n\r\n"), &[400, 501]),
        (
            "chunks in HTTP/1.0",
            b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "a chunk beyond all numbers",
            head("transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"),
            BROKEN,
        ),
        ("a negative chunk", head("transfer-encoding: chunked\r\n\r\n-1\r\n"), BROKEN),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400, 505]),
        ("HTTP/9", b"GET / HTTP/9.9\r\n\r\n".to_vec(), &[400, 505]),
        (
            "a length and chunks",
            head("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            BROKEN,
        ),
        ("TLS", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0; 600]].concat(), &[400]),
        ("random bytes", (0..=255_u8).cycle().take(1 << 16).collect(), &[400]),
    ];
    let extension = format!("transfer-encoding: chunked\r\n\r\n1;{}\r\n", "x".repeat(1 << 20));
    bombs.push(("a long chunk extension", head(&extension), BROKEN));
    let trailers = format!("transfer-encoding: chunked\r\n\r\n0\r\n{}\r\n", many(100_000, "x: y\r\n"));
    bombs.push(("no end of trailers", head(&trailers), BROKEN));
    bombs
}

#[test]
fn heads_that_nobody_should_read_are_refused_at_once_and_cost_no_memory() {
    let all = Installation::start();
    let path = all.own_path();
    all.slowest_alert(&path, "before", 3);
    let memory = all.resident_kib();
    for (name, bytes, statuses) in bombs(&path) {
        for _ in 0..20 {
            let began = Instant::now();
            let answer = all.server.exchange(&bytes);
            let status = status_of(&answer);
            // Who sends on after the refusal may find the connection reset before having read it.
            assert!(status == 0 || statuses.contains(&status), "{name}: {answer}");
            assert!(began.elapsed() < Duration::from_secs(4), "{name} took {:?}", began.elapsed());
        }
    }
    let grown = all.resident_kib().saturating_sub(memory);
    println!("{grown} KiB more are resident than before");
    assert!(grown < 64 << 10, "{grown} KiB stay behind");
    // Bodies that broke off have used up the webhook's rate.
    std::thread::sleep(Duration::from_secs(1));
    all.slowest_alert(&path, "after", 3);
    let signals = all.server.list("/api/v1/signals", &all.made.key);
    assert_eq!(signals.len(), 6, "a bomb became a signal: {signals:?}");
}
