//! SQLite's cells.

use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row};

use crate::columns::Cells;

impl Cells for SqliteRow {
    fn integer(&self, index: usize) -> Result<Option<i64>, String> {
        self.try_get(index).map_err(|error| error.to_string())
    }

    fn text(&self, index: usize) -> Result<Option<&str>, String> {
        self.try_get(index).map_err(|error| error.to_string())
    }

    fn blob(&self, index: usize) -> Result<Option<&[u8]>, String> {
        self.try_get(index).map_err(|error| error.to_string())
    }

    fn flag(&self, index: usize) -> Result<bool, String> {
        let value: i64 = self.try_get(index).map_err(|error| error.to_string())?;
        Ok(value != 0)
    }

    fn name(&self, index: usize) -> &str {
        self.columns().get(index).map_or("?", Column::name)
    }
}
