//! Asking what became of an order.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use atomik_domain::{ClientOrderId, ExecutionReport, OrderStatus, Qty};
use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use rust_decimal::Decimal;

use super::replies::{Command, Fill, FillFee, Order, OrderVersion, VenueExecutionReport};
use super::rules;
use super::session::Session;
use crate::wire::decimal::sum;

/// How many fills' fees are remembered.
const MAX_FEES: usize = 20_000;

/// What fills cost, once it was told. The first word counts: the stream and a look-up must say the same.
#[derive(Debug, Default)]
pub(super) struct Fees(Mutex<HashMap<i64, Decimal>>);

impl Fees {
    /// What a fill cost; zero where the venue does not tell.
    pub async fn of(&self, session: &Session, fill_id: i64) -> Decimal {
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&fill_id) {
            return *known;
        }
        let told: Result<Vec<FillFee>, _> = session.get(&format!("/fillFee/deps?masterid={fill_id}")).await;
        let total = sum(told.unwrap_or_default().iter().map(FillFee::total));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_FEES {
            known.clear();
        }
        *known.entry(fill_id).or_insert(total)
    }
}

/// What asking for an order comes to.
#[derive(Debug)]
pub(super) enum Asked {
    Found(ExecutionReport),
    /// It is not there, or another account's.
    NotFound,
    /// It is there, and the venue does not say where it stands, or has not told all of it yet.
    Unclear(String),
}

/// Who asks, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub session: &'a Session,
    pub clock: &'a dyn Clock,
    pub fees: &'a Fees,
    pub account_id: i64,
}

impl Desk<'_> {
    /// The venue's id of an order, by the commands it keeps.
    ///
    /// # Errors
    /// Where it does not answer, or has made several orders of one id.
    pub async fn order_id(&self, id: ClientOrderId) -> Result<Option<i64>, BrokerError> {
        let commands: Vec<Command> = self.session.get("/command/list").await?;
        let text = id.to_string();
        let of_id = commands
            .iter()
            .filter(|command| command.command_type == "New" && command.cl_ord_id.as_deref() == Some(&text));
        let mut orders: Vec<_> = of_id.map(|command| command.order_id).collect();
        orders.sort_unstable();
        orders.dedup();
        match orders[..] {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(BrokerError::Unavailable(format!(
                "Tradovate has several orders of the id {text}: {orders:?}."
            ))),
        }
    }

    /// How an order stands, with all of its executions.
    ///
    /// # Errors
    /// Where the venue does not answer.
    pub async fn order(&self, id: ClientOrderId, order_id: i64) -> Result<Asked, BrokerError> {
        // The order first: what it says has filled is among the fills asked for after.
        let order: Option<Order> = self.session.find(&format!("/order/item?id={order_id}")).await?;
        let Some(order) = order.filter(|order| order.account_id == self.account_id) else {
            return Ok(Asked::NotFound);
        };
        let mut fills: Vec<Fill> = self.session.get(&format!("/fill/deps?masterid={order_id}")).await?;
        fills.retain(|fill| fill.active);
        fills.sort_by_key(|fill| fill.id);
        let filled = sum(fills.iter().map(|fill| fill.qty));
        let (mut qty, mut reason) = (None, None);
        if rules::is_final(&order.ord_status) {
            let told: Vec<VenueExecutionReport> =
                self.session.get(&format!("/executionReport/deps?masterid={order_id}")).await?;
            let cum_qty = told.iter().filter_map(|report| report.cum_qty).max().unwrap_or_default();
            let versions: Vec<OrderVersion> =
                self.session.get(&format!("/orderVersion/deps?masterid={order_id}")).await?;
            qty = versions.iter().map(|version| version.order_qty).max();
            let is_short = order.ord_status == "Filled" && qty.is_some_and(|qty| filled < qty);
            if filled < cum_qty || is_short || (order.ord_status == "Filled" && filled.is_zero()) {
                return Ok(Asked::Unclear("Tradovate has not told all of the order's fills yet".to_owned()));
            }
            reason = told.iter().rev().find_map(VenueExecutionReport::reason);
        }
        let Some(status) = rules::status(&order.ord_status, Qty(filled), qty.map(Qty)) else {
            let word: String = order.ord_status.chars().take(40).collect();
            return Ok(Asked::Unclear(format!("Tradovate says that the order is {word}")));
        };
        let mut report = rules::report(id, order_id, status, Qty(filled));
        for fill in &fills {
            let commission = self.fees.of(self.session, fill.id).await;
            report.executions.push(rules::execution(fill, commission, self.clock.now()));
        }
        report.reason = reason.filter(|_| status.is_final() && status != OrderStatus::Filled);
        Ok(Asked::Found(report))
    }
}
