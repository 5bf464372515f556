//! From a waiting job to an order that the gate let pass, or to an outcome without one.

use std::sync::Arc;

use atomik_domain::gate::{Circumstances, Denial};
use atomik_domain::planner::{self, Decision, Situation};
use atomik_domain::{
    Action, ClientOrderId, Code, Intention, Order, OrderRequest, OrderStatus, OrderType, OutcomeStatus, Qty,
    Side, SignedQty, Strategy, TimeInForce, UnixMicros,
};
use atomik_ports::broker::BrokerError;
use atomik_ports::journal::SignalSource;
use rust_decimal::Decimal;

use super::orders::NEVER_REACHED;
use super::state::{Book, Current, FILL_PATIENCE_US, Lane, Link, Stage, Tracked};
use super::{Context, Effect, Job, NetPurpose};

/// How long canceled entries may take to end before the job goes on without their end.
const CANCEL_PATIENCE_US: i64 = 10 * UnixMicros::SECOND;
/// The most orders one signal may make on one strategy: retries of exits that never left count.
const MAX_LEGS: u8 = 20;

impl Lane {
    /// Takes a job in, or refuses it where too many wait.
    pub(super) fn enqueue(&mut self, context: &Context<'_>, job: Job) {
        if self.queue.len() >= self.max_queue {
            self.settle(
                context,
                &job,
                OutcomeStatus::Denied,
                Code::OverQueue,
                Code::OverQueue.meaning().to_owned(),
            );
            return;
        }
        self.hurry_rules(context);
        self.queue.push_back(job);
    }

    /// Starts jobs for as long as nothing is being waited for.
    pub(super) fn advance(&mut self, context: &Context<'_>) {
        if !self.is_open() {
            self.expire_waiting(context);
            return;
        }
        while self.current.is_none() {
            self.requeue_proven(context);
            let Some(job) = self.queue.pop_front() else { return };
            self.begin(context, job);
        }
    }

    /// While the account cannot trade, entries grow too old where they wait, and so does one that never left. Exits wait on: they are planned from the
    /// position as it is when the account is back.
    fn expire_waiting(&mut self, context: &Context<'_>) {
        if let Some(Current { job, stage: Stage::Retry(id, _), .. }) = &self.current
            && is_too_old(context, job)
            && self.orders.get(id).is_some_and(|tracked| !tracked.order.is_exit())
        {
            let id = *id;
            self.end(context, id, OrderStatus::Expired, NEVER_REACHED.to_owned());
        }
        for job in std::mem::take(&mut self.queue) {
            let may_exit = !self.position(job.strategy_id).net_qty.is_zero() || self.has_orders(&job);
            if is_too_old(context, &job) && !may_exit {
                let detail = "The broker account could not trade before the signal grew too old.".to_owned();
                self.settle(context, &job, OutcomeStatus::Expired, Code::AccountUnavailable, detail);
            } else {
                self.queue.push_back(job);
            }
        }
    }

    /// Without the symbol's rules nothing can be planned: the venue does not know it.
    pub(super) fn fail_queue(&mut self, context: &Context<'_>, error: &BrokerError) {
        for job in std::mem::take(&mut self.queue) {
            self.settle(context, &job, OutcomeStatus::Denied, Code::BrokerRejected, error.to_string());
        }
    }

    fn begin(&mut self, context: &Context<'_>, job: Job) {
        if self.has_orders(&job) {
            self.resume(context, job);
            return;
        }
        let strategy = context.view.strategy(job.strategy_id);
        let runs = |strategy: &Arc<Strategy>| strategy.active || job.signal.source != SignalSource::Alert;
        match strategy.filter(runs) {
            Some(strategy) => {
                self.books
                    .entry(strategy.id)
                    .or_insert_with(|| Book { user_id: strategy.user_id, position: Default::default() });
                let adopts = job.signal.source == SignalSource::Adopt;
                if !adopts && self.waits_for_proof(&strategy, &job) {
                    self.unproven.push(job);
                    return;
                }
                self.begun.insert(strategy.id, job.signal.id);
                self.current = Some(Current { job, stage: Stage::Net, planned_at: None });
                self.plan(context, &strategy);
            }
            None => {
                let detail = Code::StrategyInactive.meaning().to_owned();
                self.settle(context, &job, OutcomeStatus::Denied, Code::StrategyInactive, detail);
            }
        }
    }

