//! The runner beneath the lanes, in a whole engine: record first, then act, and never act on what was recorded before.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

mod house;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{BrokerAccount, Code, HaltMode, HaltScope, OrderStatus, OutcomeStatus, Strategy};
use atomik_engine::{Engine, EngineParts, EngineSettings, Readiness};
use atomik_ports::directory::{NewHalt, StrategyPatch};
use atomik_ports::history::SignalRecord;
use atomik_ports::journal::{Changes, NewSignal};
use atomik_ports::{Clock, Directory, Store};
use atomik_testkit::builders::{self, START};
use atomik_testkit::store_suite::{accept, change};
use rstest::rstest;
use tokio::time::Instant;

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

/// What a person does while an intent is being recorded.
enum Stop {
    Halt,
    Pause,
}

async fn stop(house: &House, stop: Stop) {
    let strategy = &house.tenant.strategy;
    match stop {
        Stop::Halt => {
            let halt = NewHalt {
                scope: HaltScope::System,
                mode: HaltMode::Entries,
                reason: "a test".to_owned(),
                user_id: None,
                created_at: START,
            };
            house.store.create_halt(halt).await.map(drop).unwrap();
        }
        Stop::Pause => {
            let pause = StrategyPatch { active: Some(false), ..StrategyPatch::default() };
            house.store.update_strategy(strategy.user_id, strategy.id, pause, None).await.map(drop).unwrap();
        }
    }
    house.engine.refresh().await.unwrap();
}

