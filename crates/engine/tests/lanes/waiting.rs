//! Order, bounds, connections, ages and clocks.

use atomik_domain::gate::BooksState;
use atomik_domain::{Code, OrderStatus, OutcomeStatus, Side};
use atomik_engine::lane::Event;
use atomik_ports::broker::BrokerError;

use crate::support::world::{A, B, Fate, World};
use crate::support::{net, qty};

#[test]
fn signals_are_worked_on_in_the_order_of_acceptance() {
    let mut world = World::down();
    let signals = [
        world.signal(A, "BUY", ""),
        world.signal(B, "BUY", ""),
        world.signal(A, "SELL", "EXIT_50"),
        world.signal(B, "SELL", "EXIT_ALL"),
        world.signal(A, "SELL", "EXIT_ALL"),
    ];
    assert_eq!(world.lane.waiting(), 5);
    world.connect();
    for (signal, strategy) in signals.into_iter().zip([A, B, A, B, A]) {
        world.expect(signal, strategy, OutcomeStatus::Filled, Code::Filled);
    }
    let sides = [(Side::Buy, 2), (Side::Buy, 2), (Side::Sell, 1), (Side::Sell, 2), (Side::Sell, 1)];
    assert_eq!(world.left(), sides.map(|(side, units)| (side, qty(units))));
}

#[test]
fn a_job_waits_for_the_fill_of_the_one_before() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    assert_eq!(world.sent.len(), 1);
    world.fill(world.id(entry, A, 0), 2);
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn more_than_the_lane_holds_are_denied() {
    let mut world = World::down();
    let signals: Vec<_> = (0..10).map(|_| world.signal(A, "BUY", "")).collect();
    for signal in &signals[8..] {
        world.expect(*signal, A, OutcomeStatus::Denied, Code::OverQueue);
    }
    world.expect(signals[7], A, OutcomeStatus::Pending, Code::Accepted);
    assert_eq!(world.lane.waiting(), 8);
}

#[test]
fn a_symbol_that_the_venue_does_not_know_is_denied() {
    let mut world = World::down();
    world.venue.knows_symbol = false;
    world.connect();
    let signal = world.signal(A, "BUY", "");
    world.pass(3);
    world.expect(signal, A, OutcomeStatus::Denied, Code::BrokerRejected);
    assert!(world.book.outcomes[&(signal, A)].detail.contains("ES"));
    world.venue.knows_symbol = true;
    let signal = world.signal(A, "BUY", "");
    world.pass(3);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_venue_slow_to_tell_the_rules_is_not_waited_for_in_a_spin() {
    let mut world = World::down();
    world.link_up = true;
    world.decide(Event::Connected(world.venue.capabilities()));
    world.effects.clear();
    // No answer comes; `pass` counts the wakes.
    world.pass(30);
}

#[test]
fn the_rules_are_asked_for_until_they_are_told_whatever_else_is_asked_meanwhile() {
    let mut world = World::down();
    world.link_up = true;
    world.decide(Event::Connected(world.venue.capabilities()));
    world.effects.clear();
    world.decide(Event::CompareBooks);
    world.inbox.push_back(Event::Instrument(Err(BrokerError::Unavailable("busy".to_owned()))));
    world.run();
    assert_eq!(world.lane.books_state(), BooksState::NotCompared, "without the rules nothing is known");
    let entry = world.signal(A, "BUY", "");
    world.pass(3);
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_stale_entry_never_leaves() {
    let mut world = World::down();
    let entry = world.signal(A, "BUY", "");
    world.pass(31);
    world.expect(entry, A, OutcomeStatus::Expired, Code::AccountUnavailable);
    world.connect();
    world.pass(5);
    assert_eq!(world.left(), []);
}

#[test]
fn an_entry_held_up_behind_another_order_may_grow_too_old() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.max_signal_age_s = 3);
    world.then([Fate::Work]);
    let first = world.signal(B, "BUY", "");
    let second = world.signal(A, "BUY", "");
    world.pass(4);
    world.fill(world.id(first, B, 0), 2);
    world.expect(second, A, OutcomeStatus::Denied, Code::SignalTooOld);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_exit_waits_out_an_outage_and_is_planned_from_the_live_position() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.disconnect();
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(600);
    world.expect(exit, A, OutcomeStatus::Pending, Code::Accepted);
    world.venue.by_hand = net(-1);
    world.connect();
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(1))]);
}

