//! Halts: standing orders not to trade.

use serde::{Deserialize, Serialize};

use crate::ids::{BrokerAccountId, HaltId, StrategyId, UserId};
use crate::order::spelled;
use crate::time::UnixMicros;

/// What a halt stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HaltScope {
    /// Everything.
    System,
    /// One broker account.
    Account(BrokerAccountId),
    /// One strategy.
    Strategy(StrategyId),
}

impl HaltScope {
    /// The scope's word in the API: `system`, `account`, `strategy`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Account(_) => "account",
            Self::Strategy(_) => "strategy",
        }
    }

    /// The id of what it stops; `None` for the whole system.
    #[must_use]
    pub const fn target_id(&self) -> Option<i64> {
        match self {
            Self::System => None,
            Self::Account(id) => Some(id.0),
            Self::Strategy(id) => Some(id.0),
        }
    }

    /// The scope of an API word and id; `None` where they do not fit together.
    #[must_use]
    pub fn parse(word: &str, target_id: Option<i64>) -> Option<Self> {
        match (word, target_id) {
            ("system", None) => Some(Self::System),
            ("account", Some(id)) => Some(Self::Account(BrokerAccountId(id))),
            ("strategy", Some(id)) => Some(Self::Strategy(StrategyId(id))),
            _ => None,
        }
    }

    /// Whether an order of this account and strategy falls under it.
    #[must_use]
    pub fn covers(&self, account: BrokerAccountId, strategy: StrategyId) -> bool {
        match *self {
            Self::System => true,
            Self::Account(id) => id == account,
            Self::Strategy(id) => id == strategy,
        }
    }
}

/// How much a halt stops. Ordered: `All` is the stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HaltMode {
    /// Nothing that opens or grows a position; exits run.
    Entries,
    /// Nothing at all: frozen.
    All,
}
spelled!(HaltMode { Entries = "entries", All = "all" });

/// A halt. It stands until a person lifts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Its id.
    pub id: HaltId,
    /// What it stops.
    pub scope: HaltScope,
    /// How much it stops.
    pub mode: HaltMode,
    /// Why, in a person's words or the system's.
    pub reason: String,
    /// Who asked for it; `None` where the system did, or the command line.
    pub user_id: Option<UserId>,
    /// Since when.
    pub created_at: UnixMicros,
}
