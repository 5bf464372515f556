//! Tradovate, from outside: the conformance suite, and what is its own.
//!
//! The material has no recorded payload and no client of Tradovate: the requests and the answers of the fake are held
//! against the specification, and the stream's frames against those that the documents show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod conformance;
mod logins;
mod orders;
mod setup;
mod symbols;
