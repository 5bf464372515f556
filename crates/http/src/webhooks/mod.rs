//! The receiver: `POST /api/v1/webhooks/{token}`.
//!
//! Transport's share of the checks is size, time and method; everything after it is the engine's, in the order
//! that the engine documents. The query holds a secret, so the URI appears in no log, span or error here.

mod answer;
mod body;
mod request;

use std::net::IpAddr;
use std::time::Instant;

use atomik_domain::{Code, UnixMicros};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::post;

use crate::openapi::RECEIVER_ROUTE;
use crate::state::AppState;
use crate::{client_ip, shell};
use answer::Refusal;

/// The receiver's route. The API's routes for the same path go beside it.
pub fn routes() -> Router<AppState> {
    Router::new().route(RECEIVER_ROUTE, post(receive))
}

async fn receive(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let began = Instant::now();
    // Boxed: it is large, and would be copied by everything that hands it on.
    let answering = Box::pin(run(&state, path, request));
    shell::dressed(&state, &Method::POST, Some(RECEIVER_ROUTE), began, answering).await
}

/// Receives an alert. The engine answers in time by itself: a limit here could tell the sender "not accepted" about a
/// signal that is just being stored.
async fn run(state: &AppState, path: Result<Path<String>, PathRejection>, request: Request) -> Response {
    let received_at = state.engine.now();
    // A path that is no text is no token.
    let Ok(Path(token)) = path else { return unknown_token().into_response() };
    let (parts, body) = request.into_parts();
    let remote_ip = client_ip::of_request(&parts, &state.settings.trusted_proxies);
    match request::read(parts, body, &token, remote_ip, received_at).await {
        Ok(inbound) => answer::respond(state.engine.receive(inbound).await),
        Err(refusal) => refuse(state, &token, remote_ip, received_at, refusal),
    }
}

/// Refuses an alert that was sent by another method than POST.
pub(crate) fn refuse_method(state: &AppState, token: &str, request: Request) -> Response {
    let received_at = state.engine.now();
    let refusal = Refusal::closing(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::MethodNotAllowed,
        "Method not allowed. Send the alert as a POST request",
    );
    let (parts, _) = request.into_parts();
    let remote_ip = client_ip::of_request(&parts, &state.settings.trusted_proxies);
    refuse(state, token, remote_ip, received_at, refusal)
}

fn unknown_token() -> Refusal {
    Refusal::closing(StatusCode::NOT_FOUND, Code::WebhookNotFound, "Webhook not found")
}

fn refuse(
    state: &AppState,
    token: &str,
    remote_ip: IpAddr,
    received_at: UnixMicros,
    refusal: Refusal,
) -> Response {
    state.engine.note_refusal(token, remote_ip, received_at, refusal.status.as_u16(), refusal.code);
    refusal.into_response()
}
