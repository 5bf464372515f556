//! One connection to TWS: its questions, one list at a time, and its orders' ids.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_domain::{OrderRequest, Symbol};
use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use futures::{Stream, StreamExt};
use ibapi::accounts::types::AccountGroup;
use ibapi::accounts::{AccountSummary, AccountSummaryResult, Position, PositionUpdate};
use ibapi::contracts::ContractDetails;
use ibapi::orders::{CommissionReport, ExecutionData, ExecutionFilter, Executions, Order, OrderData, Orders};
use ibapi::subscriptions::SubscriptionItem;
use ibapi::{Client, Error};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::book::Book;
use super::contracts::{self, Asked};
use super::{codes, orders};
use crate::wire::{Budget, WirePolicy};

/// The balance's figures.
pub(super) const SUMMARY_TAGS: &[&str] = &["TotalCashValue", "NetLiquidation", "BuyingPower"];
/// How many days of executions are asked for. IB Gateway keeps one, TWS up to seven.
const EXECUTION_DAYS: i32 = 7;
/// How long a root's contract stands before the positions are looked at again.
const ROOT_STANDS_FOR: Duration = Duration::from_secs(30);
/// How long a list of contracts stands.
const CONTRACTS_STAND_FOR: Duration = Duration::from_secs(6 * 3_600);

const NO_CONNECTION: &str = "there is no connection to TWS";

/// An order row, open or completed, with the status that came with it.
#[derive(Debug, Default)]
pub(super) struct OrderList {
    pub orders: Vec<OrderData>,
    pub statuses: Vec<ibapi::orders::OrderStatus>,
}

/// A symbol's contracts, and the one chosen of them.
#[derive(Clone, Debug)]
struct Resolved {
    asked: Asked,
    contracts: Vec<ContractDetails>,
    at: Instant,
    chosen: Option<(i32, String, Instant)>,
}

/// One connection.
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) book: Arc<Book>,
    pub(super) account: String,
    pub(super) policy: WirePolicy,
    pub(super) budget: Budget,
    clock: Arc<dyn Clock>,
    roll_days: u32,
    /// Held while a list without a request id is asked for.
    lists: tokio::sync::Mutex<()>,
    /// The next order id; held while an order is written.
    next_order_id: tokio::sync::Mutex<i32>,
    resolved: Mutex<HashMap<Symbol, Resolved>>,
    tasks: Vec<AbortHandle>,
}

/// What became of a write.
pub(super) enum Written {
    /// It left.
    Yes,
    /// The order was sent before.
    Before,
    /// No byte left.
    No(String),
    /// It cannot be sent at all.
    Never(String),
    /// It may have left.
    Perhaps(String),
}

/// What a session is made of.
pub(super) struct Parts {
    pub client: Arc<Client>,
    pub book: Arc<Book>,
    pub account: String,
    pub policy: WirePolicy,
    pub clock: Arc<dyn Clock>,
    pub roll_days: u32,
    pub tasks: Vec<AbortHandle>,
}

impl Session {
    pub(super) fn new(parts: Parts) -> Self {
        let next_order_id = tokio::sync::Mutex::new(parts.client.next_order_id());
        Self {
            client: parts.client,
            book: parts.book,
            account: parts.account,
            policy: parts.policy,
            budget: Budget::new(super::connector::ORDERS_PER_SECOND, Duration::from_secs(1)),
            clock: parts.clock,
            roll_days: parts.roll_days,
            lists: tokio::sync::Mutex::default(),
            next_order_id,
            resolved: Mutex::default(),
            tasks: parts.tasks,
        }
    }

    /// Fails where nothing can be asked.
    fn ready(&self) -> Result<(), BrokerError> {
        self.book.hindrance().map_or(Ok(()), |why| Err(BrokerError::Unavailable(why)))
    }

