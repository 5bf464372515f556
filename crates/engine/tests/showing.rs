//! What the engine gathers for people to look at: what accounts are worth, and prices of what is held.

#![allow(clippy::unwrap_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod house;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{Amount, BrokerAccountId, Price, SignedQty, UnixMicros};
use atomik_engine::events::EventBody;
use atomik_engine::{AccountState, EngineSettings, LaneKey};
use atomik_ports::broker::Balance;
use atomik_ports::directory::{NewStrategy, StrategyPatch};
use atomik_ports::overview::{EquitySample, Overview};
use atomik_ports::{Clock, Directory};
use atomik_testkit::builders::{self, symbol};
use rust_decimal::Decimal;

use house::venue::{Connector, CountingVenue};
use house::{House, until};

async fn house() -> (House, Arc<CountingVenue>) {
    let venue = CountingVenue::new();
    let house = House::with(EngineSettings::default(), Some(Arc::new(Connector(Arc::clone(&venue))))).await;
    let account = house.tenant.account.id;
    until("the account is connected", async || house.engine.broker(account).is_some()).await;
    (house, venue)
}

/// Makes every account worth so much.
fn worth(venue: &CountingVenue, dollars: i64) {
    let amount = Amount(Decimal::from(dollars));
    *venue.balance.lock().unwrap() = Some(Balance {
        currency: "USD".to_owned(),
        cash: amount,
        equity: amount,
        buying_power: amount,
        simulated: true,
    });
}

async fn samples(house: &House) -> Vec<EquitySample> {
    house.store.equity(house.tenant.user.id, None, None, 1_000).await.unwrap()
}

/// What was recorded, in dollars.
async fn recorded(house: &House) -> Vec<i64> {
    samples(house).await.iter().map(|sample| i64::try_from(sample.equity.0).unwrap()).collect()
}

/// Lets time pass on both clocks.
async fn pass(house: &House, seconds: u64) {
    house.clock.pass_us(i64::try_from(seconds).unwrap() * UnixMicros::SECOND);
    house.recover(Duration::from_secs(seconds)).await;
}

/// Lets time pass, and a look that has begun end: another account's first sample says that it has.
async fn look_after(house: &House, seconds: u64, name: &str) {
    let new = builders::new_account(house.tenant.user.id, name);
    let account = house.store.create_broker_account(new, None).await.unwrap().id;
    house.engine.refresh().await.unwrap();
    until("it is connected", async || house.engine.broker(account).is_some()).await;
    pass(house, seconds).await;
    let seen = async || samples(house).await.iter().any(|sample| sample.broker_account_id == account);
    until("the look has ended", seen).await;
    house.store.delete_broker_account(house.tenant.user.id, account).await.unwrap();
    house.engine.refresh().await.unwrap();
}

#[tokio::test]
async fn what_accounts_are_worth_is_sampled_every_minute() {
    let (house, venue) = house().await;
    worth(&venue, 100);
    // It may have been asked before it said anything.
    pass(&house, 61).await;
    until("it is sampled", async || recorded(&house).await == [100]).await;
    let first = samples(&house).await.remove(0);
    let at = house.clock.now();
    let amount = Amount(Decimal::from(100));
    let expected = EquitySample {
        broker_account_id: house.tenant.account.id,
        at,
        currency: "USD".to_owned(),
        cash: amount,
        equity: amount,
        simulated: true,
    };
    assert_eq!(first, expected);
    worth(&venue, 200);
    look_after(&house, 30, "half").await;
    assert_eq!(recorded(&house).await, [100], "a minute is not over");
    pass(&house, 31).await;
    until("it is sampled again", async || recorded(&house).await == [100, 200]).await;
}

