//! Accounts that are unlinked while something waits, works or is under way.

use atomik_domain::{Code, OnOppositeEntry, OrderStatus, OutcomeStatus};
use atomik_engine::lane::Event;
use atomik_ports::broker::SubmitOutcome;

use crate::support::world::{A, B, Fate, World};
use crate::support::{net, qty};

/// Unlinks the account and lets an hour pass: nothing may leave any more.
fn unlink(world: &mut World) {
    world.link_up = false;
    world.tell(Event::Unlinked);
    let sent = world.sent.len();
    world.pass(3_600);
    assert_eq!(world.sent.len(), sent);
    assert_eq!(world.lane.waiting(), 0, "nothing waits for an account that is gone");
}

#[test]
fn what_waits_for_a_lost_connection_is_settled_at_once() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.disconnect();
    let (exit, entry) = (world.signal(A, "SELL", "EXIT_ALL"), world.signal(B, "BUY", ""));
    unlink(&mut world);
    world.expect(exit, A, OutcomeStatus::Denied, Code::AccountUnavailable);
    world.expect(entry, B, OutcomeStatus::Denied, Code::AccountUnavailable);
    let late = world.signal(B, "BUY", "");
    world.expect(late, B, OutcomeStatus::Denied, Code::AccountUnavailable);
}

#[test]
fn an_order_that_never_left_has_ended() {
    let mut world = World::new();
    world.then([Fate::NotSent]);
    let entry = world.signal(A, "BUY", "");
    unlink(&mut world);
    assert_eq!(world.order(entry, A, 0).status, OrderStatus::Expired);
    world.expect(entry, A, OutcomeStatus::Denied, Code::AccountUnavailable);
    assert!(world.lane.is_at_rest());
}

#[test]
fn a_send_that_is_under_way_is_settled_by_its_answer() {
    let mut world = World::new();
    world.then([Fate::Silent]);
    let entry = world.signal(A, "BUY", "");
    world.link_up = false;
    world.tell(Event::Unlinked);
    world.expect(entry, A, OutcomeStatus::Pending, Code::Accepted);
    let request = world.sent[0].clone();
    let id = request.client_order_id;
    world.venue.take(request);
    let _ = world.venue.fill(id, qty(2), world.now);
    world.tell(Event::Submitted(id, world.now, SubmitOutcome::Accepted(world.venue.report(id))));
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(2));
    unlink(&mut world);
}

#[test]
fn one_that_then_turns_out_not_to_have_left_is_not_tried_again() {
    for (action, comment) in [("BUY", ""), ("SELL", "EXIT_ALL")] {
        let mut world = World::new();
        world.signal(A, "BUY", "");
        world.behave(A, |behavior| behavior.max_position = qty(9));
        world.then([Fate::Silent]);
        let signal = world.signal(A, action, comment);
        world.tell(Event::Unlinked);
        let outcome =
            SubmitOutcome::NotSent { reason: "too late".to_owned(), retry_after: Default::default() };
        world.tell(Event::Submitted(world.id(signal, A, 0), world.now, outcome));
        unlink(&mut world);
        world.expect(signal, A, OutcomeStatus::Denied, Code::AccountUnavailable);
        assert_eq!(world.order(signal, A, 0).status, OrderStatus::Expired);
    }
}

#[test]
fn an_order_that_works_at_the_venue_is_left_for_a_person_to_look() {
    let mut world = World::new();
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "");
    unlink(&mut world);
    world.expect(entry, A, OutcomeStatus::Unknown, Code::OrderUnknown);
}

#[test]
fn a_reversal_that_has_only_exited_says_so() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.on_opposite_entry = OnOppositeEntry::Reverse);
    world.signal(A, "BUY", "");
    world.then([Fate::Silent]);
    let reversal = world.signal(A, "SELL", "ENTRY");
    world.tell(Event::Unlinked);
    let request = world.sent[1].clone();
    let id = request.client_order_id;
    world.venue.take(request);
    let _ = world.venue.fill(id, qty(2), world.now);
    world.tell(Event::Submitted(id, world.now, SubmitOutcome::Accepted(world.venue.report(id))));
    unlink(&mut world);
    world.expect(reversal, A, OutcomeStatus::PartlyFilled, Code::AccountUnavailable);
    assert_eq!(world.position(A), net(0));
}
