//! Users and what they set up. One file a thing; this one only hands on.

mod accounts;
mod halts;
mod registry;
mod sessions;
mod strategies;
mod users;
mod webhooks;

use async_trait::async_trait;
use atomik_domain::{
    ApiKeyId, BrokerAccount, BrokerAccountId, Halt, HaltId, SessionId, Strategy, StrategyId, UnixMicros,
    User, UserId, Webhook, WebhookId,
};
use atomik_ports::directory::{
    ApiKey, BrokerAccountPatch, Changed, Directory, NewBrokerAccount, NewHalt, NewSession, NewStrategy,
    NewUser, NewWebhook, Registration, Session, Snapshot, StrategyPatch, TokenHash, Usage, UserPatch,
    WebhookPatch,
};
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnection, Postgres};
use sqlx::query::Query;

use super::PostgresStore;
use super::faults::fault;
use crate::directory::hands_on_directory;

impl PostgresStore {
    /// A connection for one query.
    async fn reader(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(fault)
    }

    /// Runs a change that is to meet exactly one row; meeting none is `NotFound`.
    async fn change_one(&self, change: Query<'_, Postgres, PgArguments>) -> Result<(), StoreError> {
        let mut work = self.write().await?;
        let met = change.execute(work.connection()).await.map_err(fault);
        let met =
            met.and_then(|done| if done.rows_affected() == 0 { Err(StoreError::NotFound) } else { Ok(()) });
        work.finish(met).await
    }
}

/// Refuses one more of what `count` counts for the user ($1), where `limit` are there already. In the transaction that
/// adds it, so that two at once cannot both be the last.
async fn obey_limit(
    connection: &mut PgConnection,
    count: &'static str,
    user_id: UserId,
    limit: Option<u32>,
) -> Result<(), StoreError> {
    let Some(limit) = limit else { return Ok(()) };
    let there: i64 = sqlx::query_scalar(count).bind(user_id.0).fetch_one(connection).await.map_err(fault)?;
    if there < i64::from(limit) { Ok(()) } else { Err(StoreError::LimitReached { limit }) }
}

hands_on_directory!(PostgresStore);
