//! Random tokens, their hashes, and the CSRF token derived from a session's.

use atomik_ports::directory::TokenHash;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

use crate::error::ApiError;

/// What every API key starts with, so that people and secret scanners know one when they see it.
pub(crate) const API_KEY_PREFIX: &str = "atk_";

/// 256 random bits as 64 hex digits, after `prefix`.
pub(crate) fn random_token(prefix: &str) -> Result<SecretString, ApiError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
    Ok(SecretString::from(format!("{prefix}{}", hex::encode(bytes))))
}

/// What a token is stored as. With 256 bits of entropy there is nothing to guess, so a fast hash is enough.
pub(crate) fn hash_of(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// The CSRF token of a session: a keyed hash, so that it needs no storage and tells nothing about the session's token.
pub(crate) fn csrf_token(key: &SecretSlice<u8>, session: &TokenHash) -> Result<String, ApiError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).map_err(ApiError::internal)?;
    mac.update(b"csrf:");
    mac.update(session);
    Ok(hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csrf_tokens_depend_on_key_and_session() {
        let key = |byte: u8| SecretSlice::from(vec![byte; 32]);
        let token = csrf_token(&key(1), &[7; 32]).unwrap();
        assert_eq!(token, csrf_token(&key(1), &[7; 32]).unwrap());
        assert_ne!(token, csrf_token(&key(2), &[7; 32]).unwrap());
        assert_ne!(token, csrf_token(&key(1), &[8; 32]).unwrap());
    }

    #[test]
    fn tokens_are_256_bits_and_never_the_same() {
        let (one, other) = (random_token("").unwrap(), random_token("").unwrap());
        assert_eq!(one.expose_secret().len(), 64);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
