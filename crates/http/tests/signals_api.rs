//! Signals, orders, fills and positions, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use atomik_domain::Plan;
use axum::http::StatusCode;
use common::TestApp;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, wrong_fields};

/// The steps that the first strategy's timeline does not have.
fn steps_missing(signal: &Value) -> Vec<&'static str> {
    let steps = signal["strategies"][0]["timeline"].as_array().unwrap();
    let all = ["received", "stored", "planned", "sent", "acknowledged", "filled"];
    all.into_iter().filter(|name| steps.iter().all(|step| step["step"] != *name)).collect()
}

async fn accepted(app: &TestApp, webhook: &Value, payload: Value) {
    alert(app, &webhook["url"], payload).await.expect(202);
}

#[tokio::test]
async fn a_signal_shows_orders_fills_and_every_step() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let strategy = client.strategy(&webhook, &account, json!({"quantity": "2"})).await;
    accepted(&app, &webhook, json!({"action": "buy", "comment": "ENTRY", "price": "5001.25"})).await;
    let signal = client.settled_signal().await;

    assert_eq!((&signal["status"], &signal["code"]), (&json!("filled"), &json!("filled")));
    assert_eq!((&signal["action"], &signal["comment"]), (&json!("buy"), &json!("ENTRY")));
    assert_eq!((&signal["source"], &signal["webhook_id"]), (&json!("alert"), &webhook["id"]));
    assert!(signal["reason"].as_str().unwrap().ends_with('.'), "{}", signal["reason"]);
    let outcome = &signal["strategies"][0];
    assert_eq!((&outcome["strategy_id"], &outcome["status"]), (&strategy["id"], &json!("filled")));
    assert!(outcome["planned_at"].is_string() && outcome["settled_at"].is_string());

    let order = &outcome["orders"][0];
    assert_eq!(order["client_order_id"].as_str().unwrap().len(), 32);
    assert_eq!((&order["side"], &order["order_type"]), (&json!("buy"), &json!("market")));
    assert_eq!((&order["order_qty"], &order["filled_qty"]), (&json!("2"), &json!("2")));
    assert_eq!((&order["avg_price"], &order["status"]), (&json!("5001.25"), &json!("filled")));
    assert_eq!((&order["reference_price"], &order["slippage"]), (&json!("5001.25"), &json!("0")));
    assert!(order["venue_order_id"].is_string());
    let fill = &outcome["fills"][0];
    assert_eq!((&fill["last_qty"], &fill["last_price"]), (&json!("2"), &json!("5001.25")));
    assert_eq!((&fill["price_source"], &fill["simulated"]), (&json!("alert"), &json!(false)));
    let (_, fills) = client.get("/api/v1/fills").await;
    assert_eq!(&fills["items"][0], fill, "the same fill by the same id");
    assert!(fill["id"].is_i64());

    // The broker's report of a fill may overtake its answer to the order, so the last step may come after the fill.
    let path = format!("/api/v1/signals/{}", signal["id"]);
    let signal = client.wait_for(&path, |signal| steps_missing(signal).is_empty()).await;
    let steps = signal["strategies"][0]["timeline"].as_array().unwrap();
    assert_eq!((&steps[0]["step"], &steps[0]["offset_us"]), (&json!("received"), &json!(0)));
    let offsets: Vec<_> = steps.iter().map(|step| step["offset_us"].as_i64().unwrap()).collect();
    assert!(offsets.is_sorted(), "{offsets:?}");
}

#[tokio::test]
async fn slippage_is_positive_where_it_costs_the_trader() {
    let (app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let account = client.paper_account_with(json!({"slippage_ticks": 2})).await;
    client.strategy(&webhook, &account, json!({})).await;
    for action in ["BUY", "SELL"] {
        accepted(&app, &webhook, json!({"action": action, "price": 5000})).await;
        let order = client.settled_signal().await["strategies"][0]["orders"][0].clone();
        assert_eq!(order["slippage"], "0.5", "{action}: {order}");
    }
}

#[tokio::test]
async fn a_simulated_price_is_labelled() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({"symbol": "AAPL"})).await;
    accepted(&app, &webhook, json!({"action": "BUY"})).await;
    let signal = client.settled_signal().await;
    let fill = &signal["strategies"][0]["fills"][0];
    assert_eq!(
        (&fill["price_source"], &fill["simulated"]),
        (&json!("simulated"), &json!(true)),
        "{signal:#}"
    );
    assert_eq!(signal["strategies"][0]["orders"][0]["slippage"], Value::Null);
}

