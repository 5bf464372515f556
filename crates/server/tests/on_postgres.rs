//! The main job with the books in a PostgreSQL database, on the real binary.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
#[path = "../../storage/tests/database/mod.rs"]
mod database;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::{
    PATIENCE, Quickstart, Server, atomik, quickstart, readiness, settled_and_equal, stderr, stdout,
};
use database::Database;
use secrecy::ExposeSecret;
use tempfile::TempDir;

const BUY: &str = r#"{"action":"BUY","price":"5000"}"#;
const SELL: &str = r#"{"action":"SELL","price":"5001"}"#;
/// The test server believes everybody; a password is sent all the same.
const PASSWORD: &str = "hunter2-canary";

/// A database, and a data directory with a configuration that names it.
struct Place {
    dir: TempDir,
    url: String,
    database: Database,
}

impl Place {
    async fn new() -> Self {
        let database = Database::empty().await;
        let url = database.url().expose_secret().replace("atomik@", &format!("atomik:{PASSWORD}@"));
        let place = Self { dir: TempDir::new().unwrap(), url, database };
        std::fs::write(place.file(), format!("[store]\npostgres_url = \"{}\"\n", place.url)).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("atomik.toml")
    }

    /// Where a server keeps what is not in the database.
    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn serve(&self) -> Server {
        Server::start_with(&self.data_dir(), &[("ATOMIK_STORE__POSTGRES_URL", &self.url)])
    }

    fn quickstart(&self, server_url: &str) -> Quickstart {
        quickstart(&self.data_dir(), server_url, &["--config", self.file().to_str().unwrap()])
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = atomik();
        command.args(args).arg("--data-dir").arg(self.data_dir());
        command.env("ATOMIK_STORE__POSTGRES_URL", &self.url);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// Sends an alert until it is accepted: a running server notices what a command made a moment later.
fn send(server: &Server, made: &Quickstart, alert: &str) {
    let deadline = std::time::Instant::now() + PATIENCE;
    let path = format!("{}?secret={}", made.path, made.secret);
    loop {
        let answer = server.post(&path, "", alert);
        if answer.starts_with("HTTP/1.1 202") {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn fills(server: &Server, made: &Quickstart, count: usize) -> serde_json::Value {
    server.wait_for("/api/v1/fills", &made.key, |fills| fills["items"].as_array().unwrap().len() == count)
}

#[tokio::test]
async fn an_alert_becomes_a_fill_that_a_restart_keeps() {
    let place = Place::new().await;
    let server = place.serve();
    let made = place.quickstart(&server.url());
    send(&server, &made, BUY);
    let first = fills(&server, &made, 1);
    for file in ["atomik.db", "paper.db"] {
        assert!(!place.data_dir().join(file).exists(), "all books are in the database, and {file} is there");
    }
    assert!(server.terminate().success());

    let mut server = place.serve();
    assert_eq!(server.get("/api/v1/fills", &made.key), first);
    send(&server, &made, SELL);
    fills(&server, &made, 2);
    server.kill();

    let server = place.serve();
    let signals = settled_and_equal(&server, &made.key);
    assert_eq!(signals.len(), 2);
    assert!(server.terminate().success());
}

#[tokio::test]
async fn commands_work_beside_a_server_and_show_no_password() {
    let place = Place::new().await;
    let server = place.serve();
    let made = place.quickstart(&server.url());
    let declared = place.run(&["halt", "declare", "system", "--reason", "a test"]);
    assert!(declared.status.success(), "{}", stderr(&declared));
    server.wait_for("/api/v1/halts", &made.key, |halts| halts["items"].as_array().unwrap().len() == 1);
    let users = place.run(&["user", "list"]);
    assert!(stdout(&users).contains("trader@localhost"), "{}", stderr(&users));
    let checked = place.run(&["check-config"]);
    assert!(stdout(&checked).contains("PostgreSQL, test_"), "{}", stdout(&checked));
    let rotated = place.run(&["secrets", "rotate"]);
    assert!(stderr(&rotated).contains("an atomik serves it"), "{}", stderr(&rotated));
    let log = std::fs::read_to_string(place.data_dir().join("server.log")).unwrap();
    for said in [stdout(&declared), stdout(&checked), stderr(&rotated), log] {
        assert!(!said.contains(PASSWORD), "{said}");
    }
    assert!(server.terminate().success());
    let rotated = place.run(&["secrets", "rotate"]);
    assert!(stdout(&rotated).contains("is a new one"), "{}", stderr(&rotated));
}

#[tokio::test]
async fn a_backup_is_a_data_directory() {
    let place = Place::new().await;
    let server = place.serve();
    let made = place.quickstart(&server.url());
    send(&server, &made, BUY);
    let before = fills(&server, &made, 1);
    let restored = TempDir::new().unwrap();
    let file = restored.path().join("atomik.db");
    let backup = place.run(&["backup", file.to_str().unwrap()]);
    assert!(backup.status.success(), "{}", stderr(&backup));
    assert!(restored.path().join("paper.db").exists(), "the paper accounts are beside the books");
    assert!(server.terminate().success());
    let server = Server::start(restored.path());
    assert_eq!(server.get("/api/v1/fills", &made.key), before);
    settled_and_equal(&server, &made.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_sessions_are_ended_is_ready_again_and_trades() {
    let place = Place::new().await;
    let server = place.serve();
    let made = place.quickstart(&server.url());
    send(&server, &made, BUY);
    fills(&server, &made, 1);
    place
        .database
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE 'atomik %'",
        )
        .await;
    send(&server, &made, SELL);
    fills(&server, &made, 2);
    readiness(&server, 200);
    settled_and_equal(&server, &made.key);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_in_a_sentence() {
    let place = Place::new().await;
    let url = place.url.replace("test_", "nowhere_");
    let said = atomik()
        .args(["user", "list", "--data-dir"])
        .arg(place.data_dir())
        .env("ATOMIK_STORE__POSTGRES_URL", url)
        .output()
        .unwrap();
    let said = stderr(&said);
    assert!(said.contains("has no database of that name") && !said.contains(PASSWORD), "{said}");
}
