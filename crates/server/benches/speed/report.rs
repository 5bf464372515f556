//! The figures beside their targets, as a Markdown table, for the terminal and for `docs/performance.md`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use atomik_ports::clock::{Clock, SystemClock};
use hdrhistogram::Histogram;

use crate::load::Run;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");

/// The quantiles that every latency is told by.
pub const QUANTILES: &str = "p50 / p99 / p99.9";

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

/// A part of the page that runs replace: what is between two lines of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Figures,
    Soak,
}

impl Section {
    fn markers(self) -> (&'static str, &'static str) {
        match self {
            Self::Figures => ("<!-- figures: begin -->", "<!-- figures: end -->"),
            Self::Soak => ("<!-- soak: begin -->", "<!-- soak: end -->"),
        }
    }

    /// Puts a table there.
    pub fn write(self, table: &str) -> Result<()> {
        let (begin, end) = self.markers();
        let path = Path::new(DOCS);
        let page = std::fs::read_to_string(path).with_context(|| format!("cannot read {DOCS}"))?;
        let (before, rest) = page.split_once(begin).with_context(|| format!("{DOCS} has no line {begin}"))?;
        let (_, after) = rest.split_once(end).with_context(|| format!("{DOCS} has no line {end}"))?;
        std::fs::write(path, format!("{before}{begin}\n{table}{end}{after}")).context("cannot write the page")
    }
}

/// The table, with the command that made it and what it was measured on.
pub fn table(command: &str, machine: &str, lines: &[Line]) -> Result<String> {
    let day = &SystemClock.now().to_rfc3339()[..10];
    let mut table = format!("Measured on {day} with `{command}` on {machine}.\n\n");
    table.push_str("| What | Figure | Target | Met |\n| --- | --- | --- | --- |\n");
    for Line { what, figure, target, met } in lines {
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        writeln!(table, "| {what} | {figure} | {target} | {met} |")?;
    }
    Ok(table)
}

/// Megabytes.
pub fn mb(kib: u64) -> String {
    format!("{:.0} MB", kib as f64 * 1_024.0 / 1e6)
}

/// Milliseconds.
pub fn ms(micros: f64) -> String {
    format!("{:.2} ms", micros / 1_000.0)
}

/// A quantile of microseconds.
pub fn micros_at(latency_us: &Histogram<u64>, quantile: f64) -> f64 {
    latency_us.value_at_quantile(quantile) as f64
}

/// The [`QUANTILES`] of microseconds.
pub fn quantiles(latency_us: &Histogram<u64>) -> String {
    [0.5, 0.99, 0.999].map(|at| ms(micros_at(latency_us, at))).join(" / ")
}

/// The same over several runs: the middle one of each.
pub fn quantiles_of(runs: &[Run]) -> Result<String> {
    let at = |quantile| median(runs, |run| micros_at(&run.latency_us, quantile)).map(ms);
    Ok([at(0.5)?, at(0.99)?, at(0.999)?].join(" / "))
}

/// Requests a second of the middle run.
pub fn rate(runs: &[Run]) -> Result<String> {
    Ok(format!("{:.0}/s", median(runs, Run::throughput)?))
}

/// How much more runs carried than others did, run by run, for a machine is not as fast in every minute.
pub fn beside(runs: &[Run], others: &[Run]) -> Result<f64> {
    median_of(runs.iter().zip(others).map(|(run, other)| run.throughput() / other.throughput()).collect())
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
