//! `atomik serve`: wiring, and an orderly end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use atomik_brokers::catalog::{self, VenueParts};
use atomik_brokers::paper::PaperVenue;
use atomik_brokers::wire::{UrlRules, WirePolicy};
use atomik_domain::BrokerId;
use atomik_engine::{ClusterParts, Engine, EngineParts, EngineSettings};
use atomik_http::dashboard::Dashboard;
use atomik_http::serve::{Bounds, serve as serve_connections};
use atomik_http::state::RenderMetrics;
use atomik_http::{AppState, HttpSettings, PasswordCost};
use atomik_ports::{BrokerConnector, Clock, PageRequest, RateLimiter, Store, SystemClock};
use atomik_storage::redis::Redis;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::Config;
use crate::master_key::MasterKey;
use crate::store::Sealed;
use crate::{descriptors, listener, node, output, store, telemetry};

/// How long a stop waits for accepted signals to be finished. With the listener's own waits (but for `server.drain_s`) it stays
/// below ten seconds.
const FINISH_TIMEOUT: Duration = Duration::from_secs(4);
/// How long the paper broker may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The purpose of the key that CSRF tokens are derived with. Changing it logs nobody out, but forms must be loaded again.
const SESSION_KEY: &str = "atomik session key 1";

/// Serves until the process is asked to end.
///
/// # Errors
/// Sentences for the operator, where it cannot begin.
pub async fn serve(config: Config, inherited: Option<std::net::TcpListener>) -> anyhow::Result<()> {
    telemetry::begin_logging(&config.log)?;
    let stop = stop_signal()?;
    let opened = store::open_for_server(&config).await?;
    let sealed_with = opened.sealed_with().await?;
    let master_key = MasterKey::load_for(&config.secrets, &config.store.data_dir, sealed_with.as_deref())?;
    let Sealed { store, shared } = opened.with_seal(master_key.seal()?).await?;
    let listener = match inherited {
        Some(listener) => listener::take(listener, config.server.listen)?,
        None => bind(config.server.listen, "server.listen")?,
    };
    let bound = listener.local_addr().context("the listener has no address")?;
    let own = own_listener(&config)?;
    let reached =
        own.as_ref().map_or(Ok(bound), TcpListener::local_addr).context("the listener has no address")?;
    let metrics = telemetry::begin_metrics()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let venue = open_venue(&config, &clock, &*store).await?;
    let redis = open_redis(&config, &*store).await?;
    let cluster = match &shared {
        Some(shared) => Some(node::join(&config, reached, shared, redis.clone()).await?),
        None => None,
    };
    let engine = start_engine(&config, clock, &store, &venue, (cluster, redis)).await?;
    let state = AppState::new(
        Arc::clone(&engine),
        Arc::clone(&store),
        http_settings(&config, bound, &master_key, &metrics)?,
    );
    if shared.is_some() {
        tokio::spawn(atomik_http::events::relay(state.clone()));
    }
    if let Some(address) = config.server.metrics_listen {
        let listener = bind(address, "server.metrics_listen")?;
        tokio::spawn(serve_connections(
            listener,
            atomik_http::pages::metrics_only(metrics),
            Bounds::default(),
            stopped(stop.clone()),
        ));
    }
    announce(&config, &*store, bound).await?;
    let max_connections = descriptors::connections(usize::try_from(config.server.max_connections.get())?);
    let notice = Duration::from_secs(config.server.drain_s.into());
    let bounds = Bounds { max_connections, notice, ..Bounds::default() };
    listener::say_ready();
    let for_nodes = serve_nodes(own, state.clone(), stop.clone());
    let app = atomik_http::app(state.clone());
    let ending = {
        async move {
            stopped(stop).await;
            tracing::info!("stopping: finishing what was accepted");
            listener::say_stopping();
            state.close_streams();
        }
    };
    tokio::join!(serve_connections(listener, app, bounds, ending), for_nodes);
    engine.stop(FINISH_TIMEOUT).await;
    if tokio::time::timeout(CLOSE_TIMEOUT, venue.close()).await.is_err() {
        tracing::warn!("the paper broker did not close in time");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Turns true when the process is asked to end. Listening begins at once, so that a signal during the start counts.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell.send_replace(true);
    });
    Ok(stop)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone, which it never is before it has told.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    listener::bind(address).with_context(|| format!("{key}: cannot listen on {address}"))
}

/// Where the other nodes reach this one, where the public listener is not its own.
fn own_listener(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    match config.server.node_listen {
        Some(address) => Ok(Some(bind(address, "server.node_listen")?)),
        None => Ok(None),
    }
}

