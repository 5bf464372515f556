//! Interactive Brokers' own servers without a gateway, by OAuth 1.0a with keys that the trader made ("first party",
//! "self service"): <https://www.interactivebrokers.com/campus/ibkr-api-page/oauth-1-0a-extended/>.
//!
//! - `pem` reads what OpenSSL writes; `keys` are the credentials;
//! - `exchange` is pure: the Diffie-Hellman exchange and the live session token that comes of it;
//! - `signing` is pure: what is signed, and the header that carries it; `refusal` says what a refused token means;
//! - `session` holds the live session token, asks for it and for its successor;
//! - `settings` and `connector` are what the trader sets, and how an account connects.
//!
//! Architecture invariants:
//! - Every request is signed at the moment it leaves, with a nonce of its own.
//! - A live session token is used only after it was proven that the broker knows the same one.
//! - A token that the broker refused is never used again: the next request asks for a new one first, and where there is
//!   none, nothing leaves. The refused request itself is not repeated here.
//! - A token's key and what it was made of show in no log, error or debug output.

mod connector;
pub mod exchange;
pub mod keys;
mod pem;
mod refusal;
mod session;
mod settings;
pub mod signing;

pub use connector::OAuthConnector;
pub use keys::credential_fields;
pub(super) use session::OAuthSession;

/// What the broker answers to the request for a live session token, read.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn read_refusal(answer: &crate::wire::Answer) -> atomik_ports::broker::BrokerError {
    refusal::read(answer)
}
