//! What the broker says about an account.

use std::sync::Arc;

use atomik_domain::{BrokerAccountId, PositionSide};
use atomik_ports::Broker;
use atomik_ports::broker::{Balance, VenuePosition};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::asking::{ask, unavailable};
use crate::api::format::PositionSideWord;
use crate::api::refusals::{ActRefusals, BrokerRefusals};
use crate::auth::CurrentUser;
use crate::error::ApiResult;
use crate::extract::{ListOf, PathId};

/// The routes under `/broker-accounts/{id}` that ask the broker.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(test_connection))
        .routes(routes!(account_positions))
        .routes(routes!(account_balance))
}

/// Whether an account's connection works.
#[derive(Serialize, ToSchema)]
struct ConnectionTest {
    /// Whether the broker answered.
    ok: bool,
    /// What it answered, or why it did not, in a sentence.
    detail: String,
}

/// What a broker account holds of one symbol, of every origin.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountPosition)]
struct AccountPositionView {
    /// What is held.
    symbol: String,
    /// Which way it points.
    #[schema(value_type = PositionSideWord)]
    side: PositionSide,
    /// How much: positive is long, negative is short.
    net_qty: String,
    /// The broker's average price.
    avg_price: String,
    /// The profit that closing it now would lock in; null where the broker has no price.
    unrealized_profit: Option<String>,
}

impl From<VenuePosition> for AccountPositionView {
    fn from(position: VenuePosition) -> Self {
        Self {
            symbol: position.symbol.to_string(),
            side: PositionSide::of(position.net_qty),
            net_qty: position.net_qty.to_string(),
            avg_price: position.avg_price.to_string(),
            unrealized_profit: position.unrealized_profit.map(|profit| profit.to_string()),
        }
    }
}

/// A broker account's money.
#[derive(Serialize, ToSchema)]
#[schema(as = Balance)]
struct BalanceView {
    /// The currency of every amount here.
    currency: String,
    /// Money, with profits realized and commissions paid.
    cash: String,
    /// Cash and the unrealized profit.
    equity: String,
    /// What may still be used to open positions.
    buying_power: String,
    /// Whether a simulated price went into the equity.
    simulated: bool,
}

impl From<Balance> for BalanceView {
    fn from(balance: Balance) -> Self {
        Self {
            currency: balance.currency,
            cash: balance.cash.to_string(),
            equity: balance.equity.to_string(),
            buying_power: balance.buying_power.to_string(),
            simulated: balance.simulated,
        }
    }
}

/// Whether an account's connection works now
///
/// A connection that is down is tried at once, for up to 15 seconds.
#[utoipa::path(
    post,
    path = "/broker-accounts/{id}/test-connection",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = OK, description = "Whether the broker answered.", body = ConnectionTest), ActRefusals)
)]
async fn test_connection(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<ConnectionTest>> {
    let account = state.store.broker_account(current.user.id, BrokerAccountId(id)).await?;
    let Some(broker) = state.engine.broker_now(account.id).await else {
        let status = state.engine.account_status(account.id);
        let detail = status.detail.unwrap_or_else(|| format!("the account is {}", status.state));
        return Ok(Json(ConnectionTest { ok: false, detail }));
    };
    Ok(Json(match ask(broker.balance()).await {
        Ok(balance) => {
            let (equity, currency) = (balance.equity, balance.currency);
            ConnectionTest { ok: true, detail: format!("Connected; the equity is {equity} {currency}.") }
        }
        Err(error) => ConnectionTest { ok: false, detail: error.detail },
    }))
}

/// What a broker account holds, of every origin
#[utoipa::path(
    get,
    path = "/broker-accounts/{id}/positions",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = OK, description = "Positions.", body = ListOf<AccountPositionView>), BrokerRefusals)
)]
async fn account_positions(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<ListOf<AccountPositionView>>> {
    let broker = connection(&state, &current, id).await?.map_err(unavailable)?;
    let positions = ask(broker.positions()).await?;
    Ok(Json(ListOf::whole(positions.into_iter().map(Into::into).collect())))
}

/// A broker account's money
#[utoipa::path(
    get,
    path = "/broker-accounts/{id}/balance",
    tag = "brokers",
    params(("id" = i64, Path, description = "The broker account.")),
    responses((status = OK, description = "The balance.", body = BalanceView), BrokerRefusals)
)]
async fn account_balance(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<Json<BalanceView>> {
    let broker = connection(&state, &current, id).await?.map_err(unavailable)?;
    Ok(Json(ask(broker.balance()).await?.into()))
}

/// The connection of one of the user's accounts, or a sentence on why there is none.
async fn connection(
    state: &AppState,
    current: &CurrentUser,
    id: i64,
) -> ApiResult<Result<Arc<dyn Broker>, String>> {
    let account = state.store.broker_account(current.user.id, BrokerAccountId(id)).await?;
    let status = || state.engine.account_status(account.id);
    let why = || status().detail.unwrap_or_else(|| format!("the account is {}", status().state));
    Ok(state.engine.broker(account.id).ok_or_else(why))
}
