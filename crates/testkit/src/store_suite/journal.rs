//! What a commit records.

use std::sync::Arc;

use atomik_domain::{
    Amount, ClientOrderId, Code, ExecId, OrderStatus, OutcomeStatus, Position, Price, Qty, SignalId,
    SignedQty, StrategyId, UnixMicros,
};
use atomik_ports::history::TradeFilter;
use atomik_ports::journal::{Changes, Entry, NewSignal, PositionRecord, Receipt};

use super::{FIRST, Fixture, accept, change, commit};
use crate::builders::{
    START, at, fill, hundredths, identified, order, order_id, outcome, position, qty, refusal, signal,
    tenant, windowed,
};

fn recorded(repeated_intents: Vec<ClientOrderId>) -> Receipt {
    Receipt::Recorded { repeated_intents }
}

pub async fn receipts_come_in_the_order_of_entries(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let receipts = store
        .commit(
            vec![
                Entry::Refusal(Box::new(refusal(&alice, 401, Code::InvalidSecret))),
                Entry::Signal(Arc::new(windowed(&alice, 1))),
                Entry::Changes(Arc::default()),
                Entry::Signal(Arc::new(windowed(&alice, 1))),
                Entry::Signal(Arc::new(identified(&alice, 1, 1))),
                Entry::Signal(Arc::new(identified(&alice, 1, 2))),
            ],
            at(0),
        )
        .await
        .unwrap();
    assert_eq!(receipts[0], recorded(vec![]));
    assert!(matches!(receipts[1], Receipt::Stored { .. }));
    assert_eq!(receipts[2], recorded(vec![]));
    assert!(matches!(receipts[3], Receipt::Replayed { .. }));
    assert!(matches!(receipts[4], Receipt::Stored { .. }));
    assert_eq!(receipts[5], Receipt::IdReused);
    assert_eq!(receipts.len(), 6);
}

pub async fn signal_ids_rise_in_the_order_of_acceptance(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let mut last = SignalId(0);
    for batch in [1, 2, 300, 7] {
        let receipts = commit(&*store, (0..batch).map(|_| signal(&alice)).collect(), at(0)).await;
        for receipt in receipts {
            let Receipt::Stored { signal_id } = receipt else { panic!("{receipt:?}") };
            assert!(signal_id > last, "{signal_id} after {last}");
            last = signal_id;
        }
        let refused = Entry::Refusal(Box::new(refusal(&alice, 401, Code::InvalidSecret)));
        store.commit(vec![refused], at(0)).await.unwrap();
    }
}

pub async fn targets_get_a_pending_outcome_each(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let targets = vec![StrategyId(11), alice.strategy.id, StrategyId(12)];
    let targeted = accept(&*store, NewSignal { targets, ..signal(&alice) }, at(0)).await;
    let plain = accept(&*store, signal(&alice), at(0)).await;
    let record = store.signal(alice.user.id, targeted).await.unwrap();
    let strategies: Vec<_> = record.outcomes.iter().map(|outcome| outcome.strategy_id).collect();
    assert_eq!(strategies, [alice.strategy.id, StrategyId(11), StrategyId(12)]);
    assert!(record.outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Pending
        && outcome.code == Code::Accepted
        && outcome.detail.is_empty()
        && outcome.settled_at.is_none()));
    assert!(store.signal(alice.user.id, plain).await.unwrap().outcomes.is_empty());
}

pub async fn an_empty_call_is_nothing(fixture: &impl Fixture) {
    assert_eq!(fixture.store().commit(Vec::new(), at(0)).await.unwrap(), []);
}

pub async fn an_intent_is_recorded_once_by_its_id(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let intent = order(&alice, SignalId(1), 0);
    let changes = || Changes { intents: vec![intent.clone()], ..Changes::default() };
    assert_eq!(change(&*store, changes()).await, recorded(vec![]));
    let mut sent = intent.clone();
    sent.status = OrderStatus::Working;
    change(&*store, Changes { orders: vec![sent.clone()], ..Changes::default() }).await;
    assert_eq!(change(&*store, changes()).await, recorded(vec![intent.request.client_order_id]));
    let kept = store.order(alice.user.id, intent.request.client_order_id).await.unwrap();
    assert_eq!(kept, sent, "a repeated intent changes nothing");
}

