//! Requests to the gateway, or to the broker's own servers: within the limits, and with an eye on the session.

use std::sync::Arc;
use std::time::Duration;

use atomik_ports::broker::{BrokerError, SubmitOutcome};
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, USER_AGENT};
use reqwest::{Method, Request, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

use super::oauth::OAuthSession;
use super::settings::WebSettings;
use crate::wire::{Answer, Budget, Endpoint, Sent, Wire, WirePolicy};

/// What comes before every path at a gateway.
const PREFIX: &str = "/v1/api";
/// For how long the broker shuts out an address that asked too often.
const PENALTY: Duration = Duration::from_secs(600);
/// How long a question waits for its turn.
const MAX_WAIT: Duration = Duration::from_secs(12);
/// How long to wait before an order that could not leave is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

/// How fast an adapter goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many requests leave in each second. The broker lets ten a second through a gateway; half of that in every
    /// counted second keeps to it in any second.
    pub requests_per_second: u32,
    /// The time between two lists of orders, or of trades.
    pub lists: Duration,
    /// The time between two lists of positions.
    pub holdings: Duration,
    /// The time between two signs of life.
    pub tickle: Duration,
    /// How long before its end a live session token is followed by another. Without a gateway only, as the next.
    pub renew_before: Duration,
    /// A token that is said to end sooner than this is taken for one that was only just made.
    pub shortest_token: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            requests_per_second: 5,
            lists: Duration::from_secs(5),
            holdings: Duration::from_secs(1),
            tickle: Duration::from_secs(55),
            renew_before: Duration::from_secs(30 * 60),
            shortest_token: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The pace without a gateway: the broker lets fifty requests of a user through in a second.
    #[must_use]
    pub fn without_gateway() -> Self {
        Self { requests_per_second: 20, holdings: Duration::from_millis(250), ..Self::default() }
    }
}

/// What is behind the addresses.
enum Door {
    /// A gateway, where the trader signs in.
    Gateway { address: String, loopback: bool },
    /// The broker's own servers, where every request is signed.
    OAuth { session: Box<OAuthSession>, stream: Url },
}

/// Where a stream is.
pub(super) struct StreamPlace {
    /// Its address; it may hold a token.
    pub url: Url,
    /// What opens it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether a certificate that nobody signed will do.
    pub any_certificate: bool,
}

/// The gateway, or what stands in its place, as one connection uses it.
pub(super) struct Gateway {
    wire: Wire,
    base: Endpoint,
    door: Door,
    budget: Budget,
    /// What questions may use of it: there is always room for an order.
    questions: Budget,
    /// Told when the broker says that the session is over.
    pub lost: Notify,
    /// Told when an order found no live session token to be signed with.
    pub wanted: Notify,
}

impl Gateway {
    pub fn new(settings: &WebSettings, policy: WirePolicy, pace: &Pace) -> Result<Self, BrokerError> {
        let wire = if settings.loopback { Wire::for_loopback(policy)? } else { Wire::new(policy)? };
        let base = Endpoint::parse(&format!("{}{PREFIX}", settings.address()), &["https", "http"]);
        let base = base.map_err(|error| BrokerError::Unavailable(error.0))?;
        let door = Door::Gateway { address: settings.address(), loopback: settings.loopback };
        Ok(Self::behind(door, base, wire, pace))
    }

    /// The broker's own servers at `base`, with every request signed by `session`.
    pub fn by_oauth(base: Endpoint, stream: Url, session: OAuthSession, wire: Wire, pace: &Pace) -> Self {
        let door = Door::OAuth { session: Box::new(session), stream };
        Self::behind(door, base, wire, pace)
    }

    fn behind(door: Door, base: Endpoint, wire: Wire, pace: &Pace) -> Self {
        let second = Duration::from_secs(1);
        let budget = Budget::new(pace.requests_per_second, second);
        let questions = Budget::new(pace.requests_per_second.saturating_sub(1).max(1), second);
        Self { wire, base, door, budget, questions, lost: Notify::new(), wanted: Notify::new() }
    }

    pub const fn policy(&self) -> &WirePolicy {
        self.wire.policy()
    }

    /// Whether a session that the broker refused can be had anew without the trader.
    pub const fn renews(&self) -> bool {
        matches!(self.door, Door::OAuth { .. })
    }

    /// Whether the broker refused the live session token that it gave last.
    pub fn is_refused(&self) -> bool {
        matches!(&self.door, Door::OAuth { session, .. } if session.is_spoilt())
    }

    /// Whether there is something to sign requests with.
    pub fn can_sign(&self) -> bool {
        match &self.door {
            Door::Gateway { .. } => true,
            Door::OAuth { session, .. } => session.live().is_some(),
        }
    }

    /// Asks for the next live session token where it is time for it.
    pub async fn renew_if_due(&self) -> Result<(), BrokerError> {
        match &self.door {
            Door::OAuth { session, .. } if session.is_due() => {
                self.turn().await?;
                session.renew(&self.wire).await
            }
            _ => Ok(()),
        }
    }

