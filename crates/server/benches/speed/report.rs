//! The figures beside their targets, as a Markdown table, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use atomik_ports::clock::{Clock, SystemClock};
use hdrhistogram::Histogram;

use crate::load::{CONNECTIONS, Run};
use crate::receiver::WEBHOOKS;
use crate::{brokers, cluster, machine, timing, trading};

const COMMAND: &str = "make bench";
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
/// What is between these lines is replaced by every run.
const BEGIN: &str = "<!-- figures: begin -->";
const END: &str = "<!-- figures: end -->";

/// Everything that is measured.
#[derive(Debug, Default)]
pub struct Report {
    /// Rounds of the empty handler.
    pub empty_handler: Vec<Run>,
    /// Rounds of the receiver.
    pub receiver: Vec<Run>,
    /// The burst of signals that trade.
    pub burst: Option<Burst>,
    /// The steady stream of signals that trade.
    pub steady: Option<Steady>,
    /// From stored signal to bytes at the broker.
    pub to_broker: Option<ToBroker>,
    /// Resident memory after a fresh start.
    pub idle_kib: u64,
    /// Resident memory with all webhooks loaded.
    pub loaded_kib: u64,
    /// The most resident memory, after the receiver's rounds.
    pub peak_kib: u64,
    /// What times tell of secrets.
    pub timing: Vec<timing::Compared>,
    /// Cluster mode, where PostgreSQL and Redis were there.
    pub cluster: Option<cluster::Figures>,
}

/// A burst, from the first byte to the last recorded fill.
#[derive(Debug)]
pub struct Burst {
    /// Fills recorded.
    pub fills: usize,
    /// How long it took.
    pub took: Duration,
}

/// A steady stream.
#[derive(Debug)]
pub struct Steady {
    /// From receipt to fill, from the recorded timelines, in microseconds.
    pub receipt_to_fill_us: Histogram<u64>,
}

/// From a stored signal to its order's last byte at the broker, in microseconds.
#[derive(Debug)]
pub struct ToBroker {
    /// While every account answers.
    pub all_us: Histogram<u64>,
    /// While one account in five hangs: the others.
    pub others_us: Histogram<u64>,
}

/// One line of the table.
pub struct Line {
    what: String,
    figure: String,
    target: &'static str,
    met: Option<bool>,
}

impl Line {
    /// A figure without a target.
    pub fn plain(what: &str, figure: String) -> Self {
        Self { what: what.to_owned(), figure, target: "", met: None }
    }

    /// A figure beside its target, and whether that is met.
    pub fn against(what: &str, figure: String, target: &'static str, met: bool) -> Self {
        Self { what: what.to_owned(), figure, target, met: Some(met) }
    }
}

impl Report {
    /// The table, with what it was measured on.
    pub fn to_markdown(&self) -> Result<String> {
        let mut lines = self.receiver_lines()?;
        lines.extend(self.trading_lines()?);
        lines.extend(self.broker_lines()?);
        lines.extend(self.memory_lines());
        lines.extend(self.timing.iter().map(timing::Compared::line));
        self.table(lines)
    }

    /// The same for what times tell of secrets alone.
    pub fn timing_to_markdown(&self) -> Result<String> {
        self.table(self.timing.iter().map(timing::Compared::line).collect())
    }

    /// The same for cluster mode alone.
    pub fn cluster_to_markdown(&self) -> Result<String> {
        self.table(Vec::new())
    }

    fn table(&self, mut lines: Vec<Line>) -> Result<String> {
        let mut machine = machine::facts();
        if let Some(cluster) = &self.cluster {
            write!(machine, ". Cluster mode: {}", cluster.machine)?;
            lines.extend(cluster.lines()?);
        }
        let day = &SystemClock.now().to_rfc3339()[..10];
        let mut table = format!("Measured on {day} with `{COMMAND}` on {machine}.\n\n");
        table.push_str("| What | Figure | Target | Met |\n| --- | --- | --- | --- |\n");
        for Line { what, figure, target, met } in lines {
            let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
            writeln!(table, "| {what} | {figure} | {target} | {met} |")?;
        }
        Ok(table)
    }

