//! See Cargo.toml's description.

pub mod broker_suite;

pub mod builders;
pub mod bus_suite;
pub mod cutting_proxy;
pub mod fault_proxy;
pub mod fuzz;
pub mod store_suite;
pub mod venues;
