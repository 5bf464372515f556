//! The store: one folder an engine, each an adapter of the traits that `atomik-ports` calls a store, and the seal that all
//! of them keep secrets under.

pub mod seal;
pub mod sqlite;
