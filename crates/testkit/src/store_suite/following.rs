//! Keeping a copy in memory true.

use atomik_domain::{HaltMode, HaltScope};
use atomik_ports::directory::{Changed, NewHalt, StrategyPatch, WebhookPatch};
use atomik_ports::operations::Retention;

use super::Fixture;
use crate::builders::{START, at, new_webhook, tenant};

/// A change in one word: its kind, its id, and `-` where the thing is gone.
fn word(changed: &Changed) -> String {
    let gone = |is_gone: bool| if is_gone { "-" } else { "" };
    match changed {
        Changed::User(user) => format!("user {}", user.id),
        Changed::Webhook(id, row) => format!("webhook {id}{}", gone(row.is_none())),
        Changed::BrokerAccount(id, row) => format!("account {id}{}", gone(row.is_none())),
        Changed::Strategy(id, row) => format!("strategy {id}{}", gone(row.is_none())),
        Changed::Halt(id, row) => format!("halt {id}{}", gone(row.is_none())),
    }
}

fn words(changes: &[Changed]) -> Vec<String> {
    let mut words: Vec<_> = changes.iter().map(word).collect();
    words.sort();
    words
}

fn system_halt() -> NewHalt {
    let reason = "a test".to_owned();
    NewHalt { scope: HaltScope::System, mode: HaltMode::Entries, reason, user_id: None, created_at: START }
}

pub async fn a_snapshot_holds_what_is_in_force(fixture: &impl Fixture) {
    let store = fixture.store();
    let empty = store.snapshot().await.unwrap();
    assert!(empty.users.is_empty() && empty.change == 0);
    let alice = tenant(&*store, "alice").await.unwrap();
    let bob = tenant(&*store, "bob").await.unwrap();
    let halt = store.create_halt(system_halt()).await.unwrap();
    let lifted = store.create_halt(system_halt()).await.unwrap();
    store.lift_halt(lifted.id, None, at(1)).await.unwrap();
    store.delete_webhook(bob.user.id, bob.webhook.id).await.unwrap();
    store.delete_strategy(bob.user.id, bob.strategy.id).await.unwrap();
    store.delete_broker_account(bob.user.id, bob.account.id).await.unwrap();
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.users, [alice.user, bob.user]);
    assert_eq!(snapshot.webhooks, [alice.webhook]);
    assert_eq!(snapshot.broker_accounts, [alice.account]);
    assert_eq!(snapshot.strategies, [alice.strategy]);
    assert_eq!(snapshot.halts, [halt]);
    assert_eq!(store.changes_since(snapshot.change).await.unwrap().0, snapshot.change);
}

pub async fn changes_are_told_once_each(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let start = store.snapshot().await.unwrap().change;
    assert!(store.changes_since(start).await.unwrap().1.is_empty());
    for name in ["one", "two"] {
        let patch = WebhookPatch { name: Some(name.to_owned()), ..WebhookPatch::default() };
        store.update_webhook(alice.user.id, alice.webhook.id, patch, None).await.unwrap();
    }
    let halt = store.create_halt(system_halt()).await.unwrap();
    let (now, changes) = store.changes_since(start).await.unwrap();
    let expected = [format!("halt {}", halt.id), format!("webhook {}", alice.webhook.id)];
    assert_eq!(words(&changes), expected);
    let as_it_is = |changed: &Changed| matches!(changed, Changed::Webhook(_, Some(row)) if row.name == "two");
    assert!(changes.iter().any(as_it_is));
    assert!(now > start);
    assert!(store.changes_since(now).await.unwrap().1.is_empty());
    let pause = StrategyPatch { active: Some(false), ..StrategyPatch::default() };
    store.update_strategy(alice.user.id, alice.strategy.id, pause, None).await.unwrap();
    let (_, changes) = store.changes_since(now).await.unwrap();
    assert_eq!(words(&changes), [format!("strategy {}", alice.strategy.id)]);
}

pub async fn deletions_are_told(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let halt = store.create_halt(system_halt()).await.unwrap();
    let start = store.snapshot().await.unwrap().change;
    store.lift_halt(halt.id, None, at(1)).await.unwrap();
    store.delete_webhook(alice.user.id, alice.webhook.id).await.unwrap();
    let (next, changes) = store.changes_since(start).await.unwrap();
    let expected = [
        format!("halt {}-", halt.id),
        format!("strategy {}", alice.strategy.id),
        format!("webhook {}-", alice.webhook.id),
    ];
    assert_eq!(words(&changes), expected, "the paused strategy is told too");
    store.delete_strategy(alice.user.id, alice.strategy.id).await.unwrap();
    store.delete_broker_account(alice.user.id, alice.account.id).await.unwrap();
    let (_, changes) = store.changes_since(next).await.unwrap();
    let expected = [format!("account {}-", alice.account.id), format!("strategy {}-", alice.strategy.id)];
    assert_eq!(words(&changes), expected);
}

pub async fn asking_from_an_unknown_number_tells_everything(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (now, from_the_future) = store.changes_since(1_000_000).await.unwrap();
    let everything = [
        format!("account {}", alice.account.id),
        format!("strategy {}", alice.strategy.id),
        format!("user {}", alice.user.id),
        format!("webhook {}", alice.webhook.id),
    ];
    assert_eq!(words(&from_the_future), everything);
    assert!(now < 1_000_000);
    assert_eq!(words(&store.changes_since(0).await.unwrap().1), everything);
}

/// However much a store forgets of its changes, nobody who follows it misses one.
pub async fn forgotten_changes_tell_everything(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let deleted = store.create_webhook(new_webhook(alice.user.id, "deleted"), None).await.unwrap();
    let start = store.snapshot().await.unwrap().change;
    store.delete_webhook(alice.user.id, deleted.id).await.unwrap();
    for number in 0..10_050 {
        let patch = WebhookPatch { dedupe_window_s: Some(number % 5), ..WebhookPatch::default() };
        store.update_webhook(alice.user.id, alice.webhook.id, patch, None).await.unwrap();
    }
    let keep = Retention { deliveries_before: START, refused_per_webhook: 10, now: START };
    store.prune(keep).await.unwrap();
    let (now, changes) = store.changes_since(start).await.unwrap();
    assert!(words(&changes).contains(&format!("webhook {}-", deleted.id)));
    assert!(store.changes_since(now).await.unwrap().1.is_empty());
}