#[tokio::test]
async fn a_balance_that_stays_as_it_is_is_recorded_once_an_hour() {
    let (house, venue) = house().await;
    worth(&venue, 100);
    pass(&house, 61).await;
    until("it is sampled", async || recorded(&house).await == [100]).await;
    look_after(&house, 61, "a minute").await;
    look_after(&house, 3_400, "most of an hour").await;
    assert_eq!(recorded(&house).await, [100]);
    pass(&house, 200).await;
    until("it is recorded again", async || recorded(&house).await == [100, 100]).await;
}

#[tokio::test]
async fn a_change_of_positions_is_sampled_soon() {
    let (house, venue) = house().await;
    worth(&venue, 100);
    pass(&house, 61).await;
    until("it is sampled", async || recorded(&house).await == [100]).await;
    worth(&venue, 90);
    house.send(r#"{"action":"BUY"}"#).await;
    let filled = async || house.signals().await[0].outcomes[0].status.is_final();
    until("it is filled", filled).await;
    pass(&house, 12).await;
    until("the change is seen", async || recorded(&house).await == [100, 90]).await;
}

#[tokio::test]
async fn a_venue_that_fails_or_says_nothing_keeps_no_other_from_being_sampled() {
    let (house, venue) = house().await;
    pass(&house, 61).await;
    worth(&venue, 100);
    *venue.ignored.lock().unwrap() = Some(house.tenant.account.id);
    let other = builders::new_account(house.tenant.user.id, "other");
    let other = house.store.create_broker_account(other, None).await.unwrap().id;
    house.engine.refresh().await.unwrap();
    until("it is connected", async || house.engine.broker(other).is_some()).await;
    let of_other = async || {
        house.recover(Duration::from_secs(1)).await;
        samples(&house).await.iter().any(|sample| sample.broker_account_id == other)
    };
    pass(&house, 61).await;
    until("the other is sampled", of_other).await;
    assert_eq!(recorded(&house).await, [100]);
    *venue.ignored.lock().unwrap() = None;
    pass(&house, 61).await;
    until("both are", async || recorded(&house).await == [100, 100]).await;
}

#[tokio::test]
async fn a_venue_that_says_nothing_delays_no_other_sample() {
    let (house, venue) = house().await;
    *venue.ignored.lock().unwrap() = Some(house.tenant.account.id);
    let other = builders::new_account(house.tenant.user.id, "other");
    let other = house.store.create_broker_account(other, None).await.unwrap().id;
    house.engine.refresh().await.unwrap();
    until("it is connected", async || house.engine.broker(other).is_some()).await;
    // More than once, where this machine is so slow that the first is given up meanwhile.
    for dollars in 100..110 {
        worth(&venue, dollars);
        pass(&house, 61).await;
        until("the other is sampled", async || recorded(&house).await.contains(&dollars)).await;
        if venue.balances_awaited.load(Ordering::SeqCst) > 0 {
            return;
        }
    }
    panic!("it was never sampled while the first was still asked");
}

fn key(account: BrokerAccountId, name: &str) -> LaneKey {
    LaneKey { broker_account_id: account, symbol: symbol(name) }
}

#[tokio::test]
async fn a_price_is_asked_for_once_in_two_seconds() {
    let (house, venue) = house().await;
    let account = house.tenant.account.id;
    let wanted = BTreeSet::from([key(account, "ES"), key(account, "NQ")]);
    let price = |dollars| Some(Price(Decimal::from(dollars)));
    *venue.price.lock().unwrap() = price(5_000);
    let shown = async || {
        let marks = house.engine.marks(wanted.clone()).await;
        assert_eq!(marks.len(), 2);
        marks[&key(account, "ES")].quote.as_ref().map(|quote| quote.price)
    };
    assert_eq!(shown().await, price(5_000));
    *venue.price.lock().unwrap() = price(5_001);
    assert_eq!(shown().await, price(5_000));
    assert_eq!(venue.prices_asked.load(Ordering::SeqCst), 2);
    pass(&house, 2).await;
    assert_eq!(shown().await, price(5_001));
    *venue.price.lock().unwrap() = None;
    pass(&house, 2).await;
    assert_eq!(shown().await, None, "a venue may have none, and say the rules all the same");
}

#[tokio::test]
async fn a_venue_that_says_nothing_holds_nobody_up() {
    let (house, venue) = house().await;
    let account = house.tenant.account.id;
    *venue.ignored.lock().unwrap() = Some(account);
    let wanted = BTreeSet::from([key(account, "ES"), key(BrokerAccountId(999), "ES")]);
    assert!(house.engine.marks(wanted.clone()).await.is_empty());
    let asked = venue.prices_asked.load(Ordering::SeqCst);
    assert!(house.engine.marks(wanted).await.is_empty());
    assert_eq!(venue.prices_asked.load(Ordering::SeqCst), asked, "nor is it asked again at once");
}

/// Makes the tenant's strategy hold so much at the venue that nobody here bought, under the venue's own name for it.
fn held_by_hand(venue: &CountingVenue, name: &str, units: i64) {
    venue.by_hand.lock().unwrap().insert(symbol(name), SignedQty(Decimal::from(units)));
}

/// Makes another strategy, in another symbol.
async fn trade_too(house: &House, name: &str) {
    let tenant = &house.tenant;
    let new = builders::new_strategy(tenant.user.id, tenant.webhook.id, tenant.account.id);
    house.store.create_strategy(NewStrategy { symbol: symbol(name), ..new }, None).await.unwrap();
    house.engine.refresh().await.unwrap();
}

#[tokio::test]
async fn what_is_held_of_a_strategys_symbol_is_noticed_without_a_signal() {
    let (house, venue) = house().await;
    let account = house.tenant.account.id;
    held_by_hand(&venue, "NQ", 7);
    held_by_hand(&venue, "ES", 3);
    assert_eq!(house.engine.depths().lanes, 0);
    let mut told = house.engine.events().subscribe(house.tenant.user.id, None).live;
    pass(&house, 31).await;
    let told_of_the_account =
        async { while !matches!(told.recv().await.unwrap().body, EventBody::Account { .. }) {} };
    tokio::time::timeout(Duration::from_secs(20), told_of_the_account).await.unwrap();
    let differences = house.engine.differences(account);
    let shown: Vec<_> = differences.iter().map(|one| (one.symbol.as_str(), one.broker_net_qty.0)).collect();
    assert_eq!(shown, [("ES", Decimal::from(3))], "what no strategy trades is nobody's difference");
    assert_eq!(house.engine.account_status(account).state, AccountState::BooksDiffer);
}

#[tokio::test]
async fn a_name_that_no_strategy_has_may_be_any_of_theirs() {
    let (house, venue) = house().await;
    trade_too(&house, "BTCUSD").await;
    held_by_hand(&venue, "BTC/USD", 3);
    pass(&house, 31).await;
    until("each is looked at", async || house.engine.depths().lanes == 2).await;
}

#[tokio::test]
async fn a_strategys_own_name_is_that_strategys_alone() {
    let (house, venue) = house().await;
    trade_too(&house, "NQ").await;
    held_by_hand(&venue, "ES", 3);
    pass(&house, 31).await;
    until("it is looked at", async || house.engine.depths().lanes > 0).await;
    assert_eq!(house.engine.depths().lanes, 1);
}

#[tokio::test]
async fn nothing_is_looked_at_for_a_strategy_that_is_paused() {
    let (house, venue) = house().await;
    let (user, strategy) = (house.tenant.user.id, house.tenant.strategy.id);
    let paused = StrategyPatch { active: Some(false), ..StrategyPatch::default() };
    house.store.update_strategy(user, strategy, paused, None).await.unwrap();
    house.engine.refresh().await.unwrap();
    trade_too(&house, "NQ").await;
    held_by_hand(&venue, "ES", 3);
    held_by_hand(&venue, "NQ", 3);
    pass(&house, 31).await;
    until("the other one is looked at", async || house.engine.depths().lanes > 0).await;
    assert_eq!(house.engine.depths().lanes, 1);
}
