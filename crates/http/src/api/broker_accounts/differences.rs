//! Where the books of an account differ from the broker's, and what a person may do about it.

use std::collections::BTreeMap;

use atomik_domain::{BrokerAccountId, SignalId, StrategyId, Symbol};
use atomik_engine::Difference;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::asking::ask;
use crate::api::refusals::{BrokerChangeRefusals, ReadRefusals};
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult, FieldErrors};
use crate::extract::{ApiJson, ListOf, PathId};

/// The routes under `/broker-accounts/{id}` about differences.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_differences)).routes(routes!(adopt_position))
}

/// A symbol in which our books and the broker's differ. Entries there are denied meanwhile; exits go on.
#[derive(Serialize, ToSchema)]
#[schema(as = Difference)]
struct DifferenceView {
    /// The symbol.
    symbol: String,
    /// What the account holds, of every origin: positive is long, negative is short.
    broker_net_qty: String,
    /// What your strategies hold there in all.
    strategies_net_qty: String,
    /// What each of them holds.
    strategies: Vec<HeldByStrategy>,
    /// What it means, in a sentence.
    detail: String,
}

/// What one strategy holds by our books.
#[derive(Serialize, ToSchema)]
struct HeldByStrategy {
    /// Which strategy.
    strategy_id: i64,
    /// What it holds.
    net_qty: String,
}

impl From<Difference> for DifferenceView {
    fn from(difference: Difference) -> Self {
        let (broker, ours) = (difference.broker_net_qty, difference.strategies_net_qty());
        let held = |(id, net_qty): (&StrategyId, _)| HeldByStrategy {
            strategy_id: id.0,
            net_qty: ToString::to_string(net_qty),
        };
        Self {
            detail: format!(
                "The account holds {broker} {symbol}, and the strategies there account for {ours}: something was traded \
                 there past Atomik, or was not reported yet.",
                symbol = difference.symbol
            ),
            strategies: difference.strategies.iter().map(held).collect(),
            symbol: difference.symbol.to_string(),
            broker_net_qty: broker.to_string(),
            strategies_net_qty: ours.to_string(),
        }
    }
}

/// Where an account's books differ from the broker's
///
/// Books are compared when the account connects and every 30 seconds.
#[utoipa::path(
    get,
    path = "/broker-accounts/{id}/differences",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = OK, description = "By symbol.", body = ListOf<DifferenceView>), ReadRefusals)
)]
async fn list_differences(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<ListOf<DifferenceView>>> {
    let account = state.store.broker_account(current.user.id, BrokerAccountId(id)).await?;
    let differences = state.engine.differences(account.id);
    Ok(Json(ListOf::whole(differences.into_iter().map(Into::into).collect())))
}

/// What a strategy is to take over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdoptPosition {
    /// In which symbol.
    symbol: String,
    /// Which strategy takes over what the others there do not explain; may be left out where there is only one.
    strategy_id: Option<i64>,
    /// Whether it is to exit it at once.
    #[serde(default)]
    flatten: bool,
}

/// The signals that will do it.
#[derive(Serialize, ToSchema)]
struct Adoption {
    /// First the one that takes the position over, then the one that exits it, where that was asked for.
    signal_ids: Vec<i64>,
}

/// Has a strategy take over what the broker holds
///
/// Its position becomes what the account holds less what other strategies hold there, at the broker's average price. With
/// `flatten` it is exited then. Both are signals like any other: this answers as soon as they are stored.
#[utoipa::path(
    post,
    path = "/broker-accounts/{id}/adopt",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    request_body = AdoptPosition,
    responses((status = ACCEPTED, description = "The signals.", body = Adoption), BrokerChangeRefusals)
)]
async fn adopt_position(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<AdoptPosition>,
) -> ApiResult<(StatusCode, Json<Adoption>)> {
    let account = state.store.broker_account(current.user.id, BrokerAccountId(id)).await?;
    let mut errors = FieldErrors::default();
    let symbol = Symbol::parse(&request.symbol).ok();
    errors.check(symbol.is_some(), "symbol", "is not a symbol".to_owned());
    let there = state.engine.strategies_on(account.id).into_iter();
    let there: BTreeMap<_, _> = there
        .filter(|strategy| Some(&strategy.symbol) == symbol.as_ref())
        .map(|strategy| (strategy.id, strategy.name.clone()))
        .collect();
    let chosen = match (request.strategy_id.map(StrategyId), there.len()) {
        (Some(id), _) => there.get_key_value(&id).map(|(id, _)| *id),
        (None, 1) => there.keys().next().copied(),
        (None, _) => None,
    };
    let names: Vec<_> = there.iter().map(|(id, name)| format!("{id} ({name})")).collect();
    let expected = match names.as_slice() {
        [] => "no strategy of yours trades this symbol on this account".to_owned(),
        names => format!("expected one of: {}", names.join(", ")),
    };
    errors.check(chosen.is_some(), "strategy_id", expected);
    errors.into_result()?;
    let (Some(strategy_id), Some(symbol)) = (chosen, symbol) else { return Err(ApiError::not_found()) };
    let avg_price = match state.engine.broker(account.id) {
        Some(broker) => {
            let held = ask(broker.positions()).await?;
            held.into_iter().find(|position| position.symbol == symbol).map(|position| position.avg_price)
        }
        None => None,
    };
    let user = current.user.id;
    let signals = state.engine.adopt(user, account.id, strategy_id, avg_price, request.flatten).await?;
    let signal_ids = signals.into_iter().map(|SignalId(id)| id).collect();
    Ok((StatusCode::ACCEPTED, Json(Adoption { signal_ids })))
}
