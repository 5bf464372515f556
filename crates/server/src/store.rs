//! The store that the configuration names: embedded in the data directory, or a PostgreSQL database.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use atomik_ports::{Clock, Store, StoreError, SystemClock};
use atomik_storage::postgres::{self, PostgresStore};
use atomik_storage::seal::{Seal, UnsealError};
use atomik_storage::sqlite::{self, DATABASE_FILE, SqliteStore};

use crate::config::Config;

/// A store that is open, and does not have its master key yet.
pub enum Opened {
    /// In the data directory.
    Embedded(SqliteStore),
    /// In a PostgreSQL database.
    Postgres(PostgresStore),
}

/// A store that can do everything.
pub struct Sealed {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same, where many nodes share it.
    pub shared: Option<Arc<PostgresStore>>,
}

/// Opens the store for the server, making it where there is none. A data directory no other server may use beside it; a
/// database other nodes may.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_for_server(config: &Config) -> anyhow::Result<Opened> {
    open(config, sqlite::Access::Exclusive, postgres::Access::Together).await
}

/// Opens the store for a command, making it where there is none.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_or_make(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    Ok(open(config, sqlite::Access::Shared, postgres::Access::Shared).await?.without_key())
}

/// Opens the store for a command that makes no sense on a new one.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_existing(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    check_existing(config)?;
    open_or_make(config).await
}

/// The same, and no server may use it.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_existing_alone(config: &Config) -> anyhow::Result<Opened> {
    check_existing(config)?;
    open(config, sqlite::Access::Exclusive, postgres::Access::Exclusive).await
}

/// Opens the data directory's store, whether or not the configuration names a database, and no server may use it.
///
/// # Errors
/// Sentences for the operator.
pub async fn open_embedded_alone(config: &Config) -> anyhow::Result<SqliteStore> {
    check_directory(&config.store.data_dir)?;
    let options = sqlite::OpenOptions { max_size_bytes: config.store.max_size.0, ..Default::default() };
    Ok(SqliteStore::open_with(&config.store.data_dir, options, SystemClock.now()).await?)
}

/// A directory that was mistyped is not made to hold an empty store. (A database that was mistyped is not there.)
fn check_existing(config: &Config) -> anyhow::Result<()> {
    if config.store.postgres_url.is_some() {
        return Ok(());
    }
    check_directory(&config.store.data_dir)
}

fn check_directory(dir: &Path) -> anyhow::Result<()> {
    if !dir.join(DATABASE_FILE).exists() {
        bail!("{} is no data directory of atomik; name one with --data-dir", dir.display());
    }
    Ok(())
}

async fn open(
    config: &Config,
    embedded: sqlite::Access,
    clustered: postgres::Access,
) -> anyhow::Result<Opened> {
    let (dir, now) = (&config.store.data_dir, SystemClock.now());
    if let Some(url) = &config.store.postgres_url {
        // The master key is kept there.
        make_directory(dir)?;
        let options = postgres::OpenOptions { access: clustered, ..postgres::OpenOptions::default() };
        let store = PostgresStore::open(url.secret(), options, now).await?;
        return Ok(Opened::Postgres(store));
    }
    let options = sqlite::OpenOptions { access: embedded, max_size_bytes: config.store.max_size.0 };
    Ok(Opened::Embedded(SqliteStore::open_with(dir, options, now).await?))
}

fn make_directory(dir: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("cannot create the data directory {}", dir.display()))
}

impl Opened {
    /// The id of the key that sealed what is there; `None` where nothing is sealed.
    ///
    /// # Errors
    /// The store's.
    pub async fn sealed_with(&self) -> Result<Option<String>, StoreError> {
        match self {
            Self::Embedded(store) => store.sealed_with().await,
            Self::Postgres(store) => store.sealed_with().await,
        }
    }

    /// Wraps every account's key with another master key, and gives how many there are.
    ///
    /// # Errors
    /// [`UnsealError`]; nothing has changed then.
    pub async fn rotate_seal(&self, present: &Seal, next: &Seal) -> Result<usize, UnsealError> {
        match self {
            Self::Embedded(store) => store.rotate_seal(present, next).await,
            Self::Postgres(store) => store.rotate_seal(present, next).await,
        }
    }

    /// The store, with the key that seals credentials.
    ///
    /// # Errors
    /// [`UnsealError`], where another key sealed what is there.
    pub async fn with_seal(self, seal: Seal) -> Result<Sealed, UnsealError> {
        Ok(match self {
            Self::Embedded(store) => Sealed { store: Arc::new(store.with_seal(seal).await?), shared: None },
            Self::Postgres(store) => {
                let store = Arc::new(store.with_seal(seal).await?);
                Sealed { store: Arc::clone(&store) as Arc<dyn Store>, shared: Some(store) }
            }
        })
    }

    fn without_key(self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => Arc::new(store),
            Self::Postgres(store) => Arc::new(store),
        }
    }
}
