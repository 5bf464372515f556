//! What signals cost each of the parties: processor time, bytes of the write-ahead log, transactions.

use std::ops::{AddAssign, Sub};

use anyhow::{Context, Result};
use sqlx::Row;
use sqlx::postgres::PgConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::database::connect;
use crate::process::Process;
use crate::server::Server;

/// What was used up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Processor time of the nodes, in microseconds.
    pub nodes_us: u64,
    /// Processor time of PostgreSQL, all its processes, in microseconds.
    pub postgres_us: u64,
    /// Processor time of Redis, in microseconds.
    pub redis_us: u64,
    /// Bytes written to PostgreSQL's write-ahead log.
    pub wal_bytes: u64,
    /// Transactions that have written.
    pub transactions: u64,
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            nodes_us: self.nodes_us - earlier.nodes_us,
            // With a process of it that has ended goes what that one had used.
            postgres_us: self.postgres_us.saturating_sub(earlier.postgres_us),
            redis_us: self.redis_us - earlier.redis_us,
            wal_bytes: self.wal_bytes - earlier.wal_bytes,
            transactions: self.transactions - earlier.transactions,
        }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.nodes_us += other.nodes_us;
        self.postgres_us += other.postgres_us;
        self.redis_us += other.redis_us;
        self.wal_bytes += other.wal_bytes;
        self.transactions += other.transactions;
    }
}

/// Reads what was used up so far.
pub struct Meter {
    postgres: PgConnection,
    /// The process that all of PostgreSQL's are children of.
    postmaster: u32,
    redis: u32,
}

impl Meter {
    /// Both servers must run on this machine.
    pub async fn new(postgres_url: &str, redis_url: &str) -> Result<Self> {
        let mut postgres = connect(postgres_url).await?;
        let ours: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut postgres).await?;
        let ours = Process::read(u32::try_from(ours)?).context("PostgreSQL is not on this machine")?;
        let redis = redis_says(redis_url, "process_id").await?;
        let redis = redis.parse().context("unreadable process of Redis")?;
        Process::read(redis).context("Redis is not on this machine")?;
        Ok(Self { postgres, postmaster: ours.parent, redis })
    }

    /// What these nodes and the two servers have used up since they started.
    pub async fn read<'s>(&mut self, nodes: impl Iterator<Item = &'s Server>) -> Result<Cost> {
        let row = sqlx::query(
            "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        )
        .fetch_one(&mut self.postgres)
        .await?;
        let mut cost = Cost {
            wal_bytes: u64::try_from(row.try_get::<i64, _>(0)?)?,
            transactions: u64::try_from(row.try_get::<i64, _>(1)?)?,
            redis_us: Process::read(self.redis).context("Redis has ended")?.used_us,
            ..Cost::default()
        };
        for node in nodes {
            cost.nodes_us += node.used_us()?;
        }
        for entry in std::fs::read_dir("/proc")? {
            let process =
                entry?.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Process::read);
            cost.postgres_us +=
                process.filter(|one| one.parent == self.postmaster).map_or(0, |one| one.used_us);
        }
        Ok(cost)
    }
}

/// What Redis says of itself under a name.
pub async fn redis_says(url: &str, name: &str) -> Result<String> {
    let address = url.trim_start_matches("redis://");
    let mut stream = TcpStream::connect(address).await.context("Redis cannot be reached")?;
    stream.write_all(b"INFO server\r\n").await?;
    let mut answer = Vec::new();
    loop {
        let count = stream.read_buf(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer);
        let line = text.split(&format!("{name}:")).nth(1).and_then(|rest| rest.split_once("\r\n"));
        if let Some((said, _)) = line {
            return Ok(said.to_owned());
        }
        anyhow::ensure!(count > 0, "Redis does not say {name}: {text}");
    }
}
