//! Everything that speaks HTTP: the receiver, the dashboard's API, sign-in, events and the built-in pages.
//!
//! [`app`] puts it all together over an [`AppState`]. What a request may do is decided by the extractors in its handler's
//! arguments ([`auth::CurrentUser`], [`auth::AdminUser`]); what goes wrong leaves as an [`error::ApiError`].

#![allow(unused_qualifications)] // utoipa's attribute writes out the paths of what it is given

pub mod api;
pub mod auth;
pub mod client_ip;
pub mod dashboard;
mod elsewhere;
pub mod error;
pub mod events;
pub mod extract;
pub mod openapi;
pub mod pages;
pub mod provisioning;
pub mod serve;
mod shell;
pub mod state;
pub mod webhooks;

pub use state::{AppState, HttpSettings, PasswordCost};

use axum::Router;
use axum::middleware::from_fn_with_state;

/// The whole program's router.
pub fn app(state: AppState) -> Router {
    let (api, _) = openapi::api_router().split_for_parts();
    Router::new()
        .merge(api.route_layer(from_fn_with_state(state.clone(), elsewhere::hand_on)))
        .merge(openapi::routes())
        .merge(pages::routes())
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(shell::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), shell::dress))
        // Beside the layer, which costs boxes and copies: the receiver dresses its answers by itself.
        .merge(webhooks::routes())
        .with_state(state)
}
