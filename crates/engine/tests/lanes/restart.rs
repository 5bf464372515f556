//! A process that ends between any two effects: the next one finishes the work, once.

use std::time::Duration;

use atomik_domain::{Code, OnOppositeEntry, OrderStatus, OutcomeStatus, SignalId};
use atomik_engine::lane::{Effect, Event};
use atomik_ports::broker::ClientIdUniqueness;

use crate::support::world::{A, Asked, Fate, World};
use crate::support::{net, qty};

/// Plays `play` with a crash after `steps` effects and events; returns whether the crash came before its end.
fn crash_after(world: &mut World, signal: SignalId, steps: usize) -> bool {
    for _ in 0..steps {
        if let Some(effect) = world.effects.pop_front() {
            world.perform(effect);
        } else if let Some(event) = world.inbox.pop_front() {
            world.decide(event);
        } else {
            return false;
        }
    }
    let settled = world.book.outcome(signal, A).0.is_final();
    world.crash();
    world.connect();
    world.pass(20);
    !settled
}

/// Crashes in every stage of one signal. Returns how many stages there were.
fn in_every_stage(
    prepare: impl Fn() -> World,
    (action, comment): (&str, &str),
    check: impl Fn(&World, SignalId, usize),
) -> usize {
    for steps in 0.. {
        let mut world = prepare();
        let job = world.store(A, action, comment);
        let signal = job.signal.id;
        world.inbox.push_back(Event::Signal(job));
        let before_end = crash_after(&mut world, signal, steps);
        check(&world, signal, steps);
        if !before_end {
            return steps;
        }
    }
    unreachable!()
}

fn world(uniqueness: ClientIdUniqueness) -> World {
    let mut world = World::down();
    world.venue.uniqueness = uniqueness;
    world.connect();
    world
}

#[test]
fn an_entry_is_filled_once_in_whatever_stage_the_process_ends() {
    let stages = in_every_stage(
        || world(ClientIdUniqueness::Forever),
        ("BUY", ""),
        |world, signal, steps| {
            world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
            assert_eq!(world.position(A), net(2), "after {steps} steps");
            assert_eq!(world.venue.net(), net(2), "after {steps} steps");
            assert_eq!(world.venue.orders.len(), 1, "after {steps} steps");
        },
    );
    assert!(stages >= 4, "signal, record, send, answer, record");
}

#[test]
fn an_entry_that_may_have_left_is_not_sent_again_where_ids_are_not_unique_for_good() {
    in_every_stage(
        || world(ClientIdUniqueness::AmongOpenOrders),
        ("BUY", ""),
        |world, signal, steps| {
            let filled = world.venue.net();
            let (status, _) = world.book.outcome(signal, A);
            let expected = if filled == net(2) { OutcomeStatus::Filled } else { OutcomeStatus::Expired };
            assert_eq!(status, expected, "after {steps} steps");
            assert_eq!(world.position(A), filled, "after {steps} steps");
            assert!(world.sent.len() <= 1);
        },
    );
}

#[test]
fn an_exit_is_filled_once_in_whatever_stage_the_process_ends() {
    for uniqueness in [ClientIdUniqueness::Forever, ClientIdUniqueness::AmongOpenOrders] {
        in_every_stage(
            || {
                let mut world = world(uniqueness);
                world.signal(A, "BUY", "");
                world
            },
            ("SELL", "EXIT_50"),
            |world, signal, steps| {
                world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
                assert_eq!(world.position(A), net(1), "after {steps} steps");
                assert_eq!(world.venue.net(), net(1), "after {steps} steps");
            },
        );
    }
}

#[test]
fn a_reversal_is_finished_in_whatever_stage_the_process_ends() {
    let stages = in_every_stage(
        || {
            let mut world = world(ClientIdUniqueness::Forever);
            world.behave(A, |behavior| behavior.on_opposite_entry = OnOppositeEntry::Reverse);
            world.signal(A, "BUY", "");
            world
        },
        ("SELL", "ENTRY"),
        |world, signal, steps| {
            world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
            assert_eq!(world.position(A), net(-2), "after {steps} steps");
            assert_eq!(world.venue.net(), net(-2), "after {steps} steps");
        },
    );
    assert!(stages >= 8);
}

#[test]
fn a_partly_filled_order_goes_on_where_it_stood() {
    let mut world = World::new();
    world.then([Fate::Part(1)]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    world.crash();
    let _ = world.venue.fill(id, qty(1), world.now);
    world.connect();
    world.pass(3);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(2));
    assert_eq!(world.book.fills.len(), 2);
}

