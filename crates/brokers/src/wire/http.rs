//! Requests.

use std::time::Duration;

use atomik_ports::broker::{BrokerError, SubmitOutcome};
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Client, Request, redirect, retry};
use serde::de::DeserializeOwned;

use super::discretion::Discretion;

/// The longest answer that is read.
const MAX_ANSWER: usize = 32 << 20;
/// How much of an answer that nobody understands is quoted.
const QUOTED: usize = 200;
/// The longest pause that a venue's word for one is taken for: the longest that a venue documents.
const LONGEST_PAUSE: Duration = Duration::from_secs(3 * 86_400);
/// The longest name of a venue's for a request.
const MAX_REQUEST_ID: usize = 64;

/// How patient an adapter is.
#[derive(Clone, Copy, Debug)]
pub struct WirePolicy {
    /// For a connection: until it stands, nothing was sent.
    pub connect_timeout: Duration,
    /// For an answer, from the first byte sent to the last byte read. After it the outcome of a request is unknown.
    pub answer_timeout: Duration,
    /// For any sign of life on a stream, a heartbeat included.
    pub silence_timeout: Duration,
}

impl Default for WirePolicy {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(90),
        }
    }
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Whether the status is a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the venue itself says that it does not know what it did.
    #[must_use]
    pub fn is_server_error(&self) -> bool {
        self.status >= 500
    }

    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the venue asks to wait: `Retry-After` in seconds, or else `fallback`.
    #[must_use]
    pub fn retry_after(&self, fallback: Duration) -> Duration {
        self.header("retry-after")
            .and_then(|text| text.trim().parse().ok())
            .map_or(fallback, Duration::from_secs)
            .min(LONGEST_PAUSE)
    }

    /// The venue's own name for the request, where what it says is one.
    fn request_id(&self) -> Option<&str> {
        let id = ["x-request-id", "x-mbx-uuid", "cp-request-id"].iter().find_map(|name| self.header(name))?;
        let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        Some(id).filter(|id| id.len() <= MAX_REQUEST_ID && id.bytes().all(is_one))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body)
            .map_err(|error| format!("its answer ({}) cannot be read: {error}", self.status))
    }

    /// The status with the beginning of the body, for people. For answers that hold no secrets.
    #[must_use]
    pub fn quoted(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
        if text.is_empty() {
            format!("status {}", self.status)
        } else {
            format!("status {}: {text}", self.status)
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug)]
pub enum Sent {
    /// It was answered.
    Answered(Answer),
    /// No byte of it reached the venue.
    NotSent(String),
    /// It may have reached the venue, and no whole answer came.
    Unknown(String),
}

impl Sent {
    /// The answer to a question, which changed nothing whatever became of it.
    ///
    /// # Errors
    /// [`BrokerError::Unavailable`] where there is none.
    pub fn answer(self) -> Result<Answer, BrokerError> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::NotSent(reason) | Self::Unknown(reason) => Err(BrokerError::Unavailable(reason)),
        }
    }

    /// The answer to an order, or what a send without an answer comes to.
    ///
    /// # Errors
    /// The outcome, where there is no answer.
    pub fn answer_to_order(self, retry_after: Duration) -> Result<Answer, SubmitOutcome> {
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::NotSent(reason) => Err(SubmitOutcome::NotSent { reason, retry_after }),
            Self::Unknown(evidence) => Err(SubmitOutcome::Unknown { evidence }),
        }
    }
}

/// A client that keeps connections warm, follows no redirect and repeats nothing.
#[derive(Clone, Debug)]
pub struct Wire {
    client: Client,
    policy: WirePolicy,
    discretion: Discretion,
}

impl Wire {
    /// A client of this policy.
    ///
    /// # Errors
    /// Where TLS cannot be set up on this machine.
    pub fn new(policy: WirePolicy) -> Result<Self, BrokerError> {
        Self::build(policy, |builder| builder)
    }

