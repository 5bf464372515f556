//! The planner against an independent model in whole numbers, and over whole histories of signals and partial fills.
//!
//! The model knows no decimals: positions are numbers of lots, percentages hundredths of a percent.

#![allow(clippy::expect_used)]

use atomik_domain::alert::{Action, ExitPercent, Intention};
use atomik_domain::planner::{Decision, Situation, Working, decide, explained};
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{Code, OnOppositeEntry, Qty, Side, SignedQty};
use proptest::prelude::*;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// A kind of signal, without decimals.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bare,
    Entry,
    /// Hundredths of a percent, 1 to 10,000.
    Exit(i64),
}

/// A situation in whole lots.
#[derive(Clone, Copy, Debug)]
struct Lots {
    buy: bool,
    kind: Kind,
    quantity: i64,
    max: i64,
    reverses: bool,
    bare_sell_opens_short: bool,
    net: i64,
    entries_working: i64,
    exits_working: i64,
    explained: Option<i64>,
}

/// A decision in whole lots: signed by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Enter(i64),
    Exit(i64),
    Reverse(i64),
    Skip(Code),
}

/// The rules once more, in whole numbers and in another shape than the planner's.
fn model(lots: &Lots) -> Expected {
    let direction = if lots.buy { 1 } else { -1 };
    let against = lots.net * direction < 0;
    let held = lots.net.abs();
    if against {
        let hundredths = match lots.kind {
            Kind::Exit(hundredths) => hundredths,
            Kind::Bare | Kind::Entry => 10_000,
        };
        let left = (held - lots.exits_working).max(0);
        if left == 0 {
            return Expected::Skip(Code::ExitAlreadyWorking);
        }
        let share = (held * hundredths + 9_999) / 10_000;
        let order = share.min(left).min(lots.explained.unwrap_or(i64::MAX));
        return match (order, lots.kind) {
            (0, _) => Expected::Skip(Code::NotAtBroker),
            (_, Kind::Entry) if lots.reverses => Expected::Reverse(direction * order),
            _ => Expected::Exit(direction * order),
        };
    }
    match lots.kind {
        Kind::Exit(_) if held == 0 => return Expected::Skip(Code::NothingToExit),
        Kind::Exit(_) => return Expected::Skip(Code::ExitSideMismatch),
        Kind::Bare if held == 0 && !lots.buy && !lots.bare_sell_opens_short => {
            return Expected::Skip(Code::NothingToExit);
        }
        Kind::Bare | Kind::Entry => {}
    }
    let room = lots.max - held - lots.entries_working;
    if room <= 0 {
        Expected::Skip(Code::PositionLimit)
    } else {
        Expected::Enter(direction * lots.quantity.min(room))
    }
}

/// Turns numbers of lots into decimals of one lot step.
#[derive(Clone, Copy, Debug)]
struct LotStep {
    units: i64,
    scale: u32,
}

impl LotStep {
    fn decimal(self, lots: i64) -> Decimal {
        Decimal::new(lots * self.units, self.scale)
    }

    fn qty(self, lots: i64) -> Qty {
        Qty(self.decimal(lots))
    }

    /// The number of lots in a quantity, which must be a whole one.
    fn lots(self, qty: Qty) -> i64 {
        let lots = qty.0 / self.decimal(1);
        assert!(lots.is_integer(), "{qty} is no multiple of {}", self.decimal(1));
        lots.to_i64().expect("a few lots")
    }

    fn situation(self, lots: &Lots) -> Situation {
        Situation {
            action: if lots.buy { Action::Buy } else { Action::Sell },
            intention: match lots.kind {
                Kind::Bare => Intention::Bare,
                Kind::Entry => Intention::Entry,
                Kind::Exit(hundredths) => {
                    Intention::Exit(ExitPercent::new(Decimal::new(hundredths, 2)).expect("1 to 10,000"))
                }
            },
            behavior: Behavior {
                quantity: self.qty(lots.quantity),
                max_position: self.qty(lots.max),
                on_opposite_entry: if lots.reverses {
                    OnOppositeEntry::Reverse
                } else {
                    OnOppositeEntry::Exit
                },
                bare_sell_opens_short: lots.bare_sell_opens_short,
                max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
            },
            net_qty: SignedQty(self.decimal(lots.net)),
            kept: Qty::ZERO,
            working: Working { entries: self.qty(lots.entries_working), exits: self.qty(lots.exits_working) },
            explained: lots.explained.map(|lots| self.qty(lots)),
            planned: None,
            lot_size: self.qty(1),
        }
    }

    fn decision(self, expected: Expected) -> Decision {
        let side = |lots: i64| if lots > 0 { Side::Buy } else { Side::Sell };
        match expected {
            Expected::Enter(lots) => Decision::Enter { side: side(lots), qty: self.qty(lots.abs()) },
            Expected::Exit(lots) => Decision::Exit { side: side(lots), qty: self.qty(lots.abs()) },
            Expected::Reverse(lots) => Decision::Reverse { side: side(lots), exit_qty: self.qty(lots.abs()) },
            Expected::Skip(code) => Decision::Skip(code),
        }
    }
}

