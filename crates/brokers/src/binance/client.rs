//! Requests: signed, in time, within the venue's limits, and judged by what their answers prove.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atomik_ports::Clock;
use atomik_ports::broker::{BrokerError, RateLimit};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::credentials::Key;
use super::refusal::{Failure, WRONG_TIME, judge};
use super::replies::ServerTime;
use super::settings::Market;
use super::signing::{Params, RECV_WINDOW_MS};
use crate::wire::{Answer, Budget, Endpoint, Sent, Wire};

const API_KEY: HeaderName = HeaderName::from_static("x-mbx-apikey");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// How long a comparison of clocks is believed.
const CLOCK_GOOD_FOR: Duration = Duration::from_secs(30 * 60);
/// How long to wait before an order that did not leave is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The part of the venue's weight, in percent, after which nothing leaves before the next minute.
const MOST_OF_WEIGHT: u64 = 95;

/// What a market counts, below its own limits: other programs share the address.
struct Limits {
    requests: u32,
    orders: u32,
    weight: u64,
}

const fn limits(market: Market) -> Limits {
    match market {
        Market::Spot => Limits { requests: 1_200, orders: 80, weight: 6_000 },
        Market::Usdm => Limits { requests: 1_200, orders: 200, weight: 2_400 },
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const ORDERS_SPAN: Duration = Duration::from_secs(10);

/// What the adapter keeps to.
pub(super) fn rate_limits(market: Market) -> Vec<RateLimit> {
    let limits = limits(market);
    vec![
        RateLimit { of: "requests of one account".to_owned(), max: limits.requests, per: MINUTE },
        RateLimit { of: "orders of one account".to_owned(), max: limits.orders, per: ORDERS_SPAN },
    ]
}

/// One account's requests.
pub(super) struct Client {
    pub market: Market,
    pub clock: Arc<dyn Clock>,
    key: Option<Key>,
    wire: Wire,
    base: Endpoint,
    /// The venue's time less ours.
    offset_ms: AtomicI64,
    compared: Mutex<Option<Instant>>,
    requests: Budget,
    orders: Budget,
}

impl Client {
    /// A client; without a key, for what everybody may ask.
    pub(super) fn new(
        market: Market,
        clock: Arc<dyn Clock>,
        key: Option<Key>,
        wire: Wire,
        base: Endpoint,
    ) -> Self {
        let limits = limits(market);
        Self {
            market,
            clock,
            key,
            wire,
            base,
            offset_ms: AtomicI64::new(0),
            compared: Mutex::new(None),
            requests: Budget::new(limits.requests, MINUTE),
            orders: Budget::new(limits.orders, ORDERS_SPAN),
        }
    }

    /// The key.
    pub(super) fn key(&self) -> Result<&Key, BrokerError> {
        self.key.as_ref().ok_or_else(|| BrokerError::Unauthorized("The account has no key.".to_owned()))
    }

    /// The market's own spelling of a path that both have.
    pub(super) const fn path(&self, spot: &'static str, usdm: &'static str) -> &'static str {
        match self.market {
            Market::Spot => spot,
            Market::Usdm => usdm,
        }
    }

    /// The venue's time, in milliseconds since 1970.
    pub(super) fn venue_now(&self) -> i64 {
        (self.clock.now().0 / 1_000).saturating_add(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Compares the clocks, where that has not been done for a while.
    pub(super) async fn keep_time(&self) -> Result<(), Failure> {
        let mut compared = self.compared.lock().await;
        if compared.is_some_and(|at| at.elapsed() < CLOCK_GOOD_FOR) {
            return Ok(());
        }
        self.compare_clocks().await?;
        *compared = Some(Instant::now());
        Ok(())
    }

    async fn compare_clocks(&self) -> Result<(), Failure> {
        let before = self.clock.now().0 / 1_000;
        let path = self.path("/api/v3/time", "/fapi/v1/time");
        let venue: ServerTime = self.ask(path, &Params::default()).await?;
        let after = self.clock.now().0 / 1_000;
        // The venue read its clock somewhere between; the window is far wider than half of a round trip.
        let ours = before.saturating_add(after.saturating_sub(before) / 2);
        self.offset_ms.store(venue.server_time.saturating_sub(ours), Ordering::Relaxed);
        Ok(())
    }

    /// Asks what everybody may ask.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str, params: &Params) -> Result<T, Failure> {
        let request = self.build(Method::GET, path, params.encoded(), false)?;
        read(&self.send("GET", path, request).await?)
    }

    /// Asks with the key in the header and no signature: listen keys.
    pub(super) async fn ask_with_key<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, Failure> {
        let name = method.to_string();
        let request = self.build(method, path, String::new(), true)?;
        read(&self.send(&name, path, request).await?)
    }

    /// Asks about the account.
    pub(super) async fn ask_signed<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &Params,
    ) -> Result<T, Failure> {
        read(&self.signed(Method::GET, path, params).await?)
    }

    /// Sends an order, counted as one.
    pub(super) async fn place(&self, path: &str, params: &Params) -> Result<Answer, Failure> {
        if let Err(retry_after) = self.orders.take() {
            let reason = "the orders of ten seconds are used up".to_owned();
            return Err(Failure::NotSent { reason, retry_after });
        }
        self.signed(Method::POST, path, params).await
    }

    /// Sends a signed request. It is sent a second time in one case: the venue refused it for its timestamp, which proves that
    /// it did nothing else with it.
    pub(super) async fn signed(
        &self,
        method: Method,
        path: &str,
        params: &Params,
    ) -> Result<Answer, Failure> {
        self.keep_time().await.map_err(not_sent)?;
        match self.signed_once(method.clone(), path, params).await {
            Err(Failure::Refused(refusal)) if refusal.code == WRONG_TIME => {
                tracing::info!(path, "the clocks have gone apart; they are compared again");
                self.compare_clocks().await.map_err(not_sent)?;
                self.signed_once(method, path, params).await
            }
            other => other,
        }
    }

    async fn signed_once(&self, method: Method, path: &str, params: &Params) -> Result<Answer, Failure> {
        let key = self.key().map_err(unsendable)?;
        let signed = params.signed(key, self.venue_now(), RECV_WINDOW_MS).map_err(unsendable)?;
        let name = method.to_string();
        let request = self.build(method, path, signed, true)?;
        self.send(&name, path, request).await
    }

    fn build(&self, method: Method, path: &str, params: String, keyed: bool) -> Result<Request, Failure> {
        let mut url = self.base.join(path).map_err(unsendable)?;
        let in_body = method == Method::POST && !params.is_empty();
        if !in_body && !params.is_empty() {
            // Only unreserved characters and escapes are in it: the address keeps it byte by byte.
            url.set_query(Some(&params));
        }
        let mut request = Request::new(method, url);
        if in_body {
            request.headers_mut().insert(CONTENT_TYPE, FORM);
            *request.body_mut() = Some(params.into());
        }
        if keyed {
            let header = self.key().and_then(Key::header).map_err(unsendable)?;
            request.headers_mut().insert(API_KEY, header);
        }
        Ok(request)
    }

    async fn send(&self, method: &str, path: &str, request: Request) -> Result<Answer, Failure> {
        if let Err(retry_after) = self.requests.take() {
            let reason = "Binance's limit of requests is reached".to_owned();
            return Err(Failure::NotSent { reason, retry_after });
        }
        match self.wire.send(&format!("{method} {path}"), request).await {
            Sent::Answered(answer) => {
                self.keep_to_limits(&answer);
                judge(&answer).map(|()| answer)
            }
            Sent::NotSent(reason) => Err(Failure::NotSent { reason, retry_after: RETRY }),
            Sent::Unknown(evidence) => Err(Failure::Unknown(evidence)),
        }
    }

    /// What the venue counts is the truth: others may use the same address.
    fn keep_to_limits(&self, answer: &Answer) {
        let limits = limits(self.market);
        let number = |name: &str| answer.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        if matches!(answer.status, 418 | 429) {
            self.requests.pause(answer.retry_after(ORDERS_SPAN));
        }
        if number("x-mbx-used-weight-1m").is_some_and(|used| used >= limits.weight * MOST_OF_WEIGHT / 100) {
            let into_minute = u64::try_from(self.venue_now().rem_euclid(60_000)).unwrap_or_default();
            self.requests.pause(Duration::from_millis(60_000_u64.saturating_sub(into_minute)));
        }
        if number("x-mbx-order-count-10s").is_some_and(|used| used >= u64::from(limits.orders)) {
            self.orders.pause(ORDERS_SPAN);
        }
    }
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Failure> {
    answer.json().map_err(Failure::Unknown)
}

/// A comparison of clocks that failed says nothing about the request that waits for it.
fn not_sent(failure: Failure) -> Failure {
    match failure {
        Failure::NotSent { .. } => failure,
        other => Failure::NotSent {
            reason: format!("the venue did not tell its time: {}", other.evidence()),
            retry_after: RETRY,
        },
    }
}

fn unsendable(error: BrokerError) -> Failure {
    Failure::NotSent { reason: error.to_string(), retry_after: RETRY }
}
