//! A store that fails or stalls: 503 at once, and what was answered 503 never trades.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::Code;
use atomik_engine::{EngineSettings, Inbound};
use atomik_ports::history::DeliveryFilter;
use tokio::time::Instant;

use crate::house::{House, until, verdict};

fn numbered(n: usize) -> String {
    format!(r#"{{"action":"BUY","quantity":"{n}"}}"#)
}

#[tokio::test]
async fn what_a_failing_store_did_not_take_never_trades() {
    let house = House::new().await;
    house.store.fails.store(true, Ordering::SeqCst);
    assert_eq!(verdict(&house.send(&numbered(1)).await), (503, Code::StoreUnavailable));
    house.store.fails.store(false, Ordering::SeqCst);
    assert!(house.signals().await.is_empty());
    assert_eq!(verdict(&house.send(&numbered(1)).await), (202, Code::Accepted), "and it may be sent again");
    assert_eq!(house.signals().await.len(), 1);
}

#[tokio::test]
async fn what_waited_too_long_for_a_stalled_store_is_taken_back_for_good() {
    let impatient = EngineSettings { store_timeout: Duration::from_millis(20), ..EngineSettings::default() };
    let house = House::with(impatient, None).await;
    house.store.stall(true);
    let begun = house.store.begun.load(Ordering::SeqCst);
    let mut first = Box::pin(house.engine.receive(house.inbound(&numbered(1))));
    assert!(futures::poll!(first.as_mut()).is_pending());
    until("the first commit begins", async || house.store.begun.load(Ordering::SeqCst) > begun).await;
    // Its commit has begun: only the store can tell what becomes of it, and it is waited for. The others are taken back.
    for n in 2..5 {
        assert_eq!(verdict(&house.send(&numbered(n)).await), (503, Code::Overloaded));
    }
    assert!(futures::poll!(first.as_mut()).is_pending());
    house.store.stall(false);
    assert_eq!(verdict(&first.await), (202, Code::Accepted));
    assert_eq!(verdict(&house.send(&numbered(9)).await), (202, Code::Accepted));
    let stored: Vec<_> =
        house.signals().await.iter().map(|record| record.signal.quantity.unwrap().to_string()).collect();
    assert_eq!(stored, ["9", "1"]);
}

#[tokio::test]
async fn what_a_slow_body_took_of_the_time_is_not_left_for_the_store() {
    let patient = EngineSettings { store_timeout: Duration::from_secs(3_600), ..EngineSettings::default() };
    let house = House::with(patient, None).await;
    house.store.stall(true);
    let begun = house.store.begun.load(Ordering::SeqCst);
    let mut first = Box::pin(house.engine.receive(house.inbound(&numbered(1))));
    assert!(futures::poll!(first.as_mut()).is_pending());
    until("the first commit begins", async || house.store.begun.load(Ordering::SeqCst) > begun).await;
    let late = Inbound { answer_by: Instant::now(), ..house.inbound(&numbered(2)) };
    let late = tokio::time::timeout(Duration::from_secs(20), house.engine.receive(late)).await;
    assert_eq!(verdict(&late.expect("it is not given up")), (503, Code::Overloaded));
    house.store.stall(false);
    assert_eq!(verdict(&first.await), (202, Code::Accepted));
    assert_eq!(verdict(&house.send(&numbered(3)).await), (202, Code::Accepted));
    assert_eq!(house.signals().await.len(), 2, "what was given up is never stored");
}

#[tokio::test]
async fn more_than_may_wait_are_refused_at_once() {
    let narrow = EngineSettings {
        max_waiting_deliveries: 2,
        store_timeout: Duration::from_secs(3_600),
        ..EngineSettings::default()
    };
    let house = House::with(narrow, None).await;
    house.store.stall(true);
    let begun = house.store.begun.load(Ordering::SeqCst);
    let mut sends = Vec::new();
    for n in 0..3 {
        let body = numbered(n);
        let mut send = Box::pin(house.engine.receive(house.inbound(&body)));
        assert!(futures::poll!(send.as_mut()).is_pending());
        sends.push(send);
        until("the first commit begins", async || house.store.begun.load(Ordering::SeqCst) > begun).await;
    }
    assert_eq!(verdict(&house.send(&numbered(9)).await), (503, Code::Overloaded));
    house.store.stall(false);
    for send in sends {
        assert_eq!(verdict(&send.await), (202, Code::Accepted));
    }
    assert_eq!(house.signals().await.len(), 3);
}

#[tokio::test]
async fn a_sender_that_went_away_changes_nothing_about_what_was_stored() {
    let house = House::new().await;
    house.store.stall(true);
    let begun = house.store.begun.load(Ordering::SeqCst);
    let mut send = Box::pin(house.engine.receive(house.inbound(&numbered(1))));
    assert!(futures::poll!(send.as_mut()).is_pending());
    until("the commit begins", async || house.store.begun.load(Ordering::SeqCst) > begun).await;
    drop(send);
    house.store.stall(false);
    until("it is stored", async || house.signals().await.len() == 1).await;
    assert_eq!(house.log(DeliveryFilter::Accepted).await.len(), 1);
    assert_eq!(verdict(&house.send(&numbered(1)).await), (202, Code::Replayed));
}
