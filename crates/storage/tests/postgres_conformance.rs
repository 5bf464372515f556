//! The store of cluster mode does what every store does.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod database;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use atomik_ports::Store;
use atomik_storage::postgres::PostgresStore;
use atomik_storage::seal::Seal;
use atomik_storage::sqlite::{DATABASE_FILE, SqliteStore};
use atomik_testkit::builders::START;
use atomik_testkit::store_suite::Fixture;
use database::{ALONE, Database};
use secrecy::SecretSlice;
use tempfile::TempDir;

struct Clustered {
    store: Arc<PostgresStore>,
    _database: Database,
    dir: TempDir,
}

async fn clustered() -> Clustered {
    let database = Database::new().await;
    let seal = Seal::new(SecretSlice::from(vec![7; 32])).unwrap();
    let store = Arc::new(database.open(ALONE).await.with_seal(seal).await.unwrap());
    Clustered { store, _database: database, dir: tempfile::tempdir().unwrap() }
}

#[async_trait]
impl Fixture for Clustered {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn backup_path(&self) -> PathBuf {
        self.dir.path().join("backup.db")
    }

    /// What it backs up to is an embedded store.
    async fn open_backup(&self, backup: &Path) -> Arc<dyn Store> {
        let dir = self.dir.path().join("restored");
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(backup, dir.join(DATABASE_FILE)).unwrap();
        Arc::new(SqliteStore::open(&dir, START).await.unwrap())
    }
}

atomik_testkit::store_suite!(clustered);
