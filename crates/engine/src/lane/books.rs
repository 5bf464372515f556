//! The account's connection, the symbol's rules, and comparing our books with the broker's.

use atomik_domain::gate::BooksState;
use atomik_domain::{Code, Instrument, OrderStatus, OutcomeStatus, SignedQty, UnixMicros};
use atomik_ports::broker::{BrokerError, Capabilities};

use super::orders::NEVER_REACHED;
use super::state::{Current, Lane, Link, Stage, Tracked};
use super::{Context, Effect, NetPurpose};

/// The pause between two questions for rules or books that were not answered.
const ASK_PAUSE_US: i64 = UnixMicros::SECOND;
/// The pause before a venue is asked again about a symbol that it does not know, where no signal asks for it sooner.
const UNKNOWN_SYMBOL_PAUSE_US: i64 = 300 * UnixMicros::SECOND;
/// An open order that nothing was heard of for so long is looked up: its end may have been reported and lost, which equal
/// books do not show.
const QUIET_US: i64 = 60 * UnixMicros::SECOND;

impl Lane {
    pub(super) fn connected(&mut self, context: &Context<'_>, capabilities: Capabilities) {
        self.unanswered.clear();
        self.link = Link::Up(capabilities);
        self.books_state = BooksState::NotCompared;
        self.differed_at = None;
        self.ask_at = context.tick;
        if self.instrument.is_some() {
            self.look_up_open(context, |_| true);
        }
    }

    pub(super) fn disconnected(&mut self) {
        self.link = Link::Down;
        self.books_state = BooksState::NotCompared;
        self.asked_instrument = false;
        self.asked_books = None;
    }

    /// Fills cannot be booked without the symbol's rules, so the rules come first and the open orders after.
    pub(super) fn instrument_answered(
        &mut self,
        context: &Context<'_>,
        answer: Result<Instrument, BrokerError>,
    ) {
        self.asked_instrument = false;
        match answer {
            Ok(instrument) => {
                let first = self.instrument.replace(instrument).is_none();
                self.ask_at = context.tick;
                if first {
                    self.look_up_open(context, |_| true);
                }
            }
            Err(error @ BrokerError::UnknownSymbol(_)) => {
                self.fail_queue(context, &error);
                self.ask_at = context.tick + UNKNOWN_SYMBOL_PAUSE_US;
            }
            Err(_) => {}
        }
    }

    /// A signal has come for a symbol whose rules are not known: it is not to wait out the pause.
    pub(super) fn hurry_rules(&mut self, context: &Context<'_>) {
        if self.instrument.is_none() {
            self.ask_at = self.ask_at.min(context.tick + ASK_PAUSE_US);
        }
    }

    /// The account was unlinked.
    pub(super) fn unlinked(&mut self) {
        self.disconnected();
        self.link = Link::Gone;
    }

    /// Settles everything but a send whose answer is still on its way: nobody can be asked about the rest any more.
    pub(super) fn give_up(&mut self, context: &Context<'_>) {
        match self.current.as_ref().map(|current| &current.stage) {
            Some(Stage::Submitted(_)) => {}
            Some(Stage::Retry(id, _)) => {
                let id = *id;
                self.end_quietly(context, id, OrderStatus::Expired, NEVER_REACHED.to_owned());
                self.set_aside();
            }
            _ => self.set_aside(),
        }
        let waiting = std::mem::take(&mut self.parked).into_iter().chain(std::mem::take(&mut self.unproven));
        let jobs: Vec<_> = waiting.chain(std::mem::take(&mut self.queue)).collect();
        for job in jobs {
            let (signal, strategy) = (job.signal.id, job.strategy_id);
            if self.has_open_order(signal, strategy) {
                let detail = "The broker account was unlinked while the order was open.".to_owned();
                let (status, code) = (OutcomeStatus::Unknown, Code::OrderUnknown);
                self.note_outcome(context, (signal, strategy), status, code, detail);
            } else {
                let code = Code::AccountUnavailable;
                self.settle_short(context, &job, OutcomeStatus::Denied, code, code.meaning());
            }
        }
    }

    fn look_up_open(&mut self, context: &Context<'_>, which: impl Fn(&Tracked) -> bool) {
        let open = self.open_orders().filter(|tracked| which(tracked));
        let open: Vec<_> = open.map(|tracked| tracked.order.request.client_order_id).collect();
        for id in open {
            if !self.awaits_send(id) {
                self.ask_about(context, id);
                if self.books_state == BooksState::NotCompared {
                    self.unanswered.insert(id);
                }
            }
        }
    }

