//! Orders whose fate nobody knows: asked about first, sent again only where that cannot double anything.

use std::time::Duration;

use atomik_domain::{Code, OrderStatus, OutcomeStatus, Side, SignalId};
use atomik_engine::lane::{Effect, Event};
use atomik_ports::broker::{ClientIdUniqueness, LookUp};

use crate::support::world::{A, Asked, B, Fate, World};
use crate::support::{net, qty};

fn venue(uniqueness: ClientIdUniqueness, settle_s: u64) -> World {
    let mut world = World::down();
    world.venue.uniqueness = uniqueness;
    world.venue.settle_window = Duration::from_secs(settle_s);
    world.connect();
    world
}

#[test]
fn an_order_that_arrived_after_all_is_found_and_not_sent_again() {
    let mut world = World::new();
    world.then([Fate::UnheardFill]);
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.position(A), net(2));
}

#[test]
fn until_it_is_proven_the_trader_sees_unknown() {
    let mut world = World::new();
    world.asks.extend([Asked::Unavailable; 3]);
    world.then([Fate::Unheard]);
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Unknown, Code::OrderUnknown);
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Unknown);
    assert_eq!(world.lane.unknown_orders(), 1);
    world.pass(20);
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Working);
    world.fill(world.id(signal, A, 0), 2);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn one_proven_absent_is_sent_again_with_its_id_where_ids_are_unique_for_good() {
    let mut world = venue(ClientIdUniqueness::Forever, 0);
    world.then([Fate::Lost, Fate::Fill]);
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.sent[0], world.sent[1], "the same order under the same id");
    assert_eq!(world.position(A), net(2));
}

#[test]
fn an_entry_is_never_sent_again_where_ids_are_not_unique_for_good() {
    let for_a_while = ClientIdUniqueness::For(Duration::from_secs(86_400));
    for uniqueness in [ClientIdUniqueness::AmongOpenOrders, ClientIdUniqueness::Undocumented, for_a_while] {
        let mut world = venue(uniqueness, 0);
        world.then([Fate::Lost]);
        let signal = world.signal(A, "BUY", "");
        world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
        assert_eq!(world.sent.len(), 1);
        assert_eq!(world.position(A), net(0));
    }
}

#[test]
fn an_exit_proven_absent_is_planned_anew_from_the_live_position() {
    for uniqueness in [ClientIdUniqueness::Forever, ClientIdUniqueness::AmongOpenOrders] {
        let mut world = venue(uniqueness, 0);
        world.signal(A, "BUY", "");
        world.then([Fate::Lost, Fate::Fill]);
        let signal = world.signal(A, "SELL", "EXIT_50");
        world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
        assert_ne!(world.id(signal, A, 0), world.id(signal, A, 1));
        assert_eq!(world.order(signal, A, 0).status, OrderStatus::Expired);
        assert_eq!(world.position(A), net(1));
    }
}

#[test]
fn exits_that_never_came_close_as_much_as_later_ones_were_told() {
    for crashes in [false, true] {
        let mut world = World::new();
        world.behave(A, |behavior| (behavior.quantity, behavior.max_position) = (qty(10), qty(10)));
        world.signal(A, "BUY", "");
        world.asks.extend([Asked::Unavailable; 99]);
        world.then([Fate::Lost, Fate::Lost]);
        let halves = [world.signal(A, "SELL", "EXIT_50"), world.signal(A, "SELL", "EXIT_50")];
        let rest = world.signal(A, "SELL", "EXIT_ALL");
        world.expect(rest, A, OutcomeStatus::Skipped, Code::ExitAlreadyWorking);
        world.asks.clear();
        if crashes {
            world.crash();
            world.connect();
        }
        world.pass(60);
        for half in halves {
            world.expect(half, A, OutcomeStatus::Filled, Code::Filled);
        }
        assert_eq!(world.position(A), net(0), "nothing is left of what was to be closed");
    }
}

#[test]
fn not_found_is_no_proof_before_the_settle_window_is_over() {
    let mut world = venue(ClientIdUniqueness::Forever, 10);
    world.then([Fate::Late(6_000_000)]);
    let signal = world.signal(A, "BUY", "");
    world.pass(5);
    world.expect(signal, A, OutcomeStatus::Unknown, Code::OrderUnknown);
    assert_eq!(world.sent.len(), 1);
    world.pass(30);
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Working);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn after_the_settle_window_it_is_and_a_stale_entry_still_does_not_leave() {
    let mut world = venue(ClientIdUniqueness::Forever, 40);
    world.then([Fate::Lost]);
    let signal = world.signal(A, "BUY", "");
    world.pass(39);
    world.expect(signal, A, OutcomeStatus::Unknown, Code::OrderUnknown);
    world.pass(60);
    world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_unknown_entry_stops_later_entries_and_no_exit() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.max_position = qty(9));
    world.signal(A, "BUY", "");
    world.asks.extend([Asked::Unavailable; 99]);
    world.then([Fate::Unheard]);
    let unknown = world.signal(A, "BUY", "");
    let entry = world.signal(A, "BUY", "");
    world.expect(entry, A, OutcomeStatus::Denied, Code::UnknownOrderOpen);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
    let other = world.signal(B, "BUY", "");
    world.expect(other, B, OutcomeStatus::Filled, Code::Filled);
    world.expect(unknown, A, OutcomeStatus::Unknown, Code::OrderUnknown);
}

