//! Strategies that hold opposite positions on one account and symbol: the venue sees only their net, and each of them can
//! still get out.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use axum::body::Body;
use axum::http::Method;
use common::{Client, Reply, TestApp};
use serde_json::{Value, json};

/// A webhook with one strategy on the account. Returns the path of its full URL.
async fn strategy(trader: &Client, account: i64, name: &str) -> String {
    let webhook = trader.post("/api/v1/webhooks", json!({"name": name})).await.expect(201).body;
    let strategy = json!({"name": name, "webhook_id": webhook["id"], "broker_account_id": account, "symbol": "MES",
        "quantity": "5", "active": true});
    trader.post("/api/v1/strategies", strategy).await.expect(201);
    webhook["url"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap().to_owned()
}

/// Sends an alert and waits for what came of it.
async fn outcome(app: &TestApp, trader: &Client, url: &str, payload: Value) -> Value {
    let body = Body::from(payload.to_string());
    Reply::read(app.anonymous().stream(Method::POST, url, &[], body).await).await.expect(202);
    let settled = |list: &Value| {
        let signal = &list["items"][0];
        signal["payload"] == payload.to_string().as_str() && signal["status"] != "pending"
    };
    trader.get_until("/api/v1/signals?limit=1", settled).await["items"][0].clone()
}

#[tokio::test]
async fn opposite_strategies_can_both_get_out() {
    let app = TestApp::start().await;
    let trader = app.program("trader@example.com").await;
    let account = json!({"broker": "paper", "environment": "paper", "label": "Paper", "settings": {}});
    let account = trader.post("/api/v1/broker-accounts", account).await.expect(201).id();
    let long = strategy(&trader, account, "long").await;
    let short = strategy(&trader, account, "short").await;
    let steps = [
        (&long, json!({"action": "BUY", "price": "5000", "id": 1})),
        (&short, json!({"action": "SELL", "comment": "ENTRY", "price": "5000", "id": 2})),
        (&long, json!({"action": "SELL", "comment": "EXIT_ALL", "price": "5001", "id": 3})),
        (&short, json!({"action": "BUY", "comment": "EXIT_ALL", "price": "5001", "id": 4})),
    ];
    for (url, payload) in steps {
        let signal = outcome(&app, &trader, url, payload.clone()).await;
        assert_eq!(signal["status"], "filled", "{payload}: {signal:#}");
    }
    let held = trader.get(&format!("/api/v1/broker-accounts/{account}/positions")).await.expect(200).body;
    let flat = |row: &Value| row["net_qty"] == "0";
    assert!(held["items"].as_array().unwrap().iter().all(flat), "{held:#}");
}
