//! Requests within the venue's limits, and what their answers come to.

use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{ClientOrderId, Environment};
use atomik_ports::Clock;
use atomik_ports::broker::{BrokerError, CancelOutcome, SubmitOutcome};
use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::hours::MarketClock;
use super::replies::{Account, Asset, Fill, Order, Position, Refusal};
use super::rules::OrderTicket;
use super::settings::{Keys, Settings};
use crate::wire::{Answer, Budget, Sent, Wire, WirePolicy};

/// Requests of one key in a minute, and how many of them may be questions: orders must never wait for those.
pub(super) const REQUESTS: u32 = 200;
const QUESTIONS: u32 = 160;
/// The span that the venue counts in.
pub(super) const SPAN: Duration = Duration::from_secs(60);
/// How long to wait where the venue does not say.
const PAUSE: Duration = Duration::from_secs(1);
/// The venue's number for "there is no such thing".
const NOT_FOUND: i64 = 40_410_000;
/// The most fills that a page has, and the most pages of one order.
const PAGE: usize = 100;
const PAGES: usize = 200;

/// One account's requests.
pub(super) struct Api {
    wire: Wire,
    settings: Settings,
    keys: Keys,
    environment: Environment,
    clock: Arc<dyn Clock>,
    all: Budget,
    questions: Budget,
}

/// What came of sending an order.
pub(super) enum Posted {
    /// It was taken, and stands so.
    Taken(Box<Order>),
    /// An order with this client order id exists already.
    Exists,
    /// Anything else, which ends the matter.
    Ended(SubmitOutcome),
}

