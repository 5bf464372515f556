//! What statements over many rows are bound to. The same for every engine.

use std::borrow::Cow;

/// A value, as one of the few types that columns have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    /// A whole number.
    Integer(Option<i64>),
    /// A text.
    Text(Option<Cow<'v, str>>),
    /// Bytes.
    Blob(Option<&'v [u8]>),
    /// A truth value.
    Flag(bool),
}

/// Takes the values of a row, in the order of its columns.
pub(crate) trait Binds {
    /// The next value.
    fn add<'v>(&mut self, value: impl Into<Value<'v>>) -> &mut Self;
}

macro_rules! values {
    ($($from:ty, $name:ident => $value:expr;)*) => {
        $(impl<'v> From<$from> for Value<'v> {
            fn from($name: $from) -> Self {
                $value
            }
        })*
    };
}

values! {
    i64, value => Self::Integer(Some(value));
    Option<i64>, value => Self::Integer(value);
    &'v str, value => Self::Text(Some(Cow::Borrowed(value)));
    Option<&'v str>, value => Self::Text(value.map(Cow::Borrowed));
    String, value => Self::Text(Some(Cow::Owned(value)));
    Option<String>, value => Self::Text(value.map(Cow::Owned));
    &'v [u8], value => Self::Blob(Some(value));
    Option<&'v [u8]>, value => Self::Blob(value);
    bool, value => Self::Flag(value);
}