#[tokio::test]
async fn a_signal_without_a_strategy_says_so() {
    let (app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    accepted(&app, &webhook, json!({"action": "BUY", "comment": "Long"})).await;
    let signal = client.settled_signal().await;
    assert_eq!((&signal["status"], &signal["code"]), (&json!("skipped"), &json!("no_active_strategy")));
    assert_eq!(signal["strategies"], json!([]));
    assert!(!signal["notes"].as_array().unwrap().is_empty(), "an unknown comment is noted: {signal}");
}

#[tokio::test]
async fn the_strategy_that_needs_a_look_stands_for_the_signal() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    // More than a million dollars buy: the broker rejects it.
    client.strategy(&webhook, &account, json!({"symbol": "NQ", "quantity": "100000"})).await;
    accepted(&app, &webhook, json!({"action": "BUY", "price": "5000"})).await;
    let signal = client.settled_signal().await;
    let mut statuses: Vec<_> =
        signal["strategies"].as_array().unwrap().iter().map(|outcome| outcome["status"].as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [Some("filled"), Some("rejected")], "{signal:#}");
    assert_eq!((&signal["status"], &signal["code"]), (&json!("rejected"), &json!("broker_rejected")));
}

#[tokio::test]
async fn orders_fills_and_positions_can_be_filtered() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let es = client.strategy(&webhook, &account, json!({})).await;
    let nq = client.strategy(&webhook, &account, json!({"symbol": "NQ"})).await;
    accepted(&app, &webhook, json!({"action": "BUY", "price": "5000"})).await;
    client.settled_signal().await;

    for list in ["orders", "fills", "positions"] {
        let count = async |query: String| {
            let (status, found) = client.get(&format!("/api/v1/{list}?{query}")).await;
            assert_eq!(status, StatusCode::OK, "{list}?{query}: {found}");
            found["items"].as_array().unwrap().len()
        };
        assert_eq!(count(String::new()).await, 2, "{list}");
        assert_eq!(count(format!("strategy_id={}", es["id"])).await, 1, "{list}");
        assert_eq!(count(format!("strategy_id={}&symbol=NQ", es["id"])).await, 0, "{list}");
        assert_eq!(count("symbol=nq".to_owned()).await, 1, "{list}");
        assert_eq!(count(format!("broker_account_id={}", account["id"])).await, 2, "{list}");
        assert_eq!(count("broker_account_id=999999".to_owned()).await, 0, "{list}");
        assert_eq!(count("since=2000-01-01T00:00:00Z".to_owned()).await, 2, "{list}");
        assert_eq!(count("since=2999-01-01T00:00:00Z".to_owned()).await, 0, "{list}");
        assert_eq!(count("until=2999-01-01T00:00:00Z".to_owned()).await, 2, "{list}");
        assert_eq!(count("until=2000-01-01T00:00:00Z".to_owned()).await, 0, "{list}");
    }
    let (_, filled) = client.get("/api/v1/orders?status=filled").await;
    assert_eq!(filled["items"].as_array().unwrap().len(), 2);
    let (_, working) = client.get("/api/v1/orders?status=working").await;
    assert_eq!(working["items"], json!([]));
    let path = format!("/api/v1/positions?strategy_id={}", nq["id"]);
    let position = client.get(&path).await.1["items"][0].clone();
    assert_eq!((&position["side"], &position["net_qty"]), (&json!("long"), &json!("1")));
    assert_eq!((&position["symbol"], &position["avg_price"]), (&json!("NQ"), &json!("5000")));
}

