//! The one pre-trade gate. Every order passes it, and no adapter can be reached around it: adapters take
//! [`Approved`], and only [`Gate::approve`] makes one. Every limit that stops an order belongs here and nowhere else.

use std::collections::HashMap;

use crate::code::Code;
use crate::halt::HaltMode;
use crate::ids::StrategyId;
use crate::money::{Qty, SignedQty};
use crate::order::OrderRequest;
use crate::time::UnixMicros;

/// An order that the gate let pass. It cannot be made elsewhere, copied, or sent twice: sending takes it.
///
/// Its fields are private, so an order that nobody approved does not compile:
///
/// ```compile_fail,E0451
/// use atomik_domain::{Approved, OrderRequest, StrategyId};
///
/// fn past_the_gate(request: OrderRequest, strategy_id: StrategyId) -> Approved {
///     Approved { request, strategy_id, is_exit: true }
/// }
/// ```
///
/// Nor does one that is sent a second time:
///
/// ```compile_fail,E0382
/// fn twice(order: atomik_domain::Approved, mut send: impl FnMut(atomik_domain::Approved)) {
///     send(order);
///     send(order);
/// }
/// ```
#[derive(Debug)]
pub struct Approved {
    request: OrderRequest,
    strategy_id: StrategyId,
    is_exit: bool,
}

impl Approved {
    /// What to send.
    #[must_use]
    pub fn request(&self) -> &OrderRequest {
        &self.request
    }

    /// Whose order it is.
    #[must_use]
    pub const fn strategy_id(&self) -> StrategyId {
        self.strategy_id
    }

    /// The last look before the send, at what a person may have done since the gate let the order pass: paused or deleted
    /// the strategy (then it is not `active`), or declared a halt.
    ///
    /// # Errors
    /// [`Denial`]: the order must not go.
    pub fn last_look(&self, active: bool, halt: Option<&(HaltMode, String)>) -> Result<(), Denial> {
        check_permission(self.is_exit, active, halt)
    }

    /// The same order for a venue that nets several strategies into one position: without the venue's own reduce-only
    /// mark, which would make it refuse to close what only our books tell apart. The gate has bounded the exit already.
    #[must_use]
    pub fn for_netted_account(mut self) -> Self {
        self.request.reduce_only = false;
        self
    }

    /// What to send, taken out.
    #[must_use]
    pub fn into_request(self) -> OrderRequest {
        self.request
    }
}

/// Why the gate refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Denial {
    /// The reason as a code.
    pub code: Code,
    /// The reason in a sentence with this case's numbers.
    pub detail: String,
}

/// What the gate knows about an order besides the order.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Now.
    pub now: UnixMicros,
    /// Whose order it is.
    pub strategy_id: StrategyId,
    /// Whether the strategy runs. One that is paused enters nothing.
    pub active: bool,
    /// When the signal was received.
    pub signal_received_at: UnixMicros,
    /// The strategy's `max_signal_age`, in seconds.
    pub max_signal_age_s: u32,
    /// The strategy's position.
    pub net_qty: SignedQty,
    /// What the strategy's working entries may still add.
    pub entries_working: Qty,
    /// What the strategy's working exits may still take away.
    pub exits_working: Qty,
    /// The strategy's largest allowed position.
    pub max_position: Qty,
    /// The strongest halt that covers the order, and its reason.
    pub halt: Option<(HaltMode, String)>,
    /// Whether the account's books were compared with the broker's since the start, and agree in this symbol.
    pub books: BooksState,
    /// Whether an order of this strategy in this symbol is unproven. Other strategies' orders say nothing about its own
    /// position, and do not hold it up.
    pub unknown_order_open: bool,
}

/// Whether our books and the broker's agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BooksState {
    /// Not compared since the start or the last loss of connection.
    NotCompared,
    /// Compared, and equal.
    Agree,
    /// Compared, and different in this symbol.
    Differ,
}

/// The gate and what it remembers: when each strategy's recent orders passed.
#[derive(Debug)]
pub struct Gate {
    max_orders_per_minute: u32,
    /// Per strategy, a token bucket in the generic cell rate form: the time at which it would be full again.
    full_at: HashMap<StrategyId, UnixMicros>,
}

const MINUTE: i64 = 60 * UnixMicros::SECOND;

impl Gate {
    /// A gate that lets each strategy make `max_orders_per_minute` orders a minute, and as many in one burst.
    #[must_use]
    pub fn new(max_orders_per_minute: u32) -> Self {
        Self { max_orders_per_minute: max_orders_per_minute.max(1), full_at: HashMap::new() }
    }

