//! How accounts stand, shown by the node that works on each, so that every node can say it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError, RwLock};

use atomik_domain::{BrokerAccountId, SignedQty, StrategyId, Symbol, UnixMicros};
use atomik_ports::cluster::{AccountShown, Beat, Lease};
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::engine::{AccountState, AccountStatus};
use crate::events::EventBody;
use crate::lanes::{Difference, Lanes};
use crate::work::Work;

/// What is shown of accounts.
#[derive(Default)]
pub(crate) struct Shown {
    /// What this node has shown of its own accounts.
    ours: Mutex<HashMap<BrokerAccountId, String>>,
    others: RwLock<HashMap<BrokerAccountId, (AccountStatus, Vec<Difference>)>>,
    /// The accounts that no node works on.
    unowned: RwLock<HashSet<BrokerAccountId>>,
}

/// What this node has to show.
pub(crate) struct News {
    pub news: Vec<AccountShown>,
    all: HashMap<BrokerAccountId, String>,
}

/// An account as it is shown.
#[derive(Serialize, Deserialize)]
struct Account {
    state: String,
    detail: Option<String>,
    reconciled_at: Option<UnixMicros>,
    differences: Vec<ShownDifference>,
}

#[derive(Serialize, Deserialize)]
struct ShownDifference {
    symbol: Symbol,
    broker_net_qty: SignedQty,
    strategies: BTreeMap<StrategyId, SignedQty>,
}

impl Shown {
    /// What changed of this node's accounts since it was last shown, and that those which it gives back are nobody's.
    pub fn news(&self, accounts: &Accounts, lanes: &Lanes, returned: &[Lease]) -> News {
        let all: HashMap<_, _> = accounts
            .links()
            .into_iter()
            .map(|link| {
                let differences = lanes.differing(link.id);
                (link.id, text_of(link.shown_status(&differences), differences))
            })
            .collect();
        let ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = all.iter().filter(|(id, text)| ours.get(id) != Some(*text));
        let news = changed.map(|(id, text)| AccountShown { broker_account_id: *id, shown: text.clone() });
        let given_back = returned.iter().map(|lease| AccountShown {
            broker_account_id: lease.broker_account_id,
            shown: text_of(passing(), Vec::new()),
        });
        News { news: news.chain(given_back).collect(), all }
    }

    /// The others can read it now.
    pub fn is_shown(&self, shown: News) {
        *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = shown.all;
    }

    /// Takes in what others have shown, and tells watchers of what changed by it.
    pub fn take_in(&self, work: &Work, beat: &Beat) {
        *self.unowned.write().unwrap_or_else(PoisonError::into_inner) =
            beat.unowned.iter().copied().collect();
        for one in &beat.shown {
            let id = one.broker_account_id;
            let Ok(account) = serde_json::from_str::<Account>(&one.shown) else { continue };
            let Ok(state) = account.state.parse() else { continue };
            let status =
                AccountStatus { state, detail: account.detail, reconciled_at: account.reconciled_at };
            let differences = account.differences.into_iter().map(Difference::from).collect();
            let news = (status, differences);
            let before = self.others.write().unwrap_or_else(PoisonError::into_inner).insert(id, news.clone());
            if before.is_none_or(|before| before.0.state != news.0.state || before.1 != news.1)
                && work.lease_or_all(id).is_err()
                && let Some(account) = work.registry.broker_account(id)
            {
                let body = EventBody::Account { broker_account_id: id };
                work.events.publish(account.user_id, work.clock.now(), body);
            }
        }
    }

    /// How an account stands that another node works on.
    pub fn status(&self, id: BrokerAccountId) -> AccountStatus {
        if self.unowned.read().unwrap_or_else(PoisonError::into_inner).contains(&id) {
            return passing();
        }
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(&id).map_or_else(passing, |(status, _)| status.clone())
    }

    /// Where its books differ.
    pub fn differences(&self, id: BrokerAccountId) -> Vec<Difference> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.get(&id).map_or_else(Vec::new, |(_, differences)| differences.clone())
    }
}

fn passing() -> AccountStatus {
    let detail = Some("No node works on the account at this moment; one will within seconds.".to_owned());
    AccountStatus { state: AccountState::Connecting, detail, reconciled_at: None }
}

fn text_of(status: AccountStatus, differences: Vec<Difference>) -> String {
    let account = Account {
        state: status.state.as_str().to_owned(),
        detail: status.detail,
        reconciled_at: status.reconciled_at,
        differences: differences.into_iter().map(ShownDifference::from).collect(),
    };
    // Names and numbers: there is nothing in it that cannot be written.
    serde_json::to_string(&account).unwrap_or_default()
}

impl From<Difference> for ShownDifference {
    fn from(difference: Difference) -> Self {
        let Difference { symbol, broker_net_qty, strategies } = difference;
        Self { symbol, broker_net_qty, strategies }
    }
}

impl From<ShownDifference> for Difference {
    fn from(shown: ShownDifference) -> Self {
        let ShownDifference { symbol, broker_net_qty, strategies } = shown;
        Self { symbol, broker_net_qty, strategies }
    }
}
