//! PostgreSQL's cells, and texts as it can keep them.

use std::borrow::Cow;

use sqlx::postgres::PgRow;
use sqlx::{Column, Row};

use crate::columns::Cells;

impl Cells for PgRow {
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
        self.try_get(index).map_err(|error| error.to_string())
    }

    fn name(&self, index: usize) -> &str {
        self.columns().get(index).map_or("?", Column::name)
    }
}

/// A text from outside, as PostgreSQL can keep it. The one character that its texts cannot hold is NUL, and a statement with
/// one fails, all rows of it: it becomes the replacement character.
pub(super) fn clean(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { text }
}

/// The same, owned: what a query is bound to.
pub(super) fn text(text: &str) -> String {
    clean(Cow::Borrowed(text)).into_owned()
}
