//! When shares are traded, by the venue's own clock: an order that waits for the opening says so.

use atomik_domain::UnixMicros;
use atomik_ports::broker::BrokerError;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::api::Api;

/// `GET /v2/clock`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct MarketClock {
    /// Whether shares are traded now.
    pub is_open: bool,
    /// When they will be again, in RFC 3339.
    pub next_open: String,
    /// When that ends, in RFC 3339.
    pub next_close: String,
}

/// What the clock said last, which holds until the market opens or closes.
#[derive(Default)]
pub(super) struct Hours(Mutex<Option<(MarketClock, UnixMicros)>>);

impl Hours {
    /// When the market opens, as long as it is closed.
    pub async fn opening(&self, api: &Api) -> Result<Option<String>, BrokerError> {
        let now = api.clock().now();
        let mut known = self.0.lock().await;
        if known.as_ref().is_none_or(|(_, until)| *until <= now) {
            let said = api.market_clock().await?;
            let change = if said.is_open { &said.next_close } else { &said.next_open };
            // A time that cannot be read is asked for again the next time.
            let until = UnixMicros::parse_rfc3339(change).unwrap_or(now);
            *known = Some((said, until));
        }
        Ok(known.as_ref().filter(|(said, _)| !said.is_open).map(|(said, _)| said.next_open.clone()))
    }
}
