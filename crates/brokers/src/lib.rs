//! Venues behind one port, one folder each, and the catalogue of what can be traded.

pub mod binance;
pub mod instruments;
pub mod paper;
mod settings;
pub mod wire;
