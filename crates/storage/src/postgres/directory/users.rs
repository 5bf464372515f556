//! Users.

use atomik_domain::{Plan, Role, SubscriptionStatus, User, UserId};
use atomik_ports::directory::{NewUser, Registration, Usage, UserPatch};
use atomik_ports::{Page, PageRequest, StoreError};
use sqlx::postgres::PgConnection;

use crate::columns::Columns;
use crate::pages::{below, paged, rows_wanted};
use crate::postgres::PostgresStore;
use crate::postgres::columns::text;
use crate::postgres::faults::{fault, fault_or_missing, fault_or_taken};
use crate::rows::read_all;
use crate::setup::{read_user, user_columns};

pub(super) async fn create(
    store: &PostgresStore,
    new: NewUser,
    registration: Registration,
) -> Result<User, StoreError> {
    let mut work = store.change().await?;
    let made = insert(work.connection(), new, registration).await;
    work.finish(made).await
}

async fn insert(
    connection: &mut PgConnection,
    new: NewUser,
    registration: Registration,
) -> Result<User, StoreError> {
    let others: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users)")
        .fetch_one(&mut *connection)
        .await
        .map_err(fault)?;
    let (role, plan) = match (registration, others) {
        (Registration::Closed, _) | (Registration::FirstUser, true) => {
            return Err(StoreError::RegistrationClosed);
        }
        (_, false) => (Role::Admin, Plan::Unlimited),
        (Registration::Open, true) => (Role::Trader, Plan::Free),
    };
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO users (email, password_hash, role, plan, subscription_status, subscription_since, disabled, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, FALSE, $6) RETURNING id",
    )
    .bind(text(&new.email))
    .bind(new.password_hash)
    .bind(role.as_str())
    .bind(plan.as_str())
    .bind(SubscriptionStatus::Active.as_str())
    .bind(new.created_at.0)
    .fetch_one(&mut *connection)
    .await
    .map_err(fault_or_taken("the email"))?;
    find(connection, UserId(id)).await
}

async fn find(connection: &mut PgConnection, id: UserId) -> Result<User, StoreError> {
    let sql = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id = $1");
    let row = sqlx::query(sql).bind(id.0).fetch_one(connection).await.map_err(fault_or_missing)?;
    read_user(&mut Columns::of(&row))
}

pub(super) async fn user(store: &PostgresStore, id: UserId) -> Result<User, StoreError> {
    let mut reader = store.reader().await?;
    find(&mut reader, id).await
}

pub(super) async fn by_email(store: &PostgresStore, email: &str) -> Result<(User, String), StoreError> {
    let sql = concat!("SELECT ", user_columns!(), ", u.password_hash FROM users u WHERE u.email = $1");
    let row = sqlx::query(sql).bind(text(email)).fetch_one(&store.pool).await.map_err(fault_or_missing)?;
    let mut columns = Columns::of(&row);
    Ok((read_user(&mut columns)?, columns.get()?))
}

pub(super) async fn password_hash(store: &PostgresStore, id: UserId) -> Result<String, StoreError> {
    sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.0)
        .fetch_one(&store.pool)
        .await
        .map_err(fault_or_missing)
}

pub(super) async fn set_password_hash(
    store: &PostgresStore,
    id: UserId,
    hash: String,
) -> Result<(), StoreError> {
    let change = sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(id.0).bind(hash);
    store.change_one(change).await
}

pub(super) async fn users(store: &PostgresStore, page: PageRequest) -> Result<Page<User>, StoreError> {
    let sql =
        concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id < $1 ORDER BY u.id DESC LIMIT $2");
    let rows = sqlx::query(sql)
        .bind(below(page))
        .bind(rows_wanted(page))
        .fetch_all(&store.pool)
        .await
        .map_err(fault)?;
    Ok(paged(read_all(&rows, read_user)?, page, |user| user.id.0))
}

pub(super) async fn update(store: &PostgresStore, id: UserId, patch: UserPatch) -> Result<User, StoreError> {
    let mut work = store.change().await?;
    let changed = apply(work.connection(), id, patch).await;
    work.finish(changed).await
}

async fn apply(connection: &mut PgConnection, id: UserId, patch: UserPatch) -> Result<User, StoreError> {
    let mut user = find(connection, id).await?;
    let administered = is_administrator(&user);
    user.plan = patch.plan.unwrap_or(user.plan);
    user.subscription = patch.subscription.unwrap_or(user.subscription);
    user.role = patch.role.unwrap_or(user.role);
    user.disabled = patch.disabled.unwrap_or(user.disabled);
    sqlx::query(
        "UPDATE users SET role = $2, plan = $3, subscription_status = $4, subscription_since = $5, disabled = $6 \
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(user.role.as_str())
    .bind(user.plan.as_str())
    .bind(user.subscription.status.as_str())
    .bind(user.subscription.since.0)
    .bind(user.disabled)
    .execute(&mut *connection)
    .await
    .map_err(fault)?;
    if administered && !is_administrator(&user) {
        let left: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND NOT disabled)")
                .fetch_one(connection)
                .await
                .map_err(fault)?;
        if !left {
            return Err(StoreError::InUse("this is the last administrator, and somebody has to be one"));
        }
    }
    Ok(user)
}

fn is_administrator(user: &User) -> bool {
    user.role == Role::Admin && !user.disabled
}

pub(super) async fn usage(store: &PostgresStore, id: UserId) -> Result<Usage, StoreError> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM webhooks WHERE user_id = u.id AND active AND NOT deleted), \
         (SELECT count(*) FROM broker_accounts WHERE user_id = u.id AND NOT deleted), \
         (SELECT count(*) FROM strategies WHERE user_id = u.id AND active AND NOT deleted) \
         FROM users u WHERE u.id = $1",
    )
    .bind(id.0)
    .fetch_one(&store.pool)
    .await
    .map_err(fault_or_missing)?;
    let mut columns = Columns::of(&row);
    Ok(Usage {
        active_webhooks: columns.number()?,
        broker_accounts: columns.number()?,
        active_strategies: columns.number()?,
    })
}
