//! A real store that can be told to fail, to stall, or to have known every intent before. A check of it fails and stalls
//! as its commits do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use atomik_domain::{
    ApiKeyId, BrokerAccount, BrokerAccountId, ClientOrderId, Fill, Halt, HaltId, Order, SessionId, SignalId,
    Strategy, StrategyId, Symbol, UnixMicros, User, UserId, Webhook, WebhookId,
};
use atomik_ports::directory::{
    ApiKey, BrokerAccountPatch, Changed, NewBrokerAccount, NewHalt, NewSession, NewStrategy, NewUser,
    NewWebhook, Registration, Session, Snapshot, StrategyPatch, TokenHash, Usage, UserPatch, WebhookPatch,
};
use atomik_ports::history::{Delivery, DeliveryFilter, SignalRecord, TradeFilter};
use atomik_ports::journal::{Changes, Entry, PositionRecord, Receipt};
use atomik_ports::operations::{Retention, UnfinishedWork};
use atomik_ports::overview::{EquitySample, Happened, WebhookActivity};
use atomik_ports::{
    Credentials, Custody, CustodyError, Directory, History, Journal, Operations, Overview, Page, PageRequest,
    StoreError,
};
use atomik_storage::sqlite::SqliteStore;
use tokio::sync::watch;
use uuid::Uuid;

/// The store.
pub struct FaultyStore {
    inner: SqliteStore,
    /// Whether commits and checks fail.
    pub fails: AtomicBool,
    /// Whether every intent of a commit was recorded before by somebody else.
    pub knows_intents: AtomicBool,
    /// Whether whatever is recorded under a lease is refused, because the lease is another's.
    pub refuses_leases: AtomicBool,
    /// How many commits have begun.
    pub begun: AtomicUsize,
    stalls: watch::Sender<bool>,
    /// Whether commits that carry an intent wait.
    stalls_intents: watch::Sender<bool>,
    /// How many of those have begun.
    pub intents_begun: AtomicUsize,
    /// How often the positions of lanes were asked for.
    pub positions_read: AtomicUsize,
    /// Whether they cannot be read.
    pub hides_positions: AtomicBool,
}

impl FaultyStore {
    pub fn new(inner: SqliteStore) -> Self {
        Self {
            inner,
            fails: AtomicBool::new(false),
            knows_intents: AtomicBool::new(false),
            refuses_leases: AtomicBool::new(false),
            begun: AtomicUsize::new(0),
            stalls: watch::Sender::new(false),
            stalls_intents: watch::Sender::new(false),
            intents_begun: AtomicUsize::new(0),
            positions_read: AtomicUsize::new(0),
            hides_positions: AtomicBool::new(false),
        }
    }

    /// Makes commits and checks wait, or lets them go on.
    pub fn stall(&self, stalls: bool) {
        self.stalls.send_replace(stalls);
    }

    async fn hold_up(&self) -> Result<(), StoreError> {
        let _ = self.stalls.subscribe().wait_for(|stalls| !stalls).await;
        match self.fails.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("a test".to_owned())),
            false => Ok(()),
        }
    }

    /// Makes commits that carry an intent wait, or lets them go on.
    pub fn stall_intents(&self, stalls: bool) {
        self.stalls_intents.send_replace(stalls);
    }
}

#[async_trait]
impl Journal for FaultyStore {
    async fn commit(&self, entries: Vec<Entry>, at: UnixMicros) -> Result<Vec<Receipt>, StoreError> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.hold_up().await?;
        let intents = entries.iter().filter_map(|entry| match entry {
            Entry::Changes(changes) => Some(changes.intents.clone()),
            _ => None,
        });
        let intents: Vec<_> = intents.flatten().collect();
        if !intents.is_empty() {
            self.intents_begun.fetch_add(1, Ordering::SeqCst);
            let _ = self.stalls_intents.subscribe().wait_for(|stalls| !stalls).await;
        }
        if self.knows_intents.load(Ordering::SeqCst) {
            let before = Changes { intents, ..Changes::default() };
            self.inner.commit(vec![Entry::Changes(Arc::new(before))], at).await?;
        }
        let is_refused = self.refuses_leases.load(Ordering::SeqCst);
        let is_leased = |entry: &Entry| matches!(entry, Entry::Changes(changes) if changes.lease.is_some());
        if is_refused && entries.iter().any(is_leased) {
            // Of such calls nothing else is wanted here.
            return Ok(entries.iter().map(|_| Receipt::LeaseLost).collect());
        }
        self.inner.commit(entries, at).await
    }
}

macro_rules! handed_on {
    ($trait:ident { $(async $name:ident($($arg:ident: $ty:ty),*) -> $out:ty;)* } $($rest:tt)*) => {
        #[async_trait]
        impl $trait for FaultyStore {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$out, StoreError> {
                self.inner.$name($($arg),*).await
            })*
            $($rest)*
        }
    };
}

