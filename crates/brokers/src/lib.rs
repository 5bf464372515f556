//! Venues behind one port, one folder each, and the catalogue of what can be traded.

pub mod alpaca;
pub mod binance;
pub mod catalog;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod instruments;
pub mod interactive_brokers;
pub mod paper;
mod settings;
pub mod tradovate;
pub mod wire;
