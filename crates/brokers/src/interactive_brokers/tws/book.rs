//! What TWS has said about our orders, in whatever order it said it. Bounded: the oldest orders and commissions are
//! forgotten first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{Amount, ClientOrderId, ExecId, ExecutionReport, Price, Qty, UnixMicros, VenueOrderId};
use ibapi::orders::OrderStatusKind;
use rust_decimal::Decimal;
use tokio::sync::watch;

use super::codes::{self, ForOrder};
use super::{executions, orders};

/// How many orders, and how many commissions, are remembered.
const REMEMBERED: usize = 10_000;

/// One trade, as told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trade {
    /// With the number of its revision.
    pub execution_id: String,
    pub qty: Qty,
    pub price: Price,
    pub at: UnixMicros,
}

/// An order as TWS tells it.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    /// TWS's name for it, for good; 0 while there is none.
    pub perm_id: i64,
    pub kind: OrderStatusKind,
    /// Cumulative.
    pub filled: Qty,
    /// By trade, the latest revision of each.
    pub trades: BTreeMap<String, Trade>,
    pub refused: bool,
    pub reason: Option<String>,
}

impl Picture {
    /// Adds a trade, or a revision of one; whether it is a trade not yet known.
    pub(super) fn trade(&mut self, trade: Trade) -> bool {
        let name = executions::trade_of(&trade.execution_id).to_owned();
        match self.trades.get_mut(&name) {
            None => {
                self.trades.insert(name, trade);
                true
            }
            Some(known) => {
                let newer = executions::revision_of(&trade.execution_id)
                    > executions::revision_of(&known.execution_id);
                if newer {
                    tracing::warn!(
                        execution = trade.execution_id,
                        qty = %trade.qty,
                        price = %trade.price,
                        "TWS corrects an execution; the books keep what was told first"
                    );
                    *known = trade;
                }
                false
            }
        }
    }

    /// How much has filled: what the status says, or what the trades add up to where they are ahead of it.
    pub(super) fn filled(&self) -> Qty {
        let sum = self.trades.values().fold(Qty::ZERO, |sum, trade| sum + trade.qty);
        self.filled.max(sum)
    }

    /// The report, with these of its trades.
    pub(super) fn report(&self, id: ClientOrderId, executions: Vec<Execution>) -> ExecutionReport {
        let filled_qty = self.filled();
        let status = orders::status(&self.kind, filled_qty, self.refused);
        let reason = self.reason.clone().or_else(|| match &self.kind {
            OrderStatusKind::Unknown(word) => {
                Some(format!("TWS calls its status {word}, which nobody here knows."))
            }
            OrderStatusKind::Inactive => Some("TWS calls it inactive.".to_owned()),
            _ => None,
        });
        ExecutionReport {
            client_order_id: id,
            venue_order_id: (self.perm_id != 0).then(|| VenueOrderId(self.perm_id.to_string())),
            status,
            filled_qty,
            executions,
            reason: reason.filter(|_| status != atomik_domain::OrderStatus::Filled),
        }
    }
}

/// A trade as an execution, with what it cost.
pub(super) fn execution(name: &str, trade: &Trade, commission: Decimal) -> Execution {
    Execution {
        exec_id: ExecId(name.to_owned()),
        last_qty: trade.qty,
        last_price: trade.price,
        commission: Amount(commission),
        fee_qty: Qty::ZERO,
        price_source: PriceSource::Venue,
        traded_at: trade.at,
    }
}

/// What became of a send, once TWS has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Taken,
    Refused(String),
    /// The id was used before; a higher one is needed.
    DuplicateId(String),
}

#[derive(Clone, Debug, Default)]
struct Known {
    order_id: Option<i32>,
    picture: Picture,
    decision: Option<Decision>,
    /// What TWS said that decides nothing.
    doubts: Vec<String>,
    /// Whether it said that the order is not open to a cancel.
    not_cancelable: bool,
    /// What was last reported of it: TWS says most things twice.
    reported: Option<ExecutionReport>,
    /// Trades not yet reported: their commission has not come.
    unreported: Vec<String>,
}

/// Where an order stands, for a call that waits.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub order_id: Option<i32>,
    pub decision: Option<Decision>,
    pub report: ExecutionReport,
    pub doubts: Vec<String>,
    pub not_cancelable: bool,
    pub kind: OrderStatusKind,
}

#[derive(Debug, Default)]
struct Inner {
    orders: HashMap<ClientOrderId, Known>,
    by_order_id: HashMap<i32, ClientOrderId>,
    oldest_orders: VecDeque<ClientOrderId>,
    commissions: HashMap<String, Decimal>,
    oldest_commissions: VecDeque<String>,
    link_down: Option<String>,
    ended: Option<String>,
}

/// The book of one connection.
#[derive(Debug)]
pub(super) struct Book {
    inner: Mutex<Inner>,
    changes: watch::Sender<u64>,
    /// Why the connection has to end, where somebody asked for it.
    condemned: watch::Sender<Option<String>>,
}