handed_on!(Directory {
    async create_user(user: NewUser, registration: Registration) -> User;
    async user(id: UserId) -> User;
    async user_by_email(email: &str) -> (User, String);
    async password_hash(id: UserId) -> String;
    async set_password_hash(id: UserId, hash: String) -> ();
    async users(page: PageRequest) -> Page<User>;
    async update_user(id: UserId, patch: UserPatch) -> User;
    async usage(id: UserId) -> Usage;
    async create_session(session: NewSession) -> Session;
    async session(token_hash: TokenHash, now: UnixMicros) -> (Session, User);
    async touch_session(id: SessionId, now: UnixMicros) -> ();
    async sessions(user_id: UserId, now: UnixMicros) -> Vec<Session>;
    async delete_session(user_id: UserId, id: SessionId) -> ();
    async delete_other_sessions(user_id: UserId, keep: Option<SessionId>) -> ();
    async create_api_key(user_id: UserId, name: String, token_hash: TokenHash, now: UnixMicros) -> ApiKey;
    async api_key(token_hash: TokenHash) -> (ApiKey, User);
    async touch_api_key(id: ApiKeyId, now: UnixMicros) -> ();
    async api_keys(user_id: UserId, page: PageRequest) -> Page<ApiKey>;
    async delete_api_key(user_id: UserId, id: ApiKeyId) -> ();
    async create_webhook(webhook: NewWebhook, limit: Option<u32>) -> Webhook;
    async webhook(user_id: UserId, id: WebhookId) -> Webhook;
    async webhooks(user_id: UserId, page: PageRequest) -> Page<Webhook>;
    async update_webhook(user_id: UserId, id: WebhookId, patch: WebhookPatch, limit: Option<u32>) -> Webhook;
    async delete_webhook(user_id: UserId, id: WebhookId) -> ();
    async create_broker_account(account: NewBrokerAccount, limit: Option<u32>) -> BrokerAccount;
    async broker_account(user_id: UserId, id: BrokerAccountId) -> BrokerAccount;
    async broker_accounts(user_id: UserId, page: PageRequest) -> Page<BrokerAccount>;
    async update_broker_account(user_id: UserId, id: BrokerAccountId, patch: BrokerAccountPatch) -> BrokerAccount;
    async delete_broker_account(user_id: UserId, id: BrokerAccountId) -> ();
    async create_strategy(strategy: NewStrategy, limit: Option<u32>) -> Strategy;
    async strategy(user_id: UserId, id: StrategyId) -> Strategy;
    async strategies(user_id: UserId, webhook_id: Option<WebhookId>, page: PageRequest) -> Page<Strategy>;
    async update_strategy(user_id: UserId, id: StrategyId, patch: StrategyPatch, limit: Option<u32>) -> Strategy;
    async delete_strategy(user_id: UserId, id: StrategyId) -> ();
    async create_halt(halt: NewHalt) -> Halt;
    async halts() -> Vec<Halt>;
    async lift_halt(id: HaltId, by: Option<UserId>, now: UnixMicros) -> ();
    async snapshot() -> Snapshot;
    async changes_since(since: i64) -> (i64, Vec<Changed>);
});

#[async_trait]
impl Custody for FaultyStore {
    async fn credentials(&self, account: BrokerAccountId) -> Result<Credentials, CustodyError> {
        self.inner.credentials(account).await
    }
}

handed_on!(History {
    async deliveries(user_id: UserId, webhook_id: WebhookId, filter: DeliveryFilter, page: PageRequest) -> Page<Delivery>;
    async signals(user_id: UserId, filter: &TradeFilter, page: PageRequest) -> Page<SignalRecord>;
    async signal(user_id: UserId, id: SignalId) -> SignalRecord;
    async orders(user_id: UserId, filter: &TradeFilter, page: PageRequest) -> Page<Order>;
    async order(user_id: UserId, id: ClientOrderId) -> Order;
    async fills(user_id: UserId, filter: &TradeFilter, page: PageRequest) -> Page<(i64, Fill)>;
    async positions(user_id: UserId, filter: &TradeFilter, page: PageRequest) -> Page<PositionRecord>;
});

handed_on!(Overview {
    async happened(user_id: UserId, since: UnixMicros) -> Happened;
    async webhook_activity(user_id: UserId, webhooks: &[WebhookId], since: UnixMicros) -> Vec<WebhookActivity>;
    async record_equity(samples: &[EquitySample]) -> ();
    async equity(user_id: UserId, account: Option<BrokerAccountId>, since: Option<UnixMicros>, max_points: u32) -> Vec<EquitySample>;
});

handed_on!(Operations {
    async unfinished_work() -> UnfinishedWork;
    async positions_of(strategy_id: StrategyId) -> Vec<PositionRecord>;
    async prune(retention: Retention) -> u64;
    async backup(to: &Path) -> ();
}
fn installation(&self) -> Uuid {
    self.inner.installation()
}
async fn check(&self) -> Result<(), StoreError> {
    self.hold_up().await?;
    self.inner.check().await
}
async fn positions_on(&self, lanes: &[(BrokerAccountId, Symbol)]) -> Result<Vec<PositionRecord>, StoreError> {
    self.positions_read.fetch_add(1, Ordering::SeqCst);
    if self.hides_positions.load(Ordering::SeqCst) {
        return Err(StoreError::Unavailable("a test".to_owned()));
    }
    self.inner.positions_on(lanes).await
});
