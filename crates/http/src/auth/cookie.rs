//! The session cookie.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::HttpSettings;
use crate::error::ApiError;

/// Under https the `__Host-` prefix makes browsers refuse a cookie of this name from any other host or path.
const fn name(settings: &HttpSettings) -> &'static str {
    if settings.secure_cookies { "__Host-atomik_session" } else { "atomik_session" }
}

/// The session token a request carries.
pub(super) fn token_in<'a>(settings: &HttpSettings, headers: &'a HeaderMap) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (key, value) = cookie.trim().split_once('=')?;
        (key == name(settings)).then_some(value)
    })
}

/// `Set-Cookie` for a new session.
pub(super) fn set(
    settings: &HttpSettings,
    token: &SecretString,
    max_age_s: i64,
) -> Result<HeaderValue, ApiError> {
    header(settings, token.expose_secret(), max_age_s)
}

/// `Set-Cookie` that takes the session away.
pub(super) fn clear(settings: &HttpSettings) -> Result<HeaderValue, ApiError> {
    header(settings, "", 0)
}

fn header(settings: &HttpSettings, value: &str, max_age_s: i64) -> Result<HeaderValue, ApiError> {
    let secure = if settings.secure_cookies { "; Secure" } else { "" };
    let name = name(settings);
    let text = format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age_s}{secure}");
    let mut header = HeaderValue::try_from(text).map_err(ApiError::internal)?;
    header.set_sensitive(true);
    Ok(header)
}
