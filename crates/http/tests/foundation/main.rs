//! Sign-in, users, keys, plans, events, the OpenAPI document, and what every answer has in common.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

#[path = "../common/mod.rs"]
mod common;

mod account;
mod dashboard;
mod events;
mod isolation;
mod openapi;
mod shell;
mod sign_in;
