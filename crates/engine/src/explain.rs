//! What would each strategy do about a payload now? Trades nothing.

use std::collections::HashMap;

use atomik_domain::alert::Action;
use atomik_domain::gate::{BooksState, Circumstances};
use atomik_domain::planner::{self, Decision, Situation};
use atomik_domain::position::PositionSide;
use atomik_domain::{
    Alert, BrokerAccountId, ClientOrderId, Code, Gate, Intention, OrderRequest, OrderType, Position, Qty,
    Side, SignalId, SignedQty, Strategy, StrategyId, Symbol, TimeInForce,
};
use atomik_ports::Broker;
use rust_decimal::Decimal;

use crate::accounts::Accounts;
use crate::lane::{LaneKey, Standing, View};
use crate::lanes::Lanes;
use crate::work::Work;

/// What a payload means and what would come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the receiver would take the payload.
    pub valid: bool,
    /// Why not: the refusal's code.
    pub code: Option<Code>,
    /// The action.
    pub action: Option<Action>,
    /// The comment, as read.
    pub comment: Option<String>,
    /// What was read otherwise than it was written.
    pub notes: Vec<String>,
    /// All of it in one English sentence (or a few, one a strategy).
    pub sentence: String,
    /// What each active strategy would do.
    pub strategies: Vec<StrategyExplanation>,
}

/// What one strategy would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrategyExplanation {
    /// The strategy.
    pub strategy_id: StrategyId,
    /// Its name.
    pub name: String,
    /// Where it trades.
    pub broker_account_id: BrokerAccountId,
    /// What it trades.
    pub symbol: Symbol,
    /// Its position now.
    pub net_qty: SignedQty,
    /// `enter`, `exit`, `reverse`, `skip` or `deny`.
    pub decision: &'static str,
    /// The order's side.
    pub side: Option<Side>,
    /// The (first) order's quantity.
    pub order_qty: Option<Qty>,
    /// Why nothing would be ordered.
    pub code: Option<Code>,
    /// All of it in one English sentence.
    pub sentence: String,
}

/// What a body would do now, on each of these strategies.
pub(crate) async fn explain(
    work: &Work,
    lanes: &Lanes,
    accounts: &Accounts,
    strategies: &[std::sync::Arc<Strategy>],
    body: &[u8],
) -> Explanation {
    let alert = match Alert::parse(body) {
        Ok(alert) => alert,
        Err(error) => {
            return Explanation {
                valid: false,
                code: Some(error.code()),
                action: None,
                comment: None,
                notes: Vec::new(),
                sentence: format!("The alert would be refused: {error}."),
                strategies: Vec::new(),
            };
        }
    };
    let mut explained = Vec::with_capacity(strategies.len());
    for strategy in strategies {
        explained.push(explain_one(work, lanes, accounts, strategy, &alert).await);
    }
    let sentence = match explained.as_slice() {
        [] => "The alert would be accepted, but no active strategy is linked to the webhook, so nothing would trade.".to_owned(),
        many => many.iter().map(|one| one.sentence.as_str()).collect::<Vec<_>>().join(" "),
    };
    Explanation {
        valid: true,
        code: None,
        action: Some(alert.action),
        comment: alert.comment,
        notes: alert.notes,
        sentence,
        strategies: explained,
    }
}

/// The symbol's lot step and what the account holds of it, as far as the broker says.
async fn at_broker(broker: Option<&dyn Broker>, key: &LaneKey) -> (Qty, Option<SignedQty>) {
    let Some(broker) = broker else { return (Qty(Decimal::ONE), None) };
    let instrument = broker.instrument(&key.symbol).await;
    let lot_size = instrument.map_or(Qty(Decimal::ONE), |instrument| instrument.lot_size);
    (lot_size, broker.net_position(&key.symbol).await.ok())
}

