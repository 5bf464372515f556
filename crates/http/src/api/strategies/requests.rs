//! What may be said about a strategy, and whether it makes sense.

use std::str::FromStr;

use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{BrokerAccountId, OnOppositeEntry, Qty, Symbol, WebhookId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::format::{DecimalText, OnOppositeEntryWord, check_name};
use crate::error::FieldErrors;

/// The oldest that a signal may be allowed to be, in seconds.
const MAX_SIGNAL_AGE_S: u32 = 3_600;

/// A strategy to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateStrategy {
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whose signals it runs.
    webhook_id: i64,
    /// Where it trades.
    broker_account_id: i64,
    /// What it trades, in the broker's spelling, in any case.
    #[schema(example = "ES")]
    symbol: String,
    /// How much one entry trades: above zero, a multiple of the instrument's lot size.
    quantity: DecimalText,
    /// The largest position, long or short, at least `quantity`. Default: `quantity`, so that nothing is added to a
    /// position.
    max_position: Option<DecimalText>,
    /// What an ENTRY against an open position does. Default `exit`.
    #[schema(value_type = Option<OnOppositeEntryWord>)]
    on_opposite_entry: Option<String>,
    /// Whether a SELL without a comment opens a short when flat. Default false.
    bare_sell_opens_short: Option<bool>,
    /// How old a signal may be, in seconds, when its entry leaves: 1 to 3600. Default 30.
    #[schema(minimum = 1, maximum = 3600)]
    max_signal_age_s: Option<u32>,
    /// Whether it runs. Default true.
    active: Option<bool>,
}

/// What changes of a strategy. Fields that are left out stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateStrategy {
    /// What you call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Whose signals it runs.
    webhook_id: Option<i64>,
    /// How much one entry trades: above zero, a multiple of the instrument's lot size.
    quantity: Option<DecimalText>,
    /// The largest position, long or short, at least `quantity`.
    max_position: Option<DecimalText>,
    /// What an ENTRY against an open position does.
    #[schema(value_type = Option<OnOppositeEntryWord>)]
    on_opposite_entry: Option<String>,
    /// Whether a SELL without a comment opens a short when flat.
    bare_sell_opens_short: Option<bool>,
    /// How old a signal may be, in seconds, when its entry leaves: 1 to 3600.
    #[schema(minimum = 1, maximum = 3600)]
    max_signal_age_s: Option<u32>,
    /// Whether it runs.
    active: Option<bool>,
}

/// A strategy's particulars, checked.
pub struct CheckedStrategy {
    /// What the trader calls it.
    pub name: String,
    /// What it trades.
    pub symbol: Symbol,
    /// How it trades.
    pub behavior: Behavior,
    /// Whether it runs.
    pub active: bool,
}

impl CreateStrategy {
    /// The particulars, with defaults for what was not said; `None` where `errors` says why not.
    pub fn check(&self, errors: &mut FieldErrors) -> Option<CheckedStrategy> {
        let name = check_name(&self.name, "name", errors);
        let symbol = errors.take("symbol", Symbol::parse(&self.symbol));
        let quantity = self.quantity.positive("quantity", errors).map(Qty);
        let max_position = match &self.max_position {
            Some(text) => text.positive("max_position", errors).map(Qty),
            None => quantity,
        };
        let on_opposite_entry = read_opposite(self.on_opposite_entry.as_deref(), errors);
        let behavior = Behavior {
            quantity: quantity?,
            max_position: max_position?,
            on_opposite_entry: on_opposite_entry.unwrap_or_default(),
            bare_sell_opens_short: self.bare_sell_opens_short.unwrap_or(false),
            max_signal_age_s: self.max_signal_age_s.unwrap_or(DEFAULT_MAX_SIGNAL_AGE_S),
        };
        check_bounds(&behavior, errors);
        Some(CheckedStrategy { name, symbol: symbol?, behavior, active: self.active.unwrap_or(true) })
    }

    /// Whose signals it runs.
    pub const fn webhook(&self) -> WebhookId {
        WebhookId(self.webhook_id)
    }

    /// Where it trades.
    pub const fn broker_account(&self) -> BrokerAccountId {
        BrokerAccountId(self.broker_account_id)
    }
}

impl UpdateStrategy {
    /// The new name, where there is one.
    pub fn check_name(&self, errors: &mut FieldErrors) -> Option<String> {
        self.name.as_deref().map(|name| check_name(name, "name", errors))
    }

    /// The behavior with the changes in it; `None` where nothing of it changes, or `errors` says what is wrong.
    pub fn check_behavior(&self, before: &Behavior, errors: &mut FieldErrors) -> Option<Behavior> {
        let quantity = match &self.quantity {
            Some(text) => text.positive("quantity", errors).map(Qty),
            None => Some(before.quantity),
        };
        let max_position = match &self.max_position {
            Some(text) => text.positive("max_position", errors).map(Qty),
            // A limit that was the quantity was the default's doing, and goes on being the quantity.
            None if before.max_position == before.quantity => quantity,
            None => Some(before.max_position),
        };
        let on_opposite_entry = read_opposite(self.on_opposite_entry.as_deref(), errors);
        let behavior = Behavior {
            quantity: quantity?,
            max_position: max_position?,
            on_opposite_entry: on_opposite_entry.unwrap_or(before.on_opposite_entry),
            bare_sell_opens_short: self.bare_sell_opens_short.unwrap_or(before.bare_sell_opens_short),
            max_signal_age_s: self.max_signal_age_s.unwrap_or(before.max_signal_age_s),
        };
        check_bounds(&behavior, errors);
        (behavior != *before).then_some(behavior)
    }

    /// Whose signals it runs from now on.
    pub fn webhook(&self) -> Option<WebhookId> {
        self.webhook_id.map(WebhookId)
    }

    /// Whether it runs from now on.
    pub const fn active(&self) -> Option<bool> {
        self.active
    }
}

fn read_opposite(text: Option<&str>, errors: &mut FieldErrors) -> Option<OnOppositeEntry> {
    errors.take("on_opposite_entry", OnOppositeEntry::from_str(text?))
}

fn check_bounds(behavior: &Behavior, errors: &mut FieldErrors) {
    let fits = behavior.max_position >= behavior.quantity;
    let quantity = behavior.quantity;
    errors.check(fits, "max_position", format!("must be at least the quantity, {quantity}"));
    let fits = (1..=MAX_SIGNAL_AGE_S).contains(&behavior.max_signal_age_s);
    errors.check(fits, "max_signal_age_s", format!("must be 1 to {MAX_SIGNAL_AGE_S} seconds"));
}
