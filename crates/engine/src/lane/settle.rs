//! Outcomes: one for each signal and strategy, with a reason a trader understands.

use atomik_domain::{
    ClientOrderId, Code, Intention, OnOppositeEntry, Order, OrderStatus, Outcome, OutcomeStatus, Qty,
    SignalId, Strategy, StrategyId,
};

use super::state::{Current, Lane, Stage};
use super::{Context, Job};

impl Lane {
    /// The current job's last order has ended: goes on with what comes after it, or settles the job.
    pub(super) fn go_on(&mut self, context: &Context<'_>) {
        let Some(current) = &self.current else { return };
        let job = current.job.clone();
        let last = self.orders_of(job.signal.id, job.strategy_id).into_iter().last().cloned();
        let strategy = context.view.strategy(job.strategy_id);
        if let (Some(last), Some(strategy)) = (last, strategy)
            && (lacks_entry(&job, &last, &strategy) || (last.is_exit() && never_reached(&last)))
        {
            self.plan(context, &strategy);
            return;
        }
        self.settle_from_orders(context, job.signal.id, job.strategy_id);
    }

    /// Notes an outcome. A final one ends the job.
    pub(super) fn settle(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        status: OutcomeStatus,
        code: Code,
        detail: String,
    ) {
        self.note_outcome(context, (job.signal.id, job.strategy_id), status, code, detail);
        if status != OutcomeStatus::Pending && self.works_on(job.signal.id, job.strategy_id) {
            self.current = None;
        }
    }

    /// A job that gets no (further) order. Where an earlier leg filled, the outcome is a partial one.
    pub(super) fn settle_short(
        &mut self,
        context: &Context<'_>,
        job: &Job,
        status: OutcomeStatus,
        code: Code,
        why: &str,
    ) {
        let done = self.sentence_of_fills(job.signal.id, job.strategy_id);
        let status = if done.is_empty() { status } else { OutcomeStatus::PartlyFilled };
        self.settle(context, job, status, code, format!("{done}{why}"));
    }

    /// An order of a job that is not at the front any more has changed: settles the job if nothing is open.
    pub(super) fn settle_parked(&mut self, context: &Context<'_>, id: ClientOrderId) {
        let Some(order) = self.orders.get(&id).map(|tracked| &tracked.order) else { return };
        let (signal, strategy, unknown) =
            (order.signal_id, order.strategy_id, order.status == OrderStatus::Unknown);
        if unknown {
            let detail = order.reason.clone().unwrap_or_default();
            let detail = format!("The broker has not proven what became of the order ({detail}).");
            self.note_outcome(
                context,
                (signal, strategy),
                OutcomeStatus::Unknown,
                Code::OrderUnknown,
                detail,
            );
        } else if !self.works_on(signal, strategy)
            && !self.has_open_order(signal, strategy)
            && !self.waits(signal, strategy)
        {
            self.settle_from_orders(context, signal, strategy);
        }
    }

    /// Settles a job by what became of its orders.
    pub(super) fn settle_from_orders(
        &mut self,
        context: &Context<'_>,
        signal: SignalId,
        strategy: StrategyId,
    ) {
        let orders = self.orders_of(signal, strategy);
        // An exit that never left was planned anew: the later leg asks for the same.
        let asked: Qty = orders
            .iter()
            .filter(|order| !(order.is_exit() && never_reached(order)))
            .fold(Qty::ZERO, |sum, order| sum + order.request.order_qty);
        let filled = orders.iter().fold(Qty::ZERO, |sum, order| sum + order.filled_qty);
        let Some(last) = orders.last() else { return };
        let job = self.parked.iter().find(|job| (job.signal.id, job.strategy_id) == (signal, strategy));
        let rules = context.view.strategy(strategy);
        let too_late = job.zip(rules).is_some_and(|(job, rules)| lacks_entry(job, last, &rules));
        let reason = match too_late {
            true => "The exit took too long to fill, so the entry was not made.".to_owned(),
            false => last.reason.clone().unwrap_or_default(),
        };
        let (status, code) = match last.status {
            _ if !filled.is_zero() && filled >= asked && !too_late => (OutcomeStatus::Filled, Code::Filled),
            _ if !filled.is_zero() => (OutcomeStatus::PartlyFilled, Code::PartlyFilled),
            OrderStatus::Rejected => (OutcomeStatus::Rejected, Code::BrokerRejected),
            OrderStatus::Canceled => (OutcomeStatus::Expired, Code::OrderCanceled),
            OrderStatus::Unknown => (OutcomeStatus::Unknown, Code::OrderUnknown),
            _ if never_reached(last) => (OutcomeStatus::Expired, Code::BrokerUnreachable),
            _ => (OutcomeStatus::Expired, Code::OrderExpired),
        };
        let reason = if reason.is_empty() && filled.is_zero() { code.meaning().to_owned() } else { reason };
        let detail = format!("{}{reason}", self.sentence_of_fills(signal, strategy)).trim_end().to_owned();
        self.note_outcome(context, (signal, strategy), status, code, detail);
        if self.works_on(signal, strategy) {
            self.current = None;
        }
        self.parked.retain(|job| (job.signal.id, job.strategy_id) != (signal, strategy));
    }

