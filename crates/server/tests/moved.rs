//! Moving an installation from its data directory into a PostgreSQL database, on the real binary.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
#[path = "../../storage/tests/database/mod.rs"]
mod database;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{
    PATIENCE, Quickstart, Server, atomik, body_of, quickstart, settled_and_equal, status_of, stderr, stdout,
};
use database::Database;
use secrecy::ExposeSecret;
use serde_json::Value;
use sqlx::Connection;
use tempfile::TempDir;

const VARIABLE: &str = "ATOMIK_STORE__POSTGRES_URL";
/// Part of what the API answers; the port is another one with every start.
const PUBLIC_URL: (&str, &str) = ("ATOMIK_SERVER__PUBLIC_URL", "http://atomik.example.com");
const USER: &str = "trader@example.com";
const SECRET: &str = "a password for tests";
const PASSWORD: &str = "hunter2-canary";
const BUY: &str = r#"{"action":"BUY","price":"5000","id":"before the move"}"#;
const SELL: &str = r#"{"action":"SELL","price":"5001"}"#;

/// An installation that has traded, and the database that it is to be moved into.
struct Moving {
    dir: TempDir,
    database: Database,
    made: Quickstart,
    /// The cookie of a session that was begun before the move.
    cookie: String,
    /// What the API answered before the move.
    answers: Vec<Value>,
}

