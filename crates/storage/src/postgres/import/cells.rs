//! A row of either engine, cell by cell, in one form.

use std::borrow::Cow;
use std::fmt::Write;

use atomik_ports::StoreError;

use crate::columns::Cells;
use crate::postgres::columns::clean;
use crate::values::Value;

/// A column: what it is called, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// The few types that columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Blob,
    Flag,
}

impl Kind {
    /// By PostgreSQL's name for it.
    pub fn parse(data_type: &str) -> Option<Self> {
        match data_type {
            "bigint" => Some(Self::Integer),
            "text" => Some(Self::Text),
            "bytea" => Some(Self::Blob),
            "boolean" => Some(Self::Flag),
            _ => None,
        }
    }
}

/// The cell of a row, as PostgreSQL keeps it.
pub(super) fn cell<'r, R: Cells>(row: &'r R, index: usize, kind: Kind) -> Result<Value<'r>, StoreError> {
    let read = match kind {
        Kind::Integer => row.integer(index).map(Value::Integer),
        Kind::Text => row.text(index).map(|text| Value::Text(text.map(|text| clean(Cow::Borrowed(text))))),
        Kind::Blob => row.blob(index).map(Value::Blob),
        Kind::Flag => row.flag(index).map(Value::Flag),
    };
    read.map_err(|error| {
        StoreError::Corrupt(format!("column {} holds what it must not: {error}", row.name(index)))
    })
}

/// Appends a row in the text form of `COPY`.
pub(super) fn write_row<R: Cells>(row: &R, columns: &[Column], lines: &mut String) -> Result<(), StoreError> {
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            lines.push('\t');
        }
        write_cell(&cell(row, index, column.kind)?, lines);
    }
    lines.push('\n');
    Ok(())
}

fn write_cell(value: &Value<'_>, lines: &mut String) {
    match value {
        Value::Integer(None) | Value::Text(None) | Value::Blob(None) => lines.push_str("\\N"),
        Value::Integer(Some(number)) => {
            let _ = write!(lines, "{number}"); // writing to a String cannot fail
        }
        Value::Flag(flag) => lines.push(if *flag { 't' } else { 'f' }),
        Value::Blob(Some(bytes)) => {
            lines.push_str("\\\\x");
            lines.push_str(&hex::encode(bytes));
        }
        Value::Text(Some(text)) => {
            for c in text.chars() {
                match c {
                    '\\' => lines.push_str("\\\\"),
                    '\t' => lines.push_str("\\t"),
                    '\n' => lines.push_str("\\n"),
                    '\r' => lines.push_str("\\r"),
                    c => lines.push(c),
                }
            }
        }
    }
}

/// A cell of a key, for a person.
pub(super) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Integer(number) => number.map_or_else(String::new, |number| number.to_string()),
        Value::Text(text) => text.clone().unwrap_or_default().into_owned(),
        Value::Blob(bytes) => hex::encode(bytes.unwrap_or_default()),
        Value::Flag(flag) => flag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_cell_or_a_line_is_escaped() {
        let mut lines = String::new();
        for value in [
            Value::Text(Some("a\tb\nc\\N\r".into())),
            Value::Text(None),
            Value::Blob(Some(&[0, 255])),
            Value::Integer(Some(-7)),
            Value::Flag(true),
        ] {
            write_cell(&value, &mut lines);
            lines.push('|');
        }
        assert_eq!(lines, "a\\tb\\nc\\\\N\\r|\\N|\\\\x00ff|-7|t|");
    }
}