    /// Whether a job would find nothing to exit only because the entry before it is not proven: it must not be settled
    /// before that is.
    fn waits_for_proof(&self, strategy: &Strategy, job: &Job) -> bool {
        if self.unproven.iter().any(|waiting| waiting.strategy_id == strategy.id) {
            return true; // nothing of a strategy overtakes what waits
        }
        let flat = self.position(strategy.id).net_qty.is_zero();
        let side = job.signal.action.side();
        let unproven = |tracked: &Tracked| {
            let order = &tracked.order;
            order.status == OrderStatus::Unknown
                && order.strategy_id == strategy.id
                && order.request.side != side
        };
        flat && self.open_orders().any(|tracked| !tracked.order.is_exit() && unproven(tracked))
    }

    /// Puts jobs that waited for a proof back in front, in their order, once there is one.
    fn requeue_proven(&mut self, context: &Context<'_>) {
        let mut proven = Vec::new();
        for job in std::mem::take(&mut self.unproven) {
            let strategy = context.view.strategy(job.strategy_id);
            if strategy.is_some_and(|strategy| self.waits_for_proof(&strategy, &job)) {
                self.unproven.push(job);
            } else {
                proven.push(job);
            }
        }
        proven.into_iter().rev().for_each(|job| self.queue.push_front(job));
    }

    /// Goes on with a job of the last run.
    fn resume(&mut self, context: &Context<'_>, job: Job) {
        let (signal, strategy) = (job.signal.id, job.strategy_id);
        let open = self
            .open_orders()
            .find(|tracked| tracked.order.signal_id == signal && tracked.order.strategy_id == strategy);
        match open.map(|tracked| tracked.order.status) {
            // Still unproven: whatever proves it settles the job, or has it go on.
            Some(OrderStatus::Unknown) => self.parked.push(job),
            Some(_) => {
                let stage = Stage::Fill(context.tick + FILL_PATIENCE_US);
                self.current = Some(Current { job, stage, planned_at: None });
            }
            None => {
                self.current = Some(Current { job, stage: Stage::Net, planned_at: None });
                self.go_on(context);
            }
        }
    }

    /// Plans the current job: cancels what stands against it, asks for what is missing, orders or settles.
    pub(super) fn plan(&mut self, context: &Context<'_>, strategy: &Strategy) {
        if matches!(self.link, Link::Gone) {
            return; // nothing is sent any more; the job is given up
        }
        let Some(current) = &mut self.current else { return };
        current.planned_at.get_or_insert(context.now);
        let job = current.job.clone();
        if job.signal.source == SignalSource::Adopt {
            self.effects.push(Effect::AskNet(NetPurpose::Adopt));
            return;
        }
        let side = self.action_of(&job).side();
        if self.has_entries_against(strategy, side) {
            self.cancel_entries(Some(strategy.id));
            self.set_stage(Stage::Cancels(context.tick + CANCEL_PATIENCE_US));
            return;
        }
        match planner::decide(&self.situation(strategy, None)) {
            Decision::Skip(code) => self.skip(context, code),
            Decision::Enter { side, qty } => self.order(context, strategy, side, qty, false),
            Decision::Exit { .. } | Decision::Reverse { .. } => {
                self.set_stage(Stage::Net);
                self.effects.push(Effect::AskNet(NetPurpose::Exit));
            }
        }
    }

    /// The venue said what the account holds (`None`: it could not be asked, and the exit goes by our own books).
    pub(super) fn net_for_exit(&mut self, context: &Context<'_>, venue_net: Option<SignedQty>) {
        if !matches!(self.current, Some(Current { stage: Stage::Net, .. })) {
            return;
        }
        let Some(strategy) = self.current_strategy(context) else { return };
        let explained = venue_net.map(|net| self.explained(&strategy, net));
        match planner::decide(&self.situation(&strategy, explained)) {
            Decision::Skip(code) => self.skip(context, code),
            Decision::Enter { side, qty } => self.order(context, &strategy, side, qty, false),
            Decision::Exit { side, qty } | Decision::Reverse { side, exit_qty: qty } => {
                self.order(context, &strategy, side, qty, true);
            }
        }
    }

    /// The current job's strategy. Where it was deleted under the job, the job is settled.
    pub(super) fn current_strategy(&mut self, context: &Context<'_>) -> Option<Arc<Strategy>> {
        let job = self.current.as_ref()?.job.clone();
        let strategy = context.view.strategy(job.strategy_id);
        if strategy.is_none() {
            let code = Code::StrategyInactive;
            self.settle_short(context, &job, OutcomeStatus::Denied, code, code.meaning());
        }
        strategy
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(current) = &mut self.current {
            current.stage = stage;
        }
    }

