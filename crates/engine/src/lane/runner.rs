//! Performs what a lane decides, and feeds back what comes of it: record first, then act.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use atomik_domain::gate::BooksState;
use atomik_domain::{Approved, ClientOrderId, OrderStatus, UnixMicros};
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};
use atomik_ports::journal::{Changes, Receipt};
use atomik_ports::{Broker, failpoint};
use tokio::sync::mpsc;

use super::departure::{Departure, stays};
use super::{Context, Effect, Event, Lane, NetPurpose, Question, View};
use crate::accounts::{Connection, Link, Sending};
use crate::cluster::Moment;
use crate::events::EventBody;
use crate::lanes::{LaneView, Lanes};
use crate::work::Work;

/// How long a venue may take to answer anything. After it, a send is unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest pause between two attempts to record.
const MAX_RECORD_PAUSE: Duration = Duration::from_secs(2);
/// When a lane that could not be let go tries again.
const CLOSE_PAUSE_US: i64 = UnixMicros::SECOND;

/// When something was decided, and whether all was known by then that other nodes had changed.
#[derive(Clone, Copy, Debug)]
struct Decided {
    at: Moment,
    is_informed: bool,
}

/// One lane's worker.
pub struct LaneRunner {
    work: Arc<Work>,
    link: Arc<Link>,
    lanes: Arc<Lanes>,
    lane: Lane,
    /// Where answers are sent. Weak: a lane ends when nobody else can tell it anything.
    answers: mpsc::WeakSender<Event>,
    view: Arc<Mutex<LaneView>>,
    /// The monotonic time at which the lane is let go if it still rests.
    close_at: Option<i64>,
}

impl LaneRunner {
    /// A worker for a lane.
    #[must_use]
    pub fn new(
        lanes: Arc<Lanes>,
        link: Arc<Link>,
        lane: Lane,
        answers: mpsc::WeakSender<Event>,
        view: Arc<Mutex<LaneView>>,
    ) -> Self {
        let work = Arc::clone(lanes.work());
        Self { work, link, lanes, lane, answers, view, close_at: None }
    }

    /// Works until the lane has rested for a while, or nobody can tell it anything any more.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut connection = self.link.watch();
        connection.mark_changed();
        self.show();
        loop {
            let now = self.work.ticks.now();
            if self.is_done(now, &events) {
                return;
            }
            let wake = self.lane.next_tick(now).into_iter().chain(self.close_at).min();
            let sleep = async {
                match wake {
                    Some(tick) => tokio::time::sleep_until(self.work.ticks.instant(tick)).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                // The connection first: a lane that nobody can tell anything any more must still hear that it ends.
                _ = connection.changed() => {
                    let now = connection.borrow_and_update().clone();
                    if now.is_gone() {
                        return;
                    }
                    self.connection_changed(now).await;
                    continue;
                }
                event = events.recv() => event,
                () = sleep => Some(Event::Tick),
            };
            let Some(event) = event else { return };
            self.step(event).await;
            if self.link.is_gone() {
                return;
            }
        }
    }

    /// Whether the lane has rested for as long as a lane is kept, and was let go.
    fn is_done(&mut self, now: i64, events: &mpsc::Receiver<Event>) -> bool {
        let kept_us = i64::try_from(self.work.settings.idle_lane_kept.as_micros()).unwrap_or(i64::MAX);
        let rests = self.lane.is_at_rest();
        let close_at = rests.then(|| self.close_at.unwrap_or(now.saturating_add(kept_us)));
        self.close_at = close_at;
        if close_at.is_none_or(|at| now < at) {
            return false;
        }
        // While somebody is about to tell it something, it stays.
        self.close_at = Some(now + CLOSE_PAUSE_US);
        self.lanes.let_go(self.lane.key(), events)
    }

    /// One that was lost and is back already was lost all the same.
    async fn connection_changed(&mut self, connection: Connection) {
        match connection {
            Connection::Down => self.step(Event::Disconnected).await,
            Connection::Up(broker) => {
                self.step(Event::Disconnected).await;
                self.step(Event::Connected(broker.capabilities().clone())).await;
            }
            Connection::Unlinked => self.step(Event::Unlinked).await,
            Connection::Leaving(_) | Connection::Lost => {} // looked at before every step
        }
    }

