//! Many nodes on one store: who works on which account, and who else is there.
//!
//! An account is worked on by one node at a time: the one that holds its [`Lease`]. A node keeps its leases by beating. It
//! counts them as its own only until [`LEASE_GOOD`] after it began the last beat that went well, and nobody else takes
//! them before [`LEASE_LIFE`] after that beat reached the store; what lies between is for what was on its way.

use std::time::Duration;

use async_trait::async_trait;
use atomik_domain::{BrokerAccountId, Outcome, SignalId, StrategyId, Symbol, UnixMicros};

use crate::history::Signal;
use crate::operations::UnfinishedWork;
use crate::store::StoreError;

/// How long a node's leases last after a beat, by the store's clock.
pub const LEASE_LIFE: Duration = Duration::from_secs(5);
/// How long a node counts on its leases after it began a beat, by its own clock.
pub const LEASE_GOOD: Duration = Duration::from_secs(4);

/// What one build must have in common with another to work beside it. Rises with every version that other nodes have to be
/// aware of; nodes work together with their own and the one before and after it.
pub const GENERATION: i64 = 1;

/// One run of the program, as others know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub i64);

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCard {
    /// What people call it: the machine's name, as a rule.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Where other nodes reach its API: `http://10.0.0.7:8080`.
    pub address: String,
    /// When it began.
    pub started_at: UnixMicros,
}

/// A node that lives, or did until lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which run.
    pub id: NodeId,
    /// What it says of itself.
    pub card: NodeCard,
    /// What its build must have in common with others: see [`GENERATION`].
    pub generation: i64,
    /// Whether it beats.
    pub is_alive: bool,
    /// The accounts that it works on.
    pub accounts: Vec<BrokerAccountId>,
}

/// The right to work on an account. Whoever gets it next has a greater epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    /// The account.
    pub broker_account_id: BrokerAccountId,
    /// Which turn at it.
    pub epoch: i64,
}

/// How an account stands, as the node that works on it shows it to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountShown {
    /// The account.
    pub broker_account_id: BrokerAccountId,
    /// What is shown: JSON that the store does not read.
    pub shown: String,
}

/// What a beat brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// How many nodes live, this one among them.
    pub live_nodes: u32,
    /// All leases that this node holds now.
    pub leases: Vec<Lease>,
    /// How many of them are more than its share: to be given back.
    pub excess: usize,
    /// What was shown of accounts, by any node, since the last beat of this one.
    pub shown: Vec<AccountShown>,
    /// The accounts that no node works on at this moment.
    pub unowned: Vec<BrokerAccountId>,
    /// The store's clock, read during the beat.
    pub clock: UnixMicros,
}

/// A signal that waits to be run by one strategy.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The signal.
    pub signal: Signal,
    /// Its outcome, which is pending.
    pub outcome: Outcome,
    /// The account that the strategy is on, whether or not the strategy is there any more.
    pub broker_account_id: BrokerAccountId,
    /// The strategy's symbol.
    pub symbol: Symbol,
}

/// The most signals that are named in one answer.
pub const WAITING_PAGE: usize = 1_000;

/// What a node asks of the store that it shares with others.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// This node.
    fn node(&self) -> NodeId;
    /// Says that this node lives: keeps its leases, gives `returned` ones back, takes its share of those that nobody has
    /// or whose node is dead, and shows how accounts stand.
    ///
    /// # Errors
    /// `Unavailable` where the store cannot be reached; nothing is known of the leases then.
    async fn beat(
        &self,
        card: &NodeCard,
        returned: &[Lease],
        shown: &[AccountShown],
    ) -> Result<Beat, StoreError>;
    /// Ends this node: gives `returned` leases back at once. What else it holds is free once it would have beaten no more.
    async fn leave(&self, returned: &[Lease]) -> Result<(), StoreError>;
    /// Forgets the accounts of leases that this node holds: they were unlinked, and nothing is left to do there.
    async fn retire(&self, leases: &[Lease]) -> Result<(), StoreError>;
    /// The nodes that live, or did within the last hour.
    async fn nodes(&self) -> Result<Vec<Node>, StoreError>;
    /// Where the node that works on an account is reached; `None` where nobody does.
    async fn address_of(&self, account: BrokerAccountId) -> Result<Option<String>, StoreError>;
    /// What was not finished on accounts.
    async fn unfinished_on(&self, accounts: &[BrokerAccountId]) -> Result<UnfinishedWork, StoreError>;
    /// What waits for strategies, of signals after a given one, in the order of acceptance.
    async fn waiting_for(
        &self,
        strategies: &[StrategyId],
        after: SignalId,
    ) -> Result<Vec<Waiting>, StoreError>;
    /// Which signals wait on accounts for which strategies, in the order of acceptance: those after a given one, no more than
    /// [`WAITING_PAGE`].
    async fn waiting_on(
        &self,
        accounts: &[BrokerAccountId],
        after: (SignalId, StrategyId),
    ) -> Result<Vec<(SignalId, StrategyId)>, StoreError>;
    /// Those of them that wait still, in the order of acceptance.
    async fn waiting(&self, which: &[(SignalId, StrategyId)]) -> Result<Vec<Waiting>, StoreError>;
}
