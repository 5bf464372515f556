//! Linked accounts at brokers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{BrokerAccountId, UserId};
use crate::order::spelled;
use crate::time::UnixMicros;

/// A broker's name in the catalogue: `paper`, `alpaca`, `binance`, ...
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerId(pub String);

impl fmt::Display for BrokerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which of a broker's worlds an account is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Simulated money.
    Paper,
    /// The broker's demonstration system.
    Demo,
    /// The broker's test network.
    Testnet,
    /// Real money.
    Live,
}
spelled!(Environment { Paper = "paper", Demo = "demo", Testnet = "testnet", Live = "live" });

/// A linked account. Its credentials are sealed and live elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAccount {
    /// Its id.
    pub id: BrokerAccountId,
    /// Whose it is.
    pub user_id: UserId,
    /// At which broker.
    pub broker: BrokerId,
    /// In which of its worlds.
    pub environment: Environment,
    /// What the trader calls it.
    pub label: String,
    /// Settings in the adapter's own shape; the adapter has checked them.
    pub settings: Value,
    /// When its credentials were last set; `None` where it has none.
    pub credentials_set_at: Option<UnixMicros>,
    /// When it was linked.
    pub created_at: UnixMicros,
}
