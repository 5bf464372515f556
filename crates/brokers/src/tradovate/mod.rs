//! Tradovate: futures, in its demonstration and its live environment.
//!
//! - `connector` makes connections; `settings` and `credentials` are what an account is linked with;
//! - `session` is one login: its access token, its rate limits, and every request. Accounts of one login share one;
//!   `login` is the two ways to a token, `registry` keeps the sessions of the process;
//! - `replies` is what the venue says, `requests` what it is asked, `rules` what words of its come to;
//! - `symbols` decides which contract a symbol stands for, as plain functions; `library` asks the venue what they need;
//! - `frames` reads and writes the stream's frames, `tracker` keeps what the stream told of orders and positions,
//!   `stream` runs the two and sends reports;
//! - `orders` asks what became of an order; `broker` is the port's trait.
//!
//! Architecture invariants:
//! - An order is sent once. The only body that is sent a second time is one that the venue answered with a penalty
//!   ticket, which says that it was not handled.
//! - The venue checks no client order ids, so the adapter does: an id that was sent is not sent again by this connection.
//! - An order's final report carries all of its executions: where the stream has not told them all, the venue is asked,
//!   and where it does not answer, the connection ends.

mod broker;
mod connector;
mod credentials;
mod frames;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod library;
mod login;
mod orders;
mod registry;
mod replies;
mod requests;
mod rules;
mod session;
mod settings;
mod stream;
mod symbols;
mod tracker;

pub use connector::TradovateConnector;
pub use session::RequestLimits;
