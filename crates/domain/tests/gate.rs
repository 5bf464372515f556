//! The gate: every reason to stop an order, and what passes all the same.

#![allow(clippy::unwrap_used)]

use atomik_domain::gate::{BooksState, Circumstances, Denial, Gate, Tally};
use atomik_domain::money::parse_decimal;
use atomik_domain::{
    Approved, ClientOrderId, Code, HaltMode, OrderRequest, OrderType, Qty, Side, SignalId, SignedQty,
    StrategyId, Symbol, TimeInForce, UnixMicros,
};
use proptest::prelude::*;
use rstest::rstest;

const NOW: UnixMicros = UnixMicros(1_700_000_000_000_000);

fn qty(text: &str) -> Qty {
    Qty(parse_decimal(text).unwrap())
}

fn signed(text: &str) -> SignedQty {
    SignedQty(parse_decimal(text).unwrap())
}

fn request(side: Side, order_qty: &str, reduce_only: bool) -> OrderRequest {
    OrderRequest {
        client_order_id: ClientOrderId::derive(uuid::Uuid::from_u128(1), SignalId(1), StrategyId(1), 0),
        symbol: Symbol::parse("ES").unwrap(),
        side,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Day,
        order_qty: qty(order_qty),
        limit_price: None,
        stop_price: None,
        reduce_only,
        reference_price: None,
    }
}

fn entry(order_qty: &str) -> OrderRequest {
    request(Side::Buy, order_qty, false)
}

fn exit(order_qty: &str) -> OrderRequest {
    request(Side::Sell, order_qty, true)
}

/// Long 5 of at most 10, fresh, with equal books: everything in order.
fn in_order() -> Circumstances {
    Circumstances {
        now: NOW,
        strategy_id: StrategyId(1),
        active: true,
        signal_received_at: NOW,
        max_signal_age_s: 30,
        net_qty: signed("5"),
        entries_working: Qty::ZERO,
        exits_working: Qty::ZERO,
        max_position: qty("10"),
        halt: None,
        books: BooksState::Agree,
        unknown_order_open: false,
    }
}

fn approve(request: OrderRequest, circumstances: &Circumstances) -> Result<Qty, Code> {
    let mut gate = Gate::new(600);
    let approved = gate.approve(request, circumstances).map_err(|denial| denial.code)?;
    Ok(approved.into_request().order_qty)
}

#[test]
fn what_is_in_order_passes_unchanged() {
    let request = entry("5");
    let approved = Gate::new(600).approve(request.clone(), &in_order()).unwrap();
    assert_eq!(approved.request(), &request);
    assert_eq!(approved.into_request(), request);
    assert_eq!(approve(exit("5"), &in_order()), Ok(qty("5")));
}

#[rstest]
#[case("0")]
#[case("-1")]
fn an_order_for_nothing_is_denied(#[case] order_qty: &str) {
    assert_eq!(approve(entry(order_qty), &in_order()), Err(Code::QuantityBelowLot));
    assert_eq!(approve(exit(order_qty), &in_order()), Err(Code::QuantityBelowLot));
}

#[test]
fn an_entries_halt_stops_entries_and_lets_exits_run() {
    let halted = Circumstances { halt: Some((HaltMode::Entries, "news".to_owned())), ..in_order() };
    let denial = Gate::new(600).approve(entry("1"), &halted).unwrap_err();
    assert_eq!(denial.code, Code::Halted);
    assert!(denial.to_string().contains("news"), "{denial}");
    assert_eq!(approve(exit("5"), &halted), Ok(qty("5")));
}

#[test]
fn a_freeze_stops_entries_and_exits() {
    let frozen = Circumstances { halt: Some((HaltMode::All, "a person looks".to_owned())), ..in_order() };
    for request in [entry("1"), exit("1")] {
        let denial = Gate::new(600).approve(request, &frozen).unwrap_err();
        assert_eq!(denial.code, Code::Halted);
        assert!(denial.to_string().contains("a person looks"), "{denial}");
    }
}

#[test]
fn a_paused_strategy_enters_nothing_and_still_gets_out() {
    let paused = Circumstances { active: false, ..in_order() };
    assert_eq!(approve(entry("1"), &paused), Err(Code::StrategyInactive));
    assert_eq!(approve(exit("5"), &paused), Ok(qty("5")));
}

/// Whether the strategy runs, the halt that covers it, and what the last look says of an entry and of an exit.
#[rstest]
#[case::nothing_has_come(true, None, None, None)]
#[case::a_pause(false, None, Some(Code::StrategyInactive), None)]
#[case::a_halt(true, Some(HaltMode::Entries), Some(Code::Halted), None)]
#[case::a_freeze(true, Some(HaltMode::All), Some(Code::Halted), Some(Code::Halted))]
#[case::a_pause_and_a_freeze(false, Some(HaltMode::All), Some(Code::Halted), Some(Code::Halted))]
fn the_last_look_sees_what_a_person_has_done_since(
    #[case] active: bool,
    #[case] halt: Option<HaltMode>,
    #[case] of_entry: Option<Code>,
    #[case] of_exit: Option<Code>,
) {
    let halt = halt.map(|mode| (mode, "a person looks".to_owned()));
    for (request, expected) in [(entry("1"), of_entry), (exit("1"), of_exit)] {
        let approved = Gate::new(600).approve(request, &in_order()).unwrap();
        let look =
            |approved: &Approved| approved.last_look(active, halt.as_ref()).err().map(|denial| denial.code);
        assert_eq!(look(&approved), expected);
        assert_eq!(look(&approved.for_netted_account()), expected, "the venue's mark changes nothing");
    }
}

