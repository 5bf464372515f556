//! Interactive Brokers by the Web API, against a fake of its gateway and of the broker without one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests say what is wrong by panicking, and what they skip"
)]

mod accounts;
mod conformance;
mod ends;
mod keys;
mod oauth;
mod pace;
mod payloads;
mod questions;
mod rules;
mod setup;
mod symbols;
mod tls;
mod vectors;
