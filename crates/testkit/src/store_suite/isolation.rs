//! Another user's things are not found, by any method.

use atomik_domain::{Code, OutcomeStatus};
use atomik_ports::StoreError;
use atomik_ports::directory::{BrokerAccountPatch, StrategyPatch, WebhookPatch};
use atomik_ports::history::{DeliveryFilter, TradeFilter};
use atomik_ports::journal::{Changes, NewSignal};

use super::directory::new_session;
use super::{FIRST, Fixture, accept, change};
use crate::builders::{START, at, fill, new_strategy, order, outcome, position, signal, tenant};

const GONE: Result<(), StoreError> = Err(StoreError::NotFound);

pub async fn directory_reads(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    store.create_session(new_session(alice.user.id, 1)).await.unwrap();
    store.create_api_key(alice.user.id, "bot".to_owned(), [1; 32], START).await.unwrap();
    let intruder = bob.user.id;
    assert_eq!(store.webhook(intruder, alice.webhook.id).await.map(drop), GONE);
    assert_eq!(store.broker_account(intruder, alice.account.id).await.map(drop), GONE);
    assert_eq!(store.strategy(intruder, alice.strategy.id).await.map(drop), GONE);
    assert_eq!(store.webhooks(intruder, FIRST).await.unwrap().items, [bob.webhook]);
    assert_eq!(store.broker_accounts(intruder, FIRST).await.unwrap().items, [bob.account]);
    assert_eq!(store.strategies(intruder, None, FIRST).await.unwrap().items, [bob.strategy]);
    assert_eq!(store.strategies(intruder, Some(alice.webhook.id), FIRST).await.unwrap().items, []);
    assert_eq!(store.sessions(intruder, at(0)).await.unwrap(), []);
    assert_eq!(store.api_keys(intruder, FIRST).await.unwrap().items, []);
    assert_eq!(store.usage(intruder).await.unwrap().active_webhooks, 1);
}

pub async fn directory_writes(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let session = store.create_session(new_session(alice.user.id, 1)).await.unwrap();
    let key = store.create_api_key(alice.user.id, "bot".to_owned(), [1; 32], START).await.unwrap();
    let intruder = bob.user.id;
    let webhook = WebhookPatch { active: Some(false), ..WebhookPatch::default() };
    assert_eq!(store.update_webhook(intruder, alice.webhook.id, webhook, None).await.map(drop), GONE);
    assert_eq!(store.delete_webhook(intruder, alice.webhook.id).await, GONE);
    let account = BrokerAccountPatch { label: Some("mine".to_owned()), ..BrokerAccountPatch::default() };
    assert_eq!(store.update_broker_account(intruder, alice.account.id, account).await.map(drop), GONE);
    assert_eq!(store.delete_broker_account(intruder, alice.account.id).await, GONE);
    let strategy = StrategyPatch { active: Some(false), ..StrategyPatch::default() };
    assert_eq!(store.update_strategy(intruder, alice.strategy.id, strategy, None).await.map(drop), GONE);
    assert_eq!(store.delete_strategy(intruder, alice.strategy.id).await, GONE);
    assert_eq!(store.delete_session(intruder, session.id).await, GONE);
    assert_eq!(store.delete_api_key(intruder, key.id).await, GONE);
    store.delete_other_sessions(intruder, None).await.unwrap();

    let owner = alice.user.id;
    assert_eq!(store.webhook(owner, alice.webhook.id).await.unwrap(), alice.webhook);
    assert_eq!(store.broker_account(owner, alice.account.id).await.unwrap(), alice.account);
    assert_eq!(store.strategy(owner, alice.strategy.id).await.unwrap(), alice.strategy);
    assert_eq!(store.sessions(owner, at(0)).await.unwrap(), [session]);
    assert_eq!(store.api_keys(owner, FIRST).await.unwrap().items, [key]);
}

pub async fn strategies_need_the_users_own_parts(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let intruder = bob.user.id;
    let foreign_webhook = new_strategy(intruder, alice.webhook.id, bob.account.id);
    assert_eq!(store.create_strategy(foreign_webhook, None).await.map(drop), GONE);
    let foreign_account = new_strategy(intruder, bob.webhook.id, alice.account.id);
    assert_eq!(store.create_strategy(foreign_account, None).await.map(drop), GONE);
    let moved = StrategyPatch { webhook_id: Some(alice.webhook.id), ..StrategyPatch::default() };
    assert_eq!(store.update_strategy(intruder, bob.strategy.id, moved, None).await.map(drop), GONE);
    assert_eq!(store.strategy(intruder, bob.strategy.id).await.unwrap(), bob.strategy);
}

pub async fn histories(fixture: &impl Fixture) {
    let store = fixture.store();
    let (alice, bob) = (tenant(&*store, "alice").await.unwrap(), tenant(&*store, "bob").await.unwrap());
    let targets = vec![alice.strategy.id];
    let signal_id = accept(&*store, NewSignal { targets, ..signal(&alice) }, at(0)).await;
    let intent = order(&alice, signal_id, 0);
    let changes = Changes {
        intents: vec![intent.clone()],
        fills: vec![fill(&intent, "e-1")],
        positions: vec![position(&alice, 2)],
        outcomes: vec![outcome(&alice, signal_id, OutcomeStatus::Filled, Code::Filled)],
        ..Changes::default()
    };
    change(&*store, changes).await;
    let (intruder, all) = (bob.user.id, TradeFilter::default());
    let theirs = TradeFilter { webhook_id: Some(alice.webhook.id), ..TradeFilter::default() };
    let log = store.deliveries(intruder, alice.webhook.id, DeliveryFilter::All, FIRST).await;
    assert_eq!(log.map(drop), GONE);
    assert_eq!(store.signal(intruder, signal_id).await.map(drop), GONE);
    assert_eq!(store.order(intruder, intent.request.client_order_id).await.map(drop), GONE);
    assert_eq!(store.signals(intruder, &all, FIRST).await.unwrap().items, []);
    assert_eq!(store.signals(intruder, &theirs, FIRST).await.unwrap().items, []);
    assert_eq!(store.orders(intruder, &all, FIRST).await.unwrap().items, []);
    assert_eq!(store.fills(intruder, &all, FIRST).await.unwrap().items, []);
    assert_eq!(store.positions(intruder, &all, FIRST).await.unwrap().items, []);

    let owner = alice.user.id;
    assert_eq!(store.signals(owner, &all, FIRST).await.unwrap().items.len(), 1);
    assert_eq!(store.orders(owner, &all, FIRST).await.unwrap().items.len(), 1);
    assert_eq!(store.fills(owner, &all, FIRST).await.unwrap().items.len(), 1);
    assert_eq!(store.positions(owner, &all, FIRST).await.unwrap().items.len(), 1);
}
