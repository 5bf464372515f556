//! Orders, fills and positions as files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

mod common;
mod trading;

use std::collections::BTreeSet;

use atomik_domain::Plan;
use rstest::rstest;
use serde_json::{Value, json};
use trading::{Trader, alert, app_and_trader};

/// A file's rows, each cell by its column's name.
fn rows(text: &str) -> Vec<Vec<(String, String)>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let named = |record: csv::StringRecord| {
        names.iter().zip(record.iter()).map(|(name, cell)| (name.to_owned(), cell.to_owned())).collect()
    };
    reader.records().map(|record| named(record.unwrap())).collect()
}

/// The same as a list of the API has it.
fn cells(item: &Value) -> Vec<(String, String)> {
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), cell(value))).collect()
}

#[rstest]
#[case("orders", "client_order_id,venue_order_id,signal_id,")]
#[case("fills", "id,exec_id,client_order_id,")]
#[case("positions", "strategy_id,broker_account_id,symbol,")]
#[tokio::test]
async fn a_file_has_what_the_list_has(#[case] list: &str, #[case] header: &str) {
    let (app, client) = app_and_trader().await;
    let empty = client.client.get(&format!("/api/v1/{list}.csv")).await.expect(200).text;
    assert!(empty.starts_with(header) && empty.ends_with("\r\n") && empty.lines().count() == 1, "{empty}");

    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    client.strategy(&webhook, &account, json!({})).await;
    client.strategy(&webhook, &account, json!({"symbol": "NQ"})).await;
    for action in ["BUY", "SELL", "BUY"] {
        alert(&app, &webhook["url"], json!({"action": action, "price": "5000"})).await.expect(202);
        client.settled_signal().await;
    }
    // Nothing changes any more: the broker has answered every order.
    let answered = |orders: &Value| {
        orders["items"].as_array().unwrap().iter().all(|order| order["acknowledged_at"].is_string())
    };
    client.wait_for("/api/v1/orders", answered).await;
    for query in ["", "?symbol=nq", "?open=true", "?sort=oldest", "?until=2000-01-01T00:00:00Z"] {
        let listed = client.client.get(&format!("/api/v1/{list}{query}")).await.expect(200).body;
        let listed: Vec<_> = listed["items"].as_array().unwrap().iter().map(cells).collect();
        let file = client.client.get(&format!("/api/v1/{list}.csv{query}")).await.expect(200).text;
        let mut filed = rows(&file);
        filed.iter_mut().for_each(|row| row.sort());
        assert_eq!(filed, listed, "{list}{query}");
    }
    let other = Trader::register_on(&app, Plan::Unlimited, "second").await;
    assert_eq!(other.client.get(&format!("/api/v1/{list}.csv")).await.expect(200).text, empty);
}

#[tokio::test]
async fn a_file_says_its_name_its_kind_and_its_bound() {
    let (app, client) = app_and_trader().await;
    let file = client.client.get("/api/v1/orders.csv").await.expect(200);
    let today = app.state.now().to_rfc3339();
    let name = format!("attachment; filename=\"atomik-orders-{}.csv\"", &today[..10]);
    assert_eq!(file.header("content-disposition"), name);
    assert!(file.header("content-type").starts_with("text/csv"));
    assert_eq!((file.header("x-row-limit"), file.header("cache-control")), ("100000", "no-store"));
}

#[tokio::test]
async fn a_file_goes_on_after_the_first_page() {
    let (app, client) = app_and_trader().await;
    let (webhook, account) = (client.webhook("one").await, client.paper_account().await);
    for _ in 0..41 {
        client.strategy(&webhook, &account, json!({})).await;
    }
    for (id, action) in ["BUY", "SELL", "BUY", "SELL", "BUY"].iter().enumerate() {
        alert(&app, &webhook["url"], json!({"action": action, "id": id.to_string()})).await.expect(202);
        client.settled_signal().await;
    }
    let file = client.client.get("/api/v1/orders.csv").await.expect(200).text;
    let ids: BTreeSet<_> = rows(&file).into_iter().map(|row| row[0].1.clone()).collect();
    assert_eq!((ids.len(), file.lines().count()), (205, 206));
}
