//! Pages of lists, and what of a list's filter is the same for every engine.

use atomik_domain::{Code, DeliveryId, Fill, Order, Outcome, SignalId, WebhookId};
use atomik_ports::history::{Delivery, DeliveryFilter, Signal, SignalRecord, TradeFilter};
use atomik_ports::store::MAX_PAGE;
use atomik_ports::{Page, PageRequest, StoreError};

use crate::columns::{Cells, Columns};
use crate::rows::{read_ip, read_notes};

/// How many rows to ask for: one more than wanted tells whether there is a next page.
pub(crate) fn rows_wanted(page: PageRequest) -> i64 {
    i64::from(page.limit.clamp(1, MAX_PAGE)) + 1
}

/// Where to start: below this id.
pub(crate) fn below(page: PageRequest) -> i64 {
    page.before.unwrap_or(i64::MAX)
}

/// Makes a page of rows that were asked for with [`rows_wanted`].
pub(crate) fn paged<T>(mut items: Vec<T>, page: PageRequest, key: impl Fn(&T) -> i64) -> Page<T> {
    let limit = usize::try_from(rows_wanted(page) - 1).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(key) } else { None };
    Page { items, next }
}

/// Whether a signal is chosen by what its strategies made of it.
pub(crate) fn by_outcomes(filter: &TradeFilter) -> bool {
    filter.outcome.is_some()
        || filter.strategy_id.is_some()
        || filter.broker_account_id.is_some()
        || filter.symbol.is_some()
}

/// Where a filtered list starts: below this id, or above it where it is oldest first.
pub(crate) fn beyond(filter: &TradeFilter, page: PageRequest) -> i64 {
    let start = if filter.oldest_first { i64::MIN } else { i64::MAX };
    page.before.unwrap_or(start)
}

/// How ids compare to where a filtered list starts, and how they are ordered.
pub(crate) fn direction(filter: &TradeFilter) -> (&'static str, &'static str) {
    if filter.oldest_first { (">", "ASC") } else { ("<", "DESC") }
}

/// A row that starts with its key.
pub(crate) fn keyed<R: Cells, T>(
    columns: &mut Columns<'_, R>,
    read: impl Fn(&mut Columns<'_, R>) -> Result<T, StoreError>,
) -> Result<(i64, T), StoreError> {
    Ok((columns.get()?, read(columns)?))
}

pub(crate) fn without_keys<T>(page: Page<(i64, T)>) -> Page<T> {
    page.map(|(_, item)| item)
}

/// Signals, each with its own of all that came of them.
pub(crate) fn records(
    signals: Vec<Signal>,
    outcomes: &[Outcome],
    orders: &[Order],
    fills: &[(i64, Fill)],
) -> Vec<SignalRecord> {
    let record = |signal: Signal| SignalRecord {
        outcomes: outcomes.iter().filter(|outcome| outcome.signal_id == signal.id).cloned().collect(),
        orders: orders.iter().filter(|order| order.signal_id == signal.id).cloned().collect(),
        fills: fills.iter().filter(|(_, fill)| fill.signal_id == signal.id).cloned().collect(),
        signal,
    };
    signals.into_iter().map(record).collect()
}

/// Which of the other deliveries a filter takes: how their code compares to one that is to be bound, `None` for all codes.
/// `None` in all: none of them.
pub(crate) fn not_accepted(filter: DeliveryFilter) -> Option<Option<(&'static str, Code)>> {
    match filter {
        DeliveryFilter::All => Some(None),
        DeliveryFilter::Accepted | DeliveryFilter::Code(Code::Accepted) => None,
        DeliveryFilter::Refused => Some(Some(("<>", Code::Replayed))),
        DeliveryFilter::Replayed => Some(Some(("=", Code::Replayed))),
        DeliveryFilter::Code(code) => Some(Some(("=", code))),
    }
}

pub(crate) fn read_delivery<R: Cells>(columns: &mut Columns<'_, R>) -> Result<Delivery, StoreError> {
    let mut delivery = Delivery {
        id: DeliveryId(columns.get()?),
        webhook_id: WebhookId(columns.get()?),
        received_at: columns.time()?,
        duration_us: columns.get()?,
        remote_ip: read_ip(columns)?,
        status: columns.number()?,
        code: columns.word_by(Code::parse)?,
        detail: columns.get::<Option<String>>()?.unwrap_or_default(),
        payload: columns.get()?,
        signal_id: columns.get::<Option<i64>>()?.map(SignalId),
        suppressed: columns.number()?,
    };
    if delivery.detail.is_empty() {
        let mut detail = vec![delivery.code.meaning().to_owned()];
        detail.extend(read_notes(columns)?);
        delivery.detail = detail.join(" ");
    }
    Ok(delivery)
}
