//! The store of cluster mode: one PostgreSQL database, any number of processes.
//!
//! Architecture invariants:
//! - What a caller is told is what the database holds. When a connection is lost while a transaction commits, the row that
//!   the transaction wrote of itself is read back before anything is answered (`work.rs`).
//! - Nothing that decides is remembered here: repeats, limits and who is first are decided in the transaction that writes.
//! - What is committed is on the disk: `synchronous_commit` is `on` or stronger in every session, `fsync` is on.
//! - Recording goes through one connection, whose session also shares the lock that says that servers use the database.
//! - What lanes record is recorded only under a lease that is held (`cluster/`).

mod arrays;
mod cluster;
mod columns;
mod connect;
mod copy;
mod custody;
mod directory;
mod equity;
mod eras;
mod faults;
mod history;
mod import;
mod journal;
mod migrate;
mod open;
mod operations;
mod overview;
mod partitions;
mod recorder;
mod restore;
mod retention;
mod tables;
mod work;

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use secrecy::SecretString;
use sqlx::postgres::{PgPool, Postgres};
use uuid::Uuid;

pub use cluster::PostgresBus;
pub use import::{Compared, Import, ImportError};
pub use open::OpenError;

use crate::seal::Seal;
use connect::Connector;
use faults::fault;
use recorder::Recorder;
use work::Slots;

/// Who else may use the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// For work that lets no server use the database beside it. Brings the schema up to date.
    #[default]
    Exclusive,
    /// For servers, of which any number record at once: what decides is in the database. Brings the schema up to date beside
    /// servers of the version before.
    Together,
    /// For command line tools, beside a server or without one. Records no signals and orders.
    Shared,
}

/// Whose clock repeat windows are measured with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowClock {
    /// The database's, which is the same for all nodes: a node whose own clock is wrong sees the same windows.
    #[default]
    Database,
    /// The caller's: the `at` of [`Journal::commit`](atomik_ports::Journal::commit). For tests, which set the time.
    Caller,
}

/// Where the database of a URL is, without user and password: `books at db.example:5432`.
///
/// # Errors
/// What is wrong with the URL, without any of it.
pub fn place_of(url: &SecretString) -> Result<String, String> {
    Ok(Connector::of(url, 0)?.place())
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Who else may use the database.
    pub access: Access,
    /// Whose clock repeat windows are measured with.
    pub window_clock: WindowClock,
    /// How many connections there are at most, beside the one that records.
    pub max_connections: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { access: Access::default(), window_clock: WindowClock::default(), max_connections: 8 }
    }
}

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    connector: Connector,
    pool: PgPool,
    recorder: Recorder,
    slots: Slots,
    heart: cluster::Heart,
    options: OpenOptions,
    installation: Uuid,
    /// What seals credentials; command line tools that need none have none.
    seal: Option<Seal>,
}

impl PostgresStore {
    /// Opens the store in the database that a URL names: `postgres://user:password@host:port/database`, with `sslmode` and
    /// the like behind it. Makes the schema where there is none. `at` is stamped on a store that is made.
    ///
    /// # Errors
    /// [`OpenError`], fit to be shown to the operator; it does not hold the password.
    pub async fn open(url: &SecretString, options: OpenOptions, at: UnixMicros) -> Result<Self, OpenError> {
        open::open(url, options, at).await
    }

    /// Closes all connections. What is under way ends first. Dropping the store does the same a moment later, and leaves the
    /// server's lock to be freed when the database notices.
    pub async fn close(&self) {
        self.recorder.close().await;
        self.pool.close().await;
    }

    /// Begins a read that sees one moment of the store, however many queries it takes.
    async fn read(&self) -> Result<sqlx::Transaction<'static, Postgres>, StoreError> {
        self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(fault)
    }
}
