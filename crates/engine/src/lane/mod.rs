//! A lane: everything that one account does in one symbol, one step after another, in the order in which signals were
//! accepted.
//!
//! [`Lane::handle`] is a pure function from state and event to effects; [`runner`] performs the effects and feeds what
//! comes of them back. Nothing in this folder but the runner touches a clock, a store or a venue.

mod books;
mod departure;
mod fees;
mod orders;
mod planning;
pub mod runner;
mod settle;
mod state;

use std::sync::Arc;

use atomik_domain::alert::Action;
use atomik_domain::{
    Approved, BrokerAccountId, ClientOrderId, ExecutionReport, HaltMode, Instrument, Intention, Price,
    SignalId, SignedQty, Strategy, StrategyId, Symbol, UnixMicros, UserId, WebhookId,
};
use atomik_ports::broker::{BrokerError, CancelOutcome, Capabilities, LookUp, SubmitOutcome};
use atomik_ports::journal::{Changes, SignalSource};
use uuid::Uuid;

pub use departure::Departure;
pub use state::{Lane, LaneSeed, Standing};

/// Which lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// The account.
    pub broker_account_id: BrokerAccountId,
    /// The symbol.
    pub symbol: Symbol,
}

impl LaneKey {
    /// The lane that a strategy trades in.
    #[must_use]
    pub fn of(strategy: &Strategy) -> Self {
        Self { broker_account_id: strategy.broker_account_id, symbol: strategy.symbol.clone() }
    }
}

/// What a lane needs of a signal.
#[derive(Clone, Debug)]
pub struct SignalBrief {
    /// Its id.
    pub id: SignalId,
    /// The webhook's owner.
    pub user_id: UserId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What made it.
    pub source: SignalSource,
    /// When it was received.
    pub received_at: UnixMicros,
    /// The monotonic time of its receipt, where this process received it: a clock that is set back does not make an old
    /// signal young.
    pub received_tick: Option<i64>,
    /// Which way it points.
    pub action: Action,
    /// What its comment makes of it.
    pub intention: Intention,
    /// Its own price.
    pub price: Option<Price>,
}

/// One signal to be run by one strategy.
#[derive(Clone, Debug)]
pub struct Job {
    /// The signal.
    pub signal: SignalBrief,
    /// The strategy.
    pub strategy_id: StrategyId,
}

/// What a lane is told.
#[derive(Debug)]
pub enum Event {
    /// A signal was stored for one of the lane's strategies.
    Signal(Job),
    /// The account is connected: what the venue can do.
    Connected(Capabilities),
    /// The account is not connected any more.
    Disconnected,
    /// The account was unlinked: what waits is settled, and nothing leaves any more.
    Unlinked,
    /// The venue's rules for the symbol.
    Instrument(Result<Instrument, BrokerError>),
    /// The venue's net position in the symbol.
    Net(NetPurpose, Result<SignedQty, BrokerError>),
    /// What became of a send, and when it was begun.
    Submitted(ClientOrderId, UnixMicros, SubmitOutcome),
    /// What became of a cancel.
    Canceled(ClientOrderId, CancelOutcome),
    /// What the venue says about an order, and which question it answers.
    LookedUp(ClientOrderId, Question, LookUp),
    /// What the venue says about an order without being asked.
    Report(ExecutionReport),
    /// An intent existed already; it must be looked up before anything else.
    IntentRepeated(ClientOrderId),
    /// It is time to compare the books.
    CompareBooks,
    /// The entries of one strategy, or of all, are to be canceled before their positions are exited.
    CancelWorking(Option<StrategyId>),
    /// Time has passed.
    Tick,
}

/// Tells a lane's questions about orders apart: an answer that is late must not be taken for one to a later question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question(pub u64);

/// What the venue's net position is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetPurpose {
    /// To bound an exit.
    Exit,
    /// To compare the books.
    Books,
    /// To set a strategy's position to it.
    Adopt,
}

/// What a lane wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Record, and do nothing else before it is durable.
    Record(Box<Changes>),
    /// Send an order.
    Submit(Approved),
    /// Ask the venue about an order.
    LookUp(ClientOrderId, Question),
    /// Ask the venue to cancel an order.
    Cancel(ClientOrderId),
    /// Ask the venue for the net position.
    AskNet(NetPurpose),
    /// Ask the venue for the symbol's rules.
    AskInstrument,
}

/// What a lane sees of the directory.
pub trait View: Sync {
    /// A strategy as it is now; `None` where it was deleted.
    fn strategy(&self, id: StrategyId) -> Option<Arc<Strategy>>;
    /// The strongest halt on an account's strategy, and its reason.
    fn halt(&self, account: BrokerAccountId, strategy: StrategyId) -> Option<(HaltMode, String)>;
}

/// What a lane is handed with every event.
pub struct Context<'a> {
    /// The wall clock: what is stamped.
    pub now: UnixMicros,
    /// A monotonic clock in microseconds: what is waited by.
    pub tick: i64,
    /// The directory.
    pub view: &'a dyn View,
    /// What client order ids are derived from, beside signal, strategy and leg.
    pub installation: Uuid,
}