    /// A list that did not come whole: what is left of it would be taken for the next one.
    fn lost_list(&self, what: &str, error: &Error) -> BrokerError {
        if self.book.hindrance().as_deref() == Some(codes::READ_ONLY) {
            return BrokerError::Unauthorized(codes::READ_ONLY.to_owned());
        }
        let why = format!("the list of {what} did not come whole: {error}");
        self.book.condemn(&why);
        match unavailable(error) {
            BrokerError::Unavailable(_) => BrokerError::Unavailable(why),
            other => other,
        }
    }

    /// Every open order, of whatever client.
    pub(super) async fn open_orders(&self) -> Result<OrderList, BrokerError> {
        self.ready()?;
        let _turn = self.lists.lock().await;
        let within = self.policy.answer_timeout;
        let asked = tokio::time::timeout(within, self.client.all_open_orders()).await;
        let rows = async { asked.map_err(|_| Error::Timeout)??.collect_to_end_within(within).await };
        let list = order_list(rows.await.map_err(|error| self.lost_list("open orders", &error))?);
        // TWS wants later ids to be above every id it has told of.
        let highest = list.orders.iter().map(|order| order.order_id).max().unwrap_or_default();
        let mut next = self.next_order_id.lock().await;
        *next = (*next).max(highest.saturating_add(1));
        Ok(list)
    }

    /// The orders that have ended, of whatever client.
    pub(super) async fn completed_orders(&self) -> Result<Vec<OrderData>, BrokerError> {
        self.ready()?;
        let _turn = self.lists.lock().await;
        let within = self.policy.answer_timeout;
        let asked = tokio::time::timeout(within, self.client.completed_orders(false)).await;
        let rows = async { asked.map_err(|_| Error::Timeout)??.collect_to_end_within(within).await };
        Ok(order_list(rows.await.map_err(|error| self.lost_list("completed orders", &error))?).orders)
    }

    /// The account's positions.
    pub(super) async fn positions(&self) -> Result<Vec<Position>, BrokerError> {
        self.ready()?;
        let _turn = self.lists.lock().await;
        let rows = async {
            let deadline = Instant::now() + self.policy.answer_timeout;
            let timely = tokio::time::timeout_at(deadline, self.client.positions());
            let mut rows = timely.await.map_err(|_| Error::Timeout)??;
            let is_end = |row: &PositionUpdate| matches!(row, PositionUpdate::PositionEnd);
            let told = until(&mut rows, deadline, is_end).await;
            // Without this TWS would go on telling, into the next question's answer.
            rows.cancel().await;
            told
        };
        let rows = rows.await.map_err(|error| self.lost_list("positions", &error))?;
        let mut held: HashMap<i32, Position> = HashMap::new();
        for row in rows {
            if let PositionUpdate::Position(position) = row
                && position.account == self.account
            {
                held.insert(position.contract.contract_id, position);
            }
        }
        let mut held: Vec<_> = held.into_values().collect();
        held.sort_by_key(|position| position.contract.contract_id);
        Ok(held)
    }

    /// The account's executions of the last days, with the commissions that came along.
    pub(super) async fn executions(
        &self,
    ) -> Result<(Vec<ExecutionData>, Vec<CommissionReport>), BrokerError> {
        self.ready()?;
        let filter = ExecutionFilter {
            account_code: self.account.clone(),
            last_n_days: EXECUTION_DAYS,
            ..ExecutionFilter::default()
        };
        let within = self.policy.answer_timeout;
        let rows = async {
            let asked = tokio::time::timeout(within, self.client.executions(filter)).await;
            asked.map_err(|_| Error::Timeout)??.collect_to_end_within(within).await
        };
        let (mut executions, mut commissions) = (Vec::new(), Vec::new());
        for row in rows.await.map_err(|error| unavailable(&error))? {
            match row {
                Executions::ExecutionData(told) => executions.push(told),
                Executions::CommissionReport(told) => commissions.push(told),
            }
        }
        Ok((executions, commissions))
    }

