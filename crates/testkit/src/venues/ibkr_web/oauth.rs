//! OAuth 1.0a in the place of a gateway: the venue gives live session tokens, and verifies every signature itself.
//!
//! As the broker's own page and RFC 5849 have it. Nothing of it is shared with an adapter: numbers are raised by another
//! library, and what was signed is put together anew from the request that came. Whether a new token ends the one before, or
//! the trading session, the documents leave open: the venue does either where it is told to, and an adapter has to stand both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use atomik_ports::Credentials;
use atomik_ports::clock::{Clock, SystemClock};
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, Key};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::extract::{OriginalUri, Request, State as Extracted};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{IbkrWebVenue, SESSION, Shared, specification};

/// The venue's keys, and the trader's: made for tests.
const KEYS: &str = include_str!("oauth_test_keys.json");
/// What asks for a token.
const TOKEN_PATH: &str = "/v1/api/oauth/live_session_token";

/// How the venue knows its trader.
#[derive(Debug)]
pub(super) struct OAuth {
    /// Whether the query may be left out of what is signed, as ibind does, with which people trade.
    lenient: bool,
    keys: Value,
    address: OnceLock<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    knows_consumer: bool,
    knows_token: bool,
    /// Whether a new live session token is given.
    gives: bool,
    life: Duration,
    live: Vec<(Key, Instant)>,
    given: usize,
    /// Whether a new token ends the ones before.
    ends_tokens: bool,
    /// Whether a new token ends the trading session.
    ends_session: bool,
    nonces: BTreeSet<String>,
}

impl State {
    /// The keys that may sign now.
    fn live(&self) -> Vec<Key> {
        let now = Instant::now();
        self.live.iter().filter(|(_, ends_at)| now < *ends_at).map(|(key, _)| key.clone()).collect()
    }
}

/// Why a request is not let in: what users have reported.
type Refusal = &'static str;
const CONSUMER: Refusal = "id: 39687, error: invalid consumer";
const SECRET: Refusal =
    "id: 118871, error: LST failed, error: No access secret key found for 7e577e577e577e577e57";
const SIGNATURE: Refusal = "id: 4711, error: invalid signature";
const OTHER: Refusal = "id: 4712, error: unauthorized";

fn refused(text: Refusal) -> Response {
    (StatusCode::UNAUTHORIZED, Json(json!({"error": text, "statusCode": 401}))).into_response()
}

/// What a request says of itself.
struct Signed {
    method: String,
    path: String,
    query: Option<String>,
    header: BTreeMap<String, String>,
}

impl Signed {
    fn of(request: &Request, uri: &OriginalUri) -> Self {
        let text =
            request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let parts = text.strip_prefix("OAuth ").unwrap_or_default().split(',');
        let header = parts.filter_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            Some((name.to_owned(), decoded(value)))
        });
        Self {
            method: request.method().to_string(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            header: header.collect(),
        }
    }

    fn get(&self, name: &str) -> &str {
        self.header.get(name).map_or("", String::as_str)
    }

    /// What must have been signed, with the query or, for the lenient, without.
    fn text(&self, address: &str, with_query: bool) -> String {
        let mut pairs: Vec<(String, String)> = self
            .header
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "realm" | "oauth_signature"))
            .map(|(name, value)| (encoded(name), encoded(value)))
            .collect();
        let query = self.query.as_deref().filter(|_| with_query).unwrap_or_default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            pairs.push((encoded(&plain(name)), encoded(&plain(value))));
        }
        pairs.sort();
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let place = format!("{address}{}", self.path);
        [self.method.clone(), encoded(&place), encoded(&pairs.join("&"))].join("&")
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As Java's `BigInteger.toByteArray`: what the broker computes with.
fn java_bytes(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if number.bits().is_multiple_of(8) {
        bytes.insert(0, 0);
    }
    bytes
}

impl OAuth {
    pub(super) fn new(lenient: bool) -> Self {
        let state = State {
            knows_consumer: true,
            knows_token: true,
            gives: true,
            life: Duration::from_secs(24 * 60 * 60),
            live: Vec::new(),
            given: 0,
            ends_tokens: false,
            ends_session: false,
            nonces: BTreeSet::new(),
        };
        let keys = serde_json::from_str(KEYS).expect("keys");
        Self { lenient, keys, address: OnceLock::new(), state: Mutex::new(state) }
    }

