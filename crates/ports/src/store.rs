//! What all of a store's parts share.

use crate::credentials::Custody;
use crate::directory::Directory;
use crate::history::History;
use crate::journal::Journal;
use crate::operations::Operations;
use crate::overview::Overview;

/// A whole store: the six parts over one database.
pub trait Store: Journal + Directory + History + Operations + Overview + Custody {}

impl<T: Journal + Directory + History + Operations + Overview + Custody> Store for T {}

/// Why a store did not do what it was asked. Whatever the error, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such row, or it belongs to somebody else.
    #[error("not found")]
    NotFound,
    /// A value that must be unique is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// A plan's limit is reached.
    #[error("the limit of {limit} is reached")]
    LimitReached {
        /// The limit.
        limit: u32,
    },
    /// This installation takes no new users.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The row cannot be removed while something depends on it.
    #[error("{0}")]
    InUse(&'static str),
    /// The store cannot be read or written now: disk full, read-only, I/O error, shut down.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store holds what it must not hold.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
}

/// The most rows one page may have.
pub const MAX_PAGE: u32 = 200;

/// Which part of a list is wanted. Lists are newest first, where nothing else is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// How many rows, 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Only rows with a smaller key than this (a greater one in a list that is oldest first): where the last page ended.
    pub before: Option<i64>,
}

/// Part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<i64>,
}

impl<T> Page<T> {
    /// The page with every row made into something else.
    pub fn map<U>(self, into: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(into).collect(), next: self.next }
    }
}
