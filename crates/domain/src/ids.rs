//! Identifiers. Each is its own type, so that one cannot stand in for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! row_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

row_ids! {
    /// A person who can sign in.
    UserId,
    /// A signed-in session.
    SessionId,
    /// A key for programs.
    ApiKeyId,
    /// A webhook URL with its secret and settings.
    WebhookId,
    /// One HTTP request to a webhook URL.
    DeliveryId,
    /// One accepted delivery. Rises in the order of acceptance.
    SignalId,
    /// An activated strategy.
    StrategyId,
    /// A linked account at a broker.
    BrokerAccountId,
    /// A halt, in force or lifted.
    HaltId,
}

/// ClOrdID (FIX 11): our name for an order, 32 lowercase hex digits.
///
/// Derived from signal, strategy and leg alone, so the same intent has the same id however often it is computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId(Uuid);

/// The namespace under which the hashes in client order ids are derived (UUIDv5). Never change it: ids would change with it.
const CLIENT_ORDER_NAMESPACE: Uuid = Uuid::from_u128(0x8d5c_22f4_6a1e_4f0b_9d3c_61f0_a70e_5e11);

impl ClientOrderId {
    /// The id of one leg of what one strategy does about one signal. `installation` keeps two installations that trade
    /// the same broker account apart.
    ///
    /// It begins with the signal's number (six bytes), so that ids rise with time and stores find those of one moment on one
    /// page; what follows is a hash.
    #[must_use]
    pub fn derive(installation: Uuid, signal: SignalId, strategy: StrategyId, leg: u8) -> Self {
        let namespace = Uuid::new_v5(&CLIENT_ORDER_NAMESPACE, installation.as_bytes());
        let mut bytes =
            Uuid::new_v5(&namespace, format!("{signal}/{strategy}/{leg}").as_bytes()).into_bytes();
        let [_, _, number @ ..] = signal.0.to_be_bytes();
        bytes[..number.len()].copy_from_slice(&number);
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes behind the hex.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id with these 16 bytes, as a store reads it back.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(formatter)
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientOrderId({self})")
    }
}

/// The text is not 32 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client order id is 32 lowercase hex digits")]
pub struct NotAClientOrderId;

impl FromStr for ClientOrderId {
    type Err = NotAClientOrderId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !plain {
            return Err(NotAClientOrderId);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| NotAClientOrderId)
    }
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}

text_ids! {
    /// OrderID (FIX 37): the venue's name for an order.
    VenueOrderId,
    /// ExecID (FIX 17): the venue's name for one execution. Fills are one per account and exec id.
    ExecId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(signal: i64, strategy: i64, leg: u8) -> ClientOrderId {
        ClientOrderId::derive(Uuid::from_u128(7), SignalId(signal), StrategyId(strategy), leg)
    }

    #[test]
    fn an_id_is_a_function_of_its_intent() {
        assert_eq!(id(1, 2, 0), id(1, 2, 0));
        assert_ne!(id(1, 2, 0), id(1, 2, 1));
        assert_ne!(id(1, 2, 0), id(2, 1, 0));
        assert_ne!(id(12, 3, 0), id(1, 23, 0));
        let elsewhere = ClientOrderId::derive(Uuid::from_u128(8), SignalId(1), StrategyId(2), 0);
        assert_ne!(elsewhere, id(1, 2, 0));
    }

    #[test]
    fn ids_rise_with_their_signals() {
        let signals = [0, 1, 255, 256, 70_000, 1 << 40];
        let ids: Vec<_> = signals.iter().map(|signal| *id(*signal, 9, 3).as_bytes()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_ne!(ids[0][6..], ids[1][6..], "the rest is a hash of all");
    }

    #[test]
    fn text_round_trips_and_only_plain_lowercase_hex_is_read() {
        let text = id(1, 2, 0).to_string();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse::<ClientOrderId>().unwrap(), id(1, 2, 0));
        assert!(text.to_uppercase().parse::<ClientOrderId>().is_err() || text == text.to_uppercase());
        assert!("00000000-0000-0000-0000-000000000000".parse::<ClientOrderId>().is_err());
    }
}
