//! Many rows in one statement.
//!
//! A statement costs a round trip to the connection's thread, about as much as inserting ten rows. So all rows go in one
//! statement up to the largest chunk, and chunks have a few fixed sizes, whose SQL is constant: written once, prepared
//! once per connection. What is missing to a chunk's size is filled up with rows of nulls, which the statement leaves out.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use atomik_ports::StoreError;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

use super::faults::fault;

/// Chunk sizes. Powers of two: less than half of a chunk is ever filled up.
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, LARGEST];
/// The most rows of one statement.
const LARGEST: usize = 256;
/// The most variables one SQLite statement may have.
const MAX_VARIABLES: usize = 32_766;

/// A statement over rows of values: `head`, then a parenthesis of `?` for each row, then `tail`. Rows whose first value
/// is null are fillers; `head` and `tail` must make the statement leave them out.
#[derive(Debug)]
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

/// The head of a [`Bulk`] that inserts: `INSERT INTO ...` with its columns, the first of which is never null.
macro_rules! insert {
    ($head:expr, $columns:expr, $tail:expr $(,)?) => {
        $crate::sqlite::bulk::Bulk::new(
            concat!($head, " SELECT * FROM (VALUES "),
            $columns,
            concat!(") WHERE column1 IS NOT NULL", $tail),
        )
    };
}
pub(super) use insert;

impl Bulk {
    pub const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        assert!(columns * LARGEST <= MAX_VARIABLES, "a chunk has too many variables");
        Self { head, columns, tail, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// Runs the statement over all rows.
    pub async fn execute<T: Sync>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: fn(&T, &mut Binds),
    ) -> Result<(), StoreError> {
        let mut left = rows;
        while let Some((size, chunk, rest)) = next_chunk(left) {
            let query = sqlx::query_with(AssertSqlSafe(self.text(size)), self.bound(size, chunk, bind)?);
            query.execute(&mut *connection).await.map_err(fault)?;
            left = rest;
        }
        Ok(())
    }

    /// Runs the statement over all rows and collects what it returns.
    pub async fn fetch<T: Sync>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: fn(&T, &mut Binds),
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let mut left = rows;
        let mut found = Vec::new();
        while let Some((size, chunk, rest)) = next_chunk(left) {
            let query = sqlx::query_with(AssertSqlSafe(self.text(size)), self.bound(size, chunk, bind)?);
            found.extend(query.fetch_all(&mut *connection).await.map_err(fault)?);
            left = rest;
        }
        Ok(found)
    }

    fn bound<T>(
        &self,
        size: usize,
        chunk: &[T],
        bind: fn(&T, &mut Binds),
    ) -> Result<SqliteArguments, StoreError> {
        let mut binds = Binds { arguments: SqliteArguments::default(), error: None };
        let variables = SIZES[size] * self.columns;
        binds.arguments.reserve(variables, 0);
        for row in chunk {
            bind(row, &mut binds);
        }
        debug_assert_eq!(binds.arguments.len(), chunk.len() * self.columns, "{}", self.head);
        while binds.arguments.len() < variables && binds.error.is_none() {
            binds.add(None::<i64>);
        }
        binds.error.map_or(Ok(binds.arguments), |error| Err(fault(sqlx::Error::Encode(error))))
    }

    /// The SQL for the chunk size at `SIZES[size]`.
    fn text(&self, size: usize) -> Arc<str> {
        let write = || {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            let mut text = self.head.to_owned();
            for number in 0..SIZES[size] {
                let comma = if number == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{row}"); // writing to a String cannot fail
            }
            text.push_str(self.tail);
            Arc::from(text)
        };
        Arc::clone(self.texts[size].get_or_init(write))
    }
}

/// The next chunk: its size's place, its rows, and the rest. The size may be larger than the rows are many.
fn next_chunk<T>(rows: &[T]) -> Option<(usize, &[T], &[T])> {
    if rows.is_empty() {
        return None;
    }
    let size = SIZES.iter().position(|size| rows.len() <= *size).unwrap_or(SIZES.len() - 1);
    let (chunk, rest) = rows.split_at(rows.len().min(SIZES[size]));
    Some((size, chunk, rest))
}

/// The values of a statement, in order.
#[derive(Debug)]
pub(super) struct Binds {
    arguments: SqliteArguments,
    error: Option<BoxDynError>,
}

impl Binds {
    /// The next value.
    pub fn add<'q, V: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: V) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.error = Some(error);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_all_rows_in_order() {
        let rows: Vec<u32> = (0..1_000).collect();
        let (mut left, mut seen, mut statements) = (rows.as_slice(), Vec::new(), 0);
        while let Some((size, chunk, rest)) = next_chunk(left) {
            assert!(chunk.len() <= SIZES[size]);
            seen.extend_from_slice(chunk);
            statements += 1;
            left = rest;
        }
        assert_eq!(seen, rows);
        assert_eq!(statements, 4, "3 x 256, and 232 in one more");
    }

    #[test]
    fn the_text_has_one_parenthesis_a_row() {
        let bulk = insert!("INSERT INTO t", 2, " ON CONFLICT DO NOTHING");
        assert_eq!(
            &*bulk.text(1),
            "INSERT INTO t SELECT * FROM (VALUES (?,?),(?,?)) WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
        );
    }
}