/// Copy trading: one account's trouble is its own.
#[tokio::test]
async fn one_signal_trades_on_several_accounts_and_none_stops_the_others() {
    let (app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let mut strategies = Vec::new();
    for balance in ["1000000", "1000000", "1000"] {
        let settings = json!({"starting_balance": balance, "prices": {"ES": "5000.00"}});
        let account = client.paper_account_with(settings).await;
        strategies.push(client.strategy(&webhook, &account, json!({})).await);
    }
    let outcomes = async |payload: Value| -> Vec<Value> {
        accepted(&app, &webhook, payload.clone()).await;
        let settled = |list: &Value| {
            let signal = &list["items"][0];
            signal["payload"] == payload.to_string().as_str()
                && signal["strategies"].as_array().unwrap().iter().all(|one| one["status"] != "pending")
        };
        let signal = client.wait_for("/api/v1/signals?limit=1", settled).await["items"][0].clone();
        let ids: Vec<_> =
            signal["strategies"].as_array().unwrap().iter().map(|one| &one["strategy_id"]).collect();
        assert_eq!(ids, strategies.iter().map(|made| &made["id"]).collect::<Vec<_>>());
        signal["strategies"].as_array().unwrap().clone()
    };
    let fills = |outcome: &Value| outcome["fills"].as_array().unwrap().len();

    // The third account has no money for it.
    let entered = outcomes(json!({"action": "BUY"})).await;
    let statuses: Vec<_> = entered.iter().map(|outcome| outcome["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["filled", "filled", "rejected"]);
    assert_eq!(entered.iter().map(fills).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(entered[2]["reason"].as_str().unwrap().contains("buying power"), "{}", entered[2]);

    // The first one is frozen.
    let halt = json!({"scope": "account", "id": strategies[0]["broker_account_id"], "mode": "all", "reason": "a test"});
    client.create("/api/v1/halts", halt).await;
    let exited = outcomes(json!({"action": "SELL"})).await;
    let statuses: Vec<_> = exited.iter().map(|outcome| outcome["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["denied", "filled", "skipped"]);
    assert_eq!(exited.iter().map(fills).collect::<Vec<_>>(), [0, 1, 0]);
}

#[tokio::test]
async fn three_accounts_make_three_fills_of_one_signal() {
    let (app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let mut accounts = Vec::new();
    for _ in 0..3 {
        let account = client.paper_account().await;
        client.strategy(&webhook, &account, json!({})).await;
        accounts.push(account["id"].clone());
    }
    accepted(&app, &webhook, json!({"action": "BUY"})).await;
    let fills = |list: &Value| list["items"].as_array().unwrap().len() == 3;
    let fills = client.wait_for("/api/v1/fills", fills).await;
    let mut traded: Vec<_> =
        fills["items"].as_array().unwrap().iter().map(|fill| fill["broker_account_id"].clone()).collect();
    traded.sort_by_key(Value::as_i64);
    assert_eq!(traded, accounts);
    let outcomes = client.settled_signal().await["strategies"].clone();
    assert_eq!(
        outcomes.as_array().unwrap().iter().filter(|one| one["status"] == "filled").count(),
        3,
        "{outcomes}"
    );
}

#[tokio::test]
async fn signals_can_be_filtered_by_webhook_and_strategy() {
    let (app, client) = app_and_trader().await;
    let (one, two) = (client.webhook("one").await, client.webhook("two").await);
    let account = client.paper_account().await;
    let strategy = client.strategy(&one, &account, json!({})).await;
    for webhook in [&one, &two] {
        accepted(&app, webhook, json!({"action": "BUY"})).await;
    }
    for query in [format!("webhook_id={}", one["id"]), format!("strategy_id={}", strategy["id"])] {
        let (_, found) = client.get(&format!("/api/v1/signals?{query}")).await;
        assert_eq!(found["items"].as_array().unwrap().len(), 1, "{query}");
        assert_eq!(found["items"][0]["webhook_id"], one["id"], "{query}");
    }
}

#[tokio::test]
async fn lists_begin_with_the_newest_or_the_oldest() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    for action in ["BUY", "SELL"] {
        accepted(&app, &webhook, json!({"action": action})).await;
        client.settled_signal().await;
    }
    let cases = [("signals", "action"), ("orders", "side"), ("fills", "side")];
    for (list, word) in cases {
        for (sort, wanted) in [("newest", ["sell", "buy"]), ("oldest", ["buy", "sell"])] {
            let path = format!("/api/v1/{list}?sort={sort}&limit=1");
            let (_, first) = client.get(&path).await;
            let cursor = first["next_cursor"].as_str().unwrap();
            let (_, second) = client.get(&format!("{path}&cursor={cursor}")).await;
            let found = [&first["items"][0][word], &second["items"][0][word]];
            assert_eq!(found, wanted.map(|word| json!(word)).each_ref(), "{path}");
            assert_eq!(second["next_cursor"], Value::Null, "{path}");
        }
    }
}

#[tokio::test]
async fn one_order_is_found_by_its_client_order_id() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    accepted(&app, &webhook, json!({"action": "BUY"})).await;
    let signal = client.settled_signal().await;
    let order = &signal["strategies"][0]["orders"][0];
    let path = format!("/api/v1/orders/{}", order["client_order_id"].as_str().unwrap());
    let (status, found) = client.get(&path).await;
    assert_eq!((status, &found["order_qty"]), (StatusCode::OK, &order["order_qty"]));
    assert_eq!((&found["client_order_id"], &found["status"]), (&order["client_order_id"], &json!("filled")));
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    assert_eq!(other.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/api/v1/orders/nonsense").await.0, StatusCode::NOT_FOUND);
}

#[rstest]
#[case("signals", "webhook_id=x", &["webhook_id"])]
#[case("orders", "status=done", &["status"])]
#[case("orders", "strategy_id=x&since=yesterday&status=done", &["since", "status", "strategy_id"])]
#[case("fills", "broker_account_id=", &["broker_account_id"])]
#[case("fills", "since=2026-03-20", &["since"])]
#[case("orders.csv", "status=done&until=tomorrow", &["status", "until"])]
#[case("signals", "sort=Oldest", &["sort"])]
#[case("positions", "symbol=%24", &["symbol"])]
#[case("positions", "limit=201", &["limit"])]
#[case("signals", "cursor=zz", &["cursor"])]
#[tokio::test]
async fn wrong_filters_are_named(#[case] list: &str, #[case] query: &str, #[case] fields: &[&str]) {
    let (_app, client) = app_and_trader().await;
    let (status, answer) = client.get(&format!("/api/v1/{list}?{query}")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(wrong_fields(&answer), fields);
}

#[tokio::test]
async fn another_users_trades_are_not_shown() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    accepted(&app, &webhook, json!({"action": "BUY"})).await;
    let signal = client.settled_signal().await;
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    for list in ["signals", "orders", "fills", "positions"] {
        let path = format!("/api/v1/{list}?broker_account_id={}", account["id"]);
        assert_eq!(other.get(&path).await.1["items"], json!([]), "{list}");
    }
    let (status, answer) = other.get(&format!("/api/v1/signals/{}", signal["id"])).await;
    assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}
