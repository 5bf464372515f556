//! Keys, signatures and times.

use std::sync::atomic::Ordering;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{State, now_ms};

/// A refusal: status, code and text.
pub(super) type Refusal = (u16, i64, &'static str);

const BAD_KEY: Refusal = (401, -2015, "Invalid API-key, IP, or permissions for action.");
const BAD_SIGNATURE: Refusal = (400, -1022, "Signature for this request is not valid.");
const BAD_TIME: Refusal = (400, -1021, "Timestamp for this request is outside of the recvWindow.");

/// The parameters of a request, decoded.
#[derive(Debug)]
pub(super) struct Given(pub Vec<(String, String)>);

impl Given {
    /// One of them; empty counts as missing.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|text| !text.is_empty())
    }

    pub(super) fn read(texts: &[&str]) -> Self {
        let pairs = texts.iter().flat_map(|text| form_urlencoded::parse(text.as_bytes()));
        Self(pairs.map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
    }
}

impl State {
    /// Whether the header names the account's key.
    pub(super) fn check_key(&self, api_key: Option<&str>) -> Result<(), Refusal> {
        if api_key == Some(self.setup.keys.api_key.as_str()) { Ok(()) } else { Err(BAD_KEY) }
    }

    /// A signed request: its signature is that of query and body as they came, less the signature itself.
    pub(super) fn check_signed(
        &self,
        api_key: Option<&str>,
        query: &str,
        body: &str,
    ) -> Result<Given, Refusal> {
        self.check_key(api_key)?;
        let given = Given::read(&[query, body]);
        let signature =
            given.get("signature").ok_or((400, -1102, "Mandatory parameter 'signature' was not sent."))?;
        let payload = format!("{}{}", without_signature(query), without_signature(body));
        self.check_signature(&payload, signature)?;
        let number = |name: &str| given.get(name).and_then(|text| text.parse::<i64>().ok());
        let timestamp =
            number("timestamp").ok_or((400, -1102, "Mandatory parameter 'timestamp' was not sent."))?;
        self.check_time(timestamp, number("recvWindow").unwrap_or(5_000))?;
        Ok(given)
    }

    pub(super) fn check_time(&self, timestamp: i64, window: i64) -> Result<(), Refusal> {
        let now = now_ms();
        let fits = timestamp < now + 1_000 && now - timestamp <= window;
        if fits && !self.refuses_time.load(Ordering::SeqCst) { Ok(()) } else { Err(BAD_TIME) }
    }

    pub(super) fn check_signature(&self, payload: &str, signature: &str) -> Result<(), Refusal> {
        let fits = match &self.setup.keys.public_key {
            Some(public) => STANDARD.decode(signature).is_ok_and(|signature| {
                UnparsedPublicKey::new(&ED25519, public).verify(payload.as_bytes(), &signature).is_ok()
            }),
            None => {
                let mut mac =
                    Hmac::<Sha256>::new_from_slice(self.setup.keys.secret_key.as_bytes()).expect("a key");
                mac.update(payload.as_bytes());
                hex::encode(mac.finalize().into_bytes()) == signature
            }
        };
        if fits { Ok(()) } else { Err(BAD_SIGNATURE) }
    }
}

fn without_signature(text: &str) -> String {
    let kept = text.split('&').filter(|pair| !pair.starts_with("signature="));
    kept.collect::<Vec<_>>().join("&")
}
