//! Sealing what is secret before it is stored: envelope encryption with XChaCha20-Poly1305.
//!
//! Every account has a data key of its own, random, that seals its credentials; the master key seals the data key. Both
//! seals are bound to the row they belong to, so that one that is moved to another row opens nothing. A new master key
//! wraps the data keys anew and leaves what they sealed alone.

use std::fmt;

use atomik_domain::{BrokerAccountId, UserId};
use atomik_ports::{Credentials, StoreError};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

const NONCE_LEN: usize = 24;
const KEY_LEN: usize = 32;
/// What the id of a key is made of; the key cannot be told from it.
const ID_LABEL: &[u8] = b"atomik sealing key id 1";

/// A row's secrets, sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key wrapped the data key.
    pub key_id: String,
    /// The data key, sealed by the master's: a nonce, then the sealed bytes.
    pub wrapped_key: Vec<u8>,
    /// The credentials, sealed by the data key: a nonce, then the sealed bytes.
    pub sealed: Vec<u8>,
}

/// Whose secrets they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The user.
    pub user_id: UserId,
    /// The account.
    pub account_id: BrokerAccountId,
}

impl Row {
    fn bound(self, what: &str, more: &str) -> Vec<u8> {
        format!("atomik 1|{}|{}|{what}|{more}", self.user_id.0, self.account_id.0).into_bytes()
    }
}

/// Why something was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed with another key, for another row, or changed since.
    #[error("it was sealed with another key, for another row, or changed since")]
    NotOpened,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    NoRandomness,
}

/// Why a store was not given its master key.
#[derive(Debug, thiserror::Error)]
pub enum UnsealError {
    /// Another key sealed what is there.
    #[error(
        "the broker accounts' credentials were sealed with another master key (id {found}; this one's id is {given}). Give \
         the program the key it had before, or unlink the accounts and link them again"
    )]
    AnotherKey {
        /// The id of the key that sealed them.
        found: String,
        /// The id of this one.
        given: String,
    },
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row's seal cannot be opened.
    #[error("the credentials of broker account {0} cannot be opened: the row was damaged or moved")]
    Damaged(BrokerAccountId),
}

/// Seals and opens.
#[derive(Clone)]
pub struct Seal {
    key: SecretSlice<u8>,
    key_id: String,
}

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Seal").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Seal {
    /// Seals with this key, which is derived from the master key for this purpose alone: 32 bytes.
    ///
    /// # Errors
    /// [`SealError::NotOpened`] where it has another length.
    pub fn new(key: SecretSlice<u8>) -> Result<Self, SealError> {
        if key.expose_secret().len() != KEY_LEN {
            return Err(SealError::NotOpened);
        }
        let mut mac =
            <Hmac<Sha256> as Mac>::new_from_slice(key.expose_secret()).map_err(|_| SealError::NotOpened)?;
        mac.update(ID_LABEL);
        let key_id = hex::encode(&mac.finalize().into_bytes()[..8]);
        Ok(Self { key, key_id })
    }

    /// Names the key, and tells nothing about it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Seals a row's credentials with a new data key.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn seal(&self, row: Row, credentials: &Credentials) -> Result<Sealed, SealError> {
        let mut data_key = Zeroizing::new([0_u8; KEY_LEN]);
        getrandom::fill(&mut data_key[..]).map_err(|_| SealError::NoRandomness)?;
        let text = written(credentials);
        Ok(Sealed {
            key_id: self.key_id.clone(),
            wrapped_key: close(self.key.expose_secret(), &row.bound("key", &self.key_id), &data_key[..])?,
            sealed: close(&data_key[..], &row.bound("credentials", ""), &text)?,
        })
    }

    /// Opens a row's credentials.
    ///
    /// # Errors
    /// [`SealError::NotOpened`].
    pub fn open(&self, row: Row, sealed: &Sealed) -> Result<Credentials, SealError> {
        let data_key = self.unwrap(row, sealed)?;
        let text = open(&data_key, &row.bound("credentials", ""), &sealed.sealed)?;
        read(&text).ok_or(SealError::NotOpened)
    }

    /// Wraps a row's data key anew with another master key.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn rewrap(&self, row: Row, sealed: &Sealed, next: &Self) -> Result<Sealed, SealError> {
        let data_key = self.unwrap(row, sealed)?;
        Ok(Sealed {
            key_id: next.key_id.clone(),
            wrapped_key: close(next.key.expose_secret(), &row.bound("key", &next.key_id), &data_key)?,
            sealed: sealed.sealed.clone(),
        })
    }

    fn unwrap(&self, row: Row, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        open(self.key.expose_secret(), &row.bound("key", &self.key_id), &sealed.wrapped_key)
    }
}

fn close(key: &[u8], bound: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut closed = vec![0_u8; NONCE_LEN];
    getrandom::fill(&mut closed).map_err(|_| SealError::NoRandomness)?;
    let payload = Payload { msg: text, aad: bound };
    let body = cipher(key).encrypt(XNonce::from_slice(&closed), payload).map_err(|_| SealError::NotOpened)?;
    closed.extend(body);
    Ok(closed)
}

