//! Fills.

use atomik_domain::order::PriceSource;
use atomik_domain::{Fill, Side, UserId};
use atomik_ports::history::TradeFilter;
use atomik_ports::{Page, PageRequest};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::exports::Listed;
use crate::api::format::{PriceSourceWord, SideWord};
use crate::api::refusals::ListRefusals;
use crate::api::trade_filter::TradeQuery;
use crate::auth::CurrentUser;
use crate::error::ApiResult;
use crate::extract::{ApiQuery, ListOf, PageQuery, Paging};

/// The routes under `/fills`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_fills))
}

/// A trade of one order.
#[derive(Serialize, ToSchema)]
#[schema(as = Fill)]
pub struct FillView {
    /// Its number in the list of fills; null inside events, where `exec_id` names it.
    pub id: Option<i64>,
    /// The venue's name for it; unique in its broker account.
    pub exec_id: String,
    /// Its order.
    pub client_order_id: String,
    /// The signal behind its order.
    pub signal_id: i64,
    /// The strategy whose position it changed.
    pub strategy_id: i64,
    /// Where it traded.
    pub broker_account_id: i64,
    /// What was traded.
    pub symbol: String,
    /// Which way.
    #[schema(value_type = SideWord)]
    pub side: Side,
    /// How much.
    pub last_qty: String,
    /// At what price.
    pub last_price: String,
    /// Where the price came from.
    #[schema(value_type = PriceSourceWord)]
    pub price_source: PriceSource,
    /// Whether the price was made up by the paper broker's simulated feed.
    pub simulated: bool,
    /// What the venue charged, a fee in kind at the value it had.
    pub commission: String,
    /// How much of what was traded the venue kept as its fee; the position holds so much less.
    pub fee_qty: String,
    /// The profit it locked in, before commission; 0 for fills that opened.
    pub realized_profit: String,
    /// The venue's time of the trade.
    #[schema(format = DateTime)]
    pub traded_at: String,
    /// When it arrived here.
    #[schema(format = DateTime)]
    pub recorded_at: String,
}

impl From<&Fill> for FillView {
    fn from(fill: &Fill) -> Self {
        let execution = &fill.execution;
        Self {
            id: None,
            exec_id: execution.exec_id.to_string(),
            client_order_id: fill.client_order_id.to_string(),
            signal_id: fill.signal_id.0,
            strategy_id: fill.strategy_id.0,
            broker_account_id: fill.broker_account_id.0,
            symbol: fill.symbol.to_string(),
            side: fill.side,
            last_qty: execution.last_qty.to_string(),
            last_price: execution.last_price.to_string(),
            price_source: execution.price_source,
            simulated: execution.price_source == PriceSource::Simulated,
            commission: execution.commission.to_string(),
            fee_qty: execution.fee_qty.to_string(),
            realized_profit: fill.realized_profit.to_string(),
            traded_at: execution.traded_at.to_rfc3339(),
            recorded_at: fill.recorded_at.to_rfc3339(),
        }
    }
}

impl From<(i64, &Fill)> for FillView {
    fn from((id, fill): (i64, &Fill)) -> Self {
        Self { id: Some(id), ..Self::from(fill) }
    }
}

impl Listed for FillView {
    const LIST: &'static str = "fills";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "exec_id",
        "client_order_id",
        "signal_id",
        "strategy_id",
        "broker_account_id",
        "symbol",
        "side",
        "last_qty",
        "last_price",
        "price_source",
        "simulated",
        "commission",
        "fee_qty",
        "realized_profit",
        "traded_at",
        "recorded_at",
    ];

    async fn page(
        state: &AppState,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> ApiResult<Page<Self>> {
        let fills = state.store.fills(user_id, filter, page).await?;
        Ok(fills.map(|(id, fill)| Self::from((id, &fill))))
    }
}

/// Your fills
#[utoipa::path(
    get,
    path = "/fills",
    tag = "trading",
    params(TradeQuery, PageQuery),
    responses((status = OK, description = "Fills.", body = ListOf<FillView>), ListRefusals)
)]
async fn list_fills(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<FillView>>> {
    Ok(Json(ListOf::from(FillView::page(&state, current.user.id, &trade.read()?, page).await?)))
}
