//! What the figures were measured on.

use std::fs::read_to_string;

/// Cores, processor, memory and kernel in one line.
pub fn facts() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory_gib = field("/proc/meminfo", "MemTotal")
        .and_then(|field| field.strip_suffix(" kB")?.trim().parse::<u64>().ok())
        .map_or_else(|| "unknown".to_owned(), |kib| format!("{} GiB", kib / 1_024 / 1_024));
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release: Vec<&str> = kernel.trim().splitn(3, '.').take(2).collect();
    let system = std::env::consts::OS;
    format!("{cores} cores ({processor}), {memory_gib} memory, {system} {}", release.join("."))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
