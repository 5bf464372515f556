//! Requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use atomik_domain::{OrderType, Side, TimeInForce};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::{NewOrder, Refused, VenueOrder};
use super::super::faults::{Fault, StreamFault};
use super::super::server::{hang_up, never};
use super::{ACCOUNT, SECOND_ACCOUNT, entities, socket};
use super::{
    CID, CLIENT_ID, CLIENT_SECRET, CODE, PASSWORD, REDIRECT_URI, REFRESH_TOKEN, SEC, USERNAME, Venue,
};

pub(super) fn router(venue: Arc<Venue>) -> Router {
    Router::new()
        .route("/v1/websocket", axum::routing::get(socket::upgrade))
        .fallback(answer)
        .with_state(venue)
}

fn ok(body: &Value) -> Response {
    ([("content-type", "application/json")], body.to_string()).into_response()
}

fn denied() -> Response {
    (StatusCode::UNAUTHORIZED, "Access is denied").into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, json!({"errorText": "Not found"}).to_string()).into_response()
}

async fn answer(
    State(venue): State<Arc<Venue>>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(path) = parts.uri.path().strip_prefix("/v1").map(str::to_owned) else { return not_found() };
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_post = parts.method == Method::POST;
    match path.as_str() {
        "/auth/accesstokenrequest" if is_post => return log_in(&venue, &body),
        "/auth/oauthtoken" if is_post => return oauth(&venue, &body),
        _ => {}
    }
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    if !venue.is_good(&token) {
        return denied();
    }
    match path.as_str() {
        "/auth/renewaccesstoken" => renew(&venue, &token),
        "/order/placeorder" if is_post => place(&venue, &body, &token).await,
        "/order/cancelorder" if is_post => cancel(&venue, &body),
        "/cashBalance/getcashbalancesnapshot" if is_post => ok(&venue.balance()),
        _ => look(&venue, &path, &query),
    }
}

fn log_in(venue: &Venue, body: &Value) -> Response {
    let penalty = venue.state().login_penalty.take();
    if let Some(seconds) = penalty {
        return ok(&json!({"p-ticket": "login-ticket", "p-time": seconds, "p-captcha": false}));
    }
    if let Some(words) = venue.state().login_error.clone() {
        return ok(&json!({"errorText": words}));
    }
    let is_right =
        body["name"] == USERNAME && body["password"] == PASSWORD && body["cid"] == CID && body["sec"] == SEC;
    if !is_right || body["deviceId"].as_str().is_none_or(str::is_empty) {
        return ok(
            &json!({"errorText": "Incorrect username or password. Please try again, noting that passwords are \
            case-sensitive."}),
        );
    }
    venue.state().logins += 1;
    ok(&token_answer(&venue.begin_session()))
}

fn token_answer(token: &str) -> Value {
    json!({
        "accessToken": token, "expirationTime": entities::stamp(entities::now() + 90 * 60_000), "userId": 77,
        "name": USERNAME, "userStatus": "Active", "hasLive": true,
    })
}

fn renew(venue: &Venue, token: &str) -> Response {
    let fresh = venue.begin_session();
    let mut state = venue.state();
    state.renewals += 1;
    // The same session goes on, with another token.
    state.sessions.retain(|old| old != token && *old != fresh);
    state.sessions.push_back(fresh.clone());
    ok(&token_answer(&fresh))
}

fn oauth(venue: &Venue, body: &Value) -> Response {
    let refused = |word: &str| {
        (
            StatusCode::BAD_REQUEST,
            json!({"error": word, "error_description": "The grant is not valid"}).to_string(),
        )
            .into_response()
    };
    if body["client_id"] != CLIENT_ID || body["client_secret"] != CLIENT_SECRET {
        return refused("invalid_client");
    }
    let by_code = body["grant_type"] == "authorization_code"
        && body["code"] == CODE
        && body["redirect_uri"] == REDIRECT_URI
        && !std::mem::replace(&mut venue.state().codes_used, true);
    let by_refresh = body["grant_type"] == "refresh_token" && body["refresh_token"] == REFRESH_TOKEN;
    if !by_code && !by_refresh {
        return refused("invalid_grant");
    }
    venue.state().logins += 1;
    let token = venue.begin_session();
    ok(&json!({
        "access_token": token, "token_type": "bearer", "expires_in": 4_800, "refresh_token": REFRESH_TOKEN,
        "refresh_token_expires_in": 86_400,
    }))
}

