//! The store: one folder an engine, each an adapter of the traits that `atomik-ports` calls a store; what does not depend on the
//! engine (rows, columns, pages, the directory's calls, what a call of the journal comes to); and the seal that all of them keep secrets under. Beside the store, Redis: what nodes count
//! together, and nothing that has to be kept.

pub mod batch;
mod columns;
mod directory;
mod ear;
mod eras;
mod overview;
mod pages;
pub mod postgres;
pub mod redis;
mod restored;
mod rows;
pub mod seal;
mod setup;
pub mod sqlite;
mod values;