    fn receiver_lines(&self) -> Result<Vec<Line>> {
        let empty = median(&self.empty_handler, Run::throughput)?;
        let receiver = median(&self.receiver, Run::throughput)?;
        let quantile =
            |runs: &[Run], at: f64| median(runs, |run| run.latency_us.value_at_quantile(at) as f64);
        let late_us = quantile(&self.receiver, 0.99)?;
        let ratio = receiver / empty;
        Ok(vec![
            Line::plain(
                &format!("Empty handler, {CONNECTIONS} connections: throughput"),
                format!("{empty:.0}/s"),
            ),
            Line::plain(
                "Empty handler: p50 / p99",
                format!(
                    "{} / {}",
                    ms(quantile(&self.empty_handler, 0.5)?),
                    ms(quantile(&self.empty_handler, 0.99)?)
                ),
            ),
            Line::plain(
                &format!("Receiver, {WEBHOOKS} webhooks, {CONNECTIONS} connections: throughput"),
                format!("{receiver:.0}/s"),
            ),
            Line::plain("Receiver: p50", ms(quantile(&self.receiver, 0.5)?)),
            Line::against("Receiver: p99", ms(late_us), "< 10 ms", late_us < 10_000.0),
            Line::against("Receiver beside empty handler", format!("{ratio:.2}"), ">= 0.35", ratio >= 0.35),
        ])
    }

    fn trading_lines(&self) -> Result<Vec<Line>> {
        let burst = self.burst.as_ref().context("no burst was measured")?;
        let rate = burst.fills as f64 / burst.took.as_secs_f64();
        let steady = &self.steady.as_ref().context("no steady stream was measured")?.receipt_to_fill_us;
        let (half, late) = (steady.value_at_quantile(0.5) as f64, steady.value_at_quantile(0.99) as f64);
        let what = format!("Burst of {} signals: first byte to last recorded fill", trading::SIGNALS);
        Ok(vec![
            Line::plain(&what, ms(burst.took.as_micros() as f64)),
            Line::against("Burst: recorded fills", format!("{rate:.0}/s"), ">= 5,000/s", rate >= 5_000.0),
            Line::against("500 signals a second: receipt to fill, p50", ms(half), "< 3 ms", half < 3_000.0),
            Line::plain("500 signals a second: receipt to fill, p99", ms(late)),
        ])
    }

    fn broker_lines(&self) -> Result<Vec<Line>> {
        let ToBroker { all_us, others_us } = self.to_broker.as_ref().context("no broker was measured")?;
        let (half, late) = (all_us.value_at_quantile(0.5) as f64, all_us.value_at_quantile(0.99) as f64);
        let ratio = others_us.value_at_quantile(0.99) as f64 / late;
        let what = format!(
            "200 signals a second to {} broker accounts: stored to broker's socket",
            brokers::ACCOUNTS
        );
        Ok(vec![
            Line::against(&format!("{what}, p50"), ms(half), "< 1 ms", half < 1_000.0),
            Line::against(&format!("{what}, p99"), ms(late), "< 5 ms", late < 5_000.0),
            Line::against(
                "The same with a fifth of the accounts hanging: the others' p99, as a ratio",
                format!("{ratio:.2}"),
                "<= 2",
                ratio <= 2.0,
            ),
        ])
    }

    fn memory_lines(&self) -> Vec<Line> {
        let below = |kib: u64, limit_mb: u64| kib * 1_024 < limit_mb * 1_000_000;
        vec![
            Line::against("Memory, idle", mb(self.idle_kib), "< 60 MB", below(self.idle_kib, 60)),
            Line::against(
                &format!("Memory, {WEBHOOKS} webhooks"),
                mb(self.loaded_kib),
                "< 150 MB",
                below(self.loaded_kib, 150),
            ),
            Line::plain("Memory, peak during the receiver's rounds", mb(self.peak_kib)),
        ]
    }
}

/// Megabytes.
pub fn mb(kib: u64) -> String {
    format!("{:.0} MB", kib as f64 * 1_024.0 / 1e6)
}

/// Milliseconds.
pub fn ms(micros: f64) -> String {
    format!("{:.2} ms", micros / 1_000.0)
}

/// The middle one of a figure of each run.
pub fn median(runs: &[Run], figure: impl Fn(&Run) -> f64) -> Result<f64> {
    median_of(runs.iter().map(figure).collect())
}

/// The middle one.
pub fn median_of(mut figures: Vec<f64>) -> Result<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().context("nothing was measured")
}

/// Puts the table between the markers of the page.
pub fn write_to_docs(table: &str) -> Result<()> {
    let path = Path::new(DOCS);
    let page = std::fs::read_to_string(path).with_context(|| format!("cannot read {DOCS}"))?;
    let (before, rest) = page.split_once(BEGIN).with_context(|| format!("{DOCS} has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{DOCS} has no line {END}"))?;
    std::fs::write(path, format!("{before}{BEGIN}\n{table}{END}{after}")).context("cannot write the page")
}
