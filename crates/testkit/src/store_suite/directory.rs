//! Users and what they set up.

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::tier::Subscription;
use atomik_domain::webhook::PreviousSecret;
use atomik_domain::{
    Code, HaltMode, HaltScope, OnOppositeEntry, OrderStatus, OutcomeStatus, Plan, Role, SignalId,
    SubscriptionStatus, UnixMicros, UserId,
};
use atomik_ports::directory::{
    BrokerAccountPatch, NewBrokerAccount, NewHalt, NewSession, Registration, StrategyPatch, UserPatch,
    WebhookPatch,
};
use atomik_ports::journal::{Changes, NewSignal};
use atomik_ports::{Credentials, PageRequest, StoreError};
use secrecy::{ExposeSecret, SecretString};

use super::{FIRST, Fixture, accept, change};
use crate::builders::{
    START, at, behavior, new_account, new_strategy, new_user, new_webhook, order, outcome, position, qty,
    signal, tenant,
};

/// A session that ends an hour after it began.
pub(super) fn new_session(user_id: UserId, token: u8) -> NewSession {
    NewSession {
        user_id,
        token_hash: [token; 32],
        created_at: START,
        expires_at: at(3_600),
        user_agent: "a browser".to_owned(),
    }
}

pub async fn the_first_user_administers(fixture: &impl Fixture) {
    let store = fixture.store();
    let first = store.create_user(new_user("first"), Registration::FirstUser).await.unwrap();
    assert_eq!((first.role, first.plan), (Role::Admin, Plan::Unlimited));
    assert_eq!(first.subscription, Subscription { status: SubscriptionStatus::Active, since: START });
    let second = store.create_user(new_user("second"), Registration::Open).await.unwrap();
    assert_eq!((second.role, second.plan), (Role::Trader, Plan::Free));
    assert_eq!(store.user(first.id).await.unwrap(), first);
    let listed: Vec<_> = store.users(FIRST).await.unwrap().items;
    assert_eq!(listed, [second, first]);
}

pub async fn exactly_one_of_many_is_first(fixture: &impl Fixture) {
    let store = fixture.store();
    let asking = (0..20).map(|number| {
        let (store, new) = (store.clone(), new_user(&format!("user{number}")));
        tokio::spawn(async move { store.create_user(new, Registration::FirstUser).await })
    });
    let answers = futures::future::join_all(asking).await;
    let made: Vec<_> = answers.into_iter().filter_map(|answer| answer.unwrap().ok()).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].role, Role::Admin);
}

pub async fn registration_obeys_its_rule(fixture: &impl Fixture) {
    let store = fixture.store();
    let closed = store.create_user(new_user("a"), Registration::Closed).await;
    assert_eq!(closed.unwrap_err(), StoreError::RegistrationClosed);
    store.create_user(new_user("a"), Registration::FirstUser).await.unwrap();
    let late = store.create_user(new_user("b"), Registration::FirstUser).await;
    assert_eq!(late.unwrap_err(), StoreError::RegistrationClosed);
}

pub async fn emails_are_unique(fixture: &impl Fixture) {
    let store = fixture.store();
    store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let again = store.create_user(new_user("a"), Registration::Open).await.unwrap_err();
    assert!(matches!(again, StoreError::Taken(_)), "{again:?}");
    // A refusal leaves a store that works.
    store.create_user(new_user("b"), Registration::Open).await.unwrap();
}

