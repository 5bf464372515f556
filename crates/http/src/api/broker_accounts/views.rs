//! Broker accounts as the API shows them: never their credentials.

use atomik_domain::{BrokerAccount, Environment};
use atomik_engine::{AccountState, AccountStatus};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::AppState;
use crate::api::format::{AccountStateWord, EnvironmentWord, optional_time};

/// A linked account at a broker.
#[derive(Serialize, ToSchema)]
#[schema(as = BrokerAccount)]
pub struct BrokerAccountView {
    /// Its id.
    id: i64,
    /// At which broker.
    broker: String,
    /// In which of its worlds.
    #[schema(value_type = EnvironmentWord)]
    environment: Environment,
    /// What you call it.
    label: String,
    /// Its settings, in the broker's own shape, with defaults filled in.
    #[schema(value_type = Object)]
    settings: Value,
    /// How its connection and books stand.
    status: AccountStatusView,
    /// When its credentials were last set; null where it has none. The credentials themselves are never shown.
    #[schema(format = DateTime)]
    credentials_set_at: Option<String>,
    /// When it was linked.
    #[schema(format = DateTime)]
    created_at: String,
}

impl BrokerAccountView {
    /// The account, and how it stands now.
    pub fn of(account: BrokerAccount, state: &AppState) -> Self {
        Self {
            id: account.id.0,
            broker: account.broker.0,
            environment: account.environment,
            label: account.label,
            settings: account.settings,
            status: state.engine.account_status(account.id).into(),
            credentials_set_at: optional_time(account.credentials_set_at),
            created_at: account.created_at.to_rfc3339(),
        }
    }
}

/// How an account's connection and books stand.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountStatus)]
pub struct AccountStatusView {
    /// `ready` is well; `books_differ` denies entries in the symbols that differ; the others deny all entries.
    #[schema(value_type = AccountStateWord)]
    state: &'static str,
    /// A sentence; null when all is well.
    detail: Option<String>,
    /// When the books were last compared.
    #[schema(format = DateTime)]
    reconciled_at: Option<String>,
}

impl From<AccountStatus> for AccountStatusView {
    fn from(status: AccountStatus) -> Self {
        Self {
            state: AccountState::as_str(status.state),
            detail: status.detail,
            reconciled_at: optional_time(status.reconciled_at),
        }
    }
}