fn lot_step() -> impl Strategy<Value = LotStep> {
    let steps = [(1, 0), (1, 3), (1, 8), (25, 2), (5, 0), (100, 0), (3, 1)];
    prop::sample::select(steps.to_vec()).prop_map(|(units, scale)| LotStep { units, scale })
}

fn kind() -> impl Strategy<Value = Kind> {
    let usual = prop::sample::select(vec![2_500, 3_300, 3_333, 5_000, 7_500, 10_000]);
    prop_oneof![
        Just(Kind::Bare),
        Just(Kind::Entry),
        (1_i64..=10_000).prop_map(Kind::Exit),
        usual.prop_map(Kind::Exit),
    ]
}

prop_compose! {
    fn lots()(
        buy in any::<bool>(),
        kind in kind(),
        quantity in 1_i64..50,
        max in 1_i64..200,
        reverses in any::<bool>(),
        bare_sell_opens_short in any::<bool>(),
        net in prop_oneof![Just(0_i64), -200_i64..=200, -1_000_000_i64..=1_000_000],
        entries_working in 0_i64..60,
        exits_working in prop_oneof![Just(0_i64), 0_i64..250],
        explained in prop::option::of(0_i64..250),
    ) -> Lots {
        Lots { buy, kind, quantity, max, reverses, bare_sell_opens_short, net, entries_working, exits_working, explained }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_planner_decides_as_the_whole_number_model_does(lots in lots(), step in lot_step()) {
        prop_assert_eq!(decide(&step.situation(&lots)), step.decision(model(&lots)));
    }

    #[test]
    fn exits_never_exceed_what_is_left_or_explained_and_never_flip(lots in lots(), step in lot_step()) {
        let (side, qty) = match decide(&step.situation(&lots)) {
            Decision::Exit { side, qty } | Decision::Reverse { side, exit_qty: qty } => (side, qty),
            Decision::Enter { .. } | Decision::Skip(_) => return Ok(()),
        };
        prop_assert!(qty > Qty::ZERO);
        prop_assert!(qty + step.qty(lots.exits_working) <= step.qty(lots.net.abs()));
        prop_assert!(lots.explained.is_none_or(|explained| qty <= step.qty(explained)));
        let before = SignedQty(step.decimal(lots.net));
        let after = before + side.signed(qty);
        prop_assert!(after.is_zero() || after.is_long() == before.is_long());
        prop_assert!(after.abs() < before.abs());
        prop_assert!((qty.0 % step.decimal(1)).is_zero());
    }

    #[test]
    fn entries_never_go_past_the_limit(lots in lots(), step in lot_step()) {
        if let Decision::Enter { side, qty } = decide(&step.situation(&lots)) {
            prop_assert!(qty > Qty::ZERO);
            prop_assert!(qty <= step.qty(lots.quantity));
            let reached = SignedQty(step.decimal(lots.net)) + side.signed(qty + step.qty(lots.entries_working));
            prop_assert!(reached.abs() <= step.qty(lots.max));
            prop_assert!((qty.0 % step.decimal(1)).is_zero());
        }
    }

    /// Whatever a position looks like that is no multiple of its lot (a venue's fee taken in coins leaves such), an exit is of
    /// whole lots and stays within it.
    #[test]
    fn odd_lots_are_never_oversold(net in 1_i64..1_000_000, hundredths in 1_i64..=10_000, step in lot_step()) {
        let held = SignedQty(Decimal::new(net, 4));
        let lots = Lots {
            buy: false, kind: Kind::Exit(hundredths), quantity: 1, max: 1, reverses: false,
            bare_sell_opens_short: false, net: 1, entries_working: 0, exits_working: 0, explained: None,
        };
        let decision = decide(&Situation { net_qty: held, ..step.situation(&lots) });
        let whole = held.abs().floor_to_lot(step.qty(1));
        if whole.is_zero() {
            prop_assert_eq!(decision, Decision::Skip(Code::QuantityBelowLot));
            return Ok(());
        }
        let Decision::Exit { side: Side::Sell, qty } = decision else {
            return Err(TestCaseError::fail(format!("{decision:?}")));
        };
        prop_assert!(qty > Qty::ZERO && qty <= held.abs());
        prop_assert!((qty.0 % step.decimal(1)).is_zero());
        // At least the asked share: rounding goes up, or stops at the last whole lot.
        prop_assert!(qty.0 >= Decimal::new(net * hundredths, 8) || qty == whole);
    }
}

// Histories: a lane in whole lots that plans each signal with what works already, and a venue that fills in parts.

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An alert arrives.
    Signal { buy: bool, kind: Kind },
    /// The venue fills up to so many lots of the working order with this number, counted round.
    Fill { order: usize, lots: i64 },
    /// The venue cancels the rest of a working order.
    Cancel { order: usize },
    /// Somebody closes lots of the account's position by hand.
    ByHand { lots: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), kind()).prop_map(|(buy, kind)| Step::Signal { buy, kind }),
        4 => (any::<usize>(), 1_i64..8).prop_map(|(order, lots)| Step::Fill { order, lots }),
        1 => any::<usize>().prop_map(|order| Step::Cancel { order }),
        1 => (1_i64..8).prop_map(|lots| Step::ByHand { lots }),
    ]
}