pub async fn a_user_is_changed_and_the_last_administrator_stays(fixture: &impl Fixture) {
    let store = fixture.store();
    let admin = store.create_user(new_user("admin"), Registration::Open).await.unwrap();
    let user = store.create_user(new_user("user"), Registration::Open).await.unwrap();
    let subscription = Subscription { status: SubscriptionStatus::PastDue, since: at(5) };
    let patch =
        UserPatch { plan: Some(Plan::Trader), subscription: Some(subscription), ..UserPatch::default() };
    let changed = store.update_user(user.id, patch).await.unwrap();
    assert_eq!(
        (changed.plan, changed.subscription, changed.role),
        (Plan::Trader, subscription, Role::Trader)
    );
    assert_eq!(store.user(user.id).await.unwrap(), changed);

    let demote = UserPatch { role: Some(Role::Trader), ..UserPatch::default() };
    let disable = UserPatch { disabled: Some(true), ..UserPatch::default() };
    for patch in [demote.clone(), disable.clone()] {
        let refused = store.update_user(admin.id, patch).await;
        assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
        assert_eq!(store.user(admin.id).await.unwrap(), admin);
    }
    let promote = UserPatch { role: Some(Role::Admin), ..UserPatch::default() };
    store.update_user(user.id, promote).await.unwrap();
    store.update_user(user.id, disable).await.unwrap();
    let refused = store.update_user(admin.id, demote.clone()).await;
    assert!(matches!(refused, Err(StoreError::InUse(_))), "a disabled administrator does not count");
    let enable = UserPatch { disabled: Some(false), ..UserPatch::default() };
    store.update_user(user.id, enable).await.unwrap();
    store.update_user(admin.id, demote).await.unwrap();
    assert_eq!(store.update_user(UserId(99), UserPatch::default()).await, Err(StoreError::NotFound));
}

pub async fn passwords_are_replaced(fixture: &impl Fixture) {
    let store = fixture.store();
    let user = store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let (found, hash) = store.user_by_email("a@example.com").await.unwrap();
    assert_eq!((found, hash), (user.clone(), new_user("a").password_hash));
    store.set_password_hash(user.id, "$another".to_owned()).await.unwrap();
    assert_eq!(store.password_hash(user.id).await.unwrap(), "$another");
    assert_eq!(store.set_password_hash(UserId(99), String::new()).await, Err(StoreError::NotFound));
    assert_eq!(store.user_by_email("nobody@example.com").await.map(drop), Err(StoreError::NotFound));
}

pub async fn sessions_end(fixture: &impl Fixture) {
    let store = fixture.store();
    let user = store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let session = store.create_session(new_session(user.id, 1)).await.unwrap();
    let found = store.session([1; 32], at(3_599)).await.unwrap();
    assert_eq!(found, (session.clone(), user.clone()));
    assert_eq!(store.session([1; 32], at(3_600)).await.map(drop), Err(StoreError::NotFound));
    assert_eq!(store.session([2; 32], at(0)).await.map(drop), Err(StoreError::NotFound));
    assert_eq!(store.sessions(user.id, at(0)).await.unwrap(), std::slice::from_ref(&session));
    assert_eq!(store.sessions(user.id, at(3_600)).await.unwrap(), []);
    store.delete_session(user.id, session.id).await.unwrap();
    assert_eq!(store.session([1; 32], at(0)).await.map(drop), Err(StoreError::NotFound));
}

pub async fn touching_a_session_never_goes_back(fixture: &impl Fixture) {
    let store = fixture.store();
    let user = store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let session = store.create_session(new_session(user.id, 1)).await.unwrap();
    store.touch_session(session.id, at(60)).await.unwrap();
    store.touch_session(session.id, at(30)).await.unwrap();
    let (session, _) = store.session([1; 32], at(60)).await.unwrap();
    assert_eq!(session.last_used_at, at(60));
}

pub async fn other_sessions_are_ended(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let bob = store.create_user(new_user("b"), Registration::Open).await.unwrap();
    let kept = store.create_session(new_session(alice.id, 1)).await.unwrap();
    store.create_session(new_session(alice.id, 2)).await.unwrap();
    store.create_session(new_session(bob.id, 3)).await.unwrap();
    store.delete_other_sessions(alice.id, Some(kept.id)).await.unwrap();
    assert_eq!(store.sessions(alice.id, at(0)).await.unwrap(), [kept]);
    store.delete_other_sessions(alice.id, None).await.unwrap();
    assert_eq!(store.sessions(alice.id, at(0)).await.unwrap(), []);
    assert_eq!(store.sessions(bob.id, at(0)).await.unwrap().len(), 1);
}