    /// The account's money, as TWS names it.
    pub(super) async fn summary(&self) -> Result<Vec<AccountSummary>, BrokerError> {
        self.ready()?;
        let _turn = self.lists.lock().await;
        let rows = async {
            let deadline = Instant::now() + self.policy.answer_timeout;
            let group = AccountGroup("All".to_owned());
            let timely = tokio::time::timeout_at(deadline, self.client.account_summary(&group, SUMMARY_TAGS));
            let mut rows = timely.await.map_err(|_| Error::Timeout)??;
            let is_end = |row: &AccountSummaryResult| matches!(row, AccountSummaryResult::End);
            let told = until(&mut rows, deadline, is_end).await;
            // TWS gives two of these at a time and no more.
            rows.cancel().await;
            told
        };
        let rows: Vec<AccountSummaryResult> = rows.await.map_err(|error| unavailable(&error))?;
        let rows = rows.into_iter().filter_map(|row| match row {
            AccountSummaryResult::Summary(row) if row.account == self.account => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// What a symbol stands for now.
    pub(super) async fn contract(&self, symbol: &Symbol) -> Result<(Asked, ContractDetails), BrokerError> {
        let resolved = self.resolve(symbol).await?;
        let unknown = || BrokerError::UnknownSymbol(symbol.clone());
        if !matches!(resolved.asked, Asked::Root { .. }) {
            let details = resolved.contracts.into_iter().next().ok_or_else(unknown)?;
            return Ok((resolved.asked, details));
        }
        let first_day = self.first_day();
        let standing = resolved
            .chosen
            .filter(|(_, day, at)| *day == first_day && at.elapsed() < ROOT_STANDS_FOR)
            .and_then(|(id, ..)| {
                resolved.contracts.iter().find(|one| one.contract.contract_id == id).cloned()
            });
        if let Some(details) = standing {
            return Ok((resolved.asked, details));
        }
        let held = self.positions().await?;
        self.choose(symbol, &held).await
    }

    /// What a symbol stands for, given what is held.
    pub(super) async fn choose(
        &self,
        symbol: &Symbol,
        held: &[Position],
    ) -> Result<(Asked, ContractDetails), BrokerError> {
        let resolved = self.resolve(symbol).await?;
        let unknown = || BrokerError::UnknownSymbol(symbol.clone());
        if !matches!(resolved.asked, Asked::Root { .. }) {
            let details = resolved.contracts.into_iter().next().ok_or_else(unknown)?;
            return Ok((resolved.asked, details));
        }
        let ids: Vec<_> = held
            .iter()
            .filter(|position| position.position != 0.0)
            .map(|position| position.contract.contract_id)
            .collect();
        let first_day = self.first_day();
        let details = contracts::front(&resolved.contracts, &ids, &first_day).ok_or_else(unknown)?.clone();
        if let Some(known) = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).get_mut(symbol) {
            known.chosen = Some((details.contract.contract_id, first_day, Instant::now()));
        }
        Ok((resolved.asked, details))
    }

    /// Forgets which contracts roots stand for: something traded.
    pub(super) fn traded(&self) {
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        resolved.values_mut().for_each(|known| known.chosen = None);
    }

    /// The earliest last trading day of a contract that is still traded for its root, as `20261203`.
    fn first_day(&self) -> String {
        let day = i64::from(self.roll_days) * 86_400 * 1_000_000;
        let day = self.clock.now().plus(day).to_rfc3339();
        day.chars().filter(char::is_ascii_digit).take(8).collect()
    }

    async fn resolve(&self, symbol: &Symbol) -> Result<Resolved, BrokerError> {
        let known = self.resolved.lock().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned();
        if let Some(known) = known.filter(|known| known.at.elapsed() < CONTRACTS_STAND_FOR) {
            return Ok(known);
        }
        self.ready()?;
        let unknown = || BrokerError::UnknownSymbol(symbol.clone());
        let asked = contracts::read(symbol).ok_or_else(unknown)?;
        let query = contracts::query(&asked);
        let timely = tokio::time::timeout(self.policy.answer_timeout, self.client.contract_details(&query));
        let found = match timely.await {
            Err(_) => return Err(unavailable(&Error::Timeout)),
            // No security definition has been found for the request.
            Ok(Err(Error::Notice(notice))) if notice.code == 200 => return Err(unknown()),
            Ok(Err(error)) => return Err(unavailable(&error)),
            Ok(Ok(found)) => found,
        };
        let contracts = contracts::fitting(&asked, found);
        if contracts.is_empty() {
            return Err(unknown());
        }
        let resolved = Resolved { asked, contracts, at: Instant::now(), chosen: None };
        let mut all = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(symbol.clone(), resolved.clone());
        Ok(resolved)
    }

    /// Writes an order under the next id. The ids rise on the wire because both happen under one lock.
    pub(super) async fn write_order(&self, request: &OrderRequest, details: &ContractDetails) -> Written {
        let mut contract = details.contract.clone();
        if contract.security_type == ibapi::contracts::SecurityType::Stock {
            contract.exchange = "SMART".into();
        }
        let order: Order = match orders::to_wire(request, &contract, &self.account) {
            Ok(order) => order,
            Err(problem) => return Written::Never(problem),
        };
        let mut next = self.next_order_id.lock().await;
        let order_id = *next;
        if !self.book.enter(request.client_order_id, order_id) {
            return Written::Before;
        }
        *next = order_id.saturating_add(1);
        let write = self.client.submit_order(order_id, &contract, &order);
        match tokio::time::timeout(self.policy.answer_timeout, write).await {
            Ok(Ok(())) => Written::Yes,
            Ok(Err(error)) => self.not_written(request, error),
            Err(_) => Written::Perhaps("TWS takes no more bytes".to_owned()),
        }
    }

    fn not_written(&self, request: &OrderRequest, error: Error) -> Written {
        let written = match error {
            Error::InvalidArgument(_) | Error::ServerVersion(..) | Error::OrderIdInRequestRange { .. } => {
                Written::Never(error.to_string())
            }
            // The client refuses before it writes.
            Error::ConnectionFailed | Error::Shutdown => Written::No(NO_CONNECTION.to_owned()),
            // A reset, which may have come in the middle of a frame, and what is broken below.
            error => return Written::Perhaps(error.to_string()),
        };
        self.book.forget(request.client_order_id);
        written
    }

    /// Takes up the ids where TWS says.
    pub(super) async fn renew_order_ids(&self) {
        let mut next = self.next_order_id.lock().await;
        let timely = tokio::time::timeout(self.policy.answer_timeout, self.client.next_valid_order_id());
        if let Ok(Ok(told)) = timely.await {
            *next = (*next).max(told);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

fn order_list(rows: Vec<Orders>) -> OrderList {
    let mut list = OrderList::default();
    for row in rows {
        match row {
            Orders::OrderData(order) => list.orders.push(order),
            Orders::OrderStatus(status) => list.statuses.push(status),
        }
    }
    list
}

/// What TWS could not answer.
pub(super) fn unavailable(error: &Error) -> BrokerError {
    match error {
        Error::Notice(notice) if codes::is_read_only(notice.code, &notice.message) => {
            BrokerError::Unauthorized(codes::READ_ONLY.to_owned())
        }
        error => BrokerError::Unavailable(format!("TWS did not answer: {error}")),
    }
}

/// Reads rows until one of them is the end.
async fn until<T>(
    rows: &mut (impl Stream<Item = Result<SubscriptionItem<T>, Error>> + Unpin),
    deadline: Instant,
    is_end: impl Fn(&T) -> bool,
) -> Result<Vec<T>, Error> {
    let mut read = Vec::new();
    loop {
        let row = tokio::time::timeout_at(deadline, rows.next()).await.map_err(|_| Error::Timeout)?;
        match row.ok_or(Error::UnexpectedEndOfStream)?? {
            SubscriptionItem::Data(row) if is_end(&row) => return Ok(read),
            SubscriptionItem::Data(row) => read.push(row),
            SubscriptionItem::Notice(notice) if notice.code == -6 => return Err(Error::Notice(notice)),
            SubscriptionItem::Notice(_) => {}
        }
    }
}
