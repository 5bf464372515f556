//! The real binary, started and asked.
#![allow(dead_code)] // every test binary uses its own part of this

pub mod backend;
pub mod manager;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use serde_json::Value;

/// However slow the machine: longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program with nothing of the caller's environment that it would read.
pub fn atomik() -> Command {
    atomik_under(&[])
}

/// The same, started by another program: its name and arguments.
pub fn atomik_under(starter: &[&str]) -> Command {
    let words = [starter, &[env!("CARGO_BIN_EXE_atomik")]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ATOMIK_") {
            command.env_remove(name);
        }
    }
    command
}

/// A command on the store of the data directory that it names, if it names one; not where it names a configuration.
pub fn command(args: &[&str]) -> Command {
    let mut command = atomik();
    command.args(args);
    let named = args.iter().position(|arg| *arg == "--data-dir").map(|at| Path::new(args[at + 1]));
    if let Some(data_dir) = named
        && !args.contains(&"--config")
    {
        command.envs(backend::variables(data_dir));
    }
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The end of what a server has logged in its data directory.
pub fn last_words(data_dir: &Path) -> String {
    let log = std::fs::read_to_string(data_dir.join("server.log")).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A server on a free port. Killed when dropped.
pub struct Server {
    child: Child,
    /// `127.0.0.1:port`.
    pub address: String,
}

impl Server {
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// With further environment variables. The logs go to `server.log` in the data directory.
    pub fn start_with(data_dir: &Path, environment: &[(&str, &str)]) -> Self {
        Self::start_under(&[], data_dir, environment)
    }

    /// And by another program, which becomes this one.
    pub fn start_under(starter: &[&str], data_dir: &Path, environment: &[(&str, &str)]) -> Self {
        Self::try_start_under(starter, data_dir, environment)
            .unwrap_or_else(|| panic!("the server ended at once:\n{}", last_words(data_dir)))
    }

    /// `None` where it ended before it said where it listens.
    pub fn try_start_under(starter: &[&str], data_dir: &Path, environment: &[(&str, &str)]) -> Option<Self> {
        std::fs::create_dir_all(data_dir).unwrap();
        let log =
            std::fs::File::options().create(true).append(true).open(data_dir.join("server.log")).unwrap();
        let mut command = atomik_under(starter);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        if environment.iter().all(|(name, _)| *name != "ATOMIK_STORE__POSTGRES_URL") {
            command.envs(backend::variables(data_dir));
        }
        let mut child =
            command.envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(first) = lines.next() else {
            child.wait().unwrap();
            return None;
        };
        let first = first.unwrap();
        let address = first.rsplit_once("http://").expect("the first line names the address").1.to_owned();
        // The rest is read too, so that the server never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, address })
    }

    /// Whether it is gone, by itself or by somebody else's hand.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it at once, as a power cut does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks the server to end, as a service manager does, and waits.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not end within 10 seconds");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends bytes on a connection of their own and returns all that comes back until it is closed.
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The server may have answered and closed before all of it is written.
        let _ = stream.write_all(request.as_ref());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// GET with an API key, as JSON.
    pub fn get(&self, path: &str, key: &str) -> Value {
        let answer = self.answer(path, key);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }

    fn answer(&self, path: &str, key: &str) -> String {
        self.exchange(format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        ))
    }

    /// GET of what only the broker knows, asked until it answers: after a kill, an account that nodes share is taken over a few
    /// seconds later.
    pub fn ask_broker(&self, path: &str, key: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.answer(path, key);
            if status_of(&answer) == 200 {
                return serde_json::from_str(body_of(&answer)).unwrap();
            }
            assert!(answer.contains(r#""code":"broker_unavailable""#), "{path}: {answer}");
            assert!(Instant::now() < deadline, "{path} is never answered: {answer}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a broker account is connected and its books were compared.
    pub fn wait_until_connected(&self, account: i64, key: &str) {
        let path = format!("/api/v1/broker-accounts/{account}");
        // What a killed node has shown last of an account is shown until another has taken it over, and can ask the broker.
        self.ask_broker(&format!("{path}/positions"), key);
        self.wait_for(&path, key, |account| {
            ["ready", "books_differ"].contains(&account["status"]["state"].as_str().unwrap())
        });
    }

    /// All items of a list, page by page.
    pub fn list(&self, path: &str, key: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = self.get(&format!("{path}?limit=200"), key);
        loop {
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(cursor) = page["next_cursor"].as_str() else { return items };
            page = self.get(&format!("{path}?limit=200&cursor={cursor}"), key);
        }
    }

    /// POST to a path with these header lines (each with its line end), closing the connection.
    pub fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        self.exchange(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    /// Asks until the answer satisfies, and gives it back.
    pub fn wait_for(&self, path: &str, key: &str, mut satisfies: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path, key);
            if satisfies(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path} never came to be: {answer}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What `/readyz` answers, once its status is this one.
pub fn readiness(server: &Server, status: u16) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = server.exchange("GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        if status_of(&answer) == status {
            return body_of(&answer).to_owned();
        }
        assert!(Instant::now() < deadline, "readiness never came to be {status}: {answer}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until every signal has its outcome, and compares our books with the paper venue's: positions, and, where none is
/// open, profits with the cash of the first account. Gives the signals, newest first.
pub fn settled_and_equal(server: &Server, key: &str) -> Vec<Value> {
    readiness(server, 200);
    server.wait_until_connected(1, key);
    let is_final = |signal: &Value| !["pending", "unknown"].contains(&signal["status"].as_str().unwrap());
    let deadline = Instant::now() + PATIENCE;
    let signals = loop {
        let signals = server.list("/api/v1/signals", key);
        if signals.iter().all(is_final) {
            break signals;
        }
        assert!(Instant::now() < deadline, "some signal is never settled: {signals:?}");
        std::thread::sleep(Duration::from_millis(10));
    };
    let sum = |rows: &[Value], field: &str| rows.iter().map(|row| decimal(&row[field])).sum::<Decimal>();
    let (ours, fills) = (server.list("/api/v1/positions", key), server.list("/api/v1/fills", key));
    let held = server.ask_broker("/api/v1/broker-accounts/1/positions", key);
    let held = held["items"].as_array().unwrap();
    assert_eq!(sum(&ours, "net_qty"), sum(held, "net_qty"), "ours: {ours:?}, the venue's: {held:?}");
    if held.is_empty() {
        let cash = decimal(&server.ask_broker("/api/v1/broker-accounts/1/balance", key)["cash"]);
        let profit = sum(&fills, "realized_profit") - sum(&fills, "commission");
        // To the cent: the venue averages over all strategies of the account, and an average may have no end.
        assert_eq!(cash.round_dp(2), Decimal::from(100_000) + profit, "the venue's cash and our profit");
    }
    signals
}

pub fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

pub fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// What `atomik quickstart` made.
#[derive(Debug)]
pub struct Quickstart {
    /// The webhook's path, without the secret.
    pub path: String,
    pub secret: String,
    pub key: String,
    pub said: String,
}

pub fn quickstart(data_dir: &Path, server_url: &str, further: &[&str]) -> Quickstart {
    let mut args = vec!["quickstart", "--data-dir", data_dir.to_str().unwrap(), "--url", server_url];
    args.extend(further);
    let output = run(&args);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    let after = |start: &str| {
        let rest = said.split_once(start).unwrap().1;
        rest.split(|c: char| !(c.is_alphanumeric() || "_-/".contains(c))).next().unwrap().to_owned()
    };
    Quickstart {
        path: format!("/api/v1/webhooks/{}", after("/api/v1/webhooks/")),
        secret: after("?secret="),
        key: format!("atk_{}", after("atk_")),
        said: said.clone(),
    }
}
