//! Webhooks: URLs, secrets and who may use them.

mod requests;
mod views;

use std::collections::HashMap;

use atomik_domain::tier::Limited;
use atomik_domain::webhook::{PreviousSecret, SecretHash};
use atomik_domain::{User, UserId, Webhook, WebhookId};
use atomik_ports::StoreError;
use atomik_ports::directory::{NewWebhook, WebhookPatch};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::{
    ActRefusals, AlertRefusals, ChangeRefusals, CreateRefusals, LimitedChangeRefusals, ListRefusals,
    ReadRefusals,
};
use crate::auth::{CurrentUser, tokens};
use crate::error::{ApiError, ApiResult};
use crate::extract::{ApiJson, ListOf, PageQuery, Paging, PathId};

use requests::{CreateWebhook, RotateSecret, UpdateWebhook};
use views::{WebhookActivityView, WebhookView, WebhookWithSecret};

/// How many hex digits a token has: 192 random bits.
const TOKEN_DIGITS: usize = 48;
/// How far back what came to a webhook is counted, in seconds: a day.
const ACTIVITY_S: i64 = 24 * 3_600;

/// The routes under `/webhooks`, but for the receiver's.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_webhooks, create_webhook))
        .routes(routes!(get_webhook, update_webhook, delete_webhook))
        .routes(routes!(rotate_secret))
}

/// Your webhooks, newest first
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    params(PageQuery),
    responses((status = OK, description = "Webhooks.", body = ListOf<WebhookView>), ListRefusals)
)]
async fn list_webhooks(
    current: CurrentUser,
    State(state): State<AppState>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<WebhookView>>> {
    let webhooks = state.store.webhooks(current.user.id, page).await?;
    let ids: Vec<_> = webhooks.items.iter().map(|webhook| webhook.id).collect();
    let mut activity = activity(&state, current.user.id, &ids).await?;
    let view = |webhook: Webhook| {
        let activity = activity.remove(&webhook.id).unwrap_or_default();
        WebhookView::of(&webhook, activity, &state)
    };
    Ok(Json(ListOf::of(webhooks, view)))
}

/// Makes an active webhook
///
/// The answer is the only one that holds the secret, alone and in the URL: it cannot be shown again, only rotated.
#[utoipa::path(
    post,
    path = "/webhooks",
    tag = "webhooks",
    request_body = CreateWebhook,
    responses((status = CREATED, description = "The webhook.", body = WebhookWithSecret), CreateRefusals)
)]
async fn create_webhook(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<CreateWebhook>,
) -> ApiResult<(StatusCode, Json<WebhookWithSecret>)> {
    let settings = request.check()?;
    let (secret, secret_hash) = new_secret()?;
    let webhook = NewWebhook {
        user_id: current.user.id,
        name: settings.name,
        description: settings.description,
        token: new_token()?,
        secret_hash,
        require_secret: settings.require_secret,
        allowed_ips: settings.allowed_ips,
        dedupe_window_s: settings.dedupe_window_s,
        created_at: state.now(),
    };
    let limit = current.user.plan.limit_of(Limited::Webhooks);
    let webhook = state
        .store
        .create_webhook(webhook, limit)
        .await
        .map_err(|error| explain_limit(error, &current.user))?;
    make_known(&state).await;
    // Nothing came to it yet, and no read stands between the secret and its only answer.
    let view = WebhookView::of(&webhook, WebhookActivityView::default(), &state);
    Ok((StatusCode::CREATED, Json(WebhookWithSecret::of(view, &secret))))
}

