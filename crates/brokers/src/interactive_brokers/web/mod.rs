//! Interactive Brokers by its Web API (the "Client Portal" API): through the gateway that the trader runs and signs in to, or
//! without one by OAuth.
//!
//! - `connector` and `broker` are the port's two traits; `settings` what an account can be set to;
//! - `gateway` sends requests, keeps to the limits, and knows when the session is lost; `session` signs on and keeps alive;
//! - `oauth` stands in the gateway's place: keys, signatures, and the token that they are made with;
//! - `contracts` finds what a symbol stands for, `futures` is its pure part: spellings and the front month;
//! - `placing` is pure: the ticket of an order, what an answer to it means, which questions may be answered;
//! - `orders` is pure: what is known of each order, and what may be said of it; `look_up` asks the broker for the rest;
//! - `stream` hears of trades and orders; `portfolio` reads positions and money; `replies` are the broker's words.
//!
//! Architecture invariants:
//! - An order exists once the broker gives its id. A question is no order: it is confirmed only where the account's
//!   `answer_questions` allows each of its messages, and else declined, which proves that nothing was placed.
//! - No report says that an order ended before all executions that the broker counts are in hand.
//! - "Not found" is said only after a fresh list of orders, made anew on request, and a fresh list of trades, both whole.
//! - An execution is named without its last part: that counts corrections of the same execution.

mod broker;
mod connector;
mod contracts;
pub mod futures;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gateway;
mod look_up;
pub mod oauth;
pub mod orders;
pub mod placing;
mod portfolio;
pub mod replies;
mod session;
pub mod settings;
mod stream;

pub use connector::WebConnector;
pub use gateway::Pace;