    /// Whether the lane works on this job now.
    pub(super) fn works_on(&self, signal: SignalId, strategy: StrategyId) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| (current.job.signal.id, current.job.strategy_id) == (signal, strategy))
    }

    fn waits(&self, signal: SignalId, strategy: StrategyId) -> bool {
        self.queue.iter().any(|job| (job.signal.id, job.strategy_id) == (signal, strategy))
    }

    /// The orders of one signal on one strategy, by leg.
    pub(super) fn orders_of(&self, signal: SignalId, strategy: StrategyId) -> Vec<&Order> {
        let orders = self.orders.values().map(|tracked| &tracked.order);
        let mut orders: Vec<_> =
            orders.filter(|order| order.signal_id == signal && order.strategy_id == strategy).collect();
        orders.sort_by_key(|order| order.leg);
        orders
    }

    fn sentence_of_fills(&self, signal: SignalId, strategy: StrategyId) -> String {
        let orders = self.orders_of(signal, strategy);
        let filled = orders.into_iter().filter(|order| !order.filled_qty.is_zero());
        filled
            .map(|order| {
                let verb = match order.request.side {
                    atomik_domain::Side::Buy => "Bought",
                    atomik_domain::Side::Sell => "Sold",
                };
                let price = order.avg_price.unwrap_or_default();
                format!("{verb} {} {} at {price}. ", order.filled_qty, order.request.symbol)
            })
            .collect()
    }

    pub(super) fn note_outcome(
        &mut self,
        context: &Context<'_>,
        (signal_id, strategy_id): (SignalId, StrategyId),
        status: OutcomeStatus,
        code: Code,
        detail: String,
    ) {
        let planned_at = self.orders_of(signal_id, strategy_id).first().map(|order| order.planned_at);
        let planned_at = planned_at.or_else(|| match &self.current {
            Some(Current { planned_at, .. }) if self.works_on(signal_id, strategy_id) => *planned_at,
            _ => None,
        });
        let settled_at = status.is_final().then_some(context.now);
        let detail = detail.trim_end().to_owned();
        self.changes
            .outcomes
            .retain(|noted| (noted.signal_id, noted.strategy_id) != (signal_id, strategy_id));
        self.changes.outcomes.push(Outcome {
            signal_id,
            strategy_id,
            status,
            code,
            detail,
            planned_at,
            settled_at,
        });
    }

    /// Puts the current job aside while its order is followed: it may be taken up again if the order never left.
    pub(super) fn set_aside(&mut self) {
        if let Some(current) = self.current.take() {
            self.parked.push(current.job);
        }
    }

    /// Takes a job up again that waits or was set aside, if nothing else is worked on.
    pub(super) fn take_up(&mut self, signal: SignalId, strategy: StrategyId, stage: Stage) -> bool {
        let is_it = |job: &Job| job.signal.id == signal && job.strategy_id == strategy;
        if self.works_on(signal, strategy) {
            self.set_stage(stage);
            return true;
        }
        if self.current.is_some() {
            return false;
        }
        let waiting = self.queue.iter().position(is_it).and_then(|place| self.queue.remove(place));
        let parked = || self.parked.iter().position(is_it);
        let job = match waiting {
            Some(job) => Some(job),
            None => parked().map(|place| self.parked.remove(place)),
        };
        let Some(job) = job else { return false };
        self.current = Some(Current { job, stage, planned_at: None });
        true
    }
}

/// Whether a reversal's exit has filled and its entry is still to come.
fn lacks_entry(job: &Job, last: &Order, strategy: &Strategy) -> bool {
    job.signal.intention == Intention::Entry
        && strategy.behavior.on_opposite_entry == OnOppositeEntry::Reverse
        && last.is_exit()
        && last.status == OrderStatus::Filled
}

/// Whether an order ended without ever having been at the venue.
fn never_reached(order: &Order) -> bool {
    order.status == OrderStatus::Expired && order.acknowledged_at.is_none()
}
