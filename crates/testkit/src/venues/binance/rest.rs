//! The routes.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use atomik_domain::OrderStatus;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::exchange::VenueOrder;
use super::super::faults::Fault;
use super::auth::{Given, Refusal};
use super::json::eight;
use super::{FakeMarket, SYMBOL, State, json as written, locked, now_ms, stream};

const NO_SUCH_ORDER: Refusal = (400, -2013, "Order does not exist.");
const UNKNOWN_ORDER: Refusal = (400, -2011, "Unknown order sent.");

pub(super) fn router(state: Arc<State>) -> Router {
    let routes = match state.setup.market {
        FakeMarket::Spot => Router::new().route("/ws-api/v3", any(stream::spot)),
        FakeMarket::Usdm => Router::new().route("/private/ws/{key}", any(stream::futures)),
    };
    routes
        .route("/{api}/{version}/ping", get(|| async { answer(&json!({})) }))
        .fallback(route)
        .with_state(state)
}

/// An answer in JSON.
pub(super) fn answer(body: &Value) -> Response {
    let headers = [
        ("content-type", "application/json"),
        ("x-mbx-used-weight-1m", "12"),
        ("x-mbx-order-count-10s", "1"),
    ];
    (StatusCode::OK, headers, body.to_string()).into_response()
}

/// An answer in plain text.
pub(super) fn plain(status: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(status).expect("a status"), body).into_response()
}

/// An error.
pub(super) fn told(status: u16, code: i64, msg: &str, retry_after: Option<&'static str>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({"code": code, "msg": msg}).to_string();
    let mut response = (status, [("content-type", "application/json")], body).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.parse().expect("a number"));
    }
    response
}

/// A refusal.
pub(super) fn refuse((status, code, msg): Refusal) -> Response {
    told(status, code, msg, None)
}

async fn route(
    Shared(state): Shared<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let key = headers.get("x-mbx-apikey").and_then(|value| value.to_str().ok());
    let signed = || state.check_signed(key, query, &body);
    let known = Given::read(&[query, &body]);
    let spot = state.setup.market == FakeMarket::Spot;
    let asked = (method.as_str(), uri.path());
    match asked {
        ("GET", "/api/v3/time") if spot => answer(&json!({"serverTime": now_ms()})),
        ("GET", "/fapi/v1/time") if !spot => answer(&json!({"serverTime": now_ms()})),
        ("GET", "/api/v3/exchangeInfo") if spot => state.info(&known),
        ("GET", "/fapi/v1/exchangeInfo") if !spot => answer(&state.exchange_info()),
        ("GET", "/api/v3/ticker/price") if spot => state.ticker(&known),
        ("GET", "/fapi/v1/ticker/price" | "/fapi/v2/ticker/price") if !spot => state.ticker(&known),
        ("POST" | "PUT", "/fapi/v1/listenKey") if !spot => match state.check_key(key) {
            Ok(()) => {
                let name = "fake-listen-key";
                *locked(&state.listen_key) = Some(name.to_owned());
                answer(&json!({"listenKey": name}))
            }
            Err(refusal) => refuse(refusal),
        },
        ("POST", "/api/v3/order") if spot => state.post(signed(), false).await,
        ("POST", "/fapi/v1/order") if !spot => state.post(signed(), false).await,
        ("POST", "/fapi/v1/algoOrder") if !spot => state.post(signed(), true).await,
        _ => match signed() {
            Ok(given) => state.account_route(asked, &given),
            Err(refusal) => refuse(refusal),
        },
    }
}

