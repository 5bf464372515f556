//! The configuration: commented defaults < file < environment < flags.
//!
//! `default.toml` is at once the documentation and the lowest layer, so that the two cannot disagree.

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod keys;
mod layers;
mod read;
mod values;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use atomik_ports::directory::Registration;
use serde::Deserialize;

pub use layers::{Flags, load};
pub use values::{DatabaseUrl, HexKey, LogFormat, LogLevel, Proxies, PublicUrl, RedisUrl, Size};

/// The commented default file.
pub const DEFAULT_FILE: &str = include_str!("../default.toml");

/// Everything an operator may set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listener.
    pub server: Server,
    /// Where things are kept.
    pub store: Store,
    /// Signing in.
    pub auth: Auth,
    /// Keys.
    #[serde(default)]
    pub secrets: Secrets,
    /// Venues.
    pub brokers: Brokers,
    /// The engine's bounds.
    pub trading: Trading,
    /// What is kept for how long.
    pub retention: Retention,
    /// Logs.
    pub log: Log,
}

/// The listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    #[serde(deserialize_with = "read::parsed")]
    pub listen: SocketAddr,
    /// How the server is reached from outside; worked out from the listener where it is not set.
    #[serde(default, deserialize_with = "read::optional")]
    pub public_url: Option<PublicUrl>,
    /// How other nodes reach this one; worked out from the listener where it is not set.
    #[serde(default, deserialize_with = "read::optional")]
    pub node_url: Option<PublicUrl>,
    /// Where the other nodes reach this one, beside the listener that several share.
    #[serde(default, deserialize_with = "read::optional")]
    pub node_listen: Option<SocketAddr>,
    /// Whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "read::parsed")]
    pub trusted_proxies: Proxies,
    /// Where `/metrics` is served instead of on `listen`.
    #[serde(default, deserialize_with = "read::optional")]
    pub metrics_listen: Option<SocketAddr>,
    /// How many connections may be open at once.
    #[serde(deserialize_with = "read::parsed")]
    pub max_connections: NonZeroU32,
    /// For how many seconds a server that was asked to end still accepts connections, so that a balancer notices.
    #[serde(deserialize_with = "read::parsed")]
    pub drain_s: u32,
}

/// Where things are kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The directory of everything.
    #[serde(deserialize_with = "read::parsed")]
    pub data_dir: PathBuf,
    /// How large the database may grow.
    #[serde(deserialize_with = "read::parsed")]
    pub max_size: Size,
    /// The PostgreSQL database that everything but the master key is kept in.
    #[serde(default, deserialize_with = "read::optional")]
    pub postgres_url: Option<DatabaseUrl>,
    /// Cluster mode's Redis.
    #[serde(default, deserialize_with = "read::optional")]
    pub redis_url: Option<RedisUrl>,
}

/// Signing in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Who may register.
    #[serde(deserialize_with = "read::parsed")]
    pub registration: Registration,
}

/// Keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// The key that seals what is secret.
    #[serde(default, deserialize_with = "read::optional")]
    pub master_key: Option<HexKey>,
    /// The file it is in.
    #[serde(default, deserialize_with = "read::optional")]
    pub master_key_file: Option<PathBuf>,
}

/// Venues.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brokers {
    /// Whether accounts may name other addresses than the broker's own.
    #[serde(deserialize_with = "read::parsed")]
    pub allow_custom_urls: bool,
}

/// The engine's bounds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trading {
    /// Orders of one strategy in a minute.
    #[serde(deserialize_with = "read::parsed")]
    pub max_orders_per_minute: NonZeroU32,
    /// Signals that wait in one lane.
    #[serde(deserialize_with = "read::parsed")]
    pub max_lane_queue: NonZeroU32,
    /// Deliveries that wait to be stored.
    #[serde(deserialize_with = "read::parsed")]
    pub max_waiting_deliveries: NonZeroU32,
    /// Seconds between comparisons of books.
    #[serde(deserialize_with = "read::parsed")]
    pub reconcile_interval_s: NonZeroU32,
}

/// What is kept for how long.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days that deliveries are kept.
    #[serde(deserialize_with = "read::parsed")]
    pub deliveries_days: NonZeroU32,
    /// Refused deliveries kept of each webhook.
    #[serde(deserialize_with = "read::parsed")]
    pub refused_per_webhook: u32,
}

/// Logs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// From which level on.
    #[serde(deserialize_with = "read::parsed")]
    pub level: LogLevel,
    /// In which form.
    #[serde(deserialize_with = "read::parsed")]
    pub format: LogFormat,
}

impl Config {
    /// How people and alert sources reach a server that listens on `bound`: no trailing slash.
    #[must_use]
    pub fn public_url(&self, bound: SocketAddr) -> String {
        if let Some(url) = &self.server.public_url {
            return url.to_string();
        }
        // A server on every address is reached on this machine by the loopback one.
        let host = match bound.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => "127.0.0.1".to_owned(),
            ip if ip.is_unspecified() => "[::1]".to_owned(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
            ip @ std::net::IpAddr::V4(_) => ip.to_string(),
        };
        format!("http://{host}:{}", bound.port())
    }

    /// What a person wants to see of it. No secrets.
    #[must_use]
    pub fn summary(&self) -> Vec<(&'static str, String)> {
        let proxies: Vec<_> = self.server.trusted_proxies.0.iter().map(ToString::to_string).collect();
        let master_key = match (&self.secrets.master_key, &self.secrets.master_key_file) {
            (Some(_), _) => "given".to_owned(),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => "in the data directory".to_owned(),
        };
        let database = match &self.store.postgres_url {
            Some(url) => format!("PostgreSQL, {}", url.place()),
            None => self.store.max_size.to_string(),
        };
        vec![
            ("listen", self.server.listen.to_string()),
            ("public URL", self.public_url(self.server.listen)),
            ("trusted proxies", if proxies.is_empty() { "none".to_owned() } else { proxies.join(", ") }),
            ("metrics", self.server.metrics_listen.unwrap_or(self.server.listen).to_string()),
            ("data directory", self.store.data_dir.display().to_string()),
            ("database", database),
            ("Redis", self.store.redis_url.as_ref().map_or("none", RedisUrl::place).to_owned()),
            ("registration", self.auth.registration.to_string()),
            ("master key", master_key),
            (
                "custom broker URLs",
                if self.brokers.allow_custom_urls { "allowed" } else { "refused" }.to_owned(),
            ),
            ("log", format!("{} as {}", self.log.level, self.log.format)),
        ]
    }

    /// What is wrong although every value by itself is right.
    fn contradictions(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.store.redis_url.is_some() && self.store.postgres_url.is_none() {
            problems.push(
                "store.redis_url: Redis serves cluster mode, which needs a PostgreSQL database; set \
                 store.postgres_url too, or remove the key"
                    .to_owned(),
            );
        }
        if self.secrets.master_key.is_some() && self.secrets.master_key_file.is_some() {
            problems.push("secrets: set master_key or master_key_file, not both".to_owned());
        }
        problems
    }
}
