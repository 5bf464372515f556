//! What a signal does to a strategy: the table of decisions as one pure function.

use rust_decimal::Decimal;

use crate::alert::{Action, ExitPercent, Intention};
use crate::code::Code;
use crate::money::{Qty, SignedQty};
use crate::order::Side;
use crate::position::PositionSide;
use crate::strategy::{Behavior, OnOppositeEntry};

/// Everything a decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The signal's action.
    pub action: Action,
    /// What the signal's comment makes of it.
    pub intention: Intention,
    /// The strategy's settings.
    pub behavior: Behavior,
    /// The strategy's position, from its own fills.
    pub net_qty: SignedQty,
    /// What venues kept of that position as fees in kind. It counts towards the limit: nobody wants to buy it back.
    pub kept: Qty,
    /// What the strategy's working orders may still do.
    pub working: Working,
    /// The most that the broker can still explain of this position; `None` where the broker has not been asked.
    pub explained: Option<Qty>,
    /// What an exit that never reached the broker was to close when it was first planned: planned anew it closes no less, as far
    /// as there is something, for what came after it was decided with it. `None` for everything that is planned first.
    pub planned: Option<Qty>,
    /// The instrument's lot step.
    pub lot_size: Qty,
}

/// Quantities that may still fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Working {
    /// In orders that open or grow a position.
    pub entries: Qty,
    /// In orders that shrink it.
    pub exits: Qty,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Open or grow a position.
    Enter {
        /// Which way.
        side: Side,
        /// How much.
        qty: Qty,
    },
    /// Shrink or close a position.
    Exit {
        /// Which way.
        side: Side,
        /// How much.
        qty: Qty,
    },
    /// Close the position, wait for the fill, then decide the entry anew from flat.
    Reverse {
        /// The side of both orders.
        side: Side,
        /// How much to exit first.
        exit_qty: Qty,
    },
    /// Nothing, and why.
    Skip(Code),
}

/// The table of decisions: what each signal does to a strategy that is flat, long or short.
#[must_use]
pub fn decide(situation: &Situation) -> Decision {
    let side = situation.action.side();
    match (PositionSide::of(situation.net_qty), situation.intention) {
        (PositionSide::Flat, Intention::Exit(_)) => Decision::Skip(Code::NothingToExit),
        (PositionSide::Flat, Intention::Bare)
            if side == Side::Sell && !situation.behavior.bare_sell_opens_short =>
        {
            Decision::Skip(Code::NothingToExit)
        }
        (PositionSide::Flat, _) => enter(situation, side),
        (held, intention) if side == adding_side(held) => match intention {
            Intention::Exit(_) => Decision::Skip(Code::ExitSideMismatch),
            Intention::Bare | Intention::Entry => enter(situation, side),
        },
        (_, Intention::Exit(percent)) => exit(situation, side, percent),
        (_, Intention::Bare) => exit(situation, side, ExitPercent::ALL),
        (_, Intention::Entry) => match situation.behavior.on_opposite_entry {
            OnOppositeEntry::Exit => exit(situation, side, ExitPercent::ALL),
            OnOppositeEntry::Reverse => match exit(situation, side, ExitPercent::ALL) {
                Decision::Exit { side, qty } => Decision::Reverse { side, exit_qty: qty },
                other => other,
            },
        },
    }
}

/// The most of a position that the broker can still explain: for a long, the account's net position plus what other
/// strategies are short there, less what is already being sold; mirrored for a short.
///
/// `held` is what each strategy on the account holds, this one or not: its own position is not opposite to itself.
/// `exits_working` is the quantity of every working order, of any strategy on the account, on the exit's side.
#[must_use]
pub fn explained(
    net_qty: SignedQty,
    venue_net: SignedQty,
    held: impl IntoIterator<Item = SignedQty>,
    exits_working: Qty,
) -> Qty {
    let toward_us = if net_qty.is_short() { -venue_net } else { venue_net };
    let opposite = held.into_iter().filter(|other| other.is_long() != net_qty.is_long());
    let total = opposite.fold(toward_us.0, |sum, other| sum.saturating_add(other.abs().0));
    Qty(total.max(Decimal::ZERO)).less(exits_working)
}

const fn adding_side(held: PositionSide) -> Side {
    match held {
        PositionSide::Short => Side::Sell,
        PositionSide::Long | PositionSide::Flat => Side::Buy,
    }
}

/// An entry of the configured quantity, cut to the room left below the limit.
fn enter(situation: &Situation, side: Side) -> Decision {
    let behavior = &situation.behavior;
    let held = situation.net_qty.abs() + situation.kept;
    let room = behavior.max_position.less(held).less(situation.working.entries);
    if room.is_zero() {
        return Decision::Skip(Code::PositionLimit);
    }
    let qty = behavior.quantity.at_most(room).floor_to_lot(situation.lot_size);
    match (qty.is_zero(), behavior.quantity.floor_to_lot(situation.lot_size).is_zero()) {
        (true, true) => Decision::Skip(Code::QuantityBelowLot),
        (true, false) => Decision::Skip(Code::PositionLimit),
        (false, _) => Decision::Enter { side, qty },
    }
}

/// An exit of a part of the position, or of what that was when it was first planned where that is more: rounded up to the lot,
/// then clamped to what is left after exits already working and to what the broker can still explain, of which whole lots can
/// be sold.
fn exit(situation: &Situation, side: Side, percent: ExitPercent) -> Decision {
    let position = situation.net_qty.abs();
    let share =
        position.0.saturating_mul(percent.get()).checked_div(Decimal::ONE_HUNDRED).unwrap_or(position.0);
    let share = situation.planned.map_or(share, |planned| share.max(planned.0));
    let left = position.less(situation.working.exits);
    if left.is_zero() {
        return Decision::Skip(Code::ExitAlreadyWorking);
    }
    let qty = Qty(share).ceil_to_lot(situation.lot_size).at_most(left);
    let qty = situation.explained.map_or(qty, |explained| qty.at_most(explained));
    // Fees in kind leave less than a lot behind, which no venue takes.
    match (qty.is_zero(), qty.floor_to_lot(situation.lot_size)) {
        (true, _) => Decision::Skip(Code::NotAtBroker),
        (false, whole) if whole.is_zero() => Decision::Skip(Code::QuantityBelowLot),
        (false, whole) => Decision::Exit { side, qty: whole },
    }
}