async fn serve_nodes(own: Option<TcpListener>, state: AppState, stop: watch::Receiver<bool>) {
    if let Some(own) = own {
        serve_connections(own, atomik_http::app(state), Bounds::default(), stopped(stop)).await;
    }
}

async fn open_venue(
    config: &Config,
    clock: &Arc<dyn Clock>,
    store: &dyn Store,
) -> anyhow::Result<Arc<PaperVenue>> {
    // The simulated prices are this installation's own, and the same on every node and after every start. A restored copy
    // has others.
    let (seed, _) = store.installation().as_u64_pair();
    let clock = Arc::clone(clock);
    let venue = match &config.store.postgres_url {
        Some(url) => PaperVenue::open_in_postgres(url.secret(), clock, seed).await?,
        None => PaperVenue::open(&config.store.data_dir, clock, seed).await?,
    };
    Ok(Arc::new(venue))
}

/// What nodes count together, where the configuration names one. That it cannot be reached now is no reason not to begin.
async fn open_redis(config: &Config, store: &dyn Store) -> anyhow::Result<Option<Arc<Redis>>> {
    let Some(url) = &config.store.redis_url else { return Ok(None) };
    let redis = Redis::open(url.secret(), store.installation()).await;
    redis.map(|redis| Some(Arc::new(redis))).map_err(|problem| anyhow::anyhow!("store.redis_url: {problem}"))
}

async fn start_engine(
    config: &Config,
    clock: Arc<dyn Clock>,
    store: &Arc<dyn Store>,
    venue: &Arc<PaperVenue>,
    (cluster, redis): (Option<ClusterParts>, Option<Arc<Redis>>),
) -> anyhow::Result<Arc<Engine>> {
    let trading = &config.trading;
    let paper = Arc::clone(venue) as Arc<dyn BrokerConnector>;
    let mut connectors = catalog::venues(&VenueParts {
        clock: Arc::clone(&clock),
        urls: UrlRules { allow_custom: config.brokers.allow_custom_urls },
        policy: WirePolicy::default(),
    });
    connectors.insert(BrokerId("paper".to_owned()), paper);
    let parts = EngineParts {
        store: Arc::clone(store),
        clock,
        connectors,
        settings: EngineSettings {
            max_orders_per_minute: trading.max_orders_per_minute.get(),
            max_waiting_deliveries: usize::try_from(trading.max_waiting_deliveries.get())?,
            max_lane_queue: usize::try_from(trading.max_lane_queue.get())?,
            reconcile_interval: Duration::from_secs(trading.reconcile_interval_s.get().into()),
            delivery_retention_days: config.retention.deliveries_days.get(),
            refused_per_webhook: config.retention.refused_per_webhook,
            ..EngineSettings::default()
        },
        cluster,
        rate_limiter: redis.map(|redis| redis as Arc<dyn RateLimiter>),
    };
    Engine::start(parts).await.context("the engine cannot be started")
}

fn http_settings(
    config: &Config,
    bound: SocketAddr,
    master_key: &MasterKey,
    metrics: &RenderMetrics,
) -> anyhow::Result<HttpSettings> {
    let public_url = config.public_url(bound);
    Ok(HttpSettings {
        secure_cookies: public_url.starts_with("https://"),
        public_url,
        registration: config.auth.registration,
        trusted_proxies: config.server.trusted_proxies.0.clone(),
        session_key: master_key.derive(SESSION_KEY)?,
        password_cost: PasswordCost::default(),
        dashboard: Dashboard::embedded(),
        metrics: config.server.metrics_listen.is_none().then(|| Arc::clone(metrics)),
    })
}

/// Says where the server is and, where nobody uses it yet, what to do next.
async fn announce(config: &Config, store: &dyn Store, bound: SocketAddr) -> anyhow::Result<()> {
    let public_url = config.public_url(bound);
    tracing::info!(listen = %bound, public_url, "serving");
    output::line(format_args!("Atomik {} is listening on http://{bound}", env!("CARGO_PKG_VERSION")))?;
    let nobody = store.users(PageRequest { limit: 1, before: None }).await?.items.is_empty();
    if nobody {
        let quickstart = output::command("quickstart", &config.store.data_dir);
        output::line("Nobody uses it yet. In another terminal:")?;
        output::line("")?;
        output::line(format_args!("  {quickstart} --url {public_url}"))?;
        output::line("")?;
        output::line(
            "makes a user, a paper account, a webhook and a strategy, and prints a first alert to send.",
        )?;
    }
    output::line(format_args!("The page to start from: {public_url}/"))?;
    Ok(())
}
