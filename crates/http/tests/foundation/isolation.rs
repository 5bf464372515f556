//! Another user's things are 404, nobody gets in unasked, and no cookie writes without its CSRF token: all of it walked
//! through the OpenAPI document, so that a new route is tried without anybody thinking of it.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use crate::common::{Client, TestApp};

/// One operation of the document.
struct Operation {
    method: Method,
    path: String,
    public: bool,
    has_body: bool,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(atomik_http::openapi::document()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let public = operation["security"] == json!([{}]);
            let has_body = operation["requestBody"].is_object();
            operations.push(Operation { method, path: path.clone(), public, has_body });
        }
    }
    assert!(operations.len() > 30, "the document is read: {}", operations.len());
    operations
}

/// The first part of the path after `/api/v1/`, and whatever is the id behind it: `webhooks`, `me/sessions`.
fn collection_of(path: &str) -> &str {
    let path = path.strip_prefix("/api/v1/").unwrap();
    path.split("/{").next().unwrap()
}

/// A body that is right for the operation, so that what refuses it is not its shape.
fn body_for(method: &Method, path: &str) -> Value {
    let last = path.rsplit('/').next().unwrap();
    match (collection_of(path), last) {
        (_, "adopt") => json!({"symbol": "ES"}),
        (_, "explain") => json!({"payload": {"action": "BUY"}}),
        ("webhooks", "{id}") if *method == Method::PATCH => json!({"name": "stolen", "active": false}),
        ("broker-accounts", "{id}") if *method == Method::PATCH => json!({"label": "stolen"}),
        ("strategies", "{id}") if *method == Method::PATCH => json!({"name": "stolen", "active": false}),
        _ => json!({}),
    }
}

/// What one trader has: the id of one thing of every collection.
async fn own_everything(client: &Client) -> BTreeMap<&'static str, String> {
    let webhook = client.post("/api/v1/webhooks", json!({"name": "mine"})).await.expect(201);
    let account = json!({"broker": "paper", "environment": "paper", "label": "mine", "credentials": {},
        "settings": {"prices": {"ES": "5000.00"}}});
    let account = client.post("/api/v1/broker-accounts", account).await.expect(201).id();
    let strategy = json!({"name": "mine", "webhook_id": webhook.id(), "broker_account_id": account,
        "symbol": "ES", "quantity": "1", "active": true});
    let strategy = client.post("/api/v1/strategies", strategy).await.expect(201).id();
    let halt = json!({"scope": "strategy", "id": strategy, "mode": "entries", "reason": "test"});
    let ready = |account: &Value| account["status"]["state"] == "ready" || account["state"] == "ready";
    client.get_until(&format!("/api/v1/broker-accounts/{account}"), ready).await;

    let url = webhook.body["url"].as_str().unwrap();
    let path = &url[url.find("/api/").unwrap()..];
    client.post(path, json!({"action": "BUY"})).await.expect(202);
    let filled = |orders: &Value| orders["items"][0]["status"] == "filled";
    let orders = client.get_until("/api/v1/orders", filled).await;
    let order = &orders["items"][0];
    let halt = client.post("/api/v1/halts", halt).await.expect(201).id();
    let key = client.post("/api/v1/api-keys", json!({"name": "mine"})).await.expect(201).id();
    let sessions = client.get("/api/v1/me/sessions").await.expect(200).body;
    BTreeMap::from([
        ("webhooks", webhook.id().to_string()),
        ("broker-accounts", account.to_string()),
        ("strategies", strategy.to_string()),
        ("signals", order["signal_id"].to_string()),
        ("orders", order["client_order_id"].as_str().unwrap().to_owned()),
        ("halts", halt.to_string()),
        ("api-keys", key.to_string()),
        ("me/sessions", sessions["items"][0]["id"].to_string()),
    ])
}

/// Operations on things that users own.
fn owned_operations() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|operation| {
        let admin = operation.path.starts_with("/api/v1/admin/");
        operation.path.contains('{') && !operation.public && !admin
    })
}

