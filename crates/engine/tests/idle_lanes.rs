//! Lanes that have rested for a while are let go, and come back as they were, with nothing lost and nothing overtaken.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::{Amount, Code, OutcomeStatus, Webhook};
use atomik_engine::{EngineSettings, Inbound};
use atomik_ports::directory::{NewStrategy, WebhookPatch};
use atomik_ports::history::{History, TradeFilter};
use atomik_ports::{Directory, PageRequest};
use atomik_testkit::builders::{self, symbol};
use rust_decimal::Decimal;

use house::venue::{Connector, CountingVenue};
use house::{ALL, House, SECRET, hash, until, verdict};

/// A house whose lanes are let go after `kept` of rest.
async fn house(kept: Duration) -> House {
    let settings = EngineSettings { idle_lane_kept: kept, ..EngineSettings::default() };
    let house = House::with(settings, Some(Arc::new(Connector(CountingVenue::new())))).await;
    house.patch(no_repeats()).await;
    house
}

/// Every request is a signal.
fn no_repeats() -> WebhookPatch {
    let secret = Some((hash(SECRET), None));
    WebhookPatch { dedupe_window_s: Some(0), secret, ..WebhookPatch::default() }
}

/// Whether so many outcomes are there, all final. The newest two hundred signals count.
async fn settled(house: &House, count: usize) -> bool {
    let signals = house.signals().await;
    let outcomes: Vec<_> = signals.iter().flat_map(|signal| &signal.outcomes).collect();
    outcomes.len() == count && outcomes.iter().all(|outcome| outcome.status.is_final())
}

async fn all_gone(house: &House) {
    until("every lane is let go", async || house.engine.depths().lanes == 0).await;
}

/// Forty more strategies on the same webhook, each with a symbol of its own.
async fn forty_more(house: &House) {
    let tenant = &house.tenant;
    for number in 0..40 {
        let new = builders::new_strategy(tenant.user.id, tenant.webhook.id, tenant.account.id);
        let new = NewStrategy { symbol: symbol(&format!("S{number}")), ..new };
        house.store.create_strategy(new, None).await.unwrap();
    }
    house.engine.refresh().await.unwrap();
}

/// How often the store was asked for the positions of lanes.
fn positions_read(house: &House) -> usize {
    house.store.positions_read.load(Ordering::SeqCst)
}

#[tokio::test]
async fn many_symbols_come_and_go_and_leave_no_lane_behind() {
    let house = house(Duration::from_secs(600)).await;
    let tenant = &house.tenant;
    forty_more(&house).await;
    house.send(r#"{"action":"BUY"}"#).await;
    until("all enter", async || settled(&house, 41).await).await;
    let questions = positions_read(&house);
    assert!(questions < 10, "{questions} questions for the positions of 41 lanes");
    house.recover(Duration::from_secs(3_600)).await;
    assert_eq!(house.engine.depths().lanes, 41, "what holds something stays");
    house.send(r#"{"action":"SELL"}"#).await;
    until("all exit", async || settled(&house, 82).await).await;
    assert_eq!(house.engine.depths().lanes, 41, "what has just traded stays for a while");
    house.recover(Duration::from_secs(601)).await;
    all_gone(&house).await;
    house.send(r#"{"action":"BUY"}"#).await;
    until("all enter again", async || settled(&house, 123).await).await;
    let positions = house.store.positions(tenant.user.id, &TradeFilter::default(), ALL).await.unwrap().items;
    assert_eq!(positions.len(), 41);
    for record in positions {
        assert_eq!(record.position.net_qty, builders::position(tenant, 2).position.net_qty);
        assert_eq!(record.position.commission, Amount(Decimal::from(3)), "each goes on where it was");
    }
}

#[tokio::test]
async fn lanes_wait_for_a_store_whose_positions_cannot_be_read() {
    let house = house(Duration::from_secs(600)).await;
    forty_more(&house).await;
    house.store.hides_positions.store(true, Ordering::SeqCst);
    house.send(r#"{"action":"BUY"}"#).await;
    until("each asks for its own", async || positions_read(&house) >= 41).await;
    let outcomes = &house.signals().await[0].outcomes;
    assert_eq!(outcomes.len(), 41);
    assert!(outcomes.iter().all(|outcome| !outcome.status.is_final()));
    house.store.hides_positions.store(false, Ordering::SeqCst);
    until("all enter", async || settled(&house, 41).await).await;
}

#[tokio::test]
async fn signals_keep_their_order_while_lanes_come_and_go() {
    let house = house(Duration::ZERO).await;
    for round in 1..=5 {
        house.recover(Duration::from_secs(2)).await;
        let bodies = [r#"{"action":"BUY"}"#, r#"{"action":"SELL"}"#].into_iter().cycle().take(10);
        for body in bodies {
            assert_eq!(verdict(&house.send(body).await), (202, Code::Accepted));
        }
        until("all are settled", async || settled(&house, 10 * round).await).await;
        all_gone(&house).await;
    }
    let signals = house.signals().await;
    let filled = signals.iter().filter(|signal| signal.outcomes[0].status == OutcomeStatus::Filled);
    assert_eq!(filled.count(), 50, "an exit that comes before its entry finds nothing");
}

/// A webhook with a strategy of the same account and symbol as everybody's.
async fn another_webhook(house: &House, number: usize) -> Webhook {
    let tenant = &house.tenant;
    let new = builders::new_webhook(tenant.user.id, &format!("token-{number}"));
    let webhook = house.store.create_webhook(new, None).await.unwrap();
    house.store.update_webhook(tenant.user.id, webhook.id, no_repeats(), None).await.unwrap();
    let strategy = builders::new_strategy(tenant.user.id, webhook.id, tenant.account.id);
    house.store.create_strategy(strategy, None).await.unwrap();
    webhook
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_that_meets_a_lane_on_its_way_out_is_not_lost() {
    let house = Arc::new(house(Duration::ZERO).await);
    let mut senders = Vec::new();
    for number in 0..40 {
        let webhook = another_webhook(&house, number).await;
        let house = Arc::clone(&house);
        senders.push(async move {
            for _ in 0..10 {
                let inbound =
                    Inbound { token: webhook.token.clone(), ..house.inbound(r#"{"action":"SELL"}"#) };
                assert_eq!(verdict(&house.engine.receive(inbound).await), (202, Code::Accepted));
            }
        });
    }
    house.engine.refresh().await.unwrap();
    let senders: Vec<_> = senders.into_iter().map(tokio::spawn).collect();
    for sender in senders {
        sender.await.unwrap();
    }
    all_gone(&house).await;
    let mut page = PageRequest { limit: 200, before: None };
    let mut codes = Vec::new();
    loop {
        let read = house.store.signals(house.tenant.user.id, &TradeFilter::default(), page).await.unwrap();
        codes.extend(read.items.iter().map(|signal| signal.outcomes[0].code));
        page.before = read.next;
        if page.before.is_none() {
            break;
        }
    }
    assert_eq!(codes, [Code::NothingToExit; 400]);
}
