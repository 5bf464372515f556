//! What a service manager does for the program: it holds the socket, so that nobody is refused while a process is replaced.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::{PATIENCE, atomik_under, backend, body_of, status_of};

/// Becomes the program, with its standard input as the socket that a service manager hands over. Writing beyond a limit is an error
/// to it, and does not end it.
pub const HAND_OVER: &str =
    "trap '' XFSZ; exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";

/// What a service manager does: holds the socket, starts processes with it, and hears when they are ready.
pub struct Manager {
    dir: TempDir,
    socket: TcpListener,
    heard: UnixDatagram,
}

/// A process that was started. Killed when dropped.
pub struct Process(Child);

impl Manager {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let heard = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        heard.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { dir, socket: TcpListener::bind("127.0.0.1:0").unwrap(), heard }
    }

    pub fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }

    pub fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub fn spawn(&self) -> Process {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let socket = OwnedFd::from(self.socket.try_clone().unwrap());
        let child = atomik_under(&["sh", "-c", HAND_OVER])
            .args(["serve", "--data-dir"])
            .arg(self.data_dir())
            .envs(backend::variables(&self.data_dir()))
            .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Waits until the process has said this.
    pub fn hear(&self, word: &str) {
        let mut message = [0; 4_096];
        loop {
            let length = self.heard.recv(&mut message).expect("the process says nothing");
            if String::from_utf8_lossy(&message[..length]).lines().any(|line| line == word) {
                return;
            }
        }
    }

    pub fn log(&self) -> std::path::PathBuf {
        self.dir.path().join("server.log")
    }

    pub fn get(&self, path: &str, key: &str) -> Value {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        let answer = ask(&self.address(), &request).unwrap();
        assert_eq!(status_of(&answer), 200, "{answer}");
        serde_json::from_str(body_of(&answer)).unwrap()
    }
}

impl Process {
    pub fn ask_to_end(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.pid()]).status().unwrap().success());
    }

    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Ends it at once, as a power cut does.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn end(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One request on a connection of its own; any error is one that an alert source would see.
pub fn ask(address: &str, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
