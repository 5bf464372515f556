//! The embedded store: one SQLite file, one writer, a few readers.
//!
//! Architecture invariants:
//! - There is one writing connection. Whoever holds it is alone in a `BEGIN IMMEDIATE` transaction, and nothing but SQL is
//!   awaited meanwhile. After any fault that connection is closed and replaced, so that no half-done transaction survives.
//! - What is committed is on the disk: write-ahead log, `synchronous = FULL`.
//! - SQLite blocks, but on threads of its own (sqlx runs one a connection); the executor never waits for a disk.

mod bulk;
mod columns;
mod custody;
mod directory;
mod equity;
mod eras;
mod faults;
mod history;
mod journal;
mod open;
mod operations;
mod overview;
mod restore;
mod retention;
mod writer;

use std::fs::File;
use std::path::Path;

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::SqlitePool;
use uuid::Uuid;

pub(crate) use faults::fault as copy_fault;
pub(crate) use journal::MEMORY_US;
pub use open::OpenError;
pub(crate) use open::make_copy;
pub(crate) use operations::{not_writable, reserve};
pub(crate) use restore::make_restorable;

use crate::seal::Seal;
use faults::fault;
pub(crate) use writer::Work;
use writer::Writer;

/// The name of the database file in the data directory.
pub const DATABASE_FILE: &str = "atomik.db";
/// The name of the file whose lock says that a server uses the directory.
pub const LOCK_FILE: &str = "atomik.lock";

/// Who else may use the data directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// For the server: no other server. Takes the directory's lock for the store's life, checks the file's integrity and
    /// brings the schema up to date.
    #[default]
    Exclusive,
    /// For command line tools, beside a server or without one. Writes wait briefly for the server's.
    Shared,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Who else may use the data directory.
    pub access: Access,
    /// The most bytes the database file may grow to; writes beyond are [`StoreError::Unavailable`]. `None`: as the disk
    /// allows.
    pub max_size_bytes: Option<u64>,
}

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    installation: Uuid,
    /// What seals credentials; command line tools that need none have none.
    seal: Option<Seal>,
    /// Keeps the directory's lock. The system frees it however the process ends.
    lock: Option<File>,
}

impl SqliteStore {
    /// Opens the store of a data directory for a server, making both where they do not exist. `at` is stamped on a store
    /// that is made.
    ///
    /// # Errors
    /// [`OpenError`], fit to be shown to the operator.
    pub async fn open(data_dir: &Path, at: UnixMicros) -> Result<Self, OpenError> {
        Self::open_with(data_dir, OpenOptions::default(), at).await
    }

    /// Opens the store of a data directory as `options` say.
    ///
    /// # Errors
    /// [`OpenError`], fit to be shown to the operator.
    pub async fn open_with(data_dir: &Path, options: OpenOptions, at: UnixMicros) -> Result<Self, OpenError> {
        open::open(data_dir, options, at).await
    }

    /// Begins a write. Waits until it is alone.
    async fn write(&self) -> Result<Work<'_>, StoreError> {
        self.writer.begin().await
    }

    /// Begins a write that writes nothing: whoever copies all of the store lets nobody write meanwhile.
    pub(crate) async fn hold(&self) -> Result<Work<'_>, StoreError> {
        self.write().await
    }

    /// Begins a read that sees one moment of the store, however many queries it takes.
    async fn read(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        self.readers.begin().await.map_err(fault)
    }
}
