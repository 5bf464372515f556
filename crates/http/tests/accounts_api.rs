//! Brokers, instruments and broker accounts, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use atomik_domain::Plan;
use axum::http::{Method, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, with, wrong_fields};

fn path_of(account: &Value) -> String {
    format!("/api/v1/broker-accounts/{}", account["id"])
}

fn paper(more: Value) -> Value {
    with(json!({"broker": "paper", "environment": "paper", "label": "Paper"}), &more)
}

#[tokio::test]
async fn the_catalogue_describes_the_paper_broker() {
    let (_app, client) = app_and_trader().await;
    let (status, catalogue) = client.get("/api/v1/brokers").await;
    assert_eq!(status, StatusCode::OK);
    let broker = &catalogue["items"][0];
    assert_eq!((&broker["broker"], &broker["environments"]), (&json!("paper"), &json!(["paper"])));
    assert_eq!(broker["credential_fields"], json!([]));
    let settings = broker["setting_fields"].as_array().unwrap();
    assert!(settings.iter().any(|field| field["name"] == "prices" && field["description"].is_string()));
    assert!(broker["capabilities"]["order_types"].as_array().unwrap().contains(&json!("stop_limit")));
    assert!(broker["capabilities"]["settle_window_ms"].is_u64());
}

#[tokio::test]
async fn instruments_are_found_by_symbol_and_name() {
    let (_app, client) = app_and_trader().await;
    let (status, found) = client.get("/api/v1/instruments?query=es&limit=5").await;
    assert_eq!(status, StatusCode::OK, "{found}");
    let items = found["items"].as_array().unwrap();
    assert!((1..=5).contains(&items.len()));
    let es = items.iter().find(|item| item["symbol"] == "ES").unwrap();
    assert_eq!((&es["tick_size"], &es["multiplier"]), (&json!("0.25"), &json!("50")));
    assert_eq!((&es["asset_class"], &es["known"]), (&json!("future"), &json!(true)));
    let (_, found) = client.get("/api/v1/instruments?query=gold&broker=paper").await;
    assert!(found["items"].as_array().unwrap().iter().any(|item| item["symbol"] == "GC"), "{found}");
}

#[rstest]
#[case("limit=0", "limit")]
#[case("limit=101", "limit")]
#[case("broker=nobody", "broker")]
#[tokio::test]
async fn a_wrong_search_names_its_parameter(#[case] query: &str, #[case] field: &str) {
    let (_app, client) = app_and_trader().await;
    let (status, answer) = client.get(&format!("/api/v1/instruments?query=es&{query}")).await;
    assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec![field]));
}

#[tokio::test]
async fn a_paper_account_connects_and_shows_its_settings() {
    let (_app, client) = app_and_trader().await;
    let account = client.paper_account().await;
    assert_eq!((&account["broker"], &account["environment"]), (&json!("paper"), &json!("paper")));
    assert_eq!(account["settings"]["prices"], json!({"ES": "5000"}));
    assert_eq!(account["settings"]["commission"], "0", "defaults are filled in");
    assert_eq!(account["status"]["detail"], Value::Null);
    assert!(account.get("credentials").is_none());

    let (_, balance) = client.get(&format!("{}/balance", path_of(&account))).await;
    assert_eq!((&balance["currency"], &balance["cash"]), (&json!("USD"), &json!("1000000")));
    assert_eq!((&balance["equity"], &balance["simulated"]), (&json!("1000000"), &json!(false)));
    let (_, positions) = client.get(&format!("{}/positions", path_of(&account))).await;
    assert_eq!(positions, json!({"items": [], "next_cursor": null}));
    let (status, test) = client.post(&format!("{}/test-connection", path_of(&account)), json!({})).await;
    assert_eq!((status, &test["ok"]), (StatusCode::OK, &json!(true)), "{test}");
}

