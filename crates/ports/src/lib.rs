//! What the engine needs from outside, as traits.
//!
//! Every adapter of a trait passes that trait's conformance suite in `atomik-testkit`. No trait has default methods that
//! pretend.

pub mod broker;
pub mod bus;
pub mod clock;
pub mod cluster;
pub mod credentials;
pub mod directory;
pub mod failpoint;
pub mod history;
pub mod journal;
pub mod operations;
pub mod overview;
pub mod rate;
pub mod store;

pub use broker::{Broker, BrokerConnector};
pub use bus::Bus;
pub use clock::{Clock, SystemClock};
pub use cluster::Cluster;
pub use credentials::{Credentials, Custody, CustodyError};
pub use directory::Directory;
pub use history::History;
pub use journal::Journal;
pub use operations::Operations;
pub use overview::Overview;
pub use rate::RateLimiter;
pub use store::{Page, PageRequest, Store, StoreError};
