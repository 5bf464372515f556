//! The user guide, line by line: every row of its tables and of its troubleshooting section, on the whole program.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;

use atomik_domain::Plan;
use axum::body::Body;
use axum::http::Method;
use common::{Client, Reply, TestApp};
use rstest::rstest;
use serde_json::{Value, json};

/// A trader who has followed "Creating a Webhook", with a strategy that trades 7 ES at a time.
struct Desk {
    app: TestApp,
    trader: Client,
    webhook: Value,
    strategy: i64,
}

impl Desk {
    async fn open() -> Self {
        Self::open_with(json!({"quantity": "7"})).await
    }

    async fn open_with(behavior: Value) -> Self {
        let app = TestApp::start().await;
        let trader = app.program("trader@example.com").await;
        let webhook =
            trader.post("/api/v1/webhooks", json!({"name": "ES Long Entry"})).await.expect(201).body;
        let account = json!({"broker": "paper", "environment": "paper", "label": "Paper",
            "settings": {"starting_balance": "10000000"}});
        let account = trader.post("/api/v1/broker-accounts", account).await.expect(201).id();
        let mut strategy = json!({"name": "ES", "webhook_id": webhook["id"], "broker_account_id": account,
            "symbol": "ES", "active": true});
        for (name, value) in behavior.as_object().unwrap() {
            strategy[name] = value.clone();
        }
        let strategy = trader.post("/api/v1/strategies", strategy).await.expect(201).id();
        Self { app, trader, webhook, strategy }
    }

    /// The path of the full webhook URL, with the secret.
    fn url(&self) -> &str {
        self.webhook["url"].as_str().unwrap().strip_prefix("http://localhost:8080").unwrap()
    }

    async fn alert_to(&self, path: &str, payload: &str) -> Reply {
        let body = Body::from(payload.to_owned());
        Reply::read(self.app.anonymous().stream(Method::POST, path, &[], body).await).await
    }

    async fn alert(&self, payload: &str) -> Reply {
        self.alert_to(self.url(), payload).await
    }

    /// Sends an alert and waits for what came of it.
    async fn outcome(&self, payload: &str) -> Value {
        self.alert(payload).await.expect(202);
        let newest = |list: &Value| list["items"][0].clone();
        let payload = payload.to_owned();
        let settled = move |list: &Value| {
            let signal = newest(list);
            signal["payload"] == payload.as_str() && signal["status"] != "pending"
        };
        newest(&self.trader.get_until("/api/v1/signals?limit=1", settled).await)
    }

    async fn net_qty(&self) -> String {
        let strategy =
            self.trader.get(&format!("/api/v1/strategies/{}", self.strategy)).await.expect(200).body;
        strategy["position"]["net_qty"].as_str().unwrap().to_owned()
    }

    async fn newest_log(&self) -> Value {
        let path = format!("/api/v1/webhooks/{}/logs?limit=1", self.webhook["id"]);
        self.trader.get_until(&path, |logs| !logs["items"][0].is_null()).await["items"][0].clone()
    }
}

fn assert_traded(signal: &Value, side: &str, qty: &str) {
    let order = &signal["strategies"][0]["orders"][0];
    assert_eq!((order["side"].as_str(), order["filled_qty"].as_str()), (Some(side), Some(qty)), "{signal:#}");
    assert_eq!(signal["status"], "filled");
}

#[tokio::test]
async fn creating_a_webhook_gives_token_secret_and_full_url_once() {
    let desk = Desk::open().await;
    let (token, secret) = (desk.webhook["token"].as_str().unwrap(), desk.webhook["secret"].as_str().unwrap());
    assert_eq!(desk.url(), format!("/api/v1/webhooks/{token}?secret={secret}"));
    let read = desk.trader.get(&format!("/api/v1/webhooks/{}", desk.webhook["id"])).await.expect(200);
    assert!(!read.text.contains(secret), "the secret is shown again");
}

