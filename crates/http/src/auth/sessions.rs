//! The signed-in user: who they are, their sessions, their password.

use atomik_domain::{SessionId, User};
use atomik_ports::directory::Session;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::ClientAddress;
use super::{CurrentUser, UserView, Via, cookie, passwords, tokens};
use crate::AppState;
use crate::api::refusals::ActRefusals;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::extract::{ApiJson, ListOf, PathId, secret_text};

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_me))
        .routes(routes!(list_sessions))
        .routes(routes!(end_session))
        .routes(routes!(change_password))
}

/// The signed-in user.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub(super) struct MeView {
    /// The user.
    #[serde(flatten)]
    user: UserView,
    /// What cookie-authenticated writes send in the header `X-CSRF-Token`; null where an API key was used.
    #[schema(required = true)]
    csrf_token: Option<String>,
}

impl MeView {
    pub(super) fn new(user: &User, csrf_token: Option<String>) -> Self {
        Self { user: user.into(), csrf_token }
    }
}

/// A session as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionView {
    /// Its id.
    id: i64,
    /// Whether this request uses it.
    current: bool,
    /// The browser's own name for itself.
    user_agent: String,
    /// When it began.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// When it ends whatever happens.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl SessionView {
    fn new(session: &Session, via: Via) -> Self {
        Self {
            id: session.id.0,
            current: via == Via::Session(session.id),
            user_agent: session.user_agent.clone(),
            created_at: session.created_at.to_rfc3339(),
            last_used_at: session.last_used_at.to_rfc3339(),
            expires_at: session.expires_at.to_rfc3339(),
        }
    }
}

/// The signed-in user
#[utoipa::path(
    get,
    path = "/me",
    tag = "sign-in",
    responses(
        (status = OK, description = "The user.", body = MeView),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn get_me(
    current: CurrentUser,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> ApiResult<Json<MeView>> {
    let token = match current.via {
        Via::Session(_) => cookie::token_in(&state.settings, &headers),
        Via::ApiKey(_) => None,
    };
    let csrf_token =
        token.map(|token| tokens::csrf_token(&state.settings.session_key, &tokens::hash_of(token)));
    Ok(Json(MeView::new(&current.user, csrf_token.transpose()?)))
}

/// Your sessions
#[utoipa::path(
    get,
    path = "/me/sessions",
    tag = "sign-in",
    responses(
        (status = OK, description = "All sessions that have not ended.", body = ListOf<SessionView>),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn list_sessions(
    current: CurrentUser,
    State(state): State<AppState>,
) -> ApiResult<Json<ListOf<SessionView>>> {
    let sessions = state.store.sessions(current.user.id, state.now()).await?;
    Ok(Json(ListOf::whole(sessions.iter().map(|session| SessionView::new(session, current.via)).collect())))
}

/// End a session
///
/// Logs that browser out.
#[utoipa::path(
    delete,
    path = "/me/sessions/{id}",
    tag = "sign-in",
    params(("id" = i64, Path, description = "The session.")),
    responses((status = NO_CONTENT, description = "It has ended."), ActRefusals)
)]
async fn end_session(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    state.store.delete_session(current.user.id, SessionId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A change of password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ChangePassword)]
struct PasswordRequest {
    /// The password that is used now.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, format = Password)]
    current_password: SecretString,
    /// 8 to 256 characters; the commonest passwords are refused.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    new_password: SecretString,
}

/// Change your password
///
/// Ends every other session. API keys stay.
#[utoipa::path(
    post,
    path = "/me/password",
    tag = "sign-in",
    request_body = PasswordRequest,
    responses(
        (status = NO_CONTENT, description = "The new password is in force."),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "A write by cookie without its `X-CSRF-Token` (`csrf_required`).", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`fields` says what is wrong (`invalid_request`): the current password too.", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many wrong attempts (`too_many_attempts`); see `Retry-After`.", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`store_unavailable` or `overloaded`.", body = ErrorBody),
    )
)]
async fn change_password(
    current: CurrentUser,
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    ApiJson(request): ApiJson<PasswordRequest>,
) -> ApiResult<StatusCode> {
    if let Some(problem) = passwords::problem_with(&request.new_password) {
        return Err(ApiError::field("new_password", problem));
    }
    let user = &current.user;
    let attempt = state.attempts.password(&user.email, address, state.now())?;
    let stored = state.store.password_hash(user.id).await?;
    if !state.passwords.verify(request.current_password, Some(stored)).await? {
        return Err(ApiError::field("current_password", "is not your password"));
    }
    state.attempts.refund(attempt);
    let hash = state.passwords.hash(request.new_password).await?;
    state.store.set_password_hash(user.id, hash).await?;
    let keep = match current.via {
        Via::Session(id) => Some(id),
        Via::ApiKey(_) => None,
    };
    state.store.delete_other_sessions(user.id, keep).await?;
    tracing::info!(user_id = user.id.0, "password changed");
    Ok(StatusCode::NO_CONTENT)
}
