//! Which signals repeat an accepted one.

use atomik_domain::{Code, SignalId, UnixMicros};
use atomik_ports::journal::{NewSignal, Receipt, RepeatKeys};

use super::{Fixture, accept, commit};
use crate::builders::{at, identified, signal, tenant, windowed, windowed_for};

const SECOND: i64 = UnixMicros::SECOND;

fn is_stored(receipt: &Receipt) -> bool {
    matches!(receipt, Receipt::Stored { .. })
}

fn replay_of(receipt: &Receipt) -> Option<SignalId> {
    match receipt {
        Receipt::Replayed { signal_id, .. } => Some(*signal_id),
        _ => None,
    }
}

pub async fn a_repeat_inside_one_batch(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = NewSignal { received_at: at(1), ..windowed(&alice, 1) };
    let second = NewSignal { received_at: at(2), ..windowed(&alice, 1) };
    let receipts = commit(&*store, vec![first, second], at(3)).await;
    let Receipt::Stored { signal_id } = receipts[0] else { panic!("{receipts:?}") };
    assert_eq!(receipts[1], Receipt::Replayed { signal_id, received_at: at(1) });
}

pub async fn a_repeat_across_batches(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, NewSignal { received_at: at(1), ..windowed(&alice, 1) }, at(1)).await;
    let receipts = commit(&*store, vec![windowed(&alice, 1)], at(1).plus(SECOND / 2)).await;
    assert_eq!(receipts, [Receipt::Replayed { signal_id: first, received_at: at(1) }]);
}

pub async fn the_window_ends_exactly_where_it_says(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, windowed(&alice, 1), at(0)).await;
    let last_moment = commit(&*store, vec![windowed(&alice, 1)], at(1).plus(-1)).await;
    assert_eq!(replay_of(&last_moment[0]), Some(first));
    assert!(is_stored(&commit(&*store, vec![windowed(&alice, 1)], at(1)).await[0]));
}

pub async fn a_long_window_ends_where_it_says_too(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, windowed_for(&alice, 1, 60), at(0)).await;
    for seconds in [1, 59] {
        let repeat = commit(&*store, vec![windowed_for(&alice, 1, 60)], at(seconds)).await;
        assert_eq!(replay_of(&repeat[0]), Some(first), "after {seconds} s");
    }
    assert!(is_stored(&commit(&*store, vec![windowed_for(&alice, 1, 60)], at(60)).await[0]));
}

pub async fn the_window_that_counts_is_the_present_one(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let long = accept(&*store, windowed_for(&alice, 1, 60), at(0)).await;
    let half_a_second = at(0).plus(SECOND / 2);
    let shortened = commit(&*store, vec![windowed_for(&alice, 1, 1)], half_a_second).await;
    assert_eq!(replay_of(&shortened[0]), Some(long));
    assert!(is_stored(&commit(&*store, vec![windowed_for(&alice, 1, 1)], at(1)).await[0]));
}

pub async fn repeats_do_not_extend_the_window(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, windowed(&alice, 1), at(0)).await;
    let repeat = commit(&*store, vec![windowed(&alice, 1)], at(0).plus(SECOND * 9 / 10)).await;
    assert_eq!(replay_of(&repeat[0]), Some(first));
    let later = commit(&*store, vec![windowed(&alice, 1)], at(0).plus(SECOND * 11 / 10)).await;
    assert!(is_stored(&later[0]), "{later:?}");
}

pub async fn a_window_of_zero_repeats_nothing(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    for window_us in [0, -SECOND] {
        let window = RepeatKeys::Window { fingerprint: [1; 16], window_us };
        let open = || NewSignal { repeat: Some(window.clone()), ..signal(&alice) };
        assert!(commit(&*store, vec![open(), open()], at(0)).await.iter().all(is_stored));
        assert!(is_stored(&commit(&*store, vec![open()], at(0)).await[0]));
    }
}

pub async fn a_clock_set_back_refuses_nothing_for_long(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, windowed(&alice, 1), at(3_600)).await;
    let moment_before = commit(&*store, vec![windowed(&alice, 1)], at(3_600).plus(-SECOND / 2)).await;
    assert_eq!(replay_of(&moment_before[0]), Some(first));
    let hour_before = commit(&*store, vec![windowed(&alice, 1)], at(0)).await;
    assert!(is_stored(&hour_before[0]), "{hour_before:?}");
}

pub async fn windows_are_one_webhooks_own(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let receipts = commit(&*store, vec![windowed(&alice, 1), windowed(&bob, 1)], at(0)).await;
    assert!(receipts.iter().all(is_stored), "{receipts:?}");
}

pub async fn different_fingerprints_are_different_signals(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let receipts = commit(&*store, (0..=255).map(|print| windowed(&alice, print)).collect(), at(0)).await;
    assert!(receipts.iter().all(is_stored), "{receipts:?}");
}

pub async fn a_concurrent_flood_of_one_signal_is_stored_once(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let flood = (0..200).map(|_| {
        let (store, alice) = (store.clone(), alice.clone());
        tokio::spawn(async move { commit(&*store, vec![windowed(&alice, 1)], at(0)).await.remove(0) })
    });
    let receipts: Vec<_> =
        futures::future::join_all(flood).await.into_iter().map(|receipt| receipt.unwrap()).collect();
    assert_eq!(receipts.iter().filter(|receipt| is_stored(receipt)).count(), 1);
    assert_eq!(receipts.iter().filter_map(replay_of).count(), 199);
}

pub async fn an_explicit_id_with_the_same_body_is_replayed(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, identified(&alice, 1, 1), at(0)).await;
    let receipts = commit(&*store, vec![identified(&alice, 1, 1)], at(23 * 3_600)).await;
    assert_eq!(replay_of(&receipts[0]), Some(first));
}

pub async fn an_explicit_id_with_another_body_is_refused(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let first = accept(&*store, identified(&alice, 1, 1), at(0)).await;
    let receipts = commit(&*store, vec![identified(&alice, 1, 2), identified(&alice, 1, 1)], at(60)).await;
    assert_eq!(receipts[0], Receipt::IdReused);
    assert_eq!(replay_of(&receipts[1]), Some(first), "a refused body must not be remembered");
    let log = store
        .deliveries(
            alice.user.id,
            alice.webhook.id,
            atomik_ports::history::DeliveryFilter::Code(Code::IdReused),
            super::FIRST,
        )
        .await
        .unwrap();
    assert_eq!(log.items.iter().map(|row| row.status).collect::<Vec<_>>(), [422]);
}

pub async fn an_explicit_id_is_forgotten_after_a_day(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    accept(&*store, identified(&alice, 1, 1), at(0)).await;
    let later = commit(&*store, vec![identified(&alice, 1, 2)], at(24 * 3_600)).await;
    assert!(is_stored(&later[0]), "{later:?}");
}

pub async fn windows_and_explicit_ids_never_meet(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let receipts = commit(&*store, vec![windowed(&alice, 1), identified(&alice, 1, 1)], at(0)).await;
    assert!(receipts.iter().all(is_stored), "{receipts:?}");
}

pub async fn a_signal_without_a_key_is_never_a_repeat(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let receipts = commit(&*store, vec![signal(&alice), signal(&alice)], at(0)).await;
    assert!(receipts.iter().all(is_stored), "{receipts:?}");
}
