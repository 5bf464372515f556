//! The table of decisions about signals, row by row: position x action x comment x every setting that matters.
//!
//! The strategy trades 10 at a time, and holds 10 where it holds anything; its limit is 10 (the default: the configured
//! quantity) or, where the trader raised it, 25.

#![allow(clippy::unwrap_used)]

use Comment::{Entry, ExitFinal, ExitThird, Missing, UnknownText};
use Held::{Flat, Long, Short};
use atomik_domain::alert::{Action, Intention};
use atomik_domain::money::parse_decimal;
use atomik_domain::planner::{Decision, Situation, Working, decide, explained};
use atomik_domain::strategy::{Behavior, DEFAULT_MAX_SIGNAL_AGE_S};
use atomik_domain::{Code, OnOppositeEntry, Qty, Side, SignedQty};
use rstest::rstest;

fn qty(text: &str) -> Qty {
    Qty(parse_decimal(text).unwrap())
}

fn signed(text: &str) -> SignedQty {
    SignedQty(parse_decimal(text).unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Flat,
    Long,
    Short,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comment {
    Missing,
    UnknownText,
    Entry,
    ExitThird,
    ExitFinal,
}

/// One combination of everything that the table distinguishes.
#[derive(Clone, Copy, Debug)]
struct Case {
    held: Held,
    action: Action,
    comment: Comment,
    reverses: bool,
    bare_sell_opens_short: bool,
    limit_raised: bool,
}

impl Case {
    fn all() -> Vec<Self> {
        let mut cases = Vec::new();
        for held in [Flat, Long, Short] {
            for action in [Action::Buy, Action::Sell] {
                for comment in [Missing, UnknownText, Entry, ExitThird, ExitFinal] {
                    for settings in 0..8 {
                        cases.push(Self {
                            held,
                            action,
                            comment,
                            reverses: settings & 1 != 0,
                            bare_sell_opens_short: settings & 2 != 0,
                            limit_raised: settings & 4 != 0,
                        });
                    }
                }
            }
        }
        cases
    }

    fn situation(self) -> Situation {
        let net_qty = match self.held {
            Flat => "0",
            Long => "10",
            Short => "-10",
        };
        let comment = match self.comment {
            Missing => "",
            UnknownText => "Close entry(s) order Long",
            Entry => "ENTRY",
            ExitThird => "EXIT_33",
            ExitFinal => "EXIT_FINAL",
        };
        let on_opposite_entry = if self.reverses { OnOppositeEntry::Reverse } else { OnOppositeEntry::Exit };
        Situation {
            action: self.action,
            intention: Intention::parse(comment).unwrap(),
            behavior: Behavior {
                quantity: qty("10"),
                max_position: if self.limit_raised { qty("25") } else { qty("10") },
                on_opposite_entry,
                bare_sell_opens_short: self.bare_sell_opens_short,
                max_signal_age_s: DEFAULT_MAX_SIGNAL_AGE_S,
            },
            net_qty: signed(net_qty),
            kept: Qty::ZERO,
            working: Working::default(),
            explained: None,
            planned: None,
            lot_size: qty("1"),
        }
    }
}

/// The setting that a row depends on.
#[derive(Clone, Copy, Debug)]
enum If {
    Always,
    BareSellOpensShort(bool),
    LimitRaised(bool),
    Reverses(bool),
}

impl If {
    fn holds(self, case: &Case) -> bool {
        match self {
            Self::Always => true,
            Self::BareSellOpensShort(expected) => case.bare_sell_opens_short == expected,
            Self::LimitRaised(expected) => case.limit_raised == expected,
            Self::Reverses(expected) => case.reverses == expected,
        }
    }
}

struct Row {
    held: Held,
    action: Action,
    comments: &'static [Comment],
    condition: If,
    outcome: Decision,
}

fn row(held: Held, action: Action, comments: &'static [Comment], condition: If, outcome: Decision) -> Row {
    Row { held, action, comments, condition, outcome }
}

fn enter(side: Side, text: &str) -> Decision {
    Decision::Enter { side, qty: qty(text) }
}

fn exit(side: Side, text: &str) -> Decision {
    Decision::Exit { side, qty: qty(text) }
}

fn reverse(side: Side, text: &str) -> Decision {
    Decision::Reverse { side, exit_qty: qty(text) }
}

const BARE: &[Comment] = &[Missing, UnknownText];
const BARE_OR_ENTRY: &[Comment] = &[Missing, UnknownText, Entry];
const ANY_EXIT: &[Comment] = &[ExitThird, ExitFinal];

/// The table, in its own order. The last eight rows mirror the eight for a long position.
#[rustfmt::skip]
fn table() -> Vec<Row> {
    use Action::{Buy, Sell};
    vec![
        row(Flat,  Buy,  BARE_OR_ENTRY, If::Always,                    enter(Side::Buy, "10")),
        row(Flat,  Sell, &[Entry],      If::Always,                    enter(Side::Sell, "10")),
        row(Flat,  Sell, BARE,          If::BareSellOpensShort(false), Decision::Skip(Code::NothingToExit)),
        row(Flat,  Sell, BARE,          If::BareSellOpensShort(true),  enter(Side::Sell, "10")),
        row(Flat,  Buy,  ANY_EXIT,      If::Always,                    Decision::Skip(Code::NothingToExit)),
        row(Flat,  Sell, ANY_EXIT,      If::Always,                    Decision::Skip(Code::NothingToExit)),

        row(Long,  Sell, BARE,          If::Always,                    exit(Side::Sell, "10")),
        row(Long,  Sell, &[ExitThird],  If::Always,                    exit(Side::Sell, "4")),
        row(Long,  Sell, &[ExitFinal],  If::Always,                    exit(Side::Sell, "10")),
        row(Long,  Buy,  BARE_OR_ENTRY, If::LimitRaised(false),        Decision::Skip(Code::PositionLimit)),
        row(Long,  Buy,  BARE_OR_ENTRY, If::LimitRaised(true),         enter(Side::Buy, "10")),
        row(Long,  Buy,  ANY_EXIT,      If::Always,                    Decision::Skip(Code::ExitSideMismatch)),
        row(Long,  Sell, &[Entry],      If::Reverses(false),           exit(Side::Sell, "10")),
        row(Long,  Sell, &[Entry],      If::Reverses(true),            reverse(Side::Sell, "10")),

        row(Short, Buy,  BARE,          If::Always,                    exit(Side::Buy, "10")),
        row(Short, Buy,  &[ExitThird],  If::Always,                    exit(Side::Buy, "4")),
        row(Short, Buy,  &[ExitFinal],  If::Always,                    exit(Side::Buy, "10")),
        row(Short, Sell, BARE_OR_ENTRY, If::LimitRaised(false),        Decision::Skip(Code::PositionLimit)),
        row(Short, Sell, BARE_OR_ENTRY, If::LimitRaised(true),         enter(Side::Sell, "10")),
        row(Short, Sell, ANY_EXIT,      If::Always,                    Decision::Skip(Code::ExitSideMismatch)),
        row(Short, Buy,  &[Entry],      If::Reverses(false),           exit(Side::Buy, "10")),
        row(Short, Buy,  &[Entry],      If::Reverses(true),            reverse(Side::Buy, "10")),
    ]
}

#[test]
fn every_combination_falls_under_exactly_one_row_and_is_decided_as_it_says() {
    let table = table();
    let mut used = vec![false; table.len()];
    for case in Case::all() {
        let matching: Vec<usize> = (0..table.len())
            .filter(|&index| {
                let row = &table[index];
                row.held == case.held
                    && row.action == case.action
                    && row.comments.contains(&case.comment)
                    && row.condition.holds(&case)
            })
            .collect();
        assert_eq!(matching.len(), 1, "{case:?} falls under rows {matching:?}");
        used[matching[0]] = true;
        assert_eq!(decide(&case.situation()), table[matching[0]].outcome, "{case:?}");
    }
    assert!(used.iter().all(|used| *used), "a row of the table is never reached: {used:?}");
}

/// What a strategy with the default settings that holds `net_qty` does about an alert, lots of 1.
fn on_alert(net_qty: &str, action: Action, comment: &str) -> Decision {
    let case = Case {
        held: Flat,
        action,
        comment: Missing,
        reverses: false,
        bare_sell_opens_short: false,
        limit_raised: false,
    };
    let intention = Intention::parse(comment).unwrap();
    decide(&Situation { net_qty: signed(net_qty), intention, ..case.situation() })
}

// The guide's table "Exit Comment Types", one test a row.

#[rstest]
#[case("EXIT_50")]
#[case("EXIT_HALF")]
fn guide_exit_50_or_exit_half_closes_50_percent(#[case] comment: &str) {
    assert_eq!(on_alert("10", Action::Sell, comment), exit(Side::Sell, "5"));
    assert_eq!(on_alert("-10", Action::Buy, comment), exit(Side::Buy, "5"));
}

#[test]
fn guide_exit_25_closes_25_percent() {
    assert_eq!(on_alert("8", Action::Sell, "EXIT_25"), exit(Side::Sell, "2"));
}

#[test]
fn guide_exit_75_closes_75_percent() {
    assert_eq!(on_alert("8", Action::Sell, "EXIT_75"), exit(Side::Sell, "6"));
}

#[rstest]
#[case("EXIT_FINAL")]
#[case("EXIT_ALL")]
#[case("EXIT_100")]
fn guide_exit_final_exit_all_or_exit_100_closes_100_percent(#[case] comment: &str) {
    assert_eq!(on_alert("7", Action::Sell, comment), exit(Side::Sell, "7"));
    assert_eq!(on_alert("-7", Action::Buy, comment), exit(Side::Buy, "7"));
}

#[rstest]
#[case("EXIT_33", "100", "33")]
#[case("EXIT_33.3", "1000", "333")]
#[case("EXIT_7", "100", "7")]
#[case("EXIT_0.1", "1000", "1")]
#[case("EXIT_99.99", "10000", "9999")]
fn guide_exit_33_any_number_closes_that_percentage(
    #[case] comment: &str,
    #[case] held: &str,
    #[case] expected: &str,
) {
    assert_eq!(on_alert(held, Action::Sell, comment), exit(Side::Sell, expected));
}

#[test]
fn guide_entry_is_a_new_position_entry() {
    assert_eq!(on_alert("0", Action::Buy, "ENTRY"), enter(Side::Buy, "10"));
    assert_eq!(on_alert("0", Action::Sell, "ENTRY"), enter(Side::Sell, "10"));
}

#[test]
fn guide_no_comment_defaults_to_full_exit() {
    assert_eq!(on_alert("7", Action::Sell, ""), exit(Side::Sell, "7"));
}

#[rstest]
#[case("7", "EXIT_50", "4")]
#[case("1", "EXIT_25", "1")]
#[case("3", "EXIT_33", "1")]
#[case("3", "EXIT_34", "2")]
#[case("100", "EXIT_7", "7")]
#[case("10000", "EXIT_0.01", "1")]
fn guide_quantities_are_rounded_up_using_ceil(
    #[case] held: &str,
    #[case] comment: &str,
    #[case] expected: &str,
) {
    assert_eq!(on_alert(held, Action::Sell, comment), exit(Side::Sell, expected));
}

#[rstest]
#[case("0.007", "0.001", "EXIT_50", "0.004")]
#[case("0.5", "0.001", "EXIT_33.3", "0.167")]
#[case("1.25", "0.25", "EXIT_50", "0.75")]
#[case("300", "100", "EXIT_50", "200")]
fn ceil_goes_to_the_instruments_lot_step(
    #[case] held: &str,
    #[case] lot: &str,
    #[case] comment: &str,
    #[case] expected: &str,
) {
    let case = Case::all().into_iter().find(|case| case.held == Long && case.action == Action::Sell).unwrap();
    let intention = Intention::parse(comment).unwrap();
    let situation = Situation { net_qty: signed(held), intention, lot_size: qty(lot), ..case.situation() };
    assert_eq!(decide(&situation), exit(Side::Sell, expected));
}

// The guide's "Basic Examples".

#[test]
fn guide_basic_example_open_a_long_position() {
    assert_eq!(on_alert("0", Action::Buy, ""), enter(Side::Buy, "10"));
}

#[test]
fn guide_basic_example_close_a_long_position() {
    assert_eq!(on_alert("10", Action::Sell, "EXIT_FINAL"), exit(Side::Sell, "10"));
}

#[test]
fn guide_basic_example_partial_exit() {
    assert_eq!(on_alert("10", Action::Sell, "EXIT_50"), exit(Side::Sell, "5"));
}

// Beside the table: what works already, what the broker can explain, and what fits a lot.

fn exit_of_ten(working_exits: &str, explained: Option<&str>, comment: &str) -> Decision {
    let case = Case::all().into_iter().find(|case| case.held == Long && case.action == Action::Sell).unwrap();
    decide(&Situation {
        intention: Intention::parse(comment).unwrap(),
        working: Working { entries: Qty::ZERO, exits: qty(working_exits) },
        explained: explained.map(qty),
        ..case.situation()
    })
}

#[rstest]
#[case("5", None, "EXIT_50", exit(Side::Sell, "5"))]
#[case("6", None, "EXIT_50", exit(Side::Sell, "4"))]
#[case("3", None, "", exit(Side::Sell, "7"))]
#[case("10", None, "EXIT_25", Decision::Skip(Code::ExitAlreadyWorking))]
#[case("11", None, "EXIT_25", Decision::Skip(Code::ExitAlreadyWorking))]
#[case("0", Some("3"), "EXIT_FINAL", exit(Side::Sell, "3"))]
#[case("0", Some("3"), "EXIT_25", exit(Side::Sell, "3"))]
#[case("0", Some("0"), "EXIT_FINAL", Decision::Skip(Code::NotAtBroker))]
#[case("8", Some("5"), "EXIT_FINAL", exit(Side::Sell, "2"))]
fn exits_are_clamped_to_what_is_left_and_what_the_broker_explains(
    #[case] working_exits: &str,
    #[case] explained: Option<&str>,
    #[case] comment: &str,
    #[case] expected: Decision,
) {
    assert_eq!(exit_of_ten(working_exits, explained, comment), expected);
}

#[test]
fn a_reversal_that_cannot_exit_does_not_enter() {
    let case = Case::all().into_iter().find(|case| {
        case.held == Long && case.action == Action::Sell && case.comment == Entry && case.reverses
    });
    let situation = Situation { explained: Some(Qty::ZERO), ..case.unwrap().situation() };
    assert_eq!(decide(&situation), Decision::Skip(Code::NotAtBroker));
}

/// Entries: quantity, limit, held, entries working, lot.
#[rstest]
#[case::cut_to_the_room_left("10", "25", "20", "0", "1", enter(Side::Buy, "5"))]
#[case::working_entries_take_room("10", "25", "10", "10", "1", enter(Side::Buy, "5"))]
#[case::no_room_beside_working_entries("10", "25", "10", "15", "1", Decision::Skip(Code::PositionLimit))]
#[case::already_past_the_limit("10", "5", "10", "0", "1", Decision::Skip(Code::PositionLimit))]
#[case::room_smaller_than_a_lot("100", "150", "100", "0", "100", Decision::Skip(Code::PositionLimit))]
#[case::quantity_smaller_than_a_lot("0.5", "10", "0", "0", "1", Decision::Skip(Code::QuantityBelowLot))]
#[case::rounded_down_to_the_lot("2.7", "10", "0", "0", "1", enter(Side::Buy, "2"))]
fn entries_stay_below_the_limit_in_whole_lots(
    #[case] quantity: &str,
    #[case] max_position: &str,
    #[case] held: &str,
    #[case] working_entries: &str,
    #[case] lot: &str,
    #[case] expected: Decision,
) {
    let case = Case::all().into_iter().find(|case| case.held == Flat && case.action == Action::Buy).unwrap();
    let base = case.situation();
    let situation = Situation {
        behavior: Behavior { quantity: qty(quantity), max_position: qty(max_position), ..base.behavior },
        net_qty: signed(held),
        working: Working { entries: qty(working_entries), exits: Qty::ZERO },
        lot_size: qty(lot),
        ..base
    };
    assert_eq!(decide(&situation), expected);
}

#[rstest]
#[case::the_limit_is_reached("0.1", Decision::Skip(Code::PositionLimit))]
#[case::there_is_room("0.2", Decision::Enter { side: Side::Buy, qty: qty("0.1") })]
#[case::there_is_some("0.15", Decision::Enter { side: Side::Buy, qty: qty("0.05") })]
fn what_was_kept_as_a_fee_is_not_bought_back(#[case] max_position: &str, #[case] expected: Decision) {
    let case = Case::all().into_iter().find(|case| case.held == Flat && case.action == Action::Buy).unwrap();
    let base = case.situation();
    let situation = Situation {
        behavior: Behavior { quantity: qty("0.1"), max_position: qty(max_position), ..base.behavior },
        net_qty: signed("0.0999"),
        kept: qty("0.0001"),
        lot_size: qty("0.00001"),
        ..base
    };
    assert_eq!(decide(&situation), expected);
}

/// What the broker explains: what is held, the account's net position, what another strategy holds, orders working on the
/// exit's side.
#[rstest]
#[case::all_of_it_is_there("10", "10", "0", "0", "10")]
#[case::closed_by_hand("10", "0", "0", "0", "0")]
#[case::hidden_by_anothers_short("10", "0", "-10", "0", "10")]
#[case::anothers_long_hides_nothing("10", "20", "10", "0", "20")]
#[case::being_sold_already("10", "10", "0", "4", "6")]
#[case::the_account_is_short("10", "-5", "0", "0", "0")]
#[case::a_short_mirrors("-10", "-10", "0", "3", "7")]
#[case::a_short_hidden_by_anothers_long("-10", "2", "12", "0", "10")]
#[case::a_short_closed_by_hand("-10", "0", "0", "0", "0")]
fn explained_is_the_account_and_what_others_hold_against_it(
    #[case] held: &str,
    #[case] venue_net: &str,
    #[case] another: &str,
    #[case] exits_working: &str,
    #[case] expected: &str,
) {
    let positions = [signed(held), signed(another)];
    let result = explained(positions[0], signed(venue_net), positions, qty(exits_working));
    assert_eq!(result, qty(expected));
}

#[test]
fn an_exit_that_never_came_closes_no_less_than_was_planned_and_no_more_than_there_is() {
    let third = Case { comment: ExitThird, held: Long, action: Action::Sell, ..Case::all()[0] }.situation();
    let cases = [
        ("nothing was planned before", None, "0", None, "4"),
        ("less than a third of what is held now", Some("2"), "0", None, "4"),
        ("more than a third", Some("7"), "0", None, "7"),
        ("more than is held", Some("40"), "0", None, "10"),
        ("more than other exits leave", Some("7"), "5", None, "5"),
        ("more than the broker explains", Some("7"), "0", Some("3"), "3"),
    ];
    for (what, planned, working, explained, expected) in cases {
        let situation = Situation {
            planned: planned.map(qty),
            working: Working { exits: qty(working), ..Working::default() },
            explained: explained.map(qty),
            ..third
        };
        assert_eq!(decide(&situation), Decision::Exit { side: Side::Sell, qty: qty(expected) }, "{what}");
    }
}
