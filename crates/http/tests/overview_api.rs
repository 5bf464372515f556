//! The overview, equity, prices of positions and what came to webhooks, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use atomik_domain::Plan;
use axum::http::StatusCode;
use common::TestApp;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, wrong_fields};

/// Sends an alert and gives its signal, once it is settled.
async fn traded(app: &TestApp, trader: &Trader, webhook: &Value, payload: Value) -> Value {
    let before = trader.get("/api/v1/signals?limit=1").await.1["items"][0]["id"].clone();
    alert(app, &webhook["url"], payload).await.expect(202);
    let settled = |list: &Value| {
        let newest = &list["items"][0];
        newest["id"] != before && newest["status"] != "pending"
    };
    trader.wait_for("/api/v1/signals?limit=1", settled).await["items"][0].clone()
}

async fn refused(app: &TestApp, webhook: &Value) {
    let url = webhook["url"].as_str().unwrap().split('?').next().unwrap();
    alert(app, &json!(format!("{url}?secret=wrong")), json!({"action": "BUY"})).await.expect(401);
}

/// What needs a look, of one kind.
fn of_kind(overview: &Value, kind: &str) -> Vec<Value> {
    let all = overview["attention"].as_array().unwrap();
    all.iter().filter(|one| one["kind"] == kind).cloned().collect()
}

#[tokio::test]
async fn the_overview_counts_what_happened() {
    let (app, trader) = app_and_trader().await;
    let (webhook, account) = (trader.webhook("one").await, trader.paper_account().await);
    trader.strategy(&webhook, &account, json!({})).await;
    let empty = trader.client.get("/api/v1/overview").await.expect(200).body;
    assert_eq!((&empty["signals"]["total"], &empty["realized_profit"]), (&json!(0), &json!([])));
    assert_eq!((&empty["attention"], &empty["truncated"]), (&json!([]), &json!(false)));
    assert_eq!(empty["system"]["ready"], true);

    traded(&app, &trader, &webhook, json!({"action": "BUY", "price": "4990"})).await;
    alert(&app, &webhook["url"], json!({"action": "BUY", "price": "4990"})).await.expect(202);
    traded(&app, &trader, &webhook, json!({"action": "SELL", "price": "5000.25"})).await;
    traded(&app, &trader, &webhook, json!({"action": "SELL", "comment": "EXIT_50"})).await;
    refused(&app, &webhook).await;
    let sampled = |overview: &Value| {
        overview["realized_profit"][0]["currency"] == "USD" && overview["deliveries"]["refused"] == 1
    };
    let overview = trader.wait_for("/api/v1/overview", sampled).await;
    let signals = &overview["signals"];
    assert_eq!(
        (&signals["total"], &signals["filled"], &signals["skipped"]),
        (&json!(3), &json!(2), &json!(1))
    );
    let deliveries = json!({"accepted": 3, "replayed": 1, "refused": 1, "by_code": {"invalid_secret": 1}});
    assert_eq!(overview["deliveries"], deliveries);
    assert_eq!(overview["realized_profit"][0]["realized_profit"], "512.5", "10.25 points of 50 dollars");

    app.clock.advance_s(24 * 3_600 + 60);
    let tomorrow = trader.client.get("/api/v1/overview").await.expect(200).body;
    assert_eq!((&tomorrow["signals"]["total"], &tomorrow["deliveries"]["accepted"]), (&json!(0), &json!(0)));
    let since = "/api/v1/overview?since=2020-01-01T00:00:00Z";
    assert_eq!(trader.client.get(since).await.expect(200).body["signals"]["total"], 3);
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let theirs = other.client.get(since).await.expect(200).body;
    assert_eq!((&theirs["signals"]["total"], &theirs["deliveries"]["refused"]), (&json!(0), &json!(0)));
    assert_eq!(theirs["attention"], json!([]));
}

#[tokio::test]
async fn the_overview_says_what_needs_a_look() {
    let (app, trader) = app_and_trader().await;
    let (webhook, lonely) = (trader.webhook("one").await, trader.webhook("lonely").await);
    let account = trader.paper_account().await;
    let strategy = trader.strategy(&webhook, &account, json!({})).await;
    alert(&app, &lonely["url"], json!({"action": "BUY"})).await.expect(202);
    refused(&app, &webhook).await;
    refused(&app, &webhook).await;
    let halt = json!({"scope": "account", "id": account["id"], "mode": "entries", "reason": "a test"});
    trader.create("/api/v1/halts", halt).await;
    let denied = traded(&app, &trader, &webhook, json!({"action": "BUY"})).await;

    let all = |overview: &Value| overview["deliveries"]["refused"] == 2;
    let overview = trader.wait_for("/api/v1/overview", all).await;
    let halt = &of_kind(&overview, "halt")[0];
    assert_eq!((&halt["broker_account_id"], &halt["last_at"]), (&account["id"], &Value::Null));
    assert!(halt["sentence"].as_str().unwrap().ends_with("a test"), "{halt}");
    assert_eq!(overview["attention"][0], *halt, "what holds now comes first");
    let failed = &of_kind(&overview, "denied_signal")[0];
    assert_eq!((&failed["code"], &failed["count"]), (&json!("halted"), &json!(1)));
    assert_eq!((&failed["strategy_id"], &failed["signal_id"]), (&strategy["id"], &denied["id"]));
    let unheard = &of_kind(&overview, "signal_without_strategy")[0];
    assert_eq!((&unheard["webhook_id"], &unheard["code"]), (&lonely["id"], &json!("no_active_strategy")));
    let refusals = &of_kind(&overview, "refused_deliveries")[0];
    assert_eq!((&refusals["webhook_id"], &refusals["count"]), (&webhook["id"], &json!(2)));
    assert_eq!(refusals["code"], "invalid_secret");
    assert_eq!(overview["attention"].as_array().unwrap().len(), 4);

    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let path = format!("/api/v1/admin/users/{}", other.user_id);
    trader.patch(&path, json!({"subscription_status": "suspended"})).await;
    let theirs = other.client.get("/api/v1/overview").await.expect(200).body;
    assert_eq!(of_kind(&theirs, "subscription")[0]["code"], "subscription_inactive");
    assert_eq!(theirs["attention"].as_array().unwrap().len(), 1, "of one's own only: {theirs}");
}

