//! The session, contracts, positions and money.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State as Extracted};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::words::number;
use super::{Listing, SESSION, Shared};

type Asked = BTreeMap<String, String>;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/iserver/auth/status", post(status))
        .route("/iserver/auth/ssodh/init", post(init))
        .route("/tickle", post(tickle))
        .route("/iserver/accounts", get(accounts))
        .route("/iserver/account", post(select))
        .route("/portfolio/accounts", get(portfolio_accounts))
        .route("/portfolio/{account}/positions/invalidate", post(invalidate))
        .route("/portfolio/{account}/positions/{page}", get(positions))
        .route("/portfolio/{account}/summary", get(summary))
        .route("/trsrv/stocks", get(stocks))
        .route("/trsrv/futures", get(futures))
        .route("/iserver/secdef/search", get(search))
        .route("/iserver/contract/{conid}/info-and-rules", get(info))
        .route("/iserver/marketdata/snapshot", get(snapshot))
}

/// Nobody is signed in, or the trading session is not open.
pub(super) fn closed(shared: &Shared) -> Option<Response> {
    let state = shared.state();
    if shared.oauth.is_some() && state.signed_in && !state.authenticated {
        // As users of OAuth have reported: the token is good, and there is nothing behind it.
        let text = json!({"error": "Bad Request: no bridge", "statusCode": 400});
        return Some((StatusCode::BAD_REQUEST, Json(text)).into_response());
    }
    (!state.signed_in || !state.authenticated).then(|| StatusCode::UNAUTHORIZED.into_response())
}

fn signed_out(shared: &Shared) -> Option<Response> {
    (!shared.state().signed_in).then(|| StatusCode::UNAUTHORIZED.into_response())
}

fn standing(shared: &Shared) -> Value {
    let state = shared.state();
    json!({
        "authenticated": state.authenticated, "competing": state.competing, "connected": true,
        "established": state.authenticated, "message": "", "fail": "", "MAC": "12:B:B3:23:BF:A0",
        "serverInfo": {"serverName": "JifN19053", "serverVersion": "Build 10.25.0p"},
    })
}

async fn status(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    let asked = shared.state().session_asked;
    let nothing = (shared.oauth.is_some() && !asked).then(|| closed(&shared)).flatten();
    nothing.or_else(|| signed_out(&shared)).unwrap_or_else(|| Json(standing(&shared)).into_response())
}

async fn init(Extracted(shared): Extracted<Arc<Shared>>, Json(body): Json<Value>) -> Response {
    if let Some(answer) = signed_out(&shared) {
        return answer;
    }
    {
        let mut state = shared.state();
        state.session_asked = true;
        if !state.competing || body["compete"] == json!(true) {
            (state.authenticated, state.competing) = (true, false);
            // A new trading session knows nothing of what the last one was asked.
            state.accounts_asked = false;
        }
    }
    Json(standing(&shared)).into_response()
}

async fn tickle(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    if let Some(answer) = signed_out(&shared) {
        return answer;
    }
    let answer = json!({
        "session": SESSION, "ssoExpires": 460_311, "collission": false, "userId": 123_456_789,
        "hmds": {"error": "no bridge"}, "iserver": {"authStatus": standing(&shared)},
    });
    Json(answer).into_response()
}

async fn accounts(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    if let Some(answer) = closed(&shared) {
        return answer;
    }
    let mut state = shared.state();
    state.accounts_asked = true;
    let answer = json!({
        "accounts": state.accounts, "selectedAccount": state.account, "isPaper": state.account.starts_with('D'),
        "sessionId": "65ee8a41.0000001e",
    });
    Json(answer).into_response()
}

async fn select(Extracted(shared): Extracted<Arc<Shared>>, Json(body): Json<Value>) -> Response {
    if let Some(answer) = closed(&shared) {
        return answer;
    }
    let account = body["acctId"].as_str().unwrap_or_default().to_owned();
    let mut state = shared.state();
    if !state.accounts.contains(&account) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    state.account.clone_from(&account);
    Json(json!({"set": true, "acctId": account})).into_response()
}

async fn portfolio_accounts(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    if let Some(answer) = signed_out(&shared) {
        return answer;
    }
    let mut state = shared.state();
    state.portfolio_asked = true;
    let rows: Vec<_> = state
        .accounts
        .iter()
        .map(|account| json!({"id": account, "accountId": account, "currency": "USD"}))
        .collect();
    Json(rows).into_response()
}

fn no_portfolio(shared: &Shared) -> Option<Response> {
    if let Some(answer) = signed_out(shared) {
        return Some(answer);
    }
    let asked = shared.state().portfolio_asked;
    (!asked).then(|| {
        (StatusCode::BAD_REQUEST, Json(json!({"error": "Please query /portfolio/accounts first"})))
            .into_response()
    })
}

async fn invalidate(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    shared.state().positions = None;
    no_portfolio(&shared).unwrap_or_else(|| Json(json!({"message": "success"})).into_response())
}

async fn positions(
    Extracted(shared): Extracted<Arc<Shared>>,
    Path((account, page)): Path<(String, usize)>,
) -> Response {
    if let Some(answer) = no_portfolio(&shared) {
        return answer;
    }
    let remembered = shared.state().positions.clone();
    let rows = remembered.unwrap_or_else(|| {
        let held = shared.exchange.held();
        let rows = held.iter().filter_map(|(symbol, held)| {
            let listing = shared.listing_of(symbol)?;
            let price = shared.exchange.market(symbol)?.price;
            let multiplier = Decimal::from(listing.multiplier.max(1));
            Some(json!({
                "acctId": account, "conid": listing.conid, "contractDesc": listing.local, "position": number(held.qty),
                "mktPrice": number(price), "mktValue": number(price * held.qty * multiplier), "currency": "USD",
                "avgCost": number(held.avg_price * multiplier), "avgPrice": number(held.avg_price),
                "realizedPnl": 0.0, "unrealizedPnl": number((price - held.avg_price) * held.qty * multiplier),
                "assetClass": listing.kind, "ticker": listing.symbol, "multiplier": listing.multiplier,
            }))
        });
        Value::Array(rows.collect())
    });
    shared.state().positions = Some(rows.clone());
    let rows = rows.as_array().cloned().unwrap_or_default();
    Json(rows.into_iter().skip(page * 100).take(100).collect::<Vec<_>>()).into_response()
}

