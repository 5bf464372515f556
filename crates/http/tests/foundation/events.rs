//! Server-sent events: names, resuming, bounds, ends.

use std::time::Duration;

use atomik_domain::{BrokerAccountId, SignalId, UserId, WebhookId};
use atomik_engine::EventBody;
use axum::body::{Body, BodyDataStream};
use axum::http::Method;
use futures::StreamExt;
use serde_json::{Value, json};

use crate::common::{Client, Reply, TestApp};

/// An event as a watcher reads it.
#[derive(Debug, PartialEq)]
struct Seen {
    name: String,
    id: Option<String>,
    payload: Value,
}

/// An open stream.
struct Watch {
    body: BodyDataStream,
    text: String,
}

impl Watch {
    async fn open(client: &Client, path: &str, last_event_id: Option<&str>) -> Self {
        let headers: Vec<_> = last_event_id.map(|id| ("last-event-id", id)).into_iter().collect();
        let response = client.stream(Method::GET, path, &headers, Body::empty()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The next event; `None` where the stream ends.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let seen = read_event(event);
                self.text = rest.to_owned();
                match seen {
                    Some(seen) => return Some(seen),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.body.next()).await;
            let chunk = chunk.expect("the stream says something in time")?.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

fn read_event(text: &str) -> Option<Seen> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some(Seen {
        name: field("event:")?.to_owned(),
        id: field("id:").map(str::to_owned),
        payload: serde_json::from_str(field("data:")?).unwrap(),
    })
}

fn publish(app: &TestApp, user_id: i64, signal: i64) {
    let body = EventBody::Signal { signal_id: SignalId(signal), webhook_id: WebhookId(1) };
    app.state.engine.events().publish(UserId(user_id), app.state.now(), body);
}

async fn id_of(client: &Client) -> i64 {
    client.get("/api/v1/me").await.expect(200).id()
}

#[tokio::test]
async fn a_trade_shows_as_it_happens() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let webhook = program.post("/api/v1/webhooks", json!({"name": "w"})).await.expect(201);
    let account = json!({"broker": "paper", "environment": "paper", "label": "p", "credentials": {},
        "settings": {"prices": {"ES": "5000.00"}}});
    let mut watch = Watch::open(&program, "/api/v1/events", None).await;
    let account = program.post("/api/v1/broker-accounts", account).await.expect(201).id();
    let mut seen = Vec::new();
    loop {
        let event = watch.next().await.unwrap();
        let ready = event.name == "account" && event.payload["state"] == "ready";
        seen.push(event);
        if ready {
            break;
        }
    }
    let strategy = json!({"name": "s", "webhook_id": webhook.id(), "broker_account_id": account,
        "symbol": "ES", "quantity": "1", "active": true});
    program.post("/api/v1/strategies", strategy).await.expect(201);
    let url = webhook.body["url"].as_str().unwrap();
    let path = &url[url.find("/api/").unwrap()..];
    program.post(path, json!({"action": "BUY"})).await.expect(202);
    let wanted = ["delivery", "signal", "order", "fill", "position"];
    while !wanted.iter().all(|name| seen.iter().any(|event| event.name == *name)) {
        seen.push(watch.next().await.unwrap());
    }
    let fill = seen.iter().find(|event| event.name == "fill").unwrap();
    assert_eq!((&fill.payload["last_price"], &fill.payload["side"]), (&json!("5000"), &json!("buy")));
    let position = seen.iter().find(|event| event.name == "position").unwrap();
    assert_eq!((&position.payload["net_qty"], &position.payload["side"]), (&json!("1"), &json!("long")));
    let delivery = seen.iter().find(|event| event.name == "delivery").unwrap();
    assert_eq!((&delivery.payload["status"], &delivery.payload["code"]), (&json!(202), &json!("accepted")));
}

#[tokio::test]
async fn a_watcher_sees_its_own_users_events_only() {
    let app = TestApp::start().await;
    let one = app.program("a@example.com").await;
    let other = app.program("b@example.com").await;
    let (one_id, other_id) = (id_of(&one).await, id_of(&other).await);
    let mut watch = Watch::open(&one, "/api/v1/events", None).await;
    publish(&app, other_id, 1);
    publish(&app, one_id, 2);
    let event = watch.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.payload["id"]), ("signal", &json!(2)));
}

#[tokio::test]
async fn a_watcher_that_comes_back_gets_what_it_missed() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let user_id = id_of(&program).await;
    let mut watch = Watch::open(&program, "/api/v1/events", None).await;
    publish(&app, user_id, 1);
    let last_id = watch.next().await.unwrap().id.unwrap();
    drop(watch);
    publish(&app, user_id, 2);
    publish(&app, user_id, 3);

    let mut by_header = Watch::open(&program, "/api/v1/events", Some(&last_id)).await;
    let by_query = format!("/api/v1/events?last_event_id={last_id}");
    let mut by_query = Watch::open(&program, &by_query, None).await;
    publish(&app, user_id, 4);
    for watch in [&mut by_header, &mut by_query] {
        for signal in [2, 3, 4] {
            assert_eq!(watch.next().await.unwrap().payload["id"], signal);
        }
    }
}

#[tokio::test]
async fn a_watcher_from_another_run_is_told_to_load_everything_again() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    for id in ["0-0", "nonsense", "ffffffffffffffff-7"] {
        let mut watch = Watch::open(&program, "/api/v1/events", Some(id)).await;
        assert_eq!(watch.next().await.unwrap().name, "missed", "{id}");
    }
}

#[tokio::test]
async fn a_watcher_that_reads_too_slowly_is_told_that_it_missed_some() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let user_id = id_of(&program).await;
    let mut watch = Watch::open(&program, "/api/v1/events", None).await;
    for signal in 0..5_000 {
        publish(&app, user_id, signal);
    }
    assert_eq!(watch.next().await.unwrap().name, "missed");
    assert_eq!(watch.next().await.unwrap().name, "signal");
}

#[tokio::test]
async fn a_user_has_at_most_twenty_streams() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(Watch::open(&program, "/api/v1/events", None).await);
    }
    program.get("/api/v1/events").await.expect_error(429, "too_many_attempts");
    open.pop();
    open.push(Watch::open(&program, "/api/v1/events", None).await);
}

#[tokio::test]
async fn streams_end_when_the_program_stops() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let mut watch = Watch::open(&program, "/api/v1/events", None).await;
    app.state.close_streams();
    assert_eq!(watch.next().await, None);
    let refused = program.stream(Method::GET, "/api/v1/events", &[], Body::empty()).await;
    Reply::read(refused).await.expect_error(503, "overloaded");
}

#[tokio::test]
async fn streams_end_when_their_user_is_signed_out() {
    let app = TestApp::start().await;
    let browser = app.browser("a@example.com").await;
    let mut watch = Watch::open(&browser, "/api/v1/events", None).await;
    browser.post("/api/v1/auth/logout", json!({})).await.expect(204);
    // The check of the sign-in is due every 30 s; its time is brought on without waiting for it.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn an_accounts_event_says_how_it_stands() {
    let app = TestApp::start().await;
    let program = app.program("a@example.com").await;
    let user_id = id_of(&program).await;
    let mut watch = Watch::open(&program, "/api/v1/events", None).await;
    let body = EventBody::Account { broker_account_id: BrokerAccountId(7) };
    app.state.engine.events().publish(UserId(user_id), app.state.now(), body);
    let event = watch.next().await.unwrap();
    assert_eq!((event.name.as_str(), &event.payload["broker_account_id"]), ("account", &json!(7)));
    assert!(event.payload["state"].is_string());
}
