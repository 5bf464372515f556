//! The receiver's answers, byte for byte as the contract fixes them.

use std::borrow::Cow;

use atomik_domain::{Code, UnixMicros, WebhookId};
use atomik_engine::Answer;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A request that was not accepted and never trades.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// Why.
    pub code: Code,
    detail: Cow<'static, str>,
    retry_after_s: Option<u32>,
    closes: bool,
}

impl Refusal {
    /// A refusal after which the connection goes on.
    #[must_use]
    pub fn new(status: StatusCode, code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, detail: detail.into(), retry_after_s: None, closes: false }
    }

    /// A refusal whose request was not read to its end, so that the connection cannot go on.
    #[must_use]
    pub fn closing(status: StatusCode, code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { closes: true, ..Self::new(status, code, detail) }
    }

    /// The answer over HTTP.
    #[must_use]
    pub fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<'a> {
            detail: &'a str,
            code: Code,
        }
        let envelope = Envelope { detail: &self.detail, code: self.code };
        // Text and a fieldless enum always serialize.
        let body = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut response = json(self.status, body.into());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The engine's answer over HTTP.
#[must_use]
pub fn respond(answer: Answer) -> Response {
    match answer {
        Answer::Accepted { webhook_id, timestamp, replayed } => accepted(webhook_id, timestamp, replayed),
        Answer::Refused { status, code, detail, retry_after_s } => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Refusal { retry_after_s, ..Refusal::new(status, code, detail) }.into_response()
        }
    }
}

/// Written by hand: this is the hot path, and the order of the fields is part of the contract.
fn accepted(webhook_id: WebhookId, timestamp: UnixMicros, replayed: bool) -> Response {
    let body = format!(
        "{{\"status\":\"accepted\",\"message\":\"Webhook received and being processed\",\
         \"webhook_id\":{webhook_id},\"timestamp\":\"{}\"}}",
        timestamp.to_receiver_format()
    );
    let mut response = json(StatusCode::ACCEPTED, body.into());
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn json(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn text_of(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn accepted_is_the_guides_example() {
        let timestamp = UnixMicros::parse_rfc3339("2026-03-20T12:34:56.789123Z").unwrap();
        let answer = Answer::Accepted { webhook_id: WebhookId(123), timestamp, replayed: false };
        let response = respond(answer);
        assert_eq!(response.status(), 202);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(!response.headers().contains_key("idempotent-replayed"));
        assert_eq!(
            text_of(response).await,
            "{\"status\":\"accepted\",\"message\":\"Webhook received and being processed\",\
             \"webhook_id\":123,\"timestamp\":\"2026-03-20T12:34:56.789123\"}"
        );
    }

    #[tokio::test]
    async fn a_repeat_says_so() {
        let answer = Answer::Accepted { webhook_id: WebhookId(1), timestamp: UnixMicros(0), replayed: true };
        assert_eq!(respond(answer).headers()["idempotent-replayed"], "true");
    }

    #[tokio::test]
    async fn a_refusal_has_a_sentence_and_a_code() {
        let answer = Answer::Refused {
            status: 429,
            code: Code::RateLimited,
            detail: "Too \"many\"".to_owned(),
            retry_after_s: Some(1),
        };
        let response = respond(answer);
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(text_of(response).await, r#"{"detail":"Too \"many\"","code":"rate_limited"}"#);
    }
}
