//! What the last run left unfinished, put back into lanes.

use std::collections::{BTreeMap, HashMap, HashSet};

use atomik_domain::{ClientOrderId, Code, ExecId, Intention, Outcome, OutcomeStatus, UnixMicros};
use atomik_ports::history::Signal;
use atomik_ports::journal::Changes;
use atomik_ports::operations::UnfinishedWork;

use crate::lane::{Job, LaneKey, LaneSeed, SignalBrief, View};
use crate::registry::Registry;

/// Sorts unfinished work into the lanes it belongs to. What belongs to no lane any more (its strategy or account is gone) is
/// settled by the changes that come with it.
pub fn seeds(
    work: UnfinishedWork,
    registry: &Registry,
    now: UnixMicros,
) -> (BTreeMap<LaneKey, LaneSeed>, Changes) {
    let mut seeds: BTreeMap<LaneKey, LaneSeed> = BTreeMap::new();
    let mut changes = Changes::default();
    let mut seen: HashMap<ClientOrderId, HashSet<ExecId>> = HashMap::new();
    for fill in work.fills {
        seen.entry(fill.client_order_id).or_default().insert(fill.execution.exec_id);
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
        let Some(strategy) = registry.strategy(outcome.strategy_id) else {
            changes.outcomes.push(orphaned(outcome, Code::StrategyInactive, now));
            continue;
        };
        if registry.broker_account(strategy.broker_account_id).is_none() {
            changes.outcomes.push(orphaned(outcome, Code::AccountUnavailable, now));
            continue;
        }
        let key = LaneKey { broker_account_id: strategy.broker_account_id, symbol: strategy.symbol.clone() };
        let job = Job { signal: brief(&signal), strategy_id: outcome.strategy_id };
        seeds.entry(key).or_default().jobs.push(job);
    }
    (seeds, changes)
}

fn brief(signal: &Signal) -> SignalBrief {
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

/// Nobody is left to work on it: the strategy or its account is gone.
fn orphaned(outcome: Outcome, code: Code, now: UnixMicros) -> Outcome {
    let detail = code.meaning().to_owned();
    Outcome { status: OutcomeStatus::Denied, code, detail, settled_at: Some(now), ..outcome }
}