#[rstest]
#[case::broker(json!({"broker": "nobody"}), &["broker"])]
#[case::environment(json!({"environment": "live"}), &["environment"])]
#[case::no_environment(json!({"environment": "moon"}), &["environment"])]
#[case::blank_label(json!({"label": ""}), &["label"])]
#[case::credentials(json!({"credentials": {"key_id": "k"}}), &["credentials.key_id"])]
#[case::setting(json!({"settings": {"prices": {"ES": "cheap"}}}), &["settings.prices.ES"])]
#[case::unknown_setting(json!({"settings": {"color": "red"}}), &["settings.color"])]
#[case::settings_of_another_type(json!({"settings": []}), &["settings"])]
#[case::several(json!({"label": "", "environment": "demo"}), &["environment", "label"])]
#[tokio::test]
async fn wrong_fields_are_named(#[case] more: Value, #[case] fields: &[&str]) {
    let (_app, client) = app_and_trader().await;
    let (status, answer) = client.post("/api/v1/broker-accounts", paper(more)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(wrong_fields(&answer), fields, "{answer}");
}

#[tokio::test]
async fn a_wrong_broker_is_answered_with_those_there_are() {
    let (_app, client) = app_and_trader().await;
    let (_, answer) = client.post("/api/v1/broker-accounts", paper(json!({"broker": "nobody"}))).await;
    assert!(answer["fields"]["broker"].as_str().unwrap().contains("paper"), "{answer}");
}

#[tokio::test]
async fn credentials_are_never_repeated() {
    let (_app, client) = app_and_trader().await;
    let body = paper(json!({"credentials": {"secret_key": "hunter2hunter2"}}));
    let (_, answer) = client.post("/api/v1/broker-accounts", body).await;
    assert!(!answer.to_string().contains("hunter2"), "{answer}");
}

#[tokio::test]
async fn label_and_settings_change_and_the_rest_stays() {
    let (_app, client) = app_and_trader().await;
    let account = client.paper_account().await;
    let (status, changed) = client.patch(&path_of(&account), json!({"label": "renamed"})).await;
    assert_eq!((status, &changed["label"]), (StatusCode::OK, &json!("renamed")));
    assert_eq!(changed["settings"], account["settings"]);
    let settings = json!({"settings": {"slippage_ticks": 2}});
    let (_, changed) = client.patch(&path_of(&account), settings).await;
    assert_eq!(changed["settings"]["slippage_ticks"], 2);
    let wrong = json!({"settings": {"slippage_ticks": -2}});
    let (status, answer) = client.patch(&path_of(&account), wrong).await;
    assert_eq!(
        (status, wrong_fields(&answer)),
        (StatusCode::UNPROCESSABLE_ENTITY, vec!["settings.slippage_ticks"])
    );
    let (status, answer) = client.patch(&path_of(&account), json!({"broker": "paper"})).await;
    assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["broker"]));
}

