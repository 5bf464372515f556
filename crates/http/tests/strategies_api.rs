//! Strategies and their positions, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use std::sync::Arc;

use atomik_domain::{Action, Plan, StrategyId, UserId, WebhookId};
use atomik_ports::journal::{Entry, NewSignal, SignalSource};
use axum::http::{Method, StatusCode};
use common::TestApp;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, strategy_body, wrong_fields};

/// A trader with a webhook and a ready paper account.
struct Desk {
    app: TestApp,
    client: Trader,
    webhook: Value,
    account: Value,
}

impl Desk {
    async fn new() -> Self {
        let (app, client) = app_and_trader().await;
        let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
        Self { app, client, webhook, account }
    }

    async fn strategy(&self, more: Value) -> Value {
        self.client.strategy(&self.webhook, &self.account, more).await
    }

    async fn try_strategy(&self, more: Value) -> (StatusCode, Value) {
        let body = strategy_body(&self.webhook, &self.account, &more);
        self.client.post("/api/v1/strategies", body).await
    }

    /// Sends an alert and waits until its signal has settled.
    async fn alert(&self, payload: Value) -> Value {
        alert(&self.app, &self.webhook["url"], payload).await.expect(202);
        self.client.settled_signal().await
    }
}

fn path_of(strategy: &Value) -> String {
    format!("/api/v1/strategies/{}", strategy["id"])
}

#[tokio::test]
async fn defaults_are_the_contracts() {
    let desk = Desk::new().await;
    let (status, made) = desk.try_strategy(json!({"symbol": " es ", "quantity": "2.00"})).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(made["symbol"], "ES");
    assert_eq!((&made["quantity"], &made["max_position"]), (&json!("2"), &json!("2")));
    assert_eq!(made["on_opposite_entry"], "exit");
    assert_eq!(made["bare_sell_opens_short"], false);
    assert_eq!(made["max_signal_age_s"], 30);
    assert_eq!(made["active"], true);
    assert_eq!(made["position"], json!({"side": "flat", "net_qty": "0", "avg_price": "0"}));
    assert_eq!(made["instrument"]["tick_size"], "0.25");
    assert_eq!(made["warnings"], json!([]));
    assert_eq!(desk.client.get(&path_of(&made)).await.1, made);
}

#[tokio::test]
async fn every_setting_is_kept() {
    let desk = Desk::new().await;
    let settings = json!({
        "quantity": 2, "max_position": "6", "on_opposite_entry": "reverse", "bare_sell_opens_short": true,
        "max_signal_age_s": 3600, "active": false,
    });
    let made = desk.strategy(settings).await;
    let (_, shown) = desk.client.get("/api/v1/strategies").await;
    let shown = &shown["items"][0];
    assert_eq!(shown["id"], made["id"]);
    assert_eq!((&shown["quantity"], &shown["max_position"]), (&json!("2"), &json!("6")));
    assert_eq!(shown["on_opposite_entry"], "reverse");
    assert_eq!(shown["bare_sell_opens_short"], true);
    assert_eq!(shown["max_signal_age_s"], 3600);
    assert_eq!(shown["active"], false);
}

#[rstest]
#[case::blank_name(json!({"name": " "}), &["name"])]
#[case::symbol(json!({"symbol": "E$"}), &["symbol"])]
#[case::zero(json!({"quantity": "0"}), &["quantity"])]
#[case::negative(json!({"quantity": "-1"}), &["quantity"])]
#[case::exponent(json!({"quantity": "1e2"}), &["quantity"])]
#[case::exponent_number(json!({"quantity": 1e300}), &["quantity"])]
#[case::words(json!({"quantity": "one"}), &["quantity"])]
#[case::other_type(json!({"quantity": true}), &["quantity"])]
#[case::not_a_lot(json!({"quantity": "1.5", "max_position": "3"}), &["quantity"])]
#[case::limit_below_quantity(json!({"quantity": "2", "max_position": "1"}), &["max_position"])]
#[case::opposite(json!({"on_opposite_entry": "flip"}), &["on_opposite_entry"])]
#[case::no_age(json!({"max_signal_age_s": 0}), &["max_signal_age_s"])]
#[case::great_age(json!({"max_signal_age_s": 3601}), &["max_signal_age_s"])]
#[case::no_such_webhook(json!({"webhook_id": 999_999}), &["webhook_id"])]
#[case::no_such_account(json!({"broker_account_id": 999_999}), &["broker_account_id"])]
#[case::misspelled(json!({"max_positon": "5"}), &["max_positon"])]
#[case::several(json!({"symbol": "", "quantity": "x", "webhook_id": 999_999}), &["quantity", "symbol", "webhook_id"])]
#[tokio::test]
async fn wrong_fields_are_named(#[case] more: Value, #[case] fields: &[&str]) {
    let desk = Desk::new().await;
    let (status, answer) = desk.try_strategy(more).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    assert_eq!(wrong_fields(&answer), fields, "{answer}");
}

#[tokio::test]
async fn missing_fields_are_named() {
    let desk = Desk::new().await;
    let (status, answer) = desk.client.post("/api/v1/strategies", json!({"name": "ES"})).await;
    assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["webhook_id"]));
}

#[tokio::test]
async fn a_symbol_nobody_knows_works_on_paper_and_says_so() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({"symbol": "NOSUCHTHING"})).await;
    assert_eq!(made["instrument"]["known"], false);
    assert!(made["warnings"][0].as_str().unwrap().contains("default rules"), "{made}");
}

