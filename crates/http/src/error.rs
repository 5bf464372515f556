//! What goes wrong, as the one envelope `{"detail", "code"[, "fields"]}`.

use std::collections::BTreeMap;

use atomik_domain::tier::Limited;
use atomik_domain::{Code, Plan};
use atomik_ports::StoreError;
use atomik_ports::broker::FieldError;
use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What a handler answers where it cannot do what was asked.
pub type ApiResult<T> = Result<T, ApiError>;

/// An answer that is an error.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable code.
    pub code: Code,
    /// What is wrong, in a sentence.
    pub detail: String,
    /// What is wrong with single fields, by their names with the path: `settings.prices`.
    pub fields: BTreeMap<String, String>,
    /// Headers beyond the usual ones.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// The envelope of every error.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// What is wrong, in a sentence.
    #[schema(example = "Not found")]
    pub detail: String,
    /// The stable code; `GET /api/v1/codes` explains each.
    #[schema(example = "not_found")]
    pub code: String,
    /// What is wrong with single fields, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(required = false)]
    pub fields: BTreeMap<String, String>,
}

impl ApiError {
    /// An error without fields and headers.
    #[must_use]
    pub fn new(status: StatusCode, code: Code, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), fields: BTreeMap::new(), headers: Vec::new() }
    }

    /// 404: there is no such thing, or it is somebody else's.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, "Not found")
    }

    /// 422: the request as a whole is wrong.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidRequest, detail)
    }

    /// 422: one field is wrong. For several use [`FieldErrors`].
    #[must_use]
    pub fn field(name: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        let mut error = Self::invalid(format!("{name}: {problem}"));
        error.fields.insert(name.to_owned(), problem);
        error
    }

    /// 409: the thing is in use, exists already, or changed.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Conflict, detail)
    }

    /// 401: nobody is signed in.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let detail = "Sign in, or send an API key as \"Authorization: Bearer <key>\"";
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, detail)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: this is for administrators.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, "Only an administrator may do this")
    }

    /// 403: the plan has no room for one more of a thing.
    #[must_use]
    pub fn plan_limit(current: Plan, thing: Limited, limit: u32) -> Self {
        let recommended = Plan::smallest_with(thing, limit.saturating_add(1));
        let noun = thing.noun();
        let detail = format!("The plan {current} allows {limit} {noun}; the plan {recommended} allows more");
        Self::new(StatusCode::FORBIDDEN, Code::PlanLimitReached, detail)
            .with_header(HeaderName::from_static("x-upgrade-required"), HeaderValue::from_static("true"))
            .with_header(
                HeaderName::from_static("x-current-tier"),
                HeaderValue::from_static(current.as_str()),
            )
            .with_header(
                HeaderName::from_static("x-recommended-tier"),
                HeaderValue::from_static(recommended.as_str()),
            )
    }

    /// 429: wait this many seconds.
    #[must_use]
    pub fn too_many_attempts(retry_after_s: u32) -> Self {
        let detail = format!("Too many attempts; try again in {retry_after_s} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyAttempts, detail)
            .with_header(RETRY_AFTER, HeaderValue::from(retry_after_s))
    }

    /// 503: more work is waiting than can be done in time.
    #[must_use]
    pub fn overloaded() -> Self {
        let detail = "Too much is waiting; nothing was changed, try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Overloaded, detail)
            .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// 500: the cause goes to the log and nowhere else.
    #[must_use]
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        let detail = "Something went wrong on our side; the server's log has the cause";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, detail)
    }

    /// The error with a header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<StoreError> for ApiError {
    /// For callers that expect nothing in particular; limits and taken names are theirs to explain better.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Taken(_) | StoreError::LimitReached { .. } | StoreError::InUse(_) => {
                Self::conflict(capitalized(&error.to_string()))
            }
            StoreError::RegistrationClosed => Self::new(
                StatusCode::FORBIDDEN,
                Code::RegistrationClosed,
                "This installation takes no new users; ask its administrator",
            ),
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause, "the store is unavailable");
                let detail = "The store cannot be reached now; nothing was changed, try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::StoreUnavailable, detail)
                    .with_header(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            StoreError::Corrupt(cause) => Self::internal(cause),
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body =
            ErrorBody { detail: self.detail, code: self.code.as_str().to_owned(), fields: self.fields };
        (self.status, AppendHeaders(self.headers), Json(body)).into_response()
    }
}

/// Collects what is wrong with a request's fields, so that one answer names all of it.
#[derive(Debug, Default)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// Notes a problem; a field's first one is kept.
    pub fn add(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.0.entry(field.into()).or_insert_with(|| problem.into());
    }

    /// Notes a problem where `fine` is false.
    pub fn check(&mut self, fine: bool, field: &str, problem: impl Into<String>) {
        if !fine {
            self.add(field, problem);
        }
    }

    /// Unwraps what was read of a field, or notes why it could not be read.
    pub fn take<T, E: std::fmt::Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        read.map_err(|problem| self.add(field, problem.to_string())).ok()
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Done: 422 where anything was wrong.
    ///
    /// # Errors
    /// The 422, with every field.
    pub fn into_result(self) -> ApiResult<()> {
        let Some((name, problem)) = self.0.first_key_value() else { return Ok(()) };
        let detail = match self.0.len() {
            1 => format!("{name}: {problem}"),
            count => format!("{count} fields are wrong: {}", join_names(&self.0)),
        };
        let mut error = ApiError::invalid(detail);
        error.fields = self.0;
        Err(error)
    }
}

fn join_names(fields: &BTreeMap<String, String>) -> String {
    fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl From<Vec<FieldError>> for FieldErrors {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors.into_iter().map(|error| (error.field, error.problem)).collect())
    }
}
