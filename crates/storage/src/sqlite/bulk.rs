//! Many rows in one statement.
//!
//! A statement costs a round trip to the connection's thread, about as much as inserting ten rows. So all rows go in one
//! statement up to the largest chunk, and chunks have a few fixed sizes, whose SQL is constant: written once, prepared
//! once per connection. What is missing to a chunk's size is filled up with rows of nulls, which the statement leaves out.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use atomik_ports::StoreError;
use futures::TryStreamExt;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Either, Encode, Executor, Type};

use super::faults::fault;
use crate::values::{self, Value};

/// Chunk sizes. Powers of two: less than half of a chunk is ever filled up.
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, LARGEST];
/// The most rows of one statement.
const LARGEST: usize = 256;
/// The most rows of a statement that shares a round trip with its neighbours. Every combination is a text of its own that is
/// prepared once, so there must be few: where little is to be written, it is written often.
const LARGEST_JOINED: usize = 2;
/// The most variables one SQLite statement may have.
const MAX_VARIABLES: usize = 32_766;

/// A statement over rows of values: `head`, then a parenthesis of `?` for each row, then `tail`. Rows whose first value
/// is null are fillers; `head` and `tail` must make the statement leave them out.
#[derive(Debug)]
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [[OnceLock<Arc<str>>; SIZES.len()]; EDGES],
}

/// What else a statement's text does: begin the transaction, commit it, both or neither. Each would be a round trip of
/// its own.
#[derive(Clone, Copy, Debug, Default)]
struct Edge {
    begins: bool,
    commits: bool,
}

/// How many edges there are.
const EDGES: usize = 4;

/// Statements that are known before the first of them runs. Those of few rows run in one round trip: a text with all of them.
#[derive(Debug, Default)]
pub(super) struct Statements {
    all: Vec<Joined>,
}

/// One statement, or neighbours that go together.
#[derive(Debug, Default)]
struct Joined {
    /// Each with the place of its chunk size.
    statements: Vec<(&'static Bulk, usize)>,
    binds: Binds,
}

impl Joined {
    fn is_small(&self) -> bool {
        self.statements.iter().all(|(_, size)| SIZES[*size] <= LARGEST_JOINED)
    }

    fn text(&self, edge: Edge) -> Arc<str> {
        if let [(bulk, size)] = self.statements[..] {
            return bulk.text(size, edge);
        }
        let last = self.statements.len() - 1;
        let texts = self.statements.iter().enumerate().map(|(place, (bulk, size))| {
            let edge = Edge { begins: edge.begins && place == 0, commits: edge.commits && place == last };
            bulk.text(*size, edge)
        });
        Arc::from(texts.collect::<Vec<_>>().join("; "))
    }

    /// Runs all of it and collects what it returns.
    async fn run(self, connection: &mut SqliteConnection, edge: Edge) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let text = self.text(edge);
        let statements = self.statements.len() + usize::from(edge.begins) + usize::from(edge.commits);
        all_answers(connection, &text, self.binds.arguments, statements).await
    }
}

/// Runs a text of so many statements and collects what they return. Where the connection's thread dies halfway, sqlx's answer just
/// ends: only the count tells that the rest of the text, and the commit at its end, may never have run.
async fn all_answers(
    connection: &mut SqliteConnection,
    text: &Arc<str>,
    arguments: SqliteArguments,
    statements: usize,
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let query = sqlx::query_with(AssertSqlSafe(Arc::clone(text)), arguments);
    let mut answers = connection.fetch_many(query);
    let (mut rows, mut ended) = (Vec::new(), 0);
    while let Some(answer) = answers.try_next().await? {
        match answer {
            Either::Left(_) => ended += 1,
            Either::Right(row) => rows.push(row),
        }
    }
    if ended == statements { Ok(rows) } else { Err(sqlx::Error::WorkerCrashed) }
}

impl Statements {
    /// Adds a statement over all rows.
    pub fn add<T>(
        &mut self,
        bulk: &'static Bulk,
        rows: &[T],
        bind: fn(&T, &mut Binds),
    ) -> Result<(), StoreError> {
        let mut left = rows;
        while let Some((size, chunk, rest)) = next_chunk(left) {
            let joins = SIZES[size] <= LARGEST_JOINED && self.all.last().is_some_and(Joined::is_small);
            if !joins {
                self.all.push(Joined::default());
            }
            if let Some(joined) = self.all.last_mut() {
                joined.statements.push((bulk, size));
                bulk.bind(size, chunk, bind, &mut joined.binds)?;
            }
            left = rest;
        }
        Ok(())
    }

