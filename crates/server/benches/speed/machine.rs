//! What the figures were measured on.

use std::fs::read_to_string;
use std::process::Command;

use anyhow::Result;

use crate::cluster;

/// Cores, processor, memory, kernel, compiler, and the servers where they are there, in one line.
pub async fn facts() -> Result<String> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory_gib = field("/proc/meminfo", "MemTotal")
        .and_then(|field| field.strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kib| format!("{} GiB", kib / 1_024 / 1_024));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release: Vec<&str> = kernel.trim().splitn(3, '.').take(2).collect();
    let system = std::env::consts::OS;
    let mut facts = format!(
        "{cores} cores ({processor}), {memory_gib} memory, {system} {}, {}",
        release.join("."),
        compiler().unwrap_or_else(|| "an unknown compiler".to_owned())
    );
    if let Some(servers) = cluster::facts().await? {
        facts.push_str(". Cluster mode: ");
        facts.push_str(&servers);
    }
    Ok(facts)
}

/// The compiler, as it names itself, without the day it was made on.
fn compiler() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    Some(version.split(" (").next()?.trim().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
