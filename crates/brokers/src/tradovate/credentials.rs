//! What an account is reached with: a user name, a password and an API key, or the tokens of an OAuth application.

use atomik_ports::Credentials;
use atomik_ports::broker::{CredentialField, FieldError};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::settings::field_error;
use crate::wire::Discretion;

/// The longest credential; the venue's own bounds are 64 and 8192.
const MAX_LENGTH: usize = 8_192;
const PASSWORD_SET: [&str; 4] = ["username", "password", "cid", "sec"];
const OAUTH_SET: [&str; 4] = ["client_id", "client_secret", "refresh_token", "authorization_code"];

/// How a token is come by.
#[derive(Clone, Debug)]
pub(super) enum Login {
    /// With a user's password and an API key.
    Password { username: SecretString, password: SecretString, cid: SecretString, sec: SecretString },
    /// With what an OAuth application was given.
    OAuth { client_id: SecretString, client_secret: SecretString, grant: Grant },
}

/// What an OAuth application was given.
#[derive(Clone, Debug)]
pub(super) enum Grant {
    /// Good many times.
    Refresh(SecretString),
    /// Good once.
    Code(SecretString),
}

pub(super) fn credential_fields() -> Vec<CredentialField> {
    let field = |name: &str, label: &str, description: &str| CredentialField {
        name: name.to_owned(),
        label: label.to_owned(),
        description: description.to_owned(),
        required: false,
        multiline: false,
    };
    vec![
        field("username", "User name", "The name you sign in to Tradovate with. With password, cid and sec."),
        field(
            "password",
            "Password",
            "The password you sign in with, or the API key's own password if you set one.",
        ),
        field(
            "cid",
            "API key id (cid)",
            "Trader application, Settings, API Access: shown when a key is generated.",
        ),
        field("sec", "API key secret (sec)", "Shown once, when the API key is generated."),
        field(
            "client_id",
            "OAuth client id",
            "Instead of user name and API key: the id of your registered OAuth app.",
        ),
        field("client_secret", "OAuth client secret", "The secret of your registered OAuth app."),
        field(
            "refresh_token",
            "OAuth refresh token",
            "What your app was given at sign-in; survives a restart of Atomik.",
        ),
        field(
            "authorization_code",
            "OAuth authorization code",
            "Instead of a refresh token, with the setting redirect_uri. Good once: after a restart sign in again.",
        ),
    ]
}

/// Reads the one set that is given.
///
/// # Errors
/// Each wrong field; never with its value.
pub(super) fn read(given: &Credentials) -> Result<Login, Vec<FieldError>> {
    let errors = wrong_fields(given);
    if !errors.is_empty() {
        return Err(errors);
    }
    let text = |name: &str| {
        let text = given.get(name).map(|secret| secret.expose_secret().trim().to_owned());
        SecretString::from(text.unwrap_or_default())
    };
    if has(given, "username") {
        let (username, password) = (text("username"), text("password"));
        return Ok(Login::Password { username, password, cid: text("cid"), sec: text("sec") });
    }
    let grant = if has(given, "refresh_token") {
        Grant::Refresh(text("refresh_token"))
    } else {
        Grant::Code(text("authorization_code"))
    };
    Ok(Login::OAuth { client_id: text("client_id"), client_secret: text("client_secret"), grant })
}

fn has(given: &Credentials, name: &str) -> bool {
    given.get(name).is_some_and(|secret| !secret.expose_secret().trim().is_empty())
}

fn wrong_fields(given: &Credentials) -> Vec<FieldError> {
    let wrong = |name: &str, problem: &str| field_error(&format!("credentials.{name}"), problem);
    let mut errors = Vec::new();
    for (name, secret) in given.iter() {
        let text = secret.expose_secret().trim();
        if text.len() > MAX_LENGTH {
            errors.push(wrong(name, "is too long"));
        } else if text.chars().any(char::is_control) {
            errors.push(wrong(name, "must be one line without control characters"));
        }
    }
    let by_password = PASSWORD_SET.iter().any(|name| has(given, name));
    let by_oauth = OAUTH_SET.iter().any(|name| has(given, name));
    match (by_password, by_oauth) {
        (true, true) => {
            let given_too = OAUTH_SET.iter().filter(|name| has(given, name));
            errors.extend(given_too.map(|name| {
                wrong(name, "is given besides username, password, cid and sec; give one of the two sets")
            }));
        }
        (false, false) => errors.push(wrong(
            "username",
            "is needed with password, cid and sec; or instead client_id, client_secret and refresh_token",
        )),
        (true, false) => {
            let missing = PASSWORD_SET.iter().filter(|name| !has(given, name));
            errors.extend(missing.map(|name| wrong(name, "is needed with username, password, cid and sec")));
        }
        (false, true) => {
            let missing = ["client_id", "client_secret"].into_iter().filter(|name| !has(given, name));
            errors.extend(missing.map(|name| wrong(name, "is needed for OAuth")));
            match (has(given, "refresh_token"), has(given, "authorization_code")) {
                (true, true) => {
                    errors.push(wrong(
                        "authorization_code",
                        "is given besides refresh_token; give one of the two",
                    ));
                }
                (false, false) => {
                    errors.push(wrong("refresh_token", "is needed for OAuth, or else authorization_code"));
                }
                _ => {}
            }
        }
    }
    errors
}

