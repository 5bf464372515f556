//! Opening: the directory, the lock, the file, its integrity, its schema.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use atomik_domain::UnixMicros;
use atomik_ports::StoreError;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlSafeStr};
use uuid::Uuid;

use super::faults::{fault, is_corruption, sentence};
use super::writer::Writer;
use super::{Access, DATABASE_FILE, LOCK_FILE, OpenOptions, SqliteStore};

/// Half of SQLite's usual page: signals of many webhooks touch many pages of the indexes, and each is written whole.
const PAGE_SIZE: u32 = 2_048;
/// How many readers may read at once.
const READERS: u32 = 4;
const WRITER_CACHE_KIB: i32 = 16_384;
const READER_CACHE_KIB: i32 = 2_048;
/// The log is folded into the database when it has this many pages (64 MiB). The commit that does it waits for it, so it
/// must be rare; and the longer the log, the fewer pages it has of which only the last version counts.
const CHECKPOINT_PAGES: u32 = 32_000;
/// How long a process waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The file whose lock says that a process is opening the store.
const OPENING_FILE: &str = "atomik.opening.lock";
/// How long a process waits for others that are opening it. Checking a large file takes a while.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);
const OPENING_RETRY: Duration = Duration::from_millis(20);
/// Statements kept ready: those of the journal come in nine sizes each, and some also begin or commit.
const STATEMENTS: usize = 400;

/// Why a store could not be opened, for the operator's eyes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory does not exist and cannot be made.
    #[error("cannot create the data directory {}", dir.display())]
    CannotCreateDirectory {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The data directory or a file in it cannot be written.
    #[error("the data directory {} cannot be written: {reason}", dir.display())]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another server has it.
    #[error(
        "the data directory {} is in use: another atomik serves it. Stop that one first, or give this one a directory of its own",
        dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The file is damaged, or no database.
    #[error(
        "the database {} is damaged: {reason}. Nothing was changed; restore a backup, or move the file away to start empty",
        file.display()
    )]
    Corrupt {
        /// The database file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer program wrote it.
    #[error(
        "the database {} was written by a newer atomik (schema {found}, this program knows {known}). Use that version or a later one",
        file.display()
    )]
    NewerSchema {
        /// The database file.
        file: PathBuf,
        /// The schema found.
        found: i64,
        /// The newest schema this program knows.
        known: i64,
    },
    /// A server of an older version uses it, so its schema must stay as it is.
    #[error("an older atomik serves the data directory {}. Restart that one with this version first", dir.display())]
    OlderServer {
        /// The directory.
        dir: PathBuf,
    },
    /// Anything else.
    #[error("the database {} cannot be opened: {reason}", file.display())]
    Failed {
        /// The database file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
}

/// The checksum of the text that migration 2 had once.
const LEAN_SIGNALS: &str =
    "6848026CA0A0A1E3959A1A2B02173B30989AC781ACEDF5442A0F66323166FDA6E48CD95D8A4B8A540D023693952D10D4";

fn migrator() -> Migrator {
    let steps = [
        (1, "store", include_str!("migrations/0001_store.sql")),
        (2, "fingerprints", include_str!("migrations/0002_fingerprints.sql")),
        (3, "equity", include_str!("migrations/0003_equity.sql")),
        (4, "signals by era", include_str!("migrations/0004_signals_by_era.sql")),
        (5, "credentials", include_str!("migrations/0005_credentials.sql")),
        (6, "fees in kind", include_str!("migrations/0006_fees_in_kind.sql")),
        (7, "positions of a lane", include_str!("migrations/0007_positions_of_a_lane.sql")),
        (8, "fills in order", include_str!("migrations/0008_fills_in_order.sql")),
    ];
    let migration = |(version, name, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.map(migration).into())
}

