//! A person has a strategy take over what the broker holds.

use atomik_domain::gate::BooksState;
use atomik_domain::{Code, OutcomeStatus, Price, Side};
use atomik_engine::lane::Event;
use rust_decimal::Decimal;

use crate::support::world::{A, B, Fate, World};
use crate::support::{net, qty};

#[test]
fn what_was_bought_by_hand_becomes_the_strategys_and_can_be_exited() {
    let mut world = World::new();
    world.venue.by_hand = net(3);
    world.tell(Event::CompareBooks);
    assert_eq!(world.lane.books_state(), BooksState::Differ);
    assert_eq!(world.lane.venue_net(), Some(net(3)));
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Skipped, Code::PositionAdopted);
    assert_eq!((world.position(A), world.lane.books_state()), (net(3), BooksState::Agree));
    assert_eq!(world.lane.position(A).avg_price, Price(Decimal::from(90)), "the broker's own price");
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Sell, qty(3))]);
    assert_eq!(
        world.lane.position(A).realized_profit.0,
        Decimal::from(30),
        "from the broker's price to the exit's"
    );
}

#[test]
fn what_was_closed_by_hand_is_closed_in_the_books_and_nothing_is_won_by_it() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.venue.by_hand = net(-2);
    let before = world.lane.position(A);
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Skipped, Code::PositionAdopted);
    let after = world.lane.position(A);
    assert_eq!((after.net_qty, after.realized_profit), (net(0), before.realized_profit));
    let entry = world.signal(A, "BUY", "ENTRY");
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn what_other_strategies_hold_is_theirs() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.signal(B, "SELL", "ENTRY");
    world.venue.by_hand = net(1);
    world.adopt(B);
    assert_eq!((world.position(A), world.position(B)), (net(2), net(-1)));
    assert_eq!(world.lane.books_state(), BooksState::Agree);
}

#[test]
fn nothing_is_adopted_while_an_order_may_still_fill() {
    let mut world = World::new();
    world.venue.by_hand = net(1);
    world.then([Fate::Work]);
    let entry = world.signal(A, "BUY", "ENTRY");
    world.pass(6);
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Denied, Code::OrdersOpen);
    assert_eq!(world.position(A), net(0));
    world.fill(world.id(entry, A, 0), 2);
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Skipped, Code::PositionAdopted);
    assert_eq!(world.position(A), net(3));
}

#[test]
fn nothing_is_adopted_that_the_broker_does_not_say() {
    let mut world = World::new();
    world.venue.by_hand = net(1);
    world.tells_net = false;
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Denied, Code::BrokerUnavailable);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn a_paused_strategy_adopts_too() {
    let mut world = World::new();
    world.pause(A);
    world.venue.by_hand = net(-1);
    let adoption = world.adopt(A);
    world.expect(adoption, A, OutcomeStatus::Skipped, Code::PositionAdopted);
    assert_eq!(world.position(A), net(-1));
}

#[test]
fn the_position_and_its_outcome_are_one_record() {
    let mut world = World::new();
    world.venue.by_hand = net(2);
    let adoption = world.adopt(A);
    world.crash();
    world.connect();
    world.expect(adoption, A, OutcomeStatus::Skipped, Code::PositionAdopted);
    assert_eq!((world.position(A), world.lane.position(A).net_qty), (net(2), net(2)));
}

#[test]
fn what_was_asked_before_the_connection_was_lost_opens_no_lane_after_it() {
    let mut world = World::new();
    let job = world.store_adoption(A);
    world.decide(Event::Signal(job));
    while let Some(effect) = world.effects.pop_front() {
        world.perform(effect);
    }
    let answer = world.inbox.pop_front().expect("an answer to the adoption's question");
    world.disconnect();
    world.venue.by_hand = net(1);
    world.decide(answer);
    assert_eq!(world.lane.books_state(), BooksState::NotCompared, "traded past us since it was asked");
}