async fn place(venue: &Arc<Venue>, body: &Value, token: &str) -> Response {
    if let Some(answer) = penalized(venue, body) {
        return answer;
    }
    let failure = venue.state().failures.pop_front();
    if let Some(word) = failure {
        return ok(&json!({"failureReason": word, "failureText": "The fake venue was told to."}));
    }
    let with_ticket = body.get("p-ticket").is_some();
    let fault = if with_ticket { None } else { venue.script.next() };
    match fault {
        None | Some(Fault::FillsBeforeCancel | Fault::UnknownStatus) => take(venue, body, fault).await,
        Some(Fault::TimeoutThenFilled) => {
            take(venue, body, None).await;
            never().await
        }
        Some(Fault::TimeoutThenAbsent) => never().await,
        Some(Fault::DroppedBefore) => hang_up(),
        Some(Fault::DroppedAfter) => {
            take(venue, body, None).await;
            hang_up()
        }
        Some(Fault::ServerErrorAfter) => {
            take(venue, body, None).await;
            (StatusCode::INTERNAL_SERVER_ERROR, "internal timeout").into_response()
        }
        Some(Fault::ErrorInSuccess) => ok(
            &json!({"failureReason": "MaxPosLimitReached", "failureText": "The position limit is reached."}),
        ),
        Some(Fault::UnreadableSuccess) => {
            take(venue, body, None).await;
            (StatusCode::OK, "<html>accepted</html>").into_response()
        }
        Some(Fault::RateLimited) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Some(Fault::PenaltyTicket) => {
            let mut state = venue.state();
            state.penalty = Some(("order-ticket".to_owned(), body.clone()));
            let seconds = state.penalty_seconds;
            ok(&json!({"p-ticket": "order-ticket", "p-time": seconds, "p-captcha": state.penalty_captcha}))
        }
        Some(Fault::TokenExpired) => {
            venue.state().sessions.retain(|good| good != token);
            denied()
        }
        Some(Fault::Maintenance) => (StatusCode::SERVICE_UNAVAILABLE, "maintenance").into_response(),
    }
}

/// A ticket must be one that was given out, with the identical body.
fn penalized(venue: &Venue, body: &Value) -> Option<Response> {
    let ticket = body.get("p-ticket")?.as_str()?.to_owned();
    let mut plain = body.clone();
    plain.as_object_mut()?.remove("p-ticket");
    let mut state = venue.state();
    if state.penalty.take_if(|(known, first)| *known == ticket && *first == plain).is_some() {
        return None;
    }
    Some(ok(&json!({"p-ticket": "another-ticket", "p-time": 60, "p-captcha": false})))
}

async fn take(venue: &Arc<Venue>, body: &Value, fault: Option<Fault>) -> Response {
    let failed = |word: &str, text: &str| ok(&json!({"failureReason": word, "failureText": text}));
    let asked = match read(venue, body) {
        Ok(asked) => asked,
        Err((word, text)) => return failed(word, text),
    };
    let taken = match fault {
        Some(Fault::UnknownStatus) => venue.exchange.rest(asked),
        _ => venue.exchange.place(asked),
    };
    let order = match taken {
        Ok(order) => order,
        Err(Refused::UnknownSymbol) => return failed("InvalidContract", "No such contract"),
        Err(refused) => return failed("UnknownReason", &format!("{refused:?}")),
    };
    match fault {
        Some(Fault::UnknownStatus) => drop(venue.state().strange.insert(order.id)),
        Some(Fault::FillsBeforeCancel) => drop(venue.state().fills_first.insert(order.id)),
        _ => {}
    }
    if venue.is_disturbed(StreamFault::Early) {
        tokio::time::sleep(venue.early).await;
    } else {
        tokio::time::sleep(Duration::ZERO).await;
    }
    ok(&json!({"orderId": order.id}))
}

/// Reads an order; the venue's word and text where it cannot be one.
fn read(venue: &Venue, body: &Value) -> Result<NewOrder, (&'static str, &'static str)> {
    let accounts = [(ACCOUNT, "DEMO1201"), (SECOND_ACCOUNT, "DEMO1202")];
    let account =
        (body["accountId"].as_i64().unwrap_or_default(), body["accountSpec"].as_str().unwrap_or_default());
    if !accounts.contains(&account) {
        return Err(("Unauthorized", "Account and account spec do not fit"));
    }
    if body["isAutomated"] != true {
        return Err(("Unsupported", "Orders of programs must be marked"));
    }
    let symbol = venue.contract(body["symbol"].as_str().unwrap_or_default());
    let symbol = symbol.ok_or(("InvalidContract", "No such contract"))?.name.clone();
    let order_type = match body["orderType"].as_str() {
        Some("Market") => OrderType::Market,
        Some("Limit") => OrderType::Limit,
        Some("Stop") => OrderType::Stop,
        Some("StopLimit") => OrderType::StopLimit,
        _ => return Err(("Unsupported", "No such order type")),
    };
    let time_in_force = match body["timeInForce"].as_str() {
        None | Some("Day") => TimeInForce::Day,
        Some("GTC") => TimeInForce::Gtc,
        Some("IOC") => TimeInForce::Ioc,
        Some("FOK") => TimeInForce::Fok,
        _ => return Err(("Unsupported", "No such time in force")),
    };
    let decimal = |name: &str| body.get(name).and_then(|value| value.to_string().parse::<Decimal>().ok());
    let (limit_price, stop_price) = (decimal("price"), decimal("stopPrice"));
    let wants_limit = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
    let wants_stop = matches!(order_type, OrderType::Stop | OrderType::StopLimit);
    if limit_price.is_some() != wants_limit || stop_price.is_some() != wants_stop {
        return Err(("InvalidPrice", "A price is missing, or there is one too many"));
    }
    Ok(NewOrder {
        client_order_id: body["clOrdId"].as_str().unwrap_or_default().to_owned(),
        symbol,
        side: if body["action"] == "Buy" { Side::Buy } else { Side::Sell },
        order_type,
        time_in_force,
        qty: decimal("orderQty").unwrap_or_default(),
        limit_price,
        stop_price,
        reduce_only: false,
    })
}

