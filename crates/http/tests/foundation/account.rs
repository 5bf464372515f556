//! API keys, plans, administration, the list of codes.

use atomik_domain::Code;
use serde_json::{Value, json};

use crate::common::{Client, TestApp};

#[tokio::test]
async fn a_key_is_shown_once_works_and_can_be_revoked() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    let made = browser.post("/api/v1/api-keys", json!({"name": " backtester "})).await.expect(201);
    let key = made.body["key"].as_str().unwrap().to_owned();
    let digits = key.strip_prefix("atk_").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
    assert_eq!(made.body["name"], "backtester");

    let listed = browser.get("/api/v1/api-keys").await.expect(200);
    assert!(!listed.text.contains(digits));
    assert_eq!(listed.body["items"][0]["last_used_at"], Value::Null);

    let program = Client { bearer: Some(key), ..app.anonymous() };
    program.get("/api/v1/me").await.expect(200);
    let listed = browser.get("/api/v1/api-keys").await.expect(200);
    assert!(listed.body["items"][0]["last_used_at"].is_string());

    browser.delete(&format!("/api/v1/api-keys/{}", made.id())).await.expect(204);
    program.get("/api/v1/me").await.expect_error(401, "unauthenticated");
    browser.delete(&format!("/api/v1/api-keys/{}", made.id())).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn a_wrong_key_is_nobody_even_beside_a_good_cookie() {
    let app = TestApp::start().await;
    let mut browser = app.browser("a@example.com").await;
    for wrong in ["", "atk_", "nonsense", &format!("atk_{}", "0".repeat(64))] {
        browser.bearer = Some(wrong.to_owned());
        let reply = browser.get("/api/v1/me").await.expect_error(401, "unauthenticated");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn keys_are_named_and_bounded() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    for name in [String::new(), "  ".to_owned(), "x".repeat(101)] {
        let reply = program.post("/api/v1/api-keys", json!({"name": name})).await;
        assert!(reply.expect(422).body["fields"]["name"].is_string());
    }
    for _ in 0..99 {
        program.post("/api/v1/api-keys", json!({"name": "x"})).await.expect(201);
    }
    program.post("/api/v1/api-keys", json!({"name": "x"})).await.expect_error(409, "conflict");
    let page = program.get("/api/v1/api-keys?limit=60").await.expect(200).body;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = program.get(&format!("/api/v1/api-keys?limit=60&cursor={cursor}")).await.expect(200).body;
    assert_eq!((page["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (60, 40));
    assert_eq!(rest["next_cursor"], Value::Null);
    assert_ne!(page["items"][59]["id"], rest["items"][0]["id"]);
}

#[tokio::test]
async fn the_plan_shows_limits_and_usage() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let plan = admin.get("/api/v1/plan").await.expect(200).body;
    assert_eq!((&plan["plan"], &plan["status"]), (&json!("unlimited"), &json!("active")));
    assert_eq!(plan["limits"]["active_webhooks"], Value::Null);
    admin.post("/api/v1/webhooks", json!({"name": "one"})).await.expect(201);
    assert_eq!(admin.get("/api/v1/plan").await.expect(200).body["usage"]["active_webhooks"], 1);

    let (program, id) = trader(&app, &admin).await;
    for (plan, webhooks, accounts, strategies) in [
        ("free", json!(0), json!(0), json!(0)),
        ("starter", json!(3), json!(2), json!(3)),
        ("trader", json!(10), json!(10), json!(10)),
    ] {
        admin.patch(&format!("/api/v1/admin/users/{id}"), json!({"plan": plan})).await.expect(200);
        let limits = &program.get("/api/v1/plan").await.expect(200).body["limits"];
        let wanted = json!({
            "active_webhooks": webhooks, "broker_accounts": accounts, "active_strategies": strategies,
        });
        assert_eq!(*limits, wanted, "{plan}");
    }
}

#[tokio::test]
async fn a_reached_limit_says_which_plan_has_room() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let (program, id) = trader(&app, &admin).await;
    let refused = program.post("/api/v1/webhooks", json!({"name": "x"})).await;
    let refused = refused.expect_error(403, "plan_limit_reached");
    let told = |name| refused.header(name).to_owned();
    assert_eq!(told("x-upgrade-required"), "true");
    assert_eq!((told("x-current-tier"), told("x-recommended-tier")), ("free".into(), "starter".into()));
    admin.patch(&format!("/api/v1/admin/users/{id}"), json!({"plan": "starter"})).await.expect(200);
    for _ in 0..3 {
        program.post("/api/v1/webhooks", json!({"name": "x"})).await.expect(201);
    }
    let refused = program.post("/api/v1/webhooks", json!({"name": "x"})).await.expect(403);
    assert_eq!(refused.header("x-recommended-tier"), "trader");
}

#[tokio::test]
async fn administration_is_for_administrators() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let (program, id) = trader(&app, &admin).await;
    program.get("/api/v1/admin/users").await.expect_error(403, "forbidden");
    let own = format!("/api/v1/admin/users/{id}");
    program.patch(&own, json!({"plan": "unlimited"})).await.expect_error(403, "forbidden");
    app.anonymous().get("/api/v1/admin/users").await.expect_error(401, "unauthenticated");
    let users = admin.get("/api/v1/admin/users").await.expect(200).body;
    assert_eq!(users["items"].as_array().unwrap().len(), 2);
    assert!(!users.to_string().contains("argon2"));
    admin.patch(&own, json!({"role": "admin"})).await.expect(200);
    program.get("/api/v1/admin/users").await.expect(200);
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let (program, id) = trader(&app, &admin).await;
    let browser = app.log_in("trader@example.com").await;
    let path = format!("/api/v1/admin/users/{id}");
    admin.patch(&path, json!({"disabled": true})).await.expect(200);
    program.get("/api/v1/me").await.expect_error(401, "unauthenticated");
    browser.get("/api/v1/me").await.expect_error(401, "unauthenticated");
    let credentials = json!({"email": "trader@example.com", "password": crate::common::PASSWORD});
    let login = app.anonymous().post("/api/v1/auth/login", credentials).await;
    login.expect_error(401, "invalid_credentials");
    admin.patch(&path, json!({"disabled": false})).await.expect(200);
    program.get("/api/v1/me").await.expect(200);
    browser.get("/api/v1/me").await.expect(401);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let id = admin.get("/api/v1/me").await.expect(200).id();
    for change in [json!({"role": "trader"}), json!({"disabled": true})] {
        admin.patch(&format!("/api/v1/admin/users/{id}"), change).await.expect_error(409, "conflict");
    }
}

#[tokio::test]
async fn changes_of_users_are_checked() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let (_, id) = trader(&app, &admin).await;
    let path = format!("/api/v1/admin/users/{id}");
    let wrong = json!({"plan": "gold", "subscription_status": "gone", "role": "king"});
    let fields = admin.patch(&path, wrong).await.expect_error(422, "invalid_request").body["fields"].clone();
    assert_eq!(fields.as_object().unwrap().len(), 3);
    admin.patch(&path, json!({"email": "x@example.com"})).await.expect_error(422, "invalid_request");
    admin.patch("/api/v1/admin/users/999", json!({"plan": "free"})).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn saying_past_due_again_does_not_begin_the_grace_again() {
    let app = TestApp::start().await;
    let admin = app.program("admin@example.com").await;
    let (_, id) = trader(&app, &admin).await;
    let path = format!("/api/v1/admin/users/{id}");
    let past_due = json!({"subscription_status": "past_due"});
    admin.patch(&path, past_due.clone()).await.expect(200);
    let since = app.store.user(atomik_domain::UserId(id)).await.unwrap().subscription.since;
    app.clock.advance_s(3 * 86_400);
    admin.patch(&path, past_due).await.expect(200);
    assert_eq!(app.store.user(atomik_domain::UserId(id)).await.unwrap().subscription.since, since);
}

#[tokio::test]
async fn every_code_is_explained_to_everybody() {
    let app = TestApp::start().await;
    let reply = app.anonymous().get("/api/v1/codes").await.expect(200);
    assert_eq!(reply.body["items"].as_array().unwrap().len(), Code::ALL.len());
    assert!(reply.header("cache-control").contains("max-age"));
}

async fn trader(app: &TestApp, admin: &Client) -> (Client, i64) {
    let program = app.program("trader@example.com").await;
    let users = admin.get("/api/v1/admin/users").await.expect(200).body;
    let items = users["items"].as_array().unwrap();
    let id = items.iter().find(|user| user["email"] == "trader@example.com").unwrap()["id"].as_i64();
    (program, id.unwrap())
}