/// Cash is recognized when a share is traded, and a future's profit when it is made.
async fn summary(Extracted(shared): Extracted<Arc<Shared>>) -> Response {
    if let Some(answer) = no_portfolio(&shared) {
        return answer;
    }
    let (mut cash, worth) = (shared.exchange.cash(), shared.exchange.cash() + shared.exchange.unrealized());
    for (symbol, held) in shared.exchange.held() {
        let (Some(listing), Some(market)) = (shared.listing_of(&symbol), shared.exchange.market(&symbol))
        else {
            continue;
        };
        if listing.kind == "FUT" {
            cash += (market.price - held.avg_price) * held.qty * market.multiplier;
        } else {
            cash -= held.avg_price * held.qty;
        }
    }
    let figure = |amount: Decimal| {
        json!({"amount": number(amount), "currency": "USD", "isNull": false, "severity": 0,
               "timestamp": 1_712_156_105_000_i64, "value": null})
    };
    let answer = json!({
        "totalcashvalue": figure(cash), "netliquidation": figure(worth), "buyingpower": figure(worth * Decimal::from(4)),
    });
    Json(answer).into_response()
}

fn named(shared: &Shared, kind: &str, symbol: &str) -> Vec<Listing> {
    let state = shared.state();
    state.listings.iter().filter(|one| one.kind == kind && one.symbol == symbol).cloned().collect()
}

async fn stocks(Extracted(shared): Extracted<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let mut found = Map::new();
    for symbol in asked.get("symbols").into_iter().flat_map(|symbols| symbols.split(',')) {
        let contracts: Vec<_> = named(&shared, "STK", symbol)
            .iter()
            .map(|one| json!({"conid": one.conid, "exchange": one.exchange, "isUS": one.is_us}))
            .collect();
        let company =
            json!({"name": "A COMPANY", "chineseName": null, "assetClass": "STK", "contracts": contracts});
        let companies = if contracts.is_empty() { json!([]) } else { json!([company]) };
        found.insert(symbol.to_owned(), companies);
    }
    // The document's schema wants a text for every name.
    for companies in found.values_mut().filter_map(Value::as_array_mut).flatten() {
        companies["chineseName"] = json!("");
    }
    Json(found).into_response()
}

async fn futures(Extracted(shared): Extracted<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let mut found = Map::new();
    for symbol in asked.get("symbols").into_iter().flat_map(|symbols| symbols.split(',')) {
        let rows = named(&shared, "FUT", symbol).into_iter().filter_map(|one| {
            let (_, day) = one.expires?;
            Some(json!({
                "symbol": symbol, "conid": one.conid, "underlyingConid": 11_004_968, "expirationDate": day, "ltd": day,
                "longFuturesCutOff": day - 1, "shortFuturesCutOff": day - 1,
            }))
        });
        found.insert(symbol.to_owned(), Value::Array(rows.collect()));
    }
    Json(found).into_response()
}

async fn search(Extracted(shared): Extracted<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let rows: Vec<_> = named(&shared, "STK", asked.get("symbol").map_or("", String::as_str))
        .iter()
        .map(|one| {
            json!({"conid": one.conid.to_string(), "symbol": one.symbol, "companyName": one.name,
                   "companyHeader": format!("{} - {}", one.name, one.exchange), "description": one.exchange,
                   "sections": [{"secType": "STK"}]})
        })
        .collect();
    Json(rows).into_response()
}

async fn info(Extracted(shared): Extracted<Arc<Shared>>, Path(conid): Path<i64>) -> Response {
    let Some(one) = shared.listing(conid) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let tick = number(one.tick);
    let mut answer = json!({
        "con_id": one.conid, "symbol": one.symbol, "local_symbol": one.local, "trading_class": one.trading_class,
        "company_name": one.name, "instrument_type": one.kind, "currency": "USD", "exchange": one.exchange,
        "valid_exchanges": one.exchange, "r_t_h": false, "text": one.local,
        "rules": {
            "orderTypes": ["limit", "market", "stop", "stop_limit"], "increment": tick, "incrementDigits": 2,
            "incrementRules": [{"lowerEdge": 0.0, "increment": tick}], "sizeIncrement": 100, "defaultSize": 100,
            "tifTypes": ["IOC/MARKET,LIMIT,a", "GTC/o,a", "DAY/o,a"], "error": null,
        },
    });
    if let Some((month, day)) = one.expires {
        answer["multiplier"] = json!(one.multiplier.to_string());
        answer["contract_month"] = json!(month);
        answer["maturity_date"] = json!(day.to_string());
    }
    Json(answer).into_response()
}

async fn snapshot(Extracted(shared): Extracted<Arc<Shared>>, Query(asked): Query<Asked>) -> Response {
    let conid = asked.get("conids").cloned().unwrap_or_default();
    let price = shared.exchange.market(&conid).map(|market| market.price.normalize().to_string());
    let conid_number: i64 = conid.parse().unwrap_or_default();
    Json(json!([{"conid": conid_number, "conidEx": conid, "31": price.unwrap_or_default(), "6509": "RpB", "_updated": 1_712_156_105}]))
        .into_response()
}
