//! The whole program over a real store, a real engine and the real paper venue, without the network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking
#![allow(dead_code)] // every test binary uses its own part of this

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use atomik_brokers::paper::PaperVenue;
use atomik_domain::{BrokerId, UnixMicros};
use atomik_engine::{Engine, EngineParts, EngineSettings};
use atomik_http::{AppState, HttpSettings, PasswordCost};
use atomik_ports::directory::Registration;
use atomik_ports::{BrokerConnector, Clock, RateLimiter, Store, SystemClock};
use atomik_storage::seal::Seal;
use atomik_storage::sqlite::SqliteStore;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};
use axum::response::Response;
use http_body_util::BodyExt;
use secrecy::SecretSlice;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

/// A password that is good enough.
pub const PASSWORD: &str = "correct horse battery";

/// The machine's clock, moved by what a test says.
#[derive(Default)]
pub struct MovableClock(AtomicI64);

impl MovableClock {
    /// Moves the clock.
    pub fn advance_s(&self, seconds: i64) {
        self.0.fetch_add(seconds * UnixMicros::SECOND, Ordering::SeqCst);
    }
}

impl Clock for MovableClock {
    fn now(&self) -> UnixMicros {
        SystemClock.now().plus(self.0.load(Ordering::SeqCst))
    }
}

/// The program.
pub struct TestApp {
    pub router: Router,
    pub state: AppState,
    pub clock: Arc<MovableClock>,
    pub store: Arc<dyn Store>,
    pub data_dir: TempDir,
}

impl TestApp {
    /// With open registration, over http.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With settings of the test's own.
    pub async fn start_with(change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::start_at(BTreeMap::new(), change).await
    }

    /// With other brokers beside the paper one.
    pub async fn start_at(
        connectors: BTreeMap<BrokerId, Arc<dyn BrokerConnector>>,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        Self::start_of(connectors, None, change).await
    }

    /// With a limiter that counts the rate of webhooks.
    pub async fn start_limited(limiter: Arc<dyn RateLimiter>) -> Self {
        Self::start_of(BTreeMap::new(), Some(limiter), |_| {}).await
    }

    async fn start_of(
        mut connectors: BTreeMap<BrokerId, Arc<dyn BrokerConnector>>,
        rate_limiter: Option<Arc<dyn RateLimiter>>,
        change: impl FnOnce(&mut HttpSettings),
    ) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(MovableClock::default());
        let store = SqliteStore::open(data_dir.path(), clock.now()).await.unwrap();
        let seal = Seal::new(SecretSlice::from(vec![9; 32])).unwrap();
        let store: Arc<dyn Store> = Arc::new(store.with_seal(seal).await.unwrap());
        let paper = PaperVenue::open(data_dir.path(), Arc::clone(&clock) as Arc<dyn Clock>, 7).await.unwrap();
        let paper: Arc<dyn BrokerConnector> = Arc::new(paper);
        connectors.insert(BrokerId("paper".to_owned()), paper);
        let engine = Engine::start(EngineParts {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            connectors,
            settings: EngineSettings::default(),
            cluster: None,
            rate_limiter,
        })
        .await
        .unwrap();
        let mut settings = HttpSettings {
            public_url: "http://localhost:8080".to_owned(),
            registration: Registration::Open,
            trusted_proxies: Vec::new(),
            secure_cookies: false,
            session_key: SecretSlice::from(vec![7; 32]),
            password_cost: PasswordCost { memory_kib: 8, passes: 1, lanes: 1 },
            dashboard: atomik_http::dashboard::Dashboard::default(),
            metrics: None,
        };
        change(&mut settings);
        let state = AppState::new(engine, Arc::clone(&store), settings);
        let router = atomik_http::app(state.clone());
        Self { router, state, clock, store, data_dir }
    }

    /// Somebody who is not signed in.
    pub fn anonymous(&self) -> Client {
        Client {
            router: self.router.clone(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            bearer: None,
            cookie: None,
            csrf: None,
        }
    }

    /// Registers a user; the first one becomes administrator on plan `unlimited`.
    pub async fn register(&self, email: &str) -> Reply {
        let body = json!({"email": email, "password": PASSWORD});
        self.anonymous().post("/api/v1/auth/register", body).await
    }

    /// A browser that is signed in as a user who registers now.
    pub async fn browser(&self, email: &str) -> Client {
        self.register(email).await.expect(201);
        self.log_in(email).await
    }

    /// A browser that signs in.
    pub async fn log_in(&self, email: &str) -> Client {
        let mut client = self.anonymous();
        let body = json!({"email": email, "password": PASSWORD});
        let reply = client.post("/api/v1/auth/login", body).await.expect(200);
        client.cookie = Some(reply.cookie());
        client.csrf = reply.body["csrf_token"].as_str().map(str::to_owned);
        client
    }

    /// A program with an API key of a user who registers now.
    pub async fn program(&self, email: &str) -> Client {
        let browser = self.browser(email).await;
        let made = browser.post("/api/v1/api-keys", json!({"name": "tests"})).await.expect(201);
        Client { bearer: made.body["key"].as_str().map(str::to_owned), ..self.anonymous() }
    }
}

/// Somebody who sends requests.
#[derive(Clone)]
pub struct Client {
    pub router: Router,
    pub address: IpAddr,
    pub bearer: Option<String>,
    pub cookie: Option<String>,
    pub csrf: Option<String>,
}

impl Client {
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        Reply::read(self.stream(method, path, &[], body).await).await
    }

    /// Sends anything, and gives the answer back before its body is read.
    pub async fn stream(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", "application/json");
        let bearer = self.bearer.as_ref().map(|key| format!("Bearer {key}"));
        let own = [("authorization", &bearer), ("cookie", &self.cookie), ("x-csrf-token", &self.csrf)];
        for (name, value) in own {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(self.address, 40_000)));
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks again and again until an answer is as wanted; panics after ten seconds.
    pub async fn get_until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let reply = self.get(path).await.expect(200);
            if wanted(&reply.body) {
                return reply.body;
            }
            assert!(Instant::now() < deadline, "{path} still says {:#}", reply.body);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null where the body is no JSON.
    pub body: Value,
}

impl Reply {
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: parts.status.as_u16(), headers: parts.headers, text, body }
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The answer, which must be this error.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        let reply = self.expect(status);
        assert_eq!(reply.body["code"], code, "{}", reply.text);
        assert!(reply.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        reply
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `name=value` of the cookie that was set.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    pub fn id(&self) -> i64 {
        self.body["id"].as_i64().unwrap()
    }
}
