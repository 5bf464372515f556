//! `atomik explain`: what a payload means, from the rules alone.

use anyhow::{Context, anyhow, bail};
use atomik_domain::money::parse_decimal;
use atomik_domain::planner::{self, Situation, Working};
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{
    Alert, BrokerAccountId, Qty, SignedQty, Strategy, StrategyId, Symbol, UnixMicros, UserId, WebhookId,
};
use atomik_engine::explain::say;

use crate::cli::ExplainArgs;
use crate::{output, send};

/// Says what a payload would do.
///
/// # Errors
/// Where the payload or an option cannot be read.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let strategy = strategy(args)?;
    let lot_size = Qty(decimal(&args.lot_size, "the lot size")?);
    if lot_size <= Qty::ZERO {
        bail!("the lot size must be greater than 0");
    }
    let positions = match &args.position {
        Some(position) => vec![SignedQty(decimal(position, "the position")?)],
        None => {
            let held = strategy.behavior.max_position.0;
            vec![SignedQty::ZERO, SignedQty(held), SignedQty(-held)]
        }
    };
    let alert = Alert::parse(&send::read_payload(&args.payload)?)
        .map_err(|error| anyhow!("the server would refuse this with 422 {}: {error}", error.code()))?;
    for note in &alert.notes {
        output::line(format_args!("Note: {note}."))?;
    }
    for net_qty in positions {
        let situation = Situation {
            action: alert.action,
            intention: alert.intention,
            behavior: strategy.behavior,
            net_qty,
            kept: Qty::ZERO,
            working: Working::default(),
            explained: None,
            planned: None,
            lot_size,
        };
        output::line(say(&strategy, &situation, planner::decide(&situation)))?;
    }
    Ok(())
}

/// A strategy with these settings, that belongs to nobody.
fn strategy(args: &ExplainArgs) -> anyhow::Result<Strategy> {
    let quantity = Qty(decimal(&args.quantity, "the quantity")?);
    let max_position =
        args.max_position.as_deref().map(|text| decimal(text, "the largest position")).transpose()?;
    let max_position = max_position.map_or(quantity, Qty);
    if quantity <= Qty::ZERO || max_position <= Qty::ZERO {
        bail!("the quantity and the largest position must be greater than 0");
    }
    Ok(Strategy {
        id: StrategyId(0),
        user_id: UserId(0),
        name: "A strategy".to_owned(),
        webhook_id: WebhookId(0),
        broker_account_id: BrokerAccountId(0),
        symbol: Symbol::parse(&args.symbol)?,
        behavior: Behavior {
            quantity,
            max_position,
            on_opposite_entry: args.on_opposite_entry.parse().context("--on-opposite-entry")?,
            bare_sell_opens_short: args.bare_sell_opens_short,
            max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
        },
        active: true,
        created_at: UnixMicros::default(),
    })
}

/// Reads a number as the API does.
///
/// # Errors
/// Where it is none.
fn decimal(text: &str, what: &str) -> anyhow::Result<rust_decimal::Decimal> {
    parse_decimal(text.trim()).with_context(|| format!("{what} must be a plain number such as 2 or 0.5"))
}
