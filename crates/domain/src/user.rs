//! People who sign in.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::order::spelled;
use crate::tier::{Plan, Subscription};
use crate::time::UnixMicros;

/// What a user may do beyond their own things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Their own things only.
    Trader,
    /// Also other users' plans, roles and access, and system-wide halts.
    Admin,
}
spelled!(Role { Trader = "trader", Admin = "admin" });

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their address, trimmed and lower case. UNIQUE.
    pub email: String,
    /// What they may do.
    pub role: Role,
    /// What they pay for.
    pub plan: Plan,
    /// Whether they pay.
    pub subscription: Subscription,
    /// Whether an administrator has shut them out.
    pub disabled: bool,
    /// When they registered.
    pub created_at: UnixMicros,
}

impl User {
    /// Whether their webhooks work: not shut out, and a subscription that is good at `now`.
    #[must_use]
    pub fn may_trade(&self, now: UnixMicros) -> bool {
        !self.disabled && self.subscription.is_good(now)
    }
}
