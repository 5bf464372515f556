//! The SQLite file, filled by statements instead of by calls: a hundred thousand of those take minutes.

use std::path::Path;

use anyhow::{Context, Result};
use atomik_ports::clock::{Clock, SystemClock};
use atomik_storage::sqlite::DATABASE_FILE;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::server::DATA_DIR;
use crate::store::Setup;

/// How many webhooks a user has.
const EACH_USER: usize = 10;

/// Connects to the file of a folder's data directory, which nothing else may use meanwhile. What is written is not safe from a
/// power cut, and a server that opens the file brings back its own way of writing.
pub async fn connect(dir: &Path) -> Result<SqliteConnection> {
    SqliteConnectOptions::new()
        .filename(dir.join(DATA_DIR).join(DATABASE_FILE))
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "-1000000")
        .disable_statement_logging()
        .connect()
        .await
        .context("cannot open the database")
}

/// Makes a store with so many webhooks and their owners. Nobody knows their secrets.
pub async fn make_webhooks(dir: &Path, count: usize) -> Result<()> {
    Setup::open(dir).await?.close().await;
    if count == 0 {
        return Ok(());
    }
    let mut connection = connect(dir).await?;
    let (now, users) = (SystemClock.now().0, count.div_ceil(EACH_USER));
    execute(
        &mut connection,
        &format!(
            "BEGIN; CREATE TEMP TABLE first AS SELECT max(id) AS id FROM users; \
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {users}) \
             INSERT INTO users (id, email, password_hash, role, plan, subscription_status, subscription_since, disabled, \
             created_at) \
             SELECT first.id + n, 'bench-' || n || '@localhost', 'none', 'trader', 'unlimited', 'active', {now}, 0, {now} \
             FROM numbers, first; \
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
             INSERT INTO webhooks (user_id, name, description, token, secret_hash, require_secret, allowed_ips, active, \
             dedupe_window_s, created_at) \
             SELECT first.id + (n - 1) / {EACH_USER} + 1, 'bench ' || n, '', lower(hex(randomblob(32))), randomblob(32), 1, \
             '', 1, 1, {now} FROM numbers, first; COMMIT"
        ),
    )
    .await
}

/// Runs statements.
pub async fn execute(connection: &mut SqliteConnection, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?;
    Ok(())
}
