//! Fake venues: servers on a loopback port that keep what a venue keeps and speak what it speaks.
//!
//! - `exchange` is what they share: a book of one price a symbol, orders, executions, positions, and a journal of its own
//!   that tests believe instead of the program;
//! - `server` carries their HTTP and WebSocket routes, and can hang up without an answer;
//! - `faults` is what may befall the next order;
//! - `spec` holds every request and every answer against the venue's own specification;
//! - one folder a venue besides.
//!
//! Architecture invariant: a fake decides what it does by the venue's documents, never by what an adapter sends. A client
//! of a third party trades against each of them as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "made of assertions, and says what it skips"
)]

pub mod alpaca;
pub mod binance;
pub mod exchange;
pub mod faults;
pub mod ibkr_web;
pub mod server;
pub mod spec;
pub mod tls;
pub mod tradovate;
pub mod tws;
