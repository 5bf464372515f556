//! Following orders: answers, reports, look-ups, time.

use atomik_domain::gate::BooksState;
use atomik_domain::order::Execution;
use atomik_domain::{
    ClientOrderId, ExecutionReport, Fill, OrderStatus, OutcomeStatus, Price, Side, SignalId, StrategyId,
    UnixMicros,
};
use atomik_ports::broker::{CancelOutcome, ClientIdUniqueness, LookUp, SubmitOutcome};
use atomik_ports::journal::PositionRecord;

use super::state::{Asking, FILL_PATIENCE_US, Lane, Link, Stage, Tracked};
use super::{Context, Effect, Job, Question};

/// Why an order that never left has ended.
pub(super) const NEVER_REACHED: &str = "It never reached the broker.";
/// How often "not found" must be answered, over the venue's settle window, before it is believed.
const NOT_FOUND_PROOF: u32 = 5;
/// The longest pause between two look-ups or two sends of one order.
const MAX_PAUSE_US: i64 = 30 * UnixMicros::SECOND;
/// The shortest pause between two sends.
const MIN_RETRY_PAUSE_US: i64 = 50_000;

impl Lane {
    /// The answer to a send.
    pub(super) fn submitted(
        &mut self,
        context: &Context<'_>,
        id: ClientOrderId,
        sent_at: UnixMicros,
        outcome: SubmitOutcome,
    ) {
        let Some(tracked) = self.tracked_or_closed(id) else { return };
        if !matches!(outcome, SubmitOutcome::NotSent { .. }) {
            tracked.order.sent_at = Some(sent_at);
        }
        let is_shown = tracked.order.acknowledged_at.is_some();
        match outcome {
            SubmitOutcome::Accepted(report) => self.apply(context, id, &report),
            _ if is_shown || tracked.order.status.is_final() => {
                // The venue has shown the order since; this answer knows less.
                self.record_order(id, context.now);
                self.ask_about(context, id);
            }
            SubmitOutcome::Rejected { reason } => {
                tracked.order.acknowledged_at = Some(context.now);
                self.end(context, id, OrderStatus::Rejected, reason);
            }
            SubmitOutcome::NotSent { reason, retry_after } => {
                tracked.order.reason = Some(reason);
                let pause = i64::try_from(retry_after.as_micros()).unwrap_or(i64::MAX);
                // Every try of an exit is a leg of its own, and legs are few: they are spread over minutes.
                let least = MIN_RETRY_PAUSE_US << tracked.order.leg.min(16);
                let pause = pause.max(least).min(MAX_PAUSE_US);
                self.record_order(id, context.now);
                if self.is_current(id) {
                    self.set_stage(Stage::Retry(id, context.tick + pause));
                }
            }
            SubmitOutcome::Unknown { evidence } => {
                tracked.order.status = OrderStatus::Unknown;
                tracked.order.reason = Some(evidence);
                self.record_order(id, context.now);
                self.ask_about(context, id);
                self.park(context, id);
            }
        }
    }

    /// The answer to a cancel.
    pub(super) fn canceled(&mut self, context: &Context<'_>, id: ClientOrderId, outcome: CancelOutcome) {
        match outcome {
            CancelOutcome::Done(report) => self.apply(context, id, &report),
            CancelOutcome::Requested => {}
            CancelOutcome::NotOpen | CancelOutcome::Unknown { .. } => self.ask_about(context, id),
        }
    }

    /// A report that was not asked for.
    pub(super) fn report(&mut self, context: &Context<'_>, report: &ExecutionReport) {
        self.apply(context, report.client_order_id, report);
    }

    /// The answer to a look-up. That an order was found is worth knowing whenever it was asked; anything else counts as
    /// the answer to the last question alone, for the order may have been sent again since.
    pub(super) fn looked_up(
        &mut self,
        context: &Context<'_>,
        id: ClientOrderId,
        question: Question,
        answer: LookUp,
    ) {
        if self.unanswered.remove(&id) && self.unanswered.is_empty() {
            self.ask_at = context.tick;
        }
        let Some(tracked) = self.tracked_or_closed(id) else { return };
        let is_shown = tracked.order.acknowledged_at.is_some();
        let mut asking = tracked.look_up.filter(|asking| asking.question == question);
        match (answer, &mut asking) {
            (LookUp::Found(report), answered) => {
                if answered.is_some() {
                    tracked.look_up = None;
                }
                self.apply(context, id, &report);
            }
            (LookUp::NotFound, Some(asking)) if !is_shown => {
                asking.not_found += 1;
                if self.is_proven_absent(context, asking) {
                    self.absent(context, id);
                } else {
                    self.ask_again(context, id, *asking);
                }
            }
            // That a venue shows an order no more which it has shown before proves nothing.
            (LookUp::NotFound | LookUp::Unavailable { .. }, Some(asking)) => {
                self.ask_again(context, id, Asking { not_found: 0, ..*asking });
            }
            (LookUp::NotFound | LookUp::Unavailable { .. }, None) => {}
        }
    }

