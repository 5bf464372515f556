//! The figures of cluster mode beside their targets.

use std::time::Duration;

use anyhow::Result;

use super::cost::Cost;
use super::{CONNECTIONS, FEW, MANY};
use crate::load::{self, Run};
use crate::receiver::WEBHOOKS;
use crate::report::{Line, QUANTILES, beside, mb, median, micros_at, ms, quantiles_of, rate};

/// Everything that is measured of cluster mode.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rounds of the empty handler, beside those of the next three.
    pub empty_handler: Vec<Run>,
    /// Rounds of one node without Redis.
    pub postgres: Vec<Run>,
    /// Rounds of one node with Redis.
    pub one: Vec<Run>,
    /// Rounds of two nodes with Redis.
    pub two: Vec<Run>,
    /// Rounds of the empty handler and of one node with Redis, over few connections.
    pub empty_over_few: Vec<Run>,
    pub one_over_few: Vec<Run>,
    pub one_over_few_cost: Cost,
    /// What the rounds cost, all together.
    pub postgres_cost: Cost,
    pub one_cost: Cost,
    pub two_cost: Cost,
    /// One node with Redis and no two signals at once.
    pub alone: Vec<Run>,
    pub alone_cost: Cost,
    /// Rounds with few webhooks stored.
    pub few: Vec<Run>,
    /// Rounds with many.
    pub many: Vec<Run>,
    pub few_cost: Cost,
    pub many_cost: Cost,
    /// Resident memory of a node with many webhooks, after its start and at its most.
    pub many_kib: u64,
    pub many_peak_kib: u64,
    /// How long that node took to become ready.
    pub many_started_in: Duration,
}

impl Figures {
    /// The lines of the table.
    pub fn lines(&self) -> Result<Vec<Line>> {
        let mut lines = self.node_lines()?;
        lines.extend(self.few_connections_lines()?);
        lines.extend(cost_lines("PostgreSQL", &self.postgres, self.postgres_cost)?);
        lines.extend(cost_lines("PostgreSQL + Redis", &self.one, self.one_cost)?);
        let few = format!("PostgreSQL + Redis, {} connections", load::CONNECTIONS);
        lines.extend(cost_lines(&few, &self.one_over_few, self.one_over_few_cost)?);
        lines.extend(cost_lines("PostgreSQL + Redis, two nodes", &self.two, self.two_cost)?);
        lines.extend(cost_lines("PostgreSQL + Redis, one signal at a time", &self.alone, self.alone_cost)?);
        lines.extend(self.webhook_lines()?);
        Ok(lines)
    }

    fn node_lines(&self) -> Result<Vec<Line>> {
        let empty = median(&self.empty_handler, Run::throughput)?;
        let ratio = beside(&self.one, &self.empty_handler)?;
        let two = beside(&self.two, &self.one)?;
        let late_us = median(&self.one, |run| micros_at(&run.latency_us, 0.99))?;
        let what = format!("PostgreSQL + Redis, {WEBHOOKS} webhooks");
        Ok(vec![
            Line::plain(
                &format!("Cluster mode, {CONNECTIONS} connections. Empty handler: throughput"),
                format!("{empty:.0}/s"),
            ),
            Line::plain("PostgreSQL: throughput", rate(&self.postgres)?),
            Line::plain(&format!("PostgreSQL: {QUANTILES}"), quantiles_of(&self.postgres)?),
            Line::plain(
                "PostgreSQL beside empty handler",
                format!("{:.2}", beside(&self.postgres, &self.empty_handler)?),
            ),
            Line::plain(&format!("{what}: throughput"), rate(&self.one)?),
            Line::plain(&format!("PostgreSQL + Redis: {QUANTILES}"), quantiles_of(&self.one)?),
            Line::against("PostgreSQL + Redis: p99", ms(late_us), "< 20 ms", late_us < 20_000.0),
            Line::against(
                "PostgreSQL + Redis beside empty handler",
                format!("{ratio:.2}"),
                ">= 0.25",
                ratio >= 0.25,
            ),
            Line::plain("Two nodes: throughput", rate(&self.two)?),
            Line::plain(&format!("Two nodes: {QUANTILES}"), quantiles_of(&self.two)?),
            Line::against("Two nodes beside one", format!("{two:.2}"), ">= 1.00", two >= 0.995),
            Line::plain(
                &format!("PostgreSQL + Redis, one signal at a time: {QUANTILES}"),
                quantiles_of(&self.alone)?,
            ),
        ])
    }

    fn few_connections_lines(&self) -> Result<[Line; 3]> {
        let what = format!("PostgreSQL + Redis, {} connections", load::CONNECTIONS);
        let ratio = beside(&self.one_over_few, &self.empty_over_few)?;
        Ok([
            Line::plain(&format!("{what}: throughput"), rate(&self.one_over_few)?),
            Line::plain(&format!("{what}: {QUANTILES}"), quantiles_of(&self.one_over_few)?),
            Line::plain(&format!("{what}: beside empty handler"), format!("{ratio:.2}")),
        ])
    }

    fn webhook_lines(&self) -> Result<Vec<Line>> {
        let ratio = beside(&self.few, &self.many)?;
        let mut lines = vec![
            Line::plain(&format!("{FEW} webhooks stored: throughput"), rate(&self.few)?),
            Line::plain(&format!("{MANY} webhooks stored: throughput"), rate(&self.many)?),
            Line::against(
                &format!("Time for the same signals, {MANY} webhooks beside {FEW}"),
                format!("{ratio:.2}"),
                "<= 1.15",
                ratio <= 1.15,
            ),
        ];
        lines.extend(cost_lines(&format!("{FEW} webhooks stored"), &self.few, self.few_cost)?);
        lines.extend(cost_lines(&format!("{MANY} webhooks stored"), &self.many, self.many_cost)?);
        let start = self.many_started_in.as_secs_f64();
        lines.extend([
            Line::plain(&format!("Memory of a node, {MANY} webhooks"), mb(self.many_kib)),
            Line::plain("The same, peak", mb(self.many_peak_kib)),
            Line::plain(&format!("Start of a node, {MANY} webhooks"), format!("{start:.1} s")),
        ]);
        Ok(lines)
    }
}

/// What one signal cost, on average.
fn cost_lines(what: &str, runs: &[Run], cost: Cost) -> Result<[Line; 2]> {
    let signals: usize = runs.iter().map(|run| run.requests).sum();
    anyhow::ensure!(signals > 0, "nothing was measured");
    let each = |amount: u64| amount as f64 / signals as f64;
    Ok([
        Line::plain(
            &format!("{what}, a signal: processor time of nodes / PostgreSQL / Redis"),
            format!(
                "{:.0} us / {:.0} us / {:.0} us",
                each(cost.nodes_us),
                each(cost.postgres_us),
                each(cost.redis_us)
            ),
        ),
        Line::plain(
            &format!("{what}: signals a transaction / log bytes a signal"),
            format!("{:.0} / {:.0}", 1.0 / each(cost.transactions.max(1)), each(cost.wal_bytes)),
        ),
    ])
}
