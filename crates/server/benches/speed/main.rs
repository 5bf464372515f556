//! The speed figures. `make bench` measures all parts and writes them to `docs/performance.md`; with a part's name as its argument
//! one is measured alone, and only printed. The servers are child processes, the load comes from this one, all on the same cores.

#![allow(clippy::print_stdout, clippy::cast_precision_loss)] // a report for people, with ratios

mod brokers;
mod cluster;
mod connection;
mod floors;
mod growth;
mod load;
mod machine;
mod memory;
mod process;
mod receiver;
mod report;
mod server;
mod soak;
mod sqlite_file;
mod store;
mod timing;
mod trading;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::floors::Floor;
use crate::report::{Line, Section};

fn main() -> ExitCode {
    let outcome = match Floor::from_arguments() {
        Some((floor, port)) => run(floor.serve(port)),
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

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Receiver,
    Trading,
    Brokers,
    Memory,
    Growth,
    Timing,
    Cluster,
    Soak,
}

impl Part {
    /// What `make bench` measures, in the order of the page.
    const BENCH: [Self; 7] = [
        Self::Receiver,
        Self::Trading,
        Self::Brokers,
        Self::Memory,
        Self::Growth,
        Self::Timing,
        Self::Cluster,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Receiver => "receiver",
            Self::Trading => "trading",
            Self::Brokers => "brokers",
            Self::Memory => "memory",
            Self::Growth => "growth",
            Self::Timing => "timing",
            Self::Cluster => "cluster",
            Self::Soak => "soak",
        }
    }

    async fn measure(self) -> Result<Vec<Line>> {
        match self {
            Self::Receiver => receiver::measure().await,
            Self::Trading => trading::measure().await,
            Self::Brokers => brokers::measure().await,
            Self::Memory => memory::measure().await,
            Self::Growth => growth::measure().await,
            Self::Timing => timing::measure().await,
            Self::Cluster => cluster::measure().await,
            Self::Soak => soak::measure().await,
        }
    }

    /// The one that the arguments name; `None` where they name none. Cargo's own arguments begin with dashes.
    fn from_arguments() -> Result<Option<Self>> {
        let Some(name) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) else {
            return Ok(None);
        };
        let mut parts = Self::BENCH.into_iter().chain([Self::Soak]);
        let part = parts.find(|part| part.name() == name);
        part.map(Some).with_context(|| format!("no part is called {name}"))
    }
}

async fn measure() -> Result<()> {
    let alone = Part::from_arguments()?;
    let parts = alone.map_or(Part::BENCH.to_vec(), |part| vec![part]);
    let mut lines = Vec::new();
    for part in parts {
        let began = Instant::now();
        println!("== {}", part.name());
        lines.extend(part.measure().await.with_context(|| format!("while measuring {}", part.name()))?);
        println!("({} s)", began.elapsed().as_secs());
    }
    let command = match alone {
        None => "make bench".to_owned(),
        Some(Part::Soak) => "make soak".to_owned(),
        Some(part) => format!("scripts/bench.sh {}", part.name()),
    };
    let table = report::table(&command, &machine::facts().await?, &lines)?;
    println!("\n{table}");
    match alone {
        None => Section::Figures.write(&table),
        Some(Part::Soak) if soak::is_whole()? => Section::Soak.write(&table),
        Some(_) => Ok(()),
    }
}
