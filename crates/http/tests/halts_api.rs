//! Halts, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use atomik_domain::Plan;
use axum::http::StatusCode;
use common::TestApp;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader, with, wrong_fields};

/// An administrator, and a trader with a strategy on a paper account.
struct Desk {
    app: TestApp,
    admin: Trader,
    trader: Trader,
    webhook: Value,
    account: Value,
    strategy: Value,
}

impl Desk {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let admin = Trader::register(&app, "admin").await;
        let trader = Trader::register_on(&app, Plan::Unlimited, "trader").await;
        let (webhook, account) = (trader.webhook("one").await, trader.paper_account().await);
        let strategy = trader.strategy(&webhook, &account, json!({})).await;
        Self { app, admin, trader, webhook, account, strategy }
    }

    /// What becomes of an alert on the strategy.
    async fn outcome(&self, payload: Value) -> Value {
        alert(&self.app, &self.webhook["url"], payload).await.expect(202);
        self.trader.settled_signal().await["strategies"][0].clone()
    }

    fn halt(&self, scope: &str, mode: &str) -> Value {
        let id = match scope {
            "account" => self.account["id"].clone(),
            "strategy" => self.strategy["id"].clone(),
            _ => Value::Null,
        };
        json!({"scope": scope, "id": id, "mode": mode, "reason": "a test"})
    }
}

fn path_of(halt: &Value) -> String {
    format!("/api/v1/halts/{}", halt["id"])
}

#[rstest]
#[case("strategy")]
#[case("account")]
#[case("system")]
#[tokio::test]
async fn a_halt_of_entries_lets_exits_run_until_it_is_lifted(#[case] scope: &str) {
    let desk = Desk::new().await;
    let who = if scope == "system" { &desk.admin } else { &desk.trader };
    assert_eq!(desk.outcome(json!({"action": "BUY"})).await["status"], "filled");
    let halt = who.create("/api/v1/halts", desk.halt(scope, "entries")).await;
    assert_eq!((&halt["scope"], &halt["mode"]), (&json!(scope), &json!("entries")));
    assert_eq!((&halt["reason"], &halt["declared_by"]), (&json!("a test"), &json!(who.user_id)));

    let exit = desk.outcome(json!({"action": "SELL", "comment": "EXIT_FINAL"})).await;
    assert_eq!(exit["status"], "filled", "{exit}");
    let entry = desk.outcome(json!({"action": "BUY", "comment": "ENTRY"})).await;
    assert_eq!((&entry["status"], &entry["code"]), (&json!("denied"), &json!("halted")));
    assert!(entry["reason"].as_str().unwrap().contains("a test"), "{entry}");

    assert_eq!(who.delete(&path_of(&halt)).await.0, StatusCode::NO_CONTENT);
    let entry = desk.outcome(json!({"action": "BUY", "comment": "ENTRY", "id": "again"})).await;
    assert_eq!(entry["status"], "filled", "{entry}");
}

#[tokio::test]
async fn a_freeze_stops_exits_too() {
    let desk = Desk::new().await;
    desk.outcome(json!({"action": "BUY"})).await;
    desk.trader.create("/api/v1/halts", desk.halt("account", "all")).await;
    let exit = desk.outcome(json!({"action": "SELL"})).await;
    assert_eq!((&exit["status"], &exit["code"]), (&json!("denied"), &json!("halted")), "{exit}");
}

#[tokio::test]
async fn only_administrators_halt_the_system() {
    let desk = Desk::new().await;
    let (status, answer) = desk.trader.post("/api/v1/halts", desk.halt("system", "all")).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let halt = desk.admin.create("/api/v1/halts", desk.halt("system", "entries")).await;
    assert_eq!(halt["target_id"], Value::Null);
    let (status, answer) = desk.trader.delete(&path_of(&halt)).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    let (_, seen) = desk.trader.get("/api/v1/halts").await;
    assert_eq!(seen["items"][0]["id"], halt["id"], "everybody sees that the system is halted");
}

#[tokio::test]
async fn what_an_administrator_halts_only_administrators_lift() {
    let desk = Desk::new().await;
    let halt = desk.admin.create("/api/v1/halts", desk.halt("account", "entries")).await;
    let (status, answer) = desk.trader.delete(&path_of(&halt)).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    assert_eq!(desk.admin.delete(&path_of(&halt)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(desk.admin.delete(&path_of(&halt)).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn users_see_and_halt_only_what_is_theirs() {
    let desk = Desk::new().await;
    let halt = desk.trader.create("/api/v1/halts", desk.halt("strategy", "entries")).await;
    assert_eq!(halt["target_id"], desk.strategy["id"]);
    let other = Trader::register_on(&desk.app, Plan::Unlimited, "other").await;
    assert_eq!(other.get("/api/v1/halts").await.1["items"], json!([]));
    let tries = [
        other.delete(&path_of(&halt)).await,
        other.post("/api/v1/halts", desk.halt("strategy", "all")).await,
        other.post("/api/v1/halts", desk.halt("account", "all")).await,
        desk.admin
            .post("/api/v1/halts", json!({"scope": "account", "id": 999_999, "mode": "all", "reason": "x"}))
            .await,
    ];
    for (status, answer) in tries {
        assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{answer}");
    }
    for who in [&desk.trader, &desk.admin] {
        assert_eq!(who.get("/api/v1/halts").await.1["items"][0]["id"], halt["id"]);
    }
}

#[tokio::test]
async fn the_same_halt_twice_is_a_conflict() {
    let desk = Desk::new().await;
    desk.trader.create("/api/v1/halts", desk.halt("account", "entries")).await;
    let (status, answer) = desk.trader.post("/api/v1/halts", desk.halt("account", "entries")).await;
    assert_eq!((status, &answer["code"]), (StatusCode::CONFLICT, &json!("conflict")));
    desk.trader.create("/api/v1/halts", desk.halt("account", "all")).await;
}

#[rstest]
#[case(json!({"scope": "galaxy"}), &["scope"])]
#[case(json!({"scope": "system", "id": 1}), &["id"])]
#[case(json!({"scope": "account"}), &["id"])]
#[case(json!({"mode": "some"}), &["mode"])]
#[case(json!({"reason": " "}), &["reason"])]
#[case(json!({"reason": "x".repeat(501)}), &["reason"])]
#[tokio::test]
async fn wrong_fields_are_named(#[case] more: Value, #[case] fields: &[&str]) {
    let (_app, admin) = app_and_trader().await;
    let body = with(json!({"scope": "system", "mode": "all", "reason": "x"}), &more);
    let (status, answer) = admin.post("/api/v1/halts", body).await;
    assert_eq!((status, wrong_fields(&answer)), (StatusCode::UNPROCESSABLE_ENTITY, fields.to_vec()));
}
