//! Passwords: which are good enough, and argon2id with bounded concurrency.

use std::sync::Arc;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::state::PasswordCost;

/// How many hashes are computed at once; each takes a core and the memory of its cost.
const AT_ONCE: usize = 2;
/// How many may wait or be computed; more are answered 503.
const WAITING: usize = 32;

const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;

/// The commonest passwords of eight characters and more; guessing starts with these.
const COMMONEST: [&str; 40] = [
    "password",
    "password1",
    "password12",
    "password123",
    "password1234",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "0987654321",
    "987654321",
    "87654321",
    "11111111",
    "00000000",
    "88888888",
    "12341234",
    "11223344",
    "123123123",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "qwertyui",
    "qwertyuiop",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "asdfghjk",
    "asdfghjkl",
    "abcd1234",
    "abc12345",
    "a1b2c3d4",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "trustno1",
];

/// What is wrong with a password that somebody wants to set. Length is what counts; there are no rules of composition.
pub(crate) fn problem_with(password: &SecretString) -> Option<&'static str> {
    let password = password.expose_secret();
    let chars = password.chars().count();
    if chars < MIN_CHARS {
        Some("must have at least 8 characters")
    } else if chars > MAX_CHARS {
        Some("must have at most 256 characters")
    } else if COMMONEST.contains(&password.to_lowercase().as_str()) {
        Some("is one of the commonest passwords; choose another")
    } else {
        None
    }
}

/// Hashes and checks passwords, a few at a time, off the async threads.
#[derive(Debug)]
pub(crate) struct Passwords {
    cost: PasswordCost,
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(cost: PasswordCost) -> Self {
        let (waiting, working) = (Semaphore::new(WAITING), Semaphore::new(AT_ONCE));
        Self { cost, waiting: Arc::new(waiting), working: Arc::new(working) }
    }

    /// The PHC string to store.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        let cost = self.cost;
        self.compute(move || hash(cost, &password)).await?
    }

    /// Whether the password is the one behind `stored`. `None` is for unknown users: the same work, and always false, so
    /// that time does not tell who is registered.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, ApiError> {
        let cost = self.cost;
        self.compute(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => hash(cost, &password).map(|_| false),
        })
        .await?
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| ApiError::overloaded())?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(ApiError::internal)?;
        // The permits go with the work: a client that hangs up does not make room while its hash is still computed.
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((working, waiting));
            result
        });
        task.await.map_err(ApiError::internal)
    }
}

fn hash(cost: PasswordCost, password: &SecretString) -> Result<String, ApiError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(ApiError::internal)?;
    let salt = SaltString::encode_b64(&salt).map_err(ApiError::internal)?;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None).map_err(ApiError::internal)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash =
        argon2.hash_password(password.expose_secret().as_bytes(), &salt).map_err(ApiError::internal)?;
    Ok(hash.to_string())
}

fn verify(password: &SecretString, stored: &str) -> Result<bool, ApiError> {
    let stored = PasswordHash::new(stored).map_err(ApiError::internal)?;
    match Argon2::default().verify_password(password.expose_secret().as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::Password) => Ok(false),
        Err(error) => Err(ApiError::internal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

    #[test]
    fn length_counts_and_the_commonest_are_refused() {
        let refused = |text: &str| problem_with(&SecretString::from(text)).is_some();
        assert!(refused("short12") && refused(&"x".repeat(257)) && refused("Password123"));
        assert!(!refused("eight ch") && !refused(&"x".repeat(256)) && !refused("пароль-пароль"));
    }

    #[tokio::test]
    async fn hashes_verify_and_say_what_they_cost() {
        let passwords = Passwords::new(CHEAP);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn the_default_cost_is_what_the_design_asks_for() {
        let hash = Passwords::new(PasswordCost::default()).hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away_instead_of_queued_without_end() {
        let passwords = Passwords::new(CHEAP);
        let _all_working = passwords.working.acquire_many(2).await.unwrap();
        let _all_waiting = passwords.waiting.acquire_many(32).await.unwrap();
        let refused = passwords.hash("correct horse".into()).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.code.as_str()), (503, "overloaded"));
    }
}
