//! The live session token: held, asked for, and followed by another before it ends.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use aws_lc_rs::rand;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, Request, Url};
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use tokio::time::Instant;

use super::exchange::{EXPONENT, LiveToken};
use super::keys::Keys;
use super::refusal;
use super::signing::{Moment, signed, signed_challenge};
use crate::interactive_brokers::web::gateway::Pace;
use crate::wire::Wire;

/// What asks for a token.
pub(in super::super) const PATH: &str = "/oauth/live_session_token";
/// How long a token lives: a day, as the document says.
const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A token that may be used.
#[derive(Clone)]
pub struct Live {
    /// Which one it is, of those that this session had.
    pub number: u64,
    token: LiveToken,
    renew_at: Instant,
    ends_at: Instant,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    given: u64,
    /// The last request's time. The broker wants it never to go back.
    last_time: i64,
}

/// What a connection is signed with.
pub struct OAuthSession {
    keys: Keys,
    clock: Arc<dyn Clock>,
    url: Url,
    pace: Pace,
    state: Mutex<State>,
    /// One request for a token at a time; whoever waits takes what comes of it.
    asking: tokio::sync::Mutex<()>,
}

impl fmt::Debug for OAuthSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OAuthSession")
    }
}

/// The answer to a challenge.
#[derive(Deserialize)]
struct Given {
    diffie_hellman_response: String,
    live_session_token_signature: String,
    live_session_token_expiration: i64,
}

impl OAuthSession {
    /// A session without a token yet, which is asked for at `url`.
    pub fn new(keys: Keys, clock: Arc<dyn Clock>, url: Url, pace: Pace) -> Self {
        Self { keys, clock, url, pace, state: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The access token, which opens the stream.
    pub fn access_token(&self) -> &str {
        self.keys.access_token()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token in use.
    pub fn live(&self) -> Option<Live> {
        self.state().live.clone().filter(|live| Instant::now() < live.ends_at)
    }

    /// The token, or a new one where there is none to be used.
    ///
    /// # Errors
    /// Why there is none. Nothing was sent but the request for it.
    pub async fn token(&self, wire: &Wire) -> Result<Live, BrokerError> {
        if let Some(live) = self.live() {
            return Ok(live);
        }
        let _asking = self.asking.lock().await;
        match self.live() {
            Some(live) => Ok(live),
            None => self.ask(wire).await,
        }
    }

    /// Whether it is time for the next token.
    pub fn is_due(&self) -> bool {
        self.state().live.as_ref().is_none_or(|live| Instant::now() >= live.renew_at)
    }

    /// Asks for the next token; the present one is used until it is there.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub async fn renew(&self, wire: &Wire) -> Result<(), BrokerError> {
        let _asking = self.asking.lock().await;
        self.ask(wire).await.map(drop)
    }

    /// Takes a token out of use that the broker refused; whether it was still in use.
    pub fn spoil(&self, number: u64) -> bool {
        self.state().live.take_if(|live| live.number == number).is_some()
    }

    /// Whether the last token was taken out of use, and no other was asked for since.
    pub fn is_spoilt(&self) -> bool {
        let state = self.state();
        state.live.is_none() && state.given > 0
    }

    /// Signs a request, as it is about to leave.
    ///
    /// # Errors
    /// Where this machine has no randomness.
    pub fn sign(&self, live: &Live, request: &mut Request) -> Result<(), BrokerError> {
        let moment = self.moment()?;
        let header = signed(&self.keys, &live.token, request.method().as_str(), request.url(), &moment);
        request.headers_mut().insert(AUTHORIZATION, header.ok_or_else(unusable)?);
        Ok(())
    }

    fn moment(&self) -> Result<Moment, BrokerError> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|_| no_randomness())?;
        let mut state = self.state();
        state.last_time = state.last_time.max(self.clock.now().0 / 1_000_000);
        Ok(Moment::new(random, state.last_time))
    }

    async fn ask(&self, wire: &Wire) -> Result<Live, BrokerError> {
        let mut exponent = Zeroizing::new([0; EXPONENT]);
        rand::fill(exponent.as_mut_slice()).map_err(|_| no_randomness())?;
        let secret = self.keys.secret().ok_or_else(unusable)?;
        let challenge = self.keys.group().challenge(&exponent);
        let header = signed_challenge(&self.keys, &secret, &challenge, &self.url, &self.moment()?);
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers_mut().insert(AUTHORIZATION, header.ok_or_else(unusable)?);
        let asked = Instant::now();
        let answer = wire.send("POST /oauth/live_session_token", request).await.answer()?;
        if !answer.is_success() {
            return Err(refusal::read(&answer));
        }
        let given: Given = answer.json().map_err(BrokerError::Unavailable)?;
        let shared = self.keys.group().shared(&given.diffie_hellman_response, &exponent);
        let shared = shared.map_err(|problem| BrokerError::Unavailable(problem.to_owned()))?;
        let token = shared.token(&secret, self.keys.consumer_key(), &given.live_session_token_signature);
        let token = token.map_err(|_| refusal::another_token())?;
        let said = given.live_session_token_expiration.saturating_sub(self.clock.now().0 / 1_000);
        let life = life(said, self.pace.shortest_token);
        let mut state = self.state();
        state.given += 1;
        let live = Live {
            number: state.given,
            token,
            renew_at: asked + life.saturating_sub(self.pace.renew_before).max(life / 2),
            ends_at: asked + life,
        };
        state.live = Some(live.clone());
        tracing::info!(lives_s = life.as_secs(), "Interactive Brokers gave a live session token");
        Ok(live)
    }
}

/// How long a token lives that is said to end in so many milliseconds. The document calls that time the end of the token in
/// one place, and in another the time when it was made, a day before its end: what has passed, or is further away than a
/// token can live, is a day from now.
fn life(said_ms: i64, shortest: Duration) -> Duration {
    let said = Duration::from_millis(u64::try_from(said_ms).unwrap_or(0));
    if said > shortest && said < LIFE { said } else { LIFE }
}

fn no_randomness() -> BrokerError {
    BrokerError::Unavailable("this machine has no randomness to sign with".to_owned())
}

fn unusable() -> BrokerError {
    BrokerError::Unauthorized("The stored keys cannot be used: enter them again.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_as_long_as_it_says_and_never_longer_than_a_day() {
        let shortest = Duration::from_secs(60);
        for (said_ms, seconds) in [
            (3_600_000, 3_600),
            (61_000, 61),
            (86_399_000, 86_399),
            (86_400_000, 86_400),
            (200_000_000, 86_400),
            (0, 86_400),
            (-5_000, 86_400),
            (60_000, 86_400),
            (i64::MIN, 86_400),
        ] {
            assert_eq!(life(said_ms, shortest), Duration::from_secs(seconds), "{said_ms}");
        }
    }
}