async fn explain_one(
    work: &Work,
    lanes: &Lanes,
    accounts: &Accounts,
    strategy: &Strategy,
    alert: &Alert,
) -> StrategyExplanation {
    let key = LaneKey::of(strategy);
    let is_here = work.lease_or_all(key.broker_account_id).is_ok();
    let (standing, books) = if is_here { lanes.standing(&key) } else { recorded(work, strategy).await };
    let Standing { position, working, unproven } = standing.get(&strategy.id).copied().unwrap_or_default();
    let broker = accounts.link(key.broker_account_id).and_then(|link| link.broker());
    let (lot_size, venue_net) = at_broker(broker.as_deref(), &key).await;
    let situation = Situation {
        action: alert.action,
        intention: alert.intention,
        behavior: strategy.behavior,
        net_qty: position.net_qty,
        kept: position.fee_qty,
        working,
        explained: venue_net.map(|net| still_there(&position, net, &standing)),
        planned: None,
        lot_size,
    };
    let decision = planner::decide(&situation);
    let (mut word, side, order_qty, mut code) = match decision {
        Decision::Enter { side, qty } => ("enter", Some(side), Some(qty), None),
        Decision::Exit { side, qty } => ("exit", Some(side), Some(qty), None),
        Decision::Reverse { side, exit_qty } => ("reverse", Some(side), Some(exit_qty), None),
        Decision::Skip(code) => ("skip", None, None, Some(code)),
    };
    let mut sentence = say(strategy, &situation, decision);
    if let Some((side, qty)) = side.zip(order_qty) {
        let circumstances = Circumstances {
            now: work.clock.now(),
            strategy_id: strategy.id,
            active: strategy.active,
            signal_received_at: work.clock.now(),
            max_signal_age_s: strategy.behavior.max_signal_age_s,
            net_qty: position.net_qty,
            entries_working: working.entries,
            exits_working: working.exits,
            max_position: strategy.behavior.max_position,
            halt: work.registry.halt(key.broker_account_id, strategy.id),
            books,
            unknown_order_open: unproven,
        };
        let request = trial_order(&key.symbol, side, qty, word != "enter", work.installation);
        let mut gate = Gate::new(work.settings.max_orders_per_minute);
        if let Err(denial) = gate.approve(request, &circumstances) {
            (word, code) = ("deny", Some(denial.code));
            sentence = format!("{} would be denied: {}", strategy.name, denial.detail);
        }
    }
    sentence.push_str(match (is_here, broker.is_some()) {
        (false, _) => " Another node works on the account; this is by what is recorded.",
        (true, false) => " The broker account is not connected now.",
        (true, true) => "",
    });
    StrategyExplanation {
        strategy_id: strategy.id,
        name: strategy.name.clone(),
        broker_account_id: key.broker_account_id,
        symbol: key.symbol,
        net_qty: position.net_qty,
        decision: word,
        side,
        order_qty,
        code,
        sentence,
    }
}

/// How a strategy stands by what is recorded, where its lane is on another node.
async fn recorded(work: &Work, strategy: &Strategy) -> (HashMap<StrategyId, Standing>, BooksState) {
    // A store that cannot be read now is one that would refuse the alert, too.
    let records = work.store.positions_of(strategy.id).await.unwrap_or_default();
    let own = records.into_iter().filter(|record| record.symbol == strategy.symbol);
    let standing = |position| Standing { position, ..Standing::default() };
    let differing =
        work.cluster.as_ref().map(|membership| membership.shown.differences(strategy.broker_account_id));
    let differ = differing.unwrap_or_default().iter().any(|difference| difference.symbol == strategy.symbol);
    let books = if differ { BooksState::Differ } else { BooksState::Agree };
    (own.map(|record| (strategy.id, standing(record.position))).collect(), books)
}

fn still_there(position: &Position, net: SignedQty, standing: &HashMap<StrategyId, Standing>) -> Qty {
    let alike = standing.values().filter(|one| one.position.side() == position.side());
    let exits = alike.fold(Qty::ZERO, |sum, one| sum + one.working.exits);
    planner::explained(position.net_qty, net, standing.values().map(|one| one.position.net_qty), exits)
}

/// An order that is only shown to a gate of its own.
fn trial_order(symbol: &Symbol, side: Side, qty: Qty, exit: bool, installation: uuid::Uuid) -> OrderRequest {
    OrderRequest {
        client_order_id: ClientOrderId::derive(installation, SignalId(0), StrategyId(0), 0),
        symbol: symbol.clone(),
        side,
        order_type: OrderType::Market,
        time_in_force: TimeInForce::Day,
        order_qty: qty,
        limit_price: None,
        stop_price: None,
        reduce_only: exit,
        reference_price: None,
    }
}

/// What a decision comes to, in one English sentence about the strategy.
#[must_use]
pub fn say(strategy: &Strategy, situation: &Situation, decision: Decision) -> String {
    let (name, symbol) = (&strategy.name, &strategy.symbol);
    let verb = |side: Side| if side == Side::Buy { "buy" } else { "sell" };
    let held = match PositionSide::of(situation.net_qty) {
        PositionSide::Flat => "flat".to_owned(),
        side => format!("{side} {}", situation.net_qty.abs()),
    };
    match decision {
        Decision::Enter { side, qty } => {
            let grows = if situation.net_qty.is_zero() { "open a position" } else { "add to its position" };
            format!("{name} is {held} and would {} {qty} {symbol} to {grows}.", verb(side))
        }
        Decision::Exit { side, qty } => {
            let part = match situation.intention {
                Intention::Exit(percent) => format!("{} % of its position", percent.get().normalize()),
                _ => "its whole position".to_owned(),
            };
            format!("{name} is {held} and would {} {qty} {symbol} to exit {part}.", verb(side))
        }
        Decision::Reverse { side, exit_qty } => format!(
            "{name} is {held} and would {} {exit_qty} {symbol} to exit, and after the fill {} {} more to enter the other way.",
            verb(side),
            verb(side),
            strategy.behavior.quantity,
        ),
        Decision::Skip(code) => format!("{name} is {held} and would do nothing: {}", code.meaning()),
    }
}
