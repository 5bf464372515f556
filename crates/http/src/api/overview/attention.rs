//! What needs a look: what holds now, and what did not go as it was meant to.

use std::cmp::Reverse;

use atomik_domain::tier::GRACE_DAYS;
use atomik_domain::{
    BrokerAccount, Code, Halt, HaltMode, HaltScope, Order, OutcomeStatus, SubscriptionStatus, UnixMicros,
    User,
};
use atomik_engine::AccountState;
use atomik_ports::PageRequest;
use atomik_ports::overview::{DeliveryGroup, FailureGroup, Happened, UnheardGroup};
use atomik_ports::store::MAX_PAGE;
use serde::Serialize;
use utoipa::ToSchema;

use crate::AppState;
use crate::api::format::CodeWord;
use crate::api::halts::concerns;
use crate::error::ApiResult;

/// How many things are shown at most.
const MAX_SHOWN: usize = 50;

/// What kind of thing needs a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// The subscription is past due or does not allow trading. Holds now.
    Subscription,
    /// Something of yours is halted. Holds now.
    Halt,
    /// A broker account is not connected. Holds now.
    AccountDisconnected,
    /// A broker account's books differ from the strategies'. Holds now.
    BooksDiffer,
    /// The broker has not proven what became of an order. Holds now.
    UnknownOrder,
    /// The broker refused orders of a strategy.
    RejectedSignal,
    /// Atomik refused orders of a strategy.
    DeniedSignal,
    /// Orders of a strategy ended unfilled.
    ExpiredSignal,
    /// Alerts came while no strategy was active on their webhook.
    SignalWithoutStrategy,
    /// Requests to a webhook were refused.
    RefusedDeliveries,
}

/// Something that needs a look.
#[derive(Serialize, ToSchema)]
#[schema(as = Attention)]
pub struct AttentionView {
    /// What kind of thing.
    kind: AttentionKind,
    /// Why, as a code.
    #[schema(value_type = CodeWord)]
    code: &'static str,
    /// Why, in a sentence: of several, the last one's.
    sentence: String,
    /// How many times.
    count: u64,
    /// Since when it holds, or when it happened first; null where that is not known.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// When it happened last; null where it holds now.
    #[schema(format = DateTime)]
    last_at: Option<String>,
    /// The webhook it is about.
    webhook_id: Option<i64>,
    /// The strategy it is about.
    strategy_id: Option<i64>,
    /// The broker account it is about.
    broker_account_id: Option<i64>,
    /// The signal it is about: of several, the last one.
    signal_id: Option<i64>,
    /// The order it is about.
    client_order_id: Option<String>,
}

impl AttentionView {
    fn now(kind: AttentionKind, code: Code, sentence: String, since: Option<UnixMicros>) -> Self {
        Self {
            kind,
            code: code.as_str(),
            sentence,
            count: 1,
            since: since.map(UnixMicros::to_rfc3339),
            last_at: None,
            webhook_id: None,
            strategy_id: None,
            broker_account_id: None,
            signal_id: None,
            client_order_id: None,
        }
    }
}

/// A thing that happened, with when it last did.
type Past = (UnixMicros, AttentionView);

fn past(
    kind: AttentionKind,
    code: Code,
    sentence: String,
    count: u64,
    (first_at, last_at): (UnixMicros, UnixMicros),
) -> Past {
    let last = Some(last_at.to_rfc3339());
    (
        last_at,
        AttentionView { count, last_at: last, ..AttentionView::now(kind, code, sentence, Some(first_at)) },
    )
}

/// What needs a look: first what holds now, then what happened, the newest first. And whether there is more than that.
///
/// # Errors
/// The store's.
pub async fn gather(
    state: &AppState,
    user: &User,
    happened: &Happened,
) -> ApiResult<(Vec<AttentionView>, bool)> {
    let mut shown: Vec<_> = subscription(user, state.now()).into_iter().collect();
    for halt in state.store.halts().await? {
        if concerns(state, user, halt.scope).await? {
            shown.push(halted(&halt));
        }
    }
    let mut page = PageRequest { limit: MAX_PAGE, before: None };
    loop {
        let accounts = state.store.broker_accounts(user.id, page).await?;
        shown.extend(accounts.items.iter().filter_map(|account| unwell(state, account)));
        page.before = accounts.next;
        if page.before.is_none() {
            break;
        }
    }
    shown.extend(happened.unknown_orders.iter().map(unknown_order));
    let refused = happened.others.iter().filter(|group| group.code != Code::Replayed).map(refused);
    let mut past: Vec<Past> = happened.failures.iter().map(failed).chain(refused).collect();
    past.extend(happened.unheard.iter().map(unheard));
    past.sort_by_key(|(last_at, _)| Reverse(*last_at));
    shown.extend(past.into_iter().map(|(_, view)| view));
    let truncated = shown.len() > MAX_SHOWN;
    shown.truncate(MAX_SHOWN);
    Ok((shown, truncated))
}