#[tokio::test]
async fn unlinking_pauses_the_accounts_strategies() {
    let (_app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let strategy = client.strategy(&webhook, &account, json!({})).await;
    assert_eq!(client.delete(&path_of(&account)).await.0, StatusCode::NO_CONTENT);
    for path in ["", "/balance", "/positions"] {
        assert_eq!(client.get(&format!("{}{path}", path_of(&account))).await.0, StatusCode::NOT_FOUND);
    }
    let path = format!("/api/v1/strategies/{}", strategy["id"]);
    assert_eq!(client.get(&path).await.1["active"], false);
    let (status, answer) = client.patch(&path, json!({"active": true})).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{answer}");
}

#[tokio::test]
async fn an_account_with_an_open_order_stays_linked() {
    let (app, client) = app_and_trader().await;
    let slow = json!({"prices": {"MES": "5000.00"}, "max_fill_qty_per_tick": "1"});
    let (webhook, account) = (client.webhook("one").await, client.paper_account_with(slow).await);
    // Filled a contract at a time, four a second: open for longer than the test takes.
    let strategy = client.strategy(&webhook, &account, json!({"symbol": "MES", "quantity": "500"})).await;
    alert(&app, &webhook["url"], json!({"action": "BUY"})).await.expect(202);
    let open = |list: &Value| list["items"][0]["status"] == "partially_filled";
    client.wait_for("/api/v1/orders?limit=1", open).await;

    let refused = client.send(Method::DELETE, &path_of(&account), None).await;
    let refused = refused.expect_error(409, "conflict");
    assert!(refused.body["detail"].as_str().unwrap().contains("not final"), "{}", refused.text);
    assert_eq!(client.get(&path_of(&account)).await.0, StatusCode::OK);
    let path = format!("/api/v1/strategies/{}", strategy["id"]);
    assert_eq!(client.get(&path).await.1["active"], true);
    client.send(Method::DELETE, &path, None).await.expect_error(409, "position_open");
}

#[tokio::test]
async fn flattening_exits_what_the_strategies_hold() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let strategy = client.strategy(&webhook, &account, json!({"quantity": "3"})).await;
    let flatten = format!("{}/flatten", path_of(&account));
    assert_eq!(client.post(&flatten, json!({})).await, (StatusCode::ACCEPTED, json!({"signals": []})));

    alert(&app, &webhook["url"], json!({"action": "BUY"})).await.expect(202);
    client.settled_signal().await;
    let held = client.get(&format!("{}/positions", path_of(&account))).await.1;
    assert_eq!((&held["items"][0]["side"], &held["items"][0]["net_qty"]), (&json!("long"), &json!("3")));

    let (status, report) = client.post(&flatten, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(report["signals"][0]["strategy_id"], strategy["id"]);
    let signal = format!("/api/v1/signals/{}", report["signals"][0]["signal_id"]);
    let signal = client.wait_for(&signal, |signal| signal["status"] != "pending").await;
    assert_eq!((&signal["status"], &signal["source"]), (&json!("filled"), &json!("flatten")));
    let left = client.get(&format!("{}/positions", path_of(&account))).await.1;
    let open = left["items"].as_array().unwrap().iter().filter(|position| position["side"] != "flat");
    assert_eq!(open.count(), 0, "{left}");
}

#[tokio::test]
async fn one_strategy_can_be_flattened_beside_another() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let kept = client.strategy(&webhook, &account, json!({"quantity": "3"})).await;
    let left = client.strategy(&webhook, &account, json!({"quantity": "2"})).await;
    let flatten = format!("/api/v1/strategies/{}/flatten", left["id"]);
    assert_eq!(client.post(&flatten, json!({})).await, (StatusCode::ACCEPTED, json!({"signals": []})));
    alert(&app, &webhook["url"], json!({"action": "BUY"})).await.expect(202);
    client.settled_signal().await;

    let (status, report) = client.post(&flatten, json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(report["signals"].as_array().unwrap().len(), 1, "{report}");
    let signal = format!("/api/v1/signals/{}", report["signals"][0]["signal_id"]);
    client.wait_for(&signal, |signal| signal["status"] == "filled").await;
    for (strategy, side) in [(&kept, "long"), (&left, "flat")] {
        let strategy = client.get(&format!("/api/v1/strategies/{}", strategy["id"])).await.1;
        assert_eq!(strategy["position"]["side"], side, "{strategy}");
    }
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let (status, answer) = other.post(&flatten, json!({})).await;
    assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test]
async fn plans_limit_broker_accounts() {
    let (app, _) = app_and_trader().await;
    let client = Trader::register_on(&app, Plan::Starter, "second").await;
    for _ in 0..2 {
        client.create("/api/v1/broker-accounts", paper(json!({}))).await;
    }
    let refused = client.send(Method::POST, "/api/v1/broker-accounts", Some(paper(json!({})))).await;
    let refused = refused.expect_error(403, "plan_limit_reached");
    assert_eq!(refused.header("x-recommended-tier"), "trader");
}

#[tokio::test]
async fn another_users_account_is_404_on_every_route() {
    let (app, owner) = app_and_trader().await;
    let account = owner.paper_account().await;
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let path = path_of(&account);
    let tries = [
        other.get(&path).await,
        other.patch(&path, json!({"label": "mine"})).await,
        other.delete(&path).await,
        other.post(&format!("{path}/test-connection"), json!({})).await,
        other.get(&format!("{path}/positions")).await,
        other.get(&format!("{path}/balance")).await,
        other.post(&format!("{path}/flatten"), json!({})).await,
    ];
    for (status, answer) in tries {
        assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{answer}");
    }
    assert_eq!(other.get("/api/v1/broker-accounts").await.1["items"], json!([]));
}