pub async fn an_intent_is_recorded_once_by_its_place(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = order(&alice, SignalId(1), 0);
    let mut other = first.clone();
    other.request.client_order_id = order_id(SignalId(99), alice.strategy.id, 0);
    change(&*store, Changes { intents: vec![first.clone()], ..Changes::default() }).await;
    let receipt = change(
        &*store,
        Changes { intents: vec![other.clone(), order(&alice, SignalId(1), 1)], ..Changes::default() },
    )
    .await;
    assert_eq!(receipt, recorded(vec![other.request.client_order_id]));
    let orders = store.orders(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert_eq!(orders.iter().map(|order| order.leg).collect::<Vec<_>>(), [1, 0]);
}

pub async fn an_intent_is_recorded_once_in_one_batch(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let intent = order(&alice, SignalId(1), 0);
    let entry = || Entry::Changes(Arc::new(Changes { intents: vec![intent.clone()], ..Changes::default() }));
    let receipts = store.commit(vec![entry(), entry()], at(0)).await.unwrap();
    assert_eq!(receipts, [recorded(vec![]), recorded(vec![intent.request.client_order_id])]);
}

pub async fn an_order_is_replaced_by_its_latest(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let intent = order(&alice, SignalId(1), 0);
    let id = intent.request.client_order_id;
    let standing = |status: OrderStatus, filled: i64| {
        let mut order = intent.clone();
        order.status = status;
        order.filled_qty = qty(filled);
        order.venue_order_id = Some(atomik_domain::VenueOrderId("v-1".to_owned()));
        order.sent_at = Some(at(1));
        order.updated_at = at(filled);
        order
    };
    let entry = |changes: Changes| Entry::Changes(Arc::new(changes));
    let batch = vec![
        entry(Changes { intents: vec![intent.clone()], ..Changes::default() }),
        entry(Changes { orders: vec![standing(OrderStatus::Working, 0)], ..Changes::default() }),
        entry(Changes { orders: vec![standing(OrderStatus::PartiallyFilled, 1)], ..Changes::default() }),
    ];
    store.commit(batch, at(2)).await.unwrap();
    let expected = standing(OrderStatus::PartiallyFilled, 1);
    assert_eq!(store.order(alice.user.id, id).await.unwrap(), expected);
    let filled = standing(OrderStatus::Filled, 2);
    change(&*store, Changes { orders: vec![filled.clone()], ..Changes::default() }).await;
    assert_eq!(store.order(alice.user.id, id).await.unwrap(), filled);
}

pub async fn a_fill_is_recorded_once(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = fill(&order(&alice, SignalId(1), 0), "e-1");
    let mut again = first.clone();
    again.execution.last_qty = qty(9);
    let twice = Changes { fills: vec![first.clone(), again.clone()], ..Changes::default() };
    change(&*store, twice).await;
    change(&*store, Changes { fills: vec![again], ..Changes::default() }).await;
    let fills = store.fills(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert_eq!(fills.into_iter().map(|(_, fill)| fill).collect::<Vec<_>>(), [first]);
}

pub async fn exec_ids_are_one_accounts_own(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let here = fill(&order(&alice, SignalId(1), 0), "e-1");
    let mut there = here.clone();
    there.broker_account_id.0 += 1;
    let mut next = here.clone();
    next.execution.exec_id = ExecId("e-2".to_owned());
    change(&*store, Changes { fills: vec![here, there, next], ..Changes::default() }).await;
    let fills = store.fills(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert_eq!(fills.len(), 3);
}

pub async fn a_position_is_replaced_by_its_latest(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let both = vec![position(&alice, 1), position(&alice, -2)];
    change(&*store, Changes { positions: both, ..Changes::default() }).await;
    assert_eq!(store.positions_of(alice.strategy.id).await.unwrap(), [position(&alice, -2)]);
    change(&*store, Changes { positions: vec![position(&alice, 0)], ..Changes::default() }).await;
    assert_eq!(store.positions_of(alice.strategy.id).await.unwrap(), [position(&alice, 0)]);
    let all_of_it = PositionRecord {
        position: Position {
            net_qty: SignedQty(hundredths(1)),
            avg_price: Price(hundredths(2)),
            realized_profit: Amount(hundredths(3)),
            commission: Amount(hundredths(4)),
            fee_qty: Qty(hundredths(5)),
        },
        updated_at: at(6),
        ..position(&alice, 0)
    };
    change(&*store, Changes { positions: vec![all_of_it.clone()], ..Changes::default() }).await;
    assert_eq!(store.positions_of(alice.strategy.id).await.unwrap(), [all_of_it]);
}

pub async fn a_final_outcome_is_never_replaced(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let targets = vec![alice.strategy.id];
    let id = accept(&*store, NewSignal { targets, ..signal(&alice) }, at(0)).await;
    let filled = outcome(&alice, id, OutcomeStatus::Filled, Code::Filled);
    change(&*store, Changes { outcomes: vec![filled.clone()], ..Changes::default() }).await;
    for status in [OutcomeStatus::Pending, OutcomeStatus::Unknown, OutcomeStatus::Rejected] {
        let later = outcome(&alice, id, status, Code::BrokerRejected);
        change(&*store, Changes { outcomes: vec![later], ..Changes::default() }).await;
    }
    assert_eq!(store.signal(alice.user.id, id).await.unwrap().outcomes, [filled]);
}

pub async fn an_unknown_outcome_becomes_final(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let id = accept(&*store, signal(&alice), at(0)).await;
    let unknown = outcome(&alice, id, OutcomeStatus::Unknown, Code::OrderUnknown);
    change(&*store, Changes { outcomes: vec![unknown], ..Changes::default() }).await;
    let rejected = outcome(&alice, id, OutcomeStatus::Rejected, Code::BrokerRejected);
    change(&*store, Changes { outcomes: vec![rejected.clone()], ..Changes::default() }).await;
    assert_eq!(store.signal(alice.user.id, id).await.unwrap().outcomes, [rejected]);
}

pub async fn the_first_final_outcome_of_a_batch_stays(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let id = accept(&*store, signal(&alice), at(0)).await;
    let filled = outcome(&alice, id, OutcomeStatus::Filled, Code::Filled);
    let outcomes = vec![
        outcome(&alice, id, OutcomeStatus::Unknown, Code::OrderUnknown),
        filled.clone(),
        outcome(&alice, id, OutcomeStatus::Expired, Code::SignalTooOld),
    ];
    change(&*store, Changes { outcomes, ..Changes::default() }).await;
    assert_eq!(store.signal(alice.user.id, id).await.unwrap().outcomes, [filled]);
}

pub async fn a_thousand_entries_at_once_from_many(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let commits = (0..4u8).map(|writer| {
        let (store, alice) = (store.clone(), alice.clone());
        tokio::spawn(async move {
            let received_at = START.plus(i64::from(writer) * UnixMicros::SECOND);
            let signals = (0..1_000).map(|_| NewSignal { received_at, ..signal(&alice) }).collect();
            commit(&*store, signals, at(10)).await
        })
    });
    let mut ids = Vec::new();
    for receipts in futures::future::join_all(commits).await {
        let batch: Vec<_> = receipts
            .unwrap()
            .into_iter()
            .map(|receipt| match receipt {
                Receipt::Stored { signal_id } => signal_id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(batch.is_sorted());
        ids.extend(batch);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4_000);
    for id in [ids[0], ids[1_999], ids[3_999]] {
        assert_eq!(store.signal(alice.user.id, id).await.unwrap().signal.id, id);
    }
}
