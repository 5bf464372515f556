//! Every reason Atomik gives, with what it means and what to do.

use atomik_domain::Code;
use axum::Json;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::extract::ListOf;

/// The routes under `/api/v1/codes`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_codes))
}

/// A reason.
#[derive(Serialize, ToSchema)]
#[schema(as = CodeExplanation)]
struct CodeView {
    /// Its stable text.
    #[schema(example = "rate_limited")]
    code: &'static str,
    /// What it means, in a sentence.
    meaning: &'static str,
    /// What to do about it.
    remedy: &'static str,
}

/// Every code that answers, logs and outcomes carry, explained
///
/// The same for everybody and for a whole release, so it may be cached.
#[utoipa::path(
    get,
    path = "/codes",
    tag = "help",
    security(()),
    responses((status = OK, description = "All of them.", body = ListOf<CodeView>))
)]
async fn list_codes() -> impl IntoResponse {
    let view = |code: &Code| CodeView { code: code.as_str(), meaning: code.meaning(), remedy: code.remedy() };
    let codes = ListOf::whole(Code::ALL.iter().map(view).collect());
    ([(CACHE_CONTROL, "public, max-age=3600")], Json(codes))
}
