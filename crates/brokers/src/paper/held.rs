//! Holding a venue still from outside, for as long as something else must fit what it has committed.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::connector::DATABASE_FILE;
use super::store::StoreFailure;
use super::store::postgres::copy;

/// How long to wait for a moment in which the venue commits nothing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a venue could not be held or copied, in the database's words.
#[derive(Debug, thiserror::Error)]
#[error("the paper venue's database: {0}")]
pub struct HoldError(String);

impl From<sqlx::Error> for HoldError {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreFailure> for HoldError {
    fn from(failure: StoreFailure) -> Self {
        Self(failure.to_string())
    }
}

/// A venue that commits nothing, in whichever processes it runs, until this is released or dropped. Orders sent to it
/// wait, and after five seconds are answered "not sent".
#[derive(Debug)]
pub struct HeldVenue(Place);

#[derive(Debug)]
enum Place {
    /// Has the database's only write lock.
    File {
        holder: SqliteConnection,
        options: Box<SqliteConnectOptions>,
    },
    Postgres(copy::Held),
}

impl HeldVenue {
    /// Holds the venue of a data directory; `None` where there never was one.
    ///
    /// # Errors
    /// [`HoldError`] where the database cannot be opened, or somebody else holds it.
    pub async fn hold(data_dir: &Path) -> Result<Option<Self>, HoldError> {
        let file = data_dir.join(DATABASE_FILE);
        if !file.exists() {
            return Ok(None);
        }
        let options =
            SqliteConnectOptions::new().filename(file).busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        let mut holder = options.connect().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut holder).await?;
        Ok(Some(Self(Place::File { holder, options: Box::new(options) })))
    }

    /// Holds the venue of a PostgreSQL database, on all nodes; `None` where there never was one.
    ///
    /// # Errors
    /// [`HoldError`] where the database cannot be reached, was written by a newer version, or somebody else holds it.
    pub async fn hold_in_postgres(url: &SecretString) -> Result<Option<Self>, HoldError> {
        Ok(copy::Held::hold(url).await?.map(|held| Self(Place::Postgres(held))))
    }

    /// Copies the venue's database as it stands into `to`, which must be an empty file and becomes a venue's file. The copy
    /// is not synced.
    ///
    /// # Errors
    /// [`HoldError`] where the database cannot be read or the copy not be written.
    pub async fn copy(&mut self, to: &Path) -> Result<(), HoldError> {
        match &mut self.0 {
            Place::File { options, .. } => {
                let to = to.to_str().ok_or_else(|| HoldError("the copy's name is not UTF-8".to_owned()))?;
                // Not the holder itself: it is in a transaction.
                let mut reader = options.connect().await?;
                sqlx::query("VACUUM INTO ?1").bind(to).execute(&mut reader).await?;
                Ok(reader.close().await?)
            }
            Place::Postgres(held) => Ok(held.copy(to).await?),
        }
    }

    /// Lets the venue go on.
    ///
    /// # Errors
    /// None that leaves it held.
    pub async fn release(self) -> Result<(), HoldError> {
        match self.0 {
            Place::File { holder, .. } => Ok(holder.close().await?),
            Place::Postgres(held) => Ok(held.release().await?),
        }
    }
}