    /// Runs all of them in one transaction, which ends committed, and collects what they return. `begun`: it has been
    /// begun already.
    pub async fn commit(
        self,
        connection: &mut SqliteConnection,
        begun: bool,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let count = self.all.len();
        if count == 0 && begun {
            all_answers(connection, &Arc::from("COMMIT"), SqliteArguments::default(), 1).await?;
        }
        let mut returned = Vec::new();
        for (place, joined) in self.all.into_iter().enumerate() {
            let edge = Edge { begins: place == 0 && !begun, commits: place + 1 == count };
            returned.extend(joined.run(connection, edge).await?);
        }
        Ok(returned)
    }
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
        Self { head, columns, tail, texts: [const { [const { OnceLock::new() }; SIZES.len()] }; EDGES] }
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
            let mut binds = Binds::default();
            self.bind(size, chunk, bind, &mut binds)?;
            let text = self.text(size, Edge::default());
            found.extend(all_answers(connection, &text, binds.arguments, 1).await.map_err(fault)?);
            left = rest;
        }
        Ok(found)
    }

    /// Binds the rows of a chunk, and fills it up.
    fn bind<T>(
        &self,
        size: usize,
        chunk: &[T],
        bind: fn(&T, &mut Binds),
        binds: &mut Binds,
    ) -> Result<(), StoreError> {
        let before = binds.arguments.len();
        let variables = SIZES[size] * self.columns;
        binds.arguments.reserve(variables, 0);
        for row in chunk {
            bind(row, binds);
        }
        debug_assert_eq!(binds.arguments.len() - before, chunk.len() * self.columns, "{}", self.head);
        while binds.arguments.len() - before < variables && binds.error.is_none() {
            binds.put(None::<i64>);
        }
        binds.error.take().map_or(Ok(()), |error| Err(fault(sqlx::Error::Encode(error))))
    }

    /// The SQL for the chunk size at `SIZES[size]`.
    fn text(&self, size: usize, edge: Edge) -> Arc<str> {
        let write = || {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            let mut text = if edge.begins { "BEGIN IMMEDIATE; " } else { "" }.to_owned();
            text.push_str(self.head);
            for number in 0..SIZES[size] {
                let comma = if number == 0 { "" } else { "," };
                let _ = write!(text, "{comma}{row}"); // writing to a String cannot fail
            }
            text.push_str(self.tail);
            text.push_str(if edge.commits { "; COMMIT" } else { "" });
            Arc::from(text)
        };
        let texts = &self.texts[usize::from(edge.begins) + 2 * usize::from(edge.commits)];
        Arc::clone(texts[size].get_or_init(write))
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
#[derive(Debug, Default)]
pub(super) struct Binds {
    arguments: SqliteArguments,
    error: Option<BoxDynError>,
}

impl Binds {
    fn put<'q, V: Encode<'q, Sqlite> + Type<Sqlite>>(&mut self, value: V) {
        if let Err(error) = self.arguments.add(value) {
            self.error = Some(error);
        }
    }
}

impl values::Binds for Binds {
    fn add<'v>(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        match value.into() {
            Value::Integer(number) => self.put(number),
            Value::Text(text) => self.put(text.map(Cow::into_owned)),
            Value::Blob(bytes) => self.put(bytes),
            Value::Flag(flag) => self.put(flag),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

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
    fn statements_of_few_rows_share_a_text_and_others_have_their_own() {
        static BULK: Bulk = insert!("INSERT INTO t", 1, "");
        let bind = |number: &i64, binds: &mut Binds| binds.put(*number);
        let mut statements = Statements::default();
        for count in [1, 2, 3, 1, 1] {
            statements.add(&BULK, &vec![7; count], bind).unwrap();
        }
        let sizes: Vec<_> = statements.all.iter().map(|joined| joined.statements.len()).collect();
        assert_eq!(sizes, [2, 1, 2]);
        assert_eq!(statements.all[0].binds.arguments.len(), 3);
        let text = statements.all[0].text(Edge { begins: true, commits: true });
        let parts: Vec<_> = text.split("; ").map(|part| part.split(' ').next().unwrap()).collect();
        assert_eq!(parts, ["BEGIN", "INSERT", "INSERT", "COMMIT"]);
    }

    #[tokio::test]
    async fn an_answer_that_ends_before_the_text_does_is_an_error() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let text = Arc::from("BEGIN; SELECT 7; COMMIT");
        let none = SqliteArguments::default;
        let rows = all_answers(&mut connection, &text, none(), 3).await.unwrap();
        assert_eq!(rows.len(), 1);
        let cut_short = all_answers(&mut connection, &text, none(), 4).await.unwrap_err();
        assert!(matches!(cut_short, sqlx::Error::WorkerCrashed), "{cut_short}");
    }

    #[test]
    fn the_text_has_one_parenthesis_a_row() {
        let bulk = insert!("INSERT INTO t", 2, " ON CONFLICT DO NOTHING");
        assert_eq!(
            &*bulk.text(1, Edge::default()),
            "INSERT INTO t SELECT * FROM (VALUES (?,?),(?,?)) WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING"
        );
        let whole = bulk.text(0, Edge { begins: true, commits: true });
        assert!(
            whole.starts_with("BEGIN IMMEDIATE; INSERT") && whole.ends_with("NOTHING; COMMIT"),
            "{whole}"
        );
        assert!(!bulk.text(0, Edge { begins: true, commits: false }).contains("COMMIT"));
    }
}