#[tokio::test]
async fn another_users_things_are_404_on_every_route() {
    let app = TestApp::start().await;
    let owner = app.program("owner@example.com").await;
    let mine = own_everything(&owner).await;
    let stranger = app.program("stranger@example.com").await;
    for operation in owned_operations() {
        let Operation { method, path, has_body, .. } = operation;
        let id = mine.get(collection_of(&path)).unwrap_or_else(|| panic!("own one for {path} above"));
        let url = path.replace("{id}", id);
        assert!(!url.contains('{'), "{path} has a parameter that nobody fills");
        let body = has_body.then(|| body_for(&method, &path));
        let reply = stranger.send(method.clone(), &url, body.clone()).await;
        assert_eq!(reply.status, 404, "{method} {path}: {}", reply.text);
        assert_eq!(reply.body["code"], "not_found", "{method} {path}: {}", reply.text);
        // The same request by the owner shows that the id was what was wrong. Deleting waits for the end.
        if method != Method::DELETE {
            let reply = owner.send(method.clone(), &url, body).await;
            assert!(reply.status < 500 && reply.status != 404, "{method} {path}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn ids_that_are_no_ids_are_404_for_the_signed_in() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    for operation in owned_operations() {
        for id in ["999999", "9223372036854775808", "0x1", "-1", "%00", "..%2f"] {
            if collection_of(&operation.path) == "webhooks" && id.bytes().any(|b| !b.is_ascii_digit()) {
                continue; // such an id is a token to the receiver, which answers 405
            }
            let url = operation.path.replace("{id}", id);
            let body = operation.has_body.then(|| body_for(&operation.method, &operation.path));
            let reply = program.send(operation.method.clone(), &url, body).await;
            assert_eq!(reply.status, 404, "{} {url}: {}", operation.method, reply.text);
        }
    }
}

#[tokio::test]
async fn nobody_gets_in_without_signing_in() {
    let app = TestApp::start().await;
    for operation in operations().into_iter().filter(|operation| !operation.public) {
        let url = operation.path.replace("{id}", "1");
        let body = operation.has_body.then(|| body_for(&operation.method, &operation.path));
        let reply = app.anonymous().send(operation.method.clone(), &url, body).await;
        assert_eq!(reply.status, 401, "{} {url}: {}", operation.method, reply.text);
        assert_eq!(reply.body["code"], "unauthenticated");
    }
}

#[tokio::test]
async fn no_cookie_writes_without_its_csrf_token() {
    let app = TestApp::start().await;
    let browser = Client { csrf: None, ..app.browser("a@example.com").await };
    let writes =
        operations().into_iter().filter(|operation| !operation.public && operation.method != Method::GET);
    for operation in writes {
        let url = operation.path.replace("{id}", "1");
        let body = operation.has_body.then(|| body_for(&operation.method, &operation.path));
        let reply = browser.send(operation.method.clone(), &url, body).await;
        assert_eq!(reply.status, 403, "{} {url}: {}", operation.method, reply.text);
        assert_eq!(reply.body["code"], "csrf_required");
    }
}

#[tokio::test]
async fn lists_hold_the_callers_own_things_only() {
    let app = TestApp::start().await;
    let owner = app.program("owner@example.com").await;
    own_everything(&owner).await;
    let stranger = app.program("stranger@example.com").await;
    for list in
        ["webhooks", "broker-accounts", "strategies", "signals", "orders", "fills", "positions", "halts"]
    {
        let path = format!("/api/v1/{list}");
        assert!(!owner.get(&path).await.expect(200).body["items"].as_array().unwrap().is_empty(), "{list}");
        assert_eq!(stranger.get(&path).await.expect(200).body["items"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn a_strategy_cannot_be_tied_to_another_users_things() {
    let app = TestApp::start().await;
    let owner = app.program("owner@example.com").await;
    let mine = own_everything(&owner).await;
    let stranger = app.program("stranger@example.com").await;
    let id = stranger.get("/api/v1/me").await.expect(200).id();
    let plan = json!({"plan": "unlimited"});
    owner.patch(&format!("/api/v1/admin/users/{id}"), plan).await.expect(200);
    let theirs = own_everything(&stranger).await;
    let number = |things: &BTreeMap<&str, String>, name: &str| things[name].parse::<i64>().unwrap();
    let tries = [
        (number(&mine, "webhooks"), number(&theirs, "broker-accounts")),
        (number(&theirs, "webhooks"), number(&mine, "broker-accounts")),
    ];
    for (webhook, account) in tries {
        let strategy = json!({"name": "x", "webhook_id": webhook, "broker_account_id": account,
            "symbol": "ES", "quantity": "1", "active": true});
        let reply = stranger.post("/api/v1/strategies", strategy).await;
        assert!(matches!(reply.status, 404 | 422), "{}", reply.text);
    }
    for (scope, name) in [("account", "broker-accounts"), ("strategy", "strategies")] {
        let halt = json!({"scope": scope, "id": number(&mine, name), "mode": "all", "reason": "x"});
        let reply = stranger.post("/api/v1/halts", halt).await;
        assert!(matches!(reply.status, 404 | 422), "{}", reply.text);
    }
}
