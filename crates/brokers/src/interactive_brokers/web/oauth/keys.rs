//! The trader's keys. Nothing here shows in debug output.

use std::fmt;

use atomik_ports::Credentials;
use atomik_ports::broker::{CredentialField, FieldError};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::exchange::Group;
use super::pem::{dh_parameters, rsa_key};
use crate::settings::field_error;

/// The names of the credentials, as the catalogue shows them.
const CONSUMER_KEY: &str = "consumer_key";
const ACCESS_TOKEN: &str = "access_token";
const ACCESS_TOKEN_SECRET: &str = "access_token_secret";
const SIGNATURE_KEY: &str = "signature_key";
const ENCRYPTION_KEY: &str = "encryption_key";
const DH_PARAMETERS: &str = "dh_parameters";
/// How long a consumer key is that the trader chose on the broker's page.
const CHOSEN: usize = 9;

/// The credentials that the catalogue shows. An account that is reached otherwise needs none of them.
#[must_use]
pub fn credential_fields() -> Vec<CredentialField> {
    let field = |name: &str, label: &str, description: &str, multiline| CredentialField {
        name: name.to_owned(),
        label: label.to_owned(),
        description: format!("With connection oauth. {description}"),
        required: false,
        multiline,
    };
    vec![
        field(
            CONSUMER_KEY,
            "Consumer key",
            "The nine letters that you chose on the broker's OAuth page.",
            false,
        ),
        field(
            ACCESS_TOKEN,
            "Access token",
            "Shown once on the broker's OAuth page, by Generate Token.",
            false,
        ),
        field(
            ACCESS_TOKEN_SECRET,
            "Access token secret",
            "Shown once, beside the access token: a long text that often ends with ==.",
            false,
        ),
        field(
            SIGNATURE_KEY,
            "Private signature key",
            "The file private_signature.pem, whose public half you uploaded as the signing key.",
            true,
        ),
        field(
            ENCRYPTION_KEY,
            "Private encryption key",
            "The file private_encryption.pem, whose public half you uploaded as the encryption key.",
            true,
        ),
        field(DH_PARAMETERS, "Diffie-Hellman parameters", "The file dhparam.pem, as you uploaded it.", true),
    ]
}

/// All that a trader has of the broker, read and found to fit together.
pub struct Keys {
    consumer_key: SecretString,
    access_token: SecretString,
    /// As the broker gave it: base64 of what only the encryption key opens.
    sealed_secret: SecretString,
    /// The library wipes keys when they are dropped.
    signature: RsaKeyPair,
    encryption: Pkcs1PrivateDecryptingKey,
    group: Group,
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys")
    }
}

/// Takes the credentials one by one, and notes what is wrong with them.
struct Reader<'a> {
    credentials: &'a Credentials,
    errors: Vec<FieldError>,
}

impl<'a> Reader<'a> {
    fn wrong(&mut self, name: &str, problem: &str) {
        self.errors.push(field_error(&format!("credentials.{name}"), problem));
    }

    /// A credential that is read by `read`; `None` with a note where it is missing or wrong.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&'a str) -> Result<T, &'static str>) -> Option<T> {
        let text = self.credentials.get(name).map(|secret| secret.expose_secret().trim()).unwrap_or_default();
        let found = if text.is_empty() { Err("is missing") } else { read(text) };
        found.map_err(|problem| self.wrong(name, problem)).ok()
    }
}

/// A word of letters and digits.
fn word(text: &str) -> Result<SecretString, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| SecretString::from(text)).ok_or("must be one word of letters and digits: copy it again")
}

/// A consumer key. The broker's page turns the letters of those that are chosen there into capitals.
fn consumer_key(text: &str) -> Result<SecretString, &'static str> {
    if text.len() == CHOSEN { word(&text.to_ascii_uppercase()) } else { word(text) }
}

fn signature_key(text: &str) -> Result<RsaKeyPair, &'static str> {
    RsaKeyPair::from_pkcs8(&rsa_key(text)?).map_err(|_| "must be an RSA key of 2048 bits or more")
}

