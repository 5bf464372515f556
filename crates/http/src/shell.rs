//! What every answer gets: security headers, an access log line, and an envelope even where nothing was found.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use atomik_domain::Code;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use crate::error::ApiError;
use crate::openapi::RECEIVER_ROUTE;
use crate::{AppState, webhooks};

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
);

/// 404 for paths that nobody serves.
pub(crate) async fn not_found() -> ApiError {
    ApiError::not_found()
}

/// 405 for methods that a path does not know. The router adds `Allow`.
pub(crate) async fn method_not_allowed() -> ApiError {
    let detail = "This path does not take this method; the Allow header names those it takes";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed, detail)
}

/// A panic ends one request, not the connection, and tells the outside nothing.
async fn unless_it_panics(answering: impl Future<Output = Response>) -> Response {
    let answer = AssertUnwindSafe(answering).catch_unwind().await;
    answer.unwrap_or_else(|_| ApiError::internal("a request handler panicked").into_response())
}

/// The layer around everything but the receiver.
pub(crate) async fn dress(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    let answering = async {
        match alert_by_wrong_method(route, &request) {
            // The router did not see the request, so `Allow` is added here.
            Some(token) => {
                ([(ALLOW, "POST")], webhooks::refuse_method(&state, &token, request)).into_response()
            }
            None => next.run(request).await,
        }
    };
    dressed(&state, &method, route, began, answering).await
}

/// Runs what answers a request and gives its answer the security headers and one log line: method, route, status,
/// duration. Never the path itself (a webhook's token is in it) and never the query string (a secret may be).
pub(crate) async fn dressed(
    state: &AppState,
    method: &Method,
    route: Option<&str>,
    began: Instant,
    answering: impl Future<Output = Response>,
) -> Response {
    let mut response = unless_it_panics(answering).await;
    add_security_headers(response.headers_mut(), state.settings.secure_cookies);
    if route.is_none_or(|route| route.starts_with("/api/")) {
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    log(method, route.unwrap_or("unmatched"), response.status(), began);
    response
}

/// The token, where an alert was sent by a method that the receiver does not take. The receiver shares its path with the
/// API, whose ids are numbers, and a sender who used GET is to hear that, not that nobody is signed in.
fn alert_by_wrong_method(route: Option<&str>, request: &Request) -> Option<String> {
    if route != Some(RECEIVER_ROUTE) || *request.method() == Method::POST {
        return None;
    }
    let segment = request.uri().path().rsplit('/').next().unwrap_or_default();
    let is_id = segment.bytes().all(|byte| byte.is_ascii_digit());
    (!is_id).then(|| segment.to_owned())
}

fn add_security_headers(headers: &mut HeaderMap, https: bool) {
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// Deliveries have a log of their own, in the store; here they only show at debug level.
fn log(method: &Method, route: &str, status: StatusCode, began: Instant) {
    let status = status.as_u16();
    if status < 500 && route == RECEIVER_ROUTE {
        tracing::debug!(%method, route, status, duration_us = began.elapsed().as_micros(), "request");
    } else {
        tracing::info!(%method, route, status, duration_us = began.elapsed().as_micros(), "request");
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn panics() -> Response {
        panic!("a secret that nobody is to see")
    }

    #[tokio::test]
    async fn a_panic_is_500_in_the_envelope_and_says_nothing() {
        let response = unless_it_panics(panics()).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("secret"), "{body}");
    }
}
