//! Registering, logging in and out.

use atomik_domain::{Code, SessionId, User};
use atomik_ports::directory::{NewSession, NewUser, Registration};
use atomik_ports::{PageRequest, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::header::{HOST, ORIGIN, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{ClientAddress, csrf_required};
use super::sessions::MeView;
use super::{CurrentUser, UserView, Via, cookie, passwords, tokens};
use crate::AppState;
use crate::error::{ApiError, ApiResult, ErrorBody, FieldErrors};
use crate::extract::{ApiJson, secret_text};

/// How long a session lives at most, in seconds: 30 days.
const SESSION_LIFE_S: i64 = 30 * 86_400;
/// How many sessions a user has at most; the oldest end.
const MAX_SESSIONS: usize = 50;
/// How much of a browser's name for itself is kept.
const USER_AGENT_CHARS: usize = 200;
const MAX_EMAIL_BYTES: usize = 254;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(log_in)).routes(routes!(log_out))
}

/// Who wants to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Register)]
struct RegisterRequest {
    /// An email address. Case and surrounding spaces do not count.
    #[schema(example = "trader@example.com", max_length = 254)]
    email: String,
    /// 8 to 256 characters; the commonest passwords are refused.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: SecretString,
}

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LogIn)]
struct LogInRequest {
    /// The email address of the registration.
    #[schema(example = "trader@example.com")]
    email: String,
    /// The password.
    #[serde(deserialize_with = "secret_text")]
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// A one-time password. Only users who have set up a second factor need one, and nobody can yet: it is not used.
    #[serde(default)]
    #[allow(dead_code)] // part of the contract; a client may send it already
    totp: Option<String>,
}

