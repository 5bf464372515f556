//! What became of one signal on one strategy.

use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::ids::{SignalId, StrategyId};
use crate::order::spelled;
use crate::time::UnixMicros;

/// How a signal ended on a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Still being worked on.
    Pending,
    /// Everything that was ordered filled.
    Filled,
    /// Part of what was ordered filled.
    PartlyFilled,
    /// The rules ask for no order.
    Skipped,
    /// We refused the order.
    Denied,
    /// The broker refused the order.
    Rejected,
    /// The order ended unfilled: too old, canceled, or its time in force ran out.
    Expired,
    /// Not proven; a person may have to look. Becomes final when the broker proves it.
    Unknown,
}
spelled!(OutcomeStatus {
    Pending = "pending",
    Filled = "filled",
    PartlyFilled = "partly_filled",
    Skipped = "skipped",
    Denied = "denied",
    Rejected = "rejected",
    Expired = "expired",
    Unknown = "unknown",
});

impl OutcomeStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Unknown)
    }

    /// What a signal with several strategies is shown as: the smallest of these. First what a person has to look at, then
    /// what is not over, then what went wrong, then what went well.
    #[must_use]
    pub const fn urgency(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Pending => 1,
            Self::Rejected => 2,
            Self::Denied => 3,
            Self::Expired => 4,
            Self::PartlyFilled => 5,
            Self::Filled => 6,
            Self::Skipped => 7,
        }
    }
}

/// The one record of what became of a signal on a strategy. UNIQUE per signal and strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The signal.
    pub signal_id: SignalId,
    /// The strategy.
    pub strategy_id: StrategyId,
    /// How it ended.
    pub status: OutcomeStatus,
    /// Why, as a code.
    pub code: Code,
    /// Why, in a sentence with this case's own numbers.
    pub detail: String,
    /// When the strategy's rules were applied.
    pub planned_at: Option<UnixMicros>,
    /// When it became final.
    pub settled_at: Option<UnixMicros>,
}
