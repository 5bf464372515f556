//! `on_opposite_entry: reverse`: exit, wait for the fill, then enter.

use atomik_domain::{Code, OnOppositeEntry, OrderStatus, OutcomeStatus, Side};

use crate::support::world::{A, Asked, Fate, World};
use crate::support::{net, qty};

fn long() -> World {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.on_opposite_entry = OnOppositeEntry::Reverse);
    world.signal(A, "BUY", "ENTRY");
    world.sent.clear();
    world
}

#[test]
fn the_entry_follows_the_exits_fill() {
    let mut world = long();
    world.then([Fate::Work, Fate::Fill]);
    let signal = world.signal(A, "SELL", "ENTRY");
    assert_eq!(world.left(), [(Side::Sell, qty(2))], "the entry waits");
    let exit = world.id(signal, A, 0);
    world.fill(exit, 1);
    assert_eq!(world.sent.len(), 1, "half an exit is no exit");
    world.fill(exit, 1);
    assert_eq!(world.left(), [(Side::Sell, qty(2)), (Side::Sell, qty(2))]);
    assert!(world.sent[0].reduce_only && !world.sent[1].reduce_only);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(-2));
}

#[test]
fn without_the_whole_exit_there_is_no_entry() {
    let mut world = long();
    world.then([Fate::Part(1)]);
    let signal = world.signal(A, "SELL", "ENTRY");
    let exit = world.id(signal, A, 0);
    world.end(exit, OrderStatus::Canceled);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.position(A), net(1));
}

#[test]
fn an_entry_that_the_gate_denies_leaves_a_partial_outcome() {
    let mut world = long();
    world.then([Fate::Work]);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.move_to(world.tick + 4_000_000);
    world.now = world.now.plus_seconds(40);
    world.fill(world.id(signal, A, 0), 2);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::SignalTooOld);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_entry_that_never_left_leaves_a_partial_outcome() {
    let mut world = long();
    world.then([Fate::Fill]).then([Fate::NotSent; 60]);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.pass(40);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_exit_too_slow_to_wait_for_leaves_a_partial_outcome() {
    let mut world = long();
    world.then([Fate::Work]);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.pass(6);
    world.fill(world.id(signal, A, 0), 2);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PartlyFilled);
    assert_eq!(world.sent.len(), 1, "what came after may have said otherwise");
    assert_eq!(world.position(A), net(0));
}

#[test]
fn a_limit_lowered_meanwhile_leaves_a_partial_outcome() {
    let mut world = long();
    world.then([Fate::Work]);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.behave(A, |behavior| behavior.max_position = qty(0));
    world.fill(world.id(signal, A, 0), 2);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::PositionLimit);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_earlier_entry_that_cannot_be_canceled_leaves_a_partial_outcome() {
    let mut world = long();
    world.behave(A, |behavior| behavior.max_position = qty(9));
    world.asks.extend([Asked::Unavailable; 3]);
    world.then([Fate::Unheard, Fate::Work]);
    world.signal(A, "BUY", "ENTRY");
    let signal = world.signal(A, "SELL", "ENTRY");
    // The unknown one is found working while the exit is under way.
    world.pass(4);
    world.cancels = false;
    world.fill(world.id(signal, A, 0), 2);
    world.pass(12);
    world.expect(signal, A, OutcomeStatus::PartlyFilled, Code::EntryStillWorking);
}
