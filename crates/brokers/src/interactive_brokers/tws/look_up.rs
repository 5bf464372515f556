//! An order put together from what TWS lists: open orders, completed ones, executions.

use std::collections::BTreeMap;
use std::sync::Arc;

use atomik_domain::{ClientOrderId, ExecutionReport, Qty};
use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use ibapi::orders::{CommissionReport, ExecutionData, OrderData, OrderStatusKind};
use rust_decimal::Decimal;
use time_tz::Tz;
use tokio::time::Instant;

use super::book::{self, Picture};
use super::session::{OrderList, Session};
use super::stream::{self, COMMISSION_PATIENCE};
use super::{exact, executions, orders};

/// Looks an order up; `None` where TWS has it in no list.
///
/// Open orders are asked for before completed ones, so that an order which ends meanwhile is in one of the two; executions
/// come last, so that they are never behind a status.
pub(super) async fn look_up(
    session: &Session,
    id: ClientOrderId,
    clock: &Arc<dyn Clock>,
    zone: Option<&'static Tz>,
) -> Result<Option<ExecutionReport>, BrokerError> {
    let is_ours = |order: &&OrderData| {
        order.order.account == session.account && orders::reference(&order.order.order_ref) == Some(id)
    };
    let open = session.open_orders().await?;
    let mut picture = open.orders.iter().rfind(is_ours).map(|order| open_picture(order, &open));
    let completed = session.completed_orders().await?;
    if let Some(order) = completed.iter().rfind(is_ours) {
        picture = Some(completed_picture(order));
    }
    let (told, commissions) = session.executions().await?;
    let told: Vec<_> = told
        .iter()
        .filter(|told| told.execution.account_number == session.account)
        .filter(|told| orders::reference(&told.execution.order_reference) == Some(id))
        .collect();
    if picture.is_none() && told.is_empty() {
        return Ok(None);
    }
    let mut picture = picture.unwrap_or_else(|| unlisted_picture(session, id));
    for told in told {
        add(&mut picture, told, clock, zone)?;
    }
    let costs = costs(session, &picture, &commissions).await;
    let executions = picture
        .trades
        .iter()
        .map(|(name, trade)| book::execution(name, trade, costs.get(name).copied().unwrap_or_default()));
    Ok(Some(picture.report(id, executions.collect())))
}

fn add(
    picture: &mut Picture,
    told: &ExecutionData,
    clock: &Arc<dyn Clock>,
    zone: Option<&'static Tz>,
) -> Result<(), BrokerError> {
    let unreadable = || {
        let id = &told.execution.execution_id;
        BrokerError::Unavailable(format!("the execution {id} has a quantity or a price that is no number"))
    };
    picture.trade(stream::trade(told, &**clock, zone).ok_or_else(unreadable)?);
    if picture.perm_id == 0 {
        picture.perm_id = told.execution.perm_id;
    }
    Ok(())
}

/// An open order, with the status that was told with it.
fn open_picture(order: &OrderData, list: &OrderList) -> Picture {
    let status = list.statuses.iter().rfind(|status| status.perm_id == order.order.perm_id);
    let filled = status.and_then(|status| exact::decimal(status.filled)).unwrap_or_default();
    let kind = status.map_or(&order.order_state.status, |status| &status.status);
    let rejection = order.order_state.reject_reason.as_str();
    Picture {
        perm_id: order.order.perm_id,
        kind: kind.clone(),
        filled: Qty(filled),
        trades: BTreeMap::new(),
        refused: !rejection.is_empty(),
        reason: (!rejection.is_empty()).then(|| rejection.to_owned()),
    }
}

/// A completed order. It is over, whatever it is called: a word nobody knows stays one, and `Inactive` is a rejection.
fn completed_picture(order: &OrderData) -> Picture {
    let state = &order.order_state;
    let reason = [&state.reject_reason, &state.completed_status].into_iter().find(|text| !text.is_empty());
    Picture {
        perm_id: order.order.perm_id,
        kind: state.status.clone(),
        filled: Qty(exact::decimal(order.order.filled_quantity).unwrap_or_default()),
        trades: BTreeMap::new(),
        refused: !state.reject_reason.is_empty() || state.status == OrderStatusKind::Inactive,
        reason: reason.cloned(),
    }
}

/// An order that shows in its executions only: as the stream told it, or else as one that goes on.
fn unlisted_picture(session: &Session, id: ClientOrderId) -> Picture {
    let told = session.book.standing(id);
    let kind = told.map_or(OrderStatusKind::Submitted, |told| told.kind);
    Picture { kind, ..Picture::default() }
}

/// What each trade cost, by its name. What TWS has not yet told is waited for, for a while.
async fn costs(session: &Session, picture: &Picture, told: &[CommissionReport]) -> BTreeMap<String, Decimal> {
    let told: BTreeMap<_, _> = told
        .iter()
        .filter_map(|report| {
            Some((executions::trade_of(&report.execution_id).to_owned(), exact::decimal(report.commission)?))
        })
        .collect();
    let deadline = Instant::now() + COMMISSION_PATIENCE;
    let mut changes = session.book.watch();
    loop {
        let known = |name: &String, execution_id: &str| {
            session.book.commission(execution_id).or_else(|| told.get(name).copied())
        };
        let costs: BTreeMap<_, _> = picture
            .trades
            .iter()
            .filter_map(|(name, trade)| Some((name.clone(), known(name, &trade.execution_id)?)))
            .collect();
        let is_over = costs.len() == picture.trades.len() || session.book.ended().is_some();
        if is_over || tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
            return costs;
        }
    }
}
