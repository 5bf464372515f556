//! A batch as few texts, each a round trip to the connection's thread, which costs about as much as inserting ten rows.
//!
//! All rows of a table go in one statement, up to the largest size, and a batch of few rows is one text. Sizes are few, and the same
//! for all tables of such a batch, so that each text is prepared once: what is missing to a size is filled up with rows of nulls,
//! which the statement leaves out.

use std::sync::OnceLock;

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};

use super::all_answers;
use crate::paper::store::Rows;
use crate::paper::store::rows::{Row, TABLES, Table, Value};

/// How many rows a statement has. Powers of two: less than half of them is ever filled up.
const SIZES: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, LARGEST];
const LARGEST: usize = 256;
/// The most rows of a statement that shares a text. Every combination is a text of its own, so there must be few.
const LARGEST_JOINED: usize = 16;

/// The statements of each table and size, written when first needed.
static INSERTS: [[OnceLock<String>; SIZES.len()]; TABLES.len()] =
    [const { [const { OnceLock::new() }; SIZES.len()] }; TABLES.len()];

/// Statements that go together.
#[derive(Default)]
pub(super) struct Text {
    sql: String,
    arguments: SqliteArguments,
    error: Option<BoxDynError>,
    statements: usize,
}

/// A batch as a transaction: the last text ends with the commit. None where nothing is to be written.
pub(super) fn of_batch(rows: &Rows) -> Vec<Text> {
    let most = rows.tables.iter().map(Vec::len).max().unwrap_or(0);
    let together = (most <= LARGEST_JOINED).then(|| size_for(most));
    let mut texts: Vec<Text> = Vec::new();
    for ((table, rows), inserts) in TABLES.iter().zip(&rows.tables).zip(&INSERTS) {
        for chunk in rows.chunks(LARGEST) {
            let size = together.unwrap_or_else(|| size_for(chunk.len()));
            let mut text = texts.pop_if(|_| together.is_some()).unwrap_or_default();
            text.insert(inserts[size].get_or_init(|| insert(table, SIZES[size])), SIZES[size], chunk);
            texts.push(text);
        }
    }
    if let Some(first) = texts.first_mut() {
        first.sql.insert_str(0, "BEGIN IMMEDIATE; ");
        first.statements += 1;
    }
    if let Some(last) = texts.last_mut() {
        last.push("COMMIT");
    }
    texts
}

/// Rows of one table. Begins and ends no transaction.
pub(super) fn of_table(table: &Table, rows: &[Row]) -> Vec<Text> {
    let text = |chunk: &[Row]| {
        let size = SIZES[size_for(chunk.len())];
        let mut text = Text::default();
        text.insert(&insert(table, size), size, chunk);
        text
    };
    rows.chunks(LARGEST).map(text).collect()
}

/// The place of the smallest size that has room for so many rows.
fn size_for(rows: usize) -> usize {
    SIZES.iter().position(|size| rows <= *size).unwrap_or(SIZES.len() - 1)
}

impl Text {
    fn push(&mut self, statement: &str) {
        self.sql.push_str(if self.statements == 0 { "" } else { "; " });
        self.sql.push_str(statement);
        self.statements += 1;
    }

    /// Adds a statement for `size` rows.
    fn insert(&mut self, statement: &str, size: usize, rows: &[Row]) {
        self.push(statement);
        for row in rows {
            row.iter().for_each(|value| self.bind(Some(value)));
        }
        let columns = rows.first().map_or(0, Vec::len);
        for _ in 0..(size - rows.len()) * columns {
            self.bind(None);
        }
    }

    fn bind(&mut self, value: Option<&Value>) {
        let bound = match value {
            None => self.arguments.add(None::<i64>),
            Some(Value::Integer(number)) => self.arguments.add(*number),
            Some(Value::Text(text)) => self.arguments.add(text.as_deref()),
            Some(Value::Blob(bytes)) => self.arguments.add(bytes.as_slice()),
            Some(Value::Flag(flag)) => self.arguments.add(*flag),
        };
        if let Err(error) = bound {
            self.error = Some(error);
        }
    }

