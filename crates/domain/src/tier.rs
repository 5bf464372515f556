//! Subscription plans and their limits.

use serde::{Deserialize, Serialize};

use crate::order::spelled;
use crate::time::UnixMicros;

/// What a user subscribes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Look, do not trade.
    Free,
    /// $49 a month.
    Starter,
    /// $129 a month.
    Trader,
    /// $249 a month.
    Unlimited,
}
spelled!(Plan { Free = "free", Starter = "starter", Trader = "trader", Unlimited = "unlimited" });

/// What a plan allows at once. `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanLimits {
    /// Webhooks that are active.
    pub active_webhooks: Option<u32>,
    /// Linked broker accounts.
    pub broker_accounts: Option<u32>,
    /// Strategies that are active.
    pub active_strategies: Option<u32>,
}

/// Something a plan limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Active webhooks.
    Webhooks,
    /// Linked broker accounts.
    BrokerAccounts,
    /// Active strategies.
    Strategies,
}

impl Limited {
    /// The thing in a sentence: "active webhooks".
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Webhooks => "active webhooks",
            Self::BrokerAccounts => "broker accounts",
            Self::Strategies => "active strategies",
        }
    }
}

impl Plan {
    /// What the plan allows.
    #[must_use]
    pub const fn limits(self) -> PlanLimits {
        let (webhooks, accounts, strategies) = match self {
            Self::Free => (Some(0), Some(0), Some(0)),
            Self::Starter => (Some(3), Some(2), Some(3)),
            Self::Trader => (Some(10), Some(10), Some(10)),
            Self::Unlimited => (None, None, None),
        };
        PlanLimits { active_webhooks: webhooks, broker_accounts: accounts, active_strategies: strategies }
    }

    /// How many of one thing the plan allows.
    #[must_use]
    pub const fn limit_of(self, thing: Limited) -> Option<u32> {
        let limits = self.limits();
        match thing {
            Limited::Webhooks => limits.active_webhooks,
            Limited::BrokerAccounts => limits.broker_accounts,
            Limited::Strategies => limits.active_strategies,
        }
    }

    /// The smallest plan with room for `wanted` of one thing.
    #[must_use]
    pub fn smallest_with(thing: Limited, wanted: u32) -> Self {
        let fits = |plan: &&Self| plan.limit_of(thing).is_none_or(|limit| limit >= wanted);
        Self::ALL.iter().find(fits).copied().unwrap_or(Self::Unlimited)
    }
}

/// Whether a subscription is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Paid.
    Active,
    /// In a free trial.
    Trialing,
    /// A payment failed; works for [`GRACE_DAYS`] more.
    PastDue,
    /// Stopped by an administrator.
    Suspended,
    /// Ended.
    Canceled,
}
spelled!(SubscriptionStatus {
    Active = "active",
    Trialing = "trialing",
    PastDue = "past_due",
    Suspended = "suspended",
    Canceled = "canceled",
});

/// How long a subscription that is past due still works.
pub const GRACE_DAYS: i64 = 7;

/// A subscription's status and since when it has had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its status.
    pub status: SubscriptionStatus,
    /// Since when.
    pub since: UnixMicros,
}

impl Subscription {
    /// Whether webhooks work under it at `now`.
    #[must_use]
    pub fn is_good(self, now: UnixMicros) -> bool {
        match self.status {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => true,
            SubscriptionStatus::PastDue => now < self.since.plus_seconds(GRACE_DAYS * 86_400),
            SubscriptionStatus::Suspended | SubscriptionStatus::Canceled => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_table_of_webhook_limits() {
        let limits: Vec<_> = Plan::ALL.iter().map(|plan| plan.limits().active_webhooks).collect();
        assert_eq!(limits, [Some(0), Some(3), Some(10), None]);
    }

    #[test]
    fn the_recommended_plan_is_the_smallest_that_fits() {
        assert_eq!(Plan::smallest_with(Limited::BrokerAccounts, 3), Plan::Trader);
        assert_eq!(Plan::smallest_with(Limited::Webhooks, 1), Plan::Starter);
        assert_eq!(Plan::smallest_with(Limited::Strategies, 11), Plan::Unlimited);
    }

    #[test]
    fn past_due_works_for_seven_days_and_no_longer() {
        let subscription = Subscription { status: SubscriptionStatus::PastDue, since: UnixMicros(0) };
        let week = UnixMicros(0).plus_seconds(7 * 86_400);
        assert!(subscription.is_good(week.plus(-1)));
        assert!(!subscription.is_good(week));
    }
}