#[tokio::test]
async fn changes_keep_what_they_do_not_name() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({"bare_sell_opens_short": true, "max_signal_age_s": 60})).await;
    let (status, changed) =
        desk.client.patch(&path_of(&made), json!({"name": "renamed", "quantity": "3"})).await;
    assert_eq!(status, StatusCode::OK, "{changed}");
    assert_eq!((&changed["name"], &changed["quantity"]), (&json!("renamed"), &json!("3")));
    assert_eq!(changed["max_position"], "3", "a limit that was the quantity goes on being the quantity");
    assert_eq!(changed["bare_sell_opens_short"], true);
    assert_eq!(changed["max_signal_age_s"], 60);
}

#[tokio::test]
async fn a_limit_of_its_own_is_not_taken_along() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({"max_position": "5"})).await;
    let (_, changed) = desk.client.patch(&path_of(&made), json!({"quantity": "2"})).await;
    assert_eq!(changed["max_position"], "5");
    let (status, answer) = desk.client.patch(&path_of(&made), json!({"quantity": "6"})).await;
    assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["max_position"]));
}

#[tokio::test]
async fn symbol_and_account_never_change() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    for field in ["symbol", "broker_account_id"] {
        let (status, answer) = desk.client.patch(&path_of(&made), json!({ field: 1 })).await;
        assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec![field]));
    }
}

#[tokio::test]
async fn changes_are_checked_like_creation() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    for (body, field) in [
        (json!({"name": ""}), "name"),
        (json!({"quantity": "0.5"}), "quantity"),
        (json!({"max_signal_age_s": 0}), "max_signal_age_s"),
        (json!({"webhook_id": 999_999}), "webhook_id"),
    ] {
        let (status, answer) = desk.client.patch(&path_of(&made), body).await;
        assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, vec![field]));
    }
}

#[tokio::test]
async fn a_position_shows_and_keeps_its_strategy_from_being_deleted() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({"quantity": "2"})).await;
    desk.alert(json!({"action": "BUY", "price": "5001.25"})).await;
    let (_, shown) = desk.client.get(&path_of(&made)).await;
    assert_eq!(shown["position"], json!({"side": "long", "net_qty": "2", "avg_price": "5001.25"}));
    let (status, answer) = desk.client.delete(&path_of(&made)).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("position_open")));

    desk.alert(json!({"action": "SELL", "comment": "EXIT_FINAL"})).await;
    assert_eq!(desk.client.get(&path_of(&made)).await.1["position"]["side"], "flat");
    assert_eq!(desk.client.delete(&path_of(&made)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(desk.client.get(&path_of(&made)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_signal_that_is_being_worked_on_keeps_its_strategy_from_being_deleted() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    // Stored past the engine, so that no lane settles it.
    let signal = NewSignal {
        user_id: UserId(desk.client.user_id),
        webhook_id: WebhookId(desk.webhook["id"].as_i64().unwrap()),
        source: SignalSource::Alert,
        received_at: desk.app.state.now(),
        action: Action::Buy,
        comment: None,
        price: None,
        quantity: None,
        symbol: None,
        notes: Vec::new(),
        remote_ip: None,
        payload: "{}".to_owned(),
        repeat: None,
        targets: vec![StrategyId(made["id"].as_i64().unwrap())],
    };
    let entry = Entry::Signal(Arc::new(signal));
    desk.app.store.commit(vec![entry], desk.app.state.now()).await.unwrap();
    let (status, answer) = desk.client.delete(&path_of(&made)).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert!(answer["detail"].as_str().unwrap().contains("pause the strategy"), "{answer}");
    assert_eq!(desk.client.get(&path_of(&made)).await.1["active"], true);
}

#[tokio::test]
async fn a_paused_strategy_does_nothing() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    desk.client.patch(&path_of(&made), json!({"active": false})).await;
    let signal = desk.alert(json!({"action": "BUY"})).await;
    assert_eq!((&signal["code"], &signal["strategies"]), (&json!("no_active_strategy"), &json!([])));
}

#[tokio::test]
async fn plans_limit_active_strategies() {
    let desk = Desk::new().await;
    let client = Trader::register_on(&desk.app, Plan::Starter, "second").await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    for _ in 0..3 {
        client.strategy(&webhook, &account, json!({})).await;
    }
    // A paused one needs no room, but cannot be activated either.
    let paused = client.strategy(&webhook, &account, json!({"active": false})).await;
    let body = json!({"active": true});
    let refused = client.send(Method::PATCH, &path_of(&paused), Some(body)).await;
    let refused = refused.expect_error(403, "plan_limit_reached");
    assert_eq!(refused.header("x-recommended-tier"), "trader");
}

#[tokio::test]
async fn a_list_can_be_held_to_one_webhook() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    let other = desk.client.webhook("two").await;
    desk.client.strategy(&other, &desk.account, json!({})).await;
    let path = format!("/api/v1/strategies?webhook_id={}", desk.webhook["id"]);
    let (_, found) = desk.client.get(&path).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1);
    assert_eq!(found["items"][0]["id"], made["id"]);
    let (status, wrong) = desk.client.get("/api/v1/strategies?webhook_id=one").await;
    assert_eq!((status, wrong_fields(&wrong)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["webhook_id"]));
}

#[tokio::test]
async fn another_users_things_do_not_exist() {
    let desk = Desk::new().await;
    let made = desk.strategy(json!({})).await;
    let other = Trader::register_on(&desk.app, Plan::Unlimited, "second").await;
    let tries = [
        other.get(&path_of(&made)).await,
        other.patch(&path_of(&made), json!({"active": false})).await,
        other.delete(&path_of(&made)).await,
    ];
    for (status, answer) in tries {
        assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    }
    assert_eq!(other.get("/api/v1/strategies").await.1["items"], json!([]));
    let body = strategy_body(&desk.webhook, &desk.account, &json!({}));
    let (status, answer) = other.post("/api/v1/strategies", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong_fields(&answer), ["broker_account_id", "webhook_id"]);
}
