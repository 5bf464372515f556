//! `/v2`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use atomik_domain::UnixMicros;
use atomik_ports::Clock;
use atomik_ports::clock::SystemClock;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, body::Bytes};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Shared, lock, orders, words};
use crate::venues::exchange::{NewOrder, VenueOrder};
use crate::venues::faults::{Fault, StreamFault};
use crate::venues::server::{hang_up, never};

type Venue = State<Arc<Shared>>;
type Words = Query<BTreeMap<String, String>>;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v2/account", get(account))
        .route("/v2/clock", get(clock))
        .route("/v2/account/activities/FILL", get(fills))
        .route("/v2/orders", get(list_orders).post(place))
        .route("/v2/orders/{id}", get(order).delete(cancel))
        .route("/v2/orders:by_client_order_id", get(order_by_client_id))
        .route("/v2/positions", get(positions))
        .route("/v2/positions/{name}", get(position).delete(close))
        .route("/v2/assets", get(assets))
        .route("/v2/assets/{name}", get(asset))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, 40_410_000, "endpoint not found") })
        .layer(from_fn_with_state(Arc::clone(&shared), keys))
        .with_state(shared)
}

fn refuse(status: StatusCode, code: u32, message: impl Into<String>) -> Response {
    (status, Json(json!({"code": code, "message": message.into()}))).into_response()
}

fn not_found(what: &str) -> Response {
    refuse(StatusCode::NOT_FOUND, 40_410_000, format!("{what} not found"))
}

/// Nobody without keys.
async fn keys(State(shared): Venue, request: Request, next: Next) -> Response {
    if shared.walled.load(Ordering::SeqCst) {
        return (StatusCode::NOT_FOUND, "<html>no such page</html>").into_response();
    }
    let is_known = {
        let keys = lock(&shared.keys);
        let is = |name: &str, wanted: &str| request.headers().get(name).is_some_and(|value| value == wanted);
        is("apca-api-key-id", &keys.0) && is("apca-api-secret-key", &keys.1)
    };
    if is_known {
        next.run(request).await
    } else {
        refuse(StatusCode::UNAUTHORIZED, 40_110_000, "request is not authorized")
    }
}

async fn account(State(shared): Venue) -> Response {
    Json(words::account(&shared)).into_response()
}

async fn clock(State(shared): Venue) -> Response {
    let now = SystemClock.now();
    let opening = lock(&shared.opening).clone();
    let later = now.plus(3_600 * UnixMicros::SECOND).to_rfc3339();
    Json(json!({
        "timestamp": now.to_rfc3339(), "is_open": opening.is_none(),
        "next_open": opening.unwrap_or_else(|| later.clone()), "next_close": later,
    }))
    .into_response()
}

async fn fills(State(shared): Venue, Query(query): Words) -> Response {
    let hides = |left: u32| left.checked_sub(1);
    if shared.hidden.fetch_update(Ordering::SeqCst, Ordering::SeqCst, hides).is_ok() {
        return Json(json!([])).into_response();
    }
    let wanted = query.get("order_id");
    let mut all: Vec<Value> = Vec::new();
    for order in shared.exchange.orders() {
        if wanted.is_none_or(|wanted| *wanted == words::order_id(order.id)) {
            all.extend(order.executions.iter().map(|execution| words::fill(&order, execution)));
        }
    }
    all.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
    if query.get("direction").is_none_or(|direction| direction != "asc") {
        all.reverse();
    }
    if let Some(token) = query.get("page_token") {
        let last = all.iter().position(|fill| fill["id"] == *token);
        all.drain(..last.map_or(0, |last| last + 1));
    }
    all.truncate(query.get("page_size").and_then(|size| size.parse().ok()).unwrap_or(100));
    Json(Value::from(all)).into_response()
}

async fn list_orders(State(shared): Venue, Query(query): Words) -> Response {
    let status = query.get("status").map_or("open", String::as_str);
    let fits = |order: &&VenueOrder| match status {
        "all" => true,
        "closed" => order.status.is_final(),
        _ => !order.status.is_final(),
    };
    let all = shared.exchange.orders();
    let listed: Vec<_> = all.iter().rev().filter(fits).map(|order| words::order(&shared, order)).collect();
    Json(Value::from(listed)).into_response()
}

async fn order(State(shared): Venue, Path(id): Path<String>) -> Response {
    match words::number(&id).and_then(|id| shared.exchange.order(id)) {
        Some(order) => Json(words::order(&shared, &order)).into_response(),
        None => not_found("order"),
    }
}

async fn order_by_client_id(State(shared): Venue, Query(query): Words) -> Response {
    let id = query.get("client_order_id").map_or("", String::as_str);
    match shared.exchange.orders_of(id).first() {
        Some(order) => Json(words::order(&shared, order)).into_response(),
        None => not_found("order"),
    }
}

/// Takes an order and answers before it fills, as the venue does.
fn take(shared: &Shared, asked: NewOrder) -> Result<(u64, Value), orders::Refusal> {
    let mut asked = asked;
    if asked.client_order_id.is_empty() {
        asked.client_order_id = words::uuid(0xc11e_0001, shared.exchange.orders().len() as u64);
    }
    let order = shared.exchange.rest(asked).map_err(|refused| orders::refused(&refused))?;
    let mut said = words::order(shared, &order);
    said["status"] = json!("pending_new");
    Ok((order.id, said))
}

/// Coins are traded at all hours.
fn waits_for_opening(shared: &Shared, said: &Value) -> bool {
    said["asset_class"] == "us_equity" && lock(&shared.opening).is_some()
}