impl Book {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::default(), changes: watch::Sender::new(0), condemned: watch::Sender::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.lock());
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }

    /// Tells of changes from now on.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Asks for the connection's end.
    pub(super) fn condemn(&self, why: &str) {
        self.condemned.send_if_modified(|condemned| {
            let first = condemned.is_none();
            if first {
                *condemned = Some(why.to_owned());
            }
            first
        });
    }

    /// Waits until somebody asks for the connection's end; why.
    pub(super) async fn condemned(&self) -> String {
        let mut condemned = self.condemned.subscribe();
        match condemned.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => "it was closed".to_owned(),
        }
    }

    /// The connection is over, and its reports are closed.
    pub(super) fn end(&self, why: &str) {
        self.change(|inner| inner.ended = Some(why.to_owned()));
    }

    /// Why nothing can be asked or sent now; `None` where it can.
    pub(super) fn hindrance(&self) -> Option<String> {
        let inner = self.lock();
        inner.ended.clone().or_else(|| self.condemned.borrow().clone()).or_else(|| inner.link_down.clone())
    }

    /// Why the connection is over; `None` while it lives.
    pub(super) fn ended(&self) -> Option<String> {
        self.lock().ended.clone()
    }

    pub(super) fn link_down(&self, why: &str) {
        self.change(|inner| inner.link_down = Some(why.to_owned()));
    }

    /// Enters an order that is about to be sent; `false` where it was sent before.
    pub(super) fn enter(&self, id: ClientOrderId, order_id: i32) -> bool {
        self.change(|inner| {
            if inner.orders.contains_key(&id) {
                return false;
            }
            inner.know(id).order_id = Some(order_id);
            inner.by_order_id.insert(order_id, id);
            true
        })
    }

    /// Forgets an order that never left.
    pub(super) fn forget(&self, id: ClientOrderId) {
        self.change(|inner| inner.forget(id));
    }

    pub(super) fn standing(&self, id: ClientOrderId) -> Option<Standing> {
        let inner = self.lock();
        let known = inner.orders.get(&id)?;
        let told = known.picture.trades.iter().filter(|(name, _)| !known.unreported.contains(name));
        let told = told.map(|(name, trade)| {
            execution(name, trade, inner.commission(&trade.execution_id).unwrap_or_default())
        });
        Some(Standing {
            order_id: known.order_id,
            decision: known.decision.clone(),
            report: known.picture.report(id, told.collect()),
            doubts: known.doubts.clone(),
            not_cancelable: known.not_cancelable,
            kind: known.picture.kind.clone(),
        })
    }

    /// A new attempt at a cancel.
    pub(super) fn cancel_begins(&self, id: ClientOrderId) {
        self.change(|inner| {
            if let Some(known) = inner.orders.get_mut(&id) {
                known.not_cancelable = false;
                known.doubts.clear();
            }
        });
    }

    /// An order's own description: ties TWS's ids to ours.
    pub(super) fn order_told(
        &self,
        id: ClientOrderId,
        order_id: i32,
        perm_id: i64,
        kind: &OrderStatusKind,
        reject_reason: &str,
    ) -> Option<ExecutionReport> {
        self.change(|inner| {
            if order_id > 0 {
                inner.by_order_id.insert(order_id, id);
            }
            let known = inner.know(id);
            if order_id > 0 {
                known.order_id = Some(order_id);
            }
            if !reject_reason.is_empty() {
                known.refuse(reject_reason);
            }
            known.stands(perm_id, kind, Qty::ZERO);
            known.news(id)
        })
    }

    /// A status; `None` where the order is not ours.
    pub(super) fn status_told(
        &self,
        order_id: i32,
        perm_id: i64,
        kind: &OrderStatusKind,
        filled: Qty,
    ) -> Option<ExecutionReport> {
        self.change(|inner| {
            let id = *inner.by_order_id.get(&order_id)?;
            let known = inner.orders.get_mut(&id)?;
            known.stands(perm_id, kind, filled);
            known.news(id)
        })
    }

    /// An execution. The report, where its commission is known already; whether its commission must be waited for.
    pub(super) fn trade_told(
        &self,
        id: ClientOrderId,
        perm_id: i64,
        trade: Trade,
    ) -> (Option<ExecutionReport>, bool) {
        self.change(|inner| {
            let name = executions::trade_of(&trade.execution_id).to_owned();
            let commission = inner.commission(&trade.execution_id);
            let known = inner.know(id);
            if known.picture.perm_id == 0 {
                known.picture.perm_id = perm_id;
            }
            known.decision.get_or_insert(Decision::Taken);
            if !known.picture.trade(trade) {
                return (None, false);
            }
            match commission {
                Some(commission) => (known.told(id, &name, commission), false),
                None => {
                    known.unreported.push(name);
                    (None, true)
                }
            }
        })
    }

    /// A commission; the report of its execution, where that waited for it.
    pub(super) fn commission_told(&self, execution_id: &str, commission: Decimal) -> Option<ExecutionReport> {
        self.change(|inner| {
            inner.remember_commission(execution_id, commission);
            inner.release(executions::trade_of(execution_id), commission)
        })
    }

    /// No commission came in time for an execution; its report without one.
    pub(super) fn commission_is_late(&self, execution_id: &str) -> Option<ExecutionReport> {
        self.change(|inner| inner.release(executions::trade_of(execution_id), Decimal::ZERO))
    }

    /// What an execution cost, where TWS has said so.
    pub(super) fn commission(&self, execution_id: &str) -> Option<Decimal> {
        self.lock().commission(execution_id)
    }

    /// A message about an order; the report of what changed.
    pub(super) fn message_told(&self, order_id: i32, code: i32, message: &str) -> Option<ExecutionReport> {
        self.change(|inner| {
            let id = *inner.by_order_id.get(&order_id)?;
            let known = inner.orders.get_mut(&id)?;
            let said = format!("{} ({code})", message.trim());
            match codes::for_order(code) {
                ForOrder::Refused if known.decision.is_none() => {
                    known.refuse(&said);
                    known.decision = Some(Decision::Refused(said));
                    return None;
                }
                ForOrder::Refused => known.refuse(&said),
                ForOrder::DuplicateId => {
                    known.decision.get_or_insert(Decision::DuplicateId(said));
                    return None;
                }
                ForOrder::Canceled => {
                    known.decision.get_or_insert(Decision::Taken);
                    known.picture.reason.get_or_insert(said);
                    if known.picture.kind != OrderStatusKind::Filled {
                        known.picture.kind = OrderStatusKind::Cancelled;
                    }
                }
                ForOrder::NotCancelable => {
                    known.not_cancelable = true;
                    return None;
                }
                ForOrder::Warning => {
                    tracing::info!(%id, code, message, "TWS remarks on an order");
                    return None;
                }
                ForOrder::Doubt => {
                    known.doubts.push(said);
                    return None;
                }
            }
            Some(known.picture.report(id, Vec::new()))
        })
    }
}

