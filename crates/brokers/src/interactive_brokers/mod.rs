//! Interactive Brokers.

pub mod tws;
