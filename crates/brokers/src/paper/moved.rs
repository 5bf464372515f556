//! Moving a venue from its file into a PostgreSQL database.

use std::path::Path;

use secrecy::SecretString;

use super::connector::DATABASE_FILE;
use super::held::HoldError;
use super::store::postgres::fill;

/// A table, and how many rows it has in both.
pub type Moved = (&'static str, u64);

/// Copies the venue of a data directory, which no server uses, into a database that has no paper books, and compares every
/// row. `None` where there never was one.
///
/// # Errors
/// [`HoldError`]; the database has no paper books then.
pub async fn move_books(data_dir: &Path, url: &SecretString) -> Result<Option<Vec<Moved>>, HoldError> {
    let file = data_dir.join(DATABASE_FILE);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(fill::fill(&file, url).await?))
}

/// Compares every row of the venue of a data directory with the books of a database.
///
/// # Errors
/// [`HoldError`], which names the first row that differs.
pub async fn compare_books(data_dir: &Path, url: &SecretString) -> Result<Option<Vec<Moved>>, HoldError> {
    let file = data_dir.join(DATABASE_FILE);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(fill::compare(&file, url).await?))
}
