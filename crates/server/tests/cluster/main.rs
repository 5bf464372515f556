//! Many nodes on one database, as real processes: who dies, sleeps or joins changes nothing about what is traded. What is true
//! is what clients were answered and what the venues' own journals say.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

#[path = "../common/mod.rs"]
mod common;
#[path = "../../../storage/tests/database/mod.rs"]
mod database;
#[path = "../../../storage/tests/redis_server/mod.rs"]
mod redis_server;

mod network;
mod nodes;
mod together;
mod trouble;
