//! Redis (6 or later, or what speaks as it does): what nodes count together, which signals they stored a moment ago, and what
//! they tell each other. Nothing is kept there that has to be kept. It may be emptied, held still or lost at any time, and then
//! comes back by itself.

mod address;
mod bus;
mod link;
mod rate;
mod repeats;

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use address::Address;
pub use address::place_of;
use link::Link;
use rate::Taker;
use repeats::Teller;

/// Redis, as one installation uses it. What many nodes share is found under the installation's own prefix.
pub struct Redis {
    link: Arc<Link>,
    taker: Taker,
    teller: Teller,
    prefix: String,
}

impl Redis {
    /// Connects and stays connected, in the background and as long as this is kept. Returns when Redis has been reached or is
    /// known to be away, which is no error: [`RateLimiter::state`](atomik_ports::RateLimiter::state) says how it stands.
    ///
    /// # Errors
    /// A sentence without secrets, where the URL is not one of Redis.
    pub async fn open(url: &SecretString, installation: Uuid) -> Result<Self, String> {
        let prefix = format!("atomik:{installation}:");
        let link = Arc::new(Link::open(Address::parse(url)?, rate::probe(&prefix)).await);
        let taker = Taker::over(Arc::clone(&link));
        let teller = Teller::start(Arc::clone(&link), prefix.clone());
        Ok(Self { link, taker, teller, prefix })
    }
}