/// With the approval still fresh, only the last look can see it; with an old one, the gate is asked anew in any case.
#[rstest]
#[case::a_halt(Stop::Halt, Duration::ZERO, "halted")]
#[case::a_pause(Stop::Pause, Duration::ZERO, "paused")]
#[case::a_halt_and_a_slow_record(Stop::Halt, Duration::from_secs(1), "halted")]
#[tokio::test]
async fn what_stops_an_entry_while_its_intent_is_recorded_still_stops_it(
    #[case] stops: Stop,
    #[case] meanwhile: Duration,
    #[case] word: &str,
) {
    let (house, venue) = house().await;
    // A first signal, so that the lane is open and its books are compared.
    house.send(r#"{"action":"SELL"}"#).await;
    until("the lane is open", async || newest(&house).await.outcomes[0].status.is_final()).await;
    house.store.stall_intents(true);
    house.send(r#"{"action":"BUY"}"#).await;
    until("the record is under way", async || house.store.intents_begun.load(Ordering::SeqCst) == 1).await;
    stop(&house, stops).await;
    house.recover(meanwhile).await;
    house.store.stall_intents(false);
    until("it is settled", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let outcome = newest(&house).await.outcomes.remove(0);
    assert_eq!((outcome.status, outcome.code), (OutcomeStatus::Expired, Code::BrokerUnreachable));
    assert!(outcome.detail.contains(word), "{outcome:?}");
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0);
}

/// A second account with a strategy on the same webhook.
async fn second_account(house: &House) -> (BrokerAccount, Strategy) {
    let tenant = &house.tenant;
    let account = builders::new_account(tenant.user.id, "second");
    let account = house.store.create_broker_account(account, None).await.unwrap();
    let strategy = builders::new_strategy(tenant.user.id, tenant.webhook.id, account.id);
    let strategy = house.store.create_strategy(strategy, None).await.unwrap();
    house.engine.refresh().await.unwrap();
    (account, strategy)
}

#[rstest]
#[case::from_the_start(true)]
#[case::once_it_has_traded(false)]
#[tokio::test]
async fn an_account_whose_venue_never_answers_delays_no_other(#[case] from_the_start: bool) {
    let (house, venue) = house().await;
    let ignore = || *venue.ignored.lock().unwrap() = Some(house.tenant.account.id);
    if from_the_start {
        ignore();
    }
    let (_, other) = second_account(&house).await;
    let settled = async |count| {
        let outcomes: Vec<_> = house.signals().await.into_iter().flat_map(|signal| signal.outcomes).collect();
        let own = outcomes.iter().filter(|outcome| outcome.strategy_id == other.id);
        own.filter(|outcome| outcome.status == OutcomeStatus::Filled).count() == count
    };
    house.send(r#"{"action":"BUY"}"#).await;
    until("the other account enters", async || settled(1).await).await;
    ignore();
    house.send(r#"{"action":"SELL"}"#).await;
    until("the other account exits", async || settled(2).await).await;
    house.send(r#"{"action":"BUY","comment":"ENTRY"}"#).await;
    until("the other account enters again", async || settled(3).await).await;
    let ignored = newest(&house).await.outcomes;
    let ignored = ignored.iter().find(|outcome| outcome.strategy_id == house.tenant.strategy.id).unwrap();
    assert_eq!(ignored.status, OutcomeStatus::Pending);
}

#[tokio::test]
async fn what_waits_for_a_connection_is_settled_when_the_account_is_unlinked() {
    let venue = CountingVenue::new();
    venue.closed.store(true, Ordering::SeqCst);
    let connector = Arc::new(Connector(Arc::clone(&venue)));
    let house = House::with(EngineSettings::default(), Some(connector)).await;
    house.send(r#"{"action":"BUY"}"#).await;
    until("it waits", async || house.engine.depths().signals == 1).await;
    house.store.delete_broker_account(house.tenant.user.id, house.tenant.account.id).await.unwrap();
    house.engine.refresh().await.unwrap();
    until("it is settled", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let outcome = newest(&house).await.outcomes.remove(0);
    assert_eq!((outcome.status, outcome.code), (OutcomeStatus::Denied, Code::AccountUnavailable));
    assert_eq!(house.engine.depths().lanes, 0);
}

#[tokio::test]
async fn a_lane_goes_on_after_its_connection_was_lost() {
    let (house, venue) = house().await;
    house.send(r#"{"action":"BUY"}"#).await;
    until("it fills", async || newest(&house).await.outcomes[0].status.is_final()).await;
    let connected = || house.engine.broker(house.tenant.account.id);
    let first = connected().unwrap();
    venue.hang_up();
    let is_new = async || connected().is_some_and(|now| !Arc::ptr_eq(&now, &first));
    until("it is connected anew", is_new).await;
    house.send(r#"{"action":"SELL"}"#).await;
    until("it exits", async || newest(&house).await.outcomes[0].status.is_final()).await;
    assert_eq!(newest(&house).await.outcomes[0].status, OutcomeStatus::Filled);
}

#[tokio::test]
async fn readiness_has_an_answer_in_time_while_the_store_hangs_and_follows_what_it_does() {
    let house = House::new().await;
    let is_red = |readiness: &Readiness| readiness.store.is_err() && !readiness.is_ready();
    assert!(house.engine.readiness().await.is_ready());
    house.recover(Duration::from_secs(2)).await;
    house.store.stall(true);
    tokio::time::pause();
    let begun = Instant::now();
    let readiness = house.engine.readiness().await;
    assert!(is_red(&readiness), "{readiness:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "an answer that is late is none");
    tokio::time::resume();
    house.store.stall(false);
    house.recover(Duration::from_secs(2)).await;
    assert!(house.engine.readiness().await.is_ready());
    house.store.fails.store(true, Ordering::SeqCst);
    house.recover(Duration::from_secs(2)).await;
    let readiness = house.engine.readiness().await;
    assert!(is_red(&readiness), "{readiness:?}");
    house.store.fails.store(false, Ordering::SeqCst);
    house.recover(Duration::from_secs(2)).await;
    assert!(house.engine.readiness().await.is_ready());
}

#[tokio::test]
async fn what_the_last_run_left_on_an_account_that_is_gone_is_settled_by_what_its_orders_came_to() {
    let house = House::new().await;
    let tenant = &house.tenant;
    house.store.delete_broker_account(tenant.user.id, tenant.account.id).await.unwrap();
    let mut signals = Vec::new();
    for _ in 0..3 {
        let new = NewSignal { targets: vec![tenant.strategy.id], ..builders::signal(tenant) };
        signals.push(accept(house.store.as_ref(), new, START).await);
    }
    let mut filled = builders::order(tenant, signals[1], 0);
    filled.status = OrderStatus::Filled;
    filled.filled_qty = filled.request.order_qty;
    let mut open = builders::order(tenant, signals[2], 0);
    open.status = OrderStatus::Unknown;
    let fills = vec![builders::fill(&filled, "e-1")];
    change(house.store.as_ref(), Changes { intents: vec![filled, open], fills, ..Changes::default() }).await;
    let parts = EngineParts {
        store: Arc::clone(&house.store) as Arc<dyn Store>,
        clock: Arc::clone(&house.clock) as Arc<dyn Clock>,
        connectors: BTreeMap::new(),
        settings: EngineSettings::default(),
        cluster: None,
        rate_limiter: None,
    };
    Engine::start(parts).await.unwrap();
    let outcomes = house.signals().await.into_iter().rev().map(|record| record.outcomes[0].clone());
    let outcomes: Vec<_> = outcomes.map(|outcome| (outcome.status, outcome.code)).collect();
    let expected = [
        (OutcomeStatus::Denied, Code::AccountUnavailable),
        (OutcomeStatus::PartlyFilled, Code::AccountUnavailable),
        (OutcomeStatus::Unknown, Code::OrderUnknown),
    ];
    assert_eq!(outcomes, expected);
}
