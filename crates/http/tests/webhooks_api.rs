//! Webhooks, their secrets and their logs, through the API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use atomik_domain::Plan;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use common::{Reply, TestApp};
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use trading::{PUBLIC_URL, Trader, alert, app_and_trader, wrong_fields};

#[tokio::test]
async fn creation_answers_with_the_contracts_fields_and_defaults() {
    let (_app, client) = app_and_trader().await;
    let made = client.webhook("ES Long Entry").await;
    let (token, secret) = (made["token"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert_eq!((token.len(), secret.len()), (48, 64));
    assert_eq!(made["url"], format!("{PUBLIC_URL}/api/v1/webhooks/{token}?secret={secret}"));
    assert_eq!(made["description"], "");
    assert_eq!(made["allowed_ips"], json!([]));
    assert_eq!(made["active"], true);
    assert_eq!(made["require_secret"], true);
    assert_eq!(made["dedupe_window_s"], 1);
    assert_eq!(made["warnings"], json!([]));
    assert!(made["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn the_secret_is_shown_once_and_its_url_works() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let secret = made["secret"].as_str().unwrap();
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    for path in [path.as_str(), "/api/v1/webhooks"] {
        let (status, shown) = client.get(path).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!shown.to_string().contains(secret), "{path} shows the secret");
    }
    let (_, changed) = client.patch(&path, json!({"description": "notes"})).await;
    assert_eq!(changed["description"], "notes");
    assert!(!changed.to_string().contains(secret), "a change shows the secret");
    let answer = alert(&app, &made["url"], json!({"action": "BUY"})).await.expect(202);
    assert_eq!(answer.body["webhook_id"], made["id"]);
}

#[rstest]
#[case::list(json!(["52.89.214.238", "10.0.0.0/8"]), json!(["52.89.214.238", "10.0.0.0/8"]))]
#[case::text(json!("52.89.214.238, 34.212.75.30"), json!(["52.89.214.238", "34.212.75.30"]))]
#[case::preset(json!("tradingview"), json!(["tradingview"]))]
#[case::nobody_named(json!([]), json!([]))]
#[tokio::test]
async fn allowed_ips_come_as_list_or_text(#[case] sent: Value, #[case] shown: Value) {
    let (_app, client) = app_and_trader().await;
    let made = client.create("/api/v1/webhooks", json!({"name": "one", "allowed_ips": sent})).await;
    assert_eq!(made["allowed_ips"], shown);
}

#[tokio::test]
async fn allowed_ips_are_enforced_and_lifted() {
    let (app, client) = app_and_trader().await;
    let body = json!({"name": "one", "allowed_ips": "tradingview"});
    let made = client.create("/api/v1/webhooks", body).await;
    let url = &made["url"];
    let refused = alert(&app, url, json!({"action": "BUY"})).await;
    refused.expect_error(403, "ip_not_allowed");
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    client.patch(&path, json!({"allowed_ips": ["127.0.0.1"]})).await;
    alert(&app, url, json!({"action": "BUY"})).await.expect(202);
}

#[rstest]
#[case::no_name(json!({}), &["name"])]
#[case::blank_name(json!({"name": "  "}), &["name"])]
#[case::long_name(json!({"name": "x".repeat(101)}), &["name"])]
#[case::name_of_two_lines(json!({"name": "a\nb"}), &["name"])]
#[case::long_description(json!({"name": "a", "description": "x".repeat(1001)}), &["description"])]
#[case::window(json!({"name": "a", "dedupe_window_s": 61}), &["dedupe_window_s"])]
#[case::negative_window(json!({"name": "a", "dedupe_window_s": -1}), &["dedupe_window_s"])]
#[case::ips_of_another_type(json!({"name": "a", "allowed_ips": 7}), &["allowed_ips"])]
#[case::misspelled(json!({"name": "a", "alowed_ips": []}), &["alowed_ips"])]
#[case::two_at_once(json!({"name": "", "allowed_ips": "nonsense"}), &["allowed_ips", "name"])]
#[tokio::test]
async fn wrong_fields_are_named(#[case] body: Value, #[case] fields: &[&str]) {
    let (_app, client) = app_and_trader().await;
    let (status, answer) = client.post("/api/v1/webhooks", body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer["code"], "invalid_request");
    assert_eq!(wrong_fields(&answer), fields);
}

#[tokio::test]
async fn a_bad_allowlist_entry_is_named() {
    let (_app, client) = app_and_trader().await;
    let body = json!({"name": "one", "allowed_ips": ["10.0.0.1", "10.0.0.256"]});
    let (_, answer) = client.post("/api/v1/webhooks", body).await;
    assert!(answer["fields"]["allowed_ips"].as_str().unwrap().contains("\"10.0.0.256\""), "{answer}");
}

#[tokio::test]
async fn names_and_descriptions_of_full_length_are_taken() {
    let (_app, client) = app_and_trader().await;
    let body = json!({"name": "ü".repeat(100), "description": "ü".repeat(1000), "dedupe_window_s": 60});
    client.create("/api/v1/webhooks", body).await;
}

#[tokio::test]
async fn a_webhook_without_a_secret_carries_a_warning() {
    let (app, client) = app_and_trader().await;
    let made = client.create("/api/v1/webhooks", json!({"name": "one", "require_secret": false})).await;
    assert!(made["warnings"][0].as_str().unwrap().starts_with("Dangerous"), "{made}");
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    let (_, shown) = client.get(&path).await;
    let bare = &shown["url"];
    alert(&app, bare, json!({"action": "BUY"})).await.expect(202);
    let (_, changed) = client.patch(&path, json!({"require_secret": true})).await;
    assert_eq!(changed["warnings"], json!([]));
    let refused = alert(&app, bare, json!({"action": "SELL"})).await;
    assert_eq!(refused.body["code"], "secret_required");
}

#[tokio::test]
async fn a_paused_webhook_is_404_until_it_is_activated() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let (path, url) = (format!("/api/v1/webhooks/{}", made["id"]), &made["url"]);
    client.patch(&path, json!({"active": false})).await;
    assert_eq!(alert(&app, url, json!({"action": "BUY"})).await.body["code"], "webhook_not_found");
    client.patch(&path, json!({"active": true})).await;
    alert(&app, url, json!({"action": "BUY"})).await.expect(202);
}

#[tokio::test]
async fn a_deleted_webhook_is_gone() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    assert_eq!(client.delete(&path).await, (StatusCode::NO_CONTENT, Value::Null));
    for answer in [client.get(&path).await, client.delete(&path).await] {
        assert_eq!((answer.0, &answer.1["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    }
    let refused = alert(&app, &made["url"], json!({"action": "BUY"})).await;
    assert_eq!(refused.body["code"], "webhook_not_found");
}

#[tokio::test]
async fn rotation_without_overlap_ends_the_old_secret_at_once() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let path = format!("/api/v1/webhooks/{}/rotate-secret", made["id"]);
    // The body is optional: every field of it is.
    let rotated = client.send(Method::POST, &path, None).await.expect(200);
    assert_ne!(rotated.body["secret"], made["secret"]);
    assert_eq!(rotated.body["previous_secret_valid_until"], Value::Null);
    let old = alert(&app, &made["url"], json!({"action": "BUY"})).await;
    assert_eq!(old.body["code"], "invalid_secret");
    alert(&app, &rotated.body["url"], json!({"action": "BUY"})).await.expect(202);
}

/// Changes the database behind the store's back.
async fn tamper(app: &TestApp, sql: &'static str) {
    let file = app.data_dir.path().join(atomik_storage::sqlite::DATABASE_FILE);
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_is_in_force_is_answered_whatever_cannot_be_read() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    // Breaks every read of what came to webhooks, and nothing else.
    tamper(&app, "DROP INDEX signals_by_webhook").await;
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    client.send(Method::GET, &path, None).await.expect(503);

    let second = client.webhook("two").await;
    assert_eq!(second["secret"].as_str().unwrap().len(), 64);
    alert(&app, &second["url"], json!({"action": "BUY"})).await.expect(202);

    client.send(Method::POST, &format!("{path}/rotate-secret"), None).await.expect(503);
    alert(&app, &made["url"], json!({"action": "BUY"})).await.expect(202);
}

#[tokio::test]
async fn a_secret_that_is_in_force_is_answered_though_the_receiver_cannot_read_it_yet() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    // Breaks reading what changed, and nothing else.
    tamper(&app, "ALTER TABLE halts RENAME TO lost").await;
    let second = client.webhook("two").await;
    let path = format!("/api/v1/webhooks/{}/rotate-secret", made["id"]);
    let rotated = client.send(Method::POST, &path, None).await.expect(200).body;
    tamper(&app, "ALTER TABLE lost RENAME TO halts").await;
    app.state.engine.refresh().await.unwrap();
    for url in [&second["url"], &rotated["url"]] {
        alert(&app, url, json!({"action": "BUY"})).await.expect(202);
    }
}

#[tokio::test]
async fn rotation_with_overlap_keeps_both_secrets_working() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let path = format!("/api/v1/webhooks/{}/rotate-secret", made["id"]);
    let (status, rotated) = client.post(&path, json!({"overlap_s": 3600})).await;
    assert_eq!(status, StatusCode::OK);
    assert!(rotated["previous_secret_valid_until"].is_string(), "{rotated}");
    for (url, action) in [(&made["url"], "BUY"), (&rotated["url"], "SELL")] {
        alert(&app, url, json!({ "action": action })).await.expect(202);
    }
}

#[tokio::test]
async fn an_overlap_is_at_most_a_week() {
    let (_app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let path = format!("/api/v1/webhooks/{}/rotate-secret", made["id"]);
    for overlap_s in [json!(604_801), json!(-1), json!("soon")] {
        let (status, answer) = client.post(&path, json!({ "overlap_s": overlap_s })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(wrong_fields(&answer), ["overlap_s"]);
    }
    assert_eq!(client.post(&path, json!({"overlap_s": 604_800})).await.0, StatusCode::OK);
}

/// The guide's table "Webhook Limits by Tier".
#[rstest]
#[case(Plan::Free, 0, "starter")]
#[case(Plan::Starter, 3, "trader")]
#[case(Plan::Trader, 10, "unlimited")]
#[tokio::test]
async fn plans_limit_active_webhooks(#[case] plan: Plan, #[case] limit: usize, #[case] next: &str) {
    let (app, _) = app_and_trader().await;
    let client = Trader::register_on(&app, plan, "second").await;
    for number in 0..limit {
        client.webhook(&format!("webhook {number}")).await;
    }
    let body = json!({"name": "one too many"});
    let refused = client.send(Method::POST, "/api/v1/webhooks", Some(body)).await;
    let refused = refused.expect_error(403, "plan_limit_reached");
    assert_eq!(refused.header("x-upgrade-required"), "true");
    assert_eq!(refused.header("x-current-tier"), plan.as_str());
    assert_eq!(refused.header("x-recommended-tier"), next);
}

#[tokio::test]
async fn activating_obeys_the_limit_too() {
    let (app, _) = app_and_trader().await;
    let client = Trader::register_on(&app, Plan::Starter, "second").await;
    let paused = client.webhook("paused").await;
    let path = format!("/api/v1/webhooks/{}", paused["id"]);
    client.patch(&path, json!({"active": false})).await;
    for number in 0..3 {
        client.webhook(&format!("webhook {number}")).await;
    }
    let (status, answer) = client.patch(&path, json!({"active": true})).await;
    assert_eq!((status, &answer["code"]), (StatusCode::FORBIDDEN, &json!("plan_limit_reached")));
    assert_eq!(client.patch(&path, json!({"name": "renamed"})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn lists_are_newest_first_and_come_in_pages() {
    let (_app, client) = app_and_trader().await;
    for number in 0..3 {
        client.webhook(&format!("webhook {number}")).await;
    }
    let (_, first) = client.get("/api/v1/webhooks?limit=2").await;
    assert_eq!(first["items"][0]["name"], "webhook 2");
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, second) = client.get(&format!("/api/v1/webhooks?limit=2&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["name"], "webhook 0");
    assert_eq!(second["next_cursor"], Value::Null);
    let (status, wrong) = client.get("/api/v1/webhooks?limit=0").await;
    assert_eq!((status, wrong_fields(&wrong)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["limit"]));
}

#[tokio::test]
async fn logs_tell_what_became_of_each_request() {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let url = &made["url"];
    let bare = json!(url.as_str().unwrap().split('?').next());
    let accepted = alert(&app, url, json!({"action": "BUY", "secret": made["secret"]})).await;
    let replayed = alert(&app, url, json!({"action": "BUY"})).await;
    assert_eq!(replayed.header("idempotent-replayed"), "true");
    assert_eq!(replayed.body, accepted.body);
    alert(&app, &bare, json!({"action": "BUY"})).await;
    alert(&app, url, json!({"action": "HOLD"})).await;

    let logs = format!("/api/v1/webhooks/{}/logs", made["id"]);
    let all = client.wait_for(&logs, |logs| logs["items"].as_array().unwrap().len() == 4).await;
    let secret = made["secret"].as_str().unwrap();
    assert!(!all.to_string().contains(secret), "the log holds the secret");
    for (outcome, status, code) in [
        ("accepted", 202, "accepted"),
        ("replayed", 202, "replayed"),
        ("secret_required", 401, "secret_required"),
        ("invalid_action", 422, "invalid_action"),
    ] {
        let (_, found) = client.get(&format!("{logs}?outcome={outcome}")).await;
        let items = found["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{outcome}: {found}");
        assert_eq!((&items[0]["status"], &items[0]["code"]), (&json!(status), &json!(code)));
        assert_eq!(items[0]["remote_ip"], "127.0.0.1");
        assert_eq!(items[0]["signal_id"].is_i64(), status == 202, "{outcome}");
        assert!(items[0]["duration_us"].as_i64().unwrap() >= 0);
        assert_eq!(items[0]["suppressed"], 0);
    }
    let (_, refused) = client.get(&format!("{logs}?outcome=refused")).await;
    assert_eq!(refused["items"].as_array().unwrap().len(), 2);
    let (status, wrong) = client.get(&format!("{logs}?outcome=fine")).await;
    assert_eq!((status, wrong_fields(&wrong)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["outcome"]));
}

#[rstest]
#[case::key("idempotency-key", "a b", "invalid_field")]
#[case::encoding("content-encoding", "gzip", "malformed_json")]
#[tokio::test]
async fn a_malformed_request_is_refused_in_the_payloads_turn_and_logged(
    #[case] header: &str,
    #[case] value: &str,
    #[case] code: &str,
) {
    let (app, client) = app_and_trader().await;
    let made = client.webhook("one").await;
    let path = made["url"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap();
    let send = async |path: &str| {
        let body = Body::from(r#"{"action":"BUY"}"#);
        Reply::read(app.anonymous().stream(Method::POST, path, &[(header, value)], body).await).await
    };
    send("/api/v1/webhooks/nobody?secret=x").await.expect_error(404, "webhook_not_found");
    let (bare, _) = path.split_once('?').unwrap();
    send(&format!("{bare}?secret=guess")).await.expect_error(401, "invalid_secret");
    let refused = send(path).await.expect_error(422, code);

    let logs = format!("/api/v1/webhooks/{}/logs", made["id"]);
    let logs = client.wait_for(&logs, |logs| logs["items"].as_array().unwrap().len() == 2).await;
    let newest = &logs["items"][0];
    assert_eq!((&newest["status"], &newest["code"]), (&json!(422), &json!(code)));
    assert_eq!(newest["detail"], refused.body["detail"]);
    assert!(refused.text.to_lowercase().contains(header), "{}", refused.text);
    assert_eq!(client.get("/api/v1/signals").await.1["items"], json!([]));
}

#[tokio::test]
async fn another_users_webhook_is_404_on_every_route() {
    let (app, owner) = app_and_trader().await;
    let made = owner.webhook("one").await;
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    let path = format!("/api/v1/webhooks/{}", made["id"]);
    let tries = [
        other.get(&path).await,
        other.patch(&path, json!({"name": "mine"})).await,
        other.delete(&path).await,
        other.post(&format!("{path}/rotate-secret"), json!({})).await,
        other.get(&format!("{path}/logs")).await,
        other.post(&format!("{path}/explain"), json!({"payload": {"action": "BUY"}})).await,
    ];
    for (status, answer) in tries {
        assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{answer}");
    }
    assert_eq!(other.get("/api/v1/webhooks").await.1["items"], json!([]));
    assert_eq!(owner.get(&path).await.1["name"], "one");
}

#[tokio::test]
async fn nobody_signed_in_sees_nothing() {
    let (app, _) = app_and_trader().await;
    app.anonymous().get("/api/v1/webhooks").await.expect_error(401, "unauthenticated");
}