fn open(key: &[u8], bound: &[u8], closed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, body) = closed.split_at_checked(NONCE_LEN).ok_or(SealError::NotOpened)?;
    let (Ok(()), payload) = (check_length(key), Payload { msg: body, aad: bound }) else {
        return Err(SealError::NotOpened);
    };
    let text = cipher(key).decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError::NotOpened)?;
    Ok(Zeroizing::new(text))
}

fn check_length(key: &[u8]) -> Result<(), SealError> {
    if key.len() == KEY_LEN { Ok(()) } else { Err(SealError::NotOpened) }
}

fn cipher(key: &[u8]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(key))
}

/// Credentials as bytes: for each its name and its text, each behind its length. Not JSON, whose writer keeps copies.
fn written(credentials: &Credentials) -> Zeroizing<Vec<u8>> {
    let parts = || credentials.iter().flat_map(|(name, secret)| [name, secret.expose_secret()]);
    // In one piece from the beginning, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(parts().map(|part| part.len() + 4).sum()));
    for part in parts() {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

fn read(mut bytes: &[u8]) -> Option<Credentials> {
    let mut next = || -> Option<&str> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        bytes = rest;
        std::str::from_utf8(text).ok()
    };
    let mut fields = Vec::new();
    while let Some(name) = next() {
        fields.push((name.to_owned(), SecretString::from(next()?)));
    }
    bytes.is_empty().then(|| fields.into_iter().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ROW: Row = Row { user_id: UserId(1), account_id: BrokerAccountId(2) };

    fn seal(byte: u8) -> Seal {
        Seal::new(SecretSlice::from(vec![byte; 32])).unwrap()
    }

    fn credentials() -> Credentials {
        let field = |name: &str, text: &str| (name.to_owned(), SecretString::from(text));
        [field("key_id", "PK123"), field("private_key", "-----BEGIN\nüñ\n-----END"), field("empty", "")]
            .into_iter()
            .collect()
    }

    fn plain(credentials: &Credentials) -> Vec<(String, String)> {
        credentials.iter().map(|(name, text)| (name.to_owned(), text.expose_secret().to_owned())).collect()
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let sealed = seal(1).seal(ROW, &credentials()).unwrap();
        assert_eq!(plain(&seal(1).open(ROW, &sealed).unwrap()), plain(&credentials()));
        assert!(!sealed.sealed.windows(5).any(|part| part == b"PK123"));
        let again = seal(1).seal(ROW, &credentials()).unwrap();
        assert!(
            again.sealed != sealed.sealed && again.wrapped_key != sealed.wrapped_key,
            "sealed twice alike"
        );
        assert!(!format!("{:?} {:?}", seal(1), credentials()).contains("PK123"));
    }

    #[test]
    fn another_key_another_row_and_a_flipped_bit_open_nothing() {
        let sealed = seal(1).seal(ROW, &credentials()).unwrap();
        let opens = |seal: &Seal, row, sealed: &Sealed| seal.open(row, sealed).is_ok();
        assert!(!opens(&seal(2), ROW, &sealed));
        assert!(!opens(&seal(1), Row { account_id: BrokerAccountId(3), ..ROW }, &sealed));
        assert!(!opens(&seal(1), Row { user_id: UserId(2), ..ROW }, &sealed));
        for at in [0, 30, sealed.sealed.len() - 1] {
            let mut flipped = sealed.clone();
            flipped.sealed[at] ^= 1;
            assert!(!opens(&seal(1), ROW, &flipped));
        }
        let mut flipped = sealed.clone();
        flipped.wrapped_key[40] ^= 1;
        assert!(!opens(&seal(1), ROW, &flipped));
        assert!(!opens(&seal(1), ROW, &Sealed { wrapped_key: vec![1, 2], ..sealed.clone() }));
        let other = seal(1).seal(Row { account_id: BrokerAccountId(3), ..ROW }, &credentials()).unwrap();
        assert!(
            !opens(&seal(1), ROW, &Sealed { sealed: other.sealed, ..sealed }),
            "a seal moved between rows"
        );
    }

    #[test]
    fn a_new_master_key_opens_what_the_old_one_sealed_and_the_old_one_does_not_any_more() {
        let sealed = seal(1).seal(ROW, &credentials()).unwrap();
        let rewrapped = seal(1).rewrap(ROW, &sealed, &seal(2)).unwrap();
        assert_eq!(rewrapped.key_id, seal(2).key_id());
        assert_eq!(plain(&seal(2).open(ROW, &rewrapped).unwrap()), plain(&credentials()));
        assert_eq!(seal(1).open(ROW, &rewrapped).unwrap_err(), SealError::NotOpened);
        assert_eq!(seal(3).rewrap(ROW, &sealed, &seal(2)).err(), Some(SealError::NotOpened));
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        assert!(Seal::new(SecretSlice::from(vec![1; 31])).is_err());
    }
}
