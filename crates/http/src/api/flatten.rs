//! Getting out: of everything on an account, or of one strategy's position.

use atomik_domain::{BrokerAccountId, SignalId, StrategyId};
use atomik_engine::FlattenReport;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::ActRefusals;
use crate::auth::CurrentUser;
use crate::error::ApiResult;
use crate::extract::PathId;

/// The routes that flatten.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(flatten_account)).routes(routes!(flatten_strategy))
}

/// What flattening set off.
#[derive(Serialize, ToSchema)]
struct Flattening {
    /// One signal for each strategy that held a position; none where all were flat.
    signals: Vec<FlatteningSignal>,
}

/// A strategy's signal to exit everything.
#[derive(Serialize, ToSchema)]
struct FlatteningSignal {
    /// The strategy.
    strategy_id: i64,
    /// The signal: `/api/v1/signals/{id}` tells what came of it.
    signal_id: i64,
}

fn stored(report: FlattenReport) -> (StatusCode, Json<Flattening>) {
    let signal = |(strategy_id, signal_id): (StrategyId, SignalId)| FlatteningSignal {
        strategy_id: strategy_id.0,
        signal_id: signal_id.0,
    };
    let signals = report.signals.into_iter().map(signal).collect();
    (StatusCode::ACCEPTED, Json(Flattening { signals }))
}

/// Cancels the entries that wait at the broker on an account and exits every strategy's position there
///
/// The exits are signals like any other: this answers as soon as they are stored.
#[utoipa::path(
    post,
    path = "/broker-accounts/{id}/flatten",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = ACCEPTED, description = "The signals that will do it.", body = Flattening), ActRefusals)
)]
async fn flatten_account(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<(StatusCode, Json<Flattening>)> {
    Ok(stored(state.engine.flatten(current.user.id, BrokerAccountId(id), None).await?))
}

/// Cancels the entries that wait at the broker for a strategy and exits its position
///
/// The exit is a signal like any other: this answers as soon as it is stored. A flat strategy gets none.
#[utoipa::path(
    post,
    path = "/strategies/{id}/flatten",
    tag = "strategies",
    params(("id" = i64, Path, description = "The strategy.")),
    responses((status = ACCEPTED, description = "The signal that will do it.", body = Flattening), ActRefusals)
)]
async fn flatten_strategy(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<(StatusCode, Json<Flattening>)> {
    let strategy = state.store.strategy(current.user.id, StrategyId(id)).await?;
    let report = state.engine.flatten(current.user.id, strategy.broker_account_id, Some(strategy.id));
    Ok(stored(report.await?))
}
