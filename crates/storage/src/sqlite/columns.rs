//! Reading a row's columns in their order, each into the type that cannot be wrong.

use std::str::FromStr;

use atomik_domain::{Symbol, UnixMicros};
use atomik_ports::StoreError;
use rust_decimal::Decimal;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{Decode, Row, Type};

/// A row, read from left to right. A value that its column must not hold is [`StoreError::Corrupt`].
pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as it is.
    pub fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| self.corrupt(index, &error.to_string()))
    }

    /// The next column as a value of a domain type, through `read`.
    fn read<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        let text: &str = self.get()?;
        read(text).ok_or_else(|| self.corrupt(self.next - 1, text))
    }

    fn read_optional<T>(&mut self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
        let text: Option<&str> = self.get()?;
        text.map(|text| read(text).ok_or_else(|| self.corrupt(self.next - 1, text))).transpose()
    }

    pub fn word<T: FromStr>(&mut self) -> Result<T, StoreError> {
        self.read(|text| text.parse().ok())
    }

    pub fn optional_word<T: FromStr>(&mut self) -> Result<Option<T>, StoreError> {
        self.read_optional(|text| text.parse().ok())
    }

    pub fn word_by<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        self.read(parse)
    }

    pub fn decimal<T: From<Decimal>>(&mut self) -> Result<T, StoreError> {
        self.read(|text| Decimal::from_str_exact(text).ok().map(T::from))
    }

    pub fn optional_decimal<T: From<Decimal>>(&mut self) -> Result<Option<T>, StoreError> {
        self.read_optional(|text| Decimal::from_str_exact(text).ok().map(T::from))
    }

    pub fn symbol(&mut self) -> Result<Symbol, StoreError> {
        self.read(|text| Symbol::parse(text).ok())
    }

    pub fn time(&mut self) -> Result<UnixMicros, StoreError> {
        self.get().map(UnixMicros)
    }

    pub fn optional_time(&mut self) -> Result<Option<UnixMicros>, StoreError> {
        Ok(self.get::<Option<i64>>()?.map(UnixMicros))
    }

    pub fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.get::<i64>()? != 0)
    }

    /// A whole number of a narrower type.
    pub fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let wide: i64 = self.get()?;
        T::try_from(wide).map_err(|_| self.corrupt(self.next - 1, &wide.to_string()))
    }

    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let bytes: &[u8] = self.get()?;
        bytes.try_into().map_err(|_| self.corrupt(self.next - 1, "a blob of another length"))
    }

    pub fn optional_bytes<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        let bytes: Option<&[u8]> = self.get()?;
        let wrong = |_| self.corrupt(self.next - 1, "a blob of another length");
        bytes.map(|bytes| bytes.try_into().map_err(wrong)).transpose()
    }

    fn corrupt(&self, index: usize, found: &str) -> StoreError {
        let column = self.row.columns().get(index).map_or("?", |column| sqlx::Column::name(column));
        StoreError::Corrupt(format!("column {column} holds what it must not: {found}"))
    }
}