    /// A client that takes any certificate: for a gateway on this very machine, whose certificate nobody signed. Callers
    /// make sure that it only ever talks to a loopback address.
    ///
    /// # Errors
    /// Where TLS cannot be set up on this machine.
    pub fn for_loopback(policy: WirePolicy) -> Result<Self, BrokerError> {
        Self::build(policy, |builder| builder.tls_danger_accept_invalid_certs(true))
    }

    fn build(
        policy: WirePolicy,
        change: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, BrokerError> {
        let builder = Client::builder()
            .user_agent(concat!("atomik/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.answer_timeout)
            .pool_idle_timeout(Duration::from_secs(50))
            .tcp_nodelay(true)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never());
        let client = change(builder).build();
        let client = client.map_err(|error| BrokerError::Unavailable(format!("no client: {error}")))?;
        Ok(Self { client, policy, discretion: Discretion::default() })
    }

    /// The same for an account with credentials.
    #[must_use]
    pub fn with_discretion(self, discretion: Discretion) -> Self {
        Self { discretion, ..self }
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &WirePolicy {
        &self.policy
    }

    /// Builds requests; they are sent with [`Self::send`].
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends a request once. `route` names it in logs: `POST /v2/orders`.
    pub async fn send(&self, route: &str, request: Request) -> Sent {
        let mut response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) => return failed(route, &error),
        };
        let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
        let mut body = BytesMut::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                    return Sent::Unknown(format!("the answer ({status}) is longer than {MAX_ANSWER} bytes"));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    return Sent::Unknown(format!("the answer ({status}) broke off: {}", cause(&error)));
                }
            }
        }
        let mut answer = Answer { status, headers, body: body.freeze() };
        if answer.status >= 400 {
            answer.body = self.discretion.body(answer.body);
        }
        let request_id = answer.request_id().map(|id| self.discretion.text(id));
        if answer.status >= 400 {
            tracing::info!(route, status, request_id, "a venue refused a request");
        } else {
            tracing::debug!(route, status, request_id, "a venue answered");
        }
        Sent::Answered(answer)
    }
}

fn failed(route: &str, error: &reqwest::Error) -> Sent {
    let cause = cause(error);
    tracing::info!(route, cause, "a venue did not answer");
    if error.is_connect() || error.is_builder() {
        Sent::NotSent(format!("no connection: {cause}"))
    } else if error.is_timeout() {
        Sent::Unknown("no answer in time".to_owned())
    } else {
        Sent::Unknown(format!("the connection broke: {cause}"))
    }
}

/// The innermost cause: the outer ones repeat the URL, which may hold a signature.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        "the request failed".to_owned()
    } else {
        cause.to_string()
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::super::Budget;
    use super::*;

    #[test]
    fn no_pause_is_longer_than_any_that_is_documented() {
        for (told, pause) in
            [("7", 7), ("18446744073709551615", LONGEST_PAUSE.as_secs()), ("soon", 2), ("-1", 2)]
        {
            let mut answer = Answer { status: 429, headers: HeaderMap::new(), body: Bytes::new() };
            answer.headers.insert("retry-after", HeaderValue::from_static(told));
            let pause = Duration::from_secs(pause);
            assert_eq!(answer.retry_after(Duration::from_secs(2)), pause, "{told}");
            let budget = Budget::new(1, Duration::from_secs(1));
            budget.pause(pause);
            assert!(budget.take().is_err());
        }
    }

    #[test]
    fn only_what_looks_like_a_name_is_a_requests_name() {
        for (told, is_one) in
            [("5f-A.1:b_2", true), ("a b", false), ("key=value", false), (&"x".repeat(65), false)]
        {
            let mut answer = Answer { status: 400, headers: HeaderMap::new(), body: Bytes::new() };
            answer.headers.insert("x-mbx-uuid", HeaderValue::from_str(told).unwrap());
            assert_eq!(answer.request_id().is_some(), is_one, "{told}");
        }
    }
}