fn encryption_key(text: &str) -> Result<Pkcs1PrivateDecryptingKey, &'static str> {
    let wrong = "must be an RSA key of 2048 bits or more";
    let key = PrivateDecryptingKey::from_pkcs8(&rsa_key(text)?).map_err(|_| wrong)?;
    Pkcs1PrivateDecryptingKey::new(key).map_err(|_| wrong)
}

fn group(text: &str) -> Result<Group, &'static str> {
    let (prime, generator) = dh_parameters(text)?;
    Group::new(&prime, &generator)
}

/// What the broker encrypted, in the open.
fn open(encryption: &Pkcs1PrivateDecryptingKey, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let sealed = STANDARD.decode(sealed).ok()?;
    let mut room = Zeroizing::new(vec![0; encryption.min_output_size()]);
    let opened = encryption.decrypt(&sealed, &mut room).ok()?;
    Some(Zeroizing::new(opened.to_vec()))
}

impl Keys {
    /// Takes credentials, and finds out whether they fit together as far as that shows without the broker.
    ///
    /// # Errors
    /// Every wrong field, never with its value.
    pub fn read(credentials: &Credentials) -> Result<Self, Vec<FieldError>> {
        let mut reader = Reader { credentials, errors: Vec::new() };
        let consumer_key = reader.take(CONSUMER_KEY, consumer_key);
        let access_token = reader.take(ACCESS_TOKEN, word);
        let sealed_secret = reader.take(ACCESS_TOKEN_SECRET, |text| {
            // What is copied from a page may have line breaks.
            let text: Zeroizing<String> = Zeroizing::new(text.split_whitespace().collect());
            let known = STANDARD.decode(text.as_bytes()).is_ok();
            known
                .then(|| SecretString::from(text.as_str()))
                .ok_or("must be the long text that the broker showed, whole: copy it again")
        });
        let signature = reader.take(SIGNATURE_KEY, signature_key);
        let encryption = reader.take(ENCRYPTION_KEY, encryption_key);
        let group = reader.take(DH_PARAMETERS, group);
        if let (Some(sealed), Some(encryption)) = (&sealed_secret, &encryption)
            && open(encryption, sealed.expose_secret()).is_none()
        {
            reader.wrong(
                ACCESS_TOKEN_SECRET,
                "was not encrypted for this encryption key: the two private keys are swapped, the key is another one \
                 than the broker has, or the secret is of an older token",
            );
        }
        let errors = reader.errors;
        match (consumer_key, access_token, sealed_secret, signature, encryption, group) {
            (
                Some(consumer_key),
                Some(access_token),
                Some(sealed_secret),
                Some(signature),
                Some(encryption),
                Some(group),
            ) if errors.is_empty() => {
                Ok(Self { consumer_key, access_token, sealed_secret, signature, encryption, group })
            }
            _ => Err(errors),
        }
    }

    /// The consumer key.
    #[must_use]
    pub(super) fn consumer_key(&self) -> &str {
        self.consumer_key.expose_secret()
    }

    /// The access token.
    #[must_use]
    pub(super) fn access_token(&self) -> &str {
        self.access_token.expose_secret()
    }

    /// What the broker calls this kind of access; its own test key has another.
    #[must_use]
    pub(super) fn realm(&self) -> &'static str {
        if self.consumer_key() == "TESTCONS" { "test_realm" } else { "limited_poa" }
    }

    /// The prime and the generator.
    #[must_use]
    pub const fn group(&self) -> &Group {
        &self.group
    }

    /// The access token's secret. `None` only for keys that were never read.
    #[must_use]
    pub fn secret(&self) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.encryption, self.sealed_secret.expose_secret())
    }

    /// A signature by the signature key (RSA PKCS#1 v1.5 with SHA-256).
    #[must_use]
    pub(super) fn sign(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.signature.public_modulus_len()];
        self.signature.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
        Some(signature)
    }
}