/// An order at the venue.
#[derive(Clone, Copy, Debug)]
struct WorkingOrder {
    /// 1 buys, -1 sells.
    direction: i64,
    is_exit: bool,
    leaves: i64,
}

#[derive(Debug)]
struct Lane {
    step: LotStep,
    quantity: i64,
    max: i64,
    reverses: bool,
    net: i64,
    /// The account's position at the venue: ours, less what went by hand.
    venue_net: i64,
    orders: Vec<WorkingOrder>,
    /// The direction of the entry that waits for a reversal's exit.
    reversal: Option<i64>,
}

impl Lane {
    fn working(&self, exits: bool) -> i64 {
        self.orders.iter().filter(|order| order.is_exit == exits).map(|order| order.leaves).sum()
    }

    fn signal(&mut self, buy: bool, kind: Kind) {
        let direction = if buy { 1 } else { -1 };
        // A lane ends an entry that still works before it plans anything the other way, as the engine does.
        self.orders.retain(|order| order.is_exit || order.direction == direction);
        let net_qty = SignedQty(self.step.decimal(self.net));
        let exits_working = self.step.qty(self.working(true));
        let venue_net = SignedQty(self.step.decimal(self.venue_net));
        let decision = decide(&Situation {
            explained: Some(explained(net_qty, venue_net, [net_qty], exits_working)),
            ..self.step.situation(&Lots {
                buy,
                kind,
                quantity: self.quantity,
                max: self.max,
                reverses: self.reverses,
                bare_sell_opens_short: true,
                net: self.net,
                entries_working: self.working(false),
                exits_working: self.working(true),
                explained: None,
            })
        });
        let (leaves, is_exit) = match decision {
            Decision::Enter { qty, .. } => (qty, false),
            Decision::Exit { qty, .. } => (qty, true),
            Decision::Reverse { exit_qty, .. } => {
                self.reversal = Some(direction);
                (exit_qty, true)
            }
            Decision::Skip(_) => return,
        };
        let leaves = self.step.lots(leaves);
        self.orders.push(WorkingOrder { direction, is_exit, leaves });
    }

    fn fill(&mut self, order: usize, lots: i64) {
        if self.orders.is_empty() {
            return;
        }
        let index = order % self.orders.len();
        let order = &mut self.orders[index];
        let lots = lots.min(order.leaves);
        order.leaves -= lots;
        let change = lots * order.direction;
        let before = self.net;
        self.net += change;
        self.venue_net += change;
        if self.orders[index].is_exit {
            assert!(
                before * self.net >= 0 && self.net.abs() < before.abs(),
                "an exit flipped or grew: {self:?}"
            );
        }
        self.orders.retain(|order| order.leaves > 0);
        if self.net == 0
            && let Some(direction) = self.reversal.take()
        {
            self.signal(direction > 0, Kind::Entry);
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Signal { buy, kind } => self.signal(buy, kind),
            Step::Fill { order, lots } => self.fill(order, lots),
            Step::Cancel { order } if !self.orders.is_empty() => {
                let index = order % self.orders.len();
                self.orders.remove(index);
                self.reversal = None;
            }
            // Nobody can foresee a hand that is quicker than an exit on its way: only what is not being sold goes.
            Step::ByHand { lots } if self.working(true) == 0 => {
                let lots = lots.min(self.venue_net.abs());
                self.venue_net -= lots * self.venue_net.signum();
            }
            Step::Cancel { .. } | Step::ByHand { .. } => {}
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert!(self.net.abs() <= self.max, "past the limit: {:?}", self);
        prop_assert!(self.working(true) <= self.net.abs(), "exits not covered: {:?}", self);
        let exits_cover = self.orders.iter().filter(|order| order.is_exit);
        prop_assert!(
            exits_cover.clone().all(|order| order.direction * self.net < 0),
            "an exit adds: {:?}",
            self
        );
        let explained_by_venue = (self.venue_net * self.net.signum()).max(0);
        prop_assert!(self.working(true) <= explained_by_venue, "sold twice: {:?}", self);
        let entering: i64 = self.orders.iter().filter(|order| !order.is_exit).map(|order| order.leaves).sum();
        prop_assert!(self.net.abs() + entering <= self.max, "entries could go past the limit: {:?}", self);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_history_of_signals_and_partial_fills_goes_past_a_limit(
        steps in prop::collection::vec(step(), 1..60),
        quantity in 1_i64..12,
        extra in 0_i64..20,
        reverses in any::<bool>(),
        lot in lot_step(),
    ) {
        let mut lane = Lane {
            step: lot, quantity, max: quantity + extra, reverses,
            net: 0, venue_net: 0, orders: Vec::new(), reversal: None,
        };
        for step in steps {
            lane.apply(step);
            lane.check()?;
        }
    }
}
