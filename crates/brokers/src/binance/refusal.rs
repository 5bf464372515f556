//! What a refusal proves.

use std::time::Duration;

use atomik_ports::broker::{BrokerError, SubmitOutcome};
use serde::Deserialize;

use crate::wire::Answer;

/// How long to wait where the venue asks for a pause and does not say how long.
const PAUSE: Duration = Duration::from_secs(10);
/// How long to wait when it is busy.
const BUSY: Duration = Duration::from_secs(1);

/// The venue's own word on a request that it did not take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// The error's number, below zero.
    pub code: i64,
    /// The error's text.
    #[serde(default)]
    pub msg: String,
}

/// Why a request came to nothing, and what that proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The venue did not handle it, or it never left.
    NotSent {
        /// Why.
        reason: String,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The venue looked at it and refused it.
    Refused(Refusal),
    /// It may have been done.
    Unknown(String),
}

/// The timestamp is outside of the window: the request was not looked at.
pub const WRONG_TIME: i64 = -1021;
/// There is no such order.
pub const NO_SUCH_ORDER: i64 = -2013;
/// A cancel was refused.
pub const CANCEL_REJECTED: i64 = -2011;
/// There is no such symbol.
pub const BAD_SYMBOL: i64 = -1121;

/// Codes after which nobody knows what happened: unknown error, disconnected, unexpected response, timeout, shutting down.
const UNKNOWN: [i64; 5] = [-1000, -1001, -1006, -1007, -1016];
/// Codes of a venue that did not look at the request: too many requests, overloaded, too many orders.
const NOT_HANDLED: [i64; 3] = [-1003, -1008, -1015];

impl Refusal {
    /// The refusal in a body, where there is one.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|refusal| refusal.code < 0)
    }

    /// Whether it says that an open order has the same client order id.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.code == -4116 || (self.code == -2010 && self.msg.starts_with("Duplicate order"))
    }

    /// The venue's reason, made readable.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { code, msg } = self;
        let hint = match code {
            -1013 => " It breaks a rule of the symbol.",
            -1022 => " The secret key does not belong to the API key.",
            -2010 if msg.contains("insufficient balance") => " The account does not own enough for it.",
            -2015 | -2014 => " The key is wrong, bound to other IP addresses, or may not trade.",
            -2018 | -2019 => " The account has not enough margin for it.",
            -2021 => " Its stop has been passed already.",
            -2022 => " It would not make a position smaller.",
            -4061 => " The account is in hedge mode; switch it to one-way mode.",
            -4120 => " The venue takes such orders at another place now.",
            -4164 => " Its value is below the symbol's least.",
            _ => "",
        };
        format!("Binance refused it: {} ({code}).{hint}", msg.trim_end_matches('.'))
    }
}

/// What an answer proves; `Ok` for a success.
///
/// # Errors
/// What became of the request.
pub fn judge(answer: &Answer) -> Result<(), Failure> {
    if answer.is_success() {
        return Ok(());
    }
    let refusal = Refusal::read(&answer.body);
    let code = refusal.as_ref().map_or(0, |refusal| refusal.code);
    let said = refusal.as_ref().map_or_else(|| answer.quoted(), Refusal::reason);
    if matches!(answer.status, 418 | 429) || NOT_HANDLED.contains(&code) {
        let fallback = if code == -1008 { BUSY } else { PAUSE };
        return Err(Failure::NotSent { reason: said, retry_after: answer.retry_after(fallback) });
    }
    match refusal {
        Some(refusal) if !answer.is_server_error() && !UNKNOWN.contains(&code) => {
            Err(Failure::Refused(refusal))
        }
        // A firewall's page (403) is no answer of the venue's either.
        _ => Err(Failure::Unknown(said)),
    }
}

impl Failure {
    /// What it makes of an order.
    #[must_use]
    pub fn outcome(self) -> SubmitOutcome {
        match self {
            Self::NotSent { reason, retry_after } => SubmitOutcome::NotSent { reason, retry_after },
            Self::Refused(refusal) if refusal.code == WRONG_TIME => SubmitOutcome::NotSent {
                reason: "Binance refused the request's time although the clocks were just compared"
                    .to_owned(),
                retry_after: BUSY,
            },
            Self::Refused(refusal) => SubmitOutcome::Rejected { reason: refusal.reason() },
            Self::Unknown(evidence) => SubmitOutcome::Unknown { evidence },
        }
    }

    /// What it is called where nothing but an answer was wanted.
    #[must_use]
    pub fn evidence(self) -> String {
        match self {
            Self::NotSent { reason, .. } | Self::Unknown(reason) => reason,
            Self::Refused(refusal) => refusal.reason(),
        }
    }

    /// What the trader is told of a question that was not answered.
    #[must_use]
    pub fn error(self) -> BrokerError {
        match self {
            Self::Refused(refusal) => match refusal.code {
                -2014 | -2015 => BrokerError::Unauthorized(
                    "Binance refused the key: it may be another environment's or another market's, be bound to other IP \
                     addresses, or lack a permission (-2015)."
                        .to_owned(),
                ),
                -1022 => BrokerError::Unauthorized(
                    "Binance refused the signature: the secret or private key does not belong to the API key (-1022)."
                        .to_owned(),
                ),
                -1002 => BrokerError::Unauthorized(
                    "Binance refused the key: it may not do this; look at its permissions (-1002).".to_owned(),
                ),
                WRONG_TIME => BrokerError::Unauthorized(
                    "Binance refused the request's time: set this machine's clock, or look at the delay to the venue \
                     (-1021)."
                        .to_owned(),
                ),
                _ => BrokerError::Unavailable(refusal.reason()),
            },
            other => BrokerError::Unavailable(other.evidence()),
        }
    }
}
