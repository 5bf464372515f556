//! The paper venue, from outside: the conformance suite, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
#[path = "../../../storage/tests/database/mod.rs"]
mod database;
mod faults;
mod held;
mod lost_connections;
mod nodes;
mod rules;
mod setup;
mod throughput;
