//! Many rows in one statement: each column is an array, and `unnest` makes rows of them again. The text of a statement does
//! not depend on how many rows there are, so it is prepared once a connection.

use std::fmt::Write;

use atomik_ports::StoreError;
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgBindIterExt};

use super::columns::clean;
use super::faults::fault;
use crate::values::{Binds, Value};

/// A column of all rows.
#[derive(Debug)]
enum Array {
    Integer(Vec<Option<i64>>),
    /// All texts behind each other, and where each ends; `None` is null.
    Text(String, Vec<Option<usize>>),
    Blob(Vec<u8>, Vec<Option<usize>>),
    Flag(Vec<bool>),
}

impl Array {
    fn of(value: Value<'_>) -> Self {
        let mut array = match value {
            Value::Integer(_) => Self::Integer(Vec::new()),
            Value::Text(_) => Self::Text(String::new(), Vec::new()),
            Value::Blob(_) => Self::Blob(Vec::new(), Vec::new()),
            Value::Flag(_) => Self::Flag(Vec::new()),
        };
        array.push(value);
        array
    }

    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Integer(array), Value::Integer(number)) => array.push(number),
            (Self::Text(all, ends), Value::Text(text)) => {
                if let Some(text) = &text {
                    all.push_str(&clean(text.as_ref().into()));
                }
                ends.push(text.map(|_| all.len()));
            }
            (Self::Blob(all, ends), Value::Blob(bytes)) => {
                all.extend_from_slice(bytes.unwrap_or_default());
                ends.push(bytes.map(|_| all.len()));
            }
            (Self::Flag(array), Value::Flag(flag)) => array.push(flag),
            (array, value) => debug_assert!(false, "{value:?} in a column of {array:?}"),
        }
    }

    fn sql_type(&self) -> &'static str {
        match self {
            Self::Integer(_) => "bigint[]",
            Self::Text(..) => "text[]",
            Self::Blob(..) => "bytea[]",
            Self::Flag(_) => "boolean[]",
        }
    }

    fn bind(&self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Integer(array) => arguments.add(array.as_slice()),
            Self::Text(all, ends) => {
                let mut start = 0;
                let texts = ends.iter().map(move |end| {
                    end.map(|end| {
                        let text = &all[start..end];
                        start = end;
                        text
                    })
                });
                arguments.add(texts.bind_iter())
            }
            Self::Blob(all, ends) => {
                let mut start = 0;
                let blobs = ends.iter().map(move |end| {
                    end.map(|end| {
                        let blob = &all[start..end];
                        start = end;
                        blob
                    })
                });
                arguments.add(blobs.bind_iter())
            }
            Self::Flag(array) => arguments.add(array.as_slice()),
        }
    }
}

/// Rows, column by column.
#[derive(Debug, Default)]
struct Rows {
    arrays: Vec<Array>,
    next: usize,
}

impl Binds for Rows {
    fn add<'v>(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        match self.arrays.get_mut(self.next) {
            Some(array) => array.push(value.into()),
            None => self.arrays.push(Array::of(value.into())),
        }
        self.next += 1;
        self
    }
}

/// A statement over several sets of rows, each with what is done with it: one round trip, whatever it does.
#[derive(Debug, Default)]
pub(super) struct Statement {
    text: String,
    arguments: PgArguments,
    error: Option<BoxDynError>,
    draws_ids: bool,
}

/// The columns that may stand for ids which the statement itself draws.
const ID_COLUMNS: [&str; 2] = ["id", "signal_id"];

impl Statement {
    /// One that draws ids itself. In its rows -1 stands for the first of them, -2 for the second, and so on.
    pub fn drawing_ids(count: i64) -> Self {
        let mut statement = Self { draws_ids: true, ..Self::default() };
        statement.numbers(
            &[count],
            "drawn AS MATERIALIZED (SELECT ARRAY(SELECT nextval('delivery_ids') FROM generate_series(1, {0})) AS ids)",
        );
        statement
    }

    /// Adds rows, where there are any, under a name, with the names of their columns; `then` are further parts of a `WITH`
    /// that use them. The parts of one statement see nothing of what the others do.
    pub fn with<T>(
        &mut self,
        name: &str,
        columns: &str,
        rows: &[T],
        bind: fn(&T, &mut RowBinds<'_>),
        then: &str,
    ) -> &mut Self {
        if rows.is_empty() {
            return self;
        }
        let mut arrays = Rows::default();
        for row in rows {
            arrays.next = 0;
            bind(row, &mut RowBinds(&mut arrays));
        }
        self.open();
        let selected = self.selected(columns);
        let _ = write!(self.text, "{name} AS (SELECT {selected} FROM unnest("); // writing to a String cannot fail
        for (place, array) in arrays.arrays.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let number = self.arguments.len() + 1;
            let _ = write!(self.text, "{comma}${number}::{}", array.sql_type());
            if let Err(error) = array.bind(&mut self.arguments) {
                self.error = Some(error);
            }
        }
        let _ = write!(self.text, ") AS u ({columns})), {then}");
        self
    }

    /// The columns of rows, with those ids that the statement draws.
    fn selected(&self, columns: &str) -> String {
        let column = |name: &str| {
            if self.draws_ids && ID_COLUMNS.contains(&name) {
                format!(
                    "CASE WHEN {name} < 0 THEN (SELECT ids FROM drawn)[-{name}] ELSE {name} END AS {name}"
                )
            } else {
                name.to_owned()
            }
        };
        let columns: Vec<_> = columns.split(',').map(str::trim).map(column).collect();
        columns.join(", ")
    }

    /// Adds a part over single numbers, which stand in its text as `{0}`, `{1}` ...
    pub fn numbers(&mut self, numbers: &[i64], part: &str) -> &mut Self {
        self.open();
        let mut part = part.to_owned();
        for (place, number) in numbers.iter().enumerate() {
            if let Err(error) = self.arguments.add(*number) {
                self.error = Some(error);
            }
            part = part.replace(&format!("{{{place}}}"), &format!("${}", self.arguments.len()));
        }
        self.text.push_str(&part);
        self
    }

    fn open(&mut self) {
        self.text.push_str(if self.text.is_empty() { "WITH " } else { ", " });
    }

    /// The whole text, which ends in `select`, and what it is bound to.
    pub fn finish(mut self, select: &str) -> Result<(String, PgArguments), StoreError> {
        if let Some(error) = self.error {
            return Err(fault(sqlx::Error::Encode(error)));
        }
        self.text.push(' ');
        self.text.push_str(select);
        Ok((self.text, self.arguments))
    }
}

/// Where a row's values go.
#[derive(Debug)]
pub(super) struct RowBinds<'r>(&'r mut Rows);

impl Binds for RowBinds<'_> {
    fn add<'v>(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        self.0.add(value);
        self
    }
}