/// Register
///
/// The first user becomes the administrator, on the plan `unlimited`; later ones start on `free`. Whether there may be
/// later ones is the operator's choice (`auth.registration`). Does not log in.
#[utoipa::path(
    post,
    path = "/auth/register",
    tag = "sign-in",
    security(()),
    request_body = RegisterRequest,
    responses(
        (status = CREATED, description = "The user.", body = UserView),
        (status = FORBIDDEN, description = "No new users are taken (`registration_closed`), or the request comes from another site (`csrf_required`).", body = ErrorBody),
        (status = CONFLICT, description = "The email is taken (`email_taken`).", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`fields` says what is wrong (`invalid_request`).", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many registrations from one address (`too_many_attempts`); see `Retry-After`.", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`store_unavailable` or `overloaded`.", body = ErrorBody),
    )
)]
async fn register(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> ApiResult<(StatusCode, Json<UserView>)> {
    refuse_other_sites(&headers, &state.settings.public_url)?;
    let email = normalized(&request.email);
    let mut errors = FieldErrors::default();
    if let Some(problem) = problem_with_email(&email) {
        errors.add("email", problem);
    }
    if let Some(problem) = passwords::problem_with(&request.password) {
        errors.add("password", problem);
    }
    errors.into_result()?;
    let registration = state.settings.registration;
    // Spares the work of a hash.
    if is_closed(&state).await? {
        return Err(StoreError::RegistrationClosed.into());
    }
    state.attempts.registration(address, state.now())?;
    let password_hash = state.passwords.hash(request.password).await?;
    let user = NewUser { email, password_hash, created_at: state.now() };
    let user = state.store.create_user(user, registration).await.map_err(|error| match error {
        StoreError::Taken(_) => {
            let detail = "A user with this email exists; log in instead";
            ApiError::new(StatusCode::CONFLICT, Code::EmailTaken, detail)
        }
        other => other.into(),
    })?;
    state.engine.refresh().await?;
    tracing::info!(user_id = user.id.0, role = %user.role, "user registered");
    Ok((StatusCode::CREATED, Json(UserView::from(&user))))
}

/// Whether nobody can register now. The store decides again, in its transaction.
pub(crate) async fn is_closed(state: &AppState) -> Result<bool, StoreError> {
    Ok(match state.settings.registration {
        Registration::Open => false,
        Registration::Closed => true,
        Registration::FirstUser => has_users(state).await?,
    })
}

/// Whether anybody has registered yet.
pub(crate) async fn has_users(state: &AppState) -> Result<bool, StoreError> {
    let users = state.store.users(PageRequest { limit: 1, before: None }).await?;
    Ok(!users.items.is_empty())
}

/// Log in
///
/// Begins a new session and sets its cookie. Unknown emails and wrong passwords are answered alike, and many wrong ones
/// are slowed down.
#[utoipa::path(
    post,
    path = "/auth/login",
    tag = "sign-in",
    security(()),
    request_body = LogInRequest,
    responses(
        (status = OK, description = "Logged in; `Set-Cookie` carries the session.", body = MeView),
        (status = UNAUTHORIZED, description = "The email or the password is wrong (`invalid_credentials`).", body = ErrorBody),
        (status = FORBIDDEN, description = "The request comes from another site (`csrf_required`).", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`fields` says what is wrong (`invalid_request`).", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "Too many wrong attempts (`too_many_attempts`); see `Retry-After`.", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "`store_unavailable` or `overloaded`.", body = ErrorBody),
    )
)]
async fn log_in(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    ApiJson(request): ApiJson<LogInRequest>,
) -> ApiResult<impl IntoResponse> {
    refuse_other_sites(&headers, &state.settings.public_url)?;
    let email = normalized(&request.email);
    let attempt = state.attempts.password(&email, address, state.now())?;
    let (user, stored) = match state.store.user_by_email(&email).await {
        Ok((user, hash)) => (Some(user), Some(hash)),
        Err(StoreError::NotFound) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let right = state.passwords.verify(request.password, stored).await?;
    let user = user.filter(|user| right && !user.disabled).ok_or_else(invalid_credentials)?;
    state.attempts.refund(attempt);
    end_presented_session(&state, &headers).await?;
    let (token, session_hash) = begin_session(&state, &user, &headers).await?;
    let set_cookie = cookie::set(&state.settings, &token, SESSION_LIFE_S)?;
    let csrf_token = tokens::csrf_token(&state.settings.session_key, &session_hash)?;
    Ok((AppendHeaders([(SET_COOKIE, set_cookie)]), Json(MeView::new(&user, Some(csrf_token)))))
}

fn invalid_credentials() -> ApiError {
    let detail = "The email or the password is wrong";
    ApiError::new(StatusCode::UNAUTHORIZED, Code::InvalidCredentials, detail)
}

/// A browser that logs in again leaves no session behind.
async fn end_presented_session(state: &AppState, headers: &HeaderMap) -> ApiResult<()> {
    let Some(token) = cookie::token_in(&state.settings, headers) else { return Ok(()) };
    match state.store.session(tokens::hash_of(token), state.now()).await {
        Ok((session, _)) => end_session(state, session.user_id, session.id).await,
        Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends a session; one that has just ended by itself is fine.
pub(super) async fn end_session(
    state: &AppState,
    user_id: atomik_domain::UserId,
    id: SessionId,
) -> ApiResult<()> {
    match state.store.delete_session(user_id, id).await {
        Ok(()) | Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn begin_session(
    state: &AppState,
    user: &User,
    headers: &HeaderMap,
) -> ApiResult<(SecretString, [u8; 32])> {
    let now = state.now();
    let mut sessions = state.store.sessions(user.id, now).await?;
    sessions.sort_by_key(|session| session.created_at);
    let too_many = (sessions.len() + 1).saturating_sub(MAX_SESSIONS);
    for session in &sessions[..too_many] {
        end_session(state, user.id, session.id).await?;
    }
    let token = tokens::random_token("")?;
    let token_hash = tokens::hash_of(token.expose_secret());
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let session = NewSession {
        user_id: user.id,
        token_hash,
        created_at: now,
        expires_at: now.plus_seconds(SESSION_LIFE_S),
        user_agent: user_agent.chars().take(USER_AGENT_CHARS).collect(),
    };
    state.store.create_session(session).await?;
    Ok((token, token_hash))
}

/// Log out
///
/// Ends the session and takes its cookie away.
#[utoipa::path(
    post,
    path = "/auth/logout",
    tag = "sign-in",
    responses(
        (status = NO_CONTENT, description = "Logged out."),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "A write by cookie without its `X-CSRF-Token` (`csrf_required`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "Signed in by API key, which is no session (`invalid_request`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn log_out(current: CurrentUser, State(state): State<AppState>) -> ApiResult<impl IntoResponse> {
    let Via::Session(id) = current.via else {
        return Err(ApiError::invalid(
            "An API key is no session; revoke it with DELETE /api/v1/api-keys/{id}",
        ));
    };
    end_session(&state, current.user.id, id).await?;
    let cleared = cookie::clear(&state.settings)?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cleared)])))
}

/// Log-in and registration have no CSRF token to ask for yet, so they go by what browsers say about where a request was
/// made: another site must not log a person in as somebody else.
fn refuse_other_sites(headers: &HeaderMap, public_url: &str) -> ApiResult<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let other = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        // A proxy may have rewritten the host; then the public URL says who we are.
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin != public_url && (host.is_none() || host != text(HOST.as_str()))
        }
        (None, None) => false,
    };
    if other { Err(csrf_required()) } else { Ok(()) }
}

pub(crate) fn normalized(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Only what would surely be a mistake is refused: whether an address exists is for mail to find out.
pub(crate) fn problem_with_email(email: &str) -> Option<&'static str> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    let fine = email.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty() && !host.is_empty() && !host.contains('@') && !host.starts_with('.')
    });
    if email.len() > MAX_EMAIL_BYTES {
        Some("must have at most 254 bytes")
    } else if !fine || !email.chars().all(plain) {
        Some("expected an email address such as trader@example.com")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_for_mistakes_only() {
        for email in ["a@b", "trader+es@example.co.uk", "\u{fc}ser@ex\u{e4}mple.com"] {
            assert_eq!(problem_with_email(email), None, "{email}");
        }
        for email in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@.b", "a@b\n"] {
            assert!(problem_with_email(email).is_some(), "{email:?}");
        }
        assert!(problem_with_email(&format!("{}@b", "a".repeat(254))).is_some());
    }

    #[test]
    fn other_sites_are_refused_and_programs_are_not() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, axum::http::HeaderValue::from_static(value));
            }
            refuse_other_sites(&headers, "https://public.example").is_ok()
        };
        assert!(check(&[]));
        assert!(check(&[("sec-fetch-site", "same-origin")]));
        assert!(check(&[("origin", "https://a.example"), ("host", "a.example")]));
        assert!(check(&[("origin", "https://public.example"), ("host", "127.0.0.1:8080")]));
        assert!(!check(&[("origin", "https://a.example")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("origin", "https://evil.example"), ("host", "a.example")]));
        assert!(!check(&[("origin", "null"), ("host", "a.example")]));
    }
}
