//! The overview: what happened since a moment, and what needs a look.

mod attention;

use std::collections::BTreeMap;

use atomik_domain::{Amount, Code, OutcomeStatus, UnixMicros};
use atomik_ports::overview::{AccountProfit, Happened};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::refusals::ListRefusals;
use crate::api::trade_filter::{read, read_time};
use crate::auth::CurrentUser;
use crate::error::{ApiResult, FieldErrors};
use crate::extract::ApiQuery;
use crate::pages::redis_word;

use attention::AttentionView;

/// How far back it looks where nobody says: a day.
const DEFAULT_SPAN_S: i64 = 24 * 3_600;

/// The route `/overview`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_overview))
}

/// What happened since a moment, and what needs a look.
#[derive(Serialize, ToSchema)]
#[schema(as = Overview)]
struct OverviewView {
    /// Since when it is counted.
    #[schema(format = DateTime)]
    since: String,
    /// Whether there was more than is counted: the newest 100,000 signals, deliveries and fills are.
    truncated: bool,
    /// Your signals.
    signals: SignalCounts,
    /// Requests to your webhooks.
    deliveries: DeliveryCounts,
    /// What your fills locked in, by currency.
    realized_profit: Vec<CurrencyProfit>,
    /// What needs a look, at most 50: first what holds now, then what happened, the newest first.
    attention: Vec<AttentionView>,
    /// Whether more than those need a look.
    attention_truncated: bool,
    /// How the program itself stands.
    system: SystemView,
}

/// How many signals stand how: each by its own `status`, that of the strategy that most needs a look.
#[derive(Serialize, ToSchema)]
struct SignalCounts {
    /// All of them.
    total: u64,
    /// Everything that was ordered filled.
    filled: u64,
    /// Part of what was ordered filled.
    partly_filled: u64,
    /// The rules asked for no order, or no strategy was active.
    skipped: u64,
    /// Atomik refused the order.
    denied: u64,
    /// The broker refused the order.
    rejected: u64,
    /// The order ended unfilled.
    expired: u64,
    /// Not proven.
    unknown: u64,
    /// Still being worked on.
    pending: u64,
}

impl SignalCounts {
    fn of(counts: &BTreeMap<OutcomeStatus, u64>) -> Self {
        let count = |status| counts.get(&status).copied().unwrap_or_default();
        Self {
            total: counts.values().sum(),
            filled: count(OutcomeStatus::Filled),
            partly_filled: count(OutcomeStatus::PartlyFilled),
            skipped: count(OutcomeStatus::Skipped),
            denied: count(OutcomeStatus::Denied),
            rejected: count(OutcomeStatus::Rejected),
            expired: count(OutcomeStatus::Expired),
            unknown: count(OutcomeStatus::Unknown),
            pending: count(OutcomeStatus::Pending),
        }
    }
}

/// What became of requests to webhooks.
#[derive(Serialize, ToSchema)]
struct DeliveryCounts {
    /// They became signals.
    accepted: u64,
    /// They repeated one, and traded nothing.
    replayed: u64,
    /// They were refused, those that came too fast to be logged among them.
    refused: u64,
    /// The refused ones by their codes.
    by_code: BTreeMap<&'static str, u64>,
}

impl DeliveryCounts {
    fn of(happened: &Happened) -> Self {
        let (mut replayed, mut by_code) = (0, BTreeMap::new());
        for group in &happened.others {
            match group.code {
                Code::Replayed => replayed += group.count,
                code => *by_code.entry(code.as_str()).or_default() += group.count,
            }
        }
        Self { accepted: happened.accepted, replayed, refused: by_code.values().sum(), by_code }
    }
}

/// What fills locked in, in one currency.
#[derive(Serialize, ToSchema)]
struct CurrencyProfit {
    /// The currency of the accounts; null where a broker has not said it yet.
    currency: Option<String>,
    /// Profit locked in, before commission.
    realized_profit: String,
    /// Commission paid.
    commission: String,
}

fn by_currency(profits: Vec<AccountProfit>) -> Vec<CurrencyProfit> {
    let mut sums: BTreeMap<Option<String>, (Amount, Amount)> = BTreeMap::new();
    for profit in profits {
        let sum = sums.entry(profit.currency).or_default();
        *sum = (sum.0 + profit.realized_profit, sum.1 + profit.commission);
    }
    let view = |(currency, (realized_profit, commission)): (_, (Amount, Amount))| CurrencyProfit {
        currency,
        realized_profit: realized_profit.to_string(),
        commission: commission.to_string(),
    };
    sums.into_iter().map(view).collect()
}

/// How the program itself stands.
#[derive(Serialize, ToSchema)]
#[schema(as = OverviewSystem)]
struct SystemView {
    /// Whether it can do its job.
    ready: bool,
    /// Whether the store can be written: `ok` or `unavailable`.
    #[schema(value_type = String, example = "ok")]
    store: &'static str,
    /// Where there is a Redis, whether it can be reached: `ok` or `away`. The program does its job without it.
    #[schema(value_type = Option<String>, example = "ok")]
    redis: Option<&'static str>,
    /// Whether every account's first comparison of books after the start has ended.
    books_reconciled: bool,
    /// Its version.
    version: &'static str,
}

/// Since when it is counted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SinceQuery {
    /// Since when, RFC 3339; the last 24 hours where it is left out. Orders whose fate is not proven are listed however
    /// old they are.
    since: Option<String>,
}

impl SinceQuery {
    fn read(&self, now: UnixMicros) -> ApiResult<UnixMicros> {
        let mut errors = FieldErrors::default();
        let since = read(&mut errors, "since", self.since.as_deref(), read_time);
        errors.into_result()?;
        Ok(since.unwrap_or(now.plus_seconds(-DEFAULT_SPAN_S)))
    }
}

/// What happened to your things since a moment, and what needs a look
#[utoipa::path(
    get,
    path = "/overview",
    tag = "trading",
    params(SinceQuery),
    responses((status = OK, description = "The overview.", body = OverviewView), ListRefusals)
)]
async fn get_overview(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiQuery(query): ApiQuery<SinceQuery>,
) -> ApiResult<Json<OverviewView>> {
    let since = query.read(state.now())?;
    let happened = state.store.happened(current.user.id, since).await?;
    let readiness = state.engine.readiness().await;
    let (attention, attention_truncated) = attention::gather(&state, &current.user, &happened).await?;
    Ok(Json(OverviewView {
        since: since.to_rfc3339(),
        truncated: happened.truncated,
        signals: SignalCounts::of(&happened.signals),
        deliveries: DeliveryCounts::of(&happened),
        attention,
        attention_truncated,
        realized_profit: by_currency(happened.profits),
        system: SystemView {
            ready: readiness.is_ready(),
            store: if readiness.store.is_ok() { "ok" } else { "unavailable" },
            redis: redis_word(&readiness),
            books_reconciled: readiness.books_reconciled,
            version: env!("CARGO_PKG_VERSION"),
        },
    }))
}
