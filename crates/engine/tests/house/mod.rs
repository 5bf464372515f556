//! A whole engine in a box: the real embedded store behind a wrapper that can fail, a clock that is set by hand, and a
//! venue that counts.

// Each test program uses its own part of this.
#![allow(dead_code)]

pub mod cluster;
pub mod faulty;
pub mod venue;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use atomik_domain::{BrokerId, Code, UnixMicros};
use atomik_engine::engine::EngineParts;
use atomik_engine::{Answer, Engine, EngineSettings, Inbound};
use atomik_ports::directory::WebhookPatch;
use atomik_ports::history::{Delivery, DeliveryFilter, History, SignalRecord, TradeFilter};
use atomik_ports::{BrokerConnector, Clock, Directory, PageRequest, RateLimiter, Store};
use atomik_storage::sqlite::SqliteStore;
use atomik_testkit::builders::{self, START, Tenant};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::Instant;

use cluster::SoloCluster;
use faulty::FaultyStore;

/// The webhook's secret: 64 hex digits, as they are made.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// An address on the webhook's list.
pub const SENDER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));
/// The newest rows, as many as a page has.
pub const ALL: PageRequest = PageRequest { limit: 200, before: None };

/// A clock that is set by hand.
#[derive(Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// Moves it.
    pub fn pass_us(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixMicros {
        START.plus(self.0.load(Ordering::SeqCst))
    }
}

/// The box.
pub struct House {
    pub engine: Arc<Engine>,
    pub store: Arc<FaultyStore>,
    pub clock: Arc<HandClock>,
    pub tenant: Tenant,
    _dir: TempDir,
}

impl House {
    /// One tenant with one of everything, no venue.
    pub async fn new() -> Self {
        Self::with(EngineSettings::default(), None).await
    }

    /// The same with other settings, and with a venue where there is one.
    pub async fn with(settings: EngineSettings, venue: Option<Arc<dyn BrokerConnector>>) -> Self {
        Self::of(settings, venue, None, None).await
    }

    /// A node among others, with a venue.
    pub async fn among_others(venue: Arc<dyn BrokerConnector>) -> (Self, Arc<SoloCluster>) {
        let cluster = Arc::new(SoloCluster::default());
        let house = Self::of(EngineSettings::default(), Some(venue), None, Some(Arc::clone(&cluster))).await;
        (house, cluster)
    }

    /// With a limiter that counts the rate of webhooks, and no venue.
    pub async fn limited(settings: EngineSettings, limiter: Arc<dyn RateLimiter>) -> Self {
        Self::of(settings, None, Some(limiter), None).await
    }

    async fn of(
        settings: EngineSettings,
        venue: Option<Arc<dyn BrokerConnector>>,
        rate_limiter: Option<Arc<dyn RateLimiter>>,
        cluster: Option<Arc<SoloCluster>>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let inner = SqliteStore::open(dir.path(), START).await.unwrap();
        let store = Arc::new(FaultyStore::new(inner));
        let tenant = builders::tenant(store.as_ref(), "ann").await.unwrap();
        let clock = Arc::new(HandClock::default());
        let connectors: BTreeMap<_, _> =
            venue.into_iter().map(|venue| (BrokerId("paper".to_owned()), venue)).collect();
        let parts = EngineParts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            connectors,
            settings,
            cluster: cluster.map(|cluster| cluster.parts(&store)),
            rate_limiter,
        };
        let engine = Engine::start(parts).await.unwrap();
        let house = Self { engine, store, clock, tenant, _dir: dir };
        house.patch(WebhookPatch { secret: Some((hash(SECRET), None)), ..WebhookPatch::default() }).await;
        house
    }

    /// Changes the webhook, as the API does.
    pub async fn patch(&self, patch: WebhookPatch) {
        let webhook = &self.tenant.webhook;
        self.store.update_webhook(webhook.user_id, webhook.id, patch, None).await.unwrap();
        self.engine.refresh().await.unwrap();
    }

    /// A valid request with this body.
    pub fn inbound(&self, body: &str) -> Inbound {
        Inbound {
            token: self.tenant.webhook.token.clone(),
            remote_ip: SENDER,
            secrets: vec![SecretString::from(SECRET)],
            idempotency_key: None,
            body: body.to_owned().into(),
            malformed: None,
            received_at: self.clock.now(),
            answer_by: Instant::now() + Duration::from_secs(3_600),
        }
    }

    /// Sends a valid request with this body.
    pub async fn send(&self, body: &str) -> Answer {
        self.engine.receive(self.inbound(body)).await
    }

    /// Sends requests at the same moment: each has been checked before any is stored, and no time passes between the
    /// checks. Answers come in the same order.
    pub async fn at_once(&self, inbounds: Vec<Inbound>) -> Vec<Answer> {
        let mut sends: Vec<_> =
            inbounds.into_iter().map(|inbound| Box::pin(self.engine.receive(inbound))).collect();
        tokio::time::pause();
        let mut answers = Vec::new();
        for send in &mut sends {
            answers.push(futures::poll!(send.as_mut()));
        }
        tokio::time::resume();
        let mut all = Vec::new();
        for (send, answer) in sends.into_iter().zip(answers) {
            all.push(match answer {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => send.await,
            });
        }
        all
    }

    /// Lets monotonic time pass: rates recover. Nothing may be under way.
    pub async fn recover(&self, time: Duration) {
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    /// Everything that was stored as a signal, newest first.
    pub async fn signals(&self) -> Vec<SignalRecord> {
        self.store.signals(self.tenant.user.id, &TradeFilter::default(), ALL).await.unwrap().items
    }

    /// The webhook's log, newest first.
    pub async fn log(&self, filter: DeliveryFilter) -> Vec<Delivery> {
        let webhook = &self.tenant.webhook;
        self.store.deliveries(webhook.user_id, webhook.id, filter, ALL).await.unwrap().items
    }
}

/// How a secret is stored.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The status and code of an answer.
pub fn verdict(answer: &Answer) -> (u16, Code) {
    match answer {
        Answer::Accepted { replayed: false, .. } => (202, Code::Accepted),
        Answer::Accepted { replayed: true, .. } => (202, Code::Replayed),
        Answer::Refused { status, code, .. } => (*status, *code),
    }
}

/// Waits until something is so, and gives up after a while.
pub async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(patience.await.is_ok(), "in vain waited until {what}");
}