impl Inner {
    fn know(&mut self, id: ClientOrderId) -> &mut Known {
        if !self.orders.contains_key(&id) {
            if self.oldest_orders.len() >= REMEMBERED
                && let Some(oldest) = self.oldest_orders.front().copied()
            {
                self.forget(oldest);
            }
            self.oldest_orders.push_back(id);
        }
        self.orders.entry(id).or_insert_with(Known::unheard)
    }

    fn forget(&mut self, id: ClientOrderId) {
        if let Some(order_id) = self.orders.remove(&id).and_then(|known| known.order_id) {
            self.by_order_id.remove(&order_id);
        }
        self.oldest_orders.retain(|known| *known != id);
    }

    fn commission(&self, execution_id: &str) -> Option<Decimal> {
        self.commissions.get(executions::trade_of(execution_id)).copied()
    }

    /// The first commission told of a trade stands, as its first revision does.
    fn remember_commission(&mut self, execution_id: &str, commission: Decimal) {
        let name = executions::trade_of(execution_id).to_owned();
        if self.commissions.contains_key(&name) {
            return;
        }
        if self.oldest_commissions.len() >= REMEMBERED
            && let Some(oldest) = self.oldest_commissions.pop_front()
        {
            self.commissions.remove(&oldest);
        }
        self.oldest_commissions.push_back(name.clone());
        self.commissions.insert(name, commission);
    }

    fn release(&mut self, name: &str, commission: Decimal) -> Option<ExecutionReport> {
        let waiting =
            self.orders.iter_mut().find(|(_, known)| known.unreported.iter().any(|one| one == name));
        let (id, known) = waiting?;
        let id = *id;
        known.unreported.retain(|one| one != name);
        known.told(id, name, commission)
    }
}

impl Known {
    /// One that TWS has said nothing about yet.
    fn unheard() -> Self {
        let picture = Picture { kind: OrderStatusKind::ApiPending, ..Picture::default() };
        Self { picture, ..Self::default() }
    }

    fn stands(&mut self, perm_id: i64, kind: &OrderStatusKind, filled: Qty) {
        let picture = &mut self.picture;
        if perm_id != 0 {
            picture.perm_id = perm_id;
        }
        picture.filled = picture.filled.max(filled);
        // What comes late does not open an order again.
        if !orders::is_over(&picture.kind) || orders::is_over(kind) {
            picture.kind = kind.clone();
        }
        if orders::is_taken(kind) {
            self.decision.get_or_insert(Decision::Taken);
        }
    }

    /// The report, where it says anything new.
    fn news(&mut self, id: ClientOrderId) -> Option<ExecutionReport> {
        let report = self.picture.report(id, Vec::new());
        (self.reported.as_ref() != Some(&report)).then(|| {
            self.reported = Some(report.clone());
            report
        })
    }

    fn refuse(&mut self, why: &str) {
        self.picture.refused = true;
        self.picture.reason.get_or_insert_with(|| why.to_owned());
    }

    fn told(&self, id: ClientOrderId, name: &str, commission: Decimal) -> Option<ExecutionReport> {
        let trade = self.picture.trades.get(name)?;
        Some(self.picture.report(id, vec![execution(name, trade, commission)]))
    }
}
