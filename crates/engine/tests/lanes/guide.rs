//! The rows of the guide's tables, from signal to recorded fill.

use atomik_domain::{Code, OutcomeStatus, Side};
use rstest::rstest;

use crate::support::world::{A, Fate, World};
use crate::support::{net, qty};

/// A world in which A holds so many units.
fn holding(units: i64) -> World {
    let mut world = World::new();
    world.behave(A, |behavior| {
        behavior.quantity = qty(units.abs());
        behavior.max_position = qty(units.abs());
    });
    if units != 0 {
        world.signal(A, if units > 0 { "BUY" } else { "SELL" }, "ENTRY");
    }
    assert_eq!(world.position(A), net(units));
    world.sent.clear();
    world
}

#[test]
fn a_buy_opens_a_long_of_the_configured_quantity() {
    let mut world = World::new();
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Buy, qty(2))]);
    assert_eq!(world.position(A), net(2));
    let outcome = &world.book.outcomes[&(signal, A)];
    assert_eq!(outcome.detail, "Bought 2 ES at 100.");
    assert!(outcome.planned_at.is_some() && outcome.settled_at.is_some());
    let order = world.order(signal, A, 0);
    assert!(order.sent_at.is_some() && order.acknowledged_at.is_some() && order.filled_at.is_some());
}

#[rstest]
#[case("EXIT_50", 4)]
#[case("EXIT_HALF", 4)]
#[case("EXIT_25", 2)]
#[case("EXIT_75", 6)]
#[case("EXIT_33", 3)]
#[case("EXIT_FINAL", 7)]
#[case("EXIT_ALL", 7)]
#[case("EXIT_100", 7)]
#[case("", 7)]
#[case("Close entry(s) order Long", 7)]
fn a_sell_exits_its_part_of_a_long_of_seven_rounded_up(#[case] comment: &str, #[case] sold: i64) {
    let mut world = holding(7);
    let signal = world.signal(A, "SELL", comment);
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Sell, qty(sold))]);
    assert!(world.sent[0].reduce_only);
    assert_eq!(world.position(A), net(7 - sold));
}

#[test]
fn a_buy_exits_a_short() {
    let mut world = holding(-7);
    let signal = world.signal(A, "BUY", "EXIT_50");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(-3));
}

#[rstest]
#[case(0, "SELL", "", Code::NothingToExit)]
#[case(0, "SELL", "EXIT_FINAL", Code::NothingToExit)]
#[case(0, "BUY", "EXIT_50", Code::NothingToExit)]
#[case(2, "BUY", "ENTRY", Code::PositionLimit)]
#[case(2, "BUY", "EXIT_50", Code::ExitSideMismatch)]
#[case(-2, "SELL", "EXIT_50", Code::ExitSideMismatch)]
fn what_the_rules_skip_trades_nothing(
    #[case] held: i64,
    #[case] action: &str,
    #[case] comment: &str,
    #[case] code: Code,
) {
    let mut world = holding(held);
    let signal = world.signal(A, action, comment);
    world.expect(signal, A, OutcomeStatus::Skipped, code);
    assert_eq!(world.left(), []);
    assert_eq!(world.position(A), net(held));
}

#[test]
fn a_bare_sell_opens_a_short_only_where_the_strategy_says_so() {
    let mut world = World::new();
    world.behave(A, |behavior| behavior.bare_sell_opens_short = true);
    let signal = world.signal(A, "SELL", "");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.position(A), net(-2));
}

#[test]
fn an_opposite_entry_exits_and_never_flips_by_default() {
    let mut world = holding(2);
    let signal = world.signal(A, "SELL", "ENTRY");
    world.expect(signal, A, OutcomeStatus::Filled, Code::Filled);
    assert_eq!(world.left(), [(Side::Sell, qty(2))]);
    assert_eq!(world.position(A), net(0));
}

#[test]
fn the_broker_says_why_it_refused() {
    let mut world = World::new();
    world.then([Fate::Reject]);
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Rejected, Code::BrokerRejected);
    assert_eq!(world.book.outcomes[&(signal, A)].detail, "no margin");
    assert_eq!(world.position(A), net(0));
}

#[test]
fn a_paused_or_deleted_strategy_trades_nothing() {
    let mut world = World::new();
    let paused = world.view.strategies.get_mut(&A).expect("a strategy");
    std::sync::Arc::make_mut(paused).active = false;
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Denied, Code::StrategyInactive);
    world.view.strategies.clear();
    let signal = world.signal(A, "BUY", "");
    world.expect(signal, A, OutcomeStatus::Denied, Code::StrategyInactive);
    assert_eq!(world.left(), []);
}
