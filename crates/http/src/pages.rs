//! What stands at `/` where the dashboard was not built, and what watches over the program ask.

use atomik_engine::Readiness;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::AppState;
use crate::auth::{has_users, registration_is_closed};
use crate::error::{ApiError, ApiResult};
use crate::state::RenderMetrics;

const PAGE: &str = include_str!("pages/index.html");
const STYLE: &str = include_str!("pages/atomik.css");

/// The routes of the page, `/healthz`, `/readyz` and `/metrics`.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/atomik.css", get(style))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

const NO_STORE: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

const REGISTER: &str = r#"curl -X POST {{public_url}}/api/v1/auth/register \
  -H 'Content-Type: application/json' \
  -d '{"email": "you@example.com", "password": "a long password"}'
"#;

/// The page says what to do next, which depends on whether there is a user and whether anybody may register.
pub(crate) async fn front_page(state: &AppState) -> ApiResult<Response> {
    let closed = registration_is_closed(state).await?;
    let next_step = match (has_users(state).await?, closed) {
        (false, false) => {
            "<p><strong>Nobody has registered yet.</strong> The first user becomes the administrator. The quickest way is \
             <code>atomik quickstart</code>, which makes a user, a paper account, a webhook and a strategy in one step; \
             the other way is step 1 below.</p>"
        }
        (false, true) => {
            "<p><strong>There is no user yet, and nobody can register.</strong> The first user becomes the administrator. \
             Whoever runs this installation makes one with <code>atomik quickstart</code>, together with a paper account, \
             a webhook and a strategy, or alone with <code>atomik user add</code>.</p>"
        }
        (true, false) => {
            "<p>This installation has its administrator, and anybody may register. Log in through the API, or use an API \
             key.</p>"
        }
        (true, true) => {
            "<p>This installation has its administrator and takes no registrations. Log in through the API, or use an API \
             key. Whoever runs it adds users with <code>atomik user add</code>.</p>"
        }
    };
    let (sign_in, register) = if closed { ("Log in.", "") } else { ("Register and log in.", REGISTER) };
    let page = PAGE
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{next_step}}", next_step)
        .replace("{{sign_in}}", sign_in)
        .replace("{{register}}", register)
        .replace("{{public_url}}", &escaped(&state.settings.public_url));
    Ok((NO_STORE, Html(page)).into_response())
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

async fn style() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")], STYLE)
}

/// What `/healthz` answers.
#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The process lives and answers. Says nothing about the store: that is `/readyz`.
async fn alive() -> impl IntoResponse {
    (NO_STORE, Json(Health { status: "ok" }))
}

/// What `/readyz` answers.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    store: &'static str,
    /// `ok` or `away`, where there is a Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    redis: Option<&'static str>,
    books_reconciled: bool,
    stopping: bool,
    /// Whether the node keeps its leases on broker accounts; not there where it is alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    leases: Option<&'static str>,
}

/// How Redis stands, where there is one.
pub(crate) fn redis_word(readiness: &Readiness) -> Option<&'static str> {
    readiness.redis.as_ref().map(|state| if state.is_ok() { "ok" } else { "away" })
}

async fn ready(State(state): State<AppState>) -> impl IntoResponse {
    let readiness = state.engine.readiness().await;
    if let Err(cause) = &readiness.store {
        tracing::warn!(cause, "not ready: the store is unavailable");
    }
    // Whoever sends requests here hears of the end before it comes.
    let stopping = readiness.stopping || *state.stopping().borrow();
    let ready = readiness.is_ready() && !stopping;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Ready {
        ready,
        store: if readiness.store.is_ok() { "ok" } else { "unavailable" },
        redis: redis_word(&readiness),
        books_reconciled: readiness.books_reconciled,
        stopping,
        leases: readiness.leases.map(|kept| if kept { "ok" } else { "lost" }),
    };
    (status, NO_STORE, Json(body))
}

/// Metrics in Prometheus' text format, where the configuration serves them on this listener.
async fn metrics(State(state): State<AppState>) -> ApiResult<Response> {
    let render = state.settings.metrics.as_ref().ok_or_else(ApiError::not_found)?;
    Ok(rendered(render))
}

fn rendered(render: &RenderMetrics) -> Response {
    let kind = (CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    ([kind], NO_STORE, render()).into_response()
}

/// `/metrics` alone, for a listener of its own.
pub fn metrics_only(render: RenderMetrics) -> Router {
    Router::new().route("/metrics", get(async move || rendered(&render)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_wrote_cannot_become_markup() {
        assert_eq!(escaped("http://a/<b>\"&'"), "http://a/&lt;b&gt;&quot;&amp;&#39;");
    }
}