pub async fn api_keys_come_and_go(fixture: &impl Fixture) {
    let store = fixture.store();
    let user = store.create_user(new_user("a"), Registration::Open).await.unwrap();
    let key = store.create_api_key(user.id, "bot".to_owned(), [1; 32], START).await.unwrap();
    assert_eq!(store.api_key([1; 32]).await.unwrap(), (key.clone(), user.clone()));
    store.touch_api_key(key.id, at(60)).await.unwrap();
    let listed = store.api_keys(user.id, FIRST).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].last_used_at, Some(at(60)));
    store.delete_api_key(user.id, key.id).await.unwrap();
    assert_eq!(store.api_key([1; 32]).await.map(drop), Err(StoreError::NotFound));
    assert_eq!(store.delete_api_key(user.id, key.id).await, Err(StoreError::NotFound));
}

pub async fn a_webhook_round_trips_and_is_changed(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.webhook.id);
    assert_eq!(store.webhook(user, id).await.unwrap(), alice.webhook);
    assert_eq!(alice.webhook.allowed_ips.to_string(), "10.0.0.0/8, tradingview");
    assert!(alice.webhook.active);
    let previous = PreviousSecret { hash: alice.webhook.secret_hash, valid_until: at(60) };
    let patch = WebhookPatch {
        name: Some("Other".to_owned()),
        description: Some(String::new()),
        require_secret: Some(false),
        allowed_ips: Some(IpAllowlist::default()),
        active: Some(false),
        dedupe_window_s: Some(0),
        secret: Some(([9; 32], Some(previous))),
    };
    let changed = store.update_webhook(user, id, patch, None).await.unwrap();
    assert_eq!(store.webhook(user, id).await.unwrap(), changed);
    assert_eq!((changed.name.as_str(), changed.secret_hash), ("Other", [9; 32]));
    assert_eq!(changed.previous_secret, Some(previous));
    assert!(!changed.active && !changed.require_secret && changed.allowed_ips.is_empty());
    let same = store.update_webhook(user, id, WebhookPatch::default(), None).await.unwrap();
    assert_eq!(same, changed);
    let taken = store.create_webhook(new_webhook(user, "token-alice"), None).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
}

pub async fn a_deleted_webhook_pauses_its_strategies_and_leaves_history(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let user = alice.user.id;
    let signal_id = accept(&*store, signal(&alice), at(0)).await;
    store.delete_webhook(user, alice.webhook.id).await.unwrap();
    assert_eq!(store.webhook(user, alice.webhook.id).await, Err(StoreError::NotFound));
    assert_eq!(store.webhooks(user, FIRST).await.unwrap().items, []);
    assert!(!store.strategy(user, alice.strategy.id).await.unwrap().active);
    assert_eq!(store.signal(user, signal_id).await.unwrap().signal.id, signal_id);
    let all = atomik_ports::history::DeliveryFilter::All;
    assert_eq!(store.deliveries(user, alice.webhook.id, all, FIRST).await.unwrap().items.len(), 1);
    assert_eq!(store.delete_webhook(user, alice.webhook.id).await, Err(StoreError::NotFound));
}

pub async fn an_unlinked_account_pauses_its_strategies(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.account.id);
    assert_eq!(store.broker_account(user, id).await.unwrap(), alice.account);
    let patch = BrokerAccountPatch {
        label: Some("Renamed".to_owned()),
        settings: Some(serde_json::json!({"prices": {"ES": "5000"}})),
        ..BrokerAccountPatch::default()
    };
    let changed = store.update_broker_account(user, id, patch).await.unwrap();
    assert_eq!(store.broker_account(user, id).await.unwrap(), changed);
    assert_eq!(store.broker_accounts(user, FIRST).await.unwrap().items, [changed]);
    store.delete_broker_account(user, id).await.unwrap();
    assert_eq!(store.broker_account(user, id).await, Err(StoreError::NotFound));
    assert_eq!(store.broker_accounts(user, FIRST).await.unwrap().items, []);
    assert!(!store.strategy(user, alice.strategy.id).await.unwrap().active);
}

