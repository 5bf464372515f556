//! What an account is reached with, and where it is kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use atomik_domain::BrokerAccountId;
use secrecy::SecretString;

use crate::broker::BrokerError;
use crate::store::StoreError;

/// An account's credentials by the names of the catalogue: `key_id`, `secret_key`, ... Their text shows in no debug output.
#[derive(Clone, Debug, Default)]
pub struct Credentials(BTreeMap<String, SecretString>);

impl Credentials {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret))
    }
}

impl FromIterator<(String, SecretString)> for Credentials {
    fn from_iter<T: IntoIterator<Item = (String, SecretString)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// Why credentials were not given out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustodyError {
    /// They were sealed with another master key, moved from another account's row, or damaged.
    #[error("the credentials cannot be opened with this installation's master key")]
    Sealed,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CustodyError> for BrokerError {
    fn from(error: CustodyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Where credentials lie sealed. Only the adapter that uses them opens them, when it connects.
#[async_trait]
pub trait Custody: Send + Sync {
    /// The credentials of an account; empty where it needs none.
    ///
    /// # Errors
    /// [`CustodyError`].
    async fn credentials(&self, account: BrokerAccountId) -> Result<Credentials, CustodyError>;
}

/// Credentials in the open, for tests and for trying them before they are sealed.
#[async_trait]
impl Custody for Credentials {
    async fn credentials(&self, _: BrokerAccountId) -> Result<Credentials, CustodyError> {
        Ok(self.clone())
    }
}
