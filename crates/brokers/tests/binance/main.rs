//! Binance, from outside: the conformance suite in both markets, the published vectors, specifications and payloads, and what
//! is its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod conformance;
mod payloads;
mod rules;
mod setup;
mod vectors;
mod venue;
