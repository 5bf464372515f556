//! What a payload would do now, trading nothing.

use atomik_domain::{Action, Side, WebhookId};
use atomik_engine::{Explanation, StrategyExplanation};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::format::{ActionWord, CodeWord, SideWord};
use crate::api::refusals::ChangeRefusals;
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult};
use crate::extract::{ApiJson, PathId};

/// The route `/webhooks/{id}/explain`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(explain_payload))
}

/// A payload to be explained.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExplainPayload {
    /// The alert's message: a JSON object as it would be sent, or a string holding the raw text, valid or not.
    #[schema(value_type = Object, example = json!({"action": "BUY"}))]
    payload: Box<RawValue>,
}

impl ExplainPayload {
    /// The bytes that the receiver would see. An object's stay as they were written: parsing them first would hide what
    /// the receiver minds, such as a key that comes twice.
    fn into_bytes(self) -> ApiResult<Vec<u8>> {
        let text = self.payload.get();
        match text.as_bytes().first() {
            Some(b'{') => Ok(text.as_bytes().to_vec()),
            Some(b'"') => serde_json::from_str::<String>(text)
                .map(String::into_bytes)
                .map_err(|_| ApiError::field("payload", "is not valid Unicode text")),
            _ => Err(ApiError::field("payload", "expected an object, or a string with the raw message")),
        }
    }
}

/// What a payload means and what would come of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
struct ExplanationView {
    /// Whether the receiver would take the payload.
    valid: bool,
    /// Why not; null where it would.
    #[schema(value_type = Option<CodeWord>)]
    code: Option<&'static str>,
    /// Which way it points; null where it cannot be read.
    #[schema(value_type = Option<ActionWord>)]
    action: Option<Action>,
    /// The comment, as read.
    comment: Option<String>,
    /// What was read otherwise than it was written.
    notes: Vec<String>,
    /// All of it in plain English.
    sentence: String,
    /// What each active strategy would do.
    strategies: Vec<StrategyExplanationView>,
}

impl From<Explanation> for ExplanationView {
    fn from(explanation: Explanation) -> Self {
        Self {
            valid: explanation.valid,
            code: explanation.code.map(|code| code.as_str()),
            action: explanation.action,
            comment: explanation.comment,
            notes: explanation.notes,
            sentence: explanation.sentence,
            strategies: explanation.strategies.into_iter().map(StrategyExplanationView::from).collect(),
        }
    }
}

/// What one strategy would do.
#[derive(Serialize, ToSchema)]
#[schema(as = StrategyExplanation)]
struct StrategyExplanationView {
    /// The strategy.
    strategy_id: i64,
    /// Its name.
    name: String,
    /// Where it trades.
    broker_account_id: i64,
    /// What it trades.
    symbol: String,
    /// Its position now: positive is long, negative is short.
    net_qty: String,
    /// `enter`, `exit`, `reverse`, `skip` or `deny`.
    #[schema(value_type = String, example = "enter")]
    decision: &'static str,
    /// The order's side; null where nothing would be ordered.
    #[schema(value_type = Option<SideWord>)]
    side: Option<Side>,
    /// The (first) order's quantity; null where nothing would be ordered.
    order_qty: Option<String>,
    /// Why nothing would be ordered.
    #[schema(value_type = Option<CodeWord>)]
    code: Option<&'static str>,
    /// All of it in one English sentence.
    sentence: String,
}

impl From<StrategyExplanation> for StrategyExplanationView {
    fn from(explanation: StrategyExplanation) -> Self {
        Self {
            strategy_id: explanation.strategy_id.0,
            name: explanation.name,
            broker_account_id: explanation.broker_account_id.0,
            symbol: explanation.symbol.to_string(),
            net_qty: explanation.net_qty.to_string(),
            decision: explanation.decision,
            side: explanation.side,
            order_qty: explanation.order_qty.map(|qty| qty.to_string()),
            code: explanation.code.map(|code| code.as_str()),
            sentence: explanation.sentence,
        }
    }
}

/// What a payload would do now, as data and in plain English. Trades nothing
#[utoipa::path(
    post,
    path = "/webhooks/{id}/explain",
    tag = "webhooks",
    params(("id" = i64, Path, description = "The webhook.")),
    request_body = ExplainPayload,
    responses((status = OK, description = "The explanation.", body = ExplanationView), ChangeRefusals)
)]
async fn explain_payload(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
    ApiJson(request): ApiJson<ExplainPayload>,
) -> ApiResult<Json<ExplanationView>> {
    let body = request.into_bytes()?;
    let explanation = state.engine.explain(current.user.id, WebhookId(id), &body).await?;
    Ok(Json(explanation.into()))
}