fn explained(code: Code) -> String {
    format!("{} {}", code.meaning(), code.remedy())
}

fn subscription(user: &User, now: UnixMicros) -> Option<AttentionView> {
    let code = Code::SubscriptionInactive;
    let sentence = if !user.may_trade(now) {
        explained(code)
    } else if user.subscription.status == SubscriptionStatus::PastDue {
        format!(
            "A payment is past due. Alerts are taken for {GRACE_DAYS} days from then, and refused after that."
        )
    } else {
        return None;
    };
    Some(AttentionView::now(AttentionKind::Subscription, code, sentence, Some(user.subscription.since)))
}

fn halted(halt: &Halt) -> AttentionView {
    let what = match halt.mode {
        HaltMode::Entries => "New entries are halted",
        HaltMode::All => "All trading is halted",
    };
    let whose = match halt.scope {
        HaltScope::System => "on the whole system",
        HaltScope::Account(_) => "on this account",
        HaltScope::Strategy(_) => "for this strategy",
    };
    let sentence = format!("{what} {whose}: {}", halt.reason);
    let (account, strategy) = match halt.scope {
        HaltScope::System => (None, None),
        HaltScope::Account(id) => (Some(id.0), None),
        HaltScope::Strategy(id) => (None, Some(id.0)),
    };
    AttentionView {
        broker_account_id: account,
        strategy_id: strategy,
        ..AttentionView::now(AttentionKind::Halt, Code::Halted, sentence, Some(halt.created_at))
    }
}

fn unwell(state: &AppState, account: &BrokerAccount) -> Option<AttentionView> {
    let status = state.engine.account_status(account.id);
    let (kind, code) = match status.state {
        AccountState::Connecting | AccountState::Ready => return None,
        AccountState::BooksDiffer => (AttentionKind::BooksDiffer, Code::BooksDiffer),
        AccountState::Disconnected => (AttentionKind::AccountDisconnected, Code::AccountUnavailable),
    };
    let sentence = status.detail.unwrap_or_else(|| explained(code));
    let view = AttentionView::now(kind, code, sentence, None);
    Some(AttentionView { broker_account_id: Some(account.id.0), ..view })
}

fn unknown_order(order: &Order) -> AttentionView {
    let code = Code::OrderUnknown;
    let sentence = order.reason.clone().unwrap_or_else(|| explained(code));
    let since = order.sent_at.unwrap_or(order.planned_at);
    AttentionView {
        strategy_id: Some(order.strategy_id.0),
        broker_account_id: Some(order.broker_account_id.0),
        signal_id: Some(order.signal_id.0),
        client_order_id: Some(order.request.client_order_id.to_string()),
        ..AttentionView::now(AttentionKind::UnknownOrder, code, sentence, Some(since))
    }
}

fn failed(group: &FailureGroup) -> Past {
    let kind = match group.status {
        OutcomeStatus::Rejected => AttentionKind::RejectedSignal,
        OutcomeStatus::Expired => AttentionKind::ExpiredSignal,
        _ => AttentionKind::DeniedSignal,
    };
    let times = (group.first_at, group.last_at);
    let (last_at, view) = past(kind, group.code, group.detail.clone(), group.count, times);
    let (strategy_id, signal_id) = (Some(group.strategy_id.0), Some(group.last_signal_id.0));
    (last_at, AttentionView { strategy_id, signal_id, ..view })
}

fn unheard(group: &UnheardGroup) -> Past {
    let code = Code::NoActiveStrategy;
    let times = (group.first_at, group.last_at);
    let (last_at, view) =
        past(AttentionKind::SignalWithoutStrategy, code, explained(code), group.count, times);
    let (webhook_id, signal_id) = (Some(group.webhook_id.0), Some(group.last_signal_id.0));
    (last_at, AttentionView { webhook_id, signal_id, ..view })
}

fn refused(group: &DeliveryGroup) -> Past {
    let times = (group.first_at, group.last_at);
    let sentence = explained(group.code);
    let (last_at, view) = past(AttentionKind::RefusedDeliveries, group.code, sentence, group.count, times);
    (last_at, AttentionView { webhook_id: Some(group.webhook_id.0), ..view })
}
