//! The store, as commands beside the server use it.

use anyhow::bail;
use atomik_ports::{Clock, SystemClock};
use atomik_storage::sqlite::{Access, DATABASE_FILE, OpenOptions, SqliteStore};

use crate::config::Config;

/// Opens the store for a command, making it where there is none.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_or_make(config: &Config) -> anyhow::Result<SqliteStore> {
    let options = OpenOptions { access: Access::Shared, max_size_bytes: config.store.max_size.0 };
    Ok(SqliteStore::open_with(&config.store.data_dir, options, SystemClock.now()).await?)
}

/// Opens the store for a command that makes no sense on a new one.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_existing(config: &Config) -> anyhow::Result<SqliteStore> {
    let dir = &config.store.data_dir;
    if !dir.join(DATABASE_FILE).exists() {
        bail!("{} is no data directory of atomik; name one with --data-dir", dir.display());
    }
    open_or_make(config).await
}
