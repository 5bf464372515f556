//! Traders at work: programs of users with webhooks, paper accounts and strategies, over the test's program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking
#![allow(dead_code)] // every test binary uses its own part of this

use atomik_domain::{Plan, UserId};
use atomik_ports::directory::UserPatch;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::common::{Client, Reply, TestApp};

/// Where the tests' program believes to be.
pub const PUBLIC_URL: &str = "http://localhost:8080";

/// The program with its first user: an administrator on plan `unlimited`.
pub async fn app_and_trader() -> (TestApp, Trader) {
    let app = TestApp::start().await;
    let trader = Trader::register(&app, "first").await;
    (app, trader)
}

/// Sends an alert to a webhook's full URL, as an alert source would.
pub async fn alert(app: &TestApp, url: &Value, payload: Value) -> Reply {
    let path = url.as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap();
    app.anonymous().post(path, payload).await
}

/// A user's program.
pub struct Trader {
    pub client: Client,
    pub user_id: i64,
}

impl Trader {
    /// Of a new user. The first is the administrator, on plan `unlimited`; later ones are on `free`.
    pub async fn register(app: &TestApp, name: &str) -> Self {
        let client = app.program(&format!("{name}@example.com")).await;
        let user_id = client.get("/api/v1/me").await.expect(200).id();
        Self { client, user_id }
    }

    /// Of a new user on a plan, who is no administrator.
    pub async fn register_on(app: &TestApp, plan: Plan, name: &str) -> Self {
        let trader = Self::register(app, name).await;
        let patch = UserPatch { plan: Some(plan), ..UserPatch::default() };
        app.store.update_user(UserId(trader.user_id), patch).await.unwrap();
        app.state.engine.refresh().await.unwrap();
        trader
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        brief(self.client.get(path).await)
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        brief(self.client.post(path, body).await)
    }

    pub async fn patch(&self, path: &str, body: Value) -> (StatusCode, Value) {
        brief(self.client.patch(path, body).await)
    }

    pub async fn delete(&self, path: &str) -> (StatusCode, Value) {
        brief(self.client.delete(path).await)
    }

    /// Sends a request, with a body or without, and gives the whole answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.client.send(method, path, body).await
    }

    /// Makes something and gives it back.
    pub async fn create(&self, path: &str, body: Value) -> Value {
        self.client.post(path, body).await.expect(201).body
    }

    /// Reads a path again and again until it is as wanted.
    pub async fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.client.get_until(path, wanted).await
    }

    /// A new webhook.
    pub async fn webhook(&self, name: &str) -> Value {
        self.create("/api/v1/webhooks", json!({ "name": name })).await
    }

    /// A new paper account with a million dollars, whose ES trades at 5000, once its books are compared.
    pub async fn paper_account(&self) -> Value {
        self.paper_account_with(json!({"prices": {"ES": "5000.00"}})).await
    }

    /// A new paper account with a million dollars and more settings, once its books are compared.
    pub async fn paper_account_with(&self, more: Value) -> Value {
        let settings = with(json!({"starting_balance": "1000000"}), &more);
        let body = json!({"broker": "paper", "environment": "paper", "label": "Paper", "settings": settings});
        let account = self.create("/api/v1/broker-accounts", body).await;
        let path = format!("/api/v1/broker-accounts/{}", account["id"]);
        self.wait_for(&path, |account| account["status"]["state"] == "ready").await
    }

    /// A new active strategy that trades one ES, with more settings.
    pub async fn strategy(&self, webhook: &Value, account: &Value, more: Value) -> Value {
        self.create("/api/v1/strategies", strategy_body(webhook, account, &more)).await
    }

    /// The newest signal, once every strategy has settled.
    pub async fn settled_signal(&self) -> Value {
        let settled =
            |list: &Value| list["items"][0]["status"].as_str().is_some_and(|word| word != "pending");
        self.wait_for("/api/v1/signals?limit=1", settled).await["items"][0].clone()
    }
}

/// What makes a strategy that trades one ES, with more settings.
pub fn strategy_body(webhook: &Value, account: &Value, more: &Value) -> Value {
    let body = json!({
        "name": "ES", "webhook_id": webhook["id"], "broker_account_id": account["id"], "symbol": "ES", "quantity": "1",
    });
    with(body, more)
}

/// An object with the fields of another put over its own.
pub fn with(mut body: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// The names of the fields that a 422 complains about.
pub fn wrong_fields(body: &Value) -> Vec<&str> {
    let fields = body["fields"].as_object().into_iter().flatten();
    fields.map(|(name, _)| name.as_str()).collect()
}

fn brief(reply: Reply) -> (StatusCode, Value) {
    (StatusCode::from_u16(reply.status).unwrap(), reply.body)
}
