//! Interactive Brokers.

pub mod web;
