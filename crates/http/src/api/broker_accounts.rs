//! Broker accounts: linked accounts and how they stand.

mod at_broker;
mod differences;
mod requests;
mod views;

use atomik_domain::tier::Limited;
use atomik_domain::{BrokerAccountId, User};
use atomik_ports::StoreError;
use atomik_ports::directory::NewBrokerAccount;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::{ActRefusals, ChangeRefusals, CreateRefusals, ListRefusals, ReadRefusals};
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult, ErrorBody};
use crate::extract::{ApiJson, ListOf, PageQuery, Paging, PathId};

use requests::{LinkBrokerAccount, UpdateBrokerAccount};
use views::BrokerAccountView;

/// The routes under `/broker-accounts`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_broker_accounts, link_broker_account))
        .routes(routes!(get_broker_account, update_broker_account, unlink_broker_account))
        .merge(at_broker::routes())
        .merge(differences::routes())
}

/// Your broker accounts, newest first
#[utoipa::path(
    get,
    path = "/broker-accounts",
    tag = "brokers",
    params(PageQuery),
    responses((status = OK, description = "Broker accounts.", body = ListOf<BrokerAccountView>), ListRefusals)
)]
async fn list_broker_accounts(
    current: CurrentUser,
    State(state): State<AppState>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<BrokerAccountView>>> {
    let accounts = state.store.broker_accounts(current.user.id, page).await?;
    Ok(Json(ListOf::of(accounts, |account| BrokerAccountView::of(account, &state))))
}

/// Links a broker account
#[utoipa::path(
    post,
    path = "/broker-accounts",
    tag = "brokers",
    request_body = LinkBrokerAccount,
    responses((status = CREATED, description = "The account.", body = BrokerAccountView), CreateRefusals)
)]
async fn link_broker_account(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<LinkBrokerAccount>,
) -> ApiResult<(StatusCode, Json<BrokerAccountView>)> {
    let checked = request.check(&state)?;
    let account = NewBrokerAccount {
        user_id: current.user.id,
        broker: checked.broker,
        environment: checked.environment,
        label: checked.label,
        settings: checked.settings,
        credentials: checked.credentials,
        created_at: state.now(),
    };
    let limit = current.user.plan.limit_of(Limited::BrokerAccounts);
    let account = state
        .store
        .create_broker_account(account, limit)
        .await
        .map_err(|error| explain_limit(error, &current.user))?;
    state.engine.refresh().await?;
    Ok((StatusCode::CREATED, Json(BrokerAccountView::of(account, &state))))
}

/// One broker account
#[utoipa::path(
    get,
    path = "/broker-accounts/{id}",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = OK, description = "The account.", body = BrokerAccountView), ReadRefusals)
)]
async fn get_broker_account(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<BrokerAccountView>> {
    let account = state.store.broker_account(current.user.id, BrokerAccountId(id)).await?;
    Ok(Json(BrokerAccountView::of(account, &state)))
}

/// Changes a broker account
///
/// Fields that are left out stay as they are; `settings` are replaced as a whole.
#[utoipa::path(
    patch,
    path = "/broker-accounts/{id}",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    request_body = UpdateBrokerAccount,
    responses((status = OK, description = "The account as it is now.", body = BrokerAccountView), ChangeRefusals)
)]
async fn update_broker_account(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<UpdateBrokerAccount>,
) -> ApiResult<Json<BrokerAccountView>> {
    let id = BrokerAccountId(id);
    let before = state.store.broker_account(current.user.id, id).await?;
    let patch = request.check(&before, &state)?;
    let account = state.store.update_broker_account(current.user.id, id, patch).await?;
    state.engine.refresh().await?;
    Ok(Json(BrokerAccountView::of(account, &state)))
}

/// Unlinks a broker account and pauses its strategies
///
/// Nothing is sent to the broker: what is held there stays there. Flatten the account first to leave nothing behind.
#[utoipa::path(
    delete,
    path = "/broker-accounts/{id}",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses(
        (status = NO_CONTENT, description = "It is unlinked."),
        (status = CONFLICT, description = "It has orders that are not final (`conflict`).", body = ErrorBody),
        ActRefusals,
    )
)]
async fn unlink_broker_account(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    state.store.delete_broker_account(current.user.id, BrokerAccountId(id)).await?;
    state.engine.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn explain_limit(error: StoreError, user: &User) -> ApiError {
    match error {
        StoreError::LimitReached { limit } => ApiError::plan_limit(user.plan, Limited::BrokerAccounts, limit),
        other => other.into(),
    }
}
