//! What the engine keeps in memory of the directory: who may trade what. It follows the store's change log, so a change
//! by this process, by another one or by the command line reaches it the same way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use atomik_domain::{
    BrokerAccount, BrokerAccountId, Halt, HaltId, HaltMode, Strategy, StrategyId, User, UserId, Webhook,
    WebhookId,
};
use atomik_ports::directory::{Changed, Snapshot};
use atomik_ports::{Store, StoreError};

use crate::intake::meter::WebhookMeter;
use crate::lane::View;

/// A webhook with what intake counts about it.
#[derive(Debug)]
pub struct Entry {
    /// The webhook.
    pub webhook: Webhook,
    /// Its rate and its refusals; survives changes of the webhook.
    pub meter: Arc<WebhookMeter>,
}

/// What intake needs to know about a token.
#[derive(Debug)]
pub struct Found {
    /// The webhook.
    pub entry: Arc<Entry>,
    /// Its owner.
    pub owner: Arc<User>,
    /// Its active strategies.
    pub targets: Arc<[StrategyId]>,
}

#[derive(Debug, Default)]
struct Tables {
    users: HashMap<UserId, Arc<User>>,
    webhooks: HashMap<WebhookId, Arc<Entry>>,
    by_token: HashMap<String, WebhookId>,
    broker_accounts: HashMap<BrokerAccountId, Arc<BrokerAccount>>,
    strategies: HashMap<StrategyId, Arc<Strategy>>,
    active: HashMap<WebhookId, Arc<[StrategyId]>>,
    halts: BTreeMap<HaltId, Halt>,
}

/// The engine's memory of the directory.
pub struct Registry {
    store: Arc<dyn Store>,
    tables: RwLock<Tables>,
    /// The number of the last change taken in. Held while catching up, so that catching up happens once at a time.
    change: tokio::sync::Mutex<i64>,
    /// Accounts that have changed and were not taken from here yet, oldest change first.
    changed_accounts: Mutex<Vec<AccountChange>>,
}

/// An account as it is now; `None` where it was unlinked.
type AccountChange = (BrokerAccountId, Option<Arc<BrokerAccount>>);

