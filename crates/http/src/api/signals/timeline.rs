//! The way of a signal through a strategy, step by step.

use atomik_domain::{Fill, Order, Outcome, UnixMicros};
use atomik_ports::history::Signal;
use serde::Serialize;
use utoipa::ToSchema;

/// One step of a signal's way.
#[derive(Serialize, ToSchema)]
pub struct TimelineStep {
    /// `received` (first byte), `stored` (handed to the disk; the 202 follows when it is durable), `planned` (rules applied), `sent` (handed to the broker),
    /// `acknowledged` (the broker answered), `filled` (a fill arrived).
    #[schema(value_type = String, example = "filled")]
    step: &'static str,
    /// The order it is about; null for steps of the signal itself.
    client_order_id: Option<String>,
    /// When, to the microsecond.
    #[schema(format = DateTime)]
    at: String,
    /// Microseconds since the signal was received.
    offset_us: i64,
}

/// The steps of a signal through one strategy, in the order of their times; steps of the same microsecond stay in the
/// order of the way itself.
pub fn timeline(
    signal: &Signal,
    outcome: &Outcome,
    orders: &[&Order],
    fills: &[&(i64, Fill)],
) -> Vec<TimelineStep> {
    let mut steps: Vec<(&'static str, Option<String>, UnixMicros)> =
        vec![("received", None, signal.received_at), ("stored", None, signal.stored_at)];
    steps.extend(outcome.planned_at.map(|at| ("planned", None, at)));
    for order in orders {
        let id = order.request.client_order_id.to_string();
        steps.extend(order.sent_at.map(|at| ("sent", Some(id.clone()), at)));
        steps.extend(order.acknowledged_at.map(|at| ("acknowledged", Some(id.clone()), at)));
        let own = fills.iter().filter(|(_, fill)| fill.client_order_id == order.request.client_order_id);
        steps.extend(own.map(|(_, fill)| ("filled", Some(id.clone()), fill.recorded_at)));
    }
    steps.sort_by_key(|(_, _, at)| *at);
    let view = |(step, client_order_id, at): (_, _, UnixMicros)| TimelineStep {
        step,
        client_order_id,
        at: at.to_rfc3339(),
        offset_us: at.micros_since(signal.received_at),
    };
    steps.into_iter().map(view).collect()
}
