//! The runner of a node among others: nothing leaves and nothing goes on without good leases.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{Code, OrderStatus, OutcomeStatus};
use atomik_ports::cluster::LEASE_LIFE;
use rstest::rstest;

use house::cluster::SoloCluster;
use house::venue::{Connector, CountingVenue};
use house::{House, until};

/// Longer than any lease is good.
const LONG: Duration = LEASE_LIFE.saturating_mul(2);

/// A node whose lane is open and whose books are compared.
async fn node() -> (House, Arc<SoloCluster>, Arc<CountingVenue>) {
    let venue = CountingVenue::new();
    let (house, cluster) = House::among_others(Arc::new(Connector(Arc::clone(&venue)))).await;
    house.send(r#"{"action":"SELL"}"#).await;
    until("the lane is open", async || status(&house).await.0.is_final()).await;
    (house, cluster, venue)
}

/// How the newest signal stands.
async fn status(house: &House) -> (OutcomeStatus, Code) {
    let record = house.signals().await.remove(0);
    (record.outcomes[0].status, record.outcomes[0].code)
}

/// The leases run out.
async fn run_out(house: &House, cluster: &SoloCluster) {
    cluster.fails.store(true, Ordering::SeqCst);
    house.recover(LONG).await;
}

/// Beats go well again.
async fn beat_again(cluster: &SoloCluster) {
    cluster.fails.store(false, Ordering::SeqCst);
    beats_go_on(cluster).await;
}

/// At least one more beat has begun and was taken in.
async fn beats_go_on(cluster: &SoloCluster) {
    let before = cluster.beats.load(Ordering::SeqCst);
    until("beats go well", async || cluster.beats.load(Ordering::SeqCst) >= before + 2).await;
}

/// An order is on its way: it has passed the last look, and its bytes have not left.
async fn begin(house: &House, venue: &CountingVenue) {
    venue.holds.send_replace(true);
    house.send(r#"{"action":"BUY"}"#).await;
    until("it is on its way", async || venue.submits.load(Ordering::SeqCst) == 1).await;
}

/// An order is being recorded: the record has been handed to the store, which does not go on.
async fn record(house: &House) {
    house.store.stall_intents(true);
    house.send(r#"{"action":"BUY"}"#).await;
    until("the record is under way", async || house.store.intents_begun.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn an_order_leaves_while_the_leases_are_good() {
    let (house, _cluster, venue) = node().await;
    begin(&house, &venue).await;
    venue.holds.send_replace(false);
    until("it fills", async || status(&house).await.0 == OutcomeStatus::Filled).await;
    assert_eq!(venue.arrived.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_begun_without_good_leases() {
    let (house, cluster, venue) = node().await;
    run_out(&house, &cluster).await;
    // Informed, and decided a moment ago: nothing but the leases holds the order back.
    house.engine.refresh().await.unwrap();
    house.send(r#"{"action":"BUY"}"#).await;
    let is_held_back = async || {
        let record = house.signals().await.remove(0);
        record.orders.first().is_some_and(|order| order.reason.is_some())
    };
    until("it is held back", is_held_back).await;
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0);
    assert_eq!(venue.look_ups.load(Ordering::SeqCst), 0, "it is known that it has not left");
    assert_ne!(status(&house).await.1, Code::OrderUnknown);
    beat_again(&cluster).await;
    until("it leaves after all", async || status(&house).await.0 == OutcomeStatus::Filled).await;
}

#[tokio::test]
async fn an_order_on_its_way_stays_when_the_leases_run_out() {
    let (house, cluster, venue) = node().await;
    begin(&house, &venue).await;
    run_out(&house, &cluster).await;
    venue.holds.send_replace(false);
    until("it is unknown", async || status(&house).await.1 == Code::OrderUnknown).await;
    assert_eq!(venue.arrived.load(Ordering::SeqCst), 0, "another node may have the account");
}

#[tokio::test]
async fn an_order_on_its_way_stays_when_the_leases_had_run_out_and_are_good_again() {
    let (house, cluster, venue) = node().await;
    begin(&house, &venue).await;
    run_out(&house, &cluster).await;
    beat_again(&cluster).await;
    // Asked for, it proves not to be there, and would leave a second time.
    venue.mute.store(true, Ordering::SeqCst);
    venue.holds.send_replace(false);
    until("it is unknown", async || status(&house).await.1 == Code::OrderUnknown).await;
    assert_eq!(venue.arrived.load(Ordering::SeqCst), 0, "another node may have had the account meanwhile");
}

#[tokio::test]
async fn nothing_is_done_about_what_was_refused_because_the_lease_is_anothers() {
    let (house, _cluster, venue) = node().await;
    record(&house).await;
    house.store.refuses_leases.store(true, Ordering::SeqCst);
    house.store.stall_intents(false);
    until("the account is let go", async || house.engine.broker(house.tenant.account.id).is_none()).await;
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0);
    assert!(house.signals().await.remove(0).orders.iter().all(|order| order.status == OrderStatus::Denied));
}

#[tokio::test]
async fn an_account_is_given_back_after_the_order_that_was_being_recorded_has_left_and_was_answered() {
    let (house, cluster, venue) = node().await;
    cluster.hold_beats().await;
    record(&house).await;
    cluster.wants_back.store(true, Ordering::SeqCst);
    venue.holds.send_replace(true);
    cluster.pass_a_beat().await;
    assert!(house.engine.broker(house.tenant.account.id).is_none(), "the account is given away");
    cluster.pass_a_beat().await;
    assert!(!cluster.is_taken.load(Ordering::SeqCst), "not while an order is being recorded");
    house.store.stall_intents(false);
    until("the order is on its way", async || venue.submits.load(Ordering::SeqCst) == 1).await;
    cluster.release_beats();
    beats_go_on(&cluster).await;
    assert!(!cluster.is_taken.load(Ordering::SeqCst), "not while an order is on its way");
    venue.holds.send_replace(false);
    until("it is given back", async || cluster.is_taken.load(Ordering::SeqCst)).await;
    assert_eq!(venue.arrived.load(Ordering::SeqCst), 1);
}

#[rstest]
#[case::held_until_then(false)]
#[case::being_given_away(true)]
#[tokio::test]
async fn an_order_that_was_being_recorded_stays_when_another_node_has_the_account(#[case] is_leaving: bool) {
    let (house, cluster, venue) = node().await;
    cluster.hold_beats().await;
    record(&house).await;
    if is_leaving {
        cluster.wants_back.store(true, Ordering::SeqCst);
        cluster.pass_a_beat().await;
    }
    cluster.is_taken.store(true, Ordering::SeqCst);
    cluster.pass_a_beat().await;
    assert!(house.engine.broker(house.tenant.account.id).is_none(), "the account is let go");
    house.store.stall_intents(false);
    until("it is recorded", async || house.engine.depths().records == 0).await;
    cluster.release_beats();
    beats_go_on(&cluster).await;
    assert_eq!(venue.submits.load(Ordering::SeqCst), 0, "whoever has the account asks the broker first");
}
