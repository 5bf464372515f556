//! Replacing the process while alerts come: the service manager's socket lives on, so nobody is refused.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::manager::{HAND_OVER, Manager, ask};
use common::{PATIENCE, Quickstart, atomik_under, quickstart, status_of};
use tempfile::TempDir;

const SENDERS: usize = 4;
fn alert(made: &Quickstart, id: &str) -> String {
    let body = format!(r#"{{"action":"BUY","id":"{id}"}}"#);
    format!(
        "POST {}?secret={} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        made.path,
        made.secret,
        body.len()
    )
}

/// Webhooks, each with a strategy of its own that adds without an end.
fn webhooks(manager: &Manager) -> Vec<Quickstart> {
    let url = format!("http://{}", manager.address());
    let make = |_| quickstart(&manager.data_dir(), &url, &[]);
    (0..SENDERS).map(make).collect()
}

/// Sends alerts from several threads at once, each on new connections, until `enough`. Gives every answer.
fn send_until(
    address: &str,
    made: &[Quickstart],
    enough: &AtomicBool,
    sent: &AtomicUsize,
) -> Vec<std::io::Result<String>> {
    std::thread::scope(|scope| {
        let senders: Vec<_> = made
            .iter()
            .enumerate()
            .map(|(sender, made)| {
                scope.spawn(move || {
                    let mut answers = Vec::new();
                    while !enough.load(Ordering::Relaxed) {
                        answers.push(ask(address, &alert(made, &format!("{sender}-{}", answers.len()))));
                        sent.fetch_add(1, Ordering::Relaxed);
                        // Below the limit of each webhook.
                        std::thread::sleep(Duration::from_millis(150));
                    }
                    answers
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_process_is_replaced_without_a_refused_connection() {
    let manager = Manager::new();
    let made = {
        // The first process makes the store and is replaced at once.
        let mut first = manager.spawn();
        manager.hear("READY=1");
        let made = webhooks(&manager);
        first.ask_to_end();
        assert!(first.end().success());
        made
    };
    let (enough, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut process = manager.spawn();
    manager.hear("READY=1");
    let address = manager.address();
    let answers = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send_until(&address, &made, &enough, &sent));
        for _ in 0..3 {
            let before = sent.load(Ordering::Relaxed);
            wait_until("alerts are sent", || sent.load(Ordering::Relaxed) >= before + 2 * SENDERS);
            process.ask_to_end();
            manager.hear("STOPPING=1");
            assert!(process.end().success());
            process = manager.spawn();
            manager.hear("READY=1");
        }
        let before = sent.load(Ordering::Relaxed);
        wait_until("alerts are sent", || sent.load(Ordering::Relaxed) >= before + 2 * SENDERS);
        enough.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    for answer in &answers {
        let answer = answer.as_ref().expect("every connection is accepted and answered");
        assert_eq!(status_of(answer), 202, "{answer}");
    }
    each_traded_once(&manager, &made, answers.len());
    let log = std::fs::read_to_string(manager.log()).unwrap();
    assert!(log.contains("server.listen does not count"), "{log}");
}

/// Every accepted alert is one signal, and has one outcome that is final.
fn each_traded_once(manager: &Manager, made: &[Quickstart], accepted: usize) {
    let key = &made[0].key;
    let all = || {
        let mut items = Vec::new();
        let mut path = "/api/v1/signals?limit=200".to_owned();
        loop {
            let page = manager.get(&path, key);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            path = format!("/api/v1/signals?limit=200&cursor={cursor}");
        }
    };
    wait_until("every signal is settled", || all().iter().all(|signal| signal["status"] != "pending"));
    assert_eq!(all().len(), accepted, "an alert that was answered 202 is a signal, and only one");
    let fills = manager.get("/api/v1/fills?limit=200", key);
    // Strategies hold one at most: the first alert of each opens it, the others meet the limit.
    assert_eq!(fills["items"].as_array().unwrap().len(), made.len());
}

#[test]
fn who_connects_while_no_process_runs_waits_for_the_next() {
    let manager = Manager::new();
    let made = {
        let mut first = manager.spawn();
        manager.hear("READY=1");
        let made = webhooks(&manager);
        first.ask_to_end();
        assert!(first.end().success());
        made
    };
    let mut waiting = TcpStream::connect(manager.address()).unwrap();
    waiting.set_read_timeout(Some(PATIENCE)).unwrap();
    waiting.write_all(alert(&made[0], "waiting").as_bytes()).unwrap();
    let _process = manager.spawn();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert_eq!(status_of(&answer), 202, "{answer}");
}

#[test]
fn a_socket_that_is_no_listener_is_said_in_a_sentence() {
    let dir = TempDir::new().unwrap();
    let file = std::fs::File::open(dir.path()).unwrap();
    let output = atomik_under(&["sh", "-c", HAND_OVER])
        .args(["serve", "--data-dir"])
        .arg(Path::new(dir.path()))
        .stdin(Stdio::from(file))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = common::stderr(&output);
    assert!(said.contains("handed over"), "{said}");
}