pub(super) async fn open(dir: &Path, options: OpenOptions, at: UnixMicros) -> Result<SqliteStore, OpenError> {
    make_directory(dir)?;
    let file = dir.join(DATABASE_FILE);
    // Only one process opens at a time, so that none meets a file that another is just making or migrating.
    let _opening = wait_to_open(dir, &file).await?;
    let lock = open_private(&dir.join(LOCK_FILE)).map_err(|error| read_only(dir, &error))?;
    let alone = try_lock(&lock, dir)?;
    if options.access == Access::Exclusive && !alone {
        return Err(OpenError::InUse { dir: dir.to_owned() });
    }
    open_private(&file).map_err(|error| read_only(dir, &error))?;
    let writer_options = writer_options(&file, options);
    let mut connection = writer_options.connect().await.map_err(|error| failed(dir, &file, &error))?;
    if options.access == Access::Exclusive {
        check_integrity(&mut connection, dir, &file).await?;
    }
    prepare_schema(&mut connection, dir, &file, alone).await?;
    let installation = installation(&mut connection, at).await.map_err(|error| failed(dir, &file, &error))?;
    let readers = readers(&file);
    // A tool's lock is freed here, with the file.
    let lock = (options.access == Access::Exclusive).then_some(lock);
    Ok(SqliteStore {
        writer: Writer::new(writer_options, connection),
        readers,
        installation,
        seal: None,
        lock,
    })
}

fn make_directory(dir: &Path) -> Result<(), OpenError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| OpenError::CannotCreateDirectory { dir: dir.to_owned(), source })
}

/// Opens or makes a file that only its owner may read: the database holds password hashes.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn read_only(dir: &Path, error: &io::Error) -> OpenError {
    OpenError::ReadOnly { dir: dir.to_owned(), reason: error.to_string() }
}

/// Waits until no other process is opening the store. The turn ends when the file is dropped.
async fn wait_to_open(dir: &Path, file: &Path) -> Result<File, OpenError> {
    let turn = open_private(&dir.join(OPENING_FILE)).map_err(|error| read_only(dir, &error))?;
    let mut left = OPENING_TIMEOUT;
    while !try_lock(&turn, dir)? {
        if left.is_zero() {
            let reason = "another atomik is still opening it".to_owned();
            return Err(OpenError::Failed { file: file.to_owned(), reason });
        }
        tokio::time::sleep(OPENING_RETRY).await;
        left = left.saturating_sub(OPENING_RETRY);
    }
    Ok(turn)
}

/// Whether the lock was free, and is now ours.
fn try_lock(lock_file: &File, dir: &Path) -> Result<bool, OpenError> {
    match lock_file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(read_only(dir, &error)),
    }
}

fn base_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

fn writer_options(file: &Path, options: OpenOptions) -> SqliteConnectOptions {
    let writer = base_options(file)
        .page_size(PAGE_SIZE)
        .journal_mode(SqliteJournalMode::Wal)
        .thread_name(|_| "store-writer".to_owned())
        .pragma("cache_size", (-WRITER_CACHE_KIB).to_string())
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", (PAGE_SIZE * CHECKPOINT_PAGES).to_string());
    match options.max_size_bytes {
        Some(bytes) => writer.pragma("max_page_count", (bytes / u64::from(PAGE_SIZE)).max(1).to_string()),
        None => writer,
    }
}

fn readers(file: &Path) -> SqlitePool {
    let options = base_options(file)
        .read_only(true)
        .thread_name(|number| format!("store-reader-{number}"))
        .pragma("cache_size", (-READER_CACHE_KIB).to_string());
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

/// Reads the whole file once, so that damage is found before anything is built on it.
async fn check_integrity(
    connection: &mut SqliteConnection,
    dir: &Path,
    file: &Path,
) -> Result<(), OpenError> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(dir, file, &error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { file: file.to_owned(), reason: verdict })
}

