//! Who is asking: registration, log-in, sessions, API keys.

pub mod api_keys;
pub(crate) mod attempts;
mod cookie;
mod extract;
pub(crate) mod passwords;
mod registration;
mod sessions;
pub(crate) mod tokens;

pub use extract::{AdminUser, CurrentUser, Via};

pub(crate) use extract::still_signed_in;
pub(crate) use registration::{
    has_users, is_closed as registration_is_closed, normalized as normalized_email, problem_with_email,
};

use atomik_domain::User;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

/// The routes of sign-in.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().merge(registration::routes()).merge(sessions::routes()).merge(api_keys::routes())
}

/// A user as the API shows them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Their id.
    pub id: i64,
    /// Their address, lower case.
    pub email: String,
    /// `trader` or `admin`.
    #[schema(example = "trader")]
    pub role: &'static str,
    /// `free`, `starter`, `trader` or `unlimited`.
    #[schema(example = "free")]
    pub plan: &'static str,
    /// `active`, `trialing`, `past_due`, `suspended` or `canceled`.
    #[schema(example = "active")]
    pub subscription_status: &'static str,
    /// Whether an administrator has shut them out.
    pub disabled: bool,
    /// When they registered.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.clone(),
            role: user.role.as_str(),
            plan: user.plan.as_str(),
            subscription_status: user.subscription.status.as_str(),
            disabled: user.disabled,
            created_at: user.created_at.to_rfc3339(),
        }
    }
}
