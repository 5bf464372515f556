//! Alpaca: US stocks and funds, and coins, by REST and the `trade_updates` stream.
//!
//! - `connector` checks settings and credentials and connects; `broker` is a connected account;
//! - `stream` listens, and turns what it hears into reports;
//! - `api` sends requests within the venue's limits and reads what it answers; `replies` are its words;
//! - `rules` says which order the venue takes and how it is written; `reports` what its statuses mean;
//! - `assets` remembers what can be traded.
//!
//! Architecture invariants:
//! - Executions have one source: the account's `FILL` activities, whose id is the exec id. The stream names executions
//!   otherwise (`execution_id`), and no document says how the two names belong together; so the stream only says when to
//!   look, and a fill can never be booked under two names.
//! - `POST /v2/orders` is sent once. A client order id is unique for good: that it is taken means that an order exists,
//!   which is then looked up.
//! - Whether an order is over is said by its status alone, and a word that we do not know ends nothing.

mod api;
mod assets;
mod broker;
mod connector;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod hours;
pub mod replies;
mod reports;
mod rules;
mod settings;
mod stream;

pub use connector::AlpacaConnector;
