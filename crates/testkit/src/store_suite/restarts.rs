//! What a restart finds of signals that were being worked on.

use atomik_domain::{Code, OrderStatus, OutcomeStatus, Qty};
use atomik_ports::journal::{Changes, NewSignal};

use super::{Fixture, accept, change};
use crate::builders::{at, fill, order, outcome, signal, tenant};

/// Between the end of its last order and its outcome a signal has no order that is open. Its outcome alone says that
/// something is left to do, and its orders say what.
pub async fn a_signal_whose_orders_have_all_ended_is_unfinished_until_its_outcome_is_final(
    fixture: &impl Fixture,
) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let targeted = || NewSignal { targets: vec![alice.strategy.id], ..signal(&alice) };
    let done = accept(&*store, targeted(), at(0)).await;
    let reversal = accept(&*store, targeted(), at(1)).await;
    let doubtful = accept(&*store, targeted(), at(2)).await;
    let ended = |id, leg, status| {
        let mut order = order(&alice, id, leg);
        order.status = status;
        order.filled_qty = if status == OrderStatus::Filled { order.request.order_qty } else { Qty::ZERO };
        order
    };
    let finished = ended(done, 0, OrderStatus::Filled);
    let left = [
        ended(reversal, 0, OrderStatus::Filled),
        ended(reversal, 1, OrderStatus::Rejected),
        ended(doubtful, 0, OrderStatus::Expired),
    ];
    let changes = Changes {
        intents: left.iter().chain([&finished]).cloned().collect(),
        fills: vec![fill(&finished, "e-0"), fill(&left[0], "e-1")],
        outcomes: vec![
            outcome(&alice, done, OutcomeStatus::Filled, Code::Filled),
            outcome(&alice, doubtful, OutcomeStatus::Unknown, Code::OrderUnknown),
        ],
        ..Changes::default()
    };
    change(&*store, changes).await;
    let work = store.unfinished_work().await.unwrap();
    let open: Vec<_> = work.outcomes.iter().map(|(signal, outcome)| (signal.id, outcome.status)).collect();
    assert_eq!(open, [(reversal, OutcomeStatus::Pending), (doubtful, OutcomeStatus::Unknown)]);
    let mut legs = work.orders;
    legs.sort_by_key(|order| (order.signal_id, order.leg));
    assert_eq!(legs, left, "every leg, so that what is left to do can be told");
    assert_eq!(work.fills, [fill(&left[0], "e-1")], "and what they have come to");
    let outcomes = vec![
        outcome(&alice, reversal, OutcomeStatus::PartlyFilled, Code::BrokerRejected),
        outcome(&alice, doubtful, OutcomeStatus::Expired, Code::BrokerUnreachable),
    ];
    change(&*store, Changes { outcomes, ..Changes::default() }).await;
    let work = store.unfinished_work().await.unwrap();
    assert!(work.outcomes.is_empty() && work.orders.is_empty() && work.fills.is_empty());
}
