//! Signals as the API shows them.

use atomik_domain::{Action, Code, Outcome, OutcomeStatus};
use atomik_ports::history::SignalRecord;
use serde::Serialize;
use utoipa::ToSchema;

use super::timeline::{TimelineStep, timeline};
use crate::api::fills::FillView;
use crate::api::format::{ActionWord, CodeWord, OutcomeStatusWord, SignalSourceWord, optional_time};
use crate::api::orders::OrderView;

/// A signal with all that came of it.
#[derive(Serialize, ToSchema)]
#[schema(as = Signal)]
pub struct SignalView {
    /// Its id; ids rise in the order of acceptance.
    id: i64,
    /// The webhook.
    webhook_id: i64,
    /// What made it.
    #[schema(value_type = SignalSourceWord)]
    source: &'static str,
    /// When its first byte was seen.
    #[schema(format = DateTime)]
    received_at: String,
    /// When it was handed to the disk; its 202 followed when it was durable.
    #[schema(format = DateTime)]
    stored_at: String,
    /// Which way it points.
    #[schema(value_type = ActionWord)]
    action: Action,
    /// Its comment.
    comment: Option<String>,
    /// Its own price.
    price: Option<String>,
    /// Its own quantity. Strategies trade theirs.
    quantity: Option<String>,
    /// Its own symbol. Strategies trade theirs.
    symbol: Option<String>,
    /// What was read otherwise than it was written.
    notes: Vec<String>,
    /// The body with secrets masked.
    payload: String,
    /// The status of the strategy that most needs a look; `skipped` where no strategy was active.
    #[schema(value_type = OutcomeStatusWord)]
    status: OutcomeStatus,
    /// That strategy's code; `no_active_strategy` where none was.
    #[schema(value_type = CodeWord)]
    code: &'static str,
    /// That strategy's reason, in a sentence.
    reason: String,
    /// What came of it on each strategy that was active when it was accepted.
    strategies: Vec<StrategyOutcomeView>,
}

impl From<&SignalRecord> for SignalView {
    fn from(record: &SignalRecord) -> Self {
        let signal = &record.signal;
        let first = record.outcomes.iter().min_by_key(|outcome| outcome.status.urgency());
        let (status, code, reason) = first.map_or(
            (OutcomeStatus::Skipped, Code::NoActiveStrategy, Code::NoActiveStrategy.meaning()),
            |outcome| (outcome.status, outcome.code, outcome.detail.as_str()),
        );
        Self {
            id: signal.id.0,
            webhook_id: signal.webhook_id.0,
            source: signal.source.as_str(),
            received_at: signal.received_at.to_rfc3339(),
            stored_at: signal.stored_at.to_rfc3339(),
            action: signal.action,
            comment: signal.comment.clone(),
            price: signal.price.map(|price| price.to_string()),
            quantity: signal.quantity.map(|qty| qty.to_string()),
            symbol: signal.symbol.clone(),
            notes: signal.notes.clone(),
            payload: signal.payload.clone(),
            status,
            code: code.as_str(),
            reason: reason.to_owned(),
            strategies: record
                .outcomes
                .iter()
                .map(|outcome| StrategyOutcomeView::of(record, outcome))
                .collect(),
        }
    }
}

/// What came of a signal on one strategy.
#[derive(Serialize, ToSchema)]
#[schema(as = StrategyOutcome)]
struct StrategyOutcomeView {
    /// The strategy.
    strategy_id: i64,
    /// How it ended.
    #[schema(value_type = OutcomeStatusWord)]
    status: OutcomeStatus,
    /// Why.
    #[schema(value_type = CodeWord)]
    code: &'static str,
    /// Why, in a sentence.
    reason: String,
    /// When the strategy's rules were applied.
    #[schema(format = DateTime)]
    planned_at: Option<String>,
    /// When it became final.
    #[schema(format = DateTime)]
    settled_at: Option<String>,
    /// Its orders, in the order they were made.
    orders: Vec<OrderView>,
    /// Their fills, in the order they arrived.
    fills: Vec<FillView>,
    /// Every step with its time.
    timeline: Vec<TimelineStep>,
}

impl StrategyOutcomeView {
    fn of(record: &SignalRecord, outcome: &Outcome) -> Self {
        let strategy = outcome.strategy_id;
        let orders: Vec<_> = record.orders.iter().filter(|order| order.strategy_id == strategy).collect();
        let fills: Vec<_> = record.fills.iter().filter(|(_, fill)| fill.strategy_id == strategy).collect();
        Self {
            strategy_id: strategy.0,
            status: outcome.status,
            code: outcome.code.as_str(),
            reason: outcome.detail.clone(),
            planned_at: optional_time(outcome.planned_at),
            settled_at: optional_time(outcome.settled_at),
            timeline: timeline(&record.signal, outcome, &orders, &fills),
            orders: orders.into_iter().map(OrderView::from).collect(),
            fills: fills.into_iter().map(|(id, fill)| FillView::from((*id, fill))).collect(),
        }
    }
}
