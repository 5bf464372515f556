//! The dashboard's REST, one file a resource.

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

pub mod admin;
pub mod asking;
pub mod broker_accounts;
pub mod brokers;
pub mod codes;
pub mod deliveries;
pub mod equity;
pub mod explain;
pub mod exports;
pub mod fills;
pub mod flatten;
pub mod format;
pub mod halts;
pub mod instruments;
pub mod nodes;
pub mod orders;
pub mod overview;
pub mod plan;
pub mod positions;
pub mod refusals;
pub mod signals;
pub mod strategies;
pub mod system;
pub mod trade_filter;
pub mod webhooks;

/// Everything under `/api/v1`.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().nest("/api/v1", resources())
}

fn resources() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(crate::auth::routes())
        .merge(crate::events::routes())
        .merge(admin::routes())
        .merge(nodes::routes())
        .merge(broker_accounts::routes())
        .merge(brokers::routes())
        .merge(codes::routes())
        .merge(deliveries::routes())
        .merge(equity::routes())
        .merge(explain::routes())
        .merge(exports::routes())
        .merge(fills::routes())
        .merge(flatten::routes())
        .merge(halts::routes())
        .merge(instruments::routes())
        .merge(orders::routes())
        .merge(overview::routes())
        .merge(plan::routes())
        .merge(positions::routes())
        .merge(signals::routes())
        .merge(strategies::routes())
        .merge(system::routes())
        .merge(webhooks::routes())
}
