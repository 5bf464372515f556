//! Keys for programs.

use atomik_domain::ApiKeyId;
use atomik_ports::PageRequest;
use atomik_ports::directory::ApiKey;
use atomik_ports::store::MAX_PAGE;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{CurrentUser, tokens};
use crate::AppState;
use crate::api::format::optional_time;
use crate::api::refusals::{ActRefusals, ListRefusals};
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::extract::{ApiJson, ListOf, PageQuery, Paging, PathId};

/// How many keys a user may have.
const MAX_KEYS: usize = 100;
const MAX_NAME_CHARS: usize = 100;

pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(create_api_key, list_api_keys)).routes(routes!(delete_api_key))
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateApiKey)]
struct ApiKeyRequest {
    /// What to call it.
    #[schema(example = "backtester", min_length = 1, max_length = 100)]
    name: String,
}

/// An API key, without the key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
struct ApiKeyView {
    /// Its id.
    id: i64,
    /// What you call it.
    name: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last used, to the minute; null where it never was.
    #[schema(format = DateTime, required = true)]
    last_used_at: Option<String>,
}

impl From<&ApiKey> for ApiKeyView {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: key.id.0,
            name: key.name.clone(),
            created_at: key.created_at.to_rfc3339(),
            last_used_at: optional_time(key.last_used_at),
        }
    }
}

/// A new API key, with the key.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
struct NewApiKeyView {
    /// The key without the key.
    #[serde(flatten)]
    shown: ApiKeyView,
    /// The key. It is shown only here; send it as `Authorization: Bearer <key>`.
    #[schema(example = "atk_...")]
    key: String,
}

/// Make an API key
///
/// The answer is the only place that shows the key.
#[utoipa::path(
    post,
    path = "/api-keys",
    tag = "sign-in",
    request_body = ApiKeyRequest,
    responses(
        (status = CREATED, description = "The key.", body = NewApiKeyView),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "A write by cookie without its `X-CSRF-Token` (`csrf_required`).", body = ErrorBody),
        (status = CONFLICT, description = "You have 100 keys already (`conflict`).", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`fields` says what is wrong (`invalid_request`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn create_api_key(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<ApiKeyRequest>,
) -> ApiResult<(StatusCode, Json<NewApiKeyView>)> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(ApiError::field("name", format!("must have 1 to {MAX_NAME_CHARS} characters")));
    }
    let page = PageRequest { limit: MAX_PAGE, before: None };
    if state.store.api_keys(current.user.id, page).await?.items.len() >= MAX_KEYS {
        return Err(ApiError::conflict(format!("You have {MAX_KEYS} API keys already; revoke one first")));
    }
    let key = tokens::random_token(tokens::API_KEY_PREFIX)?;
    let hash = tokens::hash_of(key.expose_secret());
    let made = state.store.create_api_key(current.user.id, name.to_owned(), hash, state.now()).await?;
    let view = NewApiKeyView { shown: (&made).into(), key: key.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Your API keys, newest first
#[utoipa::path(
    get,
    path = "/api-keys",
    tag = "sign-in",
    params(PageQuery),
    responses((status = OK, description = "Your keys, without the keys.", body = ListOf<ApiKeyView>), ListRefusals)
)]
async fn list_api_keys(
    current: CurrentUser,
    State(state): State<AppState>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<ApiKeyView>>> {
    let keys = state.store.api_keys(current.user.id, page).await?;
    Ok(Json(ListOf::of(keys, |key| ApiKeyView::from(&key))))
}

/// Revoke an API key
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    tag = "sign-in",
    params(("id" = i64, Path, description = "The key.")),
    responses((status = NO_CONTENT, description = "It works no more."), ActRefusals)
)]
async fn delete_api_key(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    state.store.delete_api_key(current.user.id, ApiKeyId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
