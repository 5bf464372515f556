//! Secrets that nobody else has are put through every input, right places and wrong ones, and then searched for in every byte
//! that the program wrote: files, logs, metrics, backups, answers, what commands say.
//!
//! What is not searched: what has to show a secret once (the answer that makes it), and the file of the master key.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

#[path = "../common/mod.rs"]
mod common;

mod at_brokers;
mod at_the_api;
mod on_the_command_line;
mod search;
