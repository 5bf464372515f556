//! What the engine measures, for Prometheus.

use std::time::Duration;

use atomik_domain::{Code, Order, UnixMicros};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// What may become of a delivery.
const DELIVERY_CODES: [Code; 18] = [
    Code::Accepted,
    Code::Replayed,
    Code::WebhookNotFound,
    Code::IpNotAllowed,
    Code::SecretRequired,
    Code::InvalidSecret,
    Code::SubscriptionInactive,
    Code::RateLimited,
    Code::PayloadTooLarge,
    Code::MethodNotAllowed,
    Code::RequestTimeout,
    Code::MalformedJson,
    Code::InvalidAction,
    Code::InvalidExit,
    Code::InvalidField,
    Code::IdReused,
    Code::StoreUnavailable,
    Code::Overloaded,
];

/// Handles to every metric, looked up once.
pub struct Meters {
    deliveries: [(Code, Counter); DELIVERY_CODES.len()],
    stages: [(Stage, Histogram); 5],
    /// Orders that passed the gate, and orders sent.
    pub(crate) approved: Counter,
    pub(crate) sent: Counter,
    waiting_records: Gauge,
    waiting_signals: Gauge,
    oldest_signal: Gauge,
    unknown_orders: Gauge,
    lanes: Gauge,
    live_nodes: Gauge,
    leases: Gauge,
    clock_offset: Gauge,
}

/// A step of a signal's way, measured from its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Committed.
    Stored,
    /// Its order decided.
    Planned,
    /// Its order handed to the adapter.
    Sent,
    /// The venue's answer here.
    Acknowledged,
    /// Its last fill recorded.
    Filled,
}

impl Stage {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Planned => "planned",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Filled => "filled",
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        let stages = [Stage::Stored, Stage::Planned, Stage::Sent, Stage::Acknowledged, Stage::Filled];
        Self {
            deliveries: DELIVERY_CODES
                .map(|code| (code, counter!("atomik_deliveries_total", "code" => code.as_str()))),
            stages: stages
                .map(|stage| (stage, histogram!("atomik_stage_seconds", "stage" => stage.as_str()))),
            approved: counter!("atomik_orders_approved_total"),
            sent: counter!("atomik_orders_sent_total"),
            waiting_records: gauge!("atomik_waiting_records"),
            waiting_signals: gauge!("atomik_waiting_signals"),
            oldest_signal: gauge!("atomik_oldest_waiting_signal_seconds"),
            unknown_orders: gauge!("atomik_unknown_orders"),
            lanes: gauge!("atomik_lanes"),
            live_nodes: gauge!("atomik_live_nodes"),
            leases: gauge!("atomik_leases"),
            clock_offset: gauge!("atomik_clock_offset_seconds"),
        }
    }
}

/// What waits, all lanes together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depths {
    /// Records on their way to the store.
    pub records: usize,
    /// Signals in lanes.
    pub signals: usize,
    /// When the oldest of them was received.
    pub oldest: Option<UnixMicros>,
    /// Orders whose fate is not proven.
    pub unknown_orders: usize,
    /// Lanes: one for each account and symbol that something is held, open or waiting in, or was a while ago.
    pub lanes: usize,
}

impl Meters {
    /// Counts a delivery.
    pub fn delivery(&self, code: Code) {
        if let Some((_, counter)) = self.deliveries.iter().find(|(counted, _)| *counted == code) {
            counter.increment(1);
        }
    }

    /// Measures a step, from the signal's receipt.
    pub fn stage(&self, stage: Stage, received_at: UnixMicros, at: UnixMicros) {
        if let Some((_, histogram)) = self.stages.iter().find(|(measured, _)| *measured == stage) {
            histogram.record(seconds(at.micros_since(received_at)));
        }
    }

    /// Measures the steps of an order that has filled, once that is recorded.
    pub fn order(&self, order: &Order, received_at: UnixMicros, recorded_at: UnixMicros) {
        self.stage(Stage::Planned, received_at, order.planned_at);
        self.stage(Stage::Filled, received_at, recorded_at);
        let steps = [(Stage::Sent, order.sent_at), (Stage::Acknowledged, order.acknowledged_at)];
        for (stage, at) in steps {
            if let Some(at) = at {
                self.stage(stage, received_at, at);
            }
        }
    }

    /// Shows how many nodes live, and how many accounts are this one's.
    pub fn nodes(&self, live: u32, leases: usize) {
        self.live_nodes.set(live);
        self.leases.set(count(leases));
    }

    /// Shows how far this node's clock is from the store's.
    pub fn clock_offset(&self, micros: i64) {
        self.clock_offset.set(seconds(micros.saturating_abs()));
    }

    /// Shows what waits.
    pub fn depths(&self, depths: Depths, now: UnixMicros) {
        self.waiting_records.set(count(depths.records));
        self.waiting_signals.set(count(depths.signals));
        self.unknown_orders.set(count(depths.unknown_orders));
        self.lanes.set(count(depths.lanes));
        self.oldest_signal.set(depths.oldest.map_or(seconds(0), |oldest| seconds(now.micros_since(oldest))));
    }
}

fn seconds(micros: i64) -> f64 {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
}

fn count(things: usize) -> f64 {
    f64::from(u32::try_from(things).unwrap_or(u32::MAX))
}
