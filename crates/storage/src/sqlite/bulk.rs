//! Many rows in one statement.
//!
//! A statement costs a round trip to the connection's thread, about as much as inserting ten rows. So rows go in chunks
//! of a few fixed sizes, whose SQL is constant: written once, prepared once per connection.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use atomik_ports::StoreError;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

use super::faults::fault;

/// Chunk sizes, largest first. Powers of two: a batch of n rows takes one statement for each binary one of n.
const SIZES: [usize; 9] = [256, 128, 64, 32, 16, 8, 4, 2, 1];
/// The most variables one SQLite statement may have.
const MAX_VARIABLES: usize = 32_766;

/// A statement over rows of values: `head`, then a parenthesis of `?` for each row, then `tail`.
#[derive(Debug)]
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

impl Bulk {
    pub const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        assert!(columns * SIZES[0] <= MAX_VARIABLES, "a chunk has too many variables");
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
            let query = sqlx::query_with(AssertSqlSafe(self.text(size)), self.bound(chunk, bind)?);
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
            let query = sqlx::query_with(AssertSqlSafe(self.text(size)), self.bound(chunk, bind)?);
            found.extend(query.fetch_all(&mut *connection).await.map_err(fault)?);
            left = rest;
        }
        Ok(found)
    }

    fn bound<T>(&self, chunk: &[T], bind: fn(&T, &mut Binds)) -> Result<SqliteArguments, StoreError> {
        let mut binds = Binds { arguments: SqliteArguments::default(), error: None };
        binds.arguments.reserve(chunk.len() * self.columns, 0);
        for row in chunk {
            bind(row, &mut binds);
        }
        debug_assert_eq!(binds.arguments.len(), chunk.len() * self.columns, "{}", self.head);
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

/// The largest chunk that fits: its size's place, its rows, and the rest.
fn next_chunk<T>(rows: &[T]) -> Option<(usize, &[T], &[T])> {
    let size = SIZES.iter().position(|size| *size <= rows.len())?;
    let (chunk, rest) = rows.split_at(SIZES[size]);
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
            assert_eq!(chunk.len(), SIZES[size]);
            seen.extend_from_slice(chunk);
            statements += 1;
            left = rest;
        }
        assert_eq!(seen, rows);
        assert_eq!(statements, 7, "3 x 256 + 128 + 64 + 32 + 8");
    }

    #[test]
    fn the_text_has_one_parenthesis_a_row() {
        let bulk = Bulk::new("INSERT INTO t VALUES ", 2, " ON CONFLICT DO NOTHING");
        assert_eq!(&*bulk.text(7), "INSERT INTO t VALUES (?,?),(?,?) ON CONFLICT DO NOTHING");
    }
}