    /// Lets an order pass, or says why not.
    ///
    /// Exits are bounded by the position and by a freeze alone: a late exit, one during an outage or one in a burst
    /// still makes the position smaller.
    ///
    /// # Errors
    /// [`Denial`] with the first reason that stands against it.
    pub fn approve(
        &mut self,
        request: OrderRequest,
        circumstances: &Circumstances,
    ) -> Result<Approved, Denial> {
        if request.order_qty.0 <= rust_decimal::Decimal::ZERO {
            return Err(denial(Code::QuantityBelowLot, "The order's quantity is not positive.".to_owned()));
        }
        let (strategy_id, is_exit) = (circumstances.strategy_id, request.reduce_only);
        check_permission(is_exit, circumstances.active, circumstances.halt.as_ref())?;
        if is_exit {
            check_exit(&request, circumstances)?;
            self.count(circumstances);
        } else {
            check_entry(&request, circumstances)?;
            self.check_rate(circumstances)?;
        }
        Ok(Approved { request, strategy_id, is_exit })
    }

    fn interval(&self) -> i64 {
        MINUTE / i64::from(self.max_orders_per_minute)
    }

    /// Takes a token, and says whether there was one.
    fn count(&mut self, circumstances: &Circumstances) -> bool {
        let now = circumstances.now;
        let interval = self.interval();
        let full_at = self.full_at.entry(circumstances.strategy_id).or_insert(now);
        // A bucket is never further than one minute from full: one that is, was counted by a clock that has been set
        // back since, and says nothing about now.
        if full_at.micros_since(now) > MINUTE {
            *full_at = now;
        }
        *full_at = (*full_at).max(now);
        let next = full_at.plus(interval);
        let fits = next.micros_since(now) <= MINUTE;
        if fits {
            *full_at = next;
        }
        fits
    }

    fn check_rate(&mut self, circumstances: &Circumstances) -> Result<(), Denial> {
        if self.count(circumstances) {
            return Ok(());
        }
        let limit = self.max_orders_per_minute;
        Err(denial(
            Code::OrderRateLimit,
            format!("The strategy reached its limit of {limit} orders a minute."),
        ))
    }
}

fn denial(code: Code, detail: String) -> Denial {
    Denial { code, detail }
}

/// What a person may forbid at any moment.
fn check_permission(is_exit: bool, active: bool, halt: Option<&(HaltMode, String)>) -> Result<(), Denial> {
    match halt {
        Some((HaltMode::All, reason)) => Err(denial(Code::Halted, format!("Everything is frozen: {reason}"))),
        Some((HaltMode::Entries, reason)) if !is_exit => {
            Err(denial(Code::Halted, format!("Entries are halted: {reason}")))
        }
        _ if !is_exit && !active => {
            Err(denial(Code::StrategyInactive, Code::StrategyInactive.meaning().to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_exit(request: &OrderRequest, circumstances: &Circumstances) -> Result<(), Denial> {
    let held = circumstances.net_qty;
    let left = held.abs().less(circumstances.exits_working);
    let shrinks = request.side.signed(request.order_qty).is_long() != held.is_long();
    if held.is_zero() || !shrinks || request.order_qty > left {
        let qty = request.order_qty;
        let detail = format!("An exit of {qty} exceeds the {left} left of the position.");
        return Err(denial(Code::PositionLimit, detail));
    }
    Ok(())
}

fn check_entry(request: &OrderRequest, circumstances: &Circumstances) -> Result<(), Denial> {
    match circumstances.books {
        BooksState::Agree => {}
        BooksState::NotCompared => {
            return Err(denial(Code::BooksNotReconciled, Code::BooksNotReconciled.meaning().to_owned()));
        }
        BooksState::Differ => return Err(denial(Code::BooksDiffer, Code::BooksDiffer.meaning().to_owned())),
    }
    if circumstances.unknown_order_open {
        return Err(denial(Code::UnknownOrderOpen, Code::UnknownOrderOpen.meaning().to_owned()));
    }
    let age = circumstances.now.micros_since(circumstances.signal_received_at);
    let limit_s = i64::from(circumstances.max_signal_age_s);
    if age > limit_s * UnixMicros::SECOND {
        let age_s = age / UnixMicros::SECOND;
        let detail =
            format!("The signal was {age_s} s old; the strategy enters on signals up to {limit_s} s old.");
        return Err(denial(Code::SignalTooOld, detail));
    }
    let after =
        circumstances.net_qty + request.side.signed(request.order_qty + circumstances.entries_working);
    if after.abs() > circumstances.max_position {
        let limit = circumstances.max_position;
        let detail = format!("The position would be {}, past its limit of {limit}.", after.abs());
        return Err(denial(Code::PositionLimit, detail));
    }
    Ok(())
}

/// Counts orders approved against orders sent. More sent than approved cannot happen while the types hold; should it
/// happen all the same, the engine halts everything.
#[derive(Debug, Default)]
pub struct Tally {
    approved: u64,
    sent: u64,
}

impl Tally {
    /// One more order passed the gate.
    pub fn approved(&mut self) {
        self.approved += 1;
    }

    /// One more order is about to go to an adapter. `false`, and not counted, where more would go than passed.
    #[must_use]
    pub fn sent(&mut self) -> bool {
        let within = self.sent < self.approved;
        if within {
            self.sent += 1;
        }
        within
    }

    /// How many passed and how many went.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.approved, self.sent)
    }
}
