//! A Redis server for each test, which it may empty, hold still and kill. Starting one takes a few milliseconds.
#![allow(dead_code)] // every test binary uses its own part of this

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::SecretString;

/// A server. Ends when dropped.
pub struct RedisServer {
    script: Child,
    /// `127.0.0.1:port`.
    pub address: String,
    control: String,
}

impl RedisServer {
    /// Starts it.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut script = Command::new(root.join("scripts/with-redis.sh"))
            .args([
                "bash",
                "-c",
                "echo \"$ATOMIK_TEST_REDIS_URL\"; echo \"$ATOMIK_TEST_REDIS_CTL\"; read -r _",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap_or_else(|| panic!("the server did not start")).unwrap();
        let address = line().strip_prefix("redis://").unwrap().to_owned();
        let control = line();
        Self { script, address, control }
    }

    /// Its URL.
    pub fn url(&self) -> SecretString {
        SecretString::from(format!("redis://{}", self.address))
    }

    /// Does something with it: kill, start, pause or resume.
    pub fn control(&self, action: &str) {
        let done = Command::new(&self.control).arg(action).stdout(Stdio::null()).status().unwrap();
        assert!(done.success(), "{action}");
    }

    /// Says something to it, and gives the first line of its answer.
    pub fn say(&self, words: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// A key that is like this, where there is one.
    pub fn first_key(&self, pattern: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(format!("KEYS {pattern}\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        // How many there are, and then how long the first is and what it is.
        (lines.next().unwrap() != "*0").then(|| lines.nth(1).unwrap())
    }

    /// Has it do something.
    pub fn order(&self, words: &str) {
        assert_eq!(self.say(words), "+OK", "{words}");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.script.stdin.take()); // ends the script, which ends the server
        let _ = self.script.wait();
    }
}