/// Brings the schema up to date; where a server uses it (`!alone`), makes sure that it is.
async fn prepare_schema(
    connection: &mut SqliteConnection,
    dir: &Path,
    file: &Path,
    alone: bool,
) -> Result<(), OpenError> {
    let migrator = migrator();
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = newest_applied(connection).await.map_err(|error| failed_migration(dir, file, error))?;
    if found > known {
        return Err(OpenError::NewerSchema { file: file.to_owned(), found, known });
    }
    if !alone {
        let current = found == known;
        return if current { Ok(()) } else { Err(OpenError::OlderServer { dir: dir.to_owned() }) };
    }
    accept_lean_signals(connection, &migrator, found).await.map_err(|error| failed(dir, file, &error))?;
    // `run` takes anything to acquire a connection from, which makes a future that is not Send for every lifetime.
    let migrated = migrator.run_direct(None, connection, false).await;
    migrated.map_err(|error| failed_migration(dir, file, error))
}

/// Makes the schema in an empty file that another store is to be copied into.
pub(crate) async fn make_copy(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = base_options(file).page_size(PAGE_SIZE).journal_mode(SqliteJournalMode::Delete);
    let mut connection = options.connect().await.map_err(fault)?;
    let made = migrator().run_direct(None, &mut connection, false).await;
    made.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(connection)
}

/// Migration 2 once made the index of migration 4 besides, and files of then hold the checksum of that text. What it made is
/// the same, so they go on like all others.
async fn accept_lean_signals(
    connection: &mut SqliteConnection,
    migrator: &Migrator,
    found: i64,
) -> Result<(), sqlx::Error> {
    let Some(fingerprints) = migrator.iter().find(|migration| migration.version == 2) else { return Ok(()) };
    if found < fingerprints.version {
        return Ok(());
    }
    sqlx::query("UPDATE _sqlx_migrations SET checksum = ?1 WHERE version = 2 AND hex(checksum) = ?2")
        .bind(fingerprints.checksum.as_ref())
        .bind(LEAN_SIGNALS)
        .execute(connection)
        .await
        .map(drop)
}

/// The newest schema a file has; 0 where it has none.
async fn newest_applied(connection: &mut SqliteConnection) -> Result<i64, MigrateError> {
    let table: Option<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE name = '_sqlx_migrations'")
            .fetch_optional(&mut *connection)
            .await?;
    if table.is_none() {
        return Ok(0);
    }
    let applied = connection.list_applied_migrations("_sqlx_migrations").await?;
    Ok(applied.iter().map(|migration| migration.version).max().unwrap_or(0))
}

/// What tells this installation from others: read, or made once.
async fn installation(connection: &mut SqliteConnection, at: UnixMicros) -> Result<Uuid, sqlx::Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
    let proposal = uuid::Builder::from_random_bytes(random).into_uuid();
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('installation', ?1), ('created_at', ?2) ON CONFLICT DO NOTHING",
    )
    .bind(proposal.to_string())
    .bind(at.0.to_string())
    .execute(&mut *connection)
    .await?;
    let text: String =
        sqlx::query_scalar("SELECT value FROM meta WHERE key = 'installation'").fetch_one(connection).await?;
    text.parse().map_err(|error: uuid::Error| sqlx::Error::Decode(error.into()))
}

fn failed(dir: &Path, file: &Path, error: &sqlx::Error) -> OpenError {
    let reason = sentence(error).into_owned();
    let code = error.as_database_error().and_then(|error| error.code());
    if is_corruption(error) {
        return OpenError::Corrupt { file: file.to_owned(), reason };
    }
    match code.and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff) {
        Some(8) => OpenError::ReadOnly { dir: dir.to_owned(), reason },
        _ => OpenError::Failed { file: file.to_owned(), reason },
    }
}

fn failed_migration(dir: &Path, file: &Path, error: MigrateError) -> OpenError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => failed(dir, file, &error),
        other => OpenError::Failed { file: file.to_owned(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_migration() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sqlite/migrations");
        let files = fs::read_dir(folder).unwrap().count();
        assert_eq!(migrator().iter().count(), files, "a file in {folder} is not in the list");
    }
}
