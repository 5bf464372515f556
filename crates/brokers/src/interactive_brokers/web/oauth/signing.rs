//! What is signed, and the header that carries it: RFC 5849, with RSA-SHA256 for the live session token and HMAC-SHA256 for
//! everything else.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::zeroize::Zeroizing;

use super::exchange::LiveToken;
use super::keys::Keys;

/// How long a nonce is.
const NONCE: usize = 16;

/// What makes a request's signature its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Never used before.
    pub nonce: String,
    /// Seconds since 1970.
    pub timestamp: i64,
}

impl Moment {
    /// A moment, with a nonce made of these random bytes.
    #[must_use]
    pub fn new(random: [u8; NONCE], timestamp: i64) -> Self {
        // 32 letters and digits, so that no byte is likelier than another.
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letter = |byte: u8| char::from(letters[usize::from(byte % 32)]);
        Self { nonce: random.into_iter().map(letter).collect(), timestamp }
    }
}

/// Percent-encoded as RFC 3986 has it: all but letters, digits, `-`, `.`, `_` and `~`.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The text that is signed: the method, the address without its query, and all parameters in their order, those of the
/// query among them.
#[must_use]
pub fn base_string(method: &str, url: &Url, own: &[(&str, String)]) -> String {
    let query = url.query().unwrap_or_default();
    let asked =
        form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (percent(&name), percent(&value)));
    let own = own.iter().map(|(name, value)| (percent(name), percent(value)));
    let mut all: Vec<_> = asked.chain(own).collect();
    all.sort();
    let all: Vec<_> = all.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut place = url.clone();
    place.set_query(None);
    place.set_fragment(None);
    format!("{method}&{}&{}", percent(place.as_str()), percent(&all.join("&")))
}

/// The parameters that every request has.
fn parameters(keys: &Keys, method: &str, moment: &Moment) -> Vec<(&'static str, String)> {
    vec![
        ("oauth_consumer_key", keys.consumer_key().to_owned()),
        ("oauth_nonce", moment.nonce.clone()),
        ("oauth_signature_method", method.to_owned()),
        ("oauth_timestamp", moment.timestamp.to_string()),
        ("oauth_token", keys.access_token().to_owned()),
    ]
}

/// The header's value, which shows in no log.
fn header(keys: &Keys, mut parameters: Vec<(&'static str, String)>, signature: &[u8]) -> Option<HeaderValue> {
    parameters.push(("oauth_signature", STANDARD.encode(signature)));
    parameters.sort();
    let parameters: Vec<_> =
        parameters.into_iter().map(|(name, value)| format!("{name}=\"{}\"", percent(&value))).collect();
    let text = format!("OAuth realm=\"{}\", {}", keys.realm(), parameters.join(", "));
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The header of a request. `None` only for keys that were never read.
#[must_use]
pub fn signed(
    keys: &Keys,
    token: &LiveToken,
    method: &str,
    url: &Url,
    moment: &Moment,
) -> Option<HeaderValue> {
    let parameters = parameters(keys, "HMAC-SHA256", moment);
    let signature = token.sign(&base_string(method, url, &parameters));
    header(keys, parameters, signature.as_ref())
}

/// The header of the request for a live session token. What is signed begins with the access token's secret.
#[must_use]
pub fn signed_challenge(
    keys: &Keys,
    secret: &[u8],
    challenge: &str,
    url: &Url,
    moment: &Moment,
) -> Option<HeaderValue> {
    let mut parameters = parameters(keys, "RSA-SHA256", moment);
    parameters.push(("diffie_hellman_challenge", challenge.to_owned()));
    let mut text = Zeroizing::new(hex::encode(secret));
    text.push_str(&base_string("POST", url, &parameters));
    let signature = keys.sign(text.as_bytes())?;
    header(keys, parameters, &signature)
}
