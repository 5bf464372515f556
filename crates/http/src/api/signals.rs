//! Signals: accepted deliveries, with all that came of them.

mod timeline;
mod views;

use atomik_domain::SignalId;
use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::{ListRefusals, ReadRefusals};
use crate::api::trade_filter::{SignalQuery, TradeQuery};
use crate::auth::CurrentUser;
use crate::error::ApiResult;
use crate::extract::{ApiQuery, ListOf, PageQuery, Paging, PathId};

use views::SignalView;

/// The routes under `/signals`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_signals)).routes(routes!(get_signal))
}

/// Your signals, each with all that came of it
#[utoipa::path(
    get,
    path = "/signals",
    tag = "trading",
    params(TradeQuery, SignalQuery, PageQuery),
    responses((status = OK, description = "Signals.", body = ListOf<SignalView>), ListRefusals)
)]
async fn list_signals(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    ApiQuery(query): ApiQuery<SignalQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<SignalView>>> {
    let signals = state.store.signals(current.user.id, &query.read_with(&trade)?, page).await?;
    Ok(Json(ListOf::of(signals, |record| SignalView::from(&record))))
}

/// One signal: what it said, and per strategy what came of it and when
#[utoipa::path(
    get,
    path = "/signals/{id}",
    tag = "trading",
    params(("id" = i64, Path, description = "The signal.")),
    responses((status = OK, description = "The signal.", body = SignalView), ReadRefusals)
)]
async fn get_signal(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<SignalView>> {
    let record = state.store.signal(current.user.id, SignalId(id)).await?;
    Ok(Json(SignalView::from(&record)))
}