#[test]
fn fills_made_during_an_outage_are_found_after_it() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    world.disconnect();
    let _ = world.venue.fill(world.id(entry, A, 0), qty(2), world.now);
    world.connect();
    world.pass(5);
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(2));
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_lost_report_is_made_good_when_the_books_are_compared() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    world.pass(10);
    let _ = world.venue.fill(world.id(entry, A, 0), qty(2), world.now);
    world.tell(Event::CompareBooks);
    world.pass(2);
    assert_eq!(world.order(entry, A, 0).status, OrderStatus::Filled);
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_clock_that_goes_back_an_hour_makes_no_old_signal_young() {
    let mut world = World::new();
    world.then([Fate::NotSent; 60]);
    let entry = world.signal(A, "BUY", "");
    world.now = world.now.plus_seconds(-3_600);
    world.pass(29);
    world.expect(entry, A, OutcomeStatus::Pending, Code::Accepted);
    world.pass(3);
    world.expect(entry, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    world.sends.clear();
    let next = world.signal(A, "BUY", "");
    world.expect(next, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_clock_that_goes_forward_an_hour_lets_no_entry_leave_that_may_be_old() {
    let mut world = World::new();
    world.then([Fate::NotSent]);
    let entry = world.signal(A, "BUY", "");
    world.now = world.now.plus_seconds(3_600);
    world.pass(2);
    world.expect(entry, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    let next = world.signal(A, "BUY", "");
    world.expect(next, A, OutcomeStatus::Filled, Code::Filled);
    world.now = world.now.plus_seconds(-3_600);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn the_lane_lets_go_of_what_is_done() {
    let mut world = World::new();
    for _ in 0..200 {
        world.signal(A, "BUY", "");
        world.signal(A, "SELL", "");
        world.pass(1);
    }
    assert_eq!(world.lane.waiting(), 0);
    assert_eq!(world.position(A), net(0));
    assert_eq!(world.sent.len(), 400);
}

#[test]
fn the_end_of_an_order_whose_report_was_lost_is_found_though_the_books_are_equal() {
    for ended in [OrderStatus::Canceled, OrderStatus::Expired] {
        let mut world = World::new();
        world.then([Fate::Work]);
        let entry = world.signal(A, "BUY", "");
        world.pass(10);
        let _ = world.venue.end(world.id(entry, A, 0), ended);
        for _ in 0..3 {
            world.pass(30);
            world.tell(Event::CompareBooks);
        }
        assert_eq!(world.order(entry, A, 0).status, ended);
        assert_eq!(world.book.outcome(entry, A).0, OutcomeStatus::Expired);
    }
}

#[test]
fn a_symbol_that_the_venue_does_not_know_is_asked_about_seldom_and_at_once_for_a_signal() {
    let mut world = World::down();
    world.venue.knows_symbol = false;
    world.connect();
    let first = world.signal(A, "BUY", "");
    world.pass(2);
    world.expect(first, A, OutcomeStatus::Denied, Code::BrokerRejected);
    let asked = world.rules_asked;
    world.pass(3_600);
    assert!(world.rules_asked <= asked + 12, "asked {} times in an hour", world.rules_asked - asked);
    world.venue.knows_symbol = true;
    let second = world.signal(A, "BUY", "");
    world.pass(2);
    world.expect(second, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_lane_rests_once_nothing_is_held_open_or_waiting() {
    let mut world = World::new();
    assert!(world.lane.is_at_rest());
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    assert!(!world.lane.is_at_rest(), "an order is open");
    world.fill(world.id(entry, A, 0), 2);
    assert!(!world.lane.is_at_rest(), "a position is held");
    world.disconnect();
    world.signal(A, "SELL", "EXIT_ALL");
    assert!(!world.lane.is_at_rest(), "a signal waits");
    world.connect();
    assert!(world.lane.is_at_rest());
    world.venue.by_hand = net(1);
    world.tell(Event::CompareBooks);
    assert!(!world.lane.is_at_rest(), "people are shown that the books differ");
}
