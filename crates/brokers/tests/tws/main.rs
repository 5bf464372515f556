//! Interactive Brokers through TWS, from outside: the conformance suite against a fake TWS, and what is this venue's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod conformance;
mod rules;
mod setup;
