//! The paper venue, from outside: the conformance suite, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod faults;
mod held;
mod rules;
mod setup;
mod throughput;