    /// Runs all of it.
    pub async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        if let Some(error) = self.error {
            return Err(sqlx::Error::Encode(error));
        }
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.arguments);
        all_answers(connection, query, self.statements).await.map(drop)
    }
}

/// The statement that writes so many rows of a table. The first column of none is null.
fn insert(table: &Table, rows: usize) -> String {
    let row = format!("({})", vec!["?"; table.columns.len()].join(","));
    format!(
        "INSERT INTO {} ({}) SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL{}",
        table.name,
        table.names(""),
        vec![row; rows].join(","),
        table.on_conflict()
    )
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::super::MIGRATIONS;
    use super::*;
    use crate::paper::store::rows::Kind;

    /// The n-th row of a table.
    fn row(table: &Table, n: u8) -> Row {
        let value = |(_, kind): &(&str, Kind)| match kind {
            Kind::Integer => Value::Integer(Some(n.into())),
            Kind::Text => Value::Text(Some(n.to_string())),
            Kind::Blob => Value::Blob(vec![n]),
            Kind::Flag => Value::Flag(true),
        };
        table.columns.iter().map(value).collect()
    }

    fn batch(counts: [u8; TABLES.len()]) -> Rows {
        let mut tables =
            TABLES.iter().zip(counts).map(|(table, count)| (0..count).map(|n| row(table, n)).collect());
        Rows { sessions: Vec::new(), tables: std::array::from_fn(|_| tables.next().unwrap_or_default()) }
    }

    fn statements(text: &Text) -> Vec<&str> {
        text.sql.split("; ").map(|statement| statement.split(' ').next().unwrap_or_default()).collect()
    }

    #[test]
    fn few_rows_are_one_text_and_many_a_text_a_table() {
        let [text] = &of_batch(&batch([1, 3, 4, 0]))[..] else { panic!("more than one text") };
        assert_eq!(statements(text), ["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]);
        assert_eq!(text.statements, 5);
        let columns: usize = TABLES[..3].iter().map(|table| table.columns.len()).sum();
        assert_eq!(text.arguments.len(), 4 * columns, "all of one size");

        let texts = of_batch(&batch([100, 17, 0, 1]));
        let each: Vec<_> = texts.iter().map(statements).collect();
        assert_eq!(each, [vec!["BEGIN", "INSERT"], vec!["INSERT"], vec!["INSERT", "COMMIT"]]);
        assert!(of_batch(&batch([0; TABLES.len()])).is_empty());
    }

    #[tokio::test]
    async fn every_row_is_written_once_and_none_that_fills_up() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
        let written = [[3, 5, 9, 1], [17, 33, 0, 16], [200, 90, 100, 250]];
        for (round, counts) in written.into_iter().enumerate() {
            for text in of_batch(&batch(counts)) {
                text.run(&mut connection).await.unwrap();
            }
            for (table, rows) in TABLES.iter().zip(counts) {
                let count = AssertSqlSafe(format!("SELECT count(*) FROM {}", table.name));
                let found: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
                assert!(found >= i64::from(rows), "{}, batch {round}: {found}", table.name);
            }
            if round < 2 {
                // They are written once: what is there already is an error.
                sqlx::raw_sql("DELETE FROM executions").execute(&mut connection).await.unwrap();
            }
        }
        let counted = "SELECT (SELECT count(*) FROM accounts) || '/' || (SELECT count(*) FROM orders) || '/' || \
                       (SELECT count(*) FROM executions) || '/' || (SELECT count(*) FROM holdings)";
        let counted: String = sqlx::query_scalar(counted).fetch_one(&mut connection).await.unwrap();
        assert_eq!(counted, "200/90/100/250", "later batches change the rows of earlier ones");
    }
}
