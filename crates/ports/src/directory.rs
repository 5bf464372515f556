//! Users and what they set up: sessions, keys, webhooks, broker accounts, strategies, halts.
//!
//! Every method that takes a `user_id` acts on that user's own rows alone; another's are [`StoreError::NotFound`].

use async_trait::async_trait;
use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::strategy::Behavior;
use atomik_domain::tier::Subscription;
use atomik_domain::webhook::{PreviousSecret, SecretHash};
use atomik_domain::{
    ApiKeyId, BrokerAccount, BrokerAccountId, BrokerId, Environment, Halt, HaltId, HaltMode, HaltScope, Plan,
    Role, SessionId, Strategy, StrategyId, Symbol, UnixMicros, User, UserId, Webhook, WebhookId,
};
use serde_json::Value;

use crate::credentials::Credentials;
use crate::store::{Page, PageRequest, StoreError};

/// The hash under which a session or API key is stored: SHA-256 of 256 random bits.
pub type TokenHash = [u8; 32];

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Only the first user.
    FirstUser,
    /// Everybody.
    Open,
    /// Nobody.
    Closed,
}
atomik_domain::spelled!(Registration { FirstUser = "first_user", Open = "open", Closed = "closed" });

/// A user to be made. The first one becomes administrator on plan `unlimited`; later ones start on `free`.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Trimmed, lower case.
    pub email: String,
    /// A PHC string.
    pub password_hash: String,
    /// Now.
    pub created_at: UnixMicros,
}

/// What an administrator changes of a user; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct UserPatch {
    /// What they pay for.
    pub plan: Option<Plan>,
    /// Whether they pay, and since when.
    pub subscription: Option<Subscription>,
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they are shut out.
    pub disabled: Option<bool>,
}

/// A signed-in session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Who is signed in.
    pub user_id: UserId,
    /// When it began.
    pub created_at: UnixMicros,
    /// When it was last used, to the minute.
    pub last_used_at: UnixMicros,
    /// When it ends whatever happens.
    pub expires_at: UnixMicros,
    /// The browser's own name for itself, cut.
    pub user_agent: String,
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Who signs in.
    pub user_id: UserId,
    /// The hash of its token.
    pub token_hash: TokenHash,
    /// Now.
    pub created_at: UnixMicros,
    /// When it ends whatever happens.
    pub expires_at: UnixMicros,
    /// The browser's own name for itself, cut.
    pub user_agent: String,
}

/// An API key, without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the user calls it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixMicros,
    /// When it was last used, to the minute.
    pub last_used_at: Option<UnixMicros>,
}

/// A webhook to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    /// Whose it is.
    pub user_id: UserId,
    /// What the trader calls it.
    pub name: String,
    /// Notes.
    pub description: String,
    /// The unique part of its URL.
    pub token: String,
    /// Its secret, hashed.
    pub secret_hash: SecretHash,
    /// `false` is dangerous.
    pub require_secret: bool,
    /// Who may send.
    pub allowed_ips: IpAllowlist,
    /// The repeat window in seconds.
    pub dedupe_window_s: u32,
    /// Now.
    pub created_at: UnixMicros,
}

/// What changes of a webhook; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct WebhookPatch {
    /// What the trader calls it.
    pub name: Option<String>,
    /// Notes.
    pub description: Option<String>,
    /// Whether a secret is asked for.
    pub require_secret: Option<bool>,
    /// Who may send.
    pub allowed_ips: Option<IpAllowlist>,
    /// Whether it accepts anything.
    pub active: Option<bool>,
    /// The repeat window in seconds.
    pub dedupe_window_s: Option<u32>,
    /// A new secret, and what is left of the old one.
    pub secret: Option<(SecretHash, Option<PreviousSecret>)>,
}

/// A broker account to be linked.
#[derive(Clone, Debug)]
pub struct NewBrokerAccount {
    /// Whose it is.
    pub user_id: UserId,
    /// At which broker.
    pub broker: BrokerId,
    /// In which of its worlds.
    pub environment: Environment,
    /// What the trader calls it.
    pub label: String,
    /// Settings in the adapter's own shape, checked by it.
    pub settings: Value,
    /// What it is reached with, to be sealed; empty for nothing.
    pub credentials: Credentials,
    /// Now.
    pub created_at: UnixMicros,
}

/// What changes of a broker account; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct BrokerAccountPatch {
    /// What the trader calls it.
    pub label: Option<String>,
    /// Settings in the adapter's own shape, checked by it.
    pub settings: Option<Value>,
    /// What it is reached with from `at` on, to be sealed: all of it.
    pub credentials: Option<(Credentials, UnixMicros)>,
}