/// An entry that nobody hears of, and an exit after it.
fn an_exit_after(fate: Fate) -> (World, SignalId, SignalId) {
    let mut world = venue(ClientIdUniqueness::AmongOpenOrders, 0);
    world.then([fate]);
    world.asks.extend([Asked::Unavailable; 3]);
    let entry = world.signal(A, "BUY", "");
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(entry, A, OutcomeStatus::Unknown, Code::OrderUnknown);
    world.expect(exit, A, OutcomeStatus::Pending, Code::Accepted);
    assert_eq!((world.sent.len(), world.lane.waiting()), (1, 1), "the exit waits, and is not lost");
    let other = world.signal(B, "BUY", "");
    world.expect(other, B, OutcomeStatus::Filled, Code::Filled);
    (world, entry, exit)
}

#[test]
fn an_exit_waits_for_the_proof_of_its_entry_and_exits_what_was_found() {
    let (mut world, entry, exit) = an_exit_after(Fate::UnheardFill);
    world.pass(20);
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Buy, qty(2)), (Side::Sell, qty(2))]);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_exit_that_waited_exits_no_more_than_what_was_found() {
    let (mut world, entry, exit) = an_exit_after(Fate::Unheard);
    let id = world.id(entry, A, 0);
    let _ = world.venue.fill(id, qty(1), world.now);
    world.pass(20);
    assert_eq!(world.canceled, [id], "what still works of the entry is canceled first");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left().last(), Some(&(Side::Sell, qty(1))));
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_exit_that_waited_for_an_entry_that_never_was_finds_nothing() {
    let (mut world, entry, exit) = an_exit_after(Fate::Lost);
    world.pass(20);
    world.expect(entry, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    world.expect(exit, A, OutcomeStatus::Skipped, Code::NothingToExit);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn nothing_of_a_strategy_overtakes_an_exit_that_waits_for_a_proof() {
    let (mut world, entry, exit) = an_exit_after(Fate::UnheardFill);
    let next = world.signal(A, "BUY", "ENTRY");
    world.expect(next, A, OutcomeStatus::Pending, Code::Accepted);
    assert_eq!(world.lane.waiting(), 2);
    world.pass(20);
    for signal in [entry, exit, next] {
        world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    }
    assert_eq!(world.position(A), net(2));
}

#[test]
fn an_unknown_exit_counts_as_working() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.asks.extend([Asked::Unavailable; 99]);
    world.then([Fate::UnheardFill]);
    let unknown = world.signal(A, "SELL", "EXIT_ALL");
    let again = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(again, A, OutcomeStatus::Skipped, Code::ExitAlreadyWorking);
    world.asks.clear();
    world.pass(60);
    world.expect(unknown, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn what_the_stream_says_first_is_kept_when_the_answer_is_lost() {
    let mut world = World::new();
    world.then([Fate::Silent]);
    let signal = world.signal(A, "BUY", "");
    let request = world.sent[0].clone();
    let id = request.client_order_id;
    world.venue.take(request);
    let filled = world.venue.fill(id, qty(2), world.now);
    world.tell(Event::Report(filled));
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    let evidence = "no answer".to_owned();
    let sent_at = world.now;
    world.tell(Event::Submitted(id, sent_at, atomik_ports::broker::SubmitOutcome::Unknown { evidence }));
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Filled);
    assert_eq!(world.order(signal, A, 0).sent_at, Some(sent_at), "the time of the send is kept all the same");
    assert_eq!(world.left(), [(Side::Buy, qty(2))]);
}

#[test]
fn an_order_that_the_venue_acknowledged_is_not_forgotten_because_a_look_up_misses_it() {
    for uniqueness in [ClientIdUniqueness::Forever, ClientIdUniqueness::AmongOpenOrders] {
        let mut world = venue(uniqueness, 0);
        world.then([Fate::Work]);
        let signal = world.signal(A, "BUY", "");
        let id = world.id(signal, A, 0);
        let hidden = world.venue.orders.remove(&id).expect("the order");
        world.disconnect();
        world.connect();
        world.pass(3);
        assert_eq!(world.sent.len(), 1, "nothing is sent again");
        assert!(!world.order(signal, A, 0).status.is_final());
        world.venue.orders.insert(id, hidden);
        world.fill(id, 2);
        world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
        assert_eq!(world.position(A), net(2));
    }
}

#[test]
fn an_intent_that_existed_already_is_looked_up_and_not_sent() {
    let mut world = World::new();
    world.then([Fate::Silent]);
    let signal = world.signal(A, "BUY", "");
    let request = world.sent.pop().expect("a request");
    world.venue.take(request.clone());
    let _ = world.venue.fill(request.client_order_id, qty(2), world.now);
    world.tell(Event::IntentRepeated(request.client_order_id));
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert!(world.sent.is_empty());
}

#[test]
fn a_late_answer_from_before_an_order_was_sent_again_proves_nothing_about_the_second_send() {
    let mut world = venue(ClientIdUniqueness::Forever, 0);
    world.asks.extend([Asked::Unavailable]);
    world.then([Fate::Lost]);
    let signal = world.signal(A, "BUY", "");
    let id = world.id(signal, A, 0);
    world.move_to(world.tick + 1_000_000);
    world.decide(Event::Tick);
    let Some(Effect::LookUp(_, first)) = world.effects.pop_front() else { panic!("it is asked about") };
    // Its answer is slow; a cancel has it asked about once more, and that answer sends it again.
    world.then([Fate::Unheard]);
    world.asks.extend([Asked::Truth, Asked::Unavailable]);
    world.tell(Event::CancelWorking(None));
    assert_eq!(world.sent.len(), 2);
    world.tell(Event::LookedUp(id, first, LookUp::NotFound));
    world.pass(5);
    assert_eq!(world.sent.len(), 2, "not a third time");
    world.fill(id, 2);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
}
