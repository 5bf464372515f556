//! What a venue keeps of the goods themselves, whether it tells or not.

use atomik_domain::gate::BooksState;
use atomik_domain::instrument::AssetClass;
use atomik_domain::{Amount, Code, OutcomeStatus, Qty, Side, SignedQty};
use atomik_engine::lane::Event;
use rust_decimal::Decimal;

use crate::support::world::{A, B, Fate, World};
use crate::support::{net, qty};

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// A venue of coins that keeps up to a quarter of a hundredth of what is bought, and tells nothing.
fn silent(asset_class: AssetClass) -> World {
    let mut world = World::down();
    world.venue.asset_class = asset_class;
    world.venue.lot_size = Qty(decimal("0.001"));
    world.venue.untold_coin_fee = decimal("0.0025");
    world.book.untold = decimal("0.005");
    world.connect();
    world
}

fn keeps(world: &mut World, coins: &str) {
    world.venue.by_hand = SignedQty(-decimal(coins));
}

#[test]
fn what_a_fill_says_was_kept_is_not_held_and_not_sold() {
    let mut world = World::new();
    world.venue.told_fee = Qty(decimal("0.25"));
    world.signal(A, "BUY", "");
    assert_eq!(world.position(A), SignedQty(decimal("1.75")));
    world.tell(Event::CompareBooks);
    assert_eq!(world.lane.books_state(), BooksState::Agree);
    let again = world.signal(A, "BUY", "");
    world.expect(again, A, OutcomeStatus::Skipped, Code::PositionLimit);
    world.venue.told_fee = Qty::ZERO;
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2)), (Side::Sell, qty(1))], "whole lots only");
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Skipped, Code::QuantityBelowLot);
}

#[test]
fn what_is_kept_without_a_word_is_commission_and_stops_nothing() {
    let mut world = silent(AssetClass::Crypto);
    keeps(&mut world, "0.004");
    world.signal(A, "BUY", "");
    let position = world.lane.position(A);
    assert_eq!((position.net_qty, world.position(A)), (SignedQty(decimal("1.996")), position.net_qty));
    assert_eq!(position.commission, Amount(decimal("0.4")), "at the price that was paid");
    assert_eq!(world.lane.books_state(), BooksState::Agree);
    let exit = world.signal(A, "SELL", "EXIT_ALL");
    world.expect(exit, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn what_is_kept_later_is_shared_among_those_who_bought() {
    let mut world = silent(AssetClass::Crypto);
    world.signal(A, "BUY", "");
    world.signal(B, "BUY", "");
    assert_eq!((world.position(A), world.lane.books_state()), (net(2), BooksState::Agree));
    keeps(&mut world, "0.008");
    world.tell(Event::CompareBooks);
    let rest = SignedQty(decimal("1.996"));
    assert_eq!((world.position(A), world.position(B)), (rest, rest));
    assert_eq!(world.lane.books_state(), BooksState::Agree);
}

#[test]
fn more_than_a_fee_is_a_difference() {
    let mut world = silent(AssetClass::Crypto);
    keeps(&mut world, "0.0051");
    world.signal(A, "BUY", "");
    assert_eq!((world.position(A), world.lane.books_state()), (net(2), BooksState::Differ));
}

#[test]
fn a_fee_is_taken_once() {
    let mut world = silent(AssetClass::Crypto);
    keeps(&mut world, "0.004");
    world.signal(A, "BUY", "");
    keeps(&mut world, "0.005");
    world.tell(Event::CompareBooks);
    assert_eq!(world.lane.books_state(), BooksState::Differ);
}

#[test]
fn what_is_not_a_coin_has_no_such_fee() {
    let mut world = silent(AssetClass::Equity);
    world.signal(A, "BUY", "");
    keeps(&mut world, "0.004");
    world.tell(Event::CompareBooks);
    assert_eq!((world.position(A), world.lane.books_state()), (net(2), BooksState::Differ));
}

#[test]
fn nothing_is_a_fee_while_an_order_may_still_fill() {
    let mut world = silent(AssetClass::Crypto);
    world.signal(A, "BUY", "");
    world.then([Fate::Work]);
    world.behave(B, |behavior| behavior.quantity = qty(1));
    world.signal(B, "BUY", "");
    keeps(&mut world, "0.004");
    world.tell(Event::CompareBooks);
    assert_eq!(world.position(A), net(2));
}

#[test]
fn nobody_pays_for_coins_that_are_gone() {
    let mut world = silent(AssetClass::Crypto);
    world.signal(A, "BUY", "");
    world.signal(A, "SELL", "EXIT_ALL");
    world.signal(B, "BUY", "");
    keeps(&mut world, "0.008");
    world.tell(Event::CompareBooks);
    assert_eq!((world.position(A), world.position(B)), (net(0), net(2)));
    assert_eq!(world.lane.books_state(), BooksState::Differ);
}

#[test]
fn who_has_sold_is_not_asked_to_pay() {
    let mut world = silent(AssetClass::Crypto);
    world.signal(A, "BUY", "");
    world.signal(A, "SELL", "EXIT_ALL");
    world.signal(B, "BUY", "");
    keeps(&mut world, "0.004");
    world.tell(Event::CompareBooks);
    assert_eq!((world.position(A), world.position(B)), (net(0), SignedQty(decimal("1.996"))));
    assert_eq!(world.lane.books_state(), BooksState::Agree);
}

#[test]
fn buying_and_selling_again_and_again_lets_nothing_more_pass_for_a_fee() {
    let mut world = silent(AssetClass::Crypto);
    for _ in 0..5 {
        world.signal(A, "BUY", "");
        world.signal(A, "SELL", "EXIT_50");
    }
    world.signal(A, "BUY", "");
    assert_eq!(world.position(A), net(2));
    keeps(&mut world, "0.0051");
    world.tell(Event::CompareBooks);
    assert_eq!((world.position(A), world.lane.books_state()), (net(2), BooksState::Differ));
}

#[test]
fn a_venue_rounds_its_fee_up() {
    let mut world = silent(AssetClass::Crypto);
    world.behave(A, |behavior| behavior.quantity = qty(1));
    keeps(&mut world, "0.003");
    world.signal(A, "BUY", "");
    assert_eq!(world.position(A), SignedQty(decimal("0.997")));
    assert_eq!(world.lane.books_state(), BooksState::Agree);
}

#[test]
fn what_a_person_has_adopted_owes_no_fee() {
    let mut world = silent(AssetClass::Crypto);
    world.signal(A, "BUY", "");
    world.venue.by_hand = net(1);
    world.adopt(A);
    world.venue.by_hand = SignedQty(decimal("0.996"));
    world.tell(Event::CompareBooks);
    assert_eq!((world.position(A), world.lane.books_state()), (net(3), BooksState::Differ));
}
