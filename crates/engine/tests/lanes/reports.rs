//! Reports late, twice, out of order and with pieces missing; entries canceled before an exit.

use atomik_domain::{Code, ExecutionReport, OrderStatus, OutcomeStatus, Side};
use atomik_engine::lane::{Event, Question};
use atomik_ports::broker::LookUp;

use crate::support::world::{A, Asked, B, Fate, World};
use crate::support::{net, qty};

#[test]
fn partial_fills_add_up() {
    let mut world = World::new();
    world.then([Fate::Part(1)]);
    let signal = world.signal(A, "BUY", "");
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::PartiallyFilled);
    assert_eq!(world.position(A), net(1));
    world.fill(world.id(signal, A, 0), 1);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(2));
}

#[test]
fn reports_twice_and_in_any_order_change_nothing_twice() {
    let mut world = World::new();
    world.behave(A, |behavior| {
        behavior.quantity = qty(3);
        behavior.max_position = qty(3);
    });
    world.then([Fate::Work]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    let reports: Vec<_> = (0..3).map(|_| world.venue.fill(id, qty(1), world.now)).collect();
    for report in reports.iter().rev().chain(&reports).chain(reports.iter().rev()) {
        world.tell(Event::Report(report.clone()));
    }
    world.pass(1);
    assert_eq!(world.position(A), net(3));
    assert_eq!(world.book.fills.len(), 3);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn an_execution_that_stands_twice_in_one_report_counts_once() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let signal = world.signal(A, "BUY", "");
    let mut report = world.venue.fill(world.id(signal, A, 0), qty(1), world.now);
    report.executions.push(report.executions[0].clone());
    world.tell(Event::Report(report));
    assert_eq!(world.position(A), net(1));
}

#[test]
fn an_end_whose_executions_are_missing_is_no_end_before_they_are_here() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    let _ = world.venue.fill(id, qty(1), world.now);
    world.asks.extend([Asked::Unavailable]);
    world.end(id, OrderStatus::Canceled);
    assert!(!world.order(signal, A, 0).status.is_final());
    world.pass(5);
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Canceled);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
    assert_eq!(world.position(A), net(1));
}

#[test]
fn an_older_answer_does_not_make_an_end_unsaid() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    let _ = world.venue.fill(id, qty(1), world.now);
    let older = world.venue.report(id);
    let end = world.venue.end(id, OrderStatus::Canceled);
    world.tell(Event::Report(end));
    world.tell(Event::LookedUp(id, Question(0), LookUp::Found(older)));
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Canceled);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
}

#[test]
fn missing_executions_do_not_hold_up_the_lane_for_good() {
    let mut world = World::new();
    world.then([Fate::Silent]);
    let signal = world.signal(A, "BUY", "");
    let request = world.sent[0].clone();
    let id = request.client_order_id;
    world.venue.take(request);
    let _ = world.venue.fill(id, qty(2), world.now);
    let mut accepted = world.venue.report(id);
    accepted.executions.clear();
    world.asks.extend([Asked::Unavailable; 99]);
    world.tell(Event::Submitted(id, world.now, atomik_ports::broker::SubmitOutcome::Accepted(accepted)));
    world.pass(10);
    let other = world.signal(B, "BUY", "");
    world.expect(other, B, OutcomeStatus::Filled, Code::Filled);
    world.asks.clear();
    world.pass(60);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_fill_that_comes_after_the_orders_end_still_changes_the_position() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    let late = world.venue.fill(id, qty(1), world.now);
    let mut canceled = world.venue.end(id, OrderStatus::Canceled);
    canceled.filled_qty = qty(0);
    world.tell(Event::Report(canceled));
    world.expect(signal, A, OutcomeStatus::Expired, Code::OrderCanceled);
    world.signal(B, "BUY", "");
    world.tell(Event::Report(late));
    assert_eq!(world.position(A), net(1));
    assert_eq!(world.order(signal, A, 0).filled_qty, qty(1));
    world.expect(signal, A, OutcomeStatus::Expired, Code::OrderCanceled);
}

#[test]
fn an_order_that_the_venue_let_expire_was_at_the_venue() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.asks.extend([Asked::Unavailable; 3]);
    world.then([Fate::Unheard]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    world.end(world.id(signal, A, 0), OrderStatus::Expired);
    world.expect(signal, A, OutcomeStatus::Expired, Code::OrderExpired);
    assert_eq!(world.sent.len(), 2, "it is not planned anew");
}

#[test]
fn a_working_entry_is_canceled_before_an_exit_is_planned() {
    let mut world = World::new();
    world.then([Fate::Part(1)]);
    let entry = world.signal(A, "BUY", "");
    world.pass(6);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    assert_eq!(world.canceled, [world.id(entry, A, 0)]);
    world.expect(entry, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(1))]);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn a_fill_that_beats_the_cancel_is_exited_too() {
    let mut world = World::new();
    world.then([Fate::Part(1)]);
    let entry = world.signal(A, "BUY", "");
    world.pass(6);
    world.cancels = false;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    assert_eq!(world.sent.len(), 1, "the exit waits for the entry's end");
    world.fill(world.id(entry, A, 0), 1);
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(2))]);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_entry_that_cannot_be_canceled_stops_the_exit_with_a_reason() {
    let mut world = World::new();
    world.then([Fate::Part(1)]);
    world.signal(A, "BUY", "");
    world.pass(6);
    world.cancels = false;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(12);
    world.expect(exit, A, OutcomeStatus::Denied, Code::EntryStillWorking);
}

#[test]
fn a_strategy_deleted_while_its_exit_waits_does_not_hold_up_the_lane() {
    let mut world = World::new();
    world.then([Fate::Work]);
    world.signal(A, "BUY", "");
    world.pass(6);
    world.cancels = false;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.view.strategies.remove(&A);
    world.pass(20);
    world.expect(exit, A, OutcomeStatus::Denied, Code::StrategyInactive);
    let other = world.signal(B, "BUY", "");
    world.expect(other, B, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn exits_already_working_are_counted() {
    let mut world = World::new();
    // Our own count must do: the venue says nothing about the position.
    world.tells_net = false;
    world.behave(A, |behavior| {
        behavior.quantity = qty(7);
        behavior.max_position = qty(7);
    });
    world.signal(A, "BUY", "");
    world.then([Fate::Work, Fate::Work]);
    let first = world.signal(A, "SELL", "EXIT_75");
    world.pass(6);
    let second = world.signal(A, "SELL", "EXIT_50");
    world.pass(6);
    assert_eq!(world.order(first, A, 0).request.order_qty, qty(6));
    assert_eq!(world.order(second, A, 0).request.order_qty, qty(1), "one is left of seven");
    let third = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(third, A, OutcomeStatus::Skipped, Code::ExitAlreadyWorking);
    world.fill(world.id(second, A, 0), 1);
    world.fill(world.id(first, A, 0), 6);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn why_an_order_waits_is_shown_until_it_goes_on() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    let id = world.id(entry, A, 0);
    let closed = "The market is closed.".to_owned();
    let waits = ExecutionReport { reason: Some(closed.clone()), ..world.venue.report(id) };
    world.tell(Event::Report(waits));
    assert_eq!(world.order(entry, A, 0).reason, Some(closed));
    world.fill(id, 2);
    assert_eq!(world.order(entry, A, 0).reason, None);
}
