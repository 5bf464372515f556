//! What makes the server one of many nodes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use atomik_engine::ClusterParts;
use atomik_ports::cluster::NodeCard;
use atomik_ports::{Clock, SystemClock};
use atomik_storage::postgres::PostgresStore;
use atomik_storage::redis::Redis;

use crate::config::Config;

/// The parts with which an engine joins the nodes that share a store. `bound` is where this one listens.
///
/// # Errors
/// Sentences for the operator, where the database cannot be asked.
pub async fn join(
    config: &Config,
    bound: SocketAddr,
    shared: &Arc<PostgresStore>,
    redis: Option<Arc<Redis>>,
) -> anyhow::Result<ClusterParts> {
    let address = match &config.server.node_url {
        Some(url) => url.to_string(),
        None => address_of(bound, shared).await?,
    };
    let name = host_name().unwrap_or_else(|| address.clone());
    tracing::info!(name, address, "joining the nodes of the database");
    Ok(ClusterParts {
        cluster: Arc::clone(shared) as _,
        bus: Arc::new(shared.bus()),
        fast_bus: redis.map(|redis| redis as _),
        card: NodeCard {
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address,
            started_at: SystemClock.now(),
        },
    })
}

/// Where other nodes reach this one. A server that listens on every address is reached by the one that the database sees.
async fn address_of(bound: SocketAddr, shared: &PostgresStore) -> anyhow::Result<String> {
    let ip = if bound.ip().is_unspecified() {
        let seen =
            shared.address_seen().await.context("the database does not say where it sees this node")?;
        seen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    } else {
        bound.ip()
    };
    Ok(format!("http://{}", SocketAddr::new(ip, bound.port())))
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}