impl Api {
    pub(super) fn new(
        settings: Settings,
        keys: Keys,
        environment: Environment,
        clock: Arc<dyn Clock>,
        policy: WirePolicy,
    ) -> Result<Self, BrokerError> {
        let (all, questions) = (Budget::new(REQUESTS, SPAN), Budget::new(QUESTIONS, SPAN));
        let wire = Wire::new(policy)?.with_discretion(keys.discretion());
        Ok(Self { wire, settings, keys, environment, clock, all, questions })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) const fn environment(&self) -> Environment {
        self.environment
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(super) const fn policy(&self) -> &WirePolicy {
        self.wire.policy()
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, BrokerError> {
        let mut url = self.settings.base.join("/v2")?;
        // Each segment is escaped: a coin's symbol has a slash.
        url.path_segments_mut()
            .map_err(|()| BrokerError::Unavailable("the address takes no path".to_owned()))?
            .extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, route: &str, method: Method, url: Url, body: Option<Vec<u8>>) -> Sent {
        let headers = match self.keys.headers() {
            Ok(headers) => headers,
            Err(error) => return Sent::NotSent(error.to_string()),
        };
        let mut builder = self.wire.client().request(method, url).headers(headers);
        if let Some(body) = body {
            builder = builder.header("content-type", "application/json").body(body);
        }
        let sent = match builder.build() {
            Ok(request) => self.wire.send(route, request).await,
            Err(_) => Sent::NotSent("the request could not be made".to_owned()),
        };
        if let Sent::Answered(answer) = &sent
            && answer.status == 429
        {
            let pause = self.pause_of(answer);
            self.all.pause(pause);
            self.questions.pause(pause);
        }
        sent
    }

    /// How long the venue wants nothing: `Retry-After`, or until `X-RateLimit-Reset` (a moment, in seconds since 1970).
    fn pause_of(&self, answer: &Answer) -> Duration {
        let now = self.clock.now().0 / 1_000_000;
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse::<i64>().ok());
        let until_reset = reset.and_then(|at| u64::try_from(at.saturating_sub(now)).ok());
        let fallback = until_reset.map_or(PAUSE, Duration::from_secs);
        answer.retry_after(fallback).clamp(PAUSE, SPAN)
    }

    /// Asks a question; what is not there is `None`.
    async fn ask<T: DeserializeOwned>(
        &self,
        route: &str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Option<T>, BrokerError> {
        let within = self.questions.take().and_then(|()| self.all.take());
        within.map_err(|pause| {
            BrokerError::Unavailable(format!("Alpaca's rate limit is used up for {} s", pause.as_secs() + 1))
        })?;
        let url = self.url(segments, query)?;
        let answer = self.send(route, Method::GET, url, None).await.answer()?;
        match answer.status {
            200..=299 => answer.json().map(Some).map_err(BrokerError::Unavailable),
            // Only the venue itself knows what it does not have: a page of somebody in between is no answer.
            404 if refusal(&answer).is_some_and(|refusal| refusal.code == Some(NOT_FOUND)) => Ok(None),
            401 => Err(BrokerError::Unauthorized(self.keys.refused(self.environment))),
            403 => Err(BrokerError::Unauthorized(forbidden(&answer))),
            _ => Err(BrokerError::Unavailable(format!("Alpaca answered {}", answer.quoted()))),
        }
    }

    /// Asks for what has to be there.
    async fn demand<T: DeserializeOwned>(
        &self,
        route: &str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, BrokerError> {
        let found = self.ask(route, segments, query).await?;
        found.ok_or_else(|| BrokerError::Unavailable(format!("Alpaca does not know {route}")))
    }

    pub(super) async fn account(&self) -> Result<Account, BrokerError> {
        self.demand("GET /v2/account", &["account"], &[]).await
    }

    pub(super) async fn market_clock(&self) -> Result<MarketClock, BrokerError> {
        self.demand("GET /v2/clock", &["clock"], &[]).await
    }

    pub(super) async fn positions(&self) -> Result<Vec<Position>, BrokerError> {
        self.demand("GET /v2/positions", &["positions"], &[]).await
    }

    pub(super) async fn position(&self, asset_id: &str) -> Result<Option<Position>, BrokerError> {
        self.ask("GET /v2/positions/{id}", &["positions", asset_id], &[]).await
    }

    pub(super) async fn asset(&self, symbol_or_id: &str) -> Result<Option<Asset>, BrokerError> {
        self.ask("GET /v2/assets/{symbol}", &["assets", symbol_or_id], &[]).await
    }

    pub(super) async fn assets(&self, class: &str) -> Result<Vec<Asset>, BrokerError> {
        let query = [("status", "active"), ("asset_class", class)];
        self.demand("GET /v2/assets", &["assets"], &query).await
    }

    pub(super) async fn order(&self, id: ClientOrderId) -> Result<Option<Order>, BrokerError> {
        let id = id.to_string();
        let query = [("client_order_id", id.as_str())];
        let order: Option<Order> =
            self.ask("GET /v2/orders:by_client_order_id", &["orders:by_client_order_id"], &query).await?;
        match order {
            Some(order) if order.client_order_id != id => {
                Err(BrokerError::Unavailable("Alpaca answered with another order".to_owned()))
            }
            order => Ok(order),
        }
    }

    /// All executions of an order.
    pub(super) async fn fills(&self, order_id: &str) -> Result<Vec<Fill>, BrokerError> {
        let size = PAGE.to_string();
        let mut all: Vec<Fill> = Vec::new();
        for _ in 0..PAGES {
            let last = all.last().map(|fill| fill.id.clone());
            let mut query = vec![("order_id", order_id), ("direction", "asc"), ("page_size", size.as_str())];
            query.extend(last.as_deref().map(|last| ("page_token", last)));
            let route = "GET /v2/account/activities/FILL";
            let page: Vec<Fill> = self.demand(route, &["account", "activities", "FILL"], &query).await?;
            let is_last = page.len() < PAGE;
            // The filter is the venue's; a fill of another order must not slip in all the same.
            let ours = page.into_iter().filter(|fill| fill.order_id == order_id);
            let before = all.len();
            all.extend(ours);
            if is_last || all.len() == before {
                return Ok(all);
            }
        }
        Err(BrokerError::Unavailable(format!("the order has more than {} fills", PAGE * PAGES)))
    }

    /// Sends an order, once.
    pub(super) async fn post(&self, id: ClientOrderId, ticket: &OrderTicket) -> Posted {
        let not_sent =
            |reason: String, retry_after| Posted::Ended(SubmitOutcome::NotSent { reason, retry_after });
        if let Err(pause) = self.all.take() {
            return not_sent("Alpaca's rate limit is used up".to_owned(), pause);
        }
        let (url, body) = match (self.url(&["orders"], &[]), serde_json::to_vec(ticket)) {
            (Ok(url), Ok(body)) => (url, body),
            _ => return not_sent("the order could not be written".to_owned(), PAUSE),
        };
        let sent = self.send("POST /v2/orders", Method::POST, url, Some(body)).await;
        match sent.answer_to_order(PAUSE) {
            Ok(answer) if answer.status == 429 => {
                not_sent("Alpaca's rate limit is used up".to_owned(), self.pause_of(&answer))
            }
            Ok(answer) => posted(id, &answer),
            Err(outcome) => Posted::Ended(outcome),
        }
    }

    /// Asks for an order's cancel.
    pub(super) async fn cancel(&self, order_id: &str) -> CancelOutcome {
        let unknown = |evidence: String| CancelOutcome::Unknown { evidence };
        if self.all.take().is_err() {
            return unknown("Alpaca's rate limit is used up".to_owned());
        }
        let url = match self.url(&["orders", order_id], &[]) {
            Ok(url) => url,
            Err(error) => return unknown(error.to_string()),
        };
        match self.send("DELETE /v2/orders/{id}", Method::DELETE, url, None).await.answer() {
            Ok(answer) if answer.is_success() => CancelOutcome::Requested,
            Ok(answer) if matches!(answer.status, 404 | 422) && refusal(&answer).is_some() => {
                CancelOutcome::NotOpen
            }
            Ok(answer) => unknown(format!("Alpaca answered {}", answer.quoted())),
            Err(error) => unknown(error.to_string()),
        }
    }

    /// The stream's login message.
    pub(super) fn stream_login(&self) -> SecretString {
        SecretString::from(self.keys.stream_login())
    }
}

/// A refusal in the venue's own form; `None` for anything else, which may come from somebody in between.
fn refusal(answer: &Answer) -> Option<Refusal> {
    answer.json::<Refusal>().ok().filter(|refusal| refusal.message.is_some())
}

pub(super) fn forbidden(answer: &Answer) -> String {
    let said =
        refusal(answer).and_then(|refusal| refusal.message).unwrap_or_else(|| "no reason given".to_owned());
    let said = said.trim_end_matches('.');
    format!(
        "Alpaca forbids this to the keys ({said:.200}): check at Alpaca that the key may trade, and from which addresses."
    )
}

/// What an answer to an order proves.
pub(super) fn posted(id: ClientOrderId, answer: &Answer) -> Posted {
    let unknown = |evidence: String| Posted::Ended(SubmitOutcome::Unknown { evidence });
    let rejected = |reason: String| Posted::Ended(SubmitOutcome::Rejected { reason });
    if answer.is_success() {
        return match answer.json::<Order>() {
            Ok(order) if order.client_order_id != id.to_string() => {
                unknown("Alpaca answered with another order".to_owned())
            }
            Ok(order) if order.status == "rejected" && order.filled().is_zero() => {
                rejected("Alpaca rejected the order and gave no reason.".to_owned())
            }
            Ok(order) => Posted::Taken(Box::new(order)),
            Err(evidence) => unknown(evidence),
        };
    }
    let said = refusal(answer);
    match (answer.status, said) {
        (400 | 409 | 422, Some(said)) if names_client_id(&said) => Posted::Exists,
        (400 | 401 | 403 | 404 | 422, Some(said)) => {
            let message = said.message.unwrap_or_default();
            let code = said.code.map(|code| format!(" ({code})")).unwrap_or_default();
            rejected(format!("Alpaca refused the order: {message:.300}{code}"))
        }
        _ => unknown(format!("Alpaca answered {}", answer.quoted())),
    }
}

/// Whether a refusal is about the client order id: ours are well-formed, so it can only be that it is taken.
fn names_client_id(refusal: &Refusal) -> bool {
    let message = refusal.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let plain: String = message.chars().filter(char::is_ascii_alphanumeric).collect();
    plain.contains("clientorderid")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use bytes::Bytes;
    use reqwest::header::HeaderMap;
    use rstest::rstest;

    use super::*;

    fn id() -> ClientOrderId {
        ClientOrderId::from_bytes([7; 16])
    }

    fn outcome(status: u16, body: &str) -> &'static str {
        let body = body.replace("OURS", &id().to_string());
        let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::from(body) };
        match posted(id(), &answer) {
            Posted::Taken(_) => "taken",
            Posted::Exists => "exists",
            Posted::Ended(SubmitOutcome::Rejected { .. }) => "rejected",
            Posted::Ended(SubmitOutcome::Unknown { .. }) => "unknown",
            Posted::Ended(other) => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case(200, r#"{"id":"1","client_order_id":"OURS","status":"accepted"}"#, "taken")]
    #[case(200, r#"{"id":"1","client_order_id":"OURS","status":"of tomorrow"}"#, "taken")]
    #[case(200, r#"{"id":"1","client_order_id":"OURS","status":"rejected"}"#, "rejected")]
    #[case(200, r#"{"id":"1","client_order_id":"OURS","status":"rejected","filled_qty":"1"}"#, "taken")]
    #[case(200, r#"{"id":"1","client_order_id":"other","status":"accepted"}"#, "unknown")]
    #[case(200, "<html>", "unknown")]
    #[case(204, "", "unknown")]
    #[case(302, "", "unknown")]
    #[case(400, r#"{"code":40010000,"message":"request body format is invalid"}"#, "rejected")]
    #[case(401, r#"{"code":40110000,"message":"request is not authorized"}"#, "rejected")]
    #[case(403, r#"{"code":40310000,"message":"insufficient buying power"}"#, "rejected")]
    #[case(403, r#"{"message":"forbidden."}"#, "rejected")]
    #[case(404, r#"{"code":40410000,"message":"asset not found for X"}"#, "rejected")]
    #[case(422, r#"{"code":40010001,"message":"client_order_id must be unique"}"#, "exists")]
    #[case(422, r#"{"code":40010001,"message":"client order id must be unique"}"#, "exists")]
    #[case(409, r#"{"message":"client_order_id already exists"}"#, "exists")]
    #[case(422, r#"{"code":40010001,"message":"qty is required"}"#, "rejected")]
    #[case(422, r#"{"code":42210000,"message":"invalid crypto time_in_force"}"#, "rejected")]
    #[case(403, "<html>a wall in between</html>", "unknown")]
    #[case(404, "not found", "unknown")]
    #[case(408, r#"{"message":"timeout"}"#, "unknown")]
    #[case(409, r#"{"message":"conflict"}"#, "unknown")]
    #[case(500, r#"{"code":50010000,"message":"internal server error"}"#, "unknown")]
    #[case(503, r#"{"message":"maintenance"}"#, "unknown")]
    #[case(504, "", "unknown")]
    fn every_answer_to_an_order_proves_what_it_proves(
        #[case] status: u16,
        #[case] body: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(outcome(status, body), expected, "{status} {body}");
    }
}
