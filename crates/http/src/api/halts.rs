//! Halts: standing orders not to trade.
//!
//! A halt stands until somebody lifts it here or on the command line: no timer and no program of ours ever does. Whoever
//! may act for the user may lift it, by session or by API key; who did is recorded.

use std::str::FromStr;

use atomik_domain::{Halt, HaltId, HaltMode, HaltScope, Role, User};
use atomik_ports::StoreError;
use atomik_ports::directory::NewHalt;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::api::format::{HaltModeWord, check_text};
use crate::api::refusals::{ActRefusals, ChangeRefusals};
use crate::auth::CurrentUser;
use crate::error::{ApiError, ApiResult, ErrorBody, FieldErrors};
use crate::extract::{ApiJson, ListOf, PathId};

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// The routes under `/halts`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_halts, declare_halt)).routes(routes!(lift_halt))
}

/// A halt in force.
#[derive(Serialize, ToSchema)]
#[schema(as = Halt)]
struct HaltView {
    /// Its id.
    id: i64,
    /// What it stops: `system`, `account` or `strategy`.
    #[schema(value_type = String, example = "account")]
    scope: &'static str,
    /// The id of the broker account or strategy it stops; null for the whole system.
    target_id: Option<i64>,
    /// How much it stops: `entries` lets exits run, `all` freezes everything.
    #[schema(value_type = HaltModeWord)]
    mode: HaltMode,
    /// Why.
    reason: String,
    /// The user who declared it; null where the program or its command line did.
    declared_by: Option<i64>,
    /// Since when.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<Halt> for HaltView {
    fn from(halt: Halt) -> Self {
        Self {
            id: halt.id.0,
            scope: halt.scope.as_str(),
            target_id: halt.scope.target_id(),
            mode: halt.mode,
            reason: halt.reason,
            declared_by: halt.user_id.map(|id| id.0),
            created_at: halt.created_at.to_rfc3339(),
        }
    }
}

/// A halt to be declared.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DeclareHalt {
    /// What it stops: `system` (administrators only), `account` or `strategy`.
    #[schema(example = "account")]
    scope: String,
    /// The id of the broker account or strategy; left out for the system.
    id: Option<i64>,
    /// How much it stops: `entries` lets exits run, `all` freezes everything.
    #[schema(value_type = HaltModeWord)]
    mode: String,
    /// Why: 1 to 500 characters. Denied orders say so.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

impl DeclareHalt {
    fn check(&self) -> ApiResult<(HaltScope, HaltMode, String)> {
        let mut errors = FieldErrors::default();
        let scope = HaltScope::parse(&self.scope, self.id);
        if scope.is_none() {
            match (self.scope.as_str(), self.id) {
                ("system", Some(_)) => errors.add("id", "the system has no id; leave it out"),
                ("account" | "strategy", None) => {
                    errors.add("id", format!("which {} is to be halted?", self.scope));
                }
                _ => errors.add("scope", "expected one of: system, account, strategy"),
            }
        }
        let mode = errors.take("mode", HaltMode::from_str(&self.mode));
        errors.check(!self.reason.trim().is_empty(), "reason", "must not be empty");
        let reason = check_text(&self.reason, MAX_REASON, "reason", &mut errors);
        errors.into_result()?;
        scope.zip(mode).map(|(scope, mode)| (scope, mode, reason)).ok_or_else(ApiError::not_found)
    }
}

/// The halts that concern you, newest first
///
/// Those of the whole system and those of your broker accounts and strategies; administrators see all.
#[utoipa::path(
    get,
    path = "/halts",
    tag = "halts",
    responses(
        (status = OK, description = "Halts in force.", body = ListOf<HaltView>),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached.", body = ErrorBody),
    )
)]
async fn list_halts(
    current: CurrentUser,
    State(state): State<AppState>,
) -> ApiResult<Json<ListOf<HaltView>>> {
    let mut views = Vec::new();
    for halt in state.store.halts().await? {
        if is_admin(&current.user) || concerns(&state, &current.user, halt.scope).await? {
            views.push(HaltView::from(halt));
        }
    }
    Ok(Json(ListOf::whole(views)))
}

