//! Starting, keeping and saving.

use atomik_domain::{
    BrokerAccountId, Code, HaltMode, HaltScope, Order, OrderStatus, OutcomeStatus, StrategyId,
};
use atomik_ports::history::{DeliveryFilter, TradeFilter};
use atomik_ports::journal::{Changes, Entry, NewSignal, PositionRecord, Receipt, Refusal};
use atomik_ports::operations::Retention;
use atomik_ports::{Store, StoreError};

use super::directory::new_session;
use super::{FIRST, Fixture, accept, change, commit};
use crate::builders::{
    START, at, fill, identified, order, outcome, position, refusal, signal, symbol, tenant, windowed,
    windowed_for,
};

pub async fn the_installation_is_one(fixture: &impl Fixture) {
    let store = fixture.store();
    assert_eq!(store.installation(), store.installation());
    assert!(!store.installation().is_nil());
}

pub async fn unfinished_work_is_what_is_not_final(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let targeted = || NewSignal { targets: vec![alice.strategy.id], ..signal(&alice) };
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(accept(&*store, targeted(), at(0)).await);
    }
    let orders: Vec<_> = [OrderStatus::Filled, OrderStatus::Unknown, OrderStatus::PartiallyFilled]
        .into_iter()
        .zip(&ids)
        .map(|(status, id)| {
            let mut order = order(&alice, *id, 0);
            order.status = status;
            order
        })
        .collect();
    let changes = Changes {
        orders: orders.clone(),
        fills: orders.iter().map(|order| fill(order, &order.signal_id.to_string())).collect(),
        positions: vec![position(&alice, 0)],
        outcomes: vec![
            outcome(&alice, ids[0], OutcomeStatus::Filled, Code::Filled),
            outcome(&alice, ids[1], OutcomeStatus::Unknown, Code::OrderUnknown),
        ],
        ..Changes::default()
    };
    change(&*store, changes).await;
    let work = store.unfinished_work().await.unwrap();
    let open: Vec<_> = work.outcomes.iter().map(|(signal, outcome)| (signal.id, outcome.status)).collect();
    let expected = [
        (ids[1], OutcomeStatus::Unknown),
        (ids[2], OutcomeStatus::Pending),
        (ids[3], OutcomeStatus::Pending),
    ];
    assert_eq!(open, expected);
    assert!(work.outcomes.iter().all(|(signal, outcome)| signal.id == outcome.signal_id));
    assert_eq!(work.orders, orders[1..]);
    let fills: Vec<_> = work.fills.iter().map(|fill| fill.signal_id).collect();
    assert_eq!(fills, ids[1..3]);
    assert_eq!(work.positions, [position(&alice, 0)]);
}

pub async fn positions_of_one_strategy(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let positions = vec![position(&alice, 1), position(&bob, 2)];
    change(&*store, Changes { positions, ..Changes::default() }).await;
    assert_eq!(store.positions_of(bob.strategy.id).await.unwrap(), [position(&bob, 2)]);
}

pub async fn positions_in_some_lanes(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let second = StrategyId(alice.strategy.id.0 + 1_000);
    let of_second = PositionRecord { strategy_id: second, ..position(&alice, 3) };
    let elsewhere = PositionRecord { symbol: symbol("NQ"), ..position(&alice, 4) };
    let positions = vec![position(&alice, 1), position(&bob, 2), of_second.clone(), elsewhere.clone()];
    change(&*store, Changes { positions, ..Changes::default() }).await;
    let on = async |lanes: &[(BrokerAccountId, &str)]| {
        let lanes: Vec<_> = lanes.iter().map(|(account, text)| (*account, symbol(text))).collect();
        store.positions_on(&lanes).await.unwrap()
    };
    let (alices, bobs) = (alice.account.id, bob.account.id);
    assert_eq!(on(&[(alices, "ES")]).await, [position(&alice, 1), of_second.clone()]);
    assert!(on(&[(bobs, "NQ")]).await.is_empty());
    assert!(on(&[]).await.is_empty());
    let both = on(&[(bobs, "ES"), (alices, "CL"), (alices, "NQ")]).await;
    assert_eq!(both, [position(&bob, 2), elsewhere]);
}

pub async fn a_healthy_store_checks_out(fixture: &impl Fixture) {
    let store = fixture.store();
    for _ in 0..3 {
        store.check().await.unwrap();
    }
}

fn keep(deliveries_before: i64, refused_per_webhook: u32, now: i64) -> Retention {
    Retention { deliveries_before: at(deliveries_before), refused_per_webhook, now: at(now) }
}

