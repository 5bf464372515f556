//! Holding a venue still from outside, for as long as something else must fit what it has committed.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::connector::DATABASE_FILE;

/// How long to wait for a moment in which the venue commits nothing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a venue could not be held or copied, in the database's words.
#[derive(Debug, thiserror::Error)]
#[error("the paper venue's database: {0}")]
pub struct HoldError(#[from] sqlx::Error);

/// A venue that commits nothing, in whichever process it runs, until this is released or dropped. Orders sent to it
/// wait, and after five seconds are answered "not sent".
#[derive(Debug)]
pub struct HeldVenue {
    /// Has the database's only write lock.
    holder: SqliteConnection,
    options: SqliteConnectOptions,
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
        Ok(Some(Self { holder, options }))
    }

    /// Copies the venue's database as it stands into `to`, which must be an empty file. The copy is not synced.
    ///
    /// # Errors
    /// [`HoldError`] where the database cannot be read or the copy not be written.
    pub async fn copy(&self, to: &str) -> Result<(), HoldError> {
        // Not the holder itself: it is in a transaction.
        let mut reader = self.options.clone().connect().await?;
        sqlx::query("VACUUM INTO ?1").bind(to).execute(&mut reader).await?;
        Ok(reader.close().await?)
    }

    /// Lets the venue go on.
    ///
    /// # Errors
    /// None that leaves it held.
    pub async fn release(self) -> Result<(), HoldError> {
        Ok(self.holder.close().await?)
    }
}
