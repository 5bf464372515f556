//! Rows of what users set up, as the domain knows them: what is selected, and how it is read. The same for every engine.

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::strategy::Behavior;
use atomik_domain::tier::Subscription;
use atomik_domain::webhook::PreviousSecret;
use atomik_domain::{
    ApiKeyId, BrokerAccount, BrokerAccountId, BrokerId, Halt, HaltId, HaltScope, SessionId, Strategy,
    StrategyId, User, UserId, Webhook, WebhookId,
};
use atomik_ports::StoreError;
use atomik_ports::directory::{ApiKey, Session};

use crate::columns::{Cells, Columns};

/// What reads a [`User`] (from a table named `u`).
macro_rules! user_columns {
    () => {
        "u.id, u.email, u.role, u.plan, u.subscription_status, u.subscription_since, u.disabled, u.created_at"
    };
}
pub(crate) use user_columns;

pub(crate) fn read_user<R: Cells>(columns: &mut Columns<'_, R>) -> Result<User, StoreError> {
    Ok(User {
        id: UserId(columns.get()?),
        email: columns.get()?,
        role: columns.word()?,
        plan: columns.word()?,
        subscription: Subscription { status: columns.word()?, since: columns.time()? },
        disabled: columns.flag()?,
        created_at: columns.time()?,
    })
}

macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.user_agent"
    };
}
pub(crate) use session_columns;

pub(crate) fn read_session<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Session, StoreError> {
    Ok(Session {
        id: SessionId(columns.get()?),
        user_id: UserId(columns.get()?),
        created_at: columns.time()?,
        last_used_at: columns.time()?,
        expires_at: columns.time()?,
        user_agent: columns.get()?,
    })
}

macro_rules! key_columns {
    () => {
        "k.id, k.user_id, k.name, k.created_at, k.last_used_at"
    };
}
pub(crate) use key_columns;

pub(crate) fn read_key<R: Cells>(columns: &mut Columns<'_, R>) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        id: ApiKeyId(columns.get()?),
        user_id: UserId(columns.get()?),
        name: columns.get()?,
        created_at: columns.time()?,
        last_used_at: columns.optional_time()?,
    })
}

/// What reads a [`Webhook`].
macro_rules! webhook_columns {
    () => {
        "id, user_id, name, description, token, secret_hash, previous_secret_hash, previous_secret_until, \
         require_secret, allowed_ips, active, dedupe_window_s, created_at"
    };
}
pub(crate) use webhook_columns;

pub(crate) fn read_webhook<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: WebhookId(columns.get()?),
        user_id: UserId(columns.get()?),
        name: columns.get()?,
        description: columns.get()?,
        token: columns.get()?,
        secret_hash: columns.bytes()?,
        previous_secret: match (columns.optional_bytes()?, columns.optional_time()?) {
            (Some(hash), Some(valid_until)) => Some(PreviousSecret { hash, valid_until }),
            _ => None,
        },
        require_secret: columns.flag()?,
        allowed_ips: columns.word_by(|list| IpAllowlist::parse(list).ok())?,
        active: columns.flag()?,
        dedupe_window_s: columns.number()?,
        created_at: columns.time()?,
    })
}

/// What reads a [`BrokerAccount`].
macro_rules! account_columns {
    () => {
        "id, user_id, broker, environment, label, settings, credentials_set_at, created_at"
    };
}
pub(crate) use account_columns;

pub(crate) fn read_account<R: Cells>(columns: &mut Columns<'_, R>) -> Result<BrokerAccount, StoreError> {
    Ok(BrokerAccount {
        id: BrokerAccountId(columns.get()?),
        user_id: UserId(columns.get()?),
        broker: BrokerId(columns.get()?),
        environment: columns.word()?,
        label: columns.get()?,
        settings: columns.word_by(|text| serde_json::from_str(text).ok())?,
        credentials_set_at: columns.optional_time()?,
        created_at: columns.time()?,
    })
}

/// What reads a [`Strategy`].
macro_rules! strategy_columns {
    () => {
        "id, user_id, name, webhook_id, broker_account_id, symbol, quantity, max_position, on_opposite_entry, \
         bare_sell_opens_short, max_signal_age_s, active, created_at"
    };
}
pub(crate) use strategy_columns;

pub(crate) fn read_strategy<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Strategy, StoreError> {
    Ok(Strategy {
        id: StrategyId(columns.get()?),
        user_id: UserId(columns.get()?),
        name: columns.get()?,
        webhook_id: WebhookId(columns.get()?),
        broker_account_id: BrokerAccountId(columns.get()?),
        symbol: columns.symbol()?,
        behavior: Behavior {
            quantity: columns.decimal()?,
            max_position: columns.decimal()?,
            on_opposite_entry: columns.word()?,
            bare_sell_opens_short: columns.flag()?,
            max_signal_age_s: columns.number()?,
        },
        active: columns.flag()?,
        created_at: columns.time()?,
    })
}

/// What reads a [`Halt`].
macro_rules! halt_columns {
    () => {
        "id, scope, target_id, mode, reason, user_id, created_at"
    };
}
pub(crate) use halt_columns;

pub(crate) fn read_halt<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Halt, StoreError> {
    let (id, scope, target_id): (i64, String, Option<i64>) = (columns.get()?, columns.get()?, columns.get()?);
    let scope = HaltScope::parse(&scope, target_id)
        .ok_or_else(|| StoreError::Corrupt(format!("halt {id} has the scope {scope}")))?;
    Ok(Halt {
        id: HaltId(id),
        scope,
        mode: columns.word()?,
        reason: columns.get()?,
        user_id: columns.get::<Option<i64>>()?.map(UserId),
        created_at: columns.time()?,
    })
}