pub async fn credentials_are_kept_for_their_account_until_it_is_unlinked(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, paper) = (alice.user.id, &alice.account);
    assert_eq!(paper.credentials_set_at, None);
    assert!(store.credentials(paper.id).await.unwrap().is_empty());
    let new = NewBrokerAccount { credentials: credentials("first"), ..new_account(user, "Live") };
    let account = store.create_broker_account(new, None).await.unwrap();
    assert_eq!(account.credentials_set_at, Some(START));
    assert_eq!(plain(&store.credentials(account.id).await.unwrap()), "key_id=first,secret_key=s-first");
    assert!(store.credentials(paper.id).await.unwrap().is_empty(), "another account's");
    let renamed = BrokerAccountPatch { label: Some("Renamed".to_owned()), ..BrokerAccountPatch::default() };
    store.update_broker_account(user, account.id, renamed).await.unwrap();
    assert_eq!(plain(&store.credentials(account.id).await.unwrap()), "key_id=first,secret_key=s-first");
    let later = START.plus(UnixMicros::SECOND);
    let patch = BrokerAccountPatch {
        credentials: Some((credentials("second"), later)),
        ..BrokerAccountPatch::default()
    };
    let changed = store.update_broker_account(user, account.id, patch).await.unwrap();
    assert_eq!(changed.credentials_set_at, Some(later));
    assert_eq!(store.broker_account(user, account.id).await.unwrap(), changed);
    assert_eq!(plain(&store.credentials(account.id).await.unwrap()), "key_id=second,secret_key=s-second");
    store.delete_broker_account(user, account.id).await.unwrap();
    assert!(store.credentials(account.id).await.unwrap().is_empty());
}

fn credentials(text: &str) -> Credentials {
    let field = |name: &str, text: String| (name.to_owned(), SecretString::from(text));
    [field("key_id", text.to_owned()), field("secret_key", format!("s-{text}"))].into_iter().collect()
}

fn plain(credentials: &Credentials) -> String {
    let fields: Vec<_> =
        credentials.iter().map(|(name, text)| format!("{name}={}", text.expose_secret())).collect();
    fields.join(",")
}

pub async fn a_strategy_round_trips_and_is_changed(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.strategy.id);
    assert_eq!(store.strategy(user, id).await.unwrap(), alice.strategy);
    let second = store.create_webhook(new_webhook(user, "second"), None).await.unwrap();
    let mut behavior = behavior();
    behavior.quantity = qty(5);
    behavior.on_opposite_entry = OnOppositeEntry::Reverse;
    behavior.bare_sell_opens_short = true;
    behavior.max_signal_age_s = 7;
    let patch = StrategyPatch {
        name: Some("Five ES".to_owned()),
        webhook_id: Some(second.id),
        behavior: Some(behavior),
        active: Some(false),
    };
    let changed = store.update_strategy(user, id, patch, None).await.unwrap();
    assert_eq!(store.strategy(user, id).await.unwrap(), changed);
    assert_eq!((changed.webhook_id, changed.behavior, changed.active), (second.id, behavior, false));
    assert_eq!(store.strategies(user, None, FIRST).await.unwrap().items, std::slice::from_ref(&changed));
    assert_eq!(store.strategies(user, Some(second.id), FIRST).await.unwrap().items, [changed]);
    assert_eq!(store.strategies(user, Some(alice.webhook.id), FIRST).await.unwrap().items, []);
}

pub async fn a_strategy_with_a_position_or_an_order_stays(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.strategy.id);
    let in_use = |result| assert!(matches!(result, Err(StoreError::InUse(_))), "{result:?}");
    change(&*store, Changes { positions: vec![position(&alice, -1)], ..Changes::default() }).await;
    in_use(store.delete_strategy(user, id).await);
    let mut working = order(&alice, SignalId(1), 0);
    let flat = Changes {
        positions: vec![position(&alice, 0)],
        intents: vec![working.clone()],
        ..Changes::default()
    };
    change(&*store, flat).await;
    in_use(store.delete_strategy(user, id).await);
    working.status = OrderStatus::Filled;
    change(&*store, Changes { orders: vec![working], ..Changes::default() }).await;
    store.delete_strategy(user, id).await.unwrap();
    assert_eq!(store.strategy(user, id).await, Err(StoreError::NotFound));
    assert_eq!(store.strategies(user, None, FIRST).await.unwrap().items, []);
}

