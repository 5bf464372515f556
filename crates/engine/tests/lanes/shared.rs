//! Several strategies on one account, positions changed by hand, books that differ, halts.

use atomik_domain::gate::BooksState;
use atomik_domain::{Code, HaltMode, OutcomeStatus, Side};
use atomik_engine::lane::{Effect, Event, NetPurpose};

use crate::support::world::{A, B, Fate, World};
use crate::support::{net, qty};

#[test]
fn strategies_that_share_an_account_do_not_block_each_other() {
    let mut world = World::new();
    let (long, short) = (world.signal(A, "BUY", "ENTRY"), world.signal(B, "SELL", "ENTRY"));
    world.expect(long, A, OutcomeStatus::Filled, Code::Filled);
    world.expect(short, B, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.venue.net(), net(0), "the venue shows nothing at all");
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert!(
        !world.sent[2].reduce_only,
        "a venue that holds nothing would refuse an order that may only reduce"
    );
    let exit = world.signal(B, "BUY", "EXIT_ALL");
    world.expect(exit, B, OutcomeStatus::Filled, Code::Filled);
    assert!(world.sent[3].reduce_only, "alone again, the venue may hold it to that");
    assert_eq!((world.position(A), world.position(B)), (net(0), net(0)));
    assert_eq!(world.venue.net(), net(0));
}

#[test]
fn a_position_closed_by_hand_is_not_sold_twice() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.venue.by_hand = net(-2);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Skipped, Code::NotAtBroker);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.venue.net(), net(0));
}

#[test]
fn an_exit_is_cut_to_what_the_venue_still_holds() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.venue.by_hand = net(-1);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(1))]);
    assert_eq!(world.venue.net(), net(0));
}

#[test]
fn an_exit_goes_by_our_own_books_where_the_venue_does_not_say() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.tells_net = false;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn an_exit_of_one_strategy_is_bounded_by_the_exits_of_the_others() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.signal(B, "BUY", "");
    world.venue.by_hand = net(-2);
    world.then([Fate::Work]);
    let first = world.signal(A, "SELL", "EXIT_ALL");
    world.pass(6);
    let second = world.signal(B, "SELL", "EXIT_ALL");
    world.expect(second, B, OutcomeStatus::Skipped, Code::NotAtBroker);
    world.fill(world.id(first, A, 0), 2);
    assert_eq!(world.venue.net(), net(0), "never short");
}

#[test]
fn books_that_differ_stop_entries_and_no_exit() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.max_position = qty(9));
    world.signal(A, "BUY", "");
    world.venue.by_hand = net(1);
    world.tell(Event::CompareBooks);
    assert_eq!(world.lane.books_state(), BooksState::Differ);
    let entry = world.signal(A, "BUY", "");
    world.expect(entry, A, OutcomeStatus::Denied, Code::BooksDiffer);
    let exit = world.signal(A, "SELL", "EXIT_50");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    world.venue.by_hand = net(0);
    world.tell(Event::CompareBooks);
    let entry = world.signal(A, "BUY", "");
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn an_answer_that_a_trade_has_overtaken_says_nothing_about_the_books() {
    let mut world = World::new();
    world.decide(Event::CompareBooks);
    assert!(matches!(world.effects.pop_front(), Some(Effect::AskNet(NetPurpose::Books))));
    world.signal(A, "BUY", "");
    world.tell(Event::Net(NetPurpose::Books, Ok(net(0))));
    assert_eq!(world.lane.books_state(), BooksState::Agree);
    let entry = world.signal(B, "BUY", "");
    world.expect(entry, B, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn nothing_starts_before_the_books_are_compared() {
    let mut world = World::down();
    world.tells_net = false;
    world.connect();
    let entry = world.signal(A, "BUY", "");
    world.pass(10);
    assert_eq!(world.lane.books_state(), BooksState::NotCompared);
    assert_eq!(world.left(), []);
    world.tells_net = true;
    world.pass(2);
    world.expect(entry, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_halt_on_entries_lets_exits_go() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.view.halt = Some(HaltMode::Entries);
    let entry = world.signal(B, "BUY", "");
    world.expect(entry, B, OutcomeStatus::Denied, Code::Halted);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn a_freeze_lets_nothing_go() {
    let mut world = World::new();
    world.signal(A, "BUY", "");
    world.view.halt = Some(HaltMode::All);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Denied, Code::Halted);
    assert_eq!(world.sent.len(), 1);
    world.view.halt = None;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
}

#[test]
fn the_gates_count_is_the_count_of_sends() {
    let mut world = World::new();
    world.then([Fate::NotSent, Fate::Fill]);
    world.signal(A, "BUY", "");
    world.pass(2);
    world.signal(A, "SELL", "");
    world.signal(A, "SELL", "");
    assert_eq!(world.lane.take_approvals(), 3, "two tries of the entry and one exit");
}