#[tokio::test]
async fn the_overview_says_when_more_needs_a_look_than_it_shows() {
    let (app, trader) = app_and_trader().await;
    for n in 0..51 {
        let webhook = trader.webhook(&format!("webhook {n}")).await;
        refused(&app, &webhook).await;
        if n < 49 {
            continue;
        }
        let seen = |overview: &Value| overview["deliveries"]["refused"] == n + 1;
        let overview = trader.wait_for("/api/v1/overview", seen).await;
        assert_eq!(overview["attention"].as_array().unwrap().len(), 50);
        assert_eq!(overview["attention_truncated"], n == 50);
    }
}

#[tokio::test]
async fn equity_is_sampled_and_ones_own() {
    let (app, trader) = app_and_trader().await;
    let account = trader.paper_account().await;
    let path = format!("/api/v1/equity?broker_account_id={}", account["id"]);
    let sampled = |list: &Value| !list["items"].as_array().unwrap().is_empty();
    let list = trader.wait_for(&path, sampled).await;
    let point = &list["items"][0];
    assert_eq!((&point["broker_account_id"], &point["currency"]), (&account["id"], &json!("USD")));
    assert_eq!((&point["cash"], &point["equity"]), (&json!("1000000"), &json!("1000000")));
    assert_eq!((&point["simulated"], &list["next_cursor"]), (&json!(false), &Value::Null));
    let later = trader.get("/api/v1/equity?since=2100-01-01T00:00:00Z").await.1;
    assert_eq!(later["items"], json!([]));
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let (status, answer) = other.get(&path).await;
    assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert_eq!(other.get("/api/v1/equity").await.1["items"], json!([]));
}

#[tokio::test]
async fn open_positions_show_the_price_of_now_and_flat_ones_none() {
    let (app, trader) = app_and_trader().await;
    let (webhook, account) = (trader.webhook("one").await, trader.paper_account().await);
    trader.strategy(&webhook, &account, json!({})).await;
    traded(&app, &trader, &webhook, json!({"action": "BUY", "price": "4990"})).await;
    let position = trader.client.get("/api/v1/positions").await.expect(200).body["items"][0].clone();
    assert_eq!((&position["mark_price"], &position["unrealized_profit"]), (&json!("5000"), &json!("500")));
    assert_eq!((&position["currency"], &position["multiplier"]), (&json!("USD"), &json!("50")));
    assert_eq!(position["simulated"], false, "a fixed price is not made up");
    assert!(position["marked_at"].is_string(), "{position}");
    traded(&app, &trader, &webhook, json!({"action": "SELL"})).await;
    let position = trader.client.get("/api/v1/positions").await.expect(200).body["items"][0].clone();
    assert_eq!((&position["mark_price"], &position["unrealized_profit"]), (&Value::Null, &json!("0")));
}

#[tokio::test]
async fn webhooks_say_what_came_to_them() {
    let (app, trader) = app_and_trader().await;
    let (webhook, quiet) = (trader.webhook("one").await, trader.webhook("quiet").await);
    let nothing = json!({"last_received_at": null, "last_code": null, "accepted_24h": 0, "replayed_24h": 0,
        "refused_24h": 0});
    assert_eq!(webhook["activity"], nothing);
    for _ in 0..2 {
        alert(&app, &webhook["url"], json!({"action": "BUY"})).await.expect(202);
    }
    refused(&app, &webhook).await;
    let path = format!("/api/v1/webhooks/{}", webhook["id"]);
    let seen = |webhook: &Value| webhook["activity"]["refused_24h"] == 1;
    let shown = trader.wait_for(&path, seen).await;
    let activity = &shown["activity"];
    assert_eq!((&activity["accepted_24h"], &activity["replayed_24h"]), (&json!(1), &json!(1)));
    assert_eq!(activity["last_code"], "invalid_secret");
    assert!(activity["last_received_at"].is_string());
    let list = trader.get("/api/v1/webhooks").await.1;
    let of = |id: &Value| list["items"].as_array().unwrap().iter().find(|one| one["id"] == *id).cloned();
    assert_eq!(of(&webhook["id"]).unwrap()["activity"], *activity);
    assert_eq!(of(&quiet["id"]).unwrap()["activity"], nothing);
    app.clock.advance_s(24 * 3_600 + 60);
    let tomorrow = trader.client.get(&path).await.expect(200).body["activity"].clone();
    assert_eq!((&tomorrow["accepted_24h"], &tomorrow["last_code"]), (&json!(0), &json!("invalid_secret")));
}

#[rstest]
#[case("overview", "since=yesterday", &["since"])]
#[case("equity", "since=yesterday&broker_account_id=x", &["broker_account_id", "since"])]
#[tokio::test]
async fn wrong_parameters_are_named(#[case] path: &str, #[case] query: &str, #[case] fields: &[&str]) {
    let (_app, trader) = app_and_trader().await;
    let (status, answer) = trader.get(&format!("/api/v1/{path}?{query}")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(wrong_fields(&answer), fields);
}