async fn place(State(shared): Venue, body: Bytes) -> Response {
    let fault = shared.script.next();
    match fault {
        Some(Fault::TimeoutThenAbsent) => return never().await,
        Some(Fault::DroppedBefore) => return hang_up(),
        Some(Fault::RateLimited) => {
            let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, 42_910_000, "rate limit exceeded");
            let reset = (SystemClock.now().0 / 1_000_000 + 2).to_string();
            response.headers_mut().insert("x-ratelimit-reset", reset.parse().expect("digits"));
            return response;
        }
        Some(Fault::Maintenance) => {
            return (StatusCode::SERVICE_UNAVAILABLE, "<html>maintenance</html>").into_response();
        }
        _ => {}
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return refuse(StatusCode::BAD_REQUEST, 40_010_000, "request body format is invalid");
    };
    let taken = orders::read(&shared, &body).and_then(|asked| take(&shared, asked));
    let (id, mut said) = match taken {
        Ok(taken) => taken,
        Err((status, code, message)) => return refuse(status, code, message),
    };
    match fault {
        Some(Fault::UnknownStatus) => {
            lock(&shared.odd).insert(id);
            said["status"] = json!(words::OF_TOMORROW);
            return Json(said).into_response();
        }
        Some(Fault::FillsBeforeCancel) => {
            lock(&shared.racing).insert(id);
        }
        _ if waits_for_opening(&shared, &said) => {}
        _ => shared.exchange.work(id),
    }
    if shared.is_disturbed(StreamFault::Early) {
        told(&shared, id).await;
    }
    match fault {
        Some(Fault::TimeoutThenFilled) => never().await,
        Some(Fault::DroppedAfter) => hang_up(),
        Some(Fault::ServerErrorAfter) => {
            refuse(StatusCode::INTERNAL_SERVER_ERROR, 50_010_000, "internal server error occurred")
        }
        Some(Fault::UnreadableSuccess) => (StatusCode::OK, "<html>").into_response(),
        _ => Json(said).into_response(),
    }
}

/// Waits until the stream has told everything about an order.
async fn told(shared: &Shared, id: u64) {
    let Some(order) = shared.exchange.order(id) else { return };
    let ended = order.status.is_final() && order.leaves() > Decimal::ZERO;
    let events = 1 + order.executions.len() + usize::from(ended);
    let mut told = shared.told.subscribe();
    let _ = told.wait_for(|told| told.get(&id).is_some_and(|count| *count >= events)).await;
}

async fn cancel(State(shared): Venue, Path(id): Path<String>) -> Response {
    let Some(order) = words::number(&id).and_then(|id| shared.exchange.order(id)) else {
        return not_found("order");
    };
    if lock(&shared.racing).remove(&order.id)
        && let Some(limit) = order.asked.limit_price
    {
        shared.exchange.move_price(&order.asked.symbol, limit);
    }
    match shared.exchange.cancel(order.id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => refuse(
            StatusCode::UNPROCESSABLE_ENTITY,
            42_210_000,
            "order is already in \"filled\" state or was canceled",
        ),
    }
}

async fn positions(State(shared): Venue) -> Response {
    let held = shared.exchange.held();
    let said: Vec<_> = held.iter().map(|(symbol, held)| words::position(&shared, symbol, held)).collect();
    Json(Value::from(said)).into_response()
}

async fn position(State(shared): Venue, Path(name): Path<String>) -> Response {
    let Some(listing) = shared.listing(&name) else { return not_found("asset") };
    match shared.exchange.held().get(&listing.symbol) {
        Some(held) => Json(words::position(&shared, &listing.symbol, held)).into_response(),
        None => refuse(StatusCode::NOT_FOUND, 40_410_000, "position does not exist"),
    }
}

async fn close(State(shared): Venue, Path(name): Path<String>) -> Response {
    let Some(listing) = shared.listing(&name) else { return not_found("asset") };
    let Some(held) = shared.exchange.held().get(&listing.symbol).copied() else {
        return refuse(StatusCode::NOT_FOUND, 40_410_000, "position does not exist");
    };
    let side = if held.qty > Decimal::ZERO { "sell" } else { "buy" };
    let body = json!({"symbol": listing.symbol, "qty": held.qty.abs().to_string(), "side": side, "type": "market",
        "time_in_force": if listing.crypto { "gtc" } else { "day" }});
    match orders::read(&shared, &body).and_then(|asked| take(&shared, asked)) {
        Ok((id, said)) => {
            shared.exchange.work(id);
            Json(said).into_response()
        }
        Err((status, code, message)) => refuse(status, code, message),
    }
}

async fn assets(State(shared): Venue, Query(query): Words) -> Response {
    let class = query.get("asset_class").map_or("us_equity", String::as_str);
    let listings = lock(&shared.listings);
    let numbered = listings.iter().enumerate().filter(|(_, one)| one.crypto == (class == "crypto"));
    let said: Vec<_> = numbered.map(|(number, listing)| words::asset(number, listing)).collect();
    Json(Value::from(said)).into_response()
}

async fn asset(State(shared): Venue, Path(name): Path<String>) -> Response {
    let Some(listing) = shared.listing(&name) else { return not_found(&format!("asset {name}")) };
    let listings = lock(&shared.listings);
    let number = listings.iter().position(|one| one.symbol == listing.symbol).unwrap_or_default();
    Json(words::asset(number, &listing)).into_response()
}