impl State {
    fn account_route(&self, asked: (&str, &str), given: &Given) -> Response {
        let spot = self.setup.market == FakeMarket::Spot;
        match asked {
            ("POST", "/api/v3/order/test" | "/fapi/v1/order/test") if self.setup.may_trade => {
                answer(&json!({}))
            }
            ("POST", "/api/v3/order/test" | "/fapi/v1/order/test") => {
                refuse((401, -2015, "Invalid API-key, IP, or permissions for action."))
            }
            ("GET", "/api/v3/order") if spot => self.looked_up(given),
            ("GET", "/fapi/v1/order") if !spot => self.looked_up(given),
            ("DELETE", "/api/v3/order") if spot => self.cancel(given),
            ("DELETE", "/fapi/v1/order") if !spot => self.cancel(given),
            ("GET", "/api/v3/myTrades") if spot => self.trades(given),
            ("GET", "/fapi/v1/userTrades") if !spot => self.trades(given),
            ("GET", "/api/v3/openOrders" | "/fapi/v1/openOrders") => {
                let open = self.exchange.orders().into_iter().filter(|order| !order.status.is_final());
                answer(&Value::Array(open.map(|order| self.order(&order)).collect()))
            }
            ("GET", "/api/v3/account") if spot => answer(&self.spot_account()),
            ("GET", "/fapi/v1/positionSide/dual") if !spot => {
                answer(&json!({"dualSidePosition": self.setup.hedge_mode}))
            }
            ("GET", "/fapi/v2/account" | "/fapi/v3/account") if !spot => answer(&self.futures_account()),
            ("GET", "/fapi/v2/balance" | "/fapi/v3/balance") if !spot => answer(&self.futures_balance()),
            ("GET", "/fapi/v2/positionRisk" | "/fapi/v3/positionRisk") if !spot => {
                answer(&self.positions(given))
            }
            ("GET", "/fapi/v1/algoOrder") if !spot => {
                let found = given.get("clientAlgoId").and_then(|id| self.find_algo(id));
                found.map_or_else(|| refuse(NO_SUCH_ORDER), |algo| answer(&written::algo(&algo)))
            }
            ("DELETE", "/fapi/v1/algoOrder") if !spot => {
                let canceled = given.get("clientAlgoId").and_then(|id| self.cancel_algo(id));
                canceled.map_or_else(
                    || refuse(UNKNOWN_ORDER),
                    |algo| {
                        answer(&json!({
                            "algoId": algo.id, "clientAlgoId": algo.asked.client_order_id, "code": "200",
                            "msg": "success",
                        }))
                    },
                )
            }
            _ => told(404, -1000, "the fake has no such route", None),
        }
    }

    fn info(&self, given: &Given) -> Response {
        match given.get("symbol") {
            Some(symbol) if symbol != SYMBOL => refuse((400, -1121, "Invalid symbol.")),
            _ => answer(&self.exchange_info()),
        }
    }

    fn ticker(&self, given: &Given) -> Response {
        let mut ticker = json!({"symbol": SYMBOL, "price": eight(self.price())});
        if self.setup.market == FakeMarket::Usdm {
            ticker["time"] = json!(now_ms());
        }
        match given.get("symbol") {
            None => answer(&json!([ticker])),
            Some(SYMBOL) => answer(&ticker),
            Some(_) => refuse((400, -1121, "Invalid symbol.")),
        }
    }

    /// The latest order of a name, or the order of an id.
    fn find(&self, given: &Given) -> Option<VenueOrder> {
        if let Some(id) = given.get("orderId") {
            return self.exchange.order(id.parse().ok()?);
        }
        self.exchange.orders_of(given.get("origClientOrderId")?).pop()
    }

    fn looked_up(&self, given: &Given) -> Response {
        self.find(given).map_or_else(|| refuse(NO_SUCH_ORDER), |order| answer(&self.order(&order)))
    }

    fn cancel(&self, given: &Given) -> Response {
        let Some(order) = self.find(given) else { return refuse(UNKNOWN_ORDER) };
        if self.script.next_of(&[Fault::FillsBeforeCancel]).is_some() {
            let price = self.price();
            self.exchange.move_price(SYMBOL, order.asked.limit_price.unwrap_or(price));
            self.exchange.move_price(SYMBOL, price);
        }
        match self.exchange.cancel(order.id) {
            Some(order) => answer(&self.canceled(&order)),
            None => refuse(UNKNOWN_ORDER),
        }
    }

