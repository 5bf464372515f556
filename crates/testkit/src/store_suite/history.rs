//! Reading back what happened.

use std::net::IpAddr;
use std::sync::Arc;

use atomik_domain::{
    BrokerAccountId, Code, OrderStatus, OutcomeStatus, Price, SignalId, SignedQty, StrategyId, UnixMicros,
    WebhookId,
};
use atomik_ports::history::{Delivery, DeliveryFilter, Signal, SignalRecord, TradeFilter};
use atomik_ports::journal::{Changes, Entry, NewSignal, Receipt, Refusal, SignalSource};
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{PageRequest, Store, StoreError};
use rust_decimal::Decimal;

use super::{FIRST, Fixture, accept, change, commit};
use crate::builders::{
    START, Tenant, at, fill, identified, new_webhook, order, outcome, position, refusal, signal, symbol,
    tenant, windowed,
};

async fn log(store: &dyn Store, tenant: &Tenant, filter: DeliveryFilter) -> Vec<Delivery> {
    store.deliveries(tenant.user.id, tenant.webhook.id, filter, FIRST).await.unwrap().items
}

pub async fn deliveries_tell_what_became_of_each(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let stored_at = START.plus(1_500);
    let accepted = accept(&*store, windowed(&alice, 1), stored_at).await;
    let again = NewSignal {
        received_at: START.plus(2_000),
        payload: "again".to_owned(),
        remote_ip: None,
        ..windowed(&alice, 1)
    };
    commit(&*store, vec![again], START.plus(1_900)).await;
    let refused = Refusal { suppressed: 17, ..refusal(&alice, 401, Code::InvalidSecret) };
    store.commit(vec![Entry::Refusal(Box::new(refused))], START.plus(3_000)).await.unwrap();

    let rows = log(&*store, &alice, DeliveryFilter::All).await;
    let [refused, replayed, first] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((first.status, first.code, first.signal_id), (202, Code::Accepted, Some(accepted)));
    assert_eq!((first.received_at, first.duration_us), (START, 1_500));
    assert_eq!(first.remote_ip, Some(IpAddr::from([10, 1, 2, 3])));
    assert_eq!(first.payload.as_deref(), Some(r#"{"action":"BUY"}"#));
    assert!(first.detail.contains("The quantity was sent as a number."), "{}", first.detail);
    assert_eq!((replayed.status, replayed.code), (202, Code::Replayed));
    assert_eq!(replayed.signal_id, Some(accepted));
    assert_eq!((replayed.payload.as_deref(), replayed.remote_ip), (Some("again"), None));
    assert_eq!(replayed.duration_us, 0, "a clock that went back is no negative duration");
    assert!(!replayed.detail.is_empty());
    assert_eq!((refused.status, refused.code, refused.signal_id), (401, Code::InvalidSecret, None));
    assert_eq!((refused.detail.as_str(), refused.suppressed), ("Refused in a test.", 17));
    assert_eq!((refused.payload.as_deref(), refused.duration_us), (Some("{}"), 3_000));
    assert!(rows.iter().all(|row| row.webhook_id == alice.webhook.id));
    let unknown = store.deliveries(alice.user.id, WebhookId(99), DeliveryFilter::All, FIRST).await;
    assert_eq!(unknown.map(drop), Err(StoreError::NotFound));
}

pub async fn a_repeat_that_was_known_leaves_the_row_of_one_that_was_found(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, windowed(&alice, 1), START.plus(1_500)).await;
    let again = NewSignal {
        received_at: START.plus(2_000),
        payload: "again".to_owned(),
        targets: vec![alice.strategy.id],
        ..windowed(&alice, 1)
    };
    let found = commit(&*store, vec![again.clone()], START.plus(2_300)).await;
    assert!(matches!(found[0], Receipt::Replayed { .. }), "{found:?}");
    // It repeats what is named, whatever is known here, and is nothing that others repeat.
    let known = NewSignal { repeat: windowed(&alice, 2).repeat, ..again };
    let entries = vec![
        Entry::Repeat { signal: Box::new(known.clone()), first },
        Entry::Signal(Arc::new(NewSignal { targets: Vec::new(), ..known })),
    ];
    let receipts = store.commit(entries, START.plus(2_300)).await.unwrap();
    let recorded = Receipt::Recorded { repeated_intents: Vec::new() };
    assert_eq!(receipts[0], recorded);
    assert!(matches!(receipts[1], Receipt::Stored { .. }), "{receipts:?}");
    let rows = log(&*store, &alice, DeliveryFilter::Code(Code::Replayed)).await;
    let [known, found] = rows.as_slice() else { panic!("{rows:?}") };
    assert!(known.id > found.id);
    assert_eq!((known.signal_id, known.duration_us), (Some(first), 300));
    assert_eq!(Delivery { id: found.id, ..known.clone() }, *found);
}

/// A burst on one webhook lies between the few signals of another: reading these passes over it, and loses none.
pub async fn a_quiet_webhook_is_read_across_a_burst_on_another(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let bob = tenant(&*store, "bob").await.unwrap();
    let mut stored = Vec::new();
    for burst in [1, 5_000, 12_000, 1] {
        stored.push(accept(&*store, signal(&alice), at(0)).await);
        for _ in 0..burst / 1_000 {
            commit(&*store, vec![signal(&bob); 1_000], at(0)).await;
        }
    }
    stored.reverse();
    let (mut signals, mut deliveries, mut page) =
        (Vec::new(), Vec::new(), PageRequest { limit: 1, before: None });
    loop {
        let found = store.signals(alice.user.id, &TradeFilter::default(), page).await.unwrap();
        signals.extend(found.items.iter().map(|record| record.signal.id));
        let logged =
            store.deliveries(alice.user.id, alice.webhook.id, DeliveryFilter::All, page).await.unwrap();
        deliveries.extend(logged.items.iter().filter_map(|delivery| delivery.signal_id));
        assert_eq!(found.next, logged.next);
        page.before = found.next;
        if page.before.is_none() {
            break;
        }
    }
    assert_eq!(signals, stored);
    assert_eq!(deliveries, stored);
    let whole = store.signals(bob.user.id, &TradeFilter::default(), FIRST).await.unwrap();
    assert!(whole.next.is_some() && whole.items.windows(2).all(|pair| pair[0].signal.id > pair[1].signal.id));
}

pub async fn deliveries_are_filtered(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    accept(&*store, identified(&alice, 1, 1), at(0)).await;
    commit(&*store, vec![identified(&alice, 1, 1), identified(&alice, 1, 2)], at(1)).await;
    for code in [Code::InvalidSecret, Code::RateLimited, Code::RateLimited] {
        let refused = Entry::Refusal(Box::new(refusal(&alice, 400, code)));
        store.commit(vec![refused], at(2)).await.unwrap();
    }
    let wanted = [
        (DeliveryFilter::All, 6),
        (DeliveryFilter::Accepted, 1),
        (DeliveryFilter::Replayed, 1),
        (DeliveryFilter::Refused, 4),
        (DeliveryFilter::Code(Code::Accepted), 1),
        (DeliveryFilter::Code(Code::Replayed), 1),
        (DeliveryFilter::Code(Code::RateLimited), 2),
        (DeliveryFilter::Code(Code::IdReused), 1),
        (DeliveryFilter::Code(Code::IpNotAllowed), 0),
    ];
    for (filter, count) in wanted {
        assert_eq!(log(&*store, &alice, filter).await.len(), count, "{filter:?}");
    }
}

pub async fn a_flattening_is_a_signal_and_no_delivery(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let flatten = NewSignal { source: SignalSource::Flatten, remote_ip: None, ..windowed(&alice, 1) };
    let id = accept(&*store, flatten.clone(), at(0)).await;
    let again = commit(&*store, vec![flatten], at(0)).await;
    assert!(matches!(again[0], Receipt::Replayed { .. }), "{again:?}");
    assert_eq!(log(&*store, &alice, DeliveryFilter::All).await, []);
    assert_eq!(store.signal(alice.user.id, id).await.unwrap().signal.source, SignalSource::Flatten);
}

pub async fn a_signal_comes_with_all_that_came_of_it(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let new = signal(&alice);
    let id = accept(&*store, NewSignal { targets: vec![alice.strategy.id], ..new.clone() }, at(1)).await;
    let bystander = accept(&*store, NewSignal { notes: Vec::new(), ..new.clone() }, at(1)).await;
    let (first, second) = (order(&alice, id, 0), order(&alice, id, 1));
    let fills = vec![fill(&second, "e-2"), fill(&first, "e-1")];
    let filled = outcome(&alice, id, OutcomeStatus::Filled, Code::Filled);
    let changes = Changes {
        intents: vec![second.clone(), first.clone()],
        fills: fills.clone(),
        outcomes: vec![filled.clone()],
        ..Changes::default()
    };
    change(&*store, changes).await;
    let listed = store.fills(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert_eq!(listed.iter().rev().map(|(_, fill)| fill.clone()).collect::<Vec<_>>(), fills);
    let expected = SignalRecord {
        signal: Signal {
            id,
            user_id: alice.user.id,
            webhook_id: alice.webhook.id,
            source: SignalSource::Alert,
            received_at: START,
            stored_at: at(1),
            action: new.action,
            comment: new.comment,
            price: new.price,
            quantity: new.quantity,
            symbol: new.symbol,
            notes: new.notes,
            payload: new.payload,
        },
        outcomes: vec![filled],
        orders: vec![first, second],
        fills: listed.into_iter().rev().collect(),
    };
    assert_eq!(store.signal(alice.user.id, id).await.unwrap(), expected);
    let listed = store.signals(alice.user.id, &TradeFilter::default(), FIRST).await.unwrap().items;
    assert_eq!(listed.iter().map(|record| record.signal.id).collect::<Vec<_>>(), [bystander, id]);
    assert_eq!(listed[1], expected);
    assert!(listed[0].orders.is_empty() && listed[0].fills.is_empty() && listed[0].outcomes.is_empty());
    let missing = store.signal(alice.user.id, SignalId(99)).await;
    assert_eq!(missing.map(drop), Err(StoreError::NotFound));
}

pub async fn signals_are_filtered(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let second = store.create_webhook(new_webhook(alice.user.id, "second"), None).await.unwrap();
    let early = NewSignal { received_at: at(1), targets: vec![alice.strategy.id], ..signal(&alice) };
    let traded = accept(&*store, early, at(1)).await;
    let late = NewSignal { received_at: at(2), webhook_id: second.id, ..signal(&alice) };
    let other = accept(&*store, late, at(2)).await;
    let none = TradeFilter::default();
    let wanted = [
        (none.clone(), vec![other, traded]),
        (TradeFilter { webhook_id: Some(second.id), ..none.clone() }, vec![other]),
        (TradeFilter { since: Some(at(2)), ..none.clone() }, vec![other]),
        (TradeFilter { until: Some(at(2)), ..none.clone() }, vec![traded]),
        (TradeFilter { since: Some(at(1)), until: Some(at(3)), ..none.clone() }, vec![other, traded]),
        (TradeFilter { oldest_first: true, ..none.clone() }, vec![traded, other]),
        (TradeFilter { strategy_id: Some(alice.strategy.id), ..none.clone() }, vec![traded]),
        (TradeFilter { broker_account_id: Some(alice.account.id), ..none.clone() }, vec![traded]),
        (TradeFilter { symbol: Some(symbol("ES")), ..none.clone() }, vec![traded]),
        (TradeFilter { symbol: Some(symbol("NQ")), ..none.clone() }, vec![]),
        (TradeFilter { strategy_id: Some(StrategyId(99)), ..none.clone() }, vec![]),
        (TradeFilter { outcome: Some(OutcomeStatus::Pending), ..none.clone() }, vec![traded]),
        (TradeFilter { outcome: Some(OutcomeStatus::Skipped), ..none.clone() }, vec![other]),
        (TradeFilter { outcome: Some(OutcomeStatus::Filled), ..none }, vec![]),
    ];
    for (filter, ids) in wanted {
        let found = store.signals(alice.user.id, &filter, FIRST).await.unwrap().items;
        assert_eq!(found.iter().map(|record| record.signal.id).collect::<Vec<_>>(), ids, "{filter:?}");
    }
}

pub async fn orders_fills_and_positions_are_filtered(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let es = order(&alice, SignalId(1), 0);
    let mut nq = order(&alice, SignalId(2), 0);
    nq.strategy_id = StrategyId(50);
    nq.broker_account_id = BrokerAccountId(60);
    nq.request.symbol = symbol("NQ");
    nq.request.client_order_id = crate::builders::order_id(SignalId(2), StrategyId(50), 0);
    nq.planned_at = at(10);
    nq.status = OrderStatus::Rejected;
    let mut nq_fill = fill(&nq, "e-2");
    nq_fill.recorded_at = at(10);
    let mut nq_position = position(&alice, 1);
    nq_position.strategy_id = nq.strategy_id;
    nq_position.broker_account_id = nq.broker_account_id;
    nq_position.symbol = symbol("NQ");
    nq_position.updated_at = at(10);
    let changes = Changes {
        intents: vec![es.clone(), nq.clone()],
        fills: vec![fill(&es, "e-1"), nq_fill],
        positions: vec![position(&alice, 2), nq_position],
        ..Changes::default()
    };
    change(&*store, changes).await;
    let none = TradeFilter::default();
    let filters = [
        TradeFilter { strategy_id: Some(nq.strategy_id), ..none.clone() },
        TradeFilter { broker_account_id: Some(nq.broker_account_id), ..none.clone() },
        TradeFilter { symbol: Some(symbol("NQ")), ..none.clone() },
        TradeFilter { since: Some(at(10)), ..none.clone() },
    ];
    let user = alice.user.id;
    for filter in filters {
        assert_eq!(store.orders(user, &filter, FIRST).await.unwrap().items, [nq.clone()], "{filter:?}");
        let fills = store.fills(user, &filter, FIRST).await.unwrap().items;
        assert!(fills.len() == 1 && fills[0].1.symbol == symbol("NQ"), "{filter:?}");
        let positions = store.positions(user, &filter, FIRST).await.unwrap().items;
        assert!(positions.len() == 1 && positions[0].symbol == symbol("NQ"), "{filter:?}");
    }
    let before = TradeFilter { until: Some(at(10)), ..none.clone() };
    assert_eq!(store.orders(user, &before, FIRST).await.unwrap().items, [es]);
    let fills = store.fills(user, &before, FIRST).await.unwrap().items;
    assert!(fills.len() == 1 && fills[0].1.symbol == symbol("ES"));
    let positions = store.positions(user, &before, FIRST).await.unwrap().items;
    assert!(positions.len() == 1 && positions[0].symbol == symbol("ES"));
    let open = TradeFilter { open: true, ..none.clone() };
    assert_eq!(store.positions(user, &open, FIRST).await.unwrap().items.len(), 2);
    change(&*store, Changes { positions: vec![position(&alice, 0)], ..Changes::default() }).await;
    let positions = store.positions(user, &open, FIRST).await.unwrap().items;
    assert!(positions.len() == 1 && positions[0].symbol == symbol("NQ"), "{positions:?}");
    assert_eq!(store.positions(user, &none, FIRST).await.unwrap().items.len(), 2, "flat ones are kept");
    let rejected = TradeFilter { status: Some(OrderStatus::Rejected), ..none };
    assert_eq!(store.orders(user, &rejected, FIRST).await.unwrap().items, [nq]);
}

pub async fn pages_are_stable_while_rows_are_added(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let user = alice.user.id;
    for number in 0..7u8 {
        accept(&*store, windowed(&alice, number), at(0)).await;
        let refused = Entry::Refusal(Box::new(refusal(&alice, 401, Code::InvalidSecret)));
        store.commit(vec![refused], at(0)).await.unwrap();
        let intent = order(&alice, SignalId(i64::from(number) + 1), 0);
        let fills = vec![fill(&intent, &number.to_string())];
        change(&*store, Changes { intents: vec![intent], fills, ..Changes::default() }).await;
    }
    let all = TradeFilter::default();
    let mut seen = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let first = PageRequest { limit: 3, before: None };
    let (mut deliveries, mut signals, mut orders, mut fills) = (first, first, first, first);
    for round in 0..3u8 {
        let page = store.deliveries(user, alice.webhook.id, DeliveryFilter::All, deliveries).await.unwrap();
        seen.0.extend(page.items.iter().map(|row| row.id));
        deliveries.before = page.next;
        let page = store.signals(user, &all, signals).await.unwrap();
        seen.1.extend(page.items.iter().map(|row| row.signal.id));
        signals.before = page.next;
        assert_eq!(page.next.is_none(), round == 2, "seven rows are three pages");
        let page = store.orders(user, &all, orders).await.unwrap();
        seen.2.extend(page.items.iter().map(|row| row.signal_id));
        orders.before = page.next;
        let page = store.fills(user, &all, fills).await.unwrap();
        seen.3.extend(page.items.iter().map(|(id, _)| *id));
        fills.before = page.next;
        // What arrives between two pages appears on neither.
        accept(&*store, windowed(&alice, 100 + round), at(0)).await;
        let late = order(&alice, SignalId(100 + i64::from(round)), 0);
        let late_fill = fill(&late, &format!("late {round}"));
        change(&*store, Changes { intents: vec![late], fills: vec![late_fill], ..Changes::default() }).await;
    }
    assert!(seen.0.is_sorted_by(|a, b| a > b) && seen.0.len() == 9, "{:?}", seen.0);
    assert!(seen.1.is_sorted_by(|a, b| a > b) && seen.1.len() == 7, "{:?}", seen.1);
    assert_eq!(seen.2, (1..=7).rev().map(SignalId).collect::<Vec<_>>());
    assert!(seen.3.is_sorted_by(|a, b| a > b) && seen.3.len() == 7, "{:?}", seen.3);
}

pub async fn lists_are_read_from_the_oldest_up(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let bob = tenant(&*store, "bob").await.unwrap();
    let mut stored = Vec::new();
    for burst in 0..5u8 {
        stored.push(accept(&*store, signal(&alice), at(0)).await);
        commit(&*store, vec![signal(&bob); 2_000], at(0)).await;
        let intent = order(&alice, stored[usize::from(burst)], 0);
        let (fills, mut held) = (vec![fill(&intent, &burst.to_string())], position(&alice, 1));
        held.symbol = symbol(&format!("ES{burst}"));
        let changes = Changes { intents: vec![intent], fills, positions: vec![held], ..Changes::default() };
        change(&*store, changes).await;
    }
    let (user, oldest) = (alice.user.id, TradeFilter { oldest_first: true, ..TradeFilter::default() });
    let first = PageRequest { limit: 2, before: None };
    let (mut signals, mut orders, mut fills, mut positions) = (first, first, first, first);
    let mut seen = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..3u8 {
        let page = store.signals(user, &oldest, signals).await.unwrap();
        seen.0.extend(page.items.iter().map(|row| row.signal.id));
        assert_eq!(page.next.is_none(), round == 2, "five rows are three pages");
        signals.before = page.next;
        let page = store.orders(user, &oldest, orders).await.unwrap();
        seen.1.extend(page.items.iter().map(|row| row.signal_id));
        orders.before = page.next;
        let page = store.fills(user, &oldest, fills).await.unwrap();
        seen.2.extend(page.items.iter().map(|(_, row)| row.signal_id));
        fills.before = page.next;
        let page = store.positions(user, &oldest, positions).await.unwrap();
        seen.3.extend(page.items.iter().map(|row| row.symbol.clone()));
        positions.before = page.next;
    }
    assert_eq!((&seen.0, &seen.1, &seen.2), (&stored, &stored, &stored));
    assert_eq!(seen.3, (0..5).map(|burst| symbol(&format!("ES{burst}"))).collect::<Vec<_>>());
}

pub async fn a_page_is_never_larger_than_allowed(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let receipts = commit(&*store, (0..=MAX_PAGE).map(|_| signal(&alice)).collect(), at(0)).await;
    assert!(receipts.iter().all(|receipt| matches!(receipt, Receipt::Stored { .. })));
    let greedy = PageRequest { limit: u32::MAX, before: None };
    let page = store.signals(alice.user.id, &TradeFilter::default(), greedy).await.unwrap();
    assert_eq!(page.items.len(), usize::try_from(MAX_PAGE).unwrap());
    assert!(page.next.is_some());
    let nothing = PageRequest { limit: 0, before: None };
    let page = store.signals(alice.user.id, &TradeFilter::default(), nothing).await.unwrap();
    assert_eq!(page.items.len(), 1);
}

pub async fn extreme_decimals_survive(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let mut record = position(&alice, 0);
    record.position.net_qty = SignedQty(Decimal::MIN);
    record.position.avg_price = Price(Decimal::MAX);
    record.position.realized_profit.0 = Decimal::new(-1, 28);
    record.updated_at = UnixMicros(i64::MAX);
    change(&*store, Changes { positions: vec![record.clone()], ..Changes::default() }).await;
    assert_eq!(store.positions_of(alice.strategy.id).await.unwrap(), [record]);
}
