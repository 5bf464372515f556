//! What broker accounts were worth, over time.

use atomik_domain::BrokerAccountId;
use atomik_ports::overview::EquitySample;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::SublistRefusals;
use crate::api::trade_filter::{read, read_id, read_time};
use crate::auth::CurrentUser;
use crate::error::{ApiResult, FieldErrors};
use crate::extract::{ApiQuery, ListOf};

/// How many points of one account an answer has at most.
const MAX_POINTS: u32 = 1_000;

/// The route `/equity`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_equity))
}

/// What a broker account was worth at a moment.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityPoint)]
struct EquityPointView {
    /// The account.
    broker_account_id: i64,
    /// When the broker was asked.
    #[schema(format = DateTime)]
    at: String,
    /// The currency of the amounts.
    currency: String,
    /// Money, with profits realized and commissions paid.
    cash: String,
    /// Cash and the unrealized profit.
    equity: String,
    /// Whether a simulated price went into the equity.
    simulated: bool,
}

impl From<EquitySample> for EquityPointView {
    fn from(sample: EquitySample) -> Self {
        Self {
            broker_account_id: sample.broker_account_id.0,
            at: sample.at.to_rfc3339(),
            currency: sample.currency,
            cash: sample.cash.to_string(),
            equity: sample.equity.to_string(),
            simulated: sample.simulated,
        }
    }
}

/// Which points are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EquityQuery {
    /// Only those of one broker account.
    #[param(value_type = Option<i64>)]
    broker_account_id: Option<String>,
    /// Only those not before this moment, RFC 3339.
    since: Option<String>,
}

/// What your broker accounts were worth, by account, the oldest point first
///
/// Sampled every minute while an account is connected, and within ten seconds of a change of its positions. A balance that
/// stays as it is is written once an hour. Points of the last 7 days are kept, then the last of each hour for two years. An
/// account that has more than 1,000 gives the last one of each of 1,000 equal parts of the time. Never split into pages.
#[utoipa::path(
    get,
    path = "/equity",
    tag = "trading",
    params(EquityQuery),
    responses((status = OK, description = "Points.", body = ListOf<EquityPointView>), SublistRefusals)
)]
async fn list_equity(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<EquityQuery>,
) -> ApiResult<Json<ListOf<EquityPointView>>> {
    let mut errors = FieldErrors::default();
    let account = read_id(&mut errors, "broker_account_id", query.broker_account_id.as_deref());
    let since = read(&mut errors, "since", query.since.as_deref(), read_time);
    errors.into_result()?;
    let account = account.map(BrokerAccountId);
    let samples = state.store.equity(current.user.id, account, since, MAX_POINTS).await?;
    Ok(Json(ListOf::whole(samples.into_iter().map(EquityPointView::from).collect())))
}