/// Declares a halt. It works within a second and stands until it is lifted
#[utoipa::path(
    post,
    path = "/halts",
    tag = "halts",
    request_body = DeclareHalt,
    responses(
        (status = CREATED, description = "The halt.", body = HaltView),
        (status = FORBIDDEN, description = "Only administrators halt the system (`forbidden`), or `csrf_required`.", body = ErrorBody),
        (status = CONFLICT, description = "The same is halted in the same way already (`conflict`).", body = ErrorBody),
        ChangeRefusals,
    )
)]
async fn declare_halt(
    current: CurrentUser,
    State(state): State<AppState>,
    ApiJson(request): ApiJson<DeclareHalt>,
) -> ApiResult<(StatusCode, Json<HaltView>)> {
    let (scope, mode, reason) = request.check()?;
    allow(&state, &current.user, scope).await?;
    // One of a kind is enough, and keeps the list of halts as short as the list of things to halt.
    let standing = state.store.halts().await?;
    if standing.iter().any(|halt| halt.scope == scope && halt.mode == mode) {
        return Err(ApiError::conflict("The same is halted in the same way already"));
    }
    let user_id = Some(current.user.id);
    let halt = NewHalt { scope, mode, reason, user_id, created_at: state.now() };
    let halt = state.store.create_halt(halt).await?;
    state.engine.refresh().await?;
    Ok((StatusCode::CREATED, Json(halt.into())))
}

/// Lifts a halt
///
/// Only ever done by a request like this or on the command line, never by itself. What an administrator declared, only
/// administrators lift.
#[utoipa::path(
    delete,
    path = "/halts/{id}",
    tag = "halts",
    params(("id" = i64, Path, description = "The halt.")),
    responses(
        (status = NO_CONTENT, description = "It is lifted."),
        (status = FORBIDDEN, description = "An administrator has to lift it (`forbidden`), or `csrf_required`.", body = ErrorBody),
        ActRefusals,
    )
)]
async fn lift_halt(
    current: CurrentUser,
    State(state): State<AppState>,
    PathId(id): PathId,
) -> ApiResult<StatusCode> {
    let id = HaltId(id);
    let halts = state.store.halts().await?;
    let halt = halts.into_iter().find(|halt| halt.id == id).ok_or_else(ApiError::not_found)?;
    if !is_admin(&current.user) {
        allow(&state, &current.user, halt.scope).await?;
        if halt.user_id.is_some_and(|user_id| user_id != current.user.id) {
            return Err(ApiError::forbidden());
        }
    }
    state.store.lift_halt(id, Some(current.user.id), state.now()).await?;
    state.engine.refresh().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn is_admin(user: &User) -> bool {
    user.role == Role::Admin
}

/// Whether a user may halt or resume a scope: administrators everything that exists, others what is theirs.
async fn allow(state: &AppState, user: &User, scope: HaltScope) -> ApiResult<()> {
    match scope {
        HaltScope::System if is_admin(user) => Ok(()),
        HaltScope::System => Err(ApiError::forbidden()),
        scope if concerns(state, user, scope).await? => Ok(()),
        scope if is_admin(user) && exists(state, scope).await? => Ok(()),
        _ => Err(ApiError::not_found()),
    }
}

/// Whether anybody has what a scope names.
async fn exists(state: &AppState, scope: HaltScope) -> Result<bool, StoreError> {
    let all = state.store.snapshot().await?;
    Ok(match scope {
        HaltScope::System => true,
        HaltScope::Account(id) => all.broker_accounts.iter().any(|account| account.id == id),
        HaltScope::Strategy(id) => all.strategies.iter().any(|strategy| strategy.id == id),
    })
}

/// Whether a scope is the whole system or one of the user's own things.
pub(super) async fn concerns(state: &AppState, user: &User, scope: HaltScope) -> Result<bool, StoreError> {
    let found = match scope {
        HaltScope::System => return Ok(true),
        HaltScope::Account(id) => state.store.broker_account(user.id, id).await.map(|_| ()),
        HaltScope::Strategy(id) => state.store.strategy(user.id, id).await.map(|_| ()),
    };
    match found {
        Ok(()) => Ok(true),
        Err(StoreError::NotFound) => Ok(false),
        Err(other) => Err(other),
    }
}
