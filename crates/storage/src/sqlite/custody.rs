//! Credentials: sealed when they are stored, opened for the adapter that asks.

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, UserId};
use atomik_ports::{Credentials, Custody, CustodyError, StoreError};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::SqliteStore;
use super::faults::fault;
use crate::seal::{Row, Seal, Sealed, UnsealError};

impl SqliteStore {
    /// Gives the store the key that seals credentials.
    ///
    /// # Errors
    /// [`UnsealError`], for the operator: where another key sealed what is there.
    pub async fn with_seal(mut self, seal: Seal) -> Result<Self, UnsealError> {
        self.check_key(&seal).await?;
        self.seal = Some(seal);
        Ok(self)
    }

    /// The id of the key that sealed what is there; `None` where nothing is sealed.
    ///
    /// # Errors
    /// The store's.
    pub async fn sealed_with(&self) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT key_id FROM sealed_credentials LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .map_err(fault)
    }

    async fn check_key(&self, seal: &Seal) -> Result<(), UnsealError> {
        let other: Option<String> =
            sqlx::query_scalar("SELECT key_id FROM sealed_credentials WHERE key_id <> ?1 LIMIT 1")
                .bind(seal.key_id())
                .fetch_optional(&self.readers)
                .await
                .map_err(fault)?;
        match other {
            Some(found) => Err(UnsealError::AnotherKey { found, given: seal.key_id().to_owned() }),
            None => Ok(()),
        }
    }

    /// Wraps every account's key with another master key, all of them in one transaction, and gives how many there are.
    ///
    /// # Errors
    /// [`UnsealError`]; nothing has changed then.
    pub async fn rotate_seal(&self, present: &Seal, next: &Seal) -> Result<usize, UnsealError> {
        self.check_key(present).await?;
        let mut work = self.write().await?;
        match rewrap_all(work.connection(), present, next).await {
            Ok(count) => Ok(work.finish(Ok(count)).await?),
            Err(UnsealError::Store(error)) => Ok(work.finish(Err(error)).await?),
            Err(other) => {
                // The transaction ends as a failed one.
                let failed: Result<(), _> = Err(StoreError::Corrupt(other.to_string()));
                let _ = work.finish(failed).await;
                Err(other)
            }
        }
    }
}

async fn rewrap_all(
    connection: &mut SqliteConnection,
    present: &Seal,
    next: &Seal,
) -> Result<usize, UnsealError> {
    let rows = sqlx::query(
        "SELECT c.key_id, c.wrapped_key, c.sealed, a.user_id, a.id FROM sealed_credentials c \
         JOIN broker_accounts a ON a.id = c.broker_account_id",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(fault)?;
    for found in &rows {
        let (row, sealed) = read(found)?;
        let rewrapped =
            present.rewrap(row, &sealed, next).map_err(|_| UnsealError::Damaged(row.account_id))?;
        store(connection, row, &rewrapped).await?;
    }
    Ok(rows.len())
}

fn read(row: &SqliteRow) -> Result<(Row, Sealed), StoreError> {
    let sealed = Sealed {
        key_id: row.try_get(0).map_err(fault)?,
        wrapped_key: row.try_get(1).map_err(fault)?,
        sealed: row.try_get(2).map_err(fault)?,
    };
    let whose = Row {
        user_id: UserId(row.try_get(3).map_err(fault)?),
        account_id: BrokerAccountId(row.try_get(4).map_err(fault)?),
    };
    Ok((whose, sealed))
}

async fn store(connection: &mut SqliteConnection, row: Row, sealed: &Sealed) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sealed_credentials (broker_account_id, key_id, wrapped_key, sealed) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (broker_account_id) DO UPDATE SET key_id = ?2, wrapped_key = ?3, sealed = ?4",
    )
    .bind(row.account_id.0)
    .bind(&sealed.key_id)
    .bind(&sealed.wrapped_key)
    .bind(&sealed.sealed)
    .execute(connection)
    .await
    .map(drop)
    .map_err(fault)
}

/// Seals an account's credentials, in place of those it had. None are stored where there are none.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    seal: Option<&Seal>,
    row: Row,
    credentials: &Credentials,
) -> Result<(), StoreError> {
    if credentials.is_empty() {
        return forget(connection, row.account_id).await;
    }
    let seal =
        seal.ok_or_else(|| StoreError::Unavailable("it was opened without the master key".to_owned()))?;
    let sealed = seal.seal(row, credentials).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    store(connection, row, &sealed).await
}

/// Removes an account's credentials.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    account_id: BrokerAccountId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sealed_credentials WHERE broker_account_id = ?1")
        .bind(account_id.0)
        .execute(connection)
        .await
        .map(drop)
        .map_err(fault)
}

#[async_trait]
impl Custody for SqliteStore {
    async fn credentials(&self, account: BrokerAccountId) -> Result<Credentials, CustodyError> {
        let found = sqlx::query(
            "SELECT c.key_id, c.wrapped_key, c.sealed, a.user_id, a.id FROM sealed_credentials c \
             JOIN broker_accounts a ON a.id = c.broker_account_id WHERE a.id = ?1 AND NOT a.deleted",
        )
        .bind(account.0)
        .fetch_optional(&self.readers)
        .await
        .map_err(fault)?;
        let Some(found) = found else { return Ok(Credentials::default()) };
        let (row, sealed) = read(&found)?;
        let seal = self.seal.as_ref().ok_or(CustodyError::Sealed)?;
        seal.open(row, &sealed).map_err(|_| CustodyError::Sealed)
    }
}