    async fn step(&mut self, event: Event) {
        let work = Arc::clone(&self.work);
        let context = Context {
            now: work.clock.now(),
            tick: work.ticks.now(),
            view: work.registry.as_ref(),
            installation: work.installation,
        };
        let decided =
            Decided { at: Moment { tick: context.tick, wall: context.now }, is_informed: work.is_informed() };
        let effects = self.lane.handle(&context, event);
        work.count_approved(self.lane.take_approvals());
        self.show();
        let mut sending = None;
        if effects.iter().any(|effect| matches!(effect, Effect::Submit(_))) {
            // Before the record: what is recorded and has not left, the next node would have to ask the broker for.
            let Some(begun) = self.link.begin_sending() else { return };
            sending = Some(Arc::new(begun));
        }
        let mut repeated = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(changes) => match self.record(changes).await {
                    Some(existed) => repeated = existed,
                    // Another node works on the account: nothing more is done here.
                    None => return,
                },
                Effect::Submit(approved) if repeated.contains(&approved.request().client_order_id) => {
                    self.feed(Event::IntentRepeated(approved.request().client_order_id));
                }
                Effect::Submit(approved) => self.submit(approved, decided, sending.clone()).await,
                Effect::LookUp(id, question) => self.look_up(id, question),
                Effect::Cancel(id) => self.cancel(id),
                Effect::AskNet(purpose) => self.ask_net(purpose),
                Effect::AskInstrument => self.ask_instrument(),
            }
        }
    }

    /// Records until it is recorded: nothing else may happen in this lane before. Returns the intents that existed; `None`
    /// where another node works on the account by now.
    async fn record(&self, mut changes: Box<Changes>) -> Option<Vec<ClientOrderId>> {
        changes.lease = self.link.lease;
        let changes = Arc::new(*changes);
        let mut pause = Duration::from_millis(50);
        failpoint::hit("before_record");
        loop {
            if self.link.is_lost() {
                return None;
            }
            match self.work.committer.record(Arc::clone(&changes)).await {
                Ok(Receipt::LeaseLost) => {
                    tracing::warn!(account = %self.link.id, "nothing is recorded under a lease that was lost");
                    self.link.lose();
                    return None;
                }
                Ok(receipt) => {
                    failpoint::hit("after_record");
                    self.publish(Arc::unwrap_or_clone(changes));
                    return match receipt {
                        Receipt::Recorded { repeated_intents } => Some(repeated_intents),
                        _ => Some(Vec::new()),
                    };
                }
                Err(error) => {
                    tracing::error!(%error, account = %self.link.id, "a lane waits for the store");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_RECORD_PAUSE);
                }
            }
        }
    }

    /// `sending` is held until the venue has answered.
    async fn submit(&self, approved: Approved, decided: Decided, sending: Option<Arc<Sending>>) {
        let lapses = self.work.lapses();
        let id = approved.request().client_order_id;
        let sent_at = self.work.clock.now();
        let broker = self.link.broker_for_begun();
        if let Err(outcome) = self.last_look(&approved, decided, broker.is_some()) {
            self.feed(Event::Submitted(id, sent_at, outcome));
            return;
        }
        let Some(broker) = broker else { return };
        if !self.work.count_sent().await {
            let outcome = stays("Trading was frozen before the order left.", Duration::from_secs(1));
            self.feed(Event::Submitted(id, sent_at, outcome));
            return;
        }
        self.link.route(id, self.answers.clone());
        failpoint::hit("before_submit");
        let work = Arc::clone(&self.work);
        self.ask(async move {
            let sent = while_leased(|| work.may_go_on(lapses), broker.submit(approved));
            let outcome = tokio::time::timeout(ANSWER_TIMEOUT, sent).await;
            failpoint::hit("after_submit");
            drop(sending);
            let outcome = outcome.unwrap_or_else(|_| SubmitOutcome::Unknown { evidence: no_answer() });
            Event::Submitted(id, sent_at, outcome)
        });
    }

    fn last_look(
        &self,
        approved: &Approved,
        decided: Decided,
        is_connected: bool,
    ) -> Result<(), SubmitOutcome> {
        let (work, strategy_id) = (&self.work, approved.strategy_id());
        let halt = work.registry.halt(self.link.id, strategy_id);
        let departure = Departure {
            is_active: work.registry.strategy(strategy_id).is_some_and(|strategy| strategy.active),
            halt: halt.as_ref(),
            approved_us_ago: work.moment().us_since(decided.at),
            is_connected,
            is_leased: work.may_send(),
            is_informed: decided.is_informed && work.is_informed(),
        };
        departure.check(approved)
    }

    fn look_up(&self, id: ClientOrderId, question: Question) {
        let (broker, symbol) = (self.link.broker(), self.lane.key().symbol.clone());
        self.ask(async move {
            let answer = match broker {
                Some(broker) => tokio::time::timeout(ANSWER_TIMEOUT, broker.look_up(&symbol, id)).await,
                None => Ok(LookUp::Unavailable { evidence: not_connected() }),
            };
            let answer = answer.unwrap_or_else(|_| LookUp::Unavailable { evidence: no_answer() });
            Event::LookedUp(id, question, answer)
        });
    }

    fn cancel(&self, id: ClientOrderId) {
        // What another node may be working on by now is not this one's to cancel.
        let broker = self.link.broker().filter(|_| self.work.may_send());
        let symbol = self.lane.key().symbol.clone();
        self.ask(async move {
            let outcome = match broker {
                Some(broker) => tokio::time::timeout(ANSWER_TIMEOUT, broker.cancel(&symbol, id)).await,
                None => Ok(CancelOutcome::Unknown { evidence: not_connected() }),
            };
            Event::Canceled(id, outcome.unwrap_or_else(|_| CancelOutcome::Unknown { evidence: no_answer() }))
        });
    }

    fn ask_net(&self, purpose: NetPurpose) {
        let symbol = self.lane.key().symbol.clone();
        self.ask_broker(
            move |broker| async move { broker.net_position(&symbol).await },
            move |answer| Event::Net(purpose, answer),
        );
    }

    fn ask_instrument(&self) {
        let symbol = self.lane.key().symbol.clone();
        self.ask_broker(move |broker| async move { broker.instrument(&symbol).await }, Event::Instrument);
    }

    /// Asks the venue something that it may fail to answer.
    fn ask_broker<T, F>(
        &self,
        question: impl FnOnce(Arc<dyn Broker>) -> F + Send + 'static,
        event: impl FnOnce(Result<T, BrokerError>) -> Event + Send + 'static,
    ) where
        F: Future<Output = Result<T, BrokerError>> + Send,
        T: Send,
    {
        let broker = self.link.broker();
        self.ask(async move {
            let answer = match broker {
                Some(broker) => tokio::time::timeout(ANSWER_TIMEOUT, question(broker)).await,
                None => Ok(Err(BrokerError::Unavailable(not_connected()))),
            };
            event(answer.unwrap_or_else(|_| Err(BrokerError::Unavailable(no_answer()))))
        });
    }

    /// Runs a question beside the lane and feeds its answer back. A lane that has been let go hears none: whoever works on the
    /// account next asks again.
    fn ask(&self, question: impl Future<Output = Event> + Send + 'static) {
        // This sender keeps the lane.
        let answers = self.answers.upgrade();
        tokio::spawn(async move {
            let event = question.await;
            if let Some(answers) = answers {
                // It is gone only where the program ends, and the next start asks again.
                let _ = answers.send(event).await;
            }
        });
    }

    fn feed(&self, event: Event) {
        self.ask(std::future::ready(event));
    }

    /// Tells those who watch, and the meters, what was recorded.
    fn publish(&self, changes: Changes) {
        let now = self.work.clock.now();
        let events = &self.work.events;
        for order in changes.intents.into_iter().chain(changes.orders) {
            if order.status.is_final() {
                self.link.route_ended(order.request.client_order_id);
            }
            if order.status == OrderStatus::Filled
                && let Some(received_at) = self.lane.received_at(order.signal_id)
            {
                self.work.meters.order(&order, received_at, now);
            }
            events.publish(order.user_id, now, EventBody::Order(Box::new(order)));
        }
        for fill in changes.fills {
            events.publish(fill.user_id, now, EventBody::Fill(Box::new(fill)));
        }
        for position in changes.positions {
            events.publish(position.user_id, now, EventBody::Position(Box::new(position)));
        }
        for outcome in changes.outcomes.iter().filter(|outcome| outcome.status.is_final()) {
            self.work.ended(outcome.signal_id, outcome.strategy_id);
            if let Some(webhook_id) = self.work.registry.webhook_of(outcome.strategy_id) {
                let body = EventBody::Signal { signal_id: outcome.signal_id, webhook_id };
                events.publish(self.link.user_id, now, body);
            }
        }
    }

    /// Shows the lane's state to those who ask from outside.
    fn show(&self) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, now) = (view.books, self.lane.books_state());
        view.books = now;
        if view.books == BooksState::Agree {
            view.agreed_at = Some(self.lane.books_agreed_at().unwrap_or(UnixMicros(0)));
        }
        view.waiting = self.lane.waiting();
        view.oldest = self.lane.oldest();
        view.venue_net = self.lane.venue_net();
        view.unknown_orders = self.lane.unknown_orders();
        view.strategies.extend(self.lane.strategies());
        drop(view);
        if (before == BooksState::Differ) != (now == BooksState::Differ) {
            // The account's state is another one now.
            let body = EventBody::Account { broker_account_id: self.link.id };
            self.work.events.publish(self.link.user_id, self.work.clock.now(), body);
        }
    }
}

/// Sends only while it may go on: looked at before every step, for the process may have stood still between any two.
async fn while_leased(
    may_go_on: impl Fn() -> bool,
    send: impl Future<Output = SubmitOutcome>,
) -> SubmitOutcome {
    let mut send = std::pin::pin!(send);
    std::future::poll_fn(|context| {
        if may_go_on() {
            return send.as_mut().poll(context);
        }
        let evidence =
            "this node could not reach the store in time to be sure that no other works on the account";
        Poll::Ready(SubmitOutcome::Unknown { evidence: evidence.to_owned() })
    })
    .await
}

fn no_answer() -> String {
    format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())
}

fn not_connected() -> String {
    "the broker account is not connected".to_owned()
}
