//! Interactive Brokers by the Web API, against a fake of its gateway.

mod accounts;
mod conformance;
mod payloads;
mod questions;
mod rules;
mod setup;
mod symbols;