    /// What the trader has to do where nobody is signed in.
    pub fn log_in(&self) -> BrokerError {
        BrokerError::Unauthorized(match &self.door {
            Door::Gateway { address, .. } => format!(
                "Nobody is signed in at the gateway: log in to the gateway at {address} with a browser, then connect again."
            ),
            Door::OAuth { .. } => "Interactive Brokers gave a live session token and then refused what it signed: look on the \
                 broker's OAuth page whether access is still switched on and the token was not generated anew, and whether \
                 the user may trade."
                .to_owned(),
        })
    }

    /// Whose session it is, as a sentence begins.
    pub const fn user(&self) -> &'static str {
        match self.door {
            Door::Gateway { .. } => "The user who is signed in at the gateway",
            Door::OAuth { .. } => "The user who made these keys",
        }
    }

    /// What the trader does to come with another user.
    pub const fn come_as(&self) -> &'static str {
        match self.door {
            Door::Gateway { .. } => "log in to the gateway with the user",
            Door::OAuth { .. } => "enter keys that were made by the user",
        }
    }

    /// Where the stream is and what opens it.
    pub fn stream(&self, session: &str) -> Result<StreamPlace, BrokerError> {
        let unusable = || BrokerError::Unavailable("the session's name is no header".to_owned());
        let mut cookie = HeaderValue::try_from(format!("api={session}")).map_err(|_| unusable())?;
        cookie.set_sensitive(true);
        let cookie = (COOKIE, cookie);
        match &self.door {
            Door::Gateway { loopback, .. } => {
                let mut url = self.base.join("/ws")?;
                let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
                let no_stream = || BrokerError::Unavailable("the gateway's address has no stream".to_owned());
                url.set_scheme(scheme).map_err(|()| no_stream())?;
                Ok(StreamPlace { url, headers: vec![cookie], any_certificate: *loopback })
            }
            Door::OAuth { session, stream } => {
                let mut url = stream.clone();
                url.query_pairs_mut().append_pair("oauth_token", session.access_token());
                // The broker's servers turn away who does not say what he is.
                let agent = HeaderValue::from_static(concat!("atomik/", env!("CARGO_PKG_VERSION")));
                Ok(StreamPlace { url, headers: vec![cookie, (USER_AGENT, agent)], any_certificate: false })
            }
        }
    }

    pub fn request(&self, method: Method, path: &str, body: Option<String>) -> Result<Request, BrokerError> {
        let mut request = Request::new(method, self.base.join(path)?);
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Bytes::from(body).into());
        }
        Ok(request)
    }

    /// Asks something that changes no order, and reads the answer.
    pub async fn get<T: DeserializeOwned>(&self, route: &str, path: &str) -> Result<T, BrokerError> {
        self.ask(route, Method::GET, path, None).await
    }

    /// Posts something that changes no order, and reads the answer.
    pub async fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<T, BrokerError> {
        self.ask(route, Method::POST, path, body).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        route: &str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, BrokerError> {
        self.turn().await?;
        let request = self.request(method, path, body)?;
        let answer = self.send(route, request).await?.answer()?;
        self.mind(&answer).map_err(|shut| shut.as_error(self))?;
        if let Some(problem) = error_in(&answer) {
            return Err(BrokerError::Unavailable(problem));
        }
        if !answer.is_success() {
            return Err(BrokerError::Unavailable(answer.quoted()));
        }
        answer.json().map_err(BrokerError::Unavailable)
    }

    /// Waits for a question's turn.
    pub async fn turn(&self) -> Result<(), BrokerError> {
        self.room(|| self.questions.take().and_then(|()| self.budget.take())).await
    }

    async fn room(&self, take: impl Fn() -> Result<(), Duration>) -> Result<(), BrokerError> {
        let patience = Instant::now() + MAX_WAIT;
        while let Err(wait) = take() {
            if Instant::now() + wait > patience {
                let text = format!("the broker's rate limit is used up for {} s", wait.as_secs().max(1));
                return Err(BrokerError::Unavailable(text));
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Sends an order, or an answer to a question about one; an answer here was not refused for its session or its haste.
    pub async fn send_order(&self, route: &str, request: Request) -> Result<Answer, SubmitOutcome> {
        let not_sent = |reason| SubmitOutcome::NotSent { reason, retry_after: RETRY_AFTER };
        if !self.can_sign() {
            // An order does not wait here: meanwhile it may have grown too old, or trading been halted.
            self.wanted.notify_one();
            return Err(not_sent("there is no live session token, and one is asked for".to_owned()));
        }
        let sent = self.send(route, request).await.map_err(|error| not_sent(error.to_string()))?;
        let answer = sent.answer_to_order(RETRY_AFTER)?;
        self.mind(&answer).map_err(|shut| shut.as_outcome(self))?;
        Ok(answer)
    }

    /// As [`Self::send_order`], out of the present second's budget.
    pub async fn send_order_now(&self, route: &str, request: Request) -> Result<Answer, SubmitOutcome> {
        if let Err(retry_after) = self.budget.take() {
            let reason = "the broker's rate limit is used up".to_owned();
            return Err(SubmitOutcome::NotSent { reason, retry_after });
        }
        self.send_order(route, request).await
    }

    /// Sends a cancel.
    pub async fn send_cancel(&self, route: &str, request: Request) -> Result<Answer, String> {
        self.room(|| self.budget.take()).await.map_err(|error| error.to_string())?;
        let answer = match self.send(route, request).await.map_err(|error| error.to_string())? {
            Sent::Answered(answer) => answer,
            Sent::NotSent(reason) | Sent::Unknown(reason) => return Err(reason),
        };
        self.mind(&answer).map_err(|shut| shut.as_error(self).to_string())?;
        Ok(answer)
    }

    /// Sends a request once, signed where that is needed.
    ///
    /// # Errors
    /// Why it did not leave: there is nothing to sign it with.
    async fn send(&self, route: &str, mut request: Request) -> Result<Sent, BrokerError> {
        let Door::OAuth { session, .. } = &self.door else { return Ok(self.wire.send(route, request).await) };
        let live = session.token(&self.wire).await?;
        session.sign(&live, &mut request)?;
        let sent = self.wire.send(route, request).await;
        // Not for what was signed with the token before: there is a new one already.
        if matches!(&sent, Sent::Answered(answer) if answer.status == 401) && session.spoil(live.number) {
            self.lost.notify_one();
        }
        Ok(sent)
    }

    /// What an answer says of the session and of our haste. None of these handled the request.
    fn mind(&self, answer: &Answer) -> Result<(), Shut> {
        match answer.status {
            401 => {
                if !self.renews() {
                    self.lost.notify_one();
                }
                Err(Shut::SignedOut)
            }
            403 => Err(Shut::Barred),
            400..500 if error_in(answer).is_some_and(|error| error.contains("no bridge")) => {
                self.lost.notify_one();
                Err(Shut::NoSession)
            }
            429 => {
                let pause = answer.retry_after(PENALTY);
                self.budget.pause(pause);
                Err(Shut::Penalty(pause))
            }
            _ => Ok(()),
        }
    }
}

/// Why the broker did not handle a request.
enum Shut {
    SignedOut,
    /// Somebody is signed in, and the trading session has ended.
    NoSession,
    Barred,
    Penalty(Duration),
}

impl Shut {
    fn as_error(&self, gateway: &Gateway) -> BrokerError {
        match self {
            Self::SignedOut if gateway.renews() => BrokerError::Unavailable(
                "it takes the live session token no longer (401), and is asked for another".to_owned(),
            ),
            Self::SignedOut => gateway.log_in(),
            Self::NoSession => BrokerError::Unavailable(
                "the trading session ended (no bridge), and another one is begun".to_owned(),
            ),
            Self::Barred => BrokerError::Unauthorized(match gateway.door {
                Door::Gateway { .. } => {
                    "The gateway refuses this machine's address: add it to ips.allow in the gateway's root/conf.yaml."
                        .to_owned()
                }
                Door::OAuth { .. } => "Interactive Brokers refuses the request (403): the user lacks the permission for it, or \
                     this machine's address is shut out."
                    .to_owned(),
            }),
            Self::Penalty(pause) => BrokerError::Unavailable(format!(
                "the broker took no request because too many came, and takes none for {} s",
                pause.as_secs()
            )),
        }
    }

    fn as_outcome(&self, gateway: &Gateway) -> SubmitOutcome {
        let retry_after = match self {
            Self::Penalty(pause) => *pause,
            _ => RETRY_AFTER,
        };
        SubmitOutcome::NotSent { reason: self.as_error(gateway).to_string(), retry_after }
    }
}

/// The error that an answer carries instead of what was asked for, whatever its status.
fn error_in(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        error: Option<String>,
    }
    serde_json::from_slice::<Error>(&answer.body).ok()?.error.filter(|error| !error.is_empty())
}

/// A list that may be asked for once in a while: whoever asks in the meantime waits for the next one together.
pub(super) struct Paced<T> {
    budget: Budget,
    last: Mutex<Option<(Instant, Arc<T>)>>,
}

impl<T> Paced<T> {
    pub fn new(every: Duration) -> Self {
        Self { budget: Budget::new(1, every), last: Mutex::new(None) }
    }

    /// A list that was asked for at `since` or later.
    pub async fn since<F>(&self, since: Instant, fetch: F) -> Result<Arc<T>, BrokerError>
    where
        F: AsyncFnOnce() -> Result<T, BrokerError>,
    {
        let mut last = self.last.lock().await;
        if let Some((asked, list)) = &*last
            && *asked >= since
        {
            return Ok(Arc::clone(list));
        }
        self.turn().await;
        let asked = Instant::now();
        let list = Arc::new(fetch().await?);
        *last = Some((asked, Arc::clone(&list)));
        Ok(list)
    }

    /// Waits for the list's turn: never longer than the time between two.
    async fn turn(&self) {
        while let Err(wait) = self.budget.take() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Does something that counts as asking for the list.
    pub async fn instead<F>(&self, fetch: F) -> Result<(), BrokerError>
    where
        F: AsyncFnOnce() -> Result<(), BrokerError>,
    {
        let _last = self.last.lock().await;
        self.turn().await;
        fetch().await
    }
}
