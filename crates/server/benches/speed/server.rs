//! The servers as child processes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::connection::Connection;
use crate::floors::Floor;
use crate::process::{self, Process};

/// How long a server may take to become ready, or to stop. One with a large database reads all of it first.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often it is asked whether it is ready: the time of a start is measured as exactly.
const READY_CHECK: Duration = Duration::from_millis(5);

/// The data directory in a server's folder.
pub const DATA_DIR: &str = "data";

/// A fresh folder on the disk that the project is built on: a folder in memory would make syncing free.
pub fn fresh_dir() -> Result<TempDir> {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).context("cannot make a folder")
}

/// A running server. Killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens, on the loopback address.
    pub port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts `atomik serve` with the default configuration, its data in [`DATA_DIR`] of a folder, and waits until it is
    /// ready.
    pub async fn start_atomik(dir: &Path) -> Result<Self> {
        Self::start_atomik_with(dir, &[]).await
    }

    /// The same, with these variables in its environment.
    pub async fn start_atomik_with(dir: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atomik"));
        // The servers that rounds run on are named to us in variables that are no settings.
        let ours = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"ATOMIK_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.arg("serve").env("ATOMIK_STORE__DATA_DIR", dir.join(DATA_DIR)).current_dir(dir);
        command.envs(variables.iter().copied());
        Self::start(command, &dir.join("atomik.log"), |command, port| {
            command.env("ATOMIK_SERVER__LISTEN", format!("127.0.0.1:{port}"));
        })
        .await
    }

    /// Starts what the receiver is compared with, its file in a folder, and waits until it answers.
    pub async fn start_floor(floor: Floor, dir: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this program has no path")?);
        command.current_dir(dir);
        Self::start(command, &dir.join(format!("{}.log", floor.argument())), |command, port| {
            command.arg(floor.argument()).arg(port.to_string());
        })
        .await
    }

    async fn start(mut command: Command, log: &Path, listen: impl FnOnce(&mut Command, u16)) -> Result<Self> {
        let port = free_port()?;
        listen(&mut command, port);
        let output = File::create(log).context("cannot make the log")?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, port, log: log.to_owned() };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Ready is 200 from Atomik, and any answer at all from a floor, which has no such page.
    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if matches!(self.readiness().await, Ok(200 | 404)) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            ensure!(
                ended.is_none() && Instant::now() < deadline,
                "a server did not start: {}",
                self.last_words()
            );
            tokio::time::sleep(READY_CHECK).await;
        }
    }

    async fn readiness(&self) -> Result<u16> {
        let (status, _) = Connection::open(self.port).await?.get("/readyz", None).await?;
        Ok(status)
    }

    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Its process.
    pub fn process(&self) -> Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// The memory it has resident now, in KiB.
    pub fn resident_kib(&self) -> Result<u64> {
        process::resident_kib(self.process()?)
    }

    /// The most memory it ever had resident, in KiB.
    pub fn peak_kib(&self) -> Result<u64> {
        process::peak_kib(self.process()?)
    }

    /// The processor time it has used, in microseconds.
    pub fn used_us(&self) -> Result<u64> {
        Ok(Process::read(self.process()?).context("the server has ended")?.used_us)
    }

    /// Asks it to stop, and waits until it has finished what it accepted.
    pub async fn stop(mut self) -> Result<()> {
        Command::new("kill")
            .arg(self.process()?.to_string())
            .status()
            .await
            .context("cannot send the signal")?;
        let stopped = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = stopped.context("the server does not stop")??;
        ensure!(status.success(), "the server ended with {status}: {}", self.last_words());
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}
