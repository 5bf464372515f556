//! The store: one folder an engine, each an adapter of the four traits that `atomik-ports` calls a store.

pub mod sqlite;
