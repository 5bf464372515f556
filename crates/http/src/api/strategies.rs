//! Strategies: what a webhook's signals do on one broker account.

mod requests;
mod views;

use atomik_domain::tier::Limited;
use atomik_domain::{BrokerAccountId, Code, Instrument, Position, Qty, Strategy, StrategyId, Symbol, User};
use atomik_ports::broker::BrokerError;
use atomik_ports::directory::{NewStrategy, StrategyPatch};
use atomik_ports::history::TradeFilter;
use atomik_ports::{PageRequest, StoreError};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::asking::{PATIENCE, ask};
use crate::api::refusals::{ActRefusals, CreateRefusals, LimitedChangeRefusals, ListRefusals, ReadRefusals};
use crate::api::trade_filter::WebhookQuery;
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult, ErrorBody, FieldErrors};
use crate::extract::{ApiJson, ApiQuery, ListOf, PageQuery, Paging, PathId};

use requests::{CreateStrategy, UpdateStrategy};
use views::{StrategyDetail, StrategyView};

/// The routes under `/strategies`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_strategies, create_strategy)).routes(routes!(
        get_strategy,
        update_strategy,
        delete_strategy
    ))
}

/// Your strategies, newest first
#[utoipa::path(
    get,
    path = "/strategies",
    tag = "strategies",
    params(WebhookQuery, PageQuery),
    responses((status = OK, description = "Strategies.", body = ListOf<StrategyView>), ListRefusals)
)]
async fn list_strategies(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<WebhookQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<StrategyView>>> {
    let mut errors = FieldErrors::default();
    let webhook_id = query.read_into(&mut errors);
    errors.into_result()?;
    let strategies = state.store.strategies(current.user.id, webhook_id, page).await?;
    Ok(Json(ListOf::of(strategies, |strategy| StrategyView::from(&strategy))))
}

/// Makes a strategy
///
/// An active one runs every signal of its webhook from now on, and counts against the plan's limit.
#[utoipa::path(
    post,
    path = "/strategies",
    tag = "strategies",
    request_body = CreateStrategy,
    responses((status = CREATED, description = "The strategy.", body = StrategyDetail), CreateRefusals)
)]
async fn create_strategy(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<CreateStrategy>,
) -> ApiResult<(StatusCode, Json<StrategyDetail>)> {
    let mut errors = FieldErrors::default();
    let checked = request.check(&mut errors);
    let webhook = state.store.webhook(current.user.id, request.webhook()).await;
    own(webhook, "webhook_id", "webhook", &mut errors)?;
    let account = state.store.broker_account(current.user.id, request.broker_account()).await;
    let account = own(account, "broker_account_id", "broker account", &mut errors)?;
    let (Some(checked), Some(account)) = (checked, account) else {
        return Err(errors.into_result().err().unwrap_or_else(ApiError::not_found));
    };
    let instrument = known_instrument(&state, account.id, &checked.symbol, &mut errors).await;
    check_lot(instrument.as_ref(), checked.behavior.quantity, "quantity", &mut errors);
    errors.into_result()?;
    let strategy = NewStrategy {
        user_id: current.user.id,
        name: checked.name,
        webhook_id: request.webhook(),
        broker_account_id: account.id,
        symbol: checked.symbol,
        behavior: checked.behavior,
        active: checked.active,
        created_at: state.now(),
    };
    let limit = current.user.plan.limit_of(Limited::Strategies);
    let strategy = state.store.create_strategy(strategy, limit).await;
    let strategy = strategy.map_err(|error| explain_limit(error, &current.user))?;
    state.engine.refresh().await?;
    Ok((StatusCode::CREATED, Json(detail(&state, &strategy, instrument).await?)))
}

/// One strategy with its position
#[utoipa::path(
    get,
    path = "/strategies/{id}",
    tag = "strategies",
    params(("id" = i64, Path, description = "The strategy.")),
    responses((status = OK, description = "The strategy.", body = StrategyDetail), ReadRefusals)
)]
async fn get_strategy(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<StrategyDetail>> {
    let strategy = state.store.strategy(current.user.id, StrategyId(id)).await?;
    let instrument = instrument_of(&state, strategy.broker_account_id, &strategy.symbol).await;
    Ok(Json(detail(&state, &strategy, instrument).await?))
}

/// Changes a strategy
///
/// Fields that are left out stay as they are. Broker account and symbol never change: the position would stay behind.
/// Where `max_position` was the quantity, a new `quantity` takes it along.
#[utoipa::path(
    patch,
    path = "/strategies/{id}",
    tag = "strategies",
    params(("id" = i64, Path, description = "The strategy.")),
    request_body = UpdateStrategy,
    responses(
        (status = OK, description = "The strategy as it is now.", body = StrategyDetail),
        (status = CONFLICT, description = "Its webhook or broker account is gone (`conflict`).", body = ErrorBody),
        LimitedChangeRefusals,
    )
)]
async fn update_strategy(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<UpdateStrategy>,
) -> ApiResult<Json<StrategyDetail>> {
    let id = StrategyId(id);
    let before = state.store.strategy(current.user.id, id).await?;
    let mut errors = FieldErrors::default();
    let name = request.check_name(&mut errors);
    let behavior = request.check_behavior(&before.behavior, &mut errors);
    let webhook_id = request.webhook();
    if let Some(webhook_id) = webhook_id {
        own(state.store.webhook(current.user.id, webhook_id).await, "webhook_id", "webhook", &mut errors)?;
    }
    let instrument = instrument_of(&state, before.broker_account_id, &before.symbol).await;
    if let Some(behavior) = behavior.filter(|behavior| behavior.quantity != before.behavior.quantity) {
        check_lot(instrument.as_ref(), behavior.quantity, "quantity", &mut errors);
    }
    errors.into_result()?;
    let patch = StrategyPatch { name, webhook_id, behavior, active: request.active() };
    let limit = current.user.plan.limit_of(Limited::Strategies);
    let strategy = state.store.update_strategy(current.user.id, id, patch, limit).await;
    let strategy = strategy.map_err(|error| explain_limit(error, &current.user))?;
    state.engine.refresh().await?;
    Ok(Json(detail(&state, &strategy, instrument).await?))
}

