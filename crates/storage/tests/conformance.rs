//! The embedded store does what every store does.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use atomik_ports::Store;
use atomik_storage::seal::Seal;
use atomik_storage::sqlite::{DATABASE_FILE, SqliteStore};
use atomik_testkit::builders::START;
use atomik_testkit::store_suite::Fixture;
use secrecy::SecretSlice;
use tempfile::TempDir;

struct Embedded {
    dir: TempDir,
    store: Arc<SqliteStore>,
}

async fn embedded() -> Embedded {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("data"), START).await.unwrap();
    let seal = Seal::new(SecretSlice::from(vec![7; 32])).unwrap();
    let store = Arc::new(store.with_seal(seal).await.unwrap());
    Embedded { dir, store }
}

#[async_trait]
impl Fixture for Embedded {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn backup_path(&self) -> PathBuf {
        self.dir.path().join("backup.db")
    }

    async fn open_backup(&self, backup: &Path) -> Arc<dyn Store> {
        let dir = self.dir.path().join("restored");
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(backup, dir.join(DATABASE_FILE)).unwrap();
        Arc::new(SqliteStore::open(&dir, START).await.unwrap())
    }
}

atomik_testkit::store_suite!(embedded);
