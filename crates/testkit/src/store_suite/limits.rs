//! A plan's limits hold however many ask at once.

use std::future::Future;

use atomik_ports::StoreError;
use atomik_ports::directory::{NewStrategy, NewWebhook, StrategyPatch, Usage, WebhookPatch};

use super::Fixture;
use crate::builders::{new_account, new_strategy, new_webhook, tenant};

/// Asks twenty times at once and says how many got it; all others met the limit of three.
async fn granted<T, F>(ask: impl Fn(usize) -> F) -> usize
where
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
    T: Send + 'static,
{
    let asking = (0..20).map(|number| tokio::spawn(ask(number)));
    let answers = futures::future::join_all(asking).await;
    let granted = answers.iter().filter(|answer| matches!(answer, Ok(Ok(_)))).count();
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Err(StoreError::LimitReached { limit: 3 }))))
        .count();
    assert_eq!(granted + refused, 20);
    granted
}

pub async fn concurrent_webhooks_stop_at_the_limit(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let bystander = tenant(&*store, "bob").await.unwrap();
    let made = granted(|number| {
        let (store, user_id) = (store.clone(), alice.user.id);
        async move { store.create_webhook(new_webhook(user_id, &format!("t{number}")), Some(3)).await }
    })
    .await;
    assert_eq!(made, 2, "one was there already");
    assert_eq!(store.usage(alice.user.id).await.unwrap().active_webhooks, 3);
    let other = new_webhook(bystander.user.id, "t-other");
    store.create_webhook(other, Some(3)).await.unwrap();
}

pub async fn concurrent_accounts_stop_at_the_limit(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let made = granted(|number| {
        let (store, user_id) = (store.clone(), alice.user.id);
        async move { store.create_broker_account(new_account(user_id, &format!("a{number}")), Some(3)).await }
    })
    .await;
    assert_eq!(made, 2, "one was there already");
    assert_eq!(store.usage(alice.user.id).await.unwrap().broker_accounts, 3);
}

pub async fn concurrent_strategies_stop_at_the_limit(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let made = granted(|_| {
        let (store, new) = (store.clone(), new_strategy(alice.user.id, alice.webhook.id, alice.account.id));
        async move { store.create_strategy(new, Some(3)).await }
    })
    .await;
    assert_eq!(made, 2, "one was there already");
    assert_eq!(store.usage(alice.user.id).await.unwrap().active_strategies, 3);
}

pub async fn activating_obeys_the_limit(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let user = alice.user.id;
    let full = Err(StoreError::LimitReached { limit: 1 });
    let pause = WebhookPatch { active: Some(false), ..WebhookPatch::default() };
    let activate = WebhookPatch { active: Some(true), ..WebhookPatch::default() };
    store.update_webhook(user, alice.webhook.id, pause.clone(), Some(1)).await.unwrap();
    let second = store.create_webhook(NewWebhook { ..new_webhook(user, "second") }, Some(1)).await.unwrap();
    let refused = store.update_webhook(user, alice.webhook.id, activate.clone(), Some(1)).await;
    assert_eq!(refused.map(drop), full);
    // What is active already may be said to be active, and changed, at the limit.
    store.update_webhook(user, second.id, activate.clone(), Some(1)).await.unwrap();
    store.update_webhook(user, second.id, pause, Some(1)).await.unwrap();
    store.update_webhook(user, alice.webhook.id, activate, Some(1)).await.unwrap();

    let paused = NewStrategy { active: false, ..new_strategy(user, alice.webhook.id, alice.account.id) };
    let paused = store.create_strategy(paused, Some(1)).await.unwrap();
    let activate = StrategyPatch { active: Some(true), ..StrategyPatch::default() };
    let refused = store.update_strategy(user, paused.id, activate.clone(), Some(1)).await;
    assert_eq!(refused.map(drop), full);
    store.update_strategy(user, alice.strategy.id, activate.clone(), Some(1)).await.unwrap();
    let pause = StrategyPatch { active: Some(false), ..StrategyPatch::default() };
    store.update_strategy(user, alice.strategy.id, pause, Some(1)).await.unwrap();
    store.update_strategy(user, paused.id, activate, Some(1)).await.unwrap();
}

pub async fn what_is_paused_or_gone_does_not_count(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let user = alice.user.id;
    let all = Usage { active_webhooks: 1, broker_accounts: 1, active_strategies: 1 };
    assert_eq!(store.usage(user).await.unwrap(), all);
    store.delete_strategy(user, alice.strategy.id).await.unwrap();
    store.delete_webhook(user, alice.webhook.id).await.unwrap();
    store.delete_broker_account(user, alice.account.id).await.unwrap();
    assert_eq!(store.usage(user).await.unwrap(), Usage::default());
    store.create_webhook(new_webhook(user, "next"), Some(1)).await.unwrap();
    store.create_broker_account(new_account(user, "next"), Some(1)).await.unwrap();
}
