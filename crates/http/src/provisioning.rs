//! What the command line makes by the same rules as the API: passwords, keys, webhook URLs.

use atomik_domain::webhook::SecretHash;
use atomik_ports::directory::TokenHash;
use secrecy::{ExposeSecret, SecretString};

use crate::api::webhooks::{new_secret, new_token};
use crate::auth::{normalized_email, passwords, problem_with_email, tokens};
use crate::error::ApiError;
use crate::state::PasswordCost;

/// Why something could not be made, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotMade(String);

impl From<ApiError> for NotMade {
    fn from(error: ApiError) -> Self {
        Self(error.detail)
    }
}

/// An email as users are known by: trimmed, lower case.
///
/// # Errors
/// Where it is no email address.
pub fn email(text: &str) -> Result<String, NotMade> {
    let email = normalized_email(text);
    match problem_with_email(&email) {
        None => Ok(email),
        Some(problem) => Err(NotMade(format!("email: {problem}"))),
    }
}

/// The hash under which a password is stored. Takes a good part of a second of a core.
///
/// # Errors
/// Where the password is not good enough.
pub async fn password_hash(password: SecretString) -> Result<String, NotMade> {
    if let Some(problem) = passwords::problem_with(&password) {
        return Err(NotMade(format!("password: {problem}")));
    }
    Ok(passwords::Passwords::new(PasswordCost::default()).hash(password).await?)
}

/// A new API key, and the hash under which it is stored.
///
/// # Errors
/// Where the system gives no randomness.
pub fn api_key() -> Result<(SecretString, TokenHash), NotMade> {
    let key = tokens::random_token(tokens::API_KEY_PREFIX)?;
    let hash = tokens::hash_of(key.expose_secret());
    Ok((key, hash))
}

/// The random parts of a new webhook.
#[derive(Debug)]
pub struct WebhookKeys {
    /// The unique part of its URL.
    pub token: String,
    /// Its secret.
    pub secret: SecretString,
    /// The hash under which the secret is stored.
    pub secret_hash: SecretHash,
}

/// The random parts of a new webhook.
///
/// # Errors
/// Where the system gives no randomness.
pub fn webhook_keys() -> Result<WebhookKeys, NotMade> {
    let (secret, secret_hash) = new_secret()?;
    Ok(WebhookKeys { token: new_token()?, secret, secret_hash })
}

/// Where a webhook takes alerts, without its secret.
#[must_use]
pub fn webhook_url(public_url: &str, token: &str) -> String {
    format!("{public_url}/api/v1/webhooks/{token}")
}
