//! Processes of this machine, as Linux shows them.

use std::fs::read_to_string;

use anyhow::{Context, Result};

/// Linux counts processor time for programs in hundredths of a second.
const TICK_US: u64 = 10_000;

/// What a process was at one moment.
pub struct Process {
    /// Its parent.
    pub parent: u32,
    /// The processor time that all of its threads have used, in microseconds.
    pub used_us: u64,
}

impl Process {
    /// `None` where there is no such process (any more).
    pub fn read(id: u32) -> Option<Self> {
        let stat = read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in parentheses, may hold anything; behind it come state, parent ... and, 12th and 13th, the time used.
        let (_, behind_name) = stat.rsplit_once(") ")?;
        let fields: Vec<_> = behind_name.split(' ').collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let parent = u32::try_from(number(1)?).ok()?;
        Some(Self { parent, used_us: (number(11)? + number(12)?) * TICK_US })
    }
}

/// The memory that a process has resident now, in KiB.
pub fn resident_kib(id: u32) -> Result<u64> {
    status_field(id, "VmRSS:")
}

/// The most memory that it ever had resident, in KiB.
pub fn peak_kib(id: u32) -> Result<u64> {
    status_field(id, "VmHWM:")
}

fn status_field(id: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{id}/status");
    let status = read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let field = line.and_then(|line| line.split_whitespace().next());
    field.with_context(|| format!("{path} has no {name}"))?.parse().context("not a number")
}
