//! Instruments: what can be traded, and the rules of its orders.

use std::sync::Arc;

use atomik_domain::instrument::AssetClass;
use atomik_domain::{BrokerAccountId, BrokerId, Instrument, Symbol};
use atomik_ports::broker::BrokerError;
use atomik_ports::{Broker, BrokerConnector};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::asking::{ask, unavailable};
use crate::api::refusals::BrokerListRefusals;
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult, FieldErrors};
use crate::extract::{ApiQuery, ListOf};

/// The longest query, in characters.
const MAX_QUERY: usize = 100;
/// How many instruments are found where nobody says how many.
const DEFAULT_LIMIT: usize = 20;
/// The most instruments that are found at once.
const MAX_LIMIT: usize = 100;

/// The route `/instruments`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(find_instruments))
}

/// Something that can be traded.
#[derive(Serialize, ToSchema)]
#[schema(as = Instrument)]
pub struct InstrumentView {
    /// The broker's spelling.
    symbol: String,
    /// What orders in it go to where that is another symbol: the contract that a root or continuous symbol stands for now.
    contract: Option<String>,
    /// A name a person knows.
    name: String,
    /// `future`, `equity` or `crypto`.
    #[schema(value_type = String, example = "future")]
    asset_class: AssetClass,
    /// Where it trades.
    exchange: String,
    /// The currency of its prices.
    currency: String,
    /// Prices are multiples of this.
    tick_size: String,
    /// Quantities are multiples of this.
    lot_size: String,
    /// Money per point of price and unit of quantity.
    multiplier: String,
    /// `false` where the broker does not know the symbol and default rules stand in.
    known: bool,
}

impl From<Instrument> for InstrumentView {
    fn from(instrument: Instrument) -> Self {
        Self {
            symbol: instrument.symbol.to_string(),
            contract: instrument.contract.map(|contract| contract.to_string()),
            name: instrument.name,
            asset_class: instrument.asset_class,
            exchange: instrument.exchange,
            currency: instrument.currency,
            tick_size: instrument.tick_size.to_string(),
            lot_size: instrument.lot_size.to_string(),
            multiplier: instrument.multiplier.normalize().to_string(),
            known: instrument.known,
        }
    }
}

/// What is looked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InstrumentQuery {
    /// Words of the symbol or the name, in any case.
    #[param(max_length = 100)]
    #[serde(default)]
    query: String,
    /// At which broker; `paper` where it is left out.
    broker: Option<String>,
    /// What this account may trade, asked of its broker, in place of `broker`. Many brokers show their list to customers
    /// only.
    #[param(value_type = Option<i64>)]
    broker_account_id: Option<String>,
    /// How many, 1 to 100; 20 where it is left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    limit: Option<String>,
}

/// Finds instruments, best match first
#[utoipa::path(
    get,
    path = "/instruments",
    tag = "brokers",
    params(InstrumentQuery),
    responses((status = OK, description = "Instruments.", body = ListOf<InstrumentView>), BrokerListRefusals)
)]
async fn find_instruments(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<InstrumentQuery>,
) -> ApiResult<Json<ListOf<InstrumentView>>> {
    let (connector, account, limit) = query.read(&state)?;
    let words = query.query.trim();
    let found = match account {
        Some(id) => {
            let account = state.store.broker_account(current.user.id, id).await?;
            let status = || state.engine.account_status(account.id);
            let down = || status().detail.unwrap_or_else(|| "the account is not connected".to_owned());
            let broker = state.engine.broker(account.id).ok_or_else(|| unavailable(down()))?;
            ask(found_by(&*broker, words, limit)).await?
        }
        None => ask(connector.search_instruments(words, limit)).await?,
    };
    Ok(Json(ListOf::whole(found.into_iter().take(limit).map(InstrumentView::from).collect())))
}

/// What an account's broker finds, with the very symbol that was written in front: a root or continuous one is in no list.
async fn found_by(broker: &dyn Broker, words: &str, limit: usize) -> Result<Vec<Instrument>, BrokerError> {
    let mut found = broker.search_instruments(words, limit).await?;
    if let Ok(symbol) = Symbol::parse(words)
        && found.iter().all(|instrument| instrument.symbol != symbol)
    {
        match broker.instrument(&symbol).await {
            Ok(instrument) => found.insert(0, instrument),
            Err(BrokerError::UnknownSymbol(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

impl InstrumentQuery {
    fn read<'a>(
        &self,
        state: &'a AppState,
    ) -> ApiResult<(&'a Arc<dyn BrokerConnector>, Option<BrokerAccountId>, usize)> {
        let mut errors = FieldErrors::default();
        let fits = self.query.chars().count() <= MAX_QUERY;
        errors.check(fits, "query", format!("must have at most {MAX_QUERY} characters"));
        let limit = self.limit.as_deref().map_or(Some(DEFAULT_LIMIT), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
        errors.check(limit.is_some(), "limit", format!("must be a number from 1 to {MAX_LIMIT}"));
        let broker = BrokerId(self.broker.clone().unwrap_or_else(|| "paper".to_owned()));
        let connector = find_connector(state, &broker, &mut errors);
        let account = self.broker_account_id.as_deref().map(str::parse);
        errors.check(!matches!(account, Some(Err(_))), "broker_account_id", "must be an account's id");
        errors.into_result()?;
        let (connector, limit) = connector.zip(limit).ok_or_else(ApiError::not_found)?;
        Ok((connector, account.and_then(Result::ok).map(BrokerAccountId), limit))
    }
}

/// The connector of a broker, or a note in `errors` of which brokers there are.
pub fn find_connector<'a>(
    state: &'a AppState,
    broker: &BrokerId,
    errors: &mut FieldErrors,
) -> Option<&'a Arc<dyn BrokerConnector>> {
    let connectors = state.engine.connectors();
    let found = connectors.get(broker);
    if found.is_none() {
        let names: Vec<_> = connectors.keys().map(|name| name.0.as_str()).collect();
        errors.add("broker", format!("expected one of: {}", names.join(", ")));
    }
    found
}