fn cancel(venue: &Venue, body: &Value) -> Response {
    let id = body["orderId"].as_u64().unwrap_or_default();
    let fills_first = venue.state().fills_first.remove(&id);
    if let Some(order) = venue.exchange.order(id).filter(|_| fills_first) {
        let symbol = order.asked.symbol;
        let price = venue.exchange.market(&symbol).unwrap().price;
        venue.exchange.move_price(&symbol, order.asked.limit_price.unwrap_or(price));
        venue.exchange.move_price(&symbol, price);
    }
    match venue.exchange.cancel(id) {
        Some(order) => ok(&json!({"commandId": order.id + 4_000_000})),
        None => ok(&json!({"failureReason": "TooLate", "failureText": "Too late to cancel"})),
    }
}

fn look(venue: &Venue, path: &str, query: &HashMap<String, String>) -> Response {
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
    let order_of = |id: i64| u64::try_from(id).ok().and_then(|id| venue.exchange.order(id));
    let of_order = |of: &dyn Fn(&VenueOrder) -> Vec<Value>| {
        ok(&Value::from(order_of(number("masterid")).map(|order| of(&order)).unwrap_or_default()))
    };
    let found = |value: Option<Value>| value.map_or_else(not_found, |value| ok(&value));
    let name = query.get("name").map(String::as_str).unwrap_or_default();
    match path {
        "/account/list" => ok(&accounts(venue)),
        "/order/item" => found(order_of(number("id")).map(|order| venue.order(&order))),
        "/orderVersion/deps" => of_order(&|order| vec![venue.version(order)]),
        "/executionReport/deps" => of_order(&|order| venue.reports(order)),
        "/fill/deps" => {
            of_order(&|order| order.executions.iter().map(|one| venue.fill(order, one)).collect())
        }
        "/fillFee/deps" => ok(&fees(venue, number("masterid"))),
        "/command/list" => {
            let orders = venue.exchange.orders();
            ok(&orders.iter().map(|order| venue.command(order)).collect())
        }
        "/position/list" => ok(&Value::from(venue.positions())),
        "/contract/find" => found(venue.contract(name).map(entities::contract)),
        "/contract/items" => {
            let ids = query.get("ids").cloned().unwrap_or_default();
            let wanted: Vec<_> = ids.split(',').filter_map(|id| id.parse::<i64>().ok()).collect();
            ok(&venue
                .contracts
                .iter()
                .filter(|one| wanted.contains(&one.id))
                .map(entities::contract)
                .collect())
        }
        "/contract/suggest" => {
            let text = query.get("t").map(|text| text.to_uppercase()).unwrap_or_default();
            let fitting = venue.contracts.iter().filter(|one| one.name.starts_with(&text));
            ok(&fitting.take(number("l").try_into().unwrap_or_default()).map(entities::contract).collect())
        }
        "/product/find" => found(entities::product(name)),
        "/contractMaturity/deps" => ok(&Value::from(entities::maturities(number("masterid")))),
        "/exchange/list" => ok(&json!([{"id": 1, "name": "CME"}])),
        "/currency/list" => ok(&json!([{"id": 1, "name": "USD", "symbol": "$"}])),
        _ => not_found(),
    }
}

fn fees(venue: &Venue, fill_id: i64) -> Value {
    if venue.state().hides_fees {
        return json!([]);
    }
    let orders = venue.exchange.orders();
    let mut executions = orders.iter().flat_map(|order| &order.executions);
    let found = executions.find(|execution| i64::try_from(execution.id) == Ok(fill_id));
    Value::from(found.map(|execution| vec![venue.fee(execution)]).unwrap_or_default())
}

fn accounts(venue: &Venue) -> Value {
    let account = |id: i64, active: bool| {
        json!({
            "id": id, "name": format!("DEMO{id}"), "userId": 77, "accountType": "Customer", "active": active,
            "clearingHouseId": 1, "riskCategoryId": 1, "autoLiqProfileId": 1, "marginAccountType": "Speculator",
            "legalStatus": "Individual",
        })
    };
    json!([account(ACCOUNT, true), account(SECOND_ACCOUNT, venue.state().second_account)])
}