pub async fn a_strategy_that_works_on_a_signal_stays(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.strategy.id);
    let targeted = NewSignal { targets: vec![id], ..signal(&alice) };
    let signal_id = accept(&*store, targeted, at(0)).await;
    for status in [OutcomeStatus::Pending, OutcomeStatus::Unknown] {
        let outcomes = vec![outcome(&alice, signal_id, status, Code::OrderUnknown)];
        change(&*store, Changes { outcomes, ..Changes::default() }).await;
        let refused = store.delete_strategy(user, id).await;
        assert!(matches!(refused, Err(StoreError::InUse(_))), "{status}: {refused:?}");
    }
    let outcomes = vec![outcome(&alice, signal_id, OutcomeStatus::Skipped, Code::NothingToExit)];
    change(&*store, Changes { outcomes, ..Changes::default() }).await;
    store.delete_strategy(user, id).await.unwrap();
}

pub async fn what_an_unlinked_account_left_behind_keeps_no_strategy(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let (user, id) = (alice.user.id, alice.strategy.id);
    accept(&*store, NewSignal { targets: vec![id], ..signal(&alice) }, at(0)).await;
    change(&*store, Changes { positions: vec![position(&alice, 1)], ..Changes::default() }).await;
    store.delete_broker_account(user, alice.account.id).await.unwrap();
    store.delete_strategy(user, id).await.unwrap();
}

pub async fn a_strategy_whose_parts_are_gone_stays_paused(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let user = alice.user.id;
    let activate = StrategyPatch { active: Some(true), ..StrategyPatch::default() };
    store.delete_webhook(user, alice.webhook.id).await.unwrap();
    let refused = store.update_strategy(user, alice.strategy.id, activate.clone(), None).await;
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    let next = store.create_webhook(new_webhook(user, "next"), None).await.unwrap();
    let moved = StrategyPatch { webhook_id: Some(next.id), ..activate.clone() };
    assert!(store.update_strategy(user, alice.strategy.id, moved, None).await.unwrap().active);
    store.delete_broker_account(user, alice.account.id).await.unwrap();
    let refused = store.update_strategy(user, alice.strategy.id, activate, None).await;
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
    let gone = new_strategy(user, next.id, alice.account.id);
    assert_eq!(store.create_strategy(gone, None).await, Err(StoreError::NotFound));
    let back = StrategyPatch { webhook_id: Some(alice.webhook.id), ..StrategyPatch::default() };
    let refused = store.update_strategy(user, alice.strategy.id, back, None).await;
    assert_eq!(refused, Err(StoreError::NotFound));
    let account = store.create_broker_account(new_account(user, "next"), None).await.unwrap();
    store.create_strategy(new_strategy(user, next.id, account.id), None).await.unwrap();
}

pub async fn halts_stand_until_lifted(fixture: &impl Fixture) {
    let store = fixture.store();
    let alice = tenant(&*store, "alice").await.unwrap();
    let new = |scope| NewHalt {
        scope,
        mode: HaltMode::All,
        reason: "a test".to_owned(),
        user_id: Some(alice.user.id),
        created_at: START,
    };
    let everything = store.create_halt(new(HaltScope::System)).await.unwrap();
    let one = store.create_halt(new(HaltScope::Strategy(alice.strategy.id))).await.unwrap();
    assert_eq!(store.halts().await.unwrap(), [one.clone(), everything.clone()]);
    store.lift_halt(one.id, Some(alice.user.id), at(1)).await.unwrap();
    assert_eq!(store.halts().await.unwrap(), [everything]);
    assert_eq!(store.lift_halt(one.id, None, at(2)).await, Err(StoreError::NotFound));
    let one_row = PageRequest { limit: 1, before: None };
    assert_eq!(store.users(one_row).await.unwrap().items.len(), 1);
}