    pub(super) fn listens_at(&self, address: String) {
        self.address.set(address).expect("an address, once");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text_of(&self, name: &str) -> &str {
        self.keys[name].as_str().expect("a text")
    }

    /// The form of the header, whose it is, and that it never came before.
    fn admit(&self, signed: &Signed, method: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        if signed.get("oauth_consumer_key") != self.text_of("consumer_key") || !state.knows_consumer {
            return Err(CONSUMER);
        }
        let wants_token = method == "RSA-SHA256";
        if signed.get("oauth_token") != self.text_of("access_token")
            || !state.knows_token
            || (wants_token && !state.gives)
        {
            return Err(SECRET);
        }
        let in_form = signed.get("realm") == "limited_poa"
            && signed.get("oauth_signature_method") == method
            && signed.get("oauth_timestamp").parse::<u64>().is_ok_and(|seconds| seconds > 0)
            && !signed.get("oauth_nonce").is_empty();
        let is_new = state.nonces.insert(signed.get("oauth_nonce").to_owned());
        if in_form && is_new { Ok(()) } else { Err(OTHER) }
    }

    /// Whether one of the texts that may have been signed was.
    fn verify(&self, signed: &Signed, check: impl Fn(&str, &[u8]) -> bool) -> Result<(), Refusal> {
        let signature = STANDARD.decode(signed.get("oauth_signature")).map_err(|_| SIGNATURE)?;
        let address = self.address.get().expect("a venue that listens");
        let is_it = |with_query| check(&signed.text(address, with_query), &signature);
        if is_it(true) || (self.lenient && is_it(false)) { Ok(()) } else { Err(SIGNATURE) }
    }

    fn give(&self, signed: &Signed) -> Result<Value, Refusal> {
        self.admit(signed, "RSA-SHA256")?;
        let secret = self.text_of("secret_in_the_open");
        let public = STANDARD.decode(self.text_of("signature_key_public")).expect("a key");
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        self.verify(signed, |text, signature| {
            public.verify(format!("{secret}{text}").as_bytes(), signature).is_ok()
        })?;
        let number = |digits: &str| BigUint::parse_bytes(digits.as_bytes(), 16).ok_or(OTHER);
        let prime = number(self.text_of("dh_prime"))?;
        let challenge = number(signed.get("diffie_hellman_challenge"))?;
        let mut exponent = [0; 32];
        rand::fill(&mut exponent).expect("randomness");
        let exponent = BigUint::from_bytes_be(&exponent);
        let response = BigUint::from(2_u8).modpow(&exponent, &prime);
        let shared = java_bytes(&challenge.modpow(&exponent, &prime));
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, key), text);
        let token = sign(&shared, &hex::decode(secret).expect("digits"));
        let proof = sign(token.as_ref(), self.text_of("consumer_key").as_bytes());
        let mut state = self.state();
        if state.ends_tokens {
            state.live.clear();
        }
        let ends_at = Instant::now() + state.life;
        state.live.push((Key::new(HMAC_SHA256, token.as_ref()), ends_at));
        state.given += 1;
        let life = i64::try_from(state.life.as_millis()).expect("a life");
        Ok(json!({
            "diffie_hellman_response": response.to_str_radix(16),
            "live_session_token_signature": hex::encode(proof.as_ref()),
            "live_session_token_expiration": SystemClock.now().0 / 1_000 + life,
        }))
    }

    fn let_in(&self, signed: &Signed) -> Result<(), Refusal> {
        self.admit(signed, "HMAC-SHA256")?;
        let live = self.state().live();
        if live.is_empty() {
            return Err(OTHER);
        }
        self.verify(signed, |text, signature| {
            live.iter().any(|key| hmac::verify(key, text.as_bytes(), signature).is_ok())
        })
    }

    /// Streams are opened with the access token in the query, and the session in the cookie.
    fn let_stream_in(&self, signed: &Signed, cookie: &str) -> Result<(), Refusal> {
        let query = signed.query.as_deref().unwrap_or_default();
        let is_ours = query == format!("oauth_token={}", self.text_of("access_token"));
        let state = self.state();
        let is_live = !state.live().is_empty();
        let knows_session = cookie.split(';').any(|part| part.trim() == format!("api={SESSION}"));
        if is_ours && is_live && state.knows_token && knows_session { Ok(()) } else { Err(OTHER) }
    }

    /// Nothing is signed with the present token any more.
    pub(super) fn expire(&self) {
        self.state().live.clear();
    }
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/oauth/live_session_token", post(give))
}