/// A strategy to be activated.
#[derive(Clone, Debug)]
pub struct NewStrategy {
    /// Whose it is.
    pub user_id: UserId,
    /// What the trader calls it.
    pub name: String,
    /// Whose signals it runs. Must be the user's own.
    pub webhook_id: WebhookId,
    /// Where it trades. Must be the user's own.
    pub broker_account_id: BrokerAccountId,
    /// What it trades.
    pub symbol: Symbol,
    /// How it trades.
    pub behavior: Behavior,
    /// Whether it runs.
    pub active: bool,
    /// Now.
    pub created_at: UnixMicros,
}

/// What changes of a strategy; `None` leaves a field alone. Where it trades and what never change: its position stays
/// behind otherwise.
#[derive(Clone, Debug, Default)]
pub struct StrategyPatch {
    /// What the trader calls it.
    pub name: Option<String>,
    /// Whose signals it runs.
    pub webhook_id: Option<WebhookId>,
    /// How it trades.
    pub behavior: Option<Behavior>,
    /// Whether it runs.
    pub active: Option<bool>,
}

/// A halt to be declared.
#[derive(Clone, Debug)]
pub struct NewHalt {
    /// What it stops.
    pub scope: HaltScope,
    /// How much it stops.
    pub mode: HaltMode,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub user_id: Option<UserId>,
    /// Now.
    pub created_at: UnixMicros,
}

/// How many of what a plan limits a user has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Webhooks that are active.
    pub active_webhooks: u32,
    /// Linked broker accounts.
    pub broker_accounts: u32,
    /// Active strategies.
    pub active_strategies: u32,
}

/// Everything the engine keeps in memory.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The change number it is true at.
    pub change: i64,
    /// All users.
    pub users: Vec<User>,
    /// All webhooks that are not deleted.
    pub webhooks: Vec<Webhook>,
    /// All linked accounts.
    pub broker_accounts: Vec<BrokerAccount>,
    /// All strategies that are not deleted.
    pub strategies: Vec<Strategy>,
    /// All halts in force.
    pub halts: Vec<Halt>,
}

/// One row of what the engine keeps in memory, as it is after a change.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A user was made or changed.
    User(User),
    /// A webhook was made, changed, or (`None`) deleted.
    Webhook(WebhookId, Option<Webhook>),
    /// An account was linked, changed, or (`None`) unlinked.
    BrokerAccount(BrokerAccountId, Option<BrokerAccount>),
    /// A strategy was made, changed, or (`None`) deleted.
    Strategy(StrategyId, Option<Strategy>),
    /// A halt was declared, or (`None`) lifted.
    Halt(HaltId, Option<Halt>),
}