pub async fn old_deliveries_go_and_signals_stay(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let mut ids = Vec::new();
    for second in [10, 20] {
        let received_at = at(second);
        ids.push(accept(&*store, NewSignal { received_at, ..signal(&alice) }, at(second)).await);
        let refused = Refusal { received_at, ..refusal(&alice, 401, Code::InvalidSecret) };
        store.commit(vec![Entry::Refusal(Box::new(refused))], at(second)).await.unwrap();
    }
    assert_eq!(store.prune(keep(20, 1_000, 30)).await.unwrap(), 1);
    let log = store.deliveries(alice.user.id, alice.webhook.id, DeliveryFilter::All, FIRST).await.unwrap();
    assert_eq!(log.items.iter().map(|row| row.received_at).collect::<Vec<_>>(), [at(20), at(20)]);
    let signals = store.signals(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    assert_eq!(signals.items.len(), 2);
    assert_eq!(store.signal(alice.user.id, ids[0]).await.unwrap().signal.id, ids[0]);
    // A moment that lies further back brings nothing back.
    assert_eq!(store.prune(keep(0, 1_000, 30)).await.unwrap(), 0);
    let log = store.deliveries(alice.user.id, alice.webhook.id, DeliveryFilter::All, FIRST).await.unwrap();
    assert_eq!(log.items.len(), 2);
}

async fn refused(store: &dyn Store, webhook: &crate::builders::Tenant) -> Vec<u32> {
    let all = store.deliveries(webhook.user.id, webhook.webhook.id, DeliveryFilter::Refused, FIRST).await;
    all.unwrap().items.iter().map(|row| row.suppressed).collect()
}

pub async fn refusals_are_bounded_for_each_webhook(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    accept(&*store, windowed(&alice, 1), at(0)).await;
    commit(&*store, vec![windowed(&alice, 1)], at(0)).await;
    for suppressed in 0..5 {
        let new = Refusal { suppressed, ..refusal(&alice, 401, Code::InvalidSecret) };
        store.commit(vec![Entry::Refusal(Box::new(new))], at(0)).await.unwrap();
    }
    let new = Refusal { suppressed: 9, ..refusal(&bob, 401, Code::InvalidSecret) };
    store.commit(vec![Entry::Refusal(Box::new(new))], at(0)).await.unwrap();
    assert_eq!(store.prune(keep(0, 2, 0)).await.unwrap(), 3);
    assert_eq!(refused(&*store, &alice).await, [4, 3], "the newest stay");
    assert_eq!(refused(&*store, &bob).await, [9]);
    let all = store.deliveries(alice.user.id, alice.webhook.id, DeliveryFilter::All, FIRST).await;
    assert_eq!(all.unwrap().items.len(), 4, "accepted ones and repeats are not counted");
}

pub async fn ended_sessions_and_old_repeat_keys_go(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    store.create_session(new_session(alice.user.id, 1)).await.unwrap();
    let mut long = new_session(alice.user.id, 2);
    long.expires_at = at(1_000_000);
    store.create_session(long).await.unwrap();
    accept(&*store, identified(&alice, 1, 1), at(0)).await;
    let many = (0..=255).map(|print| windowed_for(&alice, print, 60)).collect();
    commit(&*store, many, at(0)).await;
    assert_eq!(store.prune(keep(-1, 1_000, 3_600)).await.unwrap(), 256 + 1);
    assert_eq!(store.sessions(alice.user.id, START).await.unwrap().len(), 1);
    let remembered = commit(&*store, vec![identified(&alice, 1, 1)], at(3_601)).await;
    assert!(matches!(remembered[0], Receipt::Replayed { .. }), "ids are kept for a day");
    assert_eq!(store.prune(keep(-1, 1_000, 24 * 3_600)).await.unwrap(), 1);
}

pub async fn a_backup_holds_the_same(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let id = accept(&*store, NewSignal { targets: vec![alice.strategy.id], ..signal(&alice) }, at(0)).await;
    let intent = order(&alice, id, 0);
    let fills = vec![fill(&intent, "e-1")];
    change(&*store, Changes { intents: vec![intent], fills, ..Changes::default() }).await;
    let path = fixture.backup_path();
    store.backup(&path).await.unwrap();
    accept(&*store, signal(&alice), at(1)).await;
    let copy = fixture.open_backup(&path).await;
    // Signal ids go on alike in both, and client order ids must not.
    assert_ne!(copy.installation(), store.installation());
    assert_eq!(copy.signal(alice.user.id, id).await.unwrap(), store.signal(alice.user.id, id).await.unwrap());
    assert_eq!(
        copy.unfinished_work().await.unwrap().outcomes.len(),
        1,
        "its order is open, and is asked about"
    );
    let (copied, original) = (copy.snapshot().await.unwrap(), store.snapshot().await.unwrap());
    assert!(copied.change > original.change, "its halt is a change more");
    assert_eq!(copied.users, original.users);
    assert_eq!((copied.webhooks, copied.strategies), (original.webhooks, original.strategies));
    let all = TradeFilter::default();
    assert_eq!(copy.signals(alice.user.id, &all, FIRST).await.unwrap().items.len(), 1, "as it was then");
    accept(&*copy, signal(&alice), at(1)).await;
}

/// The original went on: nothing that waited is sent twice, and a person looks before anything else is.
pub async fn a_backup_is_halted_and_replays_nothing(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let waiting = || NewSignal { targets: vec![alice.strategy.id], ..signal(&alice) };
    let (untouched, ended) =
        (accept(&*store, waiting(), at(0)).await, accept(&*store, waiting(), at(0)).await);
    let leg = Order { status: OrderStatus::Filled, ..order(&alice, ended, 0) };
    change(&*store, Changes { intents: vec![leg], ..Changes::default() }).await;
    let path = fixture.backup_path();
    store.backup(&path).await.unwrap();
    let copy = fixture.open_backup(&path).await;
    for id in [untouched, ended] {
        let outcome = copy.signal(alice.user.id, id).await.unwrap().outcomes.remove(0);
        assert_eq!((outcome.status, outcome.code), (OutcomeStatus::Expired, Code::Restored));
        assert!(outcome.settled_at.is_some());
    }
    assert!(copy.unfinished_work().await.unwrap().outcomes.is_empty());
    let halts = copy.halts().await.unwrap();
    let in_force: Vec<_> = halts.iter().map(|halt| (halt.scope, halt.mode)).collect();
    assert_eq!(in_force, [(HaltScope::System, HaltMode::All)]);
    assert!(store.halts().await.unwrap().is_empty(), "the original trades on");
    assert_eq!(store.unfinished_work().await.unwrap().outcomes.len(), 2);
}

pub async fn a_backup_overwrites_nothing(fixture: &impl Fixture) {
    let store = fixture.store();
    let path = fixture.backup_path();
    std::fs::write(&path, "something dear").unwrap();
    let refused = store.backup(&path).await;
    assert!(matches!(refused, Err(StoreError::Taken(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something dear");
}
