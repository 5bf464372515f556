//! One login: its token, its limits, and every request.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atomik_ports::Clock;
use atomik_ports::broker::BrokerError;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::credentials::{Grant, Login};
use super::login::{self, OAuthRequest, PasswordRequest, Token};
use super::registry::{Key, Refusals};
use super::replies::{AccessToken, OAuthToken, Penalty};
use super::rules::LOCKOUT;
use crate::wire::{Answer, Budget, Endpoint, Sent, Wire};

/// A penalty up to this long is waited out where it is met; a longer one is for the caller to wait.
const SHORT_PENALTY: Duration = Duration::from_secs(5);
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(30);
/// How long after a failed renewal the next is tried, while the token still lives.
const NEXT_RENEWAL: Duration = Duration::from_secs(4 * 60);
/// A first guess at how long to wait where the venue could not be reached.
const RETRY: Duration = Duration::from_secs(1);

/// How many requests of one login leave in a minute. Orders and questions have a share each, so that questions never keep
/// an order from leaving.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Orders and cancels.
    pub orders_per_minute: u32,
    /// Everything else.
    pub questions_per_minute: u32,
}

impl Default for RequestLimits {
    /// Together 80 a minute, which users of the venue report to be its limit, and 4,800 an hour of the documented 5,000.
    fn default() -> Self {
        Self { orders_per_minute: 40, questions_per_minute: 40 }
    }
}

/// Why an order or a cancel has no answer that could be read.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was not handled.
    NotSent { reason: String, retry_after: Duration },
    /// It was refused.
    Refused(String),
    /// Nobody knows.
    Unknown(String),
}

/// What a session is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub key: Key,
    pub wire: Wire,
    pub base: Endpoint,
    pub login: Login,
    pub app_id: String,
    pub device_id: String,
    pub redirect_uri: Option<String>,
    pub limits: RequestLimits,
    pub refusals: Arc<Refusals>,
}

/// See the module.
pub(super) struct Session {
    parts: Parts,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Arc<Token>>>,
    /// Held by the one who logs in or renews.
    flight: tokio::sync::Mutex<Flight>,
    orders: Budget,
    questions: Budget,
    renewals: Budget,
    /// How often a 401 may begin a new session: one that means a missing permission must not close others by it.
    begun_again: Budget,
    /// Whether the last order was answered with 401.
    denied: AtomicBool,
}