#[tokio::test]
async fn basic_example_open_a_long_position() {
    let desk = Desk::open().await;
    assert_traded(&desk.outcome(r#"{"action": "BUY", "price": "5000"}"#).await, "buy", "7");
    assert_eq!(desk.net_qty().await, "7");
}

#[rstest]
#[case("EXIT_50", "4")]
#[case("EXIT_HALF", "4")]
#[case("EXIT_25", "2")]
#[case("EXIT_75", "6")]
#[case("EXIT_FINAL", "7")]
#[case("EXIT_ALL", "7")]
#[case("EXIT_100", "7")]
#[case("EXIT_33", "3")]
#[case("exit_half", "4")]
#[tokio::test]
async fn exit_comment_row_closes_that_part_rounded_up(#[case] comment: &str, #[case] closed: &str) {
    let desk = Desk::open().await;
    desk.outcome(r#"{"action": "BUY", "price": "5000"}"#).await;
    let exit =
        desk.outcome(&format!(r#"{{"action": "SELL", "comment": "{comment}", "price": "5001"}}"#)).await;
    assert_traded(&exit, "sell", closed);
}

#[tokio::test]
async fn exit_comment_row_no_comment_defaults_to_full_exit() {
    let desk = Desk::open().await;
    desk.outcome(r#"{"action": "BUY", "price": "5000"}"#).await;
    assert_traded(&desk.outcome(r#"{"action": "SELL", "price": "5001"}"#).await, "sell", "7");
    assert_eq!(desk.net_qty().await, "0");
}

#[rstest]
#[case("buy", "buy", "7")]
#[case("sell", "sell", "-7")]
#[tokio::test]
async fn exit_comment_row_entry_opens_a_new_position(
    #[case] action: &str,
    #[case] side: &str,
    #[case] net: &str,
) {
    let desk = Desk::open().await;
    let entry = format!(r#"{{"action": "{action}", "comment": "ENTRY", "price": "5000"}}"#);
    assert_traded(&desk.outcome(&entry).await, side, "7");
    assert_eq!(desk.net_qty().await, net);
}

#[tokio::test]
async fn pine_example_entry_then_close_with_tradingviews_spelling() {
    let desk = Desk::open().await;
    assert_traded(&desk.outcome(r#"{"action": "buy", "comment": "ENTRY"}"#).await, "buy", "7");
    assert_traded(&desk.outcome(r#"{"action": "sell", "comment": "EXIT_FINAL"}"#).await, "sell", "7");
    // Without a comment of its own, a script's order id arrives: no word of ours, so no comment.
    assert_traded(&desk.outcome(r#"{"action": "buy", "comment": "Long"}"#).await, "buy", "7");
    let exit = desk.outcome(r#"{"action": "sell", "comment": "Close entry(s) order Long"}"#).await;
    assert_traded(&exit, "sell", "7");
    assert!(exit["notes"][0].as_str().unwrap().contains("Close entry(s) order Long"));
}

#[rstest]
#[case::action_is_required("{}", "invalid_action")]
#[case::action_is_buy_or_sell(r#"{"action": "HOLD"}"#, "invalid_action")]
#[case::exit_0(r#"{"action": "SELL", "comment": "EXIT_0"}"#, "invalid_exit")]
#[case::exit_101(r#"{"action": "SELL", "comment": "EXIT_101"}"#, "invalid_exit")]
#[case::exit_minus_5(r#"{"action": "SELL", "comment": "EXIT_-5"}"#, "invalid_exit")]
#[case::exit_500(r#"{"action": "SELL", "comment": "EXIT_500"}"#, "invalid_exit")]
#[case::exit_abc(r#"{"action": "SELL", "comment": "EXIT_abc"}"#, "invalid_exit")]
#[case::exit_1e2(r#"{"action": "SELL", "comment": "EXIT_1e2"}"#, "invalid_exit")]
#[case::exit_in_arabic_digits(r#"{"action": "SELL", "comment": "EXIT_٥٠"}"#, "invalid_exit")]
#[case::malformed("{\"action\": \"BUY\"", "malformed_json")]
#[case::empty("", "malformed_json")]
#[tokio::test]
async fn payload_table_what_is_wrong_is_refused_with_a_reason(#[case] payload: &str, #[case] code: &str) {
    let desk = Desk::open().await;
    desk.alert(payload).await.expect_error(422, code);
    assert_eq!(desk.newest_log().await["code"], code);
    assert_eq!(desk.trader.get("/api/v1/signals").await.body["items"], json!([]));
}

#[tokio::test]
async fn troubleshooting_401_secret_missing_or_incorrect() {
    let desk = Desk::open().await;
    let bare = format!("/api/v1/webhooks/{}", desk.webhook["token"].as_str().unwrap());
    let buy = r#"{"action": "BUY"}"#;
    let missing = desk.alert_to(&bare, buy).await.expect_error(401, "secret_required");
    assert_eq!(missing.body["detail"], "Secret parameter required");
    let wrong =
        desk.alert_to(&format!("{bare}?secret=nonsense"), buy).await.expect_error(401, "invalid_secret");
    assert_eq!(wrong.body["detail"], "Invalid secret");
    let doubled = desk.alert_to(&format!("{}&secret=nonsense", desk.url()), buy).await;
    doubled.expect_error(401, "invalid_secret");
}

#[tokio::test]
async fn troubleshooting_403_ip_not_in_allowlist() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/webhooks/{}", desk.webhook["id"]);
    desk.trader.patch(&path, json!({"allowed_ips": "52.89.214.238, 34.212.75.30"})).await.expect(200);
    let refused = desk.alert(r#"{"action": "BUY"}"#).await.expect_error(403, "ip_not_allowed");
    assert_eq!(refused.body["detail"], "IP not allowed");
    let tradingview = Client { address: "52.89.214.238".parse().unwrap(), ..desk.app.anonymous() };
    let body = Body::from(r#"{"action": "BUY"}"#);
    Reply::read(tradingview.stream(Method::POST, desk.url(), &[], body).await).await.expect(202);
}

#[tokio::test]
async fn troubleshooting_403_subscription_inactive() {
    let desk = Desk::open().await;
    let me = desk.trader.get("/api/v1/me").await.expect(200);
    let id = me.body["id"].as_i64().or_else(|| me.body["user"]["id"].as_i64()).unwrap();
    let path = format!("/api/v1/admin/users/{id}");
    desk.trader.patch(&path, json!({"subscription_status": "canceled"})).await.expect(200);
    desk.alert(r#"{"action": "BUY"}"#).await.expect_error(403, "subscription_inactive");
}

#[tokio::test]
async fn troubleshooting_429_more_than_ten_requests_a_second() {
    let desk = Desk::open().await;
    let mut answers = Vec::new();
    // Ten at once and ten a second: forty in a row pass only on a machine that needs three seconds for them.
    for number in 0..40 {
        answers.push(desk.alert(&format!(r#"{{"action": "BUY", "id": {number}}}"#)).await);
    }
    assert!(answers.iter().take(10).all(|answer| answer.status == 202));
    let refused = answers.into_iter().find(|answer| answer.status != 202).expect("forty in a row passed");
    let refused = refused.expect_error(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn troubleshooting_404_token_wrong_or_webhook_deleted_or_paused() {
    let desk = Desk::open().await;
    let buy = r#"{"action": "BUY"}"#;
    let unknown = desk.alert_to("/api/v1/webhooks/unknown?secret=x", buy).await;
    assert_eq!(unknown.expect_error(404, "webhook_not_found").body["detail"], "Webhook not found");
    let path = format!("/api/v1/webhooks/{}", desk.webhook["id"]);
    desk.trader.patch(&path, json!({"active": false})).await.expect(200);
    desk.alert(buy).await.expect_error(404, "webhook_not_found");
    desk.trader.delete(&path).await.expect(204);
    desk.alert(buy).await.expect_error(404, "webhook_not_found");
}

#[tokio::test]
async fn troubleshooting_duplicate_trades_are_prevented_by_the_window() {
    let desk = Desk::open_with(json!({"quantity": "1", "max_position": "5"})).await;
    let first = desk.alert(r#"{"action": "BUY", "price": "5000"}"#).await.expect(202);
    let again = desk.alert(r#"{"action": "BUY", "price": "5000"}"#).await.expect(202);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    desk.trader.get_until("/api/v1/signals", |list| list["items"][0]["status"] == "filled").await;
    assert_eq!(desk.trader.get("/api/v1/fills").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn troubleshooting_alert_fires_but_no_trade_executes() {
    let desk = Desk::open().await;
    let path = format!("/api/v1/strategies/{}", desk.strategy);
    desk.trader.patch(&path, json!({"active": false})).await.expect(200);
    let signal = desk.outcome(r#"{"action": "BUY"}"#).await;
    assert_eq!(signal["code"], "no_active_strategy");
    let log = desk.newest_log().await;
    assert_eq!((log["status"].as_u64(), &log["signal_id"]), (Some(202), &signal["id"]));
}

#[tokio::test]
async fn response_format_has_exactly_the_four_fields() {
    let desk = Desk::open().await;
    let answer = desk.alert(r#"{"action": "BUY"}"#).await.expect(202);
    let timestamp = answer.body["timestamp"].as_str().unwrap();
    assert_eq!(
        answer.text,
        format!(
            r#"{{"status":"accepted","message":"Webhook received and being processed","webhook_id":{},"timestamp":"{timestamp}"}}"#,
            desk.webhook["id"]
        )
    );
    let shape: String = timestamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99.999999");
}

#[rstest]
#[case::free(Plan::Free, Some(0))]
#[case::starter(Plan::Starter, Some(3))]
#[case::trader(Plan::Trader, Some(10))]
#[case::unlimited(Plan::Unlimited, None)]
#[tokio::test]
async fn limits_by_tier_row(#[case] plan: Plan, #[case] limit: Option<usize>) {
    let app = TestApp::start().await;
    let trader = app.program("trader@example.com").await;
    let me = trader.get("/api/v1/me").await.expect(200);
    let id = me.body["id"].as_i64().or_else(|| me.body["user"]["id"].as_i64()).unwrap();
    trader.patch(&format!("/api/v1/admin/users/{id}"), json!({"plan": plan.as_str()})).await.expect(200);
    for number in 0..limit.unwrap_or(12) {
        trader.post("/api/v1/webhooks", json!({"name": format!("w{number}")})).await.expect(201);
    }
    let next = trader.post("/api/v1/webhooks", json!({"name": "one more"})).await;
    match limit {
        Some(_) => {
            let refused = next.expect_error(403, "plan_limit_reached");
            assert_eq!(refused.header("x-upgrade-required"), "true");
            assert_eq!(refused.header("x-current-tier"), plan.as_str());
        }
        None => {
            next.expect(201);
        }
    }
}
