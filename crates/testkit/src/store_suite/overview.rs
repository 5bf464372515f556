//! Counting what happened, and keeping what accounts are worth.

use atomik_domain::{Amount, Code, OrderStatus, OutcomeStatus, SignalId, UnixMicros};
use atomik_ports::journal::{Changes, Entry, NewSignal, Receipt, Refusal, SignalSource};
use atomik_ports::operations::Retention;
use atomik_ports::overview::{
    AccountProfit, EQUITY_HOURLY_US, EQUITY_WHOLE_US, EquitySample, UnheardGroup, WebhookActivity,
};
use atomik_ports::{Store, StoreError};
use rust_decimal::Decimal;

use super::{Fixture, accept, change, commit};
use crate::builders::{
    START, Tenant, at, fill, new_account, new_strategy, new_webhook, order, outcome, refusal, signal, tenant,
    windowed,
};

/// A signal of the tenant's strategy that came to something, received at a second.
async fn ended(
    store: &dyn Store,
    tenant: &Tenant,
    second: i64,
    status: OutcomeStatus,
    code: Code,
) -> SignalId {
    let targets = vec![tenant.strategy.id];
    let new = NewSignal { targets, received_at: at(second), ..signal(tenant) };
    let id = accept(store, new, at(second)).await;
    let outcomes = vec![outcome(tenant, id, status, code)];
    change(store, Changes { outcomes, ..Changes::default() }).await;
    id
}

async fn refuse(store: &dyn Store, tenant: &Tenant, second: i64, code: Code, suppressed: u32) {
    let new = Refusal { received_at: at(second), suppressed, ..refusal(tenant, 401, code) };
    store.commit(vec![Entry::Refusal(Box::new(new))], at(second)).await.unwrap();
}

pub async fn signals_are_counted_by_the_strategy_that_most_needs_a_look(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let second = new_strategy(alice.user.id, alice.webhook.id, alice.account.id);
    let second = Tenant { strategy: store.create_strategy(second, None).await.unwrap(), ..alice.clone() };
    ended(&*store, &alice, -60, OutcomeStatus::Filled, Code::Filled).await;
    let targets = vec![alice.strategy.id, second.strategy.id];
    let both = accept(&*store, NewSignal { targets, ..signal(&alice) }, at(0)).await;
    let outcomes = vec![
        outcome(&alice, both, OutcomeStatus::Filled, Code::Filled),
        outcome(&second, both, OutcomeStatus::Rejected, Code::BrokerRejected),
    ];
    change(&*store, Changes { outcomes, ..Changes::default() }).await;
    let alone = accept(&*store, signal(&alice), at(0)).await;
    let flatten =
        NewSignal { source: SignalSource::Flatten, targets: vec![alice.strategy.id], ..signal(&alice) };
    accept(&*store, flatten, at(0)).await;

    let happened = store.happened(alice.user.id, at(0)).await.unwrap();
    let counts: Vec<_> = happened.signals.into_iter().collect();
    let expected = [(OutcomeStatus::Pending, 1), (OutcomeStatus::Skipped, 1), (OutcomeStatus::Rejected, 1)];
    assert_eq!(counts, expected);
    assert_eq!((happened.accepted, happened.truncated), (2, false), "nobody sent the flattening");
    let unheard = UnheardGroup {
        webhook_id: alice.webhook.id,
        count: 1,
        last_signal_id: alone,
        first_at: START,
        last_at: START,
    };
    assert_eq!(happened.unheard, [unheard]);
    let bob = tenant(&*store, "bob").await.unwrap();
    assert_eq!(store.happened(bob.user.id, at(0)).await.unwrap(), Default::default());
}

