//! Every venue of this program but the paper broker, which is opened with a database of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use atomik_domain::BrokerId;
use atomik_ports::{BrokerConnector, Clock};

use crate::wire::{UrlRules, WirePolicy};

/// What connectors are made of.
#[derive(Clone)]
pub struct VenueParts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether settings may name other addresses than the brokers' own.
    pub urls: UrlRules,
    /// How patient adapters are.
    pub policy: WirePolicy,
}

/// A connector for each venue, by its name in the catalogue.
#[must_use]
pub fn venues(parts: &VenueParts) -> BTreeMap<BrokerId, Arc<dyn BrokerConnector>> {
    let VenueParts { clock, urls, policy } = parts;
    let clock = || Arc::clone(clock);
    let connectors: Vec<Arc<dyn BrokerConnector>> = vec![
        Arc::new(crate::alpaca::AlpacaConnector::new(clock(), *urls, *policy)),
        Arc::new(crate::binance::BinanceConnector::new(clock(), *urls, *policy)),
        Arc::new(crate::interactive_brokers::InteractiveBrokersConnector::new(clock(), *urls, *policy)),
        Arc::new(crate::tradovate::TradovateConnector::new(clock(), *urls, *policy)),
    ];
    connectors.into_iter().map(|connector| (connector.description().broker, connector)).collect()
}
