//! What is never quoted: an account's credentials, which some venues repeat in what they refuse.

use std::sync::Arc;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

/// What stands where a credential stood.
const LEFT_OUT: &str = "[...]";
/// Shorter ones are words that a sentence may hold by chance.
const SHORTEST: usize = 4;

/// An account's credentials, to be left out of what its venue says.
#[derive(Clone, Debug, Default)]
pub struct Discretion(Arc<[SecretString]>);

impl Discretion {
    /// About these.
    pub fn about<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let long = secrets.into_iter().filter(|secret| secret.expose_secret().trim().len() >= SHORTEST);
        let mut secrets: Vec<_> =
            long.map(|secret| SecretString::from(secret.expose_secret().trim())).collect();
        // One may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self(secrets.into())
    }

    /// A text of the venue's without them.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, LEFT_OUT))
    }

    /// The body of a refusal without them. Those that are all digits stay: leaving them out could break up a number, and
    /// then nobody understands the refusal any more.
    pub(super) fn body(&self, body: Bytes) -> Bytes {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        let mut secrets =
            secrets.filter(|secret| !secret.bytes().all(|byte| byte.is_ascii_digit())).peekable();
        let Some(text) = secrets.peek().and_then(|_| std::str::from_utf8(&body).ok()) else { return body };
        let found: Vec<_> = secrets.filter(|secret| text.contains(secret)).collect();
        if found.is_empty() {
            return body;
        }
        found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, LEFT_OUT)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_left_out_and_nothing_else() {
        let secrets = ["abc", "hunter22", "hunter22-and-more", "123456"].map(SecretString::from);
        let discretion = Discretion::about(&secrets);
        assert_eq!(
            discretion.text("abc, hunter22-and-more, hunter22 of 123456"),
            "abc, [...], [...] of [...]"
        );
        let body = discretion.body(Bytes::from_static(br#"{"code":1234567,"msg":"no hunter22"}"#));
        assert_eq!(body, r#"{"code":1234567,"msg":"no [...]"}"#);
        assert_eq!(discretion.body(Bytes::from_static(b"hunter22\xff")), b"hunter22\xff".as_slice());
    }
}
