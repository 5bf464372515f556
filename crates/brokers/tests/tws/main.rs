//! Interactive Brokers through TWS, from outside: the conformance suite against a fake TWS, and what is this venue's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod conformance;
mod rules;
mod setup;
