//! What a program must know of an installation before anybody has signed in.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::has_users;
use crate::error::{ApiResult, ErrorBody};

/// The routes under `/api/v1/system`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_system))
}

/// An installation, as anybody may see it.
#[derive(Serialize, ToSchema)]
#[schema(as = System)]
struct SystemView {
    /// The program's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Where people and alert sources reach it.
    #[schema(example = "https://atomik.example.com")]
    public_url: String,
    /// Who may register: `first_user`, `open` or `closed`.
    #[schema(example = "first_user")]
    registration: &'static str,
    /// Nobody has registered yet; whoever does becomes the administrator.
    first_user_missing: bool,
}

/// The installation: its version, its address, and who may register
#[utoipa::path(
    get,
    path = "/system",
    tag = "help",
    security(()),
    responses(
        (status = OK, description = "The installation.", body = SystemView),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn show_system(State(state): State<AppState>) -> ApiResult<Json<SystemView>> {
    Ok(Json(SystemView {
        version: env!("CARGO_PKG_VERSION"),
        public_url: state.settings.public_url.clone(),
        registration: state.settings.registration.as_str(),
        first_user_missing: !has_users(&state).await?,
    }))
}
