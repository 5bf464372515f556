//! The main job on the real binary: an alert arrives, a paper order fills.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{PATIENCE, Quickstart, Server, body_of, quickstart, run, settled_and_equal, stderr, stdout};
use serde_json::json;
use tempfile::TempDir;

const BUY: &str = r#"{"action":"BUY","price":"5000"}"#;

fn items(answer: &serde_json::Value) -> usize {
    answer["items"].as_array().unwrap().len()
}

#[test]
fn an_alert_becomes_a_fill_that_a_restart_keeps() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let made = quickstart(dir.path(), &server.url(), &[]);
    let url = format!("{}{}?secret={}", server.url(), made.path, made.secret);
    // The running server sees what the command made; until then the webhook is not there.
    let deadline = std::time::Instant::now() + PATIENCE;
    let sent = loop {
        let sent = run(&["send", &url, BUY]);
        if sent.status.success() || std::time::Instant::now() > deadline {
            break sent;
        }
    };
    assert!(stdout(&sent).starts_with("202 Accepted\n{\"status\":\"accepted\""), "{}", stderr(&sent));
    let fills = server.wait_for("/api/v1/fills", &made.key, |fills| items(fills) == 1);
    assert_eq!(fills["items"][0]["last_price"], "5000");
    assert_eq!(fills["items"][0]["side"], "buy");
    assert!(server.terminate().success());

    let server = Server::start(dir.path());
    assert_eq!(server.get("/api/v1/fills", &made.key), fills);
    server.wait_for("/api/v1/positions", &made.key, |positions| positions["items"][0]["net_qty"] == "1");
    assert!(server.terminate().success());
}

#[test]
fn quickstart_works_before_the_server_and_again_for_the_same_user() {
    let dir = TempDir::new().unwrap();
    let first = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    assert!(first.said.contains("Password"));
    let second = quickstart(dir.path(), "http://127.0.0.1:8080", &["--email", "trader@localhost"]);
    assert!(!second.said.contains("Password") && second.path != first.path);
    let data_dir = dir.path().to_str().unwrap();
    let other = run(&["quickstart", "--data-dir", data_dir, "--email", "other@example.com"]);
    assert!(stderr(&other).contains("name one with --email"), "{}", stderr(&other));
    let server = Server::start(dir.path());
    let answer = server.post(&format!("{}?secret={}", second.path, second.secret), "", BUY);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert_eq!(items(&server.get("/api/v1/broker-accounts", &first.key)), 1);
    assert_eq!(items(&server.get("/api/v1/strategies", &second.key)), 2);
}

#[test]
fn a_halt_by_command_stops_entries_until_it_is_lifted() {
    let dir = TempDir::new().unwrap();
    let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let server = Server::start(dir.path());
    let data_dir = dir.path().to_str().unwrap();
    let declared = run(&["halt", "declare", "system", "--reason", "a test", "--data-dir", data_dir]);
    assert!(stdout(&declared).contains("atomik halt resume 1"), "{}", stderr(&declared));
    server.wait_for("/api/v1/halts", &made.key, |halts| items(halts) == 1);
    let path = format!("{}?secret={}", made.path, made.secret);
    // Until the halt is effective entries may still trade; exits always may. So: flat, then an entry, until one is denied.
    let mut id = 0;
    server.wait_for("/api/v1/signals?limit=5", &made.key, |signals| {
        for action in ["SELL", "BUY"] {
            id += 1;
            let alert = format!(r#"{{"action":"{action}","price":"5000","id":"{id}"}}"#);
            assert!(server.post(&path, "", &alert).starts_with("HTTP/1.1 "));
        }
        signals["items"].as_array().unwrap().iter().any(|signal| signal["code"] == "halted")
    });
    assert!(server.terminate().success());
    let server = Server::start(dir.path());
    let entry = r#"{"action":"BUY","price":"5000","id":"after the restart"}"#;
    assert!(server.post(&path, "", entry).starts_with("HTTP/1.1 202"));
    server.wait_for("/api/v1/signals?limit=1", &made.key, |signals| {
        items(signals) == 1 && signals["items"][0]["status"] != "pending"
    });
    assert_eq!(server.get("/api/v1/signals?limit=1", &made.key)["items"][0]["code"], "halted");
    assert!(run(&["halt", "resume", "1", "--data-dir", data_dir]).status.success());
    let again = run(&["halt", "resume", "1", "--data-dir", data_dir]);
    assert!(stderr(&again).contains("no halt 1 is in force"));
    assert!(stdout(&run(&["halt", "list", "--data-dir", data_dir])).contains("No halt is in force"));
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    let dir = TempDir::new().unwrap();
    let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let server = Server::start(dir.path());
    let copies = TempDir::new().unwrap();
    let copy = copies.path().join("atomik.db");
    let (data_dir, copy) = (dir.path().to_str().unwrap(), copy.to_str().unwrap());
    let backup = run(&["backup", copy, "--data-dir", data_dir]);
    assert!(backup.status.success(), "{}", stderr(&backup));
    let again = run(&["backup", copy, "--data-dir", data_dir]);
    assert!(!again.status.success() && stderr(&again).contains("exists already"), "{}", stderr(&again));
    let nowhere = copies.path().join("nowhere/monday.db");
    let nowhere = run(&["backup", nowhere.to_str().unwrap(), "--data-dir", data_dir]);
    assert!(stderr(&nowhere).starts_with("atomik: no backup was made: "), "{}", stderr(&nowhere));
    // Half of it is there, so none is made, and what is there stays.
    std::fs::write(copies.path().join("tuesday.db"), "x").unwrap();
    let half = run(&["backup", copies.path().join("tuesday.db").to_str().unwrap(), "--data-dir", data_dir]);
    assert!(stderr(&half).contains("tuesday.db exists already"), "{}", stderr(&half));
    let mut files: Vec<_> =
        std::fs::read_dir(copies.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["atomik.db", "paper.db", "tuesday.db"]);
    let bytes = std::fs::read(copy).unwrap();
    for secret in [&made.secret, &made.key] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    drop(server);
    let restored = Server::start(copies.path());
    assert_eq!(items(&restored.get("/api/v1/strategies", &made.key)), 1);
    let halts = restored.get("/api/v1/halts", &made.key);
    assert_eq!((&halts["items"][0]["scope"], &halts["items"][0]["mode"]), (&json!("system"), &json!("all")));
    let answer = restored.post(
        &format!("{}?secret={}", made.path, made.secret),
        "",
        r#"{"action":"BUY","price":"5000"}"#,
    );
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    restored.wait_for("/api/v1/signals", &made.key, |signals| {
        signals["items"][0]["strategies"][0]["code"] == "halted"
    });
}

#[test]
fn a_backup_amid_trading_restores_books_and_venue_of_one_moment() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    // A stream of orders: ten strategies on each of four webhooks, each of which takes ten alerts a second.
    let made: Vec<_> = (0..4).map(|_| quickstart(dir.path(), &server.url(), &["--symbol", "MES"])).collect();
    for number in 0..36 {
        let strategy = format!(
            r#"{{"name":"{number}","webhook_id":{},"broker_account_id":1,"symbol":"MES","quantity":"1","active":true}}"#,
            1 + number % 4
        );
        let answer = server.post(
            "/api/v1/strategies",
            &format!("authorization: Bearer {}\r\n", made[0].key),
            &strategy,
        );
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let copies: Vec<_> = (0..2).map(|_| TempDir::new().unwrap()).collect();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for one in &made {
            scope.spawn(|| send_until(&enough, &server, one));
        }
        server.wait_for("/api/v1/fills", &made[0].key, |fills| items(fills) > 0);
        for copy in &copies {
            let file = copy.path().join("atomik.db");
            let backup = run(&["backup", file.to_str().unwrap(), "--data-dir", dir.path().to_str().unwrap()]);
            assert!(backup.status.success(), "{}", stderr(&backup));
        }
        enough.store(true, Ordering::Relaxed);
    });
    drop(server);
    for copy in &copies {
        let restored = Server::start(copy.path());
        assert!(!settled_and_equal(&restored, &made[0].key).is_empty());
        let halt = restored.get("/api/v1/halts", &made[0].key)["items"][0]["id"].clone();
        let lifted = restored.exchange(format!(
            "DELETE /api/v1/halts/{halt} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
            made[0].key
        ));
        assert!(lifted.starts_with("HTTP/1.1 2"), "{lifted}");
        for one in &made {
            let exit = r#"{"action":"SELL","price":"5100","id":"exit"}"#;
            let answer = restored.post(&format!("{}?secret={}", one.path, one.secret), "", exit);
            assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        }
        settled_and_equal(&restored, &made[0].key);
        let positions = restored.list("/api/v1/positions", &made[0].key);
        assert!(positions.iter().all(|position| position["net_qty"] == "0"), "{positions:?}");
    }
}

