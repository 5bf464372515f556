//! Interactive Brokers through Trader Workstation (TWS) or IB Gateway, by their socket.
//!
//! - `connector`: what the catalogue shows, and how a connection is made and verified;
//! - `settings`: where the gateway is and which account is traded;
//! - `session`: one connection: its client, its questions one after another, its orders' ids;
//! - `stream`: what TWS tells by itself, told on as reports; ends the connection when it cannot be trusted any more;
//! - `book`: what TWS has said about our orders, whatever came first;
//! - `broker`: the port's calls;
//! - `look_up`: an order put together from TWS's lists;
//! - `contracts`: symbols, their contracts, and which contract a root stands for now;
//! - `orders`, `executions`, `codes`: what an order, an execution and an error code mean;
//! - `exact`: the one place where the protocol's doubles become decimals and back.
//!
//! Invariants:
//! - the stream of order updates is open before anything is asked or placed, because TWS repeats no order event;
//! - the order's reference (`orderRef`) is our client order id. TWS does not look at it, so nothing here sends twice;
//! - order ids rise on the wire: they are taken and written under one lock;
//! - the client never reconnects by itself. What happened in between would be lost without a mark: the connection ends,
//!   and the engine connects anew and looks up what is open;
//! - TWS's lists carry no request id. They are asked one at a time, and one that did not come whole ends the connection:
//!   its rest would be taken for the answer to the next question.

mod book;
mod broker;
mod codes;
mod connector;
mod contracts;
mod exact;
mod executions;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod look_up;
mod orders;
mod session;
mod settings;
mod stream;

pub use connector::TwsConnector;
