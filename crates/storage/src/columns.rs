//! Reading a row's columns in their order, each into the type that cannot be wrong. The same for every engine.

use std::str::FromStr;

use atomik_domain::{Symbol, UnixMicros};
use atomik_ports::StoreError;
use rust_decimal::Decimal;

/// A row of some engine: what a cell holds as one of the few types that columns have, `None` where it is null. An error is
/// what is wrong with the cell.
pub(crate) trait Cells {
    /// A whole number.
    fn integer(&self, index: usize) -> Result<Option<i64>, String>;
    /// A text.
    fn text(&self, index: usize) -> Result<Option<&str>, String>;
    /// Bytes.
    fn blob(&self, index: usize) -> Result<Option<&[u8]>, String>;
    /// A truth value, which is never null.
    fn flag(&self, index: usize) -> Result<bool, String>;
    /// What the column is called.
    fn name(&self, index: usize) -> &str;
}

/// What a cell is read as.
pub(crate) trait Cell<'r>: Sized {
    /// Reads it.
    fn of<R: Cells>(row: &'r R, index: usize) -> Result<Self, String>;
}

macro_rules! cells {
    ($($plain:ty, $read:ident, $into:expr;)*) => {
        $(
            impl<'r> Cell<'r> for Option<$plain> {
                fn of<R: Cells>(row: &'r R, index: usize) -> Result<Self, String> {
                    Ok(row.$read(index)?.map($into))
                }
            }
            impl<'r> Cell<'r> for $plain {
                fn of<R: Cells>(row: &'r R, index: usize) -> Result<Self, String> {
                    row.$read(index)?.map($into).ok_or_else(|| "nothing".to_owned())
                }
            }
        )*
    };
}

cells! {
    i64, integer, |value| value;
    &'r str, text, |value| value;
    String, text, str::to_owned;
    &'r [u8], blob, |value| value;
}

/// A row, read from left to right. A value that its column must not hold is [`StoreError::Corrupt`].
pub(crate) struct Columns<'r, R> {
    row: &'r R,
    next: usize,
}

impl<'r, R: Cells> Columns<'r, R> {
    /// From the first column on.
    pub fn of(row: &'r R) -> Self {
        Self { row, next: 0 }
    }

    /// The next column as it is.
    pub fn get<T: Cell<'r>>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        T::of(self.row, index).map_err(|error| self.corrupt(index, &error))
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
        let index = self.next;
        self.next += 1;
        self.row.flag(index).map_err(|error| self.corrupt(index, &error))
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
        StoreError::Corrupt(format!("column {} holds what it must not: {found}", self.row.name(index)))
    }
}
