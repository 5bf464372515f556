//! What an operator may set about the engine.

use std::time::Duration;

/// The engine's bounds and pace.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// How many orders one strategy may make in a minute.
    pub max_orders_per_minute: u32,
    /// How many deliveries may wait to be stored; more are answered 503 `overloaded`.
    pub max_waiting_deliveries: usize,
    /// How many signals may wait in one lane; more are denied.
    pub max_lane_queue: usize,
    /// How long a lane is kept that rests: flat, nothing open, nothing waiting. At least a minute, for the gate's count of
    /// a strategy's orders lives in it.
    pub idle_lane_kept: Duration,
    /// How long a delivery may wait to be stored before it is answered 503.
    pub store_timeout: Duration,
    /// How often books are compared with the brokers'.
    pub reconcile_interval: Duration,
    /// How long deliveries are kept.
    pub delivery_retention_days: u32,
    /// How many refused deliveries are kept per webhook.
    pub refused_per_webhook: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            max_orders_per_minute: 600,
            max_waiting_deliveries: 10_000,
            max_lane_queue: 1_000,
            idle_lane_kept: Duration::from_secs(600),
            store_timeout: Duration::from_millis(1_500),
            reconcile_interval: Duration::from_secs(30),
            delivery_retention_days: 30,
            refused_per_webhook: 1_000,
        }
    }
}
