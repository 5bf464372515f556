//! What the engine keeps in memory, and what changed of it.

use atomik_ports::StoreError;
use atomik_ports::directory::{Changed, Snapshot};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::columns::Columns;
use crate::rows::read_all;
use crate::setup::{
    account_columns, halt_columns, read_account, read_halt, read_strategy, read_user, read_webhook,
    strategy_columns, user_columns, webhook_columns,
};
use crate::sqlite::SqliteStore;
use crate::sqlite::faults::fault;

pub(super) async fn snapshot(store: &SqliteStore) -> Result<Snapshot, StoreError> {
    let mut read = store.read().await?;
    let (change, _) = numbers(&mut read).await?;
    let users = concat!("SELECT ", user_columns!(), " FROM users u");
    let webhooks = concat!("SELECT ", webhook_columns!(), " FROM webhooks WHERE NOT deleted");
    let accounts = concat!("SELECT ", account_columns!(), " FROM broker_accounts WHERE NOT deleted");
    let strategies = concat!("SELECT ", strategy_columns!(), " FROM strategies WHERE NOT deleted");
    let halts = concat!("SELECT ", halt_columns!(), " FROM halts WHERE lifted_at IS NULL");
    Ok(Snapshot {
        change,
        users: every(&mut read, users, read_user).await?,
        webhooks: every(&mut read, webhooks, read_webhook).await?,
        broker_accounts: every(&mut read, accounts, read_account).await?,
        strategies: every(&mut read, strategies, read_strategy).await?,
        halts: every(&mut read, halts, read_halt).await?,
    })
}

async fn every<T>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    read: fn(&mut Columns<'_, SqliteRow>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let rows = sqlx::query(sql).fetch_all(connection).await.map_err(fault)?;
    read_all(&rows, read)
}

/// The number of the last change ever made, and of the oldest one that is still known.
async fn numbers(connection: &mut SqliteConnection) -> Result<(i64, i64), StoreError> {
    sqlx::query_as(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0), \
         coalesce((SELECT min(seq) FROM changes), 0)",
    )
    .fetch_one(connection)
    .await
    .map_err(fault)
}

pub(super) async fn changes_since(
    store: &SqliteStore,
    since: i64,
) -> Result<(i64, Vec<Changed>), StoreError> {
    let mut read = store.read().await?;
    let (now, oldest) = numbers(&mut read).await?;
    if since == now {
        return Ok((now, Vec::new()));
    }
    // Asked from before what is known, or from a number never reached (a backup was restored): everything may have
    // changed.
    let known = since < now && since.saturating_add(1) >= oldest;
    let mut reading = Reading { connection: &mut read, since: known.then_some(since), changed: Vec::new() };
    let users = concat!("SELECT 0, ", user_columns!(), " FROM users u");
    reading.add(users, "user", |columns, _| read_user(columns).map(Changed::User)).await?;
    let webhooks = concat!("SELECT deleted, ", webhook_columns!(), " FROM webhooks");
    let webhook = |columns: &mut Columns<'_, SqliteRow>, gone: bool| {
        let webhook = read_webhook(columns)?;
        Ok(Changed::Webhook(webhook.id, (!gone).then_some(webhook)))
    };
    reading.add(webhooks, "webhook", webhook).await?;
    let accounts = concat!("SELECT deleted, ", account_columns!(), " FROM broker_accounts");
    let account = |columns: &mut Columns<'_, SqliteRow>, gone: bool| {
        let account = read_account(columns)?;
        Ok(Changed::BrokerAccount(account.id, (!gone).then_some(account)))
    };
    reading.add(accounts, "broker_account", account).await?;
    let strategies = concat!("SELECT deleted, ", strategy_columns!(), " FROM strategies");
    let strategy = |columns: &mut Columns<'_, SqliteRow>, gone: bool| {
        let strategy = read_strategy(columns)?;
        Ok(Changed::Strategy(strategy.id, (!gone).then_some(strategy)))
    };
    reading.add(strategies, "strategy", strategy).await?;
    let halts = concat!("SELECT lifted_at IS NOT NULL, ", halt_columns!(), " FROM halts");
    let halt = |columns: &mut Columns<'_, SqliteRow>, gone: bool| {
        let halt = read_halt(columns)?;
        Ok(Changed::Halt(halt.id, (!gone).then_some(halt)))
    };
    reading.add(halts, "halt", halt).await?;
    Ok((now, reading.changed))
}

/// Rows that changed, being collected kind by kind.
struct Reading<'c> {
    connection: &'c mut SqliteConnection,
    /// After which change; `None`: all rows.
    since: Option<i64>,
    changed: Vec<Changed>,
}

impl Reading<'_> {
    /// Adds the changed rows of one kind. `select` gives whether the row is gone, then the row.
    async fn add(
        &mut self,
        select: &'static str,
        kind: &'static str,
        read: fn(&mut Columns<'_, SqliteRow>, bool) -> Result<Changed, StoreError>,
    ) -> Result<(), StoreError> {
        let only = match self.since {
            Some(_) => " WHERE id IN (SELECT id FROM changes WHERE seq > ?1 AND kind = ?2)",
            None => "",
        };
        let rows = sqlx::query(AssertSqlSafe(format!("{select}{only}")))
            .bind(self.since)
            .bind(kind)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(fault)?;
        let rows = read_all(&rows, |columns| {
            let gone = columns.flag()?;
            read(columns, gone)
        })?;
        self.changed.extend(rows);
        Ok(())
    }
}
