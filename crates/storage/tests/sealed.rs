//! What lies on the disk is sealed, and opens with the right key in its own row alone.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

use std::path::Path;

use atomik_domain::BrokerAccountId;
use atomik_ports::directory::NewBrokerAccount;
use atomik_ports::{Credentials, Custody, CustodyError, Directory, StoreError};
use atomik_storage::seal::Seal;
use atomik_storage::seal::UnsealError;
use atomik_storage::sqlite::{DATABASE_FILE, SqliteStore};
use atomik_testkit::builders::{START, new_account, tenant};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

const CANARY: &str = "canary-5f2d9c";

fn seal(byte: u8) -> Seal {
    Seal::new(SecretSlice::from(vec![byte; 32])).unwrap()
}

async fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, START).await.unwrap()
}

fn canary() -> Credentials {
    [("secret_key".to_owned(), SecretString::from(CANARY))].into_iter().collect()
}

/// A store with one account that has credentials.
async fn with_an_account(dir: &TempDir) -> (SqliteStore, BrokerAccountId) {
    let store = open(dir.path()).await.with_seal(seal(1)).await.unwrap();
    let alice = tenant(&store, "alice").await.unwrap();
    let new = NewBrokerAccount { credentials: canary(), ..new_account(alice.user.id, "Live") };
    let id = store.create_broker_account(new, None).await.unwrap().id;
    (store, id)
}

async fn secret_of(store: &SqliteStore, id: BrokerAccountId) -> Result<String, CustodyError> {
    let credentials = store.credentials(id).await?;
    Ok(credentials.get("secret_key").unwrap().expose_secret().to_owned())
}

async fn change_by_hand(dir: &TempDir, sql: &'static str) {
    let file = dir.path().join(DATABASE_FILE);
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    assert_eq!(sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn no_file_holds_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    let (store, id) = with_an_account(&dir).await;
    assert_eq!(secret_of(&store, id).await.unwrap(), CANARY);
    let mut read = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        read += bytes.len();
        assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()));
    }
    assert!(read > 10_000, "the files are not where they were");
}

#[tokio::test]
async fn a_row_that_was_moved_to_another_account_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, id) = with_an_account(&dir).await;
    change_by_hand(&dir, "UPDATE sealed_credentials SET broker_account_id = broker_account_id - 1").await;
    let other = BrokerAccountId(id.0 - 1);
    assert_eq!(secret_of(&store, other).await, Err(CustodyError::Sealed));
}

#[tokio::test]
async fn another_master_key_is_refused_when_the_store_opens() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = with_an_account(&dir).await;
    drop(store);
    let error = open(dir.path()).await.with_seal(seal(2)).await.unwrap_err();
    assert!(matches!(error, UnsealError::AnotherKey { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains(seal(1).key_id()) && error.contains(seal(2).key_id()), "{error}");
}

#[tokio::test]
async fn without_a_master_key_nothing_is_stored_and_nothing_is_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, id) = with_an_account(&dir).await;
    drop(store);
    let store = open(dir.path()).await;
    assert_eq!(secret_of(&store, id).await, Err(CustodyError::Sealed));
    let user_id = tenant(&store, "bob").await.unwrap().user.id;
    let new = NewBrokerAccount { credentials: canary(), ..new_account(user_id, "Live") };
    let refused = store.create_broker_account(new, None).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_rotation_seals_everything_with_the_next_key_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, id) = with_an_account(&dir).await;
    assert_eq!(store.rotate_seal(&seal(1), &seal(2)).await.unwrap(), 1);
    assert_eq!(store.sealed_with().await.unwrap().as_deref(), Some(seal(2).key_id()));
    drop(store);
    let store = open(dir.path()).await.with_seal(seal(2)).await.unwrap();
    assert_eq!(secret_of(&store, id).await.unwrap(), CANARY);
    change_by_hand(&dir, "UPDATE sealed_credentials SET wrapped_key = zeroblob(72)").await;
    let damaged = store.rotate_seal(&seal(2), &seal(3)).await.unwrap_err();
    assert!(matches!(damaged, UnsealError::Damaged(account) if account == id), "{damaged}");
    assert_eq!(store.sealed_with().await.unwrap().as_deref(), Some(seal(2).key_id()));
}