/// One webhook
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook.")),
    responses((status = OK, description = "The webhook.", body = WebhookView), ReadRefusals, AlertRefusals)
)]
async fn get_webhook(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<WebhookView>> {
    let webhook = state.store.webhook(current.user.id, WebhookId(id)).await?;
    Ok(Json(view(&state, &webhook).await?))
}

/// Changes a webhook
///
/// Fields that are left out stay as they are. Activating one obeys the plan's limit.
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook.")),
    request_body = UpdateWebhook,
    responses(
        (status = OK, description = "The webhook as it is now.", body = WebhookView),
        LimitedChangeRefusals,
        AlertRefusals
    )
)]
async fn update_webhook(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<UpdateWebhook>,
) -> ApiResult<Json<WebhookView>> {
    let patch = request.check()?;
    let limit = current.user.plan.limit_of(Limited::Webhooks);
    let webhook = state
        .store
        .update_webhook(current.user.id, WebhookId(id), patch, limit)
        .await
        .map_err(|error| explain_limit(error, &current.user))?;
    state.engine.refresh().await?;
    Ok(Json(view(&state, &webhook).await?))
}

/// Deletes a webhook
///
/// Its URL answers 404 from now on, and its strategies are paused. Its logs and signals stay as history.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook.")),
    responses((status = NO_CONTENT, description = "It is deleted."), ActRefusals, AlertRefusals)
)]
async fn delete_webhook(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    state.store.delete_webhook(current.user.id, WebhookId(id)).await?;
    state.engine.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a webhook's secret
///
/// The old secret works for `overlap_s` more, so that alerts can be changed over one by one; an older one than that
/// stops at once.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate-secret",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook.")),
    request_body = RotateSecret,
    responses((status = OK, description = "The webhook with its new secret.", body = WebhookWithSecret), ChangeRefusals)
)]
async fn rotate_secret(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<RotateSecret>,
) -> ApiResult<Json<WebhookWithSecret>> {
    let overlap_s = request.check()?;
    let id = WebhookId(id);
    let before = state.store.webhook(current.user.id, id).await?;
    // Read before the write: nothing that can fail stands between the new secret and its only answer.
    let activity = activity(&state, current.user.id, &[id]).await?.remove(&id).unwrap_or_default();
    let (secret, secret_hash) = new_secret()?;
    let previous = (overlap_s > 0).then(|| PreviousSecret {
        hash: before.secret_hash,
        valid_until: state.now().plus_seconds(i64::from(overlap_s)),
    });
    let patch = WebhookPatch { secret: Some((secret_hash, previous)), ..WebhookPatch::default() };
    // A new secret activates nothing, so no limit is in its way.
    let webhook = state.store.update_webhook(current.user.id, id, patch, None).await?;
    make_known(&state).await;
    Ok(Json(WebhookWithSecret::of(WebhookView::of(&webhook, activity, &state), &secret)))
}

/// Makes a new secret known to the receiver. Where that cannot be done now, the engine does it as soon as it can: nobody else
/// has the secret, so its only answer is not withheld for it.
async fn make_known(state: &AppState) {
    if let Err(error) = state.engine.refresh().await {
        tracing::warn!(%error, "a new secret is not known to the receiver yet");
    }
}

/// What came to webhooks.
async fn activity(
    state: &AppState,
    user_id: UserId,
    webhooks: &[WebhookId],
) -> ApiResult<HashMap<WebhookId, WebhookActivityView>> {
    let since = state.now().plus_seconds(-ACTIVITY_S);
    let activity = state.store.webhook_activity(user_id, webhooks, since).await?;
    Ok(activity.into_iter().map(|activity| (activity.webhook_id, activity.into())).collect())
}

/// A webhook with what came to it.
async fn view(state: &AppState, webhook: &Webhook) -> ApiResult<WebhookView> {
    let activity = activity(state, webhook.user_id, &[webhook.id]).await?.remove(&webhook.id);
    Ok(WebhookView::of(webhook, activity.unwrap_or_default(), state))
}

pub(crate) fn new_token() -> ApiResult<String> {
    Ok(tokens::random_token("")?.expose_secret().chars().take(TOKEN_DIGITS).collect())
}

pub(crate) fn new_secret() -> ApiResult<(SecretString, SecretHash)> {
    let secret = tokens::random_token("")?;
    let hash = tokens::hash_of(secret.expose_secret());
    Ok((secret, hash))
}

fn explain_limit(error: StoreError, user: &User) -> ApiError {
    match error {
        StoreError::LimitReached { limit } => ApiError::plan_limit(user.plan, Limited::Webhooks, limit),
        other => other.into(),
    }
}