impl Registry {
    /// Loads everything.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let snapshot = store.snapshot().await?;
        let change = tokio::sync::Mutex::new(snapshot.change);
        let tables = RwLock::new(Tables::of(snapshot));
        Ok(Self { store, tables, change, changed_accounts: Mutex::default() })
    }

    /// Takes in what changed since the last time.
    ///
    /// # Errors
    /// The store's; then nothing was taken in.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let mut change = self.change.lock().await;
        let (now, changes) = self.store.changes_since(*change).await?;
        *change = now;
        if !changes.is_empty() {
            let mut tables = self.write();
            let accounts = changes.into_iter().filter_map(|changed| tables.apply(changed));
            self.changed_accounts().extend(accounts);
        }
        Ok(())
    }

    /// Hands every account's change on once, in the order in which they came, whoever of several callers asks.
    pub fn hand_on_accounts(&self, mut take: impl FnMut(BrokerAccountId, Option<Arc<BrokerAccount>>)) {
        // Taken while the list is held: a later change must not overtake an earlier one.
        self.changed_accounts().drain(..).for_each(|(id, account)| take(id, account));
    }

    fn changed_accounts(&self) -> MutexGuard<'_, Vec<AccountChange>> {
        self.changed_accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The webhook with this token, its owner and its active strategies.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<Found> {
        let tables = self.read();
        let entry = tables.by_token.get(token).and_then(|id| tables.webhooks.get(id))?;
        let owner = tables.users.get(&entry.webhook.user_id)?;
        let targets = tables.active.get(&entry.webhook.id);
        Some(Found {
            entry: Arc::clone(entry),
            owner: Arc::clone(owner),
            targets: targets.map_or_else(|| Arc::from([]), Arc::clone),
        })
    }

    /// A webhook of a user.
    #[must_use]
    pub fn webhook(&self, user_id: UserId, id: WebhookId) -> Option<Arc<Entry>> {
        self.read().webhooks.get(&id).filter(|entry| entry.webhook.user_id == user_id).cloned()
    }

    /// The active strategies of a webhook.
    #[must_use]
    pub fn active_strategies(&self, id: WebhookId) -> Vec<Arc<Strategy>> {
        let tables = self.read();
        let active = tables.active.get(&id).map_or(&[][..], |ids| ids);
        active.iter().filter_map(|id| tables.strategies.get(id).cloned()).collect()
    }

    /// The webhook that a strategy runs now.
    #[must_use]
    pub fn webhook_of(&self, id: StrategyId) -> Option<WebhookId> {
        self.read().strategies.get(&id).map(|strategy| strategy.webhook_id)
    }

    /// A broker account.
    #[must_use]
    pub fn broker_account(&self, id: BrokerAccountId) -> Option<Arc<BrokerAccount>> {
        self.read().broker_accounts.get(&id).cloned()
    }

    /// All broker accounts.
    #[must_use]
    pub fn broker_accounts(&self) -> Vec<Arc<BrokerAccount>> {
        self.read().broker_accounts.values().cloned().collect()
    }

    /// The strategies on an account, active or not.
    #[must_use]
    pub fn strategies_on(&self, id: BrokerAccountId) -> Vec<Arc<Strategy>> {
        let tables = self.read();
        let mut strategies: Vec<_> =
            tables.strategies.values().filter(|strategy| strategy.broker_account_id == id).cloned().collect();
        strategies.sort_by_key(|strategy| strategy.id);
        strategies
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View for Registry {
    fn strategy(&self, id: StrategyId) -> Option<Arc<Strategy>> {
        self.read().strategies.get(&id).cloned()
    }

    fn halt(&self, account: BrokerAccountId, strategy: StrategyId) -> Option<(HaltMode, String)> {
        let tables = self.read();
        let covering = tables.halts.values().filter(|halt| halt.scope.covers(account, strategy));
        covering.max_by_key(|halt| halt.mode).map(|halt| (halt.mode, halt.reason.clone()))
    }
}

impl Tables {
    fn of(snapshot: Snapshot) -> Self {
        let mut tables = Self::default();
        let users = snapshot.users.into_iter().map(Changed::User);
        let webhooks = snapshot.webhooks.into_iter().map(|row| Changed::Webhook(row.id, Some(row)));
        let accounts =
            snapshot.broker_accounts.into_iter().map(|row| Changed::BrokerAccount(row.id, Some(row)));
        let strategies = snapshot.strategies.into_iter().map(|row| Changed::Strategy(row.id, Some(row)));
        let halts = snapshot.halts.into_iter().map(|row| Changed::Halt(row.id, Some(row)));
        for row in users.chain(webhooks).chain(accounts).chain(strategies).chain(halts) {
            tables.apply(row);
        }
        tables
    }

    /// Takes a change in. Returns it where it is an account's.
    fn apply(&mut self, changed: Changed) -> Option<AccountChange> {
        match changed {
            Changed::User(user) => {
                self.users.insert(user.id, Arc::new(user));
            }
            Changed::Webhook(id, webhook) => self.set_webhook(id, webhook),
            Changed::BrokerAccount(id, account) => {
                let account = account.map(Arc::new);
                match &account {
                    Some(account) => self.broker_accounts.insert(id, Arc::clone(account)),
                    None => self.broker_accounts.remove(&id),
                };
                return Some((id, account));
            }
            Changed::Strategy(id, strategy) => self.set_strategy(id, strategy),
            Changed::Halt(id, Some(halt)) => {
                self.halts.insert(id, halt);
            }
            Changed::Halt(id, None) => {
                self.halts.remove(&id);
            }
        }
        None
    }

    fn set_webhook(&mut self, id: WebhookId, webhook: Option<Webhook>) {
        let before = self.webhooks.remove(&id);
        if let Some(before) = &before {
            self.by_token.remove(&before.webhook.token);
        }
        if let Some(webhook) = webhook {
            let meter = before.map(|entry| Arc::clone(&entry.meter)).unwrap_or_default();
            self.by_token.insert(webhook.token.clone(), id);
            self.webhooks.insert(id, Arc::new(Entry { webhook, meter }));
        }
    }

    fn set_strategy(&mut self, id: StrategyId, strategy: Option<Strategy>) {
        let before = self.strategies.remove(&id);
        if let Some(before) = &before {
            self.set_active(before.webhook_id, id, false);
        }
        if let Some(strategy) = strategy {
            self.set_active(strategy.webhook_id, id, strategy.active);
            self.strategies.insert(id, Arc::new(strategy));
        }
    }

    fn set_active(&mut self, webhook: WebhookId, id: StrategyId, active: bool) {
        let others = self.active.get(&webhook).map_or(&[][..], |ids| ids);
        let mut ids: Vec<_> = others.iter().copied().filter(|other| *other != id).collect();
        if active {
            ids.push(id);
            ids.sort_unstable();
        }
        if ids.is_empty() {
            self.active.remove(&webhook);
        } else {
            self.active.insert(webhook, ids.into());
        }
    }
}
