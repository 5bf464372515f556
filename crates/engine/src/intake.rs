//! The receiver's checks, in their order, and the answers they give.

use std::net::IpAddr;

use atomik_domain::{Code, UnixMicros, WebhookId};
use bytes::Bytes;
use secrecy::SecretString;

/// A request to a webhook URL, after transport: method and size are right, the body is complete.
#[derive(Debug)]
pub struct Inbound {
    /// The token from the path.
    pub token: String,
    /// Who sent it: the peer, or what a trusted proxy says.
    pub remote_ip: IpAddr,
    /// Every secret in the query and the header `X-Webhook-Secret`. All must be right.
    pub secrets: Vec<SecretString>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The body.
    pub body: Bytes,
    /// When the request's head had been read.
    pub received_at: UnixMicros,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 202.
    Accepted {
        /// The webhook.
        webhook_id: WebhookId,
        /// The `timestamp` of the answer: when the (first) request was received.
        timestamp: UnixMicros,
        /// Whether this repeats an accepted signal.
        replayed: bool,
    },
    /// Anything else. This request never trades.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        code: Code,
        /// Why, in a sentence.
        detail: String,
        /// For `Retry-After`, in whole seconds.
        retry_after_s: Option<u32>,
    },
}
