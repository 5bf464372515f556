//! What a payload would do, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, wrong_fields};

async fn explain(client: &Trader, webhook: &Value, payload: Value) -> Value {
    let path = format!("/api/v1/webhooks/{}/explain", webhook["id"]);
    let (status, explanation) = client.post(&path, json!({ "payload": payload })).await;
    assert_eq!(status, StatusCode::OK, "{explanation}");
    explanation
}

#[tokio::test]
async fn it_says_what_each_strategy_would_do_and_trades_nothing() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    let strategy = client.strategy(&webhook, &account, json!({"quantity": "2"})).await;

    let explanation = explain(&client, &webhook, json!({"action": "buy"})).await;
    assert_eq!((&explanation["valid"], &explanation["action"]), (&json!(true), &json!("buy")));
    assert!(!explanation["sentence"].as_str().unwrap().is_empty());
    let would = &explanation["strategies"][0];
    assert_eq!((&would["strategy_id"], &would["decision"]), (&strategy["id"], &json!("enter")));
    assert_eq!((&would["side"], &would["order_qty"]), (&json!("buy"), &json!("2")));
    assert_eq!((&would["net_qty"], &would["symbol"]), (&json!("0"), &json!("ES")));
    assert!(would["sentence"].as_str().unwrap().contains("ES"), "{would}");

    for list in ["signals", "orders", "fills"] {
        assert_eq!(client.get(&format!("/api/v1/{list}")).await.1["items"], json!([]), "{list}");
    }
    // A real alert with the same content is no repeat of the explained one.
    let answer = alert(&app, &webhook["url"], json!({"action": "buy"})).await;
    assert!(!answer.expect(202).headers.contains_key("idempotent-replayed"));
}

/// The guide's table "Exit Comment Types", from a long position of 4.
#[rstest]
#[case("EXIT_50", "2")]
#[case("EXIT_HALF", "2")]
#[case("EXIT_25", "1")]
#[case("EXIT_75", "3")]
#[case("EXIT_FINAL", "4")]
#[case("EXIT_ALL", "4")]
#[case("EXIT_100", "4")]
#[case("EXIT_33", "2")]
#[tokio::test]
async fn it_knows_the_position(#[case] comment: &str, #[case] quantity: &str) {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({"quantity": "4"})).await;
    alert(&app, &webhook["url"], json!({"action": "BUY"})).await.expect(202);
    client.settled_signal().await;
    let explanation = explain(&client, &webhook, json!({"action": "SELL", "comment": comment})).await;
    let would = &explanation["strategies"][0];
    assert_eq!((&would["decision"], &would["side"]), (&json!("exit"), &json!("sell")), "{would}");
    assert_eq!((&would["order_qty"], &would["net_qty"]), (&json!(quantity), &json!("4")));
}

#[tokio::test]
async fn what_would_be_skipped_says_why() {
    let (_app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    let explanation = explain(&client, &webhook, json!({"action": "SELL"})).await;
    let would = &explanation["strategies"][0];
    assert_eq!((&would["decision"], &would["code"]), (&json!("skip"), &json!("nothing_to_exit")));
    assert_eq!((&would["side"], &would["order_qty"]), (&Value::Null, &Value::Null));
}

#[rstest]
#[case::action(json!({"action": "HOLD"}), "invalid_action")]
#[case::exit(json!({"action": "SELL", "comment": "EXIT_0"}), "invalid_exit")]
#[case::raw_text(json!("{\"action\": BUY}"), "malformed_json")]
#[case::raw_plain(json!("buy now"), "malformed_json")]
#[case::raw_twice(json!("{\"action\": \"BUY\", \"action\": \"SELL\"}"), "malformed_json")]
#[tokio::test]
async fn what_the_receiver_would_refuse_is_explained_too(#[case] payload: Value, #[case] code: &str) {
    let (_app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let explanation = explain(&client, &webhook, payload).await;
    assert_eq!((&explanation["valid"], &explanation["code"]), (&json!(false), &json!(code)), "{explanation}");
    assert_eq!(explanation["strategies"], json!([]));
}

#[tokio::test]
async fn raw_text_is_read_like_an_alert() {
    let (_app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let explanation = explain(&client, &webhook, json!("{\"action\": \"BUY\"}")).await;
    assert_eq!(explanation["valid"], true);
    assert!(!explanation["sentence"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_payload_is_an_object_or_a_text() {
    let (_app, client) = app_and_trader().await;
    let webhook = client.webhook("one").await;
    let path = format!("/api/v1/webhooks/{}/explain", webhook["id"]);
    for body in [json!({"payload": 7}), json!({"payload": ["BUY"]}), json!({"payload": null}), json!({})] {
        let (status, answer) = client.post(&path, body).await;
        assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["payload"]));
    }
}
