//! What users set up: the port's calls, handed on to one file a thing. The same for every engine.

/// Makes an engine's store a directory. To be used beside its modules `users`, `sessions`, `webhooks`, `accounts`, `strategies`,
/// `halts` and `registry`, and with the port's types in scope.
macro_rules! hands_on_directory {
    ($store:ty) => {
        #[async_trait]
        impl Directory for $store {
            async fn create_user(
                &self,
                user: NewUser,
                registration: Registration,
            ) -> Result<User, StoreError> {
                users::create(self, user, registration).await
            }
            async fn user(&self, id: UserId) -> Result<User, StoreError> {
                users::user(self, id).await
            }
            async fn user_by_email(&self, email: &str) -> Result<(User, String), StoreError> {
                users::by_email(self, email).await
            }
            async fn password_hash(&self, id: UserId) -> Result<String, StoreError> {
                users::password_hash(self, id).await
            }
            async fn set_password_hash(&self, id: UserId, hash: String) -> Result<(), StoreError> {
                users::set_password_hash(self, id, hash).await
            }
            async fn users(&self, page: PageRequest) -> Result<Page<User>, StoreError> {
                users::users(self, page).await
            }
            async fn update_user(&self, id: UserId, patch: UserPatch) -> Result<User, StoreError> {
                users::update(self, id, patch).await
            }
            async fn usage(&self, id: UserId) -> Result<Usage, StoreError> {
                users::usage(self, id).await
            }

            async fn create_session(&self, session: NewSession) -> Result<Session, StoreError> {
                sessions::create(self, session).await
            }
            async fn session(
                &self,
                token_hash: TokenHash,
                now: UnixMicros,
            ) -> Result<(Session, User), StoreError> {
                sessions::session(self, token_hash, now).await
            }
            async fn touch_session(&self, id: SessionId, now: UnixMicros) -> Result<(), StoreError> {
                sessions::touch(self, id, now).await
            }
            async fn sessions(&self, user_id: UserId, now: UnixMicros) -> Result<Vec<Session>, StoreError> {
                sessions::sessions(self, user_id, now).await
            }
            async fn delete_session(&self, user_id: UserId, id: SessionId) -> Result<(), StoreError> {
                sessions::delete(self, user_id, id).await
            }
            async fn delete_other_sessions(
                &self,
                user_id: UserId,
                keep: Option<SessionId>,
            ) -> Result<(), StoreError> {
                sessions::delete_others(self, user_id, keep).await
            }

            async fn create_api_key(
                &self,
                user_id: UserId,
                name: String,
                token_hash: TokenHash,
                now: UnixMicros,
            ) -> Result<ApiKey, StoreError> {
                sessions::create_key(self, user_id, name, token_hash, now).await
            }
            async fn api_key(&self, token_hash: TokenHash) -> Result<(ApiKey, User), StoreError> {
                sessions::key(self, token_hash).await
            }
            async fn touch_api_key(&self, id: ApiKeyId, now: UnixMicros) -> Result<(), StoreError> {
                sessions::touch_key(self, id, now).await
            }
            async fn api_keys(&self, user_id: UserId, page: PageRequest) -> Result<Page<ApiKey>, StoreError> {
                sessions::keys(self, user_id, page).await
            }
            async fn delete_api_key(&self, user_id: UserId, id: ApiKeyId) -> Result<(), StoreError> {
                sessions::delete_key(self, user_id, id).await
            }

            async fn create_webhook(
                &self,
                webhook: NewWebhook,
                limit: Option<u32>,
            ) -> Result<Webhook, StoreError> {
                webhooks::create(self, webhook, limit).await
            }
            async fn webhook(&self, user_id: UserId, id: WebhookId) -> Result<Webhook, StoreError> {
                webhooks::webhook(self, user_id, id).await
            }
            async fn webhooks(
                &self,
                user_id: UserId,
                page: PageRequest,
            ) -> Result<Page<Webhook>, StoreError> {
                webhooks::webhooks(self, user_id, page).await
            }
            async fn update_webhook(
                &self,
                user_id: UserId,
                id: WebhookId,
                patch: WebhookPatch,
                limit: Option<u32>,
            ) -> Result<Webhook, StoreError> {
                webhooks::update(self, user_id, id, patch, limit).await
            }
            async fn delete_webhook(&self, user_id: UserId, id: WebhookId) -> Result<(), StoreError> {
                webhooks::delete(self, user_id, id).await
            }

            async fn create_broker_account(
                &self,
                account: NewBrokerAccount,
                limit: Option<u32>,
            ) -> Result<BrokerAccount, StoreError> {
                accounts::create(self, account, limit).await
            }
            async fn broker_account(
                &self,
                user_id: UserId,
                id: BrokerAccountId,
            ) -> Result<BrokerAccount, StoreError> {
                accounts::account(self, user_id, id).await
            }
            async fn broker_accounts(
                &self,
                user_id: UserId,
                page: PageRequest,
            ) -> Result<Page<BrokerAccount>, StoreError> {
                accounts::accounts(self, user_id, page).await
            }
            async fn update_broker_account(
                &self,
                user_id: UserId,
                id: BrokerAccountId,
                patch: BrokerAccountPatch,
            ) -> Result<BrokerAccount, StoreError> {
                accounts::update(self, user_id, id, patch).await
            }
            async fn delete_broker_account(
                &self,
                user_id: UserId,
                id: BrokerAccountId,
            ) -> Result<(), StoreError> {
                accounts::delete(self, user_id, id).await
            }

            async fn create_strategy(
                &self,
                strategy: NewStrategy,
                limit: Option<u32>,
            ) -> Result<Strategy, StoreError> {
                strategies::create(self, strategy, limit).await
            }
            async fn strategy(&self, user_id: UserId, id: StrategyId) -> Result<Strategy, StoreError> {
                strategies::strategy(self, user_id, id).await
            }
            async fn strategies(
                &self,
                user_id: UserId,
                webhook_id: Option<WebhookId>,
                page: PageRequest,
            ) -> Result<Page<Strategy>, StoreError> {
                strategies::strategies(self, user_id, webhook_id, page).await
            }
            async fn update_strategy(
                &self,
                user_id: UserId,
                id: StrategyId,
                patch: StrategyPatch,
                limit: Option<u32>,
            ) -> Result<Strategy, StoreError> {
                strategies::update(self, user_id, id, patch, limit).await
            }
            async fn delete_strategy(&self, user_id: UserId, id: StrategyId) -> Result<(), StoreError> {
                strategies::delete(self, user_id, id).await
            }

            async fn create_halt(&self, halt: NewHalt) -> Result<Halt, StoreError> {
                halts::create(self, halt).await
            }
            async fn halts(&self) -> Result<Vec<Halt>, StoreError> {
                halts::halts(self).await
            }
            async fn lift_halt(
                &self,
                id: HaltId,
                by: Option<UserId>,
                now: UnixMicros,
            ) -> Result<(), StoreError> {
                halts::lift(self, id, by, now).await
            }

            async fn snapshot(&self) -> Result<Snapshot, StoreError> {
                registry::snapshot(self).await
            }
            async fn changes_since(&self, since: i64) -> Result<(i64, Vec<Changed>), StoreError> {
                registry::changes_since(self, since).await
            }
        }
    };
}
pub(crate) use hands_on_directory;
