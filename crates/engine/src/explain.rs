//! What would each strategy do about a payload now? Trades nothing.

use atomik_domain::alert::Action;
use atomik_domain::{BrokerAccountId, Code, Qty, Side, SignedQty, StrategyId, Symbol};

/// What a payload means and what would come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the receiver would take the payload.
    pub valid: bool,
    /// Why not: the refusal's code.
    pub code: Option<Code>,
    /// The action.
    pub action: Option<Action>,
    /// The comment, as read.
    pub comment: Option<String>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// All of it in one English sentence (or a few, one a strategy).
    pub sentence: String,
    /// What each active strategy would do.
    pub strategies: Vec<StrategyExplanation>,
}

/// What one strategy would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategyExplanation {
    /// The strategy.
    pub strategy_id: StrategyId,
    /// Its name.
    pub name: String,
    /// Where it trades.
    pub broker_account_id: BrokerAccountId,
    /// What it trades.
    pub symbol: Symbol,
    /// Its position now.
    pub net_qty: SignedQty,
    /// `enter`, `exit`, `reverse`, `skip` or `deny`.
    pub decision: &'static str,
    /// The order's side.
    pub side: Option<Side>,
    /// The (first) order's quantity.
    pub order_qty: Option<Qty>,
    /// Why nothing would be ordered.
    pub code: Option<Code>,
    /// All of it in one English sentence.
    pub sentence: String,
}
