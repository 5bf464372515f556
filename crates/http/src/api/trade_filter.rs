//! Which signals, orders, fills or positions a request asks for.

use std::fmt::Display;
use std::str::FromStr;

use atomik_domain::{BrokerAccountId, OrderStatus, OutcomeStatus, StrategyId, Symbol, UnixMicros, WebhookId};
use atomik_ports::history::TradeFilter;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::format::{OrderStatusWord, OutcomeStatusWord};
use crate::error::{ApiResult, FieldErrors};

/// Filters of signals, orders, fills and positions. Everything is read as text first, so that what is wrong is answered by its name.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TradeQuery {
    /// Only those of one strategy.
    #[param(value_type = Option<i64>)]
    strategy_id: Option<String>,
    /// Only those of one broker account.
    #[param(value_type = Option<i64>)]
    broker_account_id: Option<String>,
    /// Only those in one symbol, in any case.
    symbol: Option<String>,
    /// Only those not before this moment, RFC 3339.
    since: Option<String>,
    /// Only those before this moment, RFC 3339.
    until: Option<String>,
    /// Which come first: `newest` or `oldest`; `newest` where it is not given. A cursor goes on with the same order.
    #[param(value_type = Option<SortWord>)]
    sort: Option<String>,
}

/// Which rows of a list come first.
#[derive(ToSchema)]
#[schema(as = Sort, rename_all = "lowercase")]
#[allow(dead_code)] // describes what `read_sort` reads by hand
pub(crate) enum SortWord {
    Newest,
    Oldest,
}

/// Whether the oldest come first.
fn read_sort(text: &str) -> Result<bool, &'static str> {
    match text {
        "newest" => Ok(false),
        "oldest" => Ok(true),
        _ => Err("expected newest or oldest"),
    }
}

impl TradeQuery {
    /// The filter for the store.
    ///
    /// # Errors
    /// 422, naming every parameter that cannot be read.
    pub fn read(&self) -> ApiResult<TradeFilter> {
        self.read_and(|_, _| ())
    }

    fn read_and(&self, more: impl FnOnce(&mut TradeFilter, &mut FieldErrors)) -> ApiResult<TradeFilter> {
        let mut errors = FieldErrors::default();
        let mut filter = TradeFilter {
            strategy_id: read_id(&mut errors, "strategy_id", self.strategy_id.as_deref()).map(StrategyId),
            broker_account_id: read_id(&mut errors, "broker_account_id", self.broker_account_id.as_deref())
                .map(BrokerAccountId),
            symbol: read(&mut errors, "symbol", self.symbol.as_deref(), Symbol::parse),
            since: read(&mut errors, "since", self.since.as_deref(), read_time),
            until: read(&mut errors, "until", self.until.as_deref(), read_time),
            oldest_first: read(&mut errors, "sort", self.sort.as_deref(), read_sort).unwrap_or_default(),
            ..TradeFilter::default()
        };
        more(&mut filter, &mut errors);
        errors.into_result()?;
        Ok(filter)
    }
}

/// What orders can be filtered by besides.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatusQuery {
    /// Only those in one status.
    #[param(value_type = Option<OrderStatusWord>)]
    status: Option<String>,
}

impl StatusQuery {
    /// The filter for the store, together with `trade`.
    ///
    /// # Errors
    /// 422, naming every parameter that cannot be read.
    pub fn read_with(&self, trade: &TradeQuery) -> ApiResult<TradeFilter> {
        trade.read_and(|filter, errors| {
            filter.status = read(errors, "status", self.status.as_deref(), OrderStatus::from_str);
        })
    }
}

/// What positions can be filtered by besides.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OpenQuery {
    /// `true` leaves out those that are flat.
    #[param(value_type = Option<bool>)]
    open: Option<String>,
}

impl OpenQuery {
    /// The filter for the store, together with `trade`.
    ///
    /// # Errors
    /// 422, naming every parameter that cannot be read.
    pub fn read_with(&self, trade: &TradeQuery) -> ApiResult<TradeFilter> {
        trade.read_and(|filter, errors| {
            let expected = |text: &str| text.parse::<bool>().map_err(|_| "expected true or false");
            filter.open = read(errors, "open", self.open.as_deref(), expected).unwrap_or_default();
        })
    }
}

/// What strategies can be filtered by.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WebhookQuery {
    /// Only those of one webhook.
    #[param(value_type = Option<i64>)]
    webhook_id: Option<String>,
}

impl WebhookQuery {
    /// The webhook, or a note of why it cannot be read.
    pub fn read_into(&self, errors: &mut FieldErrors) -> Option<WebhookId> {
        read_id(errors, "webhook_id", self.webhook_id.as_deref()).map(WebhookId)
    }
}

/// What signals can be filtered by besides.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SignalQuery {
    /// Only those of one webhook.
    #[param(value_type = Option<i64>)]
    webhook_id: Option<String>,
    /// Only those whose own `status` is this. Where signals are chosen by this, a strategy, an account or a symbol, one
    /// answer goes back a bounded way: a page may have fewer rows than `limit`, none even, and still have a `next_cursor`
    /// to go on with.
    #[param(value_type = Option<OutcomeStatusWord>)]
    status: Option<String>,
}

impl SignalQuery {
    /// The filter for the store, together with `trade`.
    ///
    /// # Errors
    /// 422, naming every parameter that cannot be read.
    pub fn read_with(&self, trade: &TradeQuery) -> ApiResult<TradeFilter> {
        trade.read_and(|filter, errors| {
            filter.webhook_id = read_id(errors, "webhook_id", self.webhook_id.as_deref()).map(WebhookId);
            filter.outcome = read(errors, "status", self.status.as_deref(), OutcomeStatus::from_str);
        })
    }
}

/// Reads a parameter where it is given.
pub(super) fn read<T, E: Display>(
    errors: &mut FieldErrors,
    name: &str,
    text: Option<&str>,
    reader: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    text.and_then(|text| errors.take(name, reader(text)))
}

/// Reads an id where it is given.
pub(super) fn read_id(errors: &mut FieldErrors, name: &str, text: Option<&str>) -> Option<i64> {
    read(errors, name, text, |text| text.parse().map_err(|_| "expected a whole number"))
}

/// A moment in a parameter.
///
/// # Errors
/// What is expected, where the text is no RFC 3339 time.
pub(super) fn read_time(text: &str) -> Result<UnixMicros, &'static str> {
    UnixMicros::parse_rfc3339(text).ok_or("expected a time such as 2026-03-20T12:34:56Z")
}