    /// Asks for the cancel of working entries, of one strategy or of all.
    pub(super) fn cancel_entries(&mut self, strategy: Option<atomik_domain::StrategyId>) {
        // One whose send is not answered yet cannot be canceled: "not open" would say nothing about it.
        let answered = |tracked: &&Tracked| tracked.order.status != OrderStatus::Pending;
        let entries = self.open_orders().filter(|tracked| !tracked.order.is_exit()).filter(answered);
        let wanted = entries.filter(|tracked| strategy.is_none_or(|id| tracked.order.strategy_id == id));
        let ids: Vec<_> = wanted.map(|tracked| tracked.order.request.client_order_id).collect();
        self.effects.extend(ids.into_iter().map(Effect::Cancel));
    }

    /// Whether the strategy has working entries on the other side: an exit would miss what they still fill.
    pub(super) fn has_entries_against(&self, strategy: &Strategy, side: Side) -> bool {
        self.open_orders().any(|tracked| {
            let order = &tracked.order;
            let cancelable = matches!(order.status, OrderStatus::Working | OrderStatus::PartiallyFilled);
            order.strategy_id == strategy.id && !order.is_exit() && order.request.side != side && cancelable
        })
    }

    fn has_orders(&self, job: &Job) -> bool {
        self.orders.values().any(|tracked| {
            tracked.order.signal_id == job.signal.id && tracked.order.strategy_id == job.strategy_id
        })
    }

    fn skip(&mut self, context: &Context<'_>, code: Code) {
        if let Some(current) = &self.current {
            let job = current.job.clone();
            self.settle_short(context, &job, OutcomeStatus::Skipped, code, code.meaning());
        }
    }

    fn situation(&self, strategy: &Strategy, explained: Option<Qty>) -> Situation {
        let job = self.current.as_ref().map(|current| &current.job);
        let position = self.position(strategy.id);
        Situation {
            action: job.map_or(Action::Buy, |job| self.action_of(job)),
            intention: job.map_or(Intention::Bare, |job| job.signal.intention),
            behavior: strategy.behavior,
            net_qty: position.net_qty,
            kept: position.fee_qty,
            working: self.working(strategy.id),
            explained,
            planned: job.and_then(|job| self.planned_before(job)),
            lot_size: self.instrument.as_ref().map_or(Qty(Decimal::ONE), |instrument| instrument.lot_size),
        }
    }

    /// What a job's first exit was to close, where it never did.
    fn planned_before(&self, job: &Job) -> Option<Qty> {
        let orders = self.orders_of(job.signal.id, job.strategy_id);
        let first = orders.into_iter().find(|order| order.is_exit())?;
        first.filled_qty.is_zero().then_some(first.request.order_qty)
    }

    /// A flattening exits whatever is held when its turn comes; every other signal points where it points.
    pub(super) fn action_of(&self, job: &Job) -> Action {
        let net_qty = self.position(job.strategy_id).net_qty;
        match job.signal.source {
            SignalSource::Flatten if net_qty.is_long() => Action::Sell,
            SignalSource::Flatten if net_qty.is_short() => Action::Buy,
            _ => job.signal.action,
        }
    }

    fn explained(&self, strategy: &Strategy, venue_net: SignedQty) -> Qty {
        let net_qty = self.position(strategy.id).net_qty;
        let held = self.books.values().map(|book| book.position.net_qty);
        let exit_side = if net_qty.is_long() { Side::Sell } else { Side::Buy };
        planner::explained(net_qty, venue_net, held, self.exits_on(exit_side))
    }

    /// Whether other strategies hold the opposite of this one here, so that the venue sees less than each of them holds.
    fn is_netted(&self, strategy: atomik_domain::StrategyId) -> bool {
        let is_long = self.position(strategy).net_qty.is_long();
        let others = self.books.iter().filter(|(id, _)| **id != strategy);
        others.map(|(_, book)| book.position.net_qty).any(|net| !net.is_zero() && net.is_long() != is_long)
    }