/// Deletes a strategy
///
/// Refused while it has an order that is not final, holds a position (flatten it first) or works on a signal (pause
/// it and try again). On an account that was unlinked, only orders count.
#[utoipa::path(
    delete,
    path = "/strategies/{id}",
    tag = "strategies",
    params(("id" = i64, Path, description = "The strategy.")),
    responses(
        (status = NO_CONTENT, description = "It is deleted."),
        (
            status = CONFLICT,
            description = "It still holds a position (`position_open`), has an order or works on a signal (`conflict`).",
            body = ErrorBody
        ),
        ActRefusals,
    )
)]
async fn delete_strategy(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    let strategy = state.store.strategy(current.user.id, StrategyId(id)).await?;
    let held = !position_of(&state, &strategy).await?.net_qty.is_zero();
    let deleted = state.store.delete_strategy(strategy.user_id, strategy.id).await;
    deleted.map_err(|error| match error {
        StoreError::InUse(_) if held => ApiError { code: Code::PositionOpen, ..error.into() },
        other => other.into(),
    })?;
    state.engine.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a field refers to. Another user's thing is none: the answer tells nothing about it.
fn own<T>(
    found: Result<T, StoreError>,
    field: &str,
    noun: &str,
    errors: &mut FieldErrors,
) -> ApiResult<Option<T>> {
    match found {
        Ok(thing) => Ok(Some(thing)),
        Err(StoreError::NotFound) => {
            errors.add(field, format!("there is no such {noun}"));
            Ok(None)
        }
        Err(other) => Err(other.into()),
    }
}

/// The rules of a symbol's orders, where its broker can be asked. Nothing here depends on the broker being up.
async fn instrument_of(state: &AppState, account: BrokerAccountId, symbol: &Symbol) -> Option<Instrument> {
    ask(state.engine.broker(account)?.instrument(symbol)).await.ok()
}

/// The rules of a symbol that is about to be traded. A broker that does not answer now is believed to know it.
async fn known_instrument(
    state: &AppState,
    account: BrokerAccountId,
    symbol: &Symbol,
    errors: &mut FieldErrors,
) -> Option<Instrument> {
    let broker = state.engine.broker(account)?;
    match tokio::time::timeout(PATIENCE, broker.instrument(symbol)).await {
        Ok(Ok(instrument)) => Some(instrument),
        Ok(Err(BrokerError::UnknownSymbol(_))) => {
            errors.add("symbol", "the broker does not know it; search for it by the broker's own spelling");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

fn check_lot(instrument: Option<&Instrument>, quantity: Qty, field: &str, errors: &mut FieldErrors) {
    let Some(instrument) = instrument else { return };
    let lot = instrument.lot_size;
    let problem = format!("must be a multiple of {lot}, the lot size of {}", instrument.symbol);
    errors.check(quantity.floor_to_lot(lot) == quantity, field, problem);
}

async fn position_of(state: &AppState, strategy: &Strategy) -> ApiResult<Position> {
    let filter = TradeFilter {
        strategy_id: Some(strategy.id),
        symbol: Some(strategy.symbol.clone()),
        ..TradeFilter::default()
    };
    let page = PageRequest { limit: 1, before: None };
    let positions = state.store.positions(strategy.user_id, &filter, page).await?;
    Ok(positions.items.first().map(|record| record.position).unwrap_or_default())
}

async fn detail(
    state: &AppState,
    strategy: &Strategy,
    instrument: Option<Instrument>,
) -> ApiResult<StrategyDetail> {
    Ok(StrategyDetail::of(strategy, &position_of(state, strategy).await?, instrument))
}

fn explain_limit(error: StoreError, user: &User) -> ApiError {
    match error {
        StoreError::LimitReached { limit } => ApiError::plan_limit(user.plan, Limited::Strategies, limit),
        other => other.into(),
    }
}
