//! What happens by itself: following changes made by other processes, showing what waits and what is away, letting old rows go.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use atomik_domain::UnixMicros;
use atomik_ports::operations::Retention;

use crate::engine::Engine;

/// How soon a change made by another process (the command line) takes effect.
const FOLLOW: Duration = Duration::from_millis(250);
/// How often what waits and what is away is shown.
const SHOW: Duration = Duration::from_secs(1);
/// How often old rows go.
const PRUNE: Duration = Duration::from_secs(600);

/// Starts the workers. They end with the engine.
pub fn start(engine: &Arc<Engine>) {
    tokio::spawn(every(FOLLOW, Arc::downgrade(engine), |engine: Arc<Engine>| async move {
        if let Err(error) = engine.follow().await {
            tracing::warn!(%error, "changes in the directory could not be read");
        }
    }));
    tokio::spawn(every(SHOW, Arc::downgrade(engine), |engine: Arc<Engine>| async move {
        let work = engine.work();
        work.meters.depths(engine.depths(), engine.now());
        let leases = work.cluster.as_ref().map_or(0, |membership| membership.leases());
        work.meters.nodes(work.live_nodes.load(Ordering::Relaxed), leases);
        let _ = work.rate.look();
    }));
    tokio::spawn(every(
        PRUNE,
        Arc::downgrade(engine),
        |engine: Arc<Engine>| async move { prune(&engine).await },
    ));
}

async fn every<F>(period: Duration, engine: Weak<Engine>, job: impl Fn(Arc<Engine>) -> F)
where
    F: Future<Output = ()>,
{
    loop {
        tokio::time::sleep(period).await;
        let Some(engine) = engine.upgrade() else { return };
        if *engine.work().stop.borrow() {
            return;
        }
        job(engine).await;
    }
}

async fn prune(engine: &Engine) {
    let (now, settings) = (engine.now(), &engine.work().settings);
    let kept_s = i64::from(settings.delivery_retention_days) * 86_400;
    let retention = Retention {
        deliveries_before: UnixMicros(now.0.saturating_sub(kept_s * UnixMicros::SECOND)),
        refused_per_webhook: settings.refused_per_webhook,
        now,
    };
    match engine.work().store.prune(retention).await {
        Ok(0) => {}
        Ok(rows) => tracing::info!(rows, "old rows were removed"),
        Err(error) => tracing::warn!(%error, "old rows could not be removed"),
    }
}