impl Moving {
    async fn new() -> Self {
        let (dir, database) = (TempDir::new().unwrap(), Database::empty().await);
        let server = Server::start_with(&dir.path().join("data"), &[PUBLIC_URL]);
        let further = ["--email", USER, "--password", SECRET];
        let made = quickstart(&dir.path().join("data"), &server.url(), &further);
        send(&server, &made, BUY);
        server.wait_for("/api/v1/fills", &made.key, |fills| fills["items"].as_array().unwrap().len() == 1);
        let refused = server.post(&format!("{}?secret=wrong", made.path), "", SELL);
        assert_eq!(status_of(&refused), 401, "{refused}");
        let cookie = log_in(&server);
        settled_and_equal(&server, &made.key);
        let answers = answers(&server, &made.key);
        assert!(server.terminate().success());
        Self { dir, database, made, cookie, answers }
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn url(&self) -> String {
        self.database.url().expose_secret().replace("atomik@", &format!("atomik:{PASSWORD}@"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = atomik();
        command.args(args).arg("--data-dir").arg(self.data_dir()).env(VARIABLE, self.url());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn serve(&self) -> Server {
        Server::start_with(&self.data_dir(), &[(VARIABLE, &self.url()), PUBLIC_URL])
    }
}

/// Sends an alert until it is accepted: a running server notices what a command made a moment later.
fn send(server: &Server, made: &Quickstart, alert: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = server.post(&format!("{}?secret={}", made.path, made.secret), "", alert);
        if status_of(&answer) == 202 {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn log_in(server: &Server) -> String {
    let body = format!(r#"{{"email":"{USER}","password":"{SECRET}"}}"#);
    let answer = server.post("/api/v1/auth/login", "content-type: application/json\r\n", &body);
    assert_eq!(status_of(&answer), 200, "{answer}");
    let cookie = answer.split_once("set-cookie: ").unwrap().1;
    cookie.split_once(';').unwrap().0.to_owned()
}

fn answers(server: &Server, key: &str) -> Vec<Value> {
    [
        "webhooks",
        "strategies",
        "broker-accounts",
        "signals",
        "orders",
        "fills",
        "positions",
        "webhooks/1/logs",
    ]
    .iter()
    .map(|list| {
        let mut answer = server.get(&format!("/api/v1/{list}"), key);
        for row in answer["items"].as_array_mut().unwrap() {
            // What holdings are worth now, and when books were compared, is of the process and not kept.
            for now in ["marked_at", "mark_price", "unrealized_profit"] {
                row.as_object_mut().unwrap().remove(now);
            }
            if *list == "broker-accounts" {
                row.as_object_mut().unwrap().remove("status");
            }
        }
        answer
    })
    .collect()
}

#[tokio::test]
async fn after_the_move_everything_is_as_it_was_and_trades_on() {
    let moving = Moving::new().await;
    let copied = moving.run(&["store", "copy"]);
    assert!(copied.status.success(), "{}", stderr(&copied));
    let said = stdout(&copied);
    assert!(
        said.contains("fills")
            && said.contains("paper.executions")
            && said.contains("Every row was copied and compared"),
        "{said}"
    );
    assert!(!said.contains(PASSWORD) && !stderr(&copied).contains(PASSWORD), "{said}");
    let compared = moving.run(&["store", "compare"]);
    assert!(stdout(&compared).contains("Every row is the same"), "{}", stderr(&compared));

    for file in ["atomik.db", "paper.db"] {
        std::fs::rename(moving.data_dir().join(file), moving.dir.path().join(file)).unwrap();
    }
    let server = moving.serve();
    let key = &moving.made.key;
    assert_eq!(answers(&server, key), moving.answers);
    let me = server.exchange(format!(
        "GET /api/v1/me HTTP/1.1\r\nhost: a\r\ncookie: {}\r\nconnection: close\r\n\r\n",
        moving.cookie
    ));
    assert!(status_of(&me) == 200 && body_of(&me).contains(USER), "{me}");
    log_in(&server);
    let repeat = send(&server, &moving.made, BUY);
    assert!(repeat.contains("idempotent-replayed: true"), "{repeat}");
    send(&server, &moving.made, SELL);
    server.wait_for("/api/v1/fills", key, |fills| fills["items"].as_array().unwrap().len() == 2);
    assert_eq!(settled_and_equal(&server, key).len(), 2);
    assert!(server.terminate().success());
}

#[tokio::test]
async fn what_cannot_be_moved_is_said_in_a_sentence() {
    let moving = Moving::new().await;
    let server = Server::start(&moving.data_dir());
    let in_use = moving.run(&["store", "copy"]);
    assert!(stderr(&in_use).contains("another atomik serves it"), "{}", stderr(&in_use));
    assert!(server.terminate().success());

    let nowhere = moving.command(&["store", "copy"]).env_remove(VARIABLE).output().unwrap();
    assert!(stderr(&nowhere).contains(VARIABLE), "{}", stderr(&nowhere));
    let mistyped = moving
        .command(&["store", "copy", "--to", &moving.url().replace("postgres:", "mysql:")])
        .output()
        .unwrap();
    let said = stderr(&mistyped);
    assert!(said.contains("--to: it does not begin with postgres://") && !said.contains(PASSWORD), "{said}");

    let named =
        moving.command(&["store", "copy", "--to", &moving.url()]).env_remove(VARIABLE).output().unwrap();
    assert!(named.status.success(), "{}", stderr(&named));
    let again = moving.run(&["store", "copy"]);
    assert!(stderr(&again).contains("is not empty: it has rows in users"), "{}", stderr(&again));
    moving.database.execute("UPDATE users SET plan = 'free'").await;
    let compared = moving.run(&["store", "compare"]);
    assert!(stderr(&compared).contains("users, row 1: the column plan differs"), "{}", stderr(&compared));
    moving
        .database
        .execute(
            "UPDATE users SET plan = 'unlimited'; DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes); \
             DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes); UPDATE paper.holdings SET net_qty = '2'",
        )
        .await;
    let compared = moving.run(&["store", "compare"]);
    assert!(stderr(&compared).contains("differs: paper.holdings, row 1, ES"), "{}", stderr(&compared));
}

#[tokio::test]
async fn a_copy_that_is_killed_is_not_served() {
    let moving = Moving::new().await;
    // Makes the schema, so that a table can be kept from the copy.
    assert!(moving.run(&["halt", "list"]).status.success());
    let mut keeper = moving.database.raw().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE fills IN SHARE MODE").execute(&mut keeper).await.unwrap();
    let mut copying = moving.command(&["store", "copy"]).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE relation = 'fills'::regclass AND NOT granted)";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut keeper).await.unwrap() {
        assert!(Instant::now() < deadline, "the copy does not come that far");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    copying.kill().unwrap();
    copying.wait().unwrap();
    keeper.close().await.unwrap();
    let served = served_by(&moving.data_dir(), &moving.url());
    assert!(stderr(&served).contains("holds an unfinished copy"), "{}", stderr(&served));
}

fn served_by(data_dir: &Path, url: &str) -> Output {
    let mut command = atomik();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).env(VARIABLE, url);
    command.stdout(Stdio::null()).output().unwrap()
}