/// Entries and exits in turn, as many as the webhook takes.
fn send_until(enough: &AtomicBool, server: &Server, made: &Quickstart) {
    let path = format!("{}?secret={}", made.path, made.secret);
    let mut number = 0;
    while !enough.load(Ordering::Relaxed) {
        let (action, price) = (["BUY", "SELL"][number % 2], 5_000 + number);
        let alert = format!(r#"{{"action":"{action}","price":"{price}","id":"{number}"}}"#);
        if server.post(&path, "", &alert).starts_with("HTTP/1.1 202") {
            number += 1;
        } else {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn secrets_never_reach_a_log() {
    let dir = TempDir::new().unwrap();
    let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let server = Server::start_with(dir.path(), &[("ATOMIK_LOG__LEVEL", "trace")]);
    let path = format!("{}?secret={}", made.path, made.secret);
    let body = format!(r#"{{"action":"BUY","secret":"{}"}}"#, made.secret);
    let header = format!("x-webhook-secret: {}\r\n", made.secret);
    assert!(server.post(&path, &header, &body).starts_with("HTTP/1.1 202"));
    assert!(server.post(&path, &header, "{").starts_with("HTTP/1.1 422"));
    server.exchange(format!("PUT {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    server.exchange(format!("GET /nowhere?secret={} HTTP/1.1\r\nconnection: close\r\n\r\n", made.secret));
    server.wait_for("/api/v1/fills", &made.key, |fills| items(fills) == 1);
    assert!(server.terminate().success());
    let log = std::fs::read_to_string(dir.path().join("server.log")).unwrap();
    assert!(log.contains("serving") && log.contains("request"), "{log}");
    for secret in
        [&made.secret as &str, &made.key, made.path.rsplit_once('/').map(|(_, token)| token).unwrap()]
    {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn metrics_can_have_a_listener_of_their_own() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let request = "GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(server.exchange(request).contains("atomik_deliveries_total"));
    assert!(server.terminate().success());
    let server = Server::start_with(dir.path(), &[("ATOMIK_SERVER__METRICS_LISTEN", "127.0.0.1:0")]);
    assert!(server.exchange(request).starts_with("HTTP/1.1 404"));
    assert!(body_of(&server.exchange("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n")).contains("ok"));
}

#[test]
fn an_open_event_stream_does_not_hold_up_the_end() {
    let dir = TempDir::new().unwrap();
    let made = quickstart(dir.path(), "http://127.0.0.1:8080", &[]);
    let server = Server::start(dir.path());
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("GET /api/v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\r\n", made.key);
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert!(server.terminate().success());
}