    /// Asks for what is missing: the symbol's rules, then the books.
    pub(super) fn ask_for_missing(&mut self, context: &Context<'_>) {
        if !matches!(self.link, Link::Up(_)) || context.tick < self.ask_at {
            return;
        }
        if self.books_state != BooksState::NotCompared {
            return;
        }
        self.ask_at = context.tick + ASK_PAUSE_US;
        if self.instrument.is_some() {
            // What the last run left open is accounted for first: its fills are in what the venue holds.
            if self.unanswered.is_empty() {
                self.ask_books();
            }
        } else if !self.asked_instrument {
            self.asked_instrument = true;
            self.effects.push(Effect::AskInstrument);
        }
    }

    pub(super) fn ask_books(&mut self) {
        let can_compare = matches!(self.link, Link::Up(_)) && self.instrument.is_some();
        if can_compare && self.asked_books.is_none() {
            self.asked_books = Some(self.trades);
            self.effects.push(Effect::AskNet(NetPurpose::Books));
        }
    }

    pub(super) fn books_answered(&mut self, context: &Context<'_>, answer: Result<SignedQty, BrokerError>) {
        let asked = self.asked_books.take();
        if let (Ok(net), true) = (answer, asked == Some(self.trades)) {
            self.compare_books(context, net);
        } else if self.books_state == BooksState::NotCompared {
            self.ask_at = self.ask_at.min(context.tick + ASK_PAUSE_US);
        }
    }

    /// Sets the current job's strategy to what the venue holds and the other strategies do not explain.
    pub(super) fn net_to_adopt(&mut self, context: &Context<'_>, answer: Result<SignedQty, BrokerError>) {
        let Some(Current { job, stage: Stage::Net, .. }) = &self.current else { return };
        let job = job.clone();
        let deny = OutcomeStatus::Denied;
        let venue_net = match answer {
            Ok(_) if self.open_orders().next().is_some() => {
                self.settle_short(context, &job, deny, Code::OrdersOpen, Code::OrdersOpen.meaning());
                return;
            }
            Ok(net) => net,
            Err(error) => {
                let why = format!("{} {error}", Code::BrokerUnavailable.meaning());
                self.settle_short(context, &job, deny, Code::BrokerUnavailable, &why);
                return;
            }
        };
        let others = self.books.iter().filter(|(id, _)| **id != job.strategy_id);
        let others = others.fold(SignedQty::ZERO, |sum, (_, book)| sum + book.position.net_qty);
        let Some(book) = self.books.get_mut(&job.strategy_id) else { return };
        let before = book.position;
        let net_qty = SignedQty(venue_net.0 - others.0);
        let avg_price = job.signal.price.unwrap_or(before.avg_price);
        if net_qty != before.net_qty {
            book.position = before.adopted(net_qty, avg_price);
            self.forget_fee(job.strategy_id);
            self.note_position(context, job.strategy_id);
            self.trades += 1;
        }
        let detail =
            format!("The position was {} and is {net_qty} now, as the broker holds it.", before.net_qty);
        self.settle_short(context, &job, OutcomeStatus::Skipped, Code::PositionAdopted, &detail);
        // An answer from before the connection was lost says nothing about the time since.
        if self.books_state != BooksState::NotCompared {
            self.compare_books(context, venue_net);
        }
    }

    /// Compares what our strategies hold with what the account holds. While an order is open the two may differ for a
    /// moment; then only equality counts, and the question is asked again later.
    fn compare_books(&mut self, context: &Context<'_>, venue_net: SignedQty) {
        self.venue_net = Some(venue_net);
        let ours = self.books.values().fold(SignedQty::ZERO, |sum, book| sum + book.position.net_qty);
        if ours == venue_net || self.explained_by_fees(context, ours.0 - venue_net.0) {
            self.books_state = BooksState::Agree;
            self.agreed_at = Some(context.now);
            let is_quiet =
                |tracked: &Tracked| context.now.micros_since(tracked.order.updated_at).abs() >= QUIET_US;
            self.look_up_open(context, |tracked| tracked.look_up.is_none() && is_quiet(tracked));
            return;
        }
        let is_open = self.open_orders().next().is_some();
        if is_open && self.books_state == BooksState::NotCompared && self.differed_at != Some(self.trades) {
            // An order of the last run may have been filled since it was looked up: once more, before entries are denied for it.
            self.differed_at = Some(self.trades);
            self.ask_at = context.tick;
            self.look_up_open(context, |_| true);
            return;
        }
        if !is_open || self.books_state == BooksState::NotCompared {
            // With orders of the last run still open, exits may go on, and entries are denied until both are equal.
            self.books_state = BooksState::Differ;
        }
        // A report may have been lost.
        self.look_up_open(context, |tracked| tracked.look_up.is_none());
    }
}