    fn trades(&self, given: &Given) -> Response {
        let number = |name: &str| given.get(name).and_then(|text| text.parse::<u64>().ok());
        let (order_id, from, limit) = (number("orderId"), number("fromId").unwrap_or(0), number("limit"));
        let limit = usize::try_from(limit.unwrap_or(500)).expect("small").min(1_000);
        let behind = |left: u64| left.checked_sub(1);
        if self.lists_behind.fetch_update(SeqCst, SeqCst, behind).is_ok() {
            return answer(&json!([]));
        }
        let orders = self.exchange.orders();
        let wanted = orders.iter().filter(|order| order_id.is_none_or(|id| order.id == id));
        let mut trades: Vec<_> =
            wanted.flat_map(|order| order.executions.iter().map(move |one| (order, one))).collect();
        trades.retain(|(_, one)| one.id >= from);
        trades.sort_by_key(|(_, one)| one.id);
        let written = trades.into_iter().take(limit).map(|(order, one)| self.trade(order, one));
        answer(&Value::Array(written.collect()))
    }

    fn spot_account(&self) -> Value {
        let balances = self.owned().map(
            |(asset, free, locked)| json!({"asset": asset, "free": eight(free), "locked": eight(locked)}),
        );
        json!({
            "makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0,
            "canTrade": true, "canWithdraw": false, "canDeposit": true, "updateTime": now_ms(),
            "accountType": "SPOT", "balances": balances, "permissions": ["SPOT"], "uid": 354_937_868,
        })
    }

    /// The money of the futures account: all of it, with what is open, and what may be used.
    fn money(&self) -> (Decimal, Decimal, Decimal) {
        let (cash, unrealized) = (self.exchange.cash(), self.exchange.unrealized());
        let open = self.exchange.orders().into_iter().filter(|order| order.status == OrderStatus::Working);
        let reserved: Decimal =
            open.map(|order| order.leaves() * order.asked.limit_price.unwrap_or_default()).sum();
        (cash, cash + unrealized, cash + unrealized - reserved / Decimal::from(20))
    }

    fn futures_account(&self) -> Value {
        let (cash, equity, available) = self.money();
        json!({
            "totalInitialMargin": "0.00000000", "totalMaintMargin": "0.00000000", "totalWalletBalance": eight(cash),
            "totalUnrealizedProfit": eight(equity - cash), "totalMarginBalance": eight(equity),
            "totalPositionInitialMargin": "0.00000000", "totalOpenOrderInitialMargin": "0.00000000",
            "totalCrossWalletBalance": eight(cash), "totalCrossUnPnl": eight(equity - cash),
            "availableBalance": eight(available), "maxWithdrawAmount": eight(available), "assets": [], "positions": [],
        })
    }

    fn futures_balance(&self) -> Value {
        let (cash, equity, available) = self.money();
        json!([{
            "accountAlias": "fake", "asset": "USDT", "balance": eight(cash), "crossWalletBalance": eight(cash),
            "crossUnPnl": eight(equity - cash), "availableBalance": eight(available),
            "maxWithdrawAmount": eight(available), "marginAvailable": true, "updateTime": now_ms(),
        }])
    }

    fn positions(&self, given: &Given) -> Value {
        let held = self.exchange.held();
        let wanted = held.iter().filter(|(symbol, _)| given.get("symbol").is_none_or(|one| one == *symbol));
        let price = self.price();
        let position = wanted.map(|(symbol, held)| {
            json!({
                "symbol": symbol, "positionSide": "BOTH", "positionAmt": held.qty.to_string(),
                "entryPrice": held.avg_price.to_string(), "breakEvenPrice": held.avg_price.to_string(),
                "markPrice": eight(price), "unRealizedProfit": eight((price - held.avg_price) * held.qty),
                "liquidationPrice": "0", "isolatedMargin": "0", "notional": eight(price * held.qty),
                "marginAsset": "USDT", "isolatedWallet": "0", "initialMargin": "0", "maintMargin": "0",
                "positionInitialMargin": "0", "openOrderInitialMargin": "0", "adl": 1, "bidNotional": "0",
                "askNotional": "0", "updateTime": now_ms(),
            })
        });
        Value::Array(position.collect())
    }
}
