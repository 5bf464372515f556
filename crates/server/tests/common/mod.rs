//! The real binary, started and asked.
#![allow(dead_code)] // every test binary uses its own part of this

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// However slow the machine: longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program with nothing of the caller's environment that it would read.
pub fn atomik() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atomik"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ATOMIK_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Output {
    atomik().args(args).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
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
        std::fs::create_dir_all(data_dir).unwrap();
        let log =
            std::fs::File::options().create(true).append(true).open(data_dir.join("server.log")).unwrap();
        let mut child = atomik()
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the server ended at once; see server.log").unwrap();
        let address = first.rsplit_once("http://").expect("the first line names the address").1.to_owned();
        // The rest is read too, so that the server never waits for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
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
    pub fn get(&self, path: &str, key: &str) -> serde_json::Value {
        let answer = self.exchange(format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        ));
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }

    /// POST to a path with these header lines (each with its line end), closing the connection.
    pub fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        self.exchange(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    /// Asks until the answer satisfies, and gives it back.
    pub fn wait_for(
        &self,
        path: &str,
        key: &str,
        mut satisfies: impl FnMut(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
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
