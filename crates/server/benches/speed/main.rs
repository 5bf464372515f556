//! The speed figures: the receiver beside an empty handler, signals that trade, and memory.
//!
//! `make bench` runs all of it in one go; with the argument `cluster` or `timing` it measures that alone, and only prints it. Both servers are child processes, the load comes from this one, all three on
//! the same cores. Figures are printed and written to `docs/performance.md`.

#![allow(clippy::print_stdout, clippy::cast_precision_loss)] // a report for people, with ratios

mod brokers;
mod cluster;
mod empty_handler;
mod load;
mod machine;
mod receiver;
mod report;
mod server;
mod store;
mod timing;
mod trading;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::report::Report;

fn main() -> ExitCode {
    let outcome = match empty_handler::port_from_arguments() {
        Some(port) => run(empty_handler::serve(port)),
        None => run(measure()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("The benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?.block_on(work)
}

/// How long a server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);

/// The argument with which cluster mode alone is measured, and that for what times tell of secrets.
const CLUSTER: &str = "cluster";
const TIMING: &str = "timing";

async fn measure() -> Result<()> {
    let mut report = Report::default();
    if std::env::args().any(|argument| argument == CLUSTER) {
        report.cluster = cluster::measure().await?;
        println!("\n{}", report.cluster_to_markdown()?);
        return Ok(());
    }

    timing::measure(&mut report).await?;
    if std::env::args().any(|argument| argument == TIMING) {
        println!("\n{}", report.timing_to_markdown()?);
        return Ok(());
    }

    println!("Memory after a fresh start ...");
    let fresh = server::fresh_dir()?;
    let atomik = server::Server::start_atomik(fresh.path()).await?;
    tokio::time::sleep(SETTLE).await;
    report.idle_kib = atomik.resident_kib()?;
    atomik.stop().await?;

    receiver::measure(&mut report).await?;
    trading::measure(&mut report).await?;
    brokers::measure(&mut report).await?;
    report.cluster = cluster::measure().await?;

    let table = report.to_markdown()?;
    println!("\n{table}");
    report::write_to_docs(&table)
}
