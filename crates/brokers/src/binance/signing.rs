//! The form of a signed request: parameters in an order of their own, percent-encoded, then their signature.

use atomik_ports::broker::BrokerError;
use form_urlencoded::byte_serialize;

use super::credentials::Key;

/// How long after its timestamp the venue takes a request, in milliseconds.
pub const RECV_WINDOW_MS: u32 = 5_000;

/// Parameters, in the order in which they are sent and signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// One more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name, value.to_string()));
        self
    }

    /// One more, where there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The parameters as a query or a form.
    #[must_use]
    pub fn encoded(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={}", percent(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The parameters with timestamp, window and signature.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn signed(&self, key: &Key, timestamp_ms: i64, recv_window_ms: u32) -> Result<String, BrokerError> {
        let mut all = Self::default().with("timestamp", timestamp_ms);
        all.0.extend(self.0.iter().cloned());
        let payload = all.with("recvWindow", recv_window_ms).encoded();
        let signature = key.sign(&payload)?;
        Ok(format!("{payload}&signature={}", percent(&signature)))
    }
}

/// Percent-encoded. A space is `%20`: the venue signs what it received and not what `+` may stand for.
fn percent(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
