//! The ways to an access token, and what the venue's answers to them mean.

use std::time::Duration;

use atomik_domain::UnixMicros;
use atomik_ports::broker::BrokerError;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use super::credentials::Login;
use super::replies::{AccessToken, OAuthToken};

/// How long a token lives, as documented.
const LIFE: Duration = Duration::from_secs(90 * 60);
/// How long before its end it is renewed, as documented.
const RENEWED_BEFORE: Duration = Duration::from_secs(15 * 60);
/// A life that is told to be shorter than this means that this machine's clock is off.
const SHORTEST_LIFE: Duration = Duration::from_secs(20 * 60);

/// An access token.
#[derive(Debug)]
pub(super) struct Token {
    /// For the header; marked as sensitive.
    pub bearer: HeaderValue,
    /// For the stream.
    pub text: SecretString,
    pub expires_at: Instant,
    pub renew_at: Instant,
}

impl Token {
    /// Takes a token that lives for `life` from now on.
    ///
    /// # Errors
    /// Where it cannot be put into a header.
    pub fn new(text: SecretString, life: Duration, now: Instant) -> Result<Self, BrokerError> {
        let bearer = format!("Bearer {}", text.expose_secret());
        let mut bearer = HeaderValue::from_str(&bearer)
            .map_err(|_| BrokerError::Unavailable("Tradovate's access token cannot be used.".to_owned()))?;
        bearer.set_sensitive(true);
        let expires_at = now + life;
        let renew_at = now + life.saturating_sub(RENEWED_BEFORE);
        Ok(Self { bearer, text, expires_at, renew_at })
    }
}

/// How long a token lives that expires at `expiration`, from now on. The venue's clock and this machine's may differ: it
/// is never longer than documented, and never so short that it would be renewed all the time.
pub(super) fn life(expiration: Option<&str>, now: UnixMicros) -> Duration {
    let told = expiration.and_then(UnixMicros::parse_rfc3339).map(|end| end.micros_since(now));
    let told = told.and_then(|micros| u64::try_from(micros).ok()).map(Duration::from_micros);
    told.filter(|life| *life >= SHORTEST_LIFE).map_or(LIFE, |life| life.min(LIFE))
}

/// How long an OAuth token lives.
pub(super) fn oauth_life(seconds: Option<u64>) -> Duration {
    seconds.map(Duration::from_secs).filter(|life| *life >= SHORTEST_LIFE).map_or(LIFE, |life| life.min(LIFE))
}

/// A request for a token with a password.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordRequest<'a> {
    pub name: &'a str,
    pub password: &'a str,
    pub app_id: &'a str,
    pub app_version: &'a str,
    pub cid: &'a str,
    pub sec: &'a str,
    pub device_id: &'a str,
    #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
    pub ticket: Option<&'a str>,
}

/// A request for a token of an OAuth application.
#[derive(Serialize)]
pub(super) struct OAuthRequest<'a> {
    pub grant_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<&'a str>,
    pub client_id: &'a str,
    pub client_secret: &'a str,
    #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
    pub ticket: Option<&'a str>,
}

/// Reads the answer to a login or a renewal.
///
/// # Errors
/// `Unauthorized` with what to do where the venue said why; `Unavailable` where it said nothing that can be read.
pub(super) fn read(answer: AccessToken, login: &Login, now: UnixMicros) -> Result<Token, BrokerError> {
    if let Some(text) = answer.error_text.filter(|text| !text.trim().is_empty()) {
        return Err(refused(&login.scrubbed(&text)));
    }
    if let Some(status) = answer.user_status.filter(|status| status != "Active") {
        return Err(BrokerError::Unauthorized(format!(
            "Tradovate says that this user is not active ({}). Sign in on tradovate.com to see why.",
            login.scrubbed(&status)
        )));
    }
    let text = answer.access_token.ok_or_else(|| {
        BrokerError::Unavailable("Tradovate answered the login without a token.".to_owned())
    })?;
    Token::new(text, life(answer.expiration_time.as_deref(), now), Instant::now())
}

/// Reads the answer to an OAuth grant; with the next refresh token, where one came.
///
/// # Errors
/// As [`read`].
pub(super) fn read_oauth(
    answer: OAuthToken,
    login: &Login,
) -> Result<(Token, Option<SecretString>), BrokerError> {
    if let Some(word) = answer.error.filter(|word| !word.is_empty()) {
        let said = answer.error_description.filter(|text| !text.is_empty()).unwrap_or(word);
        return Err(oauth_refused(&login.scrubbed(&said)));
    }
    let text = answer.access_token.ok_or_else(|| {
        BrokerError::Unavailable("Tradovate answered the sign-in without a token.".to_owned())
    })?;
    let token = Token::new(text, oauth_life(answer.expires_in), Instant::now())?;
    Ok((token, answer.refresh_token))
}

/// The sentence for a refused login.
pub(super) fn refused(said: &str) -> BrokerError {
    BrokerError::Unauthorized(format!(
        "Tradovate refused the login: {} Check user name, password, cid and sec, that the API key belongs to this user, \
         and that the key may do \"Orders\" and read positions and accounts.",
        sentence(said)
    ))
}

/// The sentence for a refused OAuth grant.
pub(super) fn oauth_refused(said: &str) -> BrokerError {
    BrokerError::Unauthorized(format!(
        "Tradovate refused the OAuth sign-in: {} Sign in again and store the new refresh token or authorization code.",
        sentence(said)
    ))
}

fn sentence(said: &str) -> String {
    let said = said.trim().trim_end_matches(['.', '!']);
    if said.is_empty() { "no reason given.".to_owned() } else { format!("{said}.") }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some("2026-03-20T01:30:00Z"), 90)]
    #[case(Some("2026-03-20T01:00:00Z"), 60)]
    // A clock that is behind: no longer than documented. One that is ahead: not renewed all the time.
    #[case(Some("2026-03-20T09:30:00Z"), 90)]
    #[case(Some("2026-03-20T00:05:00Z"), 90)]
    #[case(Some("2026-03-19T00:00:00Z"), 90)]
    #[case(Some("soon"), 90)]
    #[case(None, 90)]
    fn a_life_is_as_told_within_reason(#[case] expiration: Option<&str>, #[case] minutes: u64) {
        let now = UnixMicros::parse_rfc3339("2026-03-20T00:00:00Z").unwrap();
        assert_eq!(life(expiration, now), Duration::from_secs(minutes * 60));
    }

    #[tokio::test]
    async fn a_token_is_renewed_a_quarter_of_an_hour_before_its_end_and_shows_nothing() {
        let now = Instant::now();
        let token = Token::new(SecretString::from("abc123"), LIFE, now).unwrap();
        assert_eq!((token.expires_at - now, token.expires_at - token.renew_at), (LIFE, RENEWED_BEFORE));
        assert!(!format!("{token:?}").contains("abc123"));
    }
}
