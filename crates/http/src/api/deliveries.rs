//! Deliveries: a webhook's logs.

use atomik_domain::{Code, WebhookId};
use atomik_ports::history::{Delivery, DeliveryFilter};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::format::CodeWord;
use crate::api::refusals::SublistRefusals;
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult};
use crate::extract::{ApiQuery, ListOf, PageQuery, Paging, PathId};

/// The route `/webhooks/{id}/logs`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_deliveries))
}

/// One request to a webhook URL, whatever became of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// Its id.
    id: i64,
    /// When its first byte was seen.
    #[schema(format = DateTime)]
    received_at: String,
    /// Who sent it; null where no request did.
    remote_ip: Option<String>,
    /// The HTTP status of the answer.
    status: u16,
    /// What became of it.
    #[schema(value_type = CodeWord)]
    code: &'static str,
    /// What became of it, in a sentence.
    detail: String,
    /// The body with secrets masked; null where it was not read.
    payload: Option<String>,
    /// From the first byte to the record, in microseconds.
    duration_us: i64,
    /// The signal it became or repeated.
    signal_id: Option<i64>,
    /// How many requests like it were only counted before this row, because they came too fast to keep each.
    suppressed: u32,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.0,
            received_at: delivery.received_at.to_rfc3339(),
            remote_ip: delivery.remote_ip.map(|address| address.to_string()),
            status: delivery.status,
            code: delivery.code.as_str(),
            detail: delivery.detail,
            payload: delivery.payload,
            duration_us: delivery.duration_us,
            signal_id: delivery.signal_id.map(|id| id.0),
            suppressed: delivery.suppressed,
        }
    }
}

/// Which deliveries are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OutcomeQuery {
    /// `accepted`, `replayed`, `refused`, or any code such as `invalid_secret`; all where it is left out.
    outcome: Option<String>,
}

impl OutcomeQuery {
    fn read(&self) -> ApiResult<DeliveryFilter> {
        let Some(outcome) = self.outcome.as_deref() else { return Ok(DeliveryFilter::All) };
        match outcome {
            "accepted" => Ok(DeliveryFilter::Accepted),
            "replayed" => Ok(DeliveryFilter::Replayed),
            "refused" => Ok(DeliveryFilter::Refused),
            code => Code::parse(code).map(DeliveryFilter::Code).ok_or_else(|| {
                ApiError::field("outcome", "expected accepted, replayed, refused or one of /api/v1/codes")
            }),
        }
    }
}

/// A webhook's logs, newest first
///
/// Every request to the webhook's URL with its outcome. Refusals that come too fast are sampled: `suppressed` counts
/// the ones before a row that were not kept.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/logs",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook."), OutcomeQuery, PageQuery),
    responses((status = OK, description = "Deliveries.", body = ListOf<DeliveryView>), SublistRefusals)
)]
async fn list_deliveries(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiQuery(query): ApiQuery<OutcomeQuery>,
    Paging(page): Paging,
) -> ApiResult<Json<ListOf<DeliveryView>>> {
    let filter = query.read()?;
    let deliveries = state.store.deliveries(current.user.id, WebhookId(id), filter, page).await?;
    Ok(Json(ListOf::of(deliveries, DeliveryView::from)))
}
