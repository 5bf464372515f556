//! The OpenAPI document, made from the code that serves it.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;
use crate::api::format::DecimalText;
use crate::api::trade_filter::SortWord;
use crate::error::ErrorBody;

/// The receiver's route as the router has it: it shares its path with the API's webhooks by id.
pub(crate) const RECEIVER_ROUTE: &str = "/api/v1/webhooks/{id}";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Atomik",
        description = "Turns alerts into broker orders: exactly once, in order, never more than the position allows.\n\n\
            Decimals are strings, times are RFC 3339 in UTC, lists are newest first where nothing else is asked for. Errors are `{detail, code, fields?}`; \
            `GET /api/v1/codes` explains every code. What belongs to somebody else is 404.",
        license(name = "MIT OR Apache-2.0"),
    ),
    security(("bearer" = []), ("session" = [])),
    modifiers(&SecuritySchemes),
    paths(receive),
    components(schemas(ErrorBody, SortWord)),
    tags(
        (name = "receiver", description = "Where alerts go. No sign-in: the URL and its secret are the key."),
        (name = "sign-in", description = "Registration, sessions, API keys."),
        (name = "account", description = "Your plan."),
        (name = "webhooks", description = "URLs that take alerts, and the log of what they took."),
        (name = "brokers", description = "Brokers, linked accounts, instruments."),
        (name = "strategies", description = "What a webhook's alerts do on which account."),
        (name = "trading", description = "Signals, orders, fills, positions."),
        (name = "halts", description = "Stopping and resuming."),
        (name = "events", description = "What happens, as it happens."),
        (name = "administration", description = "Other users. For administrators."),
        (name = "help", description = "What the words mean."),
    )
)]
struct Head;

struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", bearer);
        let description = "The session cookie (`__Host-atomik_session` under https). Writes need the header \
            `X-CSRF-Token` too.";
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description("atomik_session", description));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// The API's router with its part of the document.
pub(crate) fn api_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Head::openapi()).merge(crate::api::router())
}

/// The whole document. Needs no running engine.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    api_router().into_openapi()
}

/// Serves the document.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/v1/openapi.json", get(serve))
}

async fn serve() -> impl IntoResponse {
    // Text of our own types always serializes.
    static DOCUMENT: LazyLock<Bytes> =
        LazyLock::new(|| Bytes::from(serde_json::to_vec(&document()).unwrap_or_default()));
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

/// An alert. Fields that are not listed are ignored; the same key twice is refused.
#[derive(Deserialize, ToSchema)]
#[allow(dead_code)] // describes what the engine parses by hand
struct AlertPayload {
    /// `BUY` or `SELL`, in any case.
    #[schema(example = "BUY")]
    action: String,
    /// `ENTRY`, `EXIT_50`, `EXIT_HALF`, `EXIT_FINAL`, `EXIT_ALL`, or `EXIT_n` for any 0 < n <= 100. Other text counts as none.
    #[schema(example = "EXIT_50")]
    comment: Option<String>,
    /// The price of the alert; the paper broker fills at it.
    #[schema(value_type = Option<DecimalText>)]
    price: Option<String>,
    /// Tells repeats apart; strategies trade their own quantity.
    #[schema(value_type = Option<DecimalText>)]
    quantity: Option<String>,
    /// Tells repeats apart; strategies trade their own symbol.
    symbol: Option<String>,
    /// An id of the sender's, remembered for 24 hours: the same again trades nothing.
    #[schema(max_length = 128)]
    id: Option<String>,
    /// The webhook's secret, where it is not in the query.
    secret: Option<String>,
}

/// The receiver's answer.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)] // describes what the receiver writes by hand
struct ReceiverAnswer {
    /// Always `accepted`.
    #[schema(example = "accepted")]
    status: String,
    /// Always the same sentence.
    #[schema(example = "Webhook received and being processed")]
    message: String,
    /// The webhook.
    #[schema(example = 123)]
    webhook_id: i64,
    /// When the alert was received: UTC, six decimals, no zone.
    #[schema(example = "2026-03-20T12:34:56.789123")]
    timestamp: String,
}

/// Receive an alert
///
/// The body is JSON whatever the Content-Type says. 202 means that the alert is stored and will be processed once; 4xx
/// and 503 mean that this request never trades.
#[utoipa::path(
    post,
    path = "/api/v1/webhooks/{token}",
    operation_id = "receive_alert",
    tag = "receiver",
    security(()),
    params(
        ("token" = String, Path, description = "The webhook's token, from its URL."),
        ("secret" = Option<String>, Query, description = "The webhook's secret."),
        ("X-Webhook-Secret" = Option<String>, Header, description = "The webhook's secret, where it is not in the query."),
        ("Idempotency-Key" = Option<String>, Header, description = "An id of the sender's, remembered for 24 hours."),
    ),
    request_body = AlertPayload,
    responses(
        (status = ACCEPTED, description = "Stored, or a repeat of one that was.", body = ReceiverAnswer, headers(
            ("Idempotent-Replayed" = bool, description = "`true` where this repeats an accepted alert and trades nothing.")
        )),
        (status = UNAUTHORIZED, description = "`secret_required` or `invalid_secret`.", body = ErrorBody),
        (status = FORBIDDEN, description = "`ip_not_allowed` or `subscription_inactive`.", body = ErrorBody),
        (status = NOT_FOUND, description = "Unknown, deleted or paused (`webhook_not_found`).", body = ErrorBody),
        (status = METHOD_NOT_ALLOWED, description = "Only POST (`method_not_allowed`).", body = ErrorBody),
        (status = REQUEST_TIMEOUT, description = "The request did not arrive in time.", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`malformed_json`, `invalid_action`, `invalid_exit`, `invalid_field` or `id_reused`.", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "More than 10 a second (`rate_limited`).", body = ErrorBody, headers(
            ("Retry-After" = u32, description = "Seconds to wait.")
        )),
        (status = SERVICE_UNAVAILABLE, description = "`store_unavailable` or `overloaded`: safe to send again.", body = ErrorBody),
    )
)]
#[allow(dead_code)] // the description of `crate::webhooks`, under the name that senders know its parameter by
fn receive() {}
