//! Webhooks.

use crate::ids::{UserId, WebhookId};
use crate::ip_allowlist::IpAllowlist;
use crate::time::UnixMicros;

/// SHA-256 of a secret of 256 random bits. At that entropy a fast hash is enough: there is nothing to guess.
pub type SecretHash = [u8; 32];

/// A webhook URL and its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the trader calls it.
    pub name: String,
    /// Notes.
    pub description: String,
    /// The unique part of its URL.
    pub token: String,
    /// Its secret, hashed.
    pub secret_hash: SecretHash,
    /// The secret before the last rotation, while it still works.
    pub previous_secret: Option<PreviousSecret>,
    /// `false` is dangerous: anybody who learns the URL can trade.
    pub require_secret: bool,
    /// Who may send. Empty: everybody.
    pub allowed_ips: IpAllowlist,
    /// Whether it accepts anything.
    pub active: bool,
    /// How long an equal alert counts as a repeat, in seconds; 0 switches the window off.
    pub dedupe_window_s: u32,
    /// When it was made.
    pub created_at: UnixMicros,
}

/// A secret that was rotated away but still works for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Its hash.
    pub hash: SecretHash,
    /// Until when it works.
    pub valid_until: UnixMicros,
}
