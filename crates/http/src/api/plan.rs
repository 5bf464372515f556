//! The signed-in user's plan, its limits, and how much of them is used.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::CurrentUser;
use crate::error::{ApiResult, ErrorBody};

/// The routes under `/api/v1/plan`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_plan))
}

/// A plan, its limits and their use.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView {
    /// `free`, `starter`, `trader` or `unlimited`.
    #[schema(example = "starter")]
    plan: &'static str,
    /// `active`, `trialing`, `past_due` (works for 7 more days), `suspended` or `canceled`.
    #[schema(example = "active")]
    status: &'static str,
    /// What the plan allows at once.
    limits: LimitsView,
    /// How much of it is used.
    usage: UsageView,
}

/// What a plan allows at once; null is no limit.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanLimits)]
struct LimitsView {
    /// Webhooks that are active.
    #[schema(required = true)]
    active_webhooks: Option<u32>,
    /// Linked broker accounts.
    #[schema(required = true)]
    broker_accounts: Option<u32>,
    /// Strategies that are active.
    #[schema(required = true)]
    active_strategies: Option<u32>,
}

/// How much of a plan is used.
#[derive(Serialize, ToSchema)]
#[schema(as = PlanUsage)]
struct UsageView {
    /// Webhooks that are active.
    active_webhooks: u32,
    /// Linked broker accounts.
    broker_accounts: u32,
    /// Strategies that are active.
    active_strategies: u32,
}

/// Your plan
#[utoipa::path(
    get,
    path = "/plan",
    tag = "account",
    responses(
        (status = OK, description = "The plan, its limits and their use.", body = PlanView),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn get_plan(current: CurrentUser, State(state): State<AppState>) -> ApiResult<Json<PlanView>> {
    let usage = state.store.usage(current.user.id).await?;
    let limits = current.user.plan.limits();
    Ok(Json(PlanView {
        plan: current.user.plan.as_str(),
        status: current.user.subscription.status.as_str(),
        limits: LimitsView {
            active_webhooks: limits.active_webhooks,
            broker_accounts: limits.broker_accounts,
            active_strategies: limits.active_strategies,
        },
        usage: UsageView {
            active_webhooks: usage.active_webhooks,
            broker_accounts: usage.broker_accounts,
            active_strategies: usage.active_strategies,
        },
    }))
}
