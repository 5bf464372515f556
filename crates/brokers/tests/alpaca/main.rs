//! Alpaca, from outside: the conformance suite on a fake venue, and what is its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod conformance;
mod connecting;
mod orders;
mod payloads;
mod setup;
mod vectors;
