//! Orders that never left: tried again while that makes sense.

use atomik_domain::{Code, HaltMode, OrderStatus, OutcomeStatus, Side};
use atomik_engine::lane::Event;

use crate::support::world::{A, Fate, World};
use crate::support::{net, qty};

#[test]
fn an_entry_that_never_left_is_tried_again_with_the_same_id() {
    let mut world = World::new();
    world.then([Fate::NotSent, Fate::NotSent, Fate::Fill]);
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Pending, Code::Accepted);
    world.pass(3);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2))]);
}

#[test]
fn an_entry_that_cannot_leave_before_it_is_too_old_expires() {
    let mut world = World::new();
    world.then([Fate::NotSent; 60]);
    let signal = world.signal(A, "BUY", "");
    world.pass(29);
    world.expect(signal, A, OutcomeStatus::Pending, Code::Accepted);
    world.pass(3);
    world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    assert_eq!(world.order(signal, A, 0).status, OrderStatus::Expired);
    world.pass(60);
    assert_eq!(world.left(), []);
}

#[test]
fn so_it_does_while_the_account_is_not_connected() {
    let mut world = World::new();
    world.then([Fate::NotSent]);
    let signal = world.signal(A, "BUY", "");
    world.disconnect();
    world.pass(40);
    world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    world.connect();
    world.pass(5);
    assert_eq!(world.left(), []);
}

#[test]
fn an_entry_is_not_tried_again_under_a_halt() {
    let mut world = World::new();
    world.then([Fate::NotSent]);
    let signal = world.signal(A, "BUY", "");
    world.view.halt = Some(HaltMode::Entries);
    world.pass(2);
    world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    assert_eq!(world.left(), []);
}

#[test]
fn an_exit_that_never_left_is_planned_anew_from_the_live_position() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.then([Fate::NotSent]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    world.venue.by_hand = net(-1);
    world.pass(2);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(1))], "the venue holds one only");
}

#[test]
fn an_exit_survives_minutes_of_an_unreachable_broker() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.then([Fate::NotSent; 12]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(45);
    world.expect(signal, A, OutcomeStatus::Pending, Code::Accepted);
    world.pass(120);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_exit_that_can_never_leave_ends_with_a_reason() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.then([Fate::NotSent; 99]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(3_600);
    world.expect(signal, A, OutcomeStatus::Expired, Code::BrokerUnreachable);
    assert_eq!(world.book.orders_of(signal, A).len(), 20, "and with a bounded number of orders");
}

#[test]
fn an_order_that_the_stream_shows_working_is_not_sent_again() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.then([Fate::NotSent]);
    let signal = world.signal(A, "SELL", "EXIT_ALL");
    // The adapter was wrong: it did leave.
    let request = world.order(signal, A, 0).request;
    let id = request.client_order_id;
    world.venue.take(request);
    let working = world.venue.report(id);
    world.tell(Event::Report(working));
    world.pass(3);
    assert_eq!(world.sent.len(), 1, "only the entry");
    world.fill(id, 2);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn a_flatten_during_a_send_does_not_take_the_order_for_absent() {
    let mut world = World::new();
    world.then([Fate::Silent]);
    let signal = world.signal(A, "BUY", "");
    world.tell(Event::CancelWorking(None));
    assert_eq!(world.sent.len(), 1, "the first send is still under way");
    let request = world.sent[0].clone();
    let id = request.client_order_id;
    world.venue.take(request);
    let _ = world.venue.fill(id, qty(2), world.now);
    let accepted = atomik_ports::broker::SubmitOutcome::Accepted(world.venue.report(id));
    world.tell(Event::Submitted(id, world.now, accepted));
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(2));
}
