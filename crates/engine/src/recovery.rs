//! What lanes start from that the last run left something unfinished in.

use std::collections::{BTreeMap, HashMap, HashSet};

use atomik_domain::{
    BrokerAccountId, ClientOrderId, Code, ExecId, Intention, Outcome, OutcomeStatus, SignalId, StrategyId,
    UnixMicros,
};
use atomik_ports::history::Signal;
use atomik_ports::journal::Changes;
use atomik_ports::operations::UnfinishedWork;

use crate::lane::{Job, LaneKey, LaneSeed, SignalBrief, View};

/// Sorts unfinished work into the lanes it belongs to. What belongs to no lane any more (its strategy or account is gone) is
/// settled by the changes that come with it.
#[must_use]
pub fn seeds(
    work: UnfinishedWork,
    view: &dyn View,
    is_linked: impl Fn(BrokerAccountId) -> bool,
    now: UnixMicros,
) -> (BTreeMap<LaneKey, LaneSeed>, Changes) {
    let mut seeds: BTreeMap<LaneKey, LaneSeed> = BTreeMap::new();
    let mut changes = Changes::default();
    let mut seen: HashMap<ClientOrderId, HashSet<ExecId>> = HashMap::new();
    for fill in work.fills {
        seen.entry(fill.client_order_id).or_default().insert(fill.execution.exec_id);
    }
    let mut traded: HashMap<(SignalId, StrategyId), OutcomeStatus> = HashMap::new();
    for order in &work.orders {
        let traded = traded.entry((order.signal_id, order.strategy_id)).or_insert(OutcomeStatus::Denied);
        if !order.status.is_final() {
            *traded = OutcomeStatus::Unknown;
        } else if !order.filled_qty.is_zero() && *traded == OutcomeStatus::Denied {
            *traded = OutcomeStatus::PartlyFilled;
        }
    }
    for record in work.positions {
        let key = LaneKey { broker_account_id: record.broker_account_id, symbol: record.symbol.clone() };
        seeds.entry(key).or_default().positions.push(record);
    }
    for order in work.orders {
        let key =
            LaneKey { broker_account_id: order.broker_account_id, symbol: order.request.symbol.clone() };
        let executions = seen.remove(&order.request.client_order_id).unwrap_or_default();
        seeds.entry(key).or_default().orders.push((order, executions));
    }
    for (signal, outcome) in work.outcomes {
        let status = traded.get(&(signal.id, outcome.strategy_id)).copied().unwrap_or(OutcomeStatus::Denied);
        let Some(strategy) = view.strategy(outcome.strategy_id) else {
            changes.outcomes.push(orphaned(outcome, status, Code::StrategyInactive, now));
            continue;
        };
        if !is_linked(strategy.broker_account_id) {
            changes.outcomes.push(orphaned(outcome, status, Code::AccountUnavailable, now));
            continue;
        }
        let key = LaneKey::of(&strategy);
        let job = Job { signal: brief(&signal), strategy_id: outcome.strategy_id };
        seeds.entry(key).or_default().jobs.push(job);
    }
    (seeds, changes)
}

/// What a lane needs of a stored signal.
#[must_use]
pub fn brief(signal: &Signal) -> SignalBrief {
    let intention = signal.comment.as_deref().map_or(Ok(Intention::Bare), Intention::parse);
    SignalBrief {
        id: signal.id,
        user_id: signal.user_id,
        webhook_id: signal.webhook_id,
        source: signal.source,
        received_at: signal.received_at,
        received_tick: None,
        action: signal.action,
        intention: intention.unwrap_or(Intention::Bare),
        price: signal.price,
    }
}

/// Nobody is left to work on it: the strategy or its account is gone. What its orders have come to is not denied by that.
fn orphaned(outcome: Outcome, status: OutcomeStatus, code: Code, now: UnixMicros) -> Outcome {
    let code = if status == OutcomeStatus::Unknown { Code::OrderUnknown } else { code };
    let settled_at = status.is_final().then_some(now);
    Outcome { status, code, detail: code.meaning().to_owned(), settled_at, ..outcome }
}
