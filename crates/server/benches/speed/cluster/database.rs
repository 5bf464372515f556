//! PostgreSQL databases of the rounds' own, filled by statements instead of by calls: a million of those would take an hour.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use atomik_ports::clock::{Clock, SystemClock};
use atomik_storage::postgres::{Access, OpenOptions, PostgresStore};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::store::Credentials;

/// How many webhooks a user has.
const EACH_USER: u64 = 10;

/// A database with the schema and webhooks in it.
pub struct Database {
    server_url: String,
    name: String,
    webhooks: u64,
}

impl Database {
    /// Makes it, with so many webhooks and their owners, as a server leaves it that has run for a while: vacuumed, and flushed.
    pub async fn with_webhooks(server_url: &str, webhooks: usize) -> Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("bench_{}_{number}", std::process::id());
        let made = Self { server_url: server_url.to_owned(), name, webhooks: u64::try_from(webhooks)? };
        let mut server = connect(server_url).await?;
        execute(&mut server, &format!("CREATE DATABASE {} TEMPLATE template0", made.name)).await?;
        let options = OpenOptions { access: Access::Shared, ..OpenOptions::default() };
        let url = SecretString::from(made.url()?);
        PostgresStore::open(&url, options, SystemClock.now()).await?.close().await;
        made.fill().await?;
        Ok(made)
    }

    /// Where it is.
    pub fn url(&self) -> Result<String> {
        let (server, _) = self.server_url.rsplit_once('/').context("the server's URL names no database")?;
        Ok(format!("{server}/{}", self.name))
    }

    async fn fill(&self) -> Result<()> {
        let mut connection = connect(&self.url()?).await?;
        let (now, users) = (SystemClock.now().0, self.webhooks.div_ceil(EACH_USER));
        let fill = format!(
            "INSERT INTO users (email, password_hash, role, plan, subscription_status, subscription_since, disabled, created_at) \
             SELECT 'bench-' || n || '@localhost', 'none', 'trader', 'unlimited', 'active', {now}, FALSE, {now} \
             FROM generate_series(1, {users}) AS n; \
             INSERT INTO webhooks (user_id, name, description, token, secret_hash, require_secret, allowed_ips, active, \
             dedupe_window_s, created_at) \
             SELECT (n - 1) / {EACH_USER} + 1, 'bench ' || n, '', encode(sha256(('token ' || n)::bytea), 'hex'), \
             sha256(('secret-' || n)::bytea), TRUE, '', TRUE, 1, {now} FROM generate_series(1, {}) AS n",
            self.webhooks
        );
        execute(&mut connection, &fill).await?;
        execute(&mut connection, "VACUUM ANALYZE").await?;
        execute(&mut connection, "CHECKPOINT").await
    }

    /// What opens the webhooks with these numbers, from 0 on.
    pub fn credentials(numbers: impl Iterator<Item = u64>) -> Vec<Credentials> {
        let of = |number: u64| {
            let number = number + 1;
            let token = hex::encode(Sha256::digest(format!("token {number}")));
            Credentials { token, secret: format!("secret-{number}") }
        };
        numbers.map(of).collect()
    }

    /// Removes it.
    pub async fn remove(self) -> Result<()> {
        let mut server = connect(&self.server_url).await?;
        execute(&mut server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

/// What the server is, in one line: version, where its files lie, and whether it syncs them.
pub async fn facts(server_url: &str) -> Result<String> {
    let mut server = connect(server_url).await?;
    let settings = "SELECT current_setting('server_version'), current_setting('data_directory'), current_setting('fsync'), \
         current_setting('synchronous_commit'), current_setting('shared_buffers')";
    let row = sqlx::query(settings).fetch_one(&mut server).await?;
    let text = |place: usize| row.try_get::<String, _>(place);
    let version = text(0)?;
    let file_system = file_system_of(Path::new(&text(1)?)).unwrap_or_else(|| "unknown".to_owned());
    let number = version.split(' ').next().unwrap_or_default();
    Ok(format!(
        "PostgreSQL {number} with its files on {file_system}, fsync {}, synchronous_commit {}, shared_buffers {}",
        text(2)?,
        text(3)?,
        text(4)?
    ))
}

/// The kind of file system that a path is on.
fn file_system_of(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((PathBuf::from(fields.next()?), fields.next()?.to_owned()))
    });
    let holding = mounts.filter(|(place, _)| path.starts_with(place));
    holding.max_by_key(|(place, _)| place.as_os_str().len()).map(|(_, kind)| kind)
}

/// A connection to a database, beside all servers.
pub async fn connect(url: &str) -> Result<PgConnection> {
    let options: PgConnectOptions = url.parse().context("unreadable URL of PostgreSQL")?;
    options.connect().await.context("PostgreSQL cannot be reached")
}

async fn execute(connection: &mut PgConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}