#[test]
fn a_reversal_whose_exit_still_works_goes_on_to_its_entry() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.on_opposite_entry = OnOppositeEntry::Reverse);
    world.signal(A, "BUY", "");
    world.then([Fate::Work]);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.crash();
    world.asks.extend([Asked::Unavailable]);
    world.connect();
    world.pass(2);
    world.fill(world.id(signal, A, 0), 2);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(-2));
}

#[test]
fn an_unknown_exit_of_the_last_run_is_planned_anew_once_it_is_proven_absent() {
    let mut world = World::down();
    world.venue.settle_window = Duration::from_secs(5);
    world.connect();
    world.signal(A, "BUY", "");
    world.then([Fate::Lost]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(1);
    world.crash();
    world.connect();
    world.expect(signal, A, OutcomeStatus::Unknown, Code::OrderUnknown);
    world.pass(40);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_unknown_entry_of_the_last_run_is_sent_again_once_it_is_proven_absent_and_still_young() {
    let mut world = World::down();
    world.venue.settle_window = Duration::from_secs(5);
    world.connect();
    world.then([Fate::Lost]);
    let signal = world.signal(A, "BUY", "");
    world.crash();
    world.connect();
    world.pass(20);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.sent[0], world.sent[1]);
    assert_eq!(world.position(A), net(2));
}

/// A crash, a signal that is stored meanwhile, and the next process, which is connected and about to hear of it.
fn restart_while_an_entry_waits(world: &mut World) -> SignalId {
    world.crash();
    let job = world.store(A, "BUY", "");
    let signal = job.signal.id;
    world.link_up = true;
    world.decide(Event::Connected(world.venue.capabilities()));
    world.inbox.push_back(Event::Signal(job));
    signal
}

#[test]
fn no_entry_leaves_after_a_restart_before_the_last_runs_orders_are_accounted_for() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.max_position = qty(9));
    world.then([Fate::Silent]);
    let first = world.signal(A, "BUY", "");
    let request = world.sent[0].clone();
    world.venue.take(request.clone());
    let second = restart_while_an_entry_waits(&mut world);
    // The books are answered, the look-up is not yet.
    let mut held = None;
    loop {
        while let Some(effect) = world.effects.pop_front() {
            world.perform(effect);
        }
        let Some(event) = world.inbox.pop_front() else { break };
        match event {
            Event::LookedUp(..) => held = Some(event),
            event => world.decide(event),
        }
    }
    // However long that takes.
    world.pass(10);
    assert_eq!(world.sent.len(), 1, "the second entry waits");
    world.expect(second, A, OutcomeStatus::Pending, Code::Accepted);
    world.tell(held.expect("the order was asked about"));
    world.fill(request.client_order_id, 2);
    world.expect(first, A, OutcomeStatus::Filled, Code::Filled);
    world.expect(second, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(4));
}

#[test]
fn an_order_that_fills_between_its_look_up_and_the_books_denies_no_entry() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.max_position = qty(9));
    world.then([Fate::Work]);
    let first = world.signal(A, "BUY", "");
    let id = world.id(first, A, 0);
    let second = restart_while_an_entry_waits(&mut world);
    let mut unheard = None;
    while unheard.is_none() {
        if let Some(effect) = world.effects.pop_front() {
            if matches!(effect, Effect::AskNet(_)) {
                unheard = Some(world.venue.fill(id, qty(2), world.now));
            }
            world.perform(effect);
        } else {
            let event = world.inbox.pop_front().expect("something goes on until the books are asked for");
            world.decide(event);
        }
    }
    world.run();
    world.pass(2);
    world.expect(first, A, OutcomeStatus::Filled, Code::Filled);
    world.expect(second, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(4));
}

#[test]
fn waiting_signals_of_the_last_run_go_on_in_their_order_unless_they_are_stale() {
    let mut world = World::down();
    let (entry, exit) = (world.signal(A, "BUY", ""), world.signal(A, "SELL", "EXIT_ALL"));
    world.crash();
    world.connect();
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    world.crash();
    let stale = world.store(A, "BUY", "");
    world.crash();
    world.move_to(world.tick + 31_000_000);
    world.connect();
    assert!(world.book.outcome(stale.signal.id, A).0.is_final());
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.order(entry, A, 0).status, OrderStatus::Filled);
}
