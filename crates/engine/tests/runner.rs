//! The runner beneath the lanes, in a whole engine: record first, then act, and never act on what was recorded before.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{Code, HaltMode, HaltScope, OutcomeStatus};
use atomik_engine::EngineSettings;
use atomik_ports::Directory;
use atomik_ports::directory::NewHalt;
use atomik_ports::history::SignalRecord;

use house::venue::{Connector, CountingVenue};
use house::{House, until, verdict};

async fn house() -> (House, Arc<CountingVenue>) {
    let venue = CountingVenue::new();
    let connector = Arc::new(Connector(Arc::clone(&venue)));
    (House::with(EngineSettings::default(), Some(connector)).await, venue)
}

async fn newest(house: &House) -> SignalRecord {
    house.signals().await.remove(0)
}

#[tokio::test]
async fn a_signal_becomes_a_recorded_fill_with_a_time_for_every_step() {
    let (house, venue) = house().await;
    assert_eq!(verdict(&house.send(r#"{"action":"BUY"}"#).await), (202, Code::Accepted));
    until("it is settled", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let record = newest(&house).await;
    assert_eq!((record.outcomes[0].status, record.outcomes[0].code), (OutcomeStatus::Filled, Code::Filled));
    assert_eq!((record.orders.len(), record.fills.len()), (1, 1));
    let order = &record.orders[0];
    assert!(order.sent_at.is_some() && order.acknowledged_at.is_some() && order.filled_at.is_some());
    assert_eq!(venue.submits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_order_leaves_only_after_its_intent_is_durable() {
    let (house, venue) = house().await;
    // A first signal, so that the lane is open and its books are compared.
    house.send(r#"{"action":"SELL"}"#).await;
    until("the lane is open", async || newest(&house).await.outcomes[0].status.is_final()).await;
    house.send(r#"{"action":"BUY"}"#).await;
    until("it fills", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let sent = venue.submits.load(Ordering::SeqCst);
    house.send(r#"{"action":"SELL","comment":"EXIT_50"}"#).await;
    house.store.fails.store(true, Ordering::SeqCst);
    let begun = house.store.begun.load(Ordering::SeqCst);
    until("recording is tried again", async || house.store.begun.load(Ordering::SeqCst) >= begun + 2).await;
    let recorded = newest(&house).await.orders.len();
    assert!(venue.submits.load(Ordering::SeqCst) - sent <= recorded, "nothing leaves that is not recorded");
    house.store.fails.store(false, Ordering::SeqCst);
    until("it fills", async || newest(&house).await.outcomes[0].status == OutcomeStatus::Filled).await;
    assert_eq!(venue.submits.load(Ordering::SeqCst), sent + 1);
}

#[tokio::test]
async fn an_intent_that_somebody_recorded_before_is_looked_up_and_not_sent() {
    let (house, venue) = house().await;
    venue.mute.store(true, Ordering::SeqCst);
    house.store.knows_intents.store(true, Ordering::SeqCst);
    house.send(r#"{"action":"BUY"}"#).await;
    until("it is asked about", async || venue.look_ups.load(Ordering::SeqCst) > 1).await;
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0);
    let record = newest(&house).await;
    assert_eq!(
        (record.outcomes[0].status, record.outcomes[0].code),
        (OutcomeStatus::Unknown, Code::OrderUnknown)
    );
}

#[tokio::test]
async fn a_halt_declared_while_an_intent_is_slowly_recorded_still_stops_the_order() {
    let (house, venue) = house().await;
    // A first signal, so that the lane is open and its books are compared.
    house.send(r#"{"action":"SELL"}"#).await;
    until("the lane is open", async || newest(&house).await.outcomes[0].status.is_final()).await;
    house.store.stall_intents(true);
    house.send(r#"{"action":"BUY"}"#).await;
    until("the record is under way", async || house.store.intents_begun.load(Ordering::SeqCst) == 1).await;
    let halt = NewHalt {
        scope: HaltScope::System,
        mode: HaltMode::Entries,
        reason: "a test".to_owned(),
        user_id: None,
        created_at: atomik_testkit::builders::START,
    };
    house.store.create_halt(halt).await.unwrap();
    house.engine.refresh().await.unwrap();
    house.recover(Duration::from_secs(1)).await;
    house.store.stall_intents(false);
    until("it is settled", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let outcome = newest(&house).await.outcomes.remove(0);
    assert_eq!((outcome.status, outcome.code), (OutcomeStatus::Expired, Code::BrokerUnreachable));
    assert!(outcome.detail.contains("halted"), "{outcome:?}");
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0);
}