#[derive(Debug, Default)]
struct Flight {
    not_before: Option<Instant>,
    refresh_token: Option<SecretString>,
    code_used: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// A session that has not logged in.
    pub fn new(parts: Parts, clock: Arc<dyn Clock>) -> Self {
        let minute = Duration::from_secs(60);
        Self {
            orders: Budget::new(parts.limits.orders_per_minute, minute),
            questions: Budget::new(parts.limits.questions_per_minute, minute),
            // The venue takes 15 an hour.
            renewals: Budget::new(12, Duration::from_secs(3_600)),
            begun_again: Budget::new(2, Duration::from_secs(300)),
            denied: AtomicBool::new(false),
            parts,
            clock,
            current: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, token: Option<Arc<Token>>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// A token that is good now.
    ///
    /// # Errors
    /// As a login's.
    pub async fn token(&self) -> Result<Arc<Token>, BrokerError> {
        match self.current().filter(|token| Instant::now() + MARGIN < token.expires_at) {
            Some(token) => Ok(token),
            None => self.freshen().await,
        }
    }

    /// Renews the token where its time has come, or logs in. However many ask, one request leaves.
    ///
    /// # Errors
    /// As a login's.
    pub async fn freshen(&self) -> Result<Arc<Token>, BrokerError> {
        let mut flight = self.flight.lock().await;
        let now = Instant::now();
        let alive = self.current().filter(|token| now + MARGIN < token.expires_at);
        if let Some(token) = alive {
            if now < token.renew_at || flight.not_before.is_some_and(|at| now < at) {
                return Ok(token);
            }
            return match self.renew(&token).await {
                Ok(token) => Ok(self.take(token, &mut flight)),
                // It lives on until its end, and then there is a login.
                Err(error) => {
                    tracing::info!(%error, "Tradovate did not renew an access token");
                    flight.not_before = Some(now + NEXT_RENEWAL);
                    Ok(token)
                }
            };
        }
        let token = self.log_in(&mut flight).await?;
        Ok(self.take(token, &mut flight))
    }

    fn take(&self, token: Token, flight: &mut Flight) -> Arc<Token> {
        let token = Arc::new(token);
        flight.not_before = None;
        self.set(Some(Arc::clone(&token)));
        token
    }

    /// Keeps the token fresh, for as long as anybody polls this.
    pub async fn keep_alive(&self) {
        loop {
            let token = self.current();
            let at = token.map_or_else(|| Instant::now() + NEXT_RENEWAL, |token| token.renew_at);
            tokio::time::sleep_until(at.max(Instant::now() + RETRY)).await;
            if self.freshen().await.is_err() {
                tokio::time::sleep(NEXT_RENEWAL).await;
            }
        }
    }

    /// Forgets a token that the venue does not take any more; whether another one may be had.
    fn drop_token(&self, stale: &Arc<Token>) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !current.as_ref().is_some_and(|token| Arc::ptr_eq(token, stale)) {
            return true;
        }
        let may = self.begun_again.take().is_ok();
        if may {
            *current = None;
        }
        may
    }

    async fn renew(&self, token: &Token) -> Result<Token, BrokerError> {
        self.renewals.take().map_err(|_| unavailable("renewals are used up"))?;
        let request = self.request(Method::GET, "/auth/renewaccesstoken", Some(token), None)?;
        let answer = self.parts.wire.send("GET /auth/renewaccesstoken", request).await.answer()?;
        if let Some(penalty) = penalty(&answer) {
            return Err(unavailable(&format!("a penalty of {} s", penalty.seconds.unwrap_or_default())));
        }
        let token: AccessToken = success(&answer)?;
        login::read(token, &self.parts.login, self.clock.now())
    }

    async fn log_in(&self, flight: &mut Flight) -> Result<Token, BrokerError> {
        self.parts.refusals.check(&self.parts.key)?;
        let token = match &self.parts.login {
            Login::Password { .. } => self.log_in_by_password().await,
            Login::OAuth { client_id, client_secret, grant } => {
                self.log_in_by_oauth((client_id, client_secret), grant, flight).await
            }
        };
        if let Err(error) = &token {
            self.parts.refusals.note(self.parts.key, error);
        }
        token
    }

    async fn log_in_by_password(&self) -> Result<Token, BrokerError> {
        let Login::Password { username, password, cid, sec } = &self.parts.login else {
            return Err(unavailable("no password"));
        };
        let body = |ticket: Option<&str>| {
            serde_json::to_string(&PasswordRequest {
                name: username.expose_secret(),
                password: password.expose_secret(),
                app_id: &self.parts.app_id,
                app_version: env!("CARGO_PKG_VERSION"),
                cid: cid.expose_secret(),
                sec: sec.expose_secret(),
                device_id: &self.parts.device_id,
                ticket,
            })
        };
        let answer = self.ask_for_token("/auth/accesstokenrequest", body).await?;
        login::read(success(&answer)?, &self.parts.login, self.clock.now())
    }

    async fn log_in_by_oauth(
        &self,
        client: (&SecretString, &SecretString),
        grant: &Grant,
        flight: &mut Flight,
    ) -> Result<Token, BrokerError> {
        let renewed = flight.refresh_token.clone();
        let (kind, secret) = match (renewed.as_ref(), grant) {
            (Some(token), _) | (None, Grant::Refresh(token)) => ("refresh_token", token),
            (None, Grant::Code(_)) if flight.code_used => {
                return Err(login::oauth_refused(
                    "an authorization code is good once, and this one was used",
                ));
            }
            (None, Grant::Code(code)) => ("authorization_code", code),
        };
        let by_code = kind == "authorization_code";
        // Whatever becomes of this, the code is spent.
        flight.code_used |= by_code;
        let body = |ticket: Option<&str>| {
            serde_json::to_string(&OAuthRequest {
                grant_type: kind,
                code: by_code.then(|| secret.expose_secret()),
                redirect_uri: self.parts.redirect_uri.as_deref().filter(|_| by_code),
                refresh_token: (!by_code).then(|| secret.expose_secret()),
                client_id: client.0.expose_secret(),
                client_secret: client.1.expose_secret(),
                ticket,
            })
        };
        let answer = self.ask_for_token("/auth/oauthtoken", body).await?;
        // OAuth's errors come with their own status as well.
        let read: OAuthToken = answer.json().map_err(|_| unreadable(&answer))?;
        let (token, next) = login::read_oauth(read, &self.parts.login)?;
        if next.is_some() {
            flight.refresh_token = next;
        }
        Ok(token)
    }

    /// Sends a login, and once more with the ticket of a short penalty.
    async fn ask_for_token(
        &self,
        path: &'static str,
        body: impl Fn(Option<&str>) -> serde_json::Result<String>,
    ) -> Result<Answer, BrokerError> {
        let written =
            |ticket: Option<&str>| body(ticket).map_err(|_| unavailable("the login cannot be written"));
        let mut text = written(None)?;
        for try_number in 0..2 {
            let request = self.request(Method::POST, path, None, Some(text))?;
            let answer = self.parts.wire.send(path, request).await.answer()?;
            if matches!(answer.status, 423 | 429) {
                self.parts.refusals.gate.pause(LOCKOUT);
                return Err(unavailable("it takes no logins from this address for an hour"));
            }
            let Some(penalty) = penalty(&answer) else { return Ok(answer) };
            let wait = penalty_time(&penalty);
            if penalty.captcha || wait > SHORT_PENALTY || try_number > 0 {
                self.parts.refusals.gate.pause(wait);
                return Err(unavailable(&format!("it wants {} s before the next login", wait.as_secs())));
            }
            tokio::time::sleep(wait).await;
            text = written(Some(penalty.ticket.expose_secret()))?;
        }
        Err(unavailable("it answered with penalties only"))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<String>,
    ) -> Result<Request, BrokerError> {
        let url: Url = self.parts.base.join(path)?;
        let mut request = Request::new(method, url);
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token.bearer.clone());
        }
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.into());
        }
        *request.timeout_mut() = Some(self.parts.wire.policy().answer_timeout);
        Ok(request)
    }

    /// Asks a question; `None` where the venue has no such thing. `path` may have a query.
    ///
    /// # Errors
    /// Where there is no answer that can be read.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, BrokerError> {
        let answer = self.question(Method::GET, path, None).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        success(&answer).map(Some)
    }

    /// Asks for something that is there.
    ///
    /// # Errors
    /// Where there is no answer that can be read, or it is not there.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BrokerError> {
        self.find(path).await?.ok_or_else(|| unavailable("it does not know what it was asked for (404)"))
    }

    /// Asks a question that has a body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn ask<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, BrokerError> {
        success(&self.question(Method::POST, path, Some(body)).await?)
    }

    /// A question may be asked again: it changes nothing. It is, once, where the token was no longer taken.
    async fn question(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, BrokerError> {
        let route = path.split('?').next().unwrap_or(path);
        for try_number in 0..2 {
            let token = self.token().await?;
            self.questions.take().map_err(|pause| {
                unavailable(&format!("questions are used up for {} s", pause.as_secs() + 1))
            })?;
            let request = self.request(method.clone(), path, Some(&token), body.clone())?;
            let answer = self.parts.wire.send(route, request).await.answer()?;
            match answer.status {
                401 if try_number == 0 && self.drop_token(&token) => {}
                401 | 403 => {
                    return Err(BrokerError::Unauthorized(format!(
                        "Tradovate does not let this login ask for {route} ({}). Check the permissions of the API key.",
                        answer.status
                    )));
                }
                423 | 429 => {
                    self.lock_out();
                    return Err(unavailable("too many requests; it wants an hour of silence"));
                }
                _ => {
                    if let Some(penalty) = penalty(&answer) {
                        let wait = penalty_time(&penalty);
                        self.questions.pause(wait);
                        return Err(unavailable(&format!(
                            "it wants {} s before the next question",
                            wait.as_secs()
                        )));
                    }
                    return Ok(answer);
                }
            }
        }
        Err(unavailable("it takes no token"))
    }

    /// Nothing leaves for an hour: what does would make it longer.
    fn lock_out(&self) {
        self.orders.pause(LOCKOUT);
        self.questions.pause(LOCKOUT);
    }

    /// Sends an order or a cancel, once. `body` writes it, with the ticket of a penalty where there was one.
    ///
    /// # Errors
    /// Where there is no answer with status 200, or that is a penalty.
    pub async fn act(
        &self,
        path: &'static str,
        body: impl Fn(Option<&str>) -> Result<String, String>,
    ) -> Result<Answer, Failed> {
        let not_sent = |reason: String, retry_after| Failed::NotSent { reason, retry_after };
        let mut text = body(None).map_err(Failed::Refused)?;
        for try_number in 0..2 {
            let token = self.token().await.map_err(|error| not_sent(error.to_string(), RETRY * 5))?;
            self.orders
                .take()
                .map_err(|pause| not_sent("Tradovate's request limit is used up".to_owned(), pause))?;
            let request = self.request(Method::POST, path, Some(&token), Some(text));
            let request = request.map_err(|error| not_sent(error.to_string(), RETRY))?;
            let answer = match self.parts.wire.send(path, request).await {
                Sent::Answered(answer) => answer,
                Sent::NotSent(reason) => return Err(not_sent(reason, RETRY)),
                Sent::Unknown(evidence) => return Err(Failed::Unknown(evidence)),
            };
            self.judge(&answer, &token)?;
            let Some(penalty) = penalty(&answer) else { return Ok(answer) };
            let wait = penalty_time(&penalty);
            let reason =
                format!("Tradovate did not handle it and wants {} s before the next try", wait.as_secs());
            if penalty.captcha {
                self.lock_out();
            }
            if penalty.captcha || wait > SHORT_PENALTY || try_number > 0 {
                return Err(not_sent(reason, wait));
            }
            tokio::time::sleep(wait).await;
            text = body(Some(penalty.ticket.expose_secret())).map_err(Failed::Refused)?;
        }
        Err(not_sent("Tradovate answered with penalties only".to_owned(), SHORT_PENALTY))
    }

    /// What an answer's status proves.
    fn judge(&self, answer: &Answer, token: &Arc<Token>) -> Result<(), Failed> {
        match answer.status {
            200..300 => {
                self.denied.store(false, Ordering::Relaxed);
                Ok(())
            }
            // A request that is not authorized is not handled: with a new token it may be. Where a new one is not taken
            // either, the login lacks the right.
            401 if !self.denied.swap(true, Ordering::Relaxed) => {
                self.drop_token(token);
                let reason = "Tradovate no longer took the access token".to_owned();
                Err(Failed::NotSent { reason, retry_after: RETRY })
            }
            401 | 403 => Err(Failed::Refused(format!(
                "Tradovate does not let this login trade ({}). Check that the API key may place orders, that the \
                     account is active, and that device_id is the one it was first used with.",
                answer.status
            ))),
            423 | 429 => {
                self.lock_out();
                let reason = format!("Tradovate counted too many requests ({})", answer.status);
                Err(Failed::NotSent { reason, retry_after: LOCKOUT })
            }
            400 | 404 | 405 | 415 | 422 => {
                Err(Failed::Refused(format!("Tradovate cannot read the request: {}", answer.quoted())))
            }
            _ => Err(Failed::Unknown(format!("Tradovate answered {}", answer.quoted()))),
        }
    }
}

fn penalty(answer: &Answer) -> Option<Penalty> {
    answer.is_success().then(|| answer.json().ok()).flatten()
}

fn penalty_time(penalty: &Penalty) -> Duration {
    let told = penalty.seconds.map_or(SHORT_PENALTY, Duration::from_secs).min(LOCKOUT);
    if penalty.captcha { LOCKOUT } else { told }
}

fn success<T: DeserializeOwned>(answer: &Answer) -> Result<T, BrokerError> {
    match answer.status {
        200..300 => answer.json().map_err(|_| unreadable(answer)),
        401 | 403 => Err(login::refused(&format!("status {}", answer.status))),
        status => Err(unavailable(&format!("it answered with status {status}"))),
    }
}

/// Never with the body: it may hold a token.
fn unreadable(answer: &Answer) -> BrokerError {
    unavailable(&format!("its answer ({}) cannot be read", answer.status))
}

fn unavailable(what: &str) -> BrokerError {
    BrokerError::Unavailable(format!("Tradovate: {what}."))
}