impl Login {
    /// What tells this login at this address from every other, without showing it.
    pub fn digest(&self, address: &str, app_id: &str) -> [u8; 32] {
        let parts: Vec<&str> = match self {
            Self::Password { username, password, cid, sec } => {
                let secrets = [username, password, cid, sec].map(|secret| secret.expose_secret());
                std::iter::once("password").chain(secrets).collect()
            }
            Self::OAuth { client_id, client_secret, grant } => {
                let (kind, token) = match grant {
                    Grant::Refresh(token) => ("refresh", token),
                    Grant::Code(code) => ("code", code),
                };
                vec![kind, client_id.expose_secret(), client_secret.expose_secret(), token.expose_secret()]
            }
        };
        let mut digest = Sha256::new();
        for part in [address, app_id].into_iter().chain(parts) {
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().into()
    }

    /// A text of the venue's without anything of these credentials in it, should the venue repeat them.
    pub fn scrubbed(&self, text: &str) -> String {
        let text: String = text.chars().filter(|one| !one.is_control()).take(300).collect();
        self.discretion().text(&text)
    }

    /// What leaves these credentials out of what the venue says.
    pub fn discretion(&self) -> Discretion {
        Discretion::about(match self {
            Self::Password { username, password, cid, sec } => vec![password, sec, username, cid],
            Self::OAuth { client_id, client_secret, grant: Grant::Refresh(token) | Grant::Code(token) } => {
                vec![client_secret, token, client_id]
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Credentials {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect()
    }

    #[test]
    fn exactly_one_set_is_taken_and_what_is_wrong_is_named() {
        let password = [("username", "u"), ("password", "p"), ("cid", "1"), ("sec", "s")];
        assert!(matches!(read(&given(&password)), Ok(Login::Password { .. })));
        let oauth = [("client_id", "1"), ("client_secret", "s"), ("refresh_token", "r")];
        assert!(matches!(read(&given(&oauth)), Ok(Login::OAuth { grant: Grant::Refresh(_), .. })));
        let code = [("client_id", "1"), ("client_secret", "s"), ("authorization_code", "c")];
        assert!(matches!(read(&given(&code)), Ok(Login::OAuth { grant: Grant::Code(_), .. })));
        for (pairs, wrong) in [
            (vec![], vec!["username"]),
            (vec![("username", "u"), ("sec", "s")], vec!["password", "cid"]),
            (vec![("username", " "), ("client_id", "1")], vec!["client_secret", "refresh_token"]),
            ([&password[..], &oauth[..1]].concat(), vec!["client_id"]),
            ([&oauth[..], &[("authorization_code", "c")][..]].concat(), vec!["authorization_code"]),
            (vec![("username", "u\n1"), ("password", "p"), ("cid", "1"), ("sec", "s")], vec!["username"]),
        ] {
            let errors = read(&given(&pairs)).unwrap_err();
            let fields: Vec<_> =
                errors.iter().map(|error| error.field.trim_start_matches("credentials.")).collect();
            assert_eq!(fields, wrong, "{errors:?}");
        }
    }

    #[test]
    fn a_digest_tells_logins_apart_and_shows_nothing() {
        let login = |password| {
            read(&given(&[("username", "user"), ("password", password), ("cid", "1"), ("sec", "topsecret")]))
                .unwrap()
        };
        let one = login("hunter22");
        assert_eq!(one.digest("a", "x"), login("hunter22").digest("a", "x"));
        assert_ne!(one.digest("a", "x"), login("hunter23").digest("a", "x"));
        assert_ne!(one.digest("a", "x"), one.digest("b", "x"));
        assert!(!format!("{one:?}").contains("hunter22"));
        assert_eq!(one.scrubbed("no topsecret\n or hunter22"), "no [...] or [...]");
    }
}
