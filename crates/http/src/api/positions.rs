//! Positions of strategies, from their own fills.

use atomik_domain::{Amount, PositionSide, UserId};
use atomik_engine::{LaneKey, Mark};
use atomik_ports::history::TradeFilter;
use atomik_ports::journal::PositionRecord;
use atomik_ports::{Page, PageRequest};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::exports::Listed;
use crate::api::format::PositionSideWord;
use crate::api::refusals::ListRefusals;
use crate::api::trade_filter::{OpenQuery, TradeQuery};
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
    /// What closing it at `mark_price` would lock in, in `currency`; 0 when flat, null where there is no such price.
    pub unrealized_profit: Option<String>,
    /// The broker's price now; null when flat, where the broker has none or does not answer at once, and in events.
    pub mark_price: Option<String>,
    /// As of when `mark_price` is.
    #[schema(format = DateTime)]
    pub marked_at: Option<String>,
    /// Whether `mark_price` is made up.
    pub simulated: Option<bool>,
    /// The currency prices are quoted in; null where `mark_price` is not asked for or the broker does not answer.
    pub currency: Option<String>,
    /// Money per point of price and unit of quantity; null like `currency`.
    pub multiplier: Option<String>,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

impl PositionView {
    /// A position, with what its venue says about the symbol now.
    fn marked(record: &PositionRecord, mark: Option<&Mark>) -> Self {
        let quote = mark.and_then(|mark| mark.quote.as_ref().map(|quote| (&mark.instrument, quote)));
        let unmarked = Self::from(record);
        let profit = quote.map(|(rules, quote)| record.position.unrealized_profit(rules, quote.price));
        Self {
            unrealized_profit: profit.map(|profit| profit.to_string()).or(unmarked.unrealized_profit),
            mark_price: quote.map(|(_, quote)| quote.price.to_string()),
            marked_at: quote.map(|(_, quote)| quote.at.to_rfc3339()),
            simulated: quote.map(|(_, quote)| quote.simulated),
            currency: mark.map(|mark| mark.instrument.currency.clone()),
            multiplier: mark.map(|mark| mark.instrument.multiplier.normalize().to_string()),
            ..unmarked
        }
    }
}

impl From<&PositionRecord> for PositionView {
    /// A position without a price of now: nobody is asked.
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
            unrealized_profit: position.net_qty.is_zero().then(|| Amount::ZERO.to_string()),
            mark_price: None,
            marked_at: None,
            simulated: None,
            currency: None,
            multiplier: None,
            updated_at: record.updated_at.to_rfc3339(),
        }
    }
}

impl Listed for PositionView {
    const LIST: &'static str = "positions";
    const COLUMNS: &'static [&'static str] = &[
        "strategy_id",
        "broker_account_id",
        "symbol",
        "side",
        "net_qty",
        "avg_price",
        "realized_profit",
        "commission",
        "unrealized_profit",
        "mark_price",
        "marked_at",
        "simulated",
        "currency",
        "multiplier",
        "updated_at",
    ];

    async fn page(
        state: &AppState,
        user_id: UserId,
        filter: &TradeFilter,
        page: PageRequest,
    ) -> ApiResult<Page<Self>> {
        let positions = state.store.positions(user_id, filter, page).await?;
        let open = positions.items.iter().filter(|record| !record.position.net_qty.is_zero());
        let marks = state.engine.marks(open.map(place).collect()).await;
        Ok(positions.map(|record| Self::marked(&record, marks.get(&place(&record)))))
    }
}

/// Your strategies' positions
///
/// One row a strategy and symbol, flat ones too unless `open` leaves them out. What a broker account holds in all is at
/// `/api/v1/broker-accounts/{id}/positions`. Prices are no older than two seconds; a broker that does not answer within
/// half a second holds nothing up, and its positions come without them.
#[utoipa::path(
    get,
    path = "/positions",
    tag = "trading",
    params(TradeQuery, OpenQuery, PageQuery),
    responses((status = OK, description = "Positions.", body = ListOf<PositionView>), ListRefusals)
)]
async fn list_positions(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(trade): ApiQuery<TradeQuery>,
    ApiQuery(open): ApiQuery<OpenQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<PositionView>>> {
    let filter = open.read_with(&trade)?;
    Ok(Json(ListOf::from(PositionView::page(&state, current.user.id, &filter, page).await?)))
}

/// Where a position is held.
fn place(record: &PositionRecord) -> LaneKey {
    LaneKey { broker_account_id: record.broker_account_id, symbol: record.symbol.clone() }
}
