//! The keys that there are, and what each expects: for errors that help.

/// Every key, and what is expected of its value.
pub const KEYS: [(&str, &str); 24] = [
    ("server.listen", "an address and a port such as 127.0.0.1:8080"),
    ("server.public_url", "http:// or https:// with a host and no path, such as https://atomik.example.com"),
    ("server.node_url", "http:// or https:// with a host and no path, such as http://10.0.0.7:8080"),
    ("server.node_listen", "an address and a port such as 10.0.0.7:8081"),
    ("server.trusted_proxies", "IP addresses or CIDR ranges, as a list or separated by commas"),
    ("server.metrics_listen", "an address and a port such as 127.0.0.1:9090"),
    ("server.max_connections", "a whole number from 1 on"),
    ("server.drain_s", "a whole number of seconds"),
    ("store.data_dir", "a directory"),
    ("store.max_size", "a number with KiB, MiB or GiB, such as 10 GiB, or 0"),
    ("store.postgres_url", "postgres://user:password@host:port/database"),
    ("store.redis_url", "redis://:password@host:port, or rediss:// for an encrypted connection"),
    ("auth.registration", "first_user, open or closed"),
    ("secrets.master_key", "64 hex digits"),
    ("secrets.master_key_file", "a file with 64 hex digits"),
    ("brokers.allow_custom_urls", "true or false"),
    ("trading.max_orders_per_minute", "a whole number from 1 on"),
    ("trading.max_lane_queue", "a whole number from 1 on"),
    ("trading.max_waiting_deliveries", "a whole number from 1 on"),
    ("trading.reconcile_interval_s", "a whole number of seconds from 1 on"),
    ("retention.deliveries_days", "a whole number of days from 1 on"),
    ("retention.refused_per_webhook", "a whole number"),
    ("log.level", "error, warn, info, debug or trace"),
    ("log.format", "text or json"),
];

/// Whether there is such a key.
pub fn exists(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// Whether keys start with this section.
pub fn is_section(name: &str) -> bool {
    KEYS.iter().any(|(known, _)| known.split('.').next() == Some(name))
}

/// What is expected of a key's value.
pub fn expectation(key: &str) -> &'static str {
    KEYS.iter().find(|(known, _)| *known == key).map_or("another kind of value", |(_, expected)| expected)
}

/// The key that was most likely meant. A right name in the wrong section is closer than a wrong name.
pub fn nearest(unknown: &str) -> &'static str {
    let name_of = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |known: &str| {
        let whole = strsim::damerau_levenshtein(unknown, known);
        let name = strsim::damerau_levenshtein(&name_of(unknown), &name_of(known));
        whole.min(name + 1)
    };
    KEYS.iter().map(|(known, _)| *known).min_by_key(|known| distance(known)).unwrap_or_default()
}
