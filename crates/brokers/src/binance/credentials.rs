//! Keys: what signs a request. Nothing here shows in debug output.

use std::fmt;

use atomik_ports::Credentials;
use atomik_ports::broker::{BrokerError, CredentialField, FieldError};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use reqwest::header::HeaderValue;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::settings::field_error;

/// The API key and what signs with it.
pub struct Key {
    api_key: SecretString,
    signer: Signer,
}

enum Signer {
    /// The secret that Binance made.
    Hmac(SecretString),
    /// The trader's own key. The library wipes it when it is dropped.
    Ed25519(Box<Ed25519KeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key")
    }
}

/// The credentials that the catalogue shows.
#[must_use]
pub(super) fn credential_fields() -> Vec<CredentialField> {
    let field = |name: &str, label: &str, description: &str, required, multiline| CredentialField {
        name: name.to_owned(),
        label: label.to_owned(),
        description: description.to_owned(),
        required,
        multiline,
    };
    vec![
        field(
            "api_key",
            "API key",
            "From API Management at Binance. Allow trading, never withdrawals.",
            true,
            false,
        ),
        field(
            "secret_key",
            "Secret key",
            "The secret that Binance showed with a system-generated key. Leave it empty with a private key.",
            false,
            false,
        ),
        field(
            "private_key",
            "Ed25519 private key",
            "The private key (PEM) behind a self-generated Ed25519 API key. Leave it empty with a secret key.",
            false,
            true,
        ),
    ]
}

impl Key {
    /// Takes credentials.
    ///
    /// # Errors
    /// Every wrong field, never with its value.
    pub fn read(credentials: &Credentials) -> Result<Self, Vec<FieldError>> {
        let given = |name: &str| {
            let text = credentials.get(name).map(|secret| secret.expose_secret().trim());
            text.filter(|text| !text.is_empty())
        };
        let mut errors = Vec::new();
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let api_key = match given("api_key") {
            None => Err(field_error("credentials.api_key", "is missing")),
            Some(text) if !plain(text) => {
                Err(field_error("credentials.api_key", "must be one word of letters and digits"))
            }
            Some(text) => Ok(SecretString::from(text)),
        };
        let signer = match (given("secret_key"), given("private_key")) {
            (Some(_), Some(_)) => Err(field_error(
                "credentials.private_key",
                "must be empty where a secret key is given: a key of Binance's has one or the other",
            )),
            (None, None) => Err(field_error("credentials.secret_key", "is missing; or give a private key")),
            (Some(text), None) if !plain(text) => {
                Err(field_error("credentials.secret_key", "must be one word of letters and digits"))
            }
            (Some(text), None) => Ok(Signer::Hmac(SecretString::from(text))),
            (None, Some(text)) => read_private(text).map(|pair| Signer::Ed25519(Box::new(pair))),
        };
        match (api_key, signer) {
            (Ok(api_key), Ok(signer)) => return Ok(Self { api_key, signer }),
            (api_key, signer) => {
                errors.extend(api_key.err());
                errors.extend(signer.err());
            }
        }
        Err(errors)
    }

    /// Whether it is the kind with which a session of the WebSocket API can be logged on.
    #[must_use]
    pub const fn logs_on(&self) -> bool {
        matches!(self.signer, Signer::Ed25519(_))
    }

    /// The header's value, which shows in no log.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn header(&self) -> Result<HeaderValue, BrokerError> {
        let mut value = HeaderValue::from_str(self.api_key.expose_secret()).map_err(|_| {
            BrokerError::Unauthorized("The API key holds a character it cannot have.".to_owned())
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The API key, for a request that carries it in its body.
    #[must_use]
    pub(super) fn api_key(&self) -> &str {
        self.api_key.expose_secret()
    }

    /// The signature of a payload: hex for a secret key, base64 for a private key.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn sign(&self, payload: &str) -> Result<String, BrokerError> {
        match &self.signer {
            Signer::Hmac(secret) => {
                let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
                let mut mac =
                    mac.map_err(|_| BrokerError::Unauthorized("The secret key is no key.".to_owned()))?;
                mac.update(payload.as_bytes());
                Ok(hex::encode(mac.finalize().into_bytes()))
            }
            Signer::Ed25519(pair) => Ok(STANDARD.encode(pair.sign(payload.as_bytes()))),
        }
    }
}

fn read_private(text: &str) -> Result<Ed25519KeyPair, FieldError> {
    let wrong = |problem: &str| field_error("credentials.private_key", problem);
    let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| wrong("must be a private key in PEM, from -----BEGIN PRIVATE KEY----- to its end"))?;
    // OpenSSL writes the form without the public half.
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der())
        .map_err(|_| wrong("must be an Ed25519 key; RSA keys are not supported"))
}