/// Age in microseconds, and whether an entry may still leave.
#[rstest]
#[case::fresh(0, true)]
#[case::exactly_as_old_as_allowed(30_000_000, true)]
#[case::one_microsecond_older(30_000_001, false)]
#[case::a_day_old(86_400_000_000, false)]
#[case::the_clock_went_back(-5_000_000, true)]
fn a_stale_signal_never_enters_and_always_exits(#[case] age_us: i64, #[case] enters: bool) {
    let aged = Circumstances { signal_received_at: NOW.plus(-age_us), ..in_order() };
    let expected = if enters { Ok(qty("1")) } else { Err(Code::SignalTooOld) };
    assert_eq!(approve(entry("1"), &aged), expected);
    assert_eq!(approve(exit("5"), &aged), Ok(qty("5")));
}

#[rstest]
#[case(BooksState::NotCompared, Code::BooksNotReconciled)]
#[case(BooksState::Differ, Code::BooksDiffer)]
fn books_that_are_not_known_to_agree_stop_entries_alone(#[case] books: BooksState, #[case] code: Code) {
    let circumstances = Circumstances { books, ..in_order() };
    assert_eq!(approve(entry("1"), &circumstances), Err(code));
    assert_eq!(approve(exit("5"), &circumstances), Ok(qty("5")));
}

#[test]
fn an_unproven_order_stops_entries_alone() {
    let circumstances = Circumstances { unknown_order_open: true, ..in_order() };
    assert_eq!(approve(entry("1"), &circumstances), Err(Code::UnknownOrderOpen));
    assert_eq!(approve(exit("5"), &circumstances), Ok(qty("5")));
}

/// Held, entries working, side and quantity of an entry against a limit of 10.
#[rstest]
#[case::up_to_the_limit("5", "0", Side::Buy, "5", true)]
#[case::past_the_limit("5", "0", Side::Buy, "6", false)]
#[case::by_the_smallest_part("5", "0", Side::Buy, "5.00000001", false)]
#[case::working_entries_count("5", "3", Side::Buy, "2", true)]
#[case::working_entries_count_past("5", "3", Side::Buy, "3", false)]
#[case::from_flat("0", "0", Side::Sell, "10", true)]
#[case::from_flat_past("0", "0", Side::Sell, "11", false)]
#[case::short_up_to("-9", "0", Side::Sell, "1", true)]
#[case::short_past("-9", "0", Side::Sell, "2", false)]
#[case::past_it_already("50", "0", Side::Buy, "1", false)]
fn entries_stop_at_the_position_limit(
    #[case] net_qty: &str,
    #[case] working: &str,
    #[case] side: Side,
    #[case] order_qty: &str,
    #[case] passes: bool,
) {
    let circumstances =
        Circumstances { net_qty: signed(net_qty), entries_working: qty(working), ..in_order() };
    let expected = if passes { Ok(qty(order_qty)) } else { Err(Code::PositionLimit) };
    assert_eq!(approve(request(side, order_qty, false), &circumstances), expected);
}

/// Held, exits working, side and quantity of an exit.
#[rstest]
#[case::all_of_a_long("5", "0", Side::Sell, "5", true)]
#[case::more_than_a_long("5", "0", Side::Sell, "5.001", false)]
#[case::all_of_a_short("-5", "0", Side::Buy, "5", true)]
#[case::more_than_a_short("-5", "0", Side::Buy, "6", false)]
#[case::what_is_left_after_exits_working("5", "3", Side::Sell, "2", true)]
#[case::more_than_is_left("5", "3", Side::Sell, "3", false)]
#[case::nothing_left("5", "5", Side::Sell, "1", false)]
#[case::nothing_held("0", "0", Side::Sell, "1", false)]
#[case::a_long_is_not_exited_by_buying("5", "0", Side::Buy, "1", false)]
#[case::a_short_is_not_exited_by_selling("-5", "0", Side::Sell, "1", false)]
fn exits_never_exceed_or_flip_the_position(
    #[case] net_qty: &str,
    #[case] working: &str,
    #[case] side: Side,
    #[case] order_qty: &str,
    #[case] passes: bool,
) {
    let circumstances = Circumstances { net_qty: signed(net_qty), exits_working: qty(working), ..in_order() };
    let expected = if passes { Ok(qty(order_qty)) } else { Err(Code::PositionLimit) };
    assert_eq!(approve(request(side, order_qty, true), &circumstances), expected);
}

