//! Orders.

use std::str::FromStr;

use atomik_domain::{ClientOrderId, Order, OrderStatus, OrderType, Side, TimeInForce, UserId};
use atomik_ports::history::TradeFilter;
use atomik_ports::{Page, PageRequest};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::exports::Listed;
use crate::api::format::{OrderStatusWord, OrderTypeWord, SideWord, TimeInForceWord, optional_time};
use crate::api::refusals::{ListRefusals, ReadRefusals};
use crate::api::trade_filter::{StatusQuery, TradeQuery};
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult};
use crate::extract::{ApiQuery, ListOf, PageQuery, Paging};

/// The routes under `/api/v1/orders`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_orders)).routes(routes!(get_order))
}

/// An order.
#[derive(Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderView {
    /// Our name for it: 32 lowercase hex digits.
    pub client_order_id: String,
    /// The venue's name for it, once known.
    pub venue_order_id: Option<String>,
    /// The signal that caused it.
    pub signal_id: i64,
    /// The strategy that decided it.
    pub strategy_id: i64,
    /// Where it trades.
    pub broker_account_id: i64,
    /// Which of the strategy's orders for this signal, from 0.
    pub leg: u8,
    /// What it trades.
    pub symbol: String,
    /// Buy or sell.
    #[schema(value_type = SideWord)]
    pub side: Side,
    /// How it is priced.
    #[schema(value_type = OrderTypeWord)]
    pub order_type: OrderType,
    /// How long it lives.
    #[schema(value_type = TimeInForceWord)]
    pub time_in_force: TimeInForce,
    /// How much was ordered.
    pub order_qty: String,
    /// How much has filled.
    pub filled_qty: String,
    /// How much may still fill; 0 once the order is final.
    pub leaves_qty: String,
    /// For limit and stop-limit orders.
    pub limit_price: Option<String>,
    /// For stop and stop-limit orders.
    pub stop_price: Option<String>,
    /// The alert's own price, where it had one.
    pub reference_price: Option<String>,
    /// The average price of what has filled.
    pub avg_price: Option<String>,
    /// The average price against the alert's price, per unit: positive is worse for the trader, negative better.
    pub slippage: Option<String>,
    /// Whether it was made to shrink a position.
    pub reduce_only: bool,
    /// Where it stands.
    #[schema(value_type = OrderStatusWord)]
    pub status: OrderStatus,
    /// Why it was rejected, denied, expired or is unknown.
    pub reason: Option<String>,
    /// When its intent was decided.
    #[schema(format = DateTime)]
    pub planned_at: String,
    /// When it was handed to the broker.
    #[schema(format = DateTime)]
    pub sent_at: Option<String>,
    /// When the broker's answer arrived.
    #[schema(format = DateTime)]
    pub acknowledged_at: Option<String>,
    /// When its last fill arrived.
    #[schema(format = DateTime)]
    pub filled_at: Option<String>,
    /// When this record last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl From<&Order> for OrderView {
    fn from(order: &Order) -> Self {
        let request = &order.request;
        Self {
            client_order_id: request.client_order_id.to_string(),
            venue_order_id: order.venue_order_id.as_ref().map(ToString::to_string),
            signal_id: order.signal_id.0,
            strategy_id: order.strategy_id.0,
            broker_account_id: order.broker_account_id.0,
            leg: order.leg,
            symbol: request.symbol.to_string(),
            side: request.side,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            order_qty: request.order_qty.to_string(),
            filled_qty: order.filled_qty.to_string(),
            leaves_qty: order.leaves_qty().to_string(),
            limit_price: request.limit_price.map(|price| price.to_string()),
            stop_price: request.stop_price.map(|price| price.to_string()),
            reference_price: request.reference_price.map(|price| price.to_string()),
            avg_price: order.avg_price.map(|price| price.to_string()),
            slippage: slippage(order),
            reduce_only: request.reduce_only,
            status: order.status,
            reason: order.reason.clone(),
            planned_at: order.planned_at.to_rfc3339(),
            sent_at: optional_time(order.sent_at),
            acknowledged_at: optional_time(order.acknowledged_at),
            filled_at: optional_time(order.filled_at),
            updated_at: order.updated_at.to_rfc3339(),
        }
    }
}

impl Listed for OrderView {
    const LIST: &'static str = "orders";
    const COLUMNS: &'static [&'static str] = &[
        "client_order_id",
        "venue_order_id",
        "signal_id",
        "strategy_id",
        "broker_account_id",
        "leg",
        "symbol",
        "side",
        "order_type",
        "time_in_force",
        "order_qty",
        "filled_qty",
        "leaves_qty",
        "limit_price",
        "stop_price",
        "reference_price",
        "avg_price",
        "slippage",
        "reduce_only",
        "status",
        "reason",
        "planned_at",
        "sent_at",
        "acknowledged_at",
        "filled_at",
        "updated_at",
    ];

    async fn page(
        state: &AppState,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> ApiResult<Page<Self>> {
        let orders = state.store.orders(user_id, filter, page).await?;
        Ok(orders.map(|order| Self::from(&order)))
    }
}

/// A buyer is worse off above the alert's price, a seller below it.
fn slippage(order: &Order) -> Option<String> {
    let (filled, alert) = (order.avg_price?, order.request.reference_price?);
    let worse = match order.request.side {
        Side::Buy => filled - alert,
        Side::Sell => alert - filled,
    };
    Some(worse.to_string())
}

/// Your orders
#[utoipa::path(
    get,
    path = "/orders",
    tag = "trading",
    params(TradeQuery, StatusQuery, PageQuery),
    responses((status = OK, description = "Orders.", body = ListOf<OrderView>), ListRefusals)
)]
async fn list_orders(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    ApiQuery(status): ApiQuery<StatusQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<OrderView>>> {
    let filter = status.read_with(&trade)?;
    Ok(Json(ListOf::from(OrderView::page(&state, current.user.id, &filter, page).await?)))
}

/// One order
#[utoipa::path(
    get,
    path = "/orders/{id}",
    tag = "trading",
    params(("id" = String, Path, description = "The order's `client_order_id`.")),
    responses((status = OK, description = "The order.", body = OrderView), ReadRefusals)
)]
async fn get_order(
    current: CurrentUser,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> ApiResult<Json<OrderView>> {
    // What is no client order id names no order of anybody's.
    let id = ClientOrderId::from_str(&id).map_err(|_| ApiError::not_found())?;
    let order = state.store.order(current.user.id, id).await?;
    Ok(Json(OrderView::from(&order)))
}
