//! Orders: taken, asked about, listed, canceled.

use std::collections::BTreeMap;
use std::sync::Arc;

use atomik_domain::{OrderType, Side, TimeInForce};
use axum::extract::{Path, Query, State as Extracted};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::{NewOrder, Refused, VenueOrder};
use super::super::faults::{Fault, StreamFault};
use super::super::server::{hang_up, never};
use super::rest::closed;
use super::{Pending, Questions, Shared, words};

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/iserver/account/{account}/orders", post(place))
        .route("/iserver/reply/{id}", post(reply))
        .route("/iserver/account/{account}/order/{order}", delete(cancel))
        .route("/iserver/account/orders", get(list))
        .route("/iserver/account/trades", get(trades))
        .route("/iserver/account/trades/", get(trades))
        .route("/iserver/account/order/status/{order}", get(state))
}

fn refused(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": text}))).into_response()
}

/// Orders need the accounts to have been asked for.
fn not_yet(shared: &Shared) -> Option<Response> {
    if let Some(answer) = closed(shared) {
        return Some(answer);
    }
    let asked = shared.state().accounts_asked;
    (!asked).then(|| refused("Please query /accounts first"))
}

/// A number as it is written.
fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn read_ticket(shared: &Shared, ticket: &Value) -> Result<NewOrder, String> {
    let conid = ticket["conid"].as_i64().ok_or("conid is missing")?;
    let listing = shared.listing(conid).ok_or_else(|| format!("No trading permissions for {conid}."))?;
    if listing.kind == "FUT" && !ticket["manualIndicator"].is_boolean() {
        return Err("manualIndicator is required for US futures".to_owned());
    }
    let (price, aux) = (decimal(&ticket["price"]), decimal(&ticket["auxPrice"]));
    let missing = || "Invalid price".to_owned();
    let (order_type, limit_price, stop_price) = match ticket["orderType"].as_str().unwrap_or_default() {
        "MKT" => (OrderType::Market, None, None),
        "LMT" => (OrderType::Limit, Some(price.ok_or_else(missing)?), None),
        "STP" => (OrderType::Stop, None, Some(price.ok_or_else(missing)?)),
        "STOP_LIMIT" => {
            (OrderType::StopLimit, Some(price.ok_or_else(missing)?), Some(aux.ok_or_else(missing)?))
        }
        other => return Err(format!("Invalid order type {other}")),
    };
    for price in [limit_price, stop_price].into_iter().flatten() {
        if !(price % listing.tick).is_zero() {
            return Err(
                "The price does not conform to the minimum price variation for this contract.".to_owned()
            );
        }
    }
    Ok(NewOrder {
        client_order_id: ticket["cOID"].as_str().unwrap_or_default().to_owned(),
        symbol: conid.to_string(),
        side: match ticket["side"].as_str() {
            Some("BUY") => Side::Buy,
            Some("SELL") => Side::Sell,
            _ => return Err("Invalid side".to_owned()),
        },
        order_type,
        time_in_force: match ticket["tif"].as_str() {
            Some("DAY") => TimeInForce::Day,
            Some("GTC") => TimeInForce::Gtc,
            Some("IOC") => TimeInForce::Ioc,
            _ => return Err("Invalid time in force".to_owned()),
        },
        qty: decimal(&ticket["quantity"]).ok_or("Invalid quantity")?,
        limit_price,
        stop_price,
        reduce_only: false,
    })
}

fn duplicate(coid: &str) -> Response {
    refused(&format!("Order couldn't be submitted: Local order ID={coid} is already registered."))
}

async fn place(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(account): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    if let Some(answer) = not_yet(&shared) {
        return answer;
    }
    if !shared.state().accounts.contains(&account) {
        return refused(&format!("Invalid account {account}"));
    }
    let fault = shared.script.next();
    match fault {
        Some(Fault::TimeoutThenAbsent) => return never().await,
        Some(Fault::DroppedBefore) => return hang_up(),
        Some(Fault::ErrorInSuccess) => {
            let text = "We cannot accept an order at the limit price you selected.";
            return Json(json!({"error": text})).into_response();
        }
        Some(Fault::RateLimited) => {
            return (StatusCode::TOO_MANY_REQUESTS, Json(json!({"error": "Too many requests"})))
                .into_response();
        }
        Some(Fault::TokenExpired) => {
            if let Some(oauth) = &shared.oauth {
                oauth.expire();
            }
            return StatusCode::UNAUTHORIZED.into_response();
        }
        Some(Fault::Maintenance) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => {}
    }
    let asked = match read_ticket(&shared, &body["orders"][0]) {
        Ok(asked) => asked,
        Err(text) => return refused(&text),
    };
    let questions = shared.state().questions.clone();
    if questions.is_empty() {
        take(&shared, asked, fault).await
    } else {
        ask(&shared, asked, questions, fault)
    }
}

