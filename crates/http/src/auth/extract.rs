//! The user behind a request, by session cookie or API key.

use std::convert::Infallible;
use std::net::IpAddr;

use atomik_domain::{ApiKeyId, Code, SessionId, User};
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{PageRequest, StoreError};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use subtle::ConstantTimeEq;

use super::{cookie, tokens};
use crate::error::{ApiError, ApiResult};
use crate::{AppState, client_ip};

/// How long a session lives unused, in seconds: 7 days.
const SESSION_IDLE_S: i64 = 7 * 86_400;
/// How often a session's or key's last use is written down, in seconds.
const TOUCH_S: i64 = 60;

/// How a request proved who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// By session cookie, and for writes by CSRF token.
    Session(SessionId),
    /// By API key.
    ApiKey(ApiKeyId),
}

/// The signed-in user. As a handler's argument it refuses everybody else with 401, and cookie-authenticated writes
/// without the CSRF token with 403.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// Who is asking.
    pub user: User,
    /// How they proved it.
    pub via: Via,
}

impl FromRequestParts<AppState> for CurrentUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let current = if parts.headers.contains_key(AUTHORIZATION) {
            by_api_key(state, &parts.headers).await?
        } else {
            by_session(state, &parts.method, &parts.headers).await?
        };
        if current.user.disabled { Err(ApiError::unauthenticated()) } else { Ok(current) }
    }
}

/// The address that a request comes from, past the proxies that the configuration names.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(client_ip::of_request(parts, &state.settings.trusted_proxies)))
    }
}

/// The signed-in administrator. As a handler's argument it refuses other users with 403.
#[derive(Clone, Debug)]
pub struct AdminUser(pub User);

impl FromRequestParts<AppState> for AdminUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> ApiResult<Self> {
        let current = CurrentUser::from_request_parts(parts, state).await?;
        match current.user.role {
            atomik_domain::Role::Admin => Ok(Self(current.user)),
            atomik_domain::Role::Trader => Err(ApiError::forbidden()),
        }
    }
}

async fn by_api_key(state: &AppState, headers: &HeaderMap) -> ApiResult<CurrentUser> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, key) =
        header.and_then(|header| header.split_once(' ')).ok_or_else(ApiError::unauthenticated)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthenticated());
    }
    let found = state.store.api_key(tokens::hash_of(key.trim())).await;
    let (key, user) = found.map_err(unauthenticated_if_missing)?;
    let now = state.now();
    if key.last_used_at.is_none_or(|used| used.plus_seconds(TOUCH_S) <= now) {
        note_use(state.store.touch_api_key(key.id, now).await);
    }
    Ok(CurrentUser { user, via: Via::ApiKey(key.id) })
}

async fn by_session(state: &AppState, method: &Method, headers: &HeaderMap) -> ApiResult<CurrentUser> {
    let token = cookie::token_in(&state.settings, headers).ok_or_else(ApiError::unauthenticated)?;
    let hash = tokens::hash_of(token);
    let now = state.now();
    let (session, user) = state.store.session(hash, now).await.map_err(unauthenticated_if_missing)?;
    if session.last_used_at.plus_seconds(SESSION_IDLE_S) <= now {
        return Err(ApiError::unauthenticated());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let expected = tokens::csrf_token(&state.settings.session_key, &hash)?;
        let sent = headers.get("x-csrf-token").map_or(&[][..], |value| value.as_bytes());
        if !bool::from(sent.ct_eq(expected.as_bytes())) {
            return Err(csrf_required());
        }
    }
    if session.last_used_at.plus_seconds(TOUCH_S) <= now {
        note_use(state.store.touch_session(session.id, now).await);
    }
    Ok(CurrentUser { user, via: Via::Session(session.id) })
}

/// 403: the request may have been made by another site.
pub(super) fn csrf_required() -> ApiError {
    let detail = "Send the csrf_token from GET /api/v1/me in the header X-CSRF-Token";
    ApiError::new(StatusCode::FORBIDDEN, Code::CsrfRequired, detail)
}

fn unauthenticated_if_missing(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound => ApiError::unauthenticated(),
        other => other.into(),
    }
}

/// When something was last used is good to know, but no reason to refuse the request.
fn note_use(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "the last use of a session or key was not noted");
    }
}

/// Whether what proved a user still does. For connections that outlive their first check.
pub(crate) async fn still_signed_in(state: &AppState, current: &CurrentUser) -> Result<bool, StoreError> {
    let user_id = current.user.id;
    let user = match state.store.user(user_id).await {
        Err(StoreError::NotFound) => return Ok(false),
        other => other?,
    };
    let proof_stands = match current.via {
        Via::Session(id) => {
            let sessions = state.store.sessions(user_id, state.now()).await?;
            sessions.iter().any(|session| session.id == id)
        }
        Via::ApiKey(id) => {
            let page = PageRequest { limit: MAX_PAGE, before: None };
            state.store.api_keys(user_id, page).await?.items.iter().any(|key| key.id == id)
        }
    };
    Ok(proof_stands && !user.disabled)
}
