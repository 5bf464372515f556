//! Activated strategies: what a webhook's signals do on one broker account.

use serde::{Deserialize, Serialize};

use crate::ids::{BrokerAccountId, StrategyId, UserId, WebhookId};
use crate::instrument::Symbol;
use crate::money::Qty;
use crate::order::spelled;
use crate::time::UnixMicros;

/// What an ENTRY against an open position does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOppositeEntry {
    /// Exit all of it, and stay flat.
    #[default]
    Exit,
    /// Exit all of it, wait for the fill, then enter the other way.
    Reverse,
}
spelled!(OnOppositeEntry { Exit = "exit", Reverse = "reverse" });

/// The part of a strategy that decides what a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behavior {
    /// How much one entry trades.
    pub quantity: Qty,
    /// The largest position, long or short.
    pub max_position: Qty,
    /// What an ENTRY against an open position does.
    pub on_opposite_entry: OnOppositeEntry,
    /// Whether a SELL without a comment opens a short when flat.
    pub bare_sell_opens_short: bool,
    /// How old a signal may be, in seconds, when its entry leaves.
    pub max_signal_age_s: u32,
}

/// The default of [`Behavior::max_signal_age_s`].
pub const DEFAULT_MAX_SIGNAL_AGE_S: u32 = 30;

/// An activated strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Its id.
    pub id: StrategyId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the trader calls it.
    pub name: String,
    /// Whose signals it runs.
    pub webhook_id: WebhookId,
    /// Where it trades.
    pub broker_account_id: BrokerAccountId,
    /// What it trades.
    pub symbol: Symbol,
    /// How it trades.
    pub behavior: Behavior,
    /// Whether it runs.
    pub active: bool,
    /// When it was made.
    pub created_at: UnixMicros,
}