/// Asks the first of these questions; the order waits for the answer.
fn ask(shared: &Shared, asked: NewOrder, mut questions: Questions, fault: Option<Fault>) -> Response {
    let (message_id, text) = questions.remove(0);
    let mut state = shared.state();
    state.replies += 1;
    let id = format!("99097238-9824-4830-84ef-{:012}", state.replies);
    state.pending.insert(id.clone(), Pending { asked, rest: questions, fault });
    Json(json!([{"id": id, "message": [text], "isSuppressed": false, "messageIds": [message_id]}]))
        .into_response()
}

async fn reply(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let (pending, fault) = {
        let mut state = shared.state();
        (state.pending.remove(&id), state.reply_fault.take())
    };
    let Some(pending) = pending else { return refused("reply id not found") };
    if body["confirmed"] != json!(true) {
        shared.state().declined += 1;
        return Json(json!({"error": "Order not confirmed "})).into_response();
    }
    match fault {
        Some(Fault::TimeoutThenAbsent) => return never().await,
        Some(Fault::DroppedBefore) => return hang_up(),
        _ => {}
    }
    let fault = fault.or(pending.fault);
    if pending.rest.is_empty() {
        take(&shared, pending.asked, fault).await
    } else {
        ask(&shared, pending.asked, pending.rest, fault)
    }
}

async fn take(shared: &Shared, asked: NewOrder, fault: Option<Fault>) -> Response {
    let coid = asked.client_order_id.clone();
    let taken = if fault == Some(Fault::FillsBeforeCancel) {
        shared.exchange.rest(asked)
    } else {
        shared.exchange.place(asked)
    };
    let order = match taken {
        Ok(order) => order,
        Err(Refused::Duplicate(_)) => return duplicate(&coid),
        Err(Refused::Quantity) => {
            return refused("The quantity does not conform to the minimum size increment.");
        }
        Err(other) => return refused(&format!("{other:?}")),
    };
    {
        let mut state = shared.state();
        match fault {
            Some(Fault::UnknownStatus) => drop(state.odd.insert(order.id)),
            Some(Fault::FillsBeforeCancel) => drop(state.racing.insert(order.id)),
            _ => {}
        }
    }
    if shared.is_disturbed(StreamFault::Early) {
        told(shared, &order).await;
    }
    match fault {
        Some(Fault::TimeoutThenFilled) => never().await,
        Some(Fault::DroppedAfter) => hang_up(),
        Some(Fault::ServerErrorAfter) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": "internal server error"})))
                .into_response()
        }
        Some(Fault::UnreadableSuccess) => "<html>".into_response(),
        Some(Fault::UnknownStatus) => placed(&order, words::UNHEARD),
        _ => placed(&order, "PreSubmitted"),
    }
}

fn placed(order: &VenueOrder, status: &str) -> Response {
    let id = words::order_id(order.id).to_string();
    Json(json!([{"order_id": id, "order_status": status, "encrypt_message": "1"}])).into_response()
}

/// Waits until the stream told of everything that happened to an order.
async fn told(shared: &Shared, order: &VenueOrder) {
    let events =
        1 + order.executions.len() + usize::from(order.status.is_final() && order.executions.is_empty());
    let mut told = shared.told.subscribe();
    // An error is the venue's end.
    let _ = told.wait_for(|told| told.get(&order.id).is_some_and(|count| *count >= events)).await;
}

async fn cancel(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path((account, order)): Path<(String, String)>,
) -> Response {
    if let Some(answer) = not_yet(&shared) {
        return answer;
    }
    let absent = || Json(json!({"error": format!("OrderID {order} doesn't exist")})).into_response();
    let Some(id) = words::id_of(&order) else { return absent() };
    if shared.state().racing.remove(&id) {
        if let Some(resting) = shared.exchange.order(id) {
            let meets = resting.asked.limit_price.unwrap_or_default();
            shared.exchange.move_price(&resting.asked.symbol, meets);
        }
        return absent();
    }
    let Some(canceled) = shared.exchange.cancel(id) else { return absent() };
    let answer = json!({
        "msg": "Request was submitted", "order_id": order, "conid": canceled.asked.symbol, "account": account,
    });
    Json(answer).into_response()
}

async fn list(
    Extracted(shared): Extracted<Arc<Shared>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(answer) = not_yet(&shared) {
        return answer;
    }
    let forced = query.get("force").is_some_and(|force| force == "true");
    let whole = std::mem::replace(&mut shared.state().list_whole, true);
    if forced || !whole {
        return Json(json!({"orders": [], "snapshot": false})).into_response();
    }
    Json(json!({"orders": words::live_orders(&shared), "snapshot": true})).into_response()
}

async fn trades(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    not_yet(&shared).unwrap_or_else(|| Json(words::trades(&shared, true)).into_response())
}

async fn state(Extracted(shared): Extracted<Arc<Shared>>, Path(order): Path<String>) -> Response {
    if let Some(answer) = not_yet(&shared) {
        return answer;
    }
    let forgotten = shared.state().forgotten;
    let found = words::id_of(&order).filter(|id| *id > forgotten).and_then(|id| shared.exchange.order(id));
    let row = found.and_then(|order| {
        Some(words::order_state(&shared, &order, &shared.listing_of(&order.asked.symbol)?))
    });
    match row {
        Some(row) => Json(row).into_response(),
        // As the document has it, for orders of an earlier session.
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