pub async fn what_failed_is_grouped_and_explained(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    ended(&*store, &alice, 0, OutcomeStatus::Denied, Code::Halted).await;
    let rejected = ended(&*store, &alice, 1, OutcomeStatus::Rejected, Code::BrokerRejected).await;
    let halted = ended(&*store, &alice, 2, OutcomeStatus::Denied, Code::Halted).await;
    ended(&*store, &alice, 3, OutcomeStatus::Skipped, Code::PositionLimit).await;
    ended(&*store, &alice, 3, OutcomeStatus::Filled, Code::Filled).await;
    let failures = store.happened(alice.user.id, at(0)).await.unwrap().failures;
    let seen: Vec<_> = failures
        .iter()
        .map(|group| {
            (group.status, group.code, group.count, group.last_signal_id, group.first_at, group.last_at)
        })
        .collect();
    let expected = [
        (OutcomeStatus::Denied, Code::Halted, 2, halted, at(0), at(2)),
        (OutcomeStatus::Rejected, Code::BrokerRejected, 1, rejected, at(1), at(1)),
    ];
    assert_eq!(seen, expected);
    assert!(failures.iter().all(|group| group.strategy_id == alice.strategy.id));
    assert_eq!(failures[0].detail, "denied in a test");
}

pub async fn deliveries_are_counted_with_those_that_were_only_counted(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    refuse(&*store, &alice, -60, Code::InvalidSecret, 7).await;
    refuse(&*store, &alice, 1, Code::RateLimited, 0).await;
    refuse(&*store, &alice, 2, Code::RateLimited, 40).await;
    refuse(&*store, &alice, 3, Code::InvalidSecret, 0).await;
    commit(&*store, vec![windowed(&alice, 1), windowed(&alice, 1)], at(0)).await;
    let happened = store.happened(alice.user.id, at(0)).await.unwrap();
    let seen: Vec<_> = happened
        .others
        .iter()
        .map(|group| (group.webhook_id, group.code, group.count, group.first_at, group.last_at))
        .collect();
    let webhook = alice.webhook.id;
    let expected = [
        (webhook, Code::Replayed, 1, at(0), at(0)),
        (webhook, Code::InvalidSecret, 1, at(3), at(3)),
        (webhook, Code::RateLimited, 42, at(1), at(2)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(happened.accepted, 1);
    let bob = tenant(&*store, "bob").await.unwrap();
    assert_eq!(store.happened(bob.user.id, at(0)).await.unwrap(), Default::default());
}

pub async fn profits_are_exact_sums_by_account(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let other = store.create_broker_account(new_account(alice.user.id, "other"), None).await.unwrap();
    let mut fills = Vec::new();
    for (number, (tenant, profit, second)) in
        [(&alice, 100, -60), (&alice, 1, 0), (&alice, 2, 5), (&bob, 500, 5)].into_iter().enumerate()
    {
        let id = accept(&*store, signal(tenant), at(0)).await;
        let mut made = fill(&order(tenant, id, 0), &number.to_string());
        made.realized_profit = Amount(Decimal::new(profit, 1));
        made.recorded_at = at(second);
        fills.push(made);
    }
    let mut elsewhere = fills[1].clone();
    elsewhere.broker_account_id = other.id;
    elsewhere.realized_profit = Amount(Decimal::from(-3));
    fills.push(elsewhere);
    change(&*store, Changes { fills, ..Changes::default() }).await;
    store.record_equity(&[sample(&alice, 0, 1)]).await.unwrap();
    let expected = [
        AccountProfit {
            broker_account_id: alice.account.id,
            currency: Some("USD".to_owned()),
            realized_profit: Amount(Decimal::new(3, 1)),
            commission: Amount(Decimal::from(5)),
        },
        AccountProfit {
            broker_account_id: other.id,
            currency: None,
            realized_profit: Amount(Decimal::from(-3)),
            commission: Amount(Decimal::new(25, 1)),
        },
    ];
    assert_eq!(store.happened(alice.user.id, at(0)).await.unwrap().profits, expected);
}

pub async fn unknown_orders_show_whatever_their_age(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let mut orders = Vec::new();
    for (tenant, status) in [
        (&alice, OrderStatus::Unknown),
        (&alice, OrderStatus::Working),
        (&alice, OrderStatus::Filled),
        (&bob, OrderStatus::Unknown),
    ] {
        let id = accept(&*store, signal(tenant), at(0)).await;
        let mut made = order(tenant, id, 0);
        made.status = status;
        orders.push(made);
    }
    change(&*store, Changes { intents: orders.clone(), ..Changes::default() }).await;
    let happened = store.happened(alice.user.id, at(1_000_000)).await.unwrap();
    assert_eq!(happened.unknown_orders, orders[..1]);
    assert!(happened.signals.is_empty());
}

pub async fn a_moment_is_found_among_many(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    for batch in 0..5 {
        let seconds = batch * 2_000..(batch + 1) * 2_000;
        let signals = seconds.map(|second| {
            let owner = if second % 2 == 0 { &alice } else { &bob };
            NewSignal { received_at: at(second), ..signal(owner) }
        });
        let receipts = commit(&*store, signals.collect(), at(batch * 2_000)).await;
        assert!(receipts.iter().all(|receipt| matches!(receipt, Receipt::Stored { .. })));
        refuse(&*store, &alice, batch * 2_000, Code::RateLimited, 0).await;
    }
    for (since, signals, refused) in
        [(0, 5_000, 5), (1, 4_999, 4), (4_000, 3_000, 3), (9_998, 1, 0), (9_999, 0, 0)]
    {
        let happened = store.happened(alice.user.id, at(since)).await.unwrap();
        assert_eq!(happened.accepted, signals, "since {since}");
        assert_eq!(happened.others.iter().map(|group| group.count).sum::<u64>(), refused, "since {since}");
    }
}

pub async fn what_came_to_webhooks(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let quiet = store.create_webhook(new_webhook(alice.user.id, "quiet"), None).await.unwrap();
    let old = store.create_webhook(new_webhook(alice.user.id, "old"), None).await.unwrap();
    let on_old = Tenant { webhook: old.clone(), ..alice.clone() };
    accept(&*store, NewSignal { received_at: at(-90_000), ..signal(&on_old) }, at(-90_000)).await;
    refuse(&*store, &alice, 1, Code::InvalidSecret, 9).await;
    commit(&*store, vec![windowed(&alice, 1), windowed(&alice, 1)], at(0)).await;
    refuse(&*store, &bob, 5, Code::InvalidSecret, 0).await;
    let ids = [alice.webhook.id, quiet.id, old.id, bob.webhook.id];
    let mut activity = store.webhook_activity(alice.user.id, &ids, at(0)).await.unwrap();
    activity.sort_by_key(|one| one.webhook_id);
    let none = WebhookActivity { webhook_id: quiet.id, last: None, accepted: 0, replayed: 0, refused: 0 };
    let expected = [
        WebhookActivity {
            webhook_id: alice.webhook.id,
            last: Some((at(0), Code::Replayed)),
            accepted: 1,
            replayed: 1,
            refused: 10,
        },
        none,
        WebhookActivity { webhook_id: old.id, last: Some((at(-90_000), Code::Accepted)), ..none },
    ];
    assert_eq!(activity, expected, "of one's own only");
    accept(&*store, NewSignal { received_at: at(9), ..signal(&alice) }, at(9)).await;
    let flatten = NewSignal { source: SignalSource::Flatten, received_at: at(10), ..signal(&alice) };
    accept(&*store, flatten, at(10)).await;
    let activity = store.webhook_activity(alice.user.id, &ids[..1], at(0)).await.unwrap();
    assert_eq!((activity[0].last, activity[0].accepted), (Some((at(9), Code::Accepted)), 2));
}

fn sample(tenant: &Tenant, second: i64, dollars: i64) -> EquitySample {
    EquitySample {
        broker_account_id: tenant.account.id,
        at: at(second),
        currency: "USD".to_owned(),
        cash: Amount(Decimal::from(dollars)),
        equity: Amount(Decimal::new(dollars * 100 + 25, 2)),
        simulated: dollars % 2 == 0,
    }
}

async fn seconds(store: &dyn Store, tenant: &Tenant, max_points: u32) -> Vec<i64> {
    let samples = store.equity(tenant.user.id, Some(tenant.account.id), None, max_points).await.unwrap();
    samples.iter().map(|sample| sample.at.micros_since(START) / UnixMicros::SECOND).collect()
}

pub async fn equity_round_trips(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let other = store.create_broker_account(new_account(alice.user.id, "other"), None).await.unwrap();
    let other = EquitySample { broker_account_id: other.id, ..sample(&alice, 5, 3) };
    store.record_equity(&[]).await.unwrap();
    store.record_equity(&[sample(&alice, 10, 1), sample(&alice, 0, 2), other.clone()]).await.unwrap();
    store.record_equity(&[sample(&alice, 10, 4)]).await.unwrap();
    let all = store.equity(alice.user.id, None, None, 10).await.unwrap();
    assert_eq!(all, [sample(&alice, 0, 2), sample(&alice, 10, 4), other], "the later one of a moment stays");
    let late = store.equity(alice.user.id, Some(alice.account.id), Some(at(10)), 10).await.unwrap();
    assert_eq!(late, [sample(&alice, 10, 4)]);
}

pub async fn equity_is_thinned_to_the_last_of_each_part(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let samples: Vec<_> = (0..100).map(|second| sample(&alice, second, second)).collect();
    store.record_equity(&samples).await.unwrap();
    assert_eq!(seconds(&*store, &alice, 100).await.len(), 100, "no more than asked for: all of them");
    let ten = seconds(&*store, &alice, 10).await;
    assert_eq!(ten, [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]);
    assert_eq!(seconds(&*store, &alice, 1).await, [99]);
}

pub async fn equity_is_ones_own(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    store.record_equity(&[sample(&alice, 0, 1)]).await.unwrap();
    let stolen = store.equity(bob.user.id, Some(alice.account.id), None, 10).await;
    assert_eq!(stolen, Err(StoreError::NotFound));
    assert_eq!(store.equity(bob.user.id, None, None, 10).await.unwrap(), []);
    store.delete_broker_account(alice.user.id, alice.account.id).await.unwrap();
    assert_eq!(store.equity(alice.user.id, None, None, 10).await.unwrap(), [], "unlinked");
}

pub async fn old_equity_goes_by_the_hour_and_then_for_good(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    // From the beginning of an hour: half an hour apart for three hours.
    let hour = 3_600 - START.0 / UnixMicros::SECOND % 3_600;
    let times: Vec<_> = (0..6).map(|half| hour + half * 1_800).collect();
    let samples: Vec<_> = times.iter().map(|second| sample(&alice, *second, 1)).collect();
    store.record_equity(&samples).await.unwrap();
    let prune = async |now: UnixMicros| {
        let retention = Retention { deliveries_before: UnixMicros(0), refused_per_webhook: 1_000, now };
        store.prune(retention).await.unwrap()
    };
    let week_after = |second: i64| at(second).plus(EQUITY_WHOLE_US);
    assert_eq!(prune(week_after(times[2]).plus(-1)).await, 0, "an hour goes once it is over");
    assert_eq!(prune(week_after(times[2])).await, 1);
    assert_eq!(seconds(&*store, &alice, 100).await, times[1..]);
    assert_eq!(prune(week_after(times[5]).plus_seconds(3_600)).await, 2);
    assert_eq!(seconds(&*store, &alice, 100).await, [times[1], times[3], times[5]]);
    assert_eq!(prune(at(times[3]).plus(EQUITY_HOURLY_US)).await, 1);
    assert_eq!(seconds(&*store, &alice, 100).await, [times[3], times[5]]);
}
