//! What every handler works with.

use std::ops::Deref;
use std::sync::Arc;

use atomik_domain::UnixMicros;
use atomik_engine::Engine;
use atomik_ports::Store;
use atomik_ports::directory::Registration;
use ipnet::IpNet;
use secrecy::SecretSlice;
use tokio::sync::watch;

use crate::auth::attempts::Attempts;
use crate::auth::passwords::Passwords;
use crate::dashboard::Dashboard;
use crate::events::StreamSlots;

/// Writes the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What an operator may set about HTTP.
#[derive(Clone)]
pub struct HttpSettings {
    /// Where people and alert sources reach the program: scheme, host, port; no trailing slash.
    pub public_url: String,
    /// Who may register.
    pub registration: Registration,
    /// The proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the session cookie is `Secure` with the `__Host-` prefix, and HSTS is sent: the public URL is https.
    pub secure_cookies: bool,
    /// The key that CSRF tokens are derived with: at least 32 random bytes, the same on every node.
    pub session_key: SecretSlice<u8>,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// What stands at `/`.
    pub dashboard: Dashboard,
    /// Writes `/metrics`; `None` keeps them off this listener.
    pub metrics: Option<RenderMetrics>,
}

/// What hashing a password costs (argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for PasswordCost {
    /// 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory_kib: 19 * 1_024, passes: 2, lanes: 1 }
    }
}

/// What every handler works with. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of an [`AppState`].
pub struct Inner {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The settings.
    pub settings: Arc<HttpSettings>,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) streams: StreamSlots,
    stopping: watch::Sender<bool>,
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    /// A state over a started engine and its store.
    #[must_use]
    pub fn new(engine: Arc<Engine>, store: Arc<dyn Store>, settings: HttpSettings) -> Self {
        let passwords = Passwords::new(settings.password_cost);
        Self(Arc::new(Inner {
            engine,
            store,
            settings: Arc::new(settings),
            passwords,
            attempts: Attempts::default(),
            streams: StreamSlots::default(),
            stopping: watch::Sender::new(false),
        }))
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> UnixMicros {
        self.engine.now()
    }

    /// Ends every open event stream, so that a graceful stop does not wait for browsers.
    pub fn close_streams(&self) {
        self.stopping.send_replace(true);
    }

    /// Turns true when the streams are to end.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}
