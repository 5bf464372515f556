//! Requests that only the node can answer which works on an account: any other hands them on to it, as they came.
//!
//! That node looks who asks as this one does, for nodes share sessions and keys.

use std::sync::LazyLock;
use std::time::Duration;

use atomik_domain::{BrokerAccountId, Code, StrategyId, WebhookId};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{RequestExt, http};
use serde::Deserialize;

use crate::AppState;
use crate::auth::CurrentUser;
use crate::error::ApiError;
use crate::extract::MAX_BODY_BYTES;

/// Marks a request that was handed on: it is not handed on again.
static HANDED_ON: HeaderName = HeaderName::from_static("x-atomik-handed-on");
/// The most bytes of its answer.
const MAX_ANSWER: usize = 16 * 1_024 * 1_024;
/// Longer than any of these requests takes where it is answered.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the other node may take to be reached.
const CONNECT: Duration = Duration::from_secs(2);

static CLIENT: LazyLock<Option<reqwest::Client>> = LazyLock::new(|| {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(PATIENCE);
    client.build().inspect_err(|error| tracing::error!(%error, "no client for other nodes")).ok()
});

/// Which account a request is about.
enum About {
    /// The one in its path.
    Account,
    /// That of the strategy in its path.
    Strategy,
    /// Those of the strategies of the webhook in its path.
    Webhook,
    /// The one in its body.
    Body,
    /// The one in its query.
    Query,
}

/// The requests for which it matters who works on the account.
fn about(method: &Method, route: &str) -> Option<About> {
    match (method.as_str(), route.strip_prefix("/api/v1")?) {
        ("GET", "/broker-accounts/{id}/positions" | "/broker-accounts/{id}/balance")
        | ("GET", "/broker-accounts/{id}/differences")
        | ("POST", "/broker-accounts/{id}/test-connection" | "/broker-accounts/{id}/flatten")
        | ("POST", "/broker-accounts/{id}/adopt") => Some(About::Account),
        ("POST", "/strategies/{id}/flatten") | ("PATCH", "/strategies/{id}") => Some(About::Strategy),
        ("POST", "/webhooks/{id}/explain") => Some(About::Webhook),
        ("POST", "/strategies") => Some(About::Body),
        ("GET", "/instruments") => Some(About::Query),
        _ => None,
    }
}

/// What names an account in a body or a query.
#[derive(Deserialize)]
struct Named {
    broker_account_id: i64,
}

/// The layer that hands requests on.
pub(crate) async fn hand_on(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let about = route.and_then(|route| about(request.method(), route));
    let (Some(about), true) = (about, state.engine.is_clustered()) else { return next.run(request).await };
    let (mut head, body) = request.into_parts();
    // Whoever is not signed in is told so here.
    let current = CurrentUser::from_request_parts(&mut head, &state).await;
    let request = Request::from_parts(head, body);
    let Ok(current) = current else { return next.run(request).await };
    match hand_on_about(&state, &current, about, request).await {
        Ok(Handed::Here(request)) => next.run(*request).await,
        Ok(Handed::There(answer)) => answer,
        Err(error) => error.into_response(),
    }
}

enum Handed {
    Here(Box<Request>),
    There(Response),
}

async fn hand_on_about(
    state: &AppState,
    current: &CurrentUser,
    about: About,
    mut request: Request,
) -> Result<Handed, ApiError> {
    let id = path_id(&mut request).await;
    let (head, body) = request.into_parts();
    let body = match to_bytes(body, MAX_BODY_BYTES + 1).await {
        Ok(body) if body.len() <= MAX_BODY_BYTES => body,
        // The handler says what is wrong with it.
        _ => return Ok(Handed::Here(Box::new(Request::from_parts(head, too_large())))),
    };
    let accounts = accounts_of(state, &about, id, &head, &body);
    let mut addresses = Vec::new();
    for account in accounts.into_iter().filter(|id| state.engine.is_linked_by(current.user.id, *id)) {
        addresses.push(state.engine.elsewhere(account).await.map_err(passing)?);
    }
    addresses.dedup();
    match addresses.as_slice() {
        [Some(address)] if head.headers.contains_key(&HANDED_ON) => {
            tracing::warn!(address, "a request was handed on by a node that took this one for another");
            Err(passing("the account is passing from one node to another"))
        }
        [Some(address)] => Ok(Handed::There(send(address, &head, body).await?)),
        // This node's own, or those of several nodes, which are answered by what is recorded.
        _ => Ok(Handed::Here(Box::new(Request::from_parts(head, Body::from(body))))),
    }
}

fn too_large() -> Body {
    Body::from(vec![b' '; MAX_BODY_BYTES + 1])
}

async fn path_id(request: &mut Request) -> Option<i64> {
    let params = request.extract_parts::<RawPathParams>().await.ok()?;
    params.iter().find(|(name, _)| *name == "id").and_then(|(_, value)| value.parse().ok())
}

fn accounts_of(
    state: &AppState,
    about: &About,
    id: Option<i64>,
    head: &http::request::Parts,
    body: &Bytes,
) -> Vec<BrokerAccountId> {
    let of_strategy = |id: i64| state.engine.account_of(StrategyId(id));
    let accounts: Vec<_> = match about {
        About::Account => id.map(BrokerAccountId).into_iter().collect(),
        About::Strategy => id.and_then(of_strategy).into_iter().collect(),
        About::Webhook => id.map(|id| state.engine.accounts_of(WebhookId(id))).unwrap_or_default(),
        About::Body => named(serde_json::from_slice::<Named>(body).ok()),
        About::Query => {
            named(axum::extract::Query::<Named>::try_from_uri(&head.uri).ok().map(|query| query.0))
        }
    };
    accounts
}

fn named(named: Option<Named>) -> Vec<BrokerAccountId> {
    named.map(|named| BrokerAccountId(named.broker_account_id)).into_iter().collect()
}

async fn send(address: &str, head: &http::request::Parts, body: Bytes) -> Result<Response, ApiError> {
    let client = CLIENT.as_ref().ok_or_else(|| ApiError::internal("there is no client for other nodes"))?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = end_to_end(&head.headers);
    headers.insert(HANDED_ON.clone(), http::HeaderValue::from_static("1"));
    let request = client.request(head.method.clone(), format!("{address}{path}")).headers(headers).body(body);
    let mut answer = request.send().await.map_err(|error| passing(error.without_url()))?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        *headers = end_to_end(answer.headers());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| passing(error.without_url()))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ApiError::internal("another node's answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    response
        .body(Body::from(body))
        .map_err(|_| ApiError::internal("another node's answer cannot be passed on"))
}

/// The headers but for those of one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

/// The node that works on the account cannot be reached, or there is none at this moment.
fn passing(cause: impl std::fmt::Display) -> ApiError {
    let detail =
        format!("The node that works on the account cannot be reached: {cause}; try again in a few seconds");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::BrokerUnavailable, detail)
}
