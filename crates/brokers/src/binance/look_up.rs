//! What became of an order: asked where orders live, then where conditional ones do, with every execution.

use std::time::Duration;

use atomik_domain::order::Execution;
use atomik_domain::{ClientOrderId, ExecutionReport, Symbol};
use atomik_ports::broker::LookUp;

use super::client::Client;
use super::orders::{ALGO_PATH, order_path};
use super::refusal::{Failure, NO_SUCH_ORDER};
use super::replies::{AlgoOrder, Order, Trade};
use super::reports::{of_algo, of_order_with, of_trade};
use super::settings::Market;
use super::signing::Params;
use crate::wire::decimal::sum;

/// The most executions that one answer holds.
const PAGE: usize = 1_000;
/// The most pages of executions of one order.
const MAX_PAGES: usize = 50;
/// How often an order and its executions are asked for until they agree.
const ATTEMPTS: u32 = 4;
/// How long to wait between: the list of executions follows the order within a moment.
const PAUSE: Duration = Duration::from_millis(150);
/// The longest span that futures list executions of.
const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// An order as it is asked for.
pub(super) enum Named<'a> {
    /// By our name.
    Client(ClientOrderId),
    /// By the venue's.
    Venue(&'a str),
}

/// Looks an order up.
pub(super) async fn look_up(client: &Client, symbol: &Symbol, id: ClientOrderId) -> LookUp {
    match find(client, symbol, id).await {
        Ok(Some(report)) => LookUp::Found(report),
        Ok(None) => LookUp::NotFound,
        Err(evidence) => LookUp::Unavailable { evidence },
    }
}

async fn find(
    client: &Client,
    symbol: &Symbol,
    id: ClientOrderId,
) -> Result<Option<ExecutionReport>, String> {
    if let Some(report) = with_executions(client, symbol, id, &Named::Client(id)).await? {
        return Ok(Some(report));
    }
    if client.market == Market::Spot {
        return Ok(None);
    }
    let Some(algo) = algo_order(client, id).await? else { return Ok(None) };
    match algo.actual_order_id.as_deref().filter(|order_id| !order_id.is_empty()) {
        None => of_algo(id, &algo).map(Some),
        Some(order_id) => {
            let report = with_executions(client, symbol, id, &Named::Venue(order_id)).await?;
            let report = report.ok_or_else(|| format!("the triggered order {order_id} does not show yet"))?;
            Ok(Some(report))
        }
    }
}

/// The conditional order by our name; `None` where there is none.
pub(super) async fn algo_order(client: &Client, id: ClientOrderId) -> Result<Option<AlgoOrder>, String> {
    let params = Params::default().with("clientAlgoId", id);
    found(client.ask_signed(ALGO_PATH, &params).await)
}

/// An order and its executions, once they agree.
pub(super) async fn with_executions(
    client: &Client,
    symbol: &Symbol,
    id: ClientOrderId,
    named: &Named<'_>,
) -> Result<Option<ExecutionReport>, String> {
    let params = Params::default().with("symbol", symbol);
    let params = match named {
        Named::Client(id) => params.with("origClientOrderId", id),
        Named::Venue(order_id) => params.with("orderId", order_id),
    };
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let order: Option<Order> = found(client.ask_signed(order_path(client.market), &params).await)?;
        let Some(order) = order else { return Ok(None) };
        let executions = if order.executed_qty.0.is_zero() {
            Vec::new()
        } else {
            executions(client, symbol, &order).await?
        };
        let listed = sum(executions.iter().map(|execution| execution.last_qty.0));
        if listed == order.executed_qty.0 {
            return of_order_with(id, &order, executions).map(Some);
        }
    }
    Err("the order's executions are not all listed yet".to_owned())
}

/// All executions of an order that the venue lists.
async fn executions(client: &Client, symbol: &Symbol, order: &Order) -> Result<Vec<Execution>, String> {
    let params = Params::default().with("symbol", symbol).with("orderId", order.order_id);
    let began = order.time.unwrap_or_default();
    let is_old = client.market == Market::Usdm && client.venue_now().saturating_sub(began) > WEEK_MS;
    if !is_old {
        return pages(client, order.order_id, &params).await;
    }
    // Futures list the last week by themselves; what is older is asked for week by week.
    let ended = order.update_time.unwrap_or(began);
    let (mut all, mut from) = (Vec::new(), began);
    while from <= ended {
        let to = from.saturating_add(WEEK_MS - 1);
        let span = params.clone().with("startTime", from).with("endTime", to);
        all.extend(pages(client, order.order_id, &span).await?);
        from = to.saturating_add(1);
    }
    Ok(all)
}

async fn pages(client: &Client, order_id: u64, params: &Params) -> Result<Vec<Execution>, String> {
    let path = client.path("/api/v3/myTrades", "/fapi/v1/userTrades");
    let (mut all, mut from_id): (Vec<Execution>, Option<i64>) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let params = params.clone().with_some("fromId", from_id).with("limit", PAGE);
        let trades: Vec<Trade> = client.ask_signed(path, &params).await.map_err(Failure::evidence)?;
        let ours = trades.iter().filter(|trade| trade.order_id == order_id);
        all.extend(ours.map(of_trade));
        match trades.iter().map(|trade| trade.id).max() {
            Some(last) if trades.len() >= PAGE => from_id = Some(last.saturating_add(1)),
            _ => return Ok(all),
        }
    }
    Err(format!("the order has more than {} executions", MAX_PAGES * PAGE))
}

fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, String> {
    match answer {
        Ok(order) => Ok(Some(order)),
        Err(Failure::Refused(refusal)) if refusal.code == NO_SUCH_ORDER => Ok(None),
        Err(failure) => Err(failure.evidence()),
    }
}