async fn give(Extracted(shared): Extracted<Arc<Shared>>, uri: OriginalUri, request: Request) -> Response {
    let Some(oauth) = &shared.oauth else { return StatusCode::NOT_FOUND.into_response() };
    match oauth.give(&Signed::of(&request, &uri)) {
        Ok(given) => {
            if oauth.state().ends_session {
                shared.state().authenticated = false;
            }
            Json(given).into_response()
        }
        Err(refusal) => refused(refusal),
    }
}

/// Lets nobody in whose signature is not right.
pub(super) async fn guard(
    Extracted(shared): Extracted<Arc<Shared>>,
    uri: OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    let Some(oauth) = shared.oauth.as_ref().filter(|_| uri.path() != TOKEN_PATH) else {
        return next.run(request).await;
    };
    let signed = Signed::of(&request, &uri);
    let verdict = if uri.path().ends_with("/ws") {
        let cookie = request.headers().get("cookie").and_then(|cookie| cookie.to_str().ok());
        oauth.let_stream_in(&signed, cookie.unwrap_or_default())
    } else {
        oauth.let_in(&signed)
    };
    match verdict {
        Ok(()) => next.run(request).await,
        Err(refusal) => refused(refusal),
    }
}

impl IbkrWebVenue {
    /// Starts the broker's own servers in the place of a gateway, held against the official document where it is on this
    /// machine.
    pub async fn start_oauth() -> Self {
        Self::start_with(specification(), Some(OAuth::new(false))).await
    }

    /// The same without a document and without queries in what is signed, for clients of third parties.
    pub async fn start_oauth_lenient() -> Self {
        Self::start_with(None, Some(OAuth::new(true))).await
    }

    /// Whether it stands in the place of a gateway.
    #[must_use]
    pub fn is_oauth(&self) -> bool {
        self.shared.oauth.is_some()
    }

    fn oauth(&self) -> &OAuth {
        self.shared.oauth.as_ref().expect("a venue of start_oauth")
    }

    /// The trader's credentials. A field can be changed by naming it again.
    #[must_use]
    pub fn credentials(&self, changes: &[(&str, &str)]) -> Credentials {
        let names = [
            "consumer_key",
            "access_token",
            "access_token_secret",
            "signature_key",
            "encryption_key",
            "dh_parameters",
        ];
        let own = names.map(|name| (name, self.key(name)));
        let all = own.iter().map(|(name, text)| (*name, text.as_str())).chain(changes.iter().copied());
        all.map(|(name, text)| (name.to_owned(), SecretString::from(text))).collect()
    }

    /// One of the test keys.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        self.oauth().text_of(name).to_owned()
    }

    /// From now on a new live session token ends the ones before.
    pub fn end_tokens_with_tokens(&self) {
        self.oauth().state().ends_tokens = true;
    }

    /// The present live session token signs nothing any more.
    pub fn expire_live_token(&self) {
        self.oauth().expire();
    }

    /// How long live session tokens live from now on.
    pub fn set_live_token_life(&self, life: Duration) {
        self.oauth().state().life = life;
    }

    /// From now on a new live session token ends the trading session.
    pub fn end_sessions_with_tokens(&self) {
        self.oauth().state().ends_session = true;
    }

    /// How many live session tokens were given.
    #[must_use]
    pub fn live_tokens(&self) -> usize {
        self.oauth().state().given
    }

    /// Refuses to give another live session token; those that are given stay good.
    pub fn give_no_more_tokens(&self) {
        self.oauth().state().gives = false;
    }

    /// The trader switched OAuth access off, or it is not switched on yet.
    pub fn forget_consumer(&self) {
        let mut state = self.oauth().state();
        (state.knows_consumer, state.live) = (false, Vec::new());
    }

    /// The trader had another access token made.
    pub fn revoke_token(&self) {
        let mut state = self.oauth().state();
        (state.knows_token, state.live) = (false, Vec::new());
    }
}
