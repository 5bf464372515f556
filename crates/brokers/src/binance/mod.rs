//! Binance: spot and USD-M futures, by REST with a stream of the account's own events.
//!
//! - `settings`, `credentials`: what a trader gives, checked; the keys sign and show nowhere;
//! - `signing`: the form of a signed request, byte by byte;
//! - `client`: sends; keeps the venue's time and limits; says of every refusal what it proves (`refusal`);
//! - `rules`: what a symbol may be traded in, checked before an order leaves; `catalogue` keeps them;
//! - `orders`: an order as the venue's parameters; `replies` and `reports`: the venue's words as ours;
//! - `broker`, `look_up`, `stream`: the port, the questions and the events of one connection; `connector` makes it.
//!
//! Architecture invariants:
//! - A client order id leaves once a connection: the venue refuses a second order with it only while the first is open.
//! - An order is repeated in one case alone: the venue refused it for its timestamp (-1021), which proves that it was not
//!   looked at.
//! - A look-up that finds an order carries every execution of it, or is no answer.
//! - An execution's id is the symbol and the venue's trade id, whichever way it was heard of.

mod broker;
mod catalogue;
mod client;
mod connector;
pub mod credentials;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod look_up;
pub mod orders;
pub mod refusal;
pub mod replies;
pub mod reports;
pub mod rules;
pub mod settings;
pub mod signing;
mod stream;

pub use connector::BinanceConnector;
