//! What the broker lets through in a second is shared by questions and orders.

use std::sync::Arc;
use std::time::Duration;

use atomik_brokers::interactive_brokers::web::Pace;
use atomik_domain::{Environment, Qty, Side};
use atomik_ports::broker::SubmitOutcome;
use atomik_ports::{Broker, BrokerConnector, Credentials};
use atomik_testkit::broker_suite::{approved, market_order};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use futures::future::join_all;
use rust_decimal::Decimal;
use serde_json::json;
use tokio::sync::mpsc;

use super::setup::{NOW, account, connect, connector_at, pace, symbol};

fn asked(venue: &IbkrWebVenue, path: &str) -> usize {
    venue.received().iter().filter(|request| request.path_and_query.contains(path)).count()
}

#[tokio::test]
async fn an_order_leaves_at_once_while_questions_wait_for_their_turn() {
    let venue = IbkrWebVenue::start().await;
    let connector = connector_at(NOW).with_pace(Pace { requests_per_second: 5, ..pace() });
    let account = account(&venue, Environment::Paper, &json!({}));
    let (reports, _received) = mpsc::channel(256);
    let broker = connector.connect(&account, &Credentials::default(), reports).await.unwrap();
    broker.instrument(&symbol("AAPL")).await.unwrap();
    let questions: Vec<_> = (0..40)
        .map(|_| {
            let broker: Arc<dyn Broker> = Arc::clone(&broker);
            tokio::spawn(async move { broker.balance().await })
        })
        .collect();
    let busy = async {
        while asked(&venue, "/summary") < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), busy).await.expect("questions are asked");
    let order = market_order(symbol("AAPL"), Side::Buy, Qty(Decimal::ONE));
    let outcome = broker.submit(approved(order)).await;
    assert!(matches!(outcome, SubmitOutcome::Accepted(_)), "{outcome:?}");
    assert!(asked(&venue, "/summary") < 40, "questions still wait");
    questions.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_asks_for_positions_at_the_same_time_is_answered_together() {
    let venue = IbkrWebVenue::start().await;
    let (broker, _reports) = connect(&venue, json!({})).await;
    let before = asked(&venue, "/positions/invalidate");
    let answers = join_all((0..20).map(|_| broker.positions())).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(asked(&venue, "/positions/invalidate") - before <= 2);
}
