//! How adapters talk to venues: one policy for requests, one for streams.
//!
//! Architecture invariants:
//! - Nothing here sends a request twice. Whoever wants to send again decides that, knowing what became of the first.
//! - Every request and every answer is bounded in time and size.
//! - What is logged is a route and the venue's own name for the request, never a URL, a header or a body: those hold keys,
//!   signatures and account numbers.
//! - What a refusal quotes of an account's credentials is left out before anybody reads the refusal.

mod budget;
pub mod decimal;
mod discretion;
mod http;
mod stream;
mod urls;

pub use budget::Budget;
pub use discretion::Discretion;
pub use http::{Answer, Sent, Wire, WirePolicy};
pub use stream::{Frame, Socket, StreamEnd};
pub use urls::{Endpoint, UrlRules, WrongUrl};
