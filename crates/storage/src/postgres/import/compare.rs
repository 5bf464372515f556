//! Comparing both sides, row by row.

use atomik_ports::StoreError;
use futures::TryStreamExt;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::cells::{cell, shown};
use super::source::{Table, tables};
use super::{Compared, ImportError, source_fault, target_fault};
use crate::columns::Cells;

/// Reads all tables of both sides in the order of their keys.
pub(super) async fn compare(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
) -> Result<Vec<Compared>, ImportError> {
    let mut compared = Vec::new();
    for table in tables(source, target).await? {
        let rows = compare_table(source, target, &table).await?;
        compared.push(Compared { table: table.name, rows });
    }
    Ok(compared)
}

async fn compare_table(
    source: &mut SqliteConnection,
    target: &mut PgConnection,
    table: &Table,
) -> Result<u64, ImportError> {
    let mut originals = sqlx::query(AssertSqlSafe(table.from_source.as_str())).fetch(source);
    let mut copies = sqlx::query(AssertSqlSafe(table.from_target.as_str())).fetch(target);
    let mut rows = 0;
    loop {
        let original = originals.try_next().await.map_err(source_fault)?;
        let copy = copies.try_next().await.map_err(target_fault)?;
        match (original, copy) {
            (None, None) => return Ok(rows),
            (Some(original), None) => return Err(differs(table, &original, "the copy has no such row")),
            (None, Some(copy)) => return Err(differs(table, &copy, "only the copy has such a row")),
            (Some(original), Some(copy)) => same(table, &original, &copy)?,
        }
        rows += 1;
    }
}

fn same(table: &Table, original: &impl Cells, copy: &impl Cells) -> Result<(), ImportError> {
    for (index, column) in table.columns.iter().enumerate() {
        let expected = cell(original, index, column.kind).map_err(ImportError::Source)?;
        let found = cell(copy, index, column.kind).map_err(ImportError::Target)?;
        if expected == found {
            continue;
        }
        if !table.key.contains(&index) {
            return Err(differs(table, original, &format!("the column {} differs", column.name)));
        }
        // Both are in the order of the key, so the next row of one side is one that the other does not have.
        return Err(differs(table, original, &format!("the copy has the row {} there", key_of(table, copy))));
    }
    Ok(())
}

fn differs(table: &Table, row: &impl Cells, what: &str) -> ImportError {
    ImportError::Differs { table: table.name, row: key_of(table, row), what: what.to_owned() }
}

fn key_of(table: &Table, row: &impl Cells) -> String {
    let part = |index: &usize| -> Result<String, StoreError> {
        Ok(shown(&cell(row, *index, table.columns[*index].kind)?))
    };
    let parts: Vec<_> =
        table.key.iter().map(|index| part(index).unwrap_or_else(|_| "?".to_owned())).collect();
    parts.join(", ")
}
