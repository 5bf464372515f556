//! Positions of strategies, from their own fills.

use atomik_domain::PositionSide;
use atomik_ports::journal::PositionRecord;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::format::PositionSideWord;
use crate::api::refusals::ListRefusals;
use crate::api::trade_filter::TradeQuery;
use crate::auth::CurrentUser;
use crate::error::ApiResult;
use crate::extract::{ApiQuery, ListOf, PageQuery, Paging};

/// The routes under `/positions`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_positions))
}

/// What one strategy holds of one symbol.
#[derive(Serialize, ToSchema)]
#[schema(as = Position)]
pub struct PositionView {
    /// The strategy.
    pub strategy_id: i64,
    /// Where it is held.
    pub broker_account_id: i64,
    /// What is held.
    pub symbol: String,
    /// Which way it points.
    #[schema(value_type = PositionSideWord)]
    pub side: PositionSide,
    /// How much: positive is long, negative is short.
    pub net_qty: String,
    /// The average price of what is held; 0 when flat.
    pub avg_price: String,
    /// Profit locked in so far, before commission.
    pub realized_profit: String,
    /// Commission paid so far.
    pub commission: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl From<&PositionRecord> for PositionView {
    fn from(record: &PositionRecord) -> Self {
        let position = &record.position;
        Self {
            strategy_id: record.strategy_id.0,
            broker_account_id: record.broker_account_id.0,
            symbol: record.symbol.to_string(),
            side: position.side(),
            net_qty: position.net_qty.to_string(),
            avg_price: position.avg_price.to_string(),
            realized_profit: position.realized_profit.to_string(),
            commission: position.commission.to_string(),
            updated_at: record.updated_at.to_rfc3339(),
        }
    }
}

/// Your strategies' positions, flat ones too
///
/// One row a strategy and symbol. What a broker account holds in all is at
/// `/api/v1/broker-accounts/{id}/positions`.
#[utoipa::path(
    get,
    path = "/positions",
    tag = "trading",
    params(TradeQuery, PageQuery),
    responses((status = OK, description = "Positions.", body = ListOf<PositionView>), ListRefusals)
)]
async fn list_positions(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<PositionView>>> {
    let positions = state.store.positions(current.user.id, &trade.read()?, page).await?;
    Ok(Json(ListOf::of(positions, |record| PositionView::from(&record))))
}