/// Users and what they set up.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Makes a user, deciding in one transaction whether it is the first.
    ///
    /// # Errors
    /// `RegistrationClosed`, or `Taken` for the email.
    async fn create_user(&self, user: NewUser, registration: Registration) -> Result<User, StoreError>;
    /// A user by id.
    async fn user(&self, id: UserId) -> Result<User, StoreError>;
    /// A user by email, with the password's hash.
    async fn user_by_email(&self, email: &str) -> Result<(User, String), StoreError>;
    /// The password's hash.
    async fn password_hash(&self, id: UserId) -> Result<String, StoreError>;
    /// Replaces the password's hash.
    async fn set_password_hash(&self, id: UserId, hash: String) -> Result<(), StoreError>;
    /// All users.
    async fn users(&self, page: PageRequest) -> Result<Page<User>, StoreError>;
    /// Changes a user. The last administrator who is not disabled stays one.
    ///
    /// # Errors
    /// `InUse` where nobody would be left to administer.
    async fn update_user(&self, id: UserId, patch: UserPatch) -> Result<User, StoreError>;
    /// How much of their plan a user uses.
    async fn usage(&self, id: UserId) -> Result<Usage, StoreError>;

    /// Begins a session.
    async fn create_session(&self, session: NewSession) -> Result<Session, StoreError>;
    /// The session with this token, and its user. Ended ones are `NotFound`.
    async fn session(&self, token_hash: TokenHash, now: UnixMicros) -> Result<(Session, User), StoreError>;
    /// Notes that a session was used.
    async fn touch_session(&self, id: SessionId, now: UnixMicros) -> Result<(), StoreError>;
    /// A user's sessions that have not ended.
    async fn sessions(&self, user_id: UserId, now: UnixMicros) -> Result<Vec<Session>, StoreError>;
    /// Ends a session.
    async fn delete_session(&self, user_id: UserId, id: SessionId) -> Result<(), StoreError>;
    /// Ends all of a user's sessions but one.
    async fn delete_other_sessions(&self, user_id: UserId, keep: Option<SessionId>)
    -> Result<(), StoreError>;

    /// Makes an API key.
    async fn create_api_key(
        &self,
        user_id: UserId,
        name: String,
        token_hash: TokenHash,
        now: UnixMicros,
    ) -> Result<ApiKey, StoreError>;
    /// The API key with this token, and its user.
    async fn api_key(&self, token_hash: TokenHash) -> Result<(ApiKey, User), StoreError>;
    /// Notes that a key was used.
    async fn touch_api_key(&self, id: ApiKeyId, now: UnixMicros) -> Result<(), StoreError>;
    /// A user's API keys.
    async fn api_keys(&self, user_id: UserId, page: PageRequest) -> Result<Page<ApiKey>, StoreError>;
    /// Revokes an API key.
    async fn delete_api_key(&self, user_id: UserId, id: ApiKeyId) -> Result<(), StoreError>;

    /// Makes an active webhook, unless `limit` are active already.
    async fn create_webhook(&self, webhook: NewWebhook, limit: Option<u32>) -> Result<Webhook, StoreError>;
    /// A webhook.
    async fn webhook(&self, user_id: UserId, id: WebhookId) -> Result<Webhook, StoreError>;
    /// A user's webhooks.
    async fn webhooks(&self, user_id: UserId, page: PageRequest) -> Result<Page<Webhook>, StoreError>;
    /// Changes a webhook; activating it obeys `limit`.
    async fn update_webhook(
        &self,
        user_id: UserId,
        id: WebhookId,
        patch: WebhookPatch,
        limit: Option<u32>,
    ) -> Result<Webhook, StoreError>;
    /// Deletes a webhook. Its strategies are paused; its deliveries and signals remain as history.
    async fn delete_webhook(&self, user_id: UserId, id: WebhookId) -> Result<(), StoreError>;

    /// Links a broker account, unless `limit` are linked already.
    async fn create_broker_account(
        &self,
        account: NewBrokerAccount,
        limit: Option<u32>,
    ) -> Result<BrokerAccount, StoreError>;
    /// A broker account.
    async fn broker_account(&self, user_id: UserId, id: BrokerAccountId)
    -> Result<BrokerAccount, StoreError>;
    /// A user's broker accounts.
    async fn broker_accounts(
        &self,
        user_id: UserId,
        page: PageRequest,
    ) -> Result<Page<BrokerAccount>, StoreError>;
    /// Changes a broker account.
    async fn update_broker_account(
        &self,
        user_id: UserId,
        id: BrokerAccountId,
        patch: BrokerAccountPatch,
    ) -> Result<BrokerAccount, StoreError>;
    /// Unlinks a broker account and pauses its strategies.
    ///
    /// # Errors
    /// `InUse` while an order there is not final.
    async fn delete_broker_account(&self, user_id: UserId, id: BrokerAccountId) -> Result<(), StoreError>;

    /// Makes a strategy; an active one obeys `limit`. `NotFound` where webhook or account are not the user's.
    async fn create_strategy(
        &self,
        strategy: NewStrategy,
        limit: Option<u32>,
    ) -> Result<Strategy, StoreError>;
    /// A strategy.
    async fn strategy(&self, user_id: UserId, id: StrategyId) -> Result<Strategy, StoreError>;
    /// A user's strategies, of one webhook where given.
    async fn strategies(
        &self,
        user_id: UserId,
        webhook_id: Option<WebhookId>,
        page: PageRequest,
    ) -> Result<Page<Strategy>, StoreError>;
    /// Changes a strategy; activating it obeys `limit`.
    ///
    /// # Errors
    /// `InUse` where its broker account or webhook is gone and it is to be activated.
    async fn update_strategy(
        &self,
        user_id: UserId,
        id: StrategyId,
        patch: StrategyPatch,
        limit: Option<u32>,
    ) -> Result<Strategy, StoreError>;
    /// Deletes a strategy.
    ///
    /// # Errors
    /// `InUse` while it has an order that is not final or, on an account that is still linked, holds a position or works
    /// on a signal.
    async fn delete_strategy(&self, user_id: UserId, id: StrategyId) -> Result<(), StoreError>;

    /// Declares a halt.
    async fn create_halt(&self, halt: NewHalt) -> Result<Halt, StoreError>;
    /// All halts in force, newest first.
    async fn halts(&self) -> Result<Vec<Halt>, StoreError>;
    /// Lifts a halt, recording who did; `NotFound` where it is not in force.
    async fn lift_halt(&self, id: HaltId, by: Option<UserId>, now: UnixMicros) -> Result<(), StoreError>;

    /// Everything the engine keeps in memory.
    async fn snapshot(&self) -> Result<Snapshot, StoreError>;
    /// What changed after change number `since`, whoever changed it (this process or another), and the number now.
    /// Rows come as they are now, each at most once.
    async fn changes_since(&self, since: i64) -> Result<(i64, Vec<Changed>), StoreError>;
}