fn at(offset_us: i64) -> Circumstances {
    let now = NOW.plus(offset_us);
    Circumstances { now, signal_received_at: now, ..in_order() }
}

fn try_entry(gate: &mut Gate, circumstances: &Circumstances) -> Result<(), Denial> {
    gate.approve(entry("1"), circumstances).map(drop)
}

fn entries_that_pass(gate: &mut Gate, circumstances: &Circumstances, tries: usize) -> usize {
    (0..tries).filter(|_| try_entry(gate, circumstances).is_ok()).count()
}

#[test]
fn a_strategy_makes_so_many_orders_a_minute_and_no_more() {
    let mut gate = Gate::new(6);
    assert_eq!(entries_that_pass(&mut gate, &at(0), 20), 6);
    let denial = try_entry(&mut gate, &at(0)).unwrap_err();
    assert_eq!(denial.code, Code::OrderRateLimit);
    assert!(denial.to_string().contains("6 orders a minute"), "{denial}");
    // One comes back every ten seconds; a denied order takes none.
    assert_eq!(entries_that_pass(&mut gate, &at(9_999_999), 5), 0);
    assert_eq!(entries_that_pass(&mut gate, &at(10_000_000), 5), 1);
    assert_eq!(entries_that_pass(&mut gate, &at(30_000_000), 5), 2);
    assert_eq!(entries_that_pass(&mut gate, &at(600_000_000), 20), 6);
}

#[test]
fn each_strategy_has_a_rate_of_its_own() {
    let mut gate = Gate::new(3);
    assert_eq!(entries_that_pass(&mut gate, &at(0), 9), 3);
    let other = Circumstances { strategy_id: StrategyId(2), ..at(0) };
    assert_eq!(entries_that_pass(&mut gate, &other, 9), 3);
}

#[test]
fn exits_pass_the_rate_and_count_against_it() {
    let mut gate = Gate::new(6);
    for _ in 0..100 {
        gate.approve(exit("1"), &at(0)).unwrap();
    }
    assert_eq!(try_entry(&mut gate, &at(0)).unwrap_err().code, Code::OrderRateLimit);
    // However many exits there were, entries come back after at most a minute.
    assert!(try_entry(&mut gate, &at(60_000_000)).is_ok());
}

#[test]
fn a_clock_that_goes_back_does_not_lock_a_strategy_out() {
    let mut gate = Gate::new(6);
    assert_eq!(entries_that_pass(&mut gate, &at(0), 20), 6);
    let an_hour_ago = -3_600_000_000;
    assert!(entries_that_pass(&mut gate, &at(an_hour_ago), 20) <= 6);
    assert!(try_entry(&mut gate, &at(an_hour_ago + 60_000_000)).is_ok());
}

#[test]
fn a_rate_of_zero_is_read_as_one() {
    assert_eq!(entries_that_pass(&mut Gate::new(0), &at(0), 5), 1);
}

#[test]
fn the_first_reason_stands_and_a_denied_entry_takes_no_token() {
    let mut gate = Gate::new(1);
    let halted = Circumstances { halt: Some((HaltMode::Entries, "x".to_owned())), ..at(0) };
    assert_eq!(try_entry(&mut gate, &halted).unwrap_err().code, Code::Halted);
    let unknown = Circumstances { unknown_order_open: true, ..at(0) };
    assert_eq!(try_entry(&mut gate, &unknown).unwrap_err().code, Code::UnknownOrderOpen);
    assert!(try_entry(&mut gate, &at(0)).is_ok());
}

proptest! {
    /// Over any history that moves forward, no window of a minute holds more than twice the limit (a full bucket and
    /// what refills meanwhile), and a full bucket never more than the limit at once.
    #[test]
    fn the_rate_holds_over_any_history(limit in 1_u32..50, gaps in prop::collection::vec(0_i64..5_000_000, 1..300)) {
        let mut gate = Gate::new(limit);
        let mut offset = 0;
        let mut passed = Vec::new();
        for gap in gaps {
            offset += gap;
            if try_entry(&mut gate, &at(offset)).is_ok() {
                passed.push(offset);
            }
        }
        for (index, start) in passed.iter().enumerate() {
            let within_a_minute = passed[index..].iter().take_while(|at| *at - start < 60_000_000).count();
            prop_assert!(within_a_minute <= 2 * limit as usize, "{} of {}", within_a_minute, limit);
            let at_once = passed[index..].iter().take_while(|at| *at == start).count();
            prop_assert!(at_once <= limit as usize);
        }
    }
}

#[test]
fn the_tally_notices_an_order_that_was_sent_without_passing() {
    let mut tally = Tally::default();
    assert_eq!(tally.counts(), (0, 0));
    tally.approved();
    tally.approved();
    assert!(tally.sent());
    assert!(tally.sent());
    assert!(!tally.sent());
    assert_eq!(tally.counts(), (2, 2));
    tally.approved();
    assert!(tally.sent(), "an order that did not go does not count against the next");
}

#[test]
fn an_order_sent_before_any_approval_is_noticed() {
    assert!(!Tally::default().sent());
}
