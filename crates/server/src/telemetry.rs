//! Logs and metrics.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use atomik_http::state::RenderMetrics;
use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

/// Upper bounds of the stages' buckets, in seconds: from a stored signal's tens of microseconds to a slow broker.
const STAGE_BUCKETS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];
/// How often histograms take in what was recorded.
const UPKEEP: Duration = Duration::from_secs(5);

/// Sends logs to the standard error.
///
/// # Errors
/// Where logging was begun already.
pub fn begin_logging(log: &Log) -> anyhow::Result<()> {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // The level is for our own crates. Libraries only warn: at finer levels they would write out requests.
    let ours = Targets::new().with_default(LevelFilter::WARN.min(level)).with_target("atomik", level);
    let registry = tracing_subscriber::registry().with(ours);
    match log.format {
        LogFormat::Text => {
            let colors = std::io::stderr().is_terminal();
            registry.with(layer().with_ansi(colors).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => {
            registry.with(layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    }
    .context("logging cannot be begun")
}

/// Begins measuring. Must come before whatever is measured.
///
/// # Errors
/// Where measuring was begun already.
pub fn begin_metrics() -> anyhow::Result<RenderMetrics> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &STAGE_BUCKETS)
        .context("the metrics' buckets")?;
    let handle = builder.install_recorder().context("metrics cannot be begun")?;
    describe();
    tokio::spawn(keep_up(handle.clone()));
    Ok(std::sync::Arc::new(move || handle.render()))
}

async fn keep_up(handle: PrometheusHandle) {
    let mut pace = tokio::time::interval(UPKEEP);
    loop {
        pace.tick().await;
        handle.run_upkeep();
    }
}

fn describe() {
    describe_counter!("atomik_deliveries_total", Unit::Count, "Requests to webhooks, by what became of them");
    describe_counter!(
        "atomik_redis_repeats_total",
        Unit::Count,
        "Repeats that Redis knew, and the store was not asked for"
    );
    describe_counter!("atomik_orders_approved_total", Unit::Count, "Orders that passed the gate");
    describe_counter!("atomik_orders_sent_total", Unit::Count, "Orders handed to a broker's adapter");
    describe_histogram!(
        "atomik_stage_seconds",
        Unit::Seconds,
        "From a signal's receipt to each step: stored (durable), planned, sent, acknowledged, filled (recorded)"
    );
    describe_gauge!("atomik_waiting_records", Unit::Count, "Records on their way to the store");
    describe_gauge!("atomik_waiting_signals", Unit::Count, "Signals that wait for their turn to trade");
    describe_gauge!(
        "atomik_oldest_waiting_signal_seconds",
        Unit::Seconds,
        "Age of the oldest signal that waits to trade"
    );
    describe_gauge!("atomik_unknown_orders", Unit::Count, "Orders whose fate is not proven");
    describe_gauge!(
        "atomik_lanes",
        Unit::Count,
        "Accounts and symbols that something is held, open or waiting in"
    );
}