    /// Does what has become due.
    pub(super) fn due(&mut self, context: &Context<'_>) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        let is_due = |(_, tracked): &(&ClientOrderId, &Tracked)| {
            tracked.look_up.and_then(|asking| asking.due).is_some_and(|due| due <= context.tick)
        };
        let due: Vec<_> = self.orders.iter().filter(is_due).map(|(id, _)| *id).collect();
        for id in due {
            let question = self.look_up(id);
            if let Some(asking) = self.orders.get_mut(&id).and_then(|tracked| tracked.look_up.as_mut()) {
                *asking = Asking { question, due: None, asked: asking.asked + 1, ..*asking };
            }
        }
        match self.current.as_ref().map(|current| &current.stage) {
            Some(Stage::Retry(id, at)) if *at <= context.tick && self.is_open() => {
                let id = *id;
                self.retry(context, id);
            }
            // The order goes on working; what it fills is counted, and settles the job later.
            Some(Stage::Fill(until)) if *until <= context.tick => self.set_aside(),
            Some(Stage::Cancels(until)) => {
                let waited = *until <= context.tick;
                self.after_cancels(context, waited);
            }
            _ => {}
        }
    }

    /// Begins to ask the venue about an order.
    pub(super) fn ask_about(&mut self, context: &Context<'_>, id: ClientOrderId) {
        if self.orders.get(&id).is_none_or(|tracked| tracked.order.status.is_final()) {
            return;
        }
        let question = self.look_up(id);
        if let Some(tracked) = self.orders.get_mut(&id) {
            tracked.look_up =
                Some(Asking { question, due: None, asked: 1, not_found: 0, since: context.tick });
        }
    }

    fn ask_again(&mut self, context: &Context<'_>, id: ClientOrderId, asking: Asking) {
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        let pause = 250_000_i64.saturating_mul(1 << asking.asked.min(7)).min(MAX_PAUSE_US);
        tracked.look_up = Some(Asking { due: Some(context.tick + pause), ..asking });
        if tracked.order.status == OrderStatus::Pending {
            tracked.order.status = OrderStatus::Unknown;
            self.record_order(id, context.now);
            self.settle_parked(context, id);
        }
    }

    /// "Not found" is proof at once where the venue sees its own orders at once, and otherwise only after several
    /// answers over its settle window.
    fn is_proven_absent(&self, context: &Context<'_>, asking: &Asking) -> bool {
        let Link::Up(capabilities) = &self.link else { return false };
        let window = i64::try_from(capabilities.settle_window.as_micros()).unwrap_or(i64::MAX);
        window == 0
            || (asking.not_found >= NOT_FOUND_PROOF && context.tick.saturating_sub(asking.since) >= window)
    }

    /// The venue has proven that it never had the order. An entry may be sent again under the same id where the venue
    /// refuses duplicates for good, and nowhere else; an exit is planned anew, for as much, from the position as it is now.
    fn absent(&mut self, context: &Context<'_>, id: ClientOrderId) {
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        tracked.look_up = None;
        tracked.order.status = OrderStatus::Pending;
        let (signal, strategy) = (tracked.order.signal_id, tracked.order.strategy_id);
        let is_exit = tracked.order.is_exit();
        let refuses_duplicates = matches!(
            &self.link,
            Link::Up(venue) if venue.client_id_uniqueness == ClientIdUniqueness::Forever
        );
        // What came after the entry may have been decided without it: then it is too late for it.
        let overtaken = self.begun.get(&strategy).is_some_and(|newest| *newest > signal);
        let again = is_exit || (refuses_duplicates && !overtaken);
        if again && self.take_up(signal, strategy, Stage::Retry(id, context.tick)) {
            return;
        }
        if is_exit && let Some(place) = self.parked.iter().position(|job| is_job(job, signal, strategy)) {
            // Another job is at the front: this one goes next, and is planned anew then.
            let job = self.parked.remove(place);
            self.queue.push_front(job);
        }
        self.end(context, id, OrderStatus::Expired, NEVER_REACHED.to_owned());
    }

    /// Sends an order that is proven not to have left, if the gate still lets it.
    fn retry(&mut self, context: &Context<'_>, id: ClientOrderId) {
        let Some(strategy) = self.current_strategy(context) else { return };
        let Some(tracked) = self.orders.get(&id) else { return };
        let request = tracked.order.request.clone();
        if request.reduce_only {
            self.end_quietly(context, id, OrderStatus::Expired, NEVER_REACHED.to_owned());
            self.plan(context, &strategy);
            return;
        }
        match self.approve(context, &strategy, request, Some(id)) {
            Ok(approved) => {
                self.set_stage(Stage::Submitted(id));
                self.record_order(id, context.now);
                self.effects.push(Effect::Submit(approved));
            }
            Err(denial) => {
                let reason = format!("{NEVER_REACHED} {}", denial.detail);
                self.end(context, id, OrderStatus::Expired, reason);
            }
        }
    }

    fn after_cancels(&mut self, context: &Context<'_>, waited: bool) {
        let Some(strategy) = self.current_strategy(context) else { return };
        let Some(job) = self.current.as_ref().map(|current| current.job.clone()) else { return };
        if !self.has_entries_against(&strategy, job.signal.action.side()) {
            self.plan(context, &strategy);
        } else if waited {
            let code = atomik_domain::Code::EntryStillWorking;
            self.settle_short(context, &job, OutcomeStatus::Denied, code, code.meaning());
        }
    }

    /// Applies what a venue says about an order, whatever was said before and in whatever order.
    fn apply(&mut self, context: &Context<'_>, id: ClientOrderId, report: &ExecutionReport) {
        if self.instrument.is_none() {
            // Before the symbol's rules are known nothing can be booked; every open order is looked up after.
            return;
        }
        if self.tracked_or_closed(id).is_none() {
            return;
        }
        for execution in &report.executions {
            self.fill(context, id, execution);
        }
        if self.awaits_send(id) {
            self.set_stage(Stage::Fill(context.tick + FILL_PATIENCE_US));
        }
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        tracked.order.acknowledged_at.get_or_insert(context.now);
        if tracked.order.venue_order_id.is_none() {
            tracked.order.venue_order_id.clone_from(&report.venue_order_id);
        }
        if tracked.order.status.is_final() {
            self.record_order(id, context.now);
            return;
        }
        if matches!(tracked.order.status, OrderStatus::Unknown | OrderStatus::Pending) {
            // Whatever the report says of it now, it is proven to exist.
            tracked.order.status = OrderStatus::Working;
            tracked.order.reason = None;
        }
        if report.status.is_final() {
            tracked.end = Some(ExecutionReport { executions: Vec::new(), ..report.clone() });
        }
        // Once an end was reported, whatever arrives later is older.
        let report = tracked.end.as_ref().unwrap_or(report);
        if report.filled_qty > tracked.order.filled_qty {
            // Executions are missing: the order is not over before they are here.
            tracked.look_up = Some(Asking::later(context.tick));
            self.record_order(id, context.now);
            return;
        }
        let status = match report.status {
            OrderStatus::Working if !tracked.order.filled_qty.is_zero() => OrderStatus::PartiallyFilled,
            _ if tracked.order.filled_qty >= tracked.order.request.order_qty => OrderStatus::Filled,
            status => status,
        };
        if status.is_final() {
            let reason = report.reason.clone().unwrap_or_default();
            self.end(context, id, status, reason);
            return;
        }
        tracked.order.status = status;
        // Why it waits, where the venue says so.
        tracked.order.reason.clone_from(&report.reason);
        self.record_order(id, context.now);
    }

    fn tracked_or_closed(&mut self, id: ClientOrderId) -> Option<&mut Tracked> {
        if self.orders.contains_key(&id) {
            return self.orders.get_mut(&id);
        }
        // A fill that comes after the order's end still changes the position.
        let place = self.closed.iter().position(|tracked| tracked.order.request.client_order_id == id)?;
        let tracked = self.closed.remove(place)?;
        Some(self.orders.entry(id).or_insert(tracked))
    }

    /// One execution, if it is new: the order, the position and the fill itself.
    fn fill(&mut self, context: &Context<'_>, id: ClientOrderId, execution: &Execution) {
        let (Some(tracked), Some(instrument)) = (self.orders.get_mut(&id), &self.instrument) else { return };
        if !tracked.seen.insert(execution.exec_id.clone()) {
            return;
        }
        self.trades += 1;
        let traded = execution.last_price.0.saturating_mul(execution.last_qty.0);
        tracked.cost = tracked.cost.saturating_add(traded);
        let order = &mut tracked.order;
        order.filled_qty = order.filled_qty + execution.last_qty;
        order.avg_price = tracked.cost.checked_div(order.filled_qty.0).map(|price| Price(price.round_dp(10)));
        order.filled_at = Some(context.now);
        let (strategy_id, user_id, side) = (order.strategy_id, order.user_id, order.request.side);
        let book = self
            .books
            .entry(strategy_id)
            .or_insert_with(|| super::state::Book { user_id, position: Default::default() });
        let (position, realized_profit) =
            book.position.after_trade(instrument, side, execution.last_qty, execution.last_price);
        book.position = position.charged(execution.commission, execution.fee_qty);
        self.changes.fills.push(Fill {
            user_id,
            broker_account_id: self.key.broker_account_id,
            strategy_id,
            signal_id: order.signal_id,
            client_order_id: id,
            symbol: self.key.symbol.clone(),
            side,
            execution: execution.clone(),
            realized_profit,
            recorded_at: context.now,
        });
        if book.position.net_qty.is_zero() {
            self.forget_fee(strategy_id);
        } else if side == Side::Buy {
            self.expect_fee(strategy_id, execution);
        }
        self.note_position(context, strategy_id);
    }

    /// Records a strategy's position as it is now.
    pub(super) fn note_position(&mut self, context: &Context<'_>, strategy_id: StrategyId) {
        let Some(book) = self.books.get(&strategy_id) else { return };
        self.changes.positions.retain(|noted| noted.strategy_id != strategy_id);
        self.changes.positions.push(PositionRecord {
            user_id: book.user_id,
            strategy_id,
            broker_account_id: self.key.broker_account_id,
            symbol: self.key.symbol.clone(),
            position: book.position,
            updated_at: context.now,
        });
    }

    /// An order has ended; its job goes on or is settled.
    pub(super) fn end(
        &mut self,
        context: &Context<'_>,
        id: ClientOrderId,
        status: OrderStatus,
        reason: String,
    ) {
        self.end_quietly(context, id, status, reason);
        if self.is_current(id) {
            self.go_on(context);
        } else {
            self.settle_parked(context, id);
        }
    }

    pub(super) fn end_quietly(
        &mut self,
        context: &Context<'_>,
        id: ClientOrderId,
        status: OrderStatus,
        reason: String,
    ) {
        self.unanswered.remove(&id);
        if let Some(tracked) = self.orders.get_mut(&id) {
            tracked.order.status = status;
            tracked.look_up = None;
            tracked.order.reason = Some(reason).filter(|reason| !reason.is_empty());
        }
        self.record_order(id, context.now);
        if self.books_state == BooksState::Differ || !self.untold_fees.is_empty() {
            self.ask_books();
        }
    }

    /// The current job leaves the front; its order is followed on.
    fn park(&mut self, context: &Context<'_>, id: ClientOrderId) {
        if self.is_current(id) {
            self.set_aside();
        }
        self.settle_parked(context, id);
    }

    /// Whether the lane waits for this order's send: for its answer, or for the time to try it again.
    pub(super) fn awaits_send(&self, id: ClientOrderId) -> bool {
        self.current.as_ref().is_some_and(|current| match current.stage {
            Stage::Submitted(sent) | Stage::Retry(sent, _) => sent == id,
            _ => false,
        })
    }

    /// Whether an order belongs to the job that is worked on.
    pub(super) fn is_current(&self, id: ClientOrderId) -> bool {
        let order = self.orders.get(&id).map(|tracked| (tracked.order.signal_id, tracked.order.strategy_id));
        let current = self.current.as_ref().map(|current| (current.job.signal.id, current.job.strategy_id));
        order.is_some() && order == current
    }
}

fn is_job(job: &Job, signal: SignalId, strategy: StrategyId) -> bool {
    job.signal.id == signal && job.strategy_id == strategy
}
