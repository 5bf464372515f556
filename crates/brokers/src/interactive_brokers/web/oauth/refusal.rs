//! What it means when the broker gives no live session token, in the trader's words. The answer itself is never quoted: it
//! may name the access token.

use atomik_ports::broker::BrokerError;
use serde::Deserialize;

use crate::wire::Answer;

/// As `{"error": "id: 39687, error: invalid consumer", "statusCode": 401}`. The document has no list of these: they are what
/// users reported.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
}

/// What the trader has to do about an answer that is no token.
pub(super) fn read(answer: &Answer) -> BrokerError {
    let said = answer.json::<Refusal>().unwrap_or_default().error.to_ascii_lowercase();
    // What the broker's support finds it by.
    let id: String = said
        .split_once("id:")
        .map(|(_, rest)| rest.trim_start().chars().take_while(char::is_ascii_digit).take(12).collect())
        .unwrap_or_default();
    let id = if id.is_empty() { String::new() } else { format!(", id {id}") };
    let place = format!("({}{id})", answer.status);
    if !matches!(answer.status, 400 | 401 | 403) {
        return BrokerError::Unavailable(format!("it gave no live session token {place}"));
    }
    BrokerError::Unauthorized(if said.contains("consumer") {
        format!(
            "Interactive Brokers does not know the consumer key {place}: it is another one than on the broker's OAuth page, \
             OAuth access is switched off there, or the key is new: new keys work after the broker's next restart, overnight \
             or at the weekend."
        )
    } else if said.contains("signature") {
        format!(
            "Interactive Brokers refused the signature {place}: the signature key or the encryption key is another one than \
             was uploaded, or the access token secret belongs to another access token."
        )
    } else if said.contains("access secret") || said.contains("token") || said.contains("lst failed") {
        format!(
            "Interactive Brokers does not know the access token {place}: it was revoked, replaced by a newer one, or belongs \
             to another consumer key. Generate a token on the broker's OAuth page, and enter it with its secret."
        )
    } else {
        format!(
            "Interactive Brokers refused the keys {place}: the consumer key, the access token or one of the private keys is \
             wrong or revoked, OAuth access is switched off, or this machine's clock is off. New keys work after the broker's \
             next restart, overnight or at the weekend."
        )
    })
}

/// The broker took the signature, and has another live session token than we have.
pub(super) fn another_token() -> BrokerError {
    BrokerError::Unauthorized(
        "Interactive Brokers took the keys, and the key exchange came to another result there: the Diffie-Hellman parameters \
         are not the file dhparam.pem that was uploaded."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    fn told(status: u16, body: &str) -> BrokerError {
        read(&Answer { status, headers: reqwest::header::HeaderMap::new(), body: body.to_owned().into() })
    }

    #[test]
    fn each_refusal_says_what_to_do_and_quotes_nothing() {
        for (status, body, word) in [
            (
                401,
                r#"{"error":"id: 39687, error: invalid consumer","statusCode":401}"#,
                "the consumer key (401, id 39687)",
            ),
            (401, r#"{"error":"id: 1, error: invalid signature"}"#, "refused the signature (401, id 1)"),
            (
                401,
                r#"{"error":"id: 118871, error: LST failed, error: No access secret key found for c0ffee"}"#,
                "know the access token (401, id 118871)",
            ),
            (401, "", "refused the keys (401)"),
            (403, "<html>", "refused the keys (403)"),
        ] {
            let BrokerError::Unauthorized(sentence) = told(status, body) else { panic!("{body}") };
            assert!(sentence.contains(word) && sentence.ends_with('.'), "{sentence}");
            assert!(!sentence.contains("c0ffee"), "{sentence}");
        }
        for status in [410, 429, 500, 503, 302] {
            assert!(matches!(told(status, ""), BrokerError::Unavailable(_)), "{status}");
        }
    }
}
