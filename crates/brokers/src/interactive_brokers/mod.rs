//! Interactive Brokers: one broker, reached in one of three ways, which the trader chooses.
//!
//! - `web`: the Client Portal Web API through the gateway, or with keys of the trader's own (OAuth);
//! - `tws`: TWS or IB Gateway by socket;
//! - `names` are the broker's own for futures, by every way;
//! - `connector` hands an account to the way that its settings name.

mod connector;
mod names;
pub mod tws;
pub mod web;

pub use connector::InteractiveBrokersConnector;
