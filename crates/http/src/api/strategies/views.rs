//! Strategies as the API shows them.

use atomik_domain::{Instrument, OnOppositeEntry, Position, PositionSide, Strategy};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::format::{OnOppositeEntryWord, PositionSideWord};
use crate::api::instruments::InstrumentView;

/// A strategy: what a webhook's signals do on one broker account.
#[derive(Serialize, ToSchema)]
#[schema(as = Strategy)]
pub struct StrategyView {
    /// Its id.
    id: i64,
    /// What you call it.
    name: String,
    /// Whose signals it runs.
    webhook_id: i64,
    /// Where it trades.
    broker_account_id: i64,
    /// What it trades.
    symbol: String,
    /// How much one entry trades.
    quantity: String,
    /// The largest position, long or short.
    max_position: String,
    /// What an ENTRY against an open position does.
    #[schema(value_type = OnOppositeEntryWord)]
    on_opposite_entry: OnOppositeEntry,
    /// Whether a SELL without a comment opens a short when flat.
    bare_sell_opens_short: bool,
    /// How old a signal may be, in seconds, when its entry leaves.
    max_signal_age_s: u32,
    /// Whether it runs.
    active: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<&Strategy> for StrategyView {
    fn from(strategy: &Strategy) -> Self {
        let behavior = &strategy.behavior;
        Self {
            id: strategy.id.0,
            name: strategy.name.clone(),
            webhook_id: strategy.webhook_id.0,
            broker_account_id: strategy.broker_account_id.0,
            symbol: strategy.symbol.to_string(),
            quantity: behavior.quantity.to_string(),
            max_position: behavior.max_position.to_string(),
            on_opposite_entry: behavior.on_opposite_entry,
            bare_sell_opens_short: behavior.bare_sell_opens_short,
            max_signal_age_s: behavior.max_signal_age_s,
            active: strategy.active,
            created_at: strategy.created_at.to_rfc3339(),
        }
    }
}

/// A strategy with its position and the rules of what it trades.
#[derive(Serialize, ToSchema)]
pub struct StrategyDetail {
    /// The strategy.
    #[serde(flatten)]
    strategy: StrategyView,
    /// What it holds, from its own fills.
    position: StrategyPosition,
    /// The rules of its symbol; null where the broker cannot be asked now.
    instrument: Option<InstrumentView>,
    /// What a trader should know about its settings, in sentences.
    warnings: Vec<String>,
}

/// What a strategy holds.
#[derive(Serialize, ToSchema)]
struct StrategyPosition {
    /// Which way it points.
    #[schema(value_type = PositionSideWord)]
    side: PositionSide,
    /// How much: positive is long, negative is short.
    net_qty: String,
    /// The average price of what is held; 0 when flat.
    avg_price: String,
}

impl StrategyDetail {
    /// The strategy with its position and, where the broker could be asked, its instrument.
    pub fn of(strategy: &Strategy, position: &Position, instrument: Option<Instrument>) -> Self {
        let unknown = instrument.as_ref().is_some_and(|instrument| !instrument.known);
        let warning = unknown.then(|| {
            let symbol = &strategy.symbol;
            format!("The broker does not know {symbol}: default rules apply to its prices and quantities.")
        });
        Self {
            strategy: StrategyView::from(strategy),
            position: StrategyPosition {
                side: position.side(),
                net_qty: position.net_qty.to_string(),
                avg_price: position.avg_price.to_string(),
            },
            instrument: instrument.map(InstrumentView::from),
            warnings: warning.into_iter().collect(),
        }
    }
}
