//! Other users, for administrators.

use std::str::FromStr;

use atomik_domain::tier::Subscription;
use atomik_domain::{Plan, Role, SubscriptionStatus, UserId};
use atomik_ports::directory::UserPatch;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{AdminUser, UserView};
use crate::error::{ApiResult, ErrorBody, FieldErrors};
use crate::extract::{ApiJson, ListOf, PageQuery, Paging, PathId};

/// The routes under `/api/v1/admin`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_users)).routes(routes!(change_user))
}

/// What changes of a user; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateUser)]
struct UserRequest {
    /// `free`, `starter`, `trader` or `unlimited`.
    plan: Option<String>,
    /// `active`, `trialing`, `past_due`, `suspended` or `canceled`.
    subscription_status: Option<String>,
    /// `trader` or `admin`.
    role: Option<String>,
    /// Whether they are shut out. Ends their sessions, and their webhooks stop.
    disabled: Option<bool>,
}

/// All users, newest first
#[utoipa::path(
    get,
    path = "/admin/users",
    tag = "administration",
    params(PageQuery),
    responses(
        (status = OK, description = "Users.", body = ListOf<UserView>),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "Not an administrator (`forbidden`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "A wrong `limit` or `cursor` (`invalid_request`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn list_users(
    _admin: AdminUser,
    State(state): State<AppState>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<UserView>>> {
    let users = state.store.users(page).await?;
    Ok(Json(ListOf::of(users, |user| UserView::from(&user))))
}

/// Change a user's plan, subscription, role or access
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    tag = "administration",
    params(("id" = i64, Path, description = "The user.")),
    request_body = UserRequest,
    responses(
        (status = OK, description = "The user as they are now.", body = UserView),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "Not an administrator (`forbidden`), or a write by cookie without its `X-CSRF-Token` (`csrf_required`).", body = ErrorBody),
        (status = NOT_FOUND, description = "There is no such user (`not_found`).", body = ErrorBody),
        (status = CONFLICT, description = "Nobody would be left to administer (`conflict`).", body = ErrorBody),
        (status = PAYLOAD_TOO_LARGE, description = "The body is larger than 64 KiB (`payload_too_large`).", body = ErrorBody),
        (status = UNPROCESSABLE_ENTITY, description = "`fields` says what is wrong (`invalid_request`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn change_user(
    AdminUser(admin): AdminUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<UserRequest>,
) -> ApiResult<Json<UserView>> {
    let id = UserId(id);
    let mut errors = FieldErrors::default();
    let plan = word::<Plan>(&mut errors, "plan", request.plan.as_deref());
    let status = word::<SubscriptionStatus>(
        &mut errors,
        "subscription_status",
        request.subscription_status.as_deref(),
    );
    let role = word::<Role>(&mut errors, "role", request.role.as_deref());
    errors.into_result()?;
    let before = state.store.user(id).await?;
    // A status that stays keeps its date, or setting `past_due` again would begin the days of grace again.
    let status = status.filter(|status| *status != before.subscription.status);
    let subscription = status.map(|status| Subscription { status, since: state.now() });
    let patch = UserPatch { plan, subscription, role, disabled: request.disabled };
    let user = state.store.update_user(id, patch).await?;
    if user.disabled {
        state.store.delete_other_sessions(id, None).await?;
    }
    state.engine.refresh().await?;
    tracing::info!(user_id = id.0, by = admin.id.0, "user changed by an administrator");
    Ok(Json(UserView::from(&user)))
}

fn word<T: FromStr<Err: std::fmt::Display>>(
    errors: &mut FieldErrors,
    field: &str,
    text: Option<&str>,
) -> Option<T> {
    text.and_then(|text| errors.take(field, text.parse()))
}