    /// Puts an order before the gate; records and sends it, or records why not.
    fn order(&mut self, context: &Context<'_>, strategy: &Strategy, side: Side, qty: Qty, exit: bool) {
        let Some(current) = &self.current else { return };
        let job = current.job.clone();
        let legs = self.orders.values().filter(|tracked| {
            tracked.order.signal_id == job.signal.id && tracked.order.strategy_id == job.strategy_id
        });
        let leg = legs.map(|tracked| tracked.order.leg + 1).max().unwrap_or(0);
        if leg >= MAX_LEGS {
            self.settle_from_orders(context, job.signal.id, job.strategy_id);
            return;
        }
        let id = ClientOrderId::derive(context.installation, job.signal.id, job.strategy_id, leg);
        let request = OrderRequest {
            client_order_id: id,
            symbol: self.key.symbol.clone(),
            side,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::Day,
            order_qty: qty,
            limit_price: None,
            stop_price: None,
            reduce_only: exit,
            reference_price: job.signal.price,
        };
        let mut order = new_order(&job, self.key.broker_account_id, leg, request.clone(), context.now);
        match self.approve(context, strategy, request, None) {
            Ok(approved) => {
                self.set_stage(Stage::Submitted(id));
                self.track(&job, order);
                self.settle(context, &job, OutcomeStatus::Pending, Code::Accepted, String::new());
                let netted = exit && self.is_netted(strategy.id);
                let approved = if netted { approved.for_netted_account() } else { approved };
                self.effects.push(Effect::Submit(approved));
                self.trades += 1;
            }
            Err(denial) => {
                order.status = OrderStatus::Denied;
                order.reason = Some(format!("{}: {}", denial.code, denial.detail));
                self.track(&job, order);
                self.settle_short(context, &job, OutcomeStatus::Denied, denial.code, &denial.detail);
            }
        }
    }

    fn track(&mut self, job: &Job, order: Order) {
        self.changes.intents.push(order.clone());
        let id = order.request.client_order_id;
        let signal_received_at = job.signal.received_tick.map(|_| job.signal.received_at);
        let tracked = Tracked {
            order,
            seen: Default::default(),
            cost: Decimal::ZERO,
            end: None,
            signal_received_at,
            look_up: None,
        };
        self.orders.insert(id, tracked);
    }

    /// Puts a request before the gate. `again` is the order itself where it is about to be sent once more.
    pub(super) fn approve(
        &mut self,
        context: &Context<'_>,
        strategy: &Strategy,
        request: OrderRequest,
        again: Option<ClientOrderId>,
    ) -> Result<atomik_domain::Approved, Denial> {
        let own = again.and_then(|id| self.orders.get(&id)).map(|tracked| tracked.order.leaves_qty());
        let own = own.unwrap_or(Qty::ZERO);
        let working = self.working(strategy.id);
        let (own_entry, own_exit) = if request.reduce_only { (Qty::ZERO, own) } else { (own, Qty::ZERO) };
        let received_at =
            self.current.as_ref().map_or(context.now, |current| received_at(context, &current.job));
        let circumstances = Circumstances {
            now: context.now,
            strategy_id: strategy.id,
            active: strategy.active,
            signal_received_at: received_at,
            max_signal_age_s: strategy.behavior.max_signal_age_s,
            net_qty: self.position(strategy.id).net_qty,
            entries_working: working.entries.less(own_entry),
            exits_working: working.exits.less(own_exit),
            max_position: strategy.behavior.max_position,
            halt: context.view.halt(self.key.broker_account_id, strategy.id),
            books: self.books_state,
            unknown_order_open: self.has_unproven(strategy.id),
        };
        let approved = self.gate.approve(request, &circumstances)?;
        self.approvals += 1;
        Ok(approved)
    }
}

/// Whether a job's signal is too old for an entry. One whose strategy was deleted always is.
fn is_too_old(context: &Context<'_>, job: &Job) -> bool {
    let strategy = context.view.strategy(job.strategy_id);
    let limit_s = strategy.map_or(0, |strategy| strategy.behavior.max_signal_age_s);
    context.now.micros_since(received_at(context, job)) > i64::from(limit_s) * UnixMicros::SECOND
}

/// When a job's signal was received, by whichever clock makes it older.
fn received_at(context: &Context<'_>, job: &Job) -> UnixMicros {
    let by_tick = job.signal.received_tick.map(|tick| context.now.plus(tick - context.tick));
    by_tick.map_or(job.signal.received_at, |moment| moment.min(job.signal.received_at))
}

fn new_order(
    job: &Job,
    account: atomik_domain::BrokerAccountId,
    leg: u8,
    request: OrderRequest,
    now: UnixMicros,
) -> Order {
    Order {
        user_id: job.signal.user_id,
        signal_id: job.signal.id,
        strategy_id: job.strategy_id,
        leg,
        broker_account_id: account,
        request,
        venue_order_id: None,
        status: OrderStatus::Pending,
        filled_qty: Qty::ZERO,
        avg_price: None,
        reason: None,
        planned_at: now,
        sent_at: None,
        acknowledged_at: None,
        filled_at: None,
        updated_at: now,
    }
}
