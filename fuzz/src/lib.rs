//! The targets by their names.

// The binary's own module: a binary cannot be depended on.
#[allow(dead_code)]
#[path = "../../crates/server/src/config/mod.rs"]
mod config;

/// Puts an input through a target.
///
/// # Panics
/// Where the target does, which is what is looked for, or where there is none of that name.
pub fn run(target: &str, input: &[u8]) {
    let all = atomik_engine::fuzzing::TARGETS.iter().chain(&atomik_brokers::fuzzing::TARGETS);
    match all.into_iter().find(|(name, _)| *name == target) {
        Some((_, run)) => run(input),
        None => config::fuzzing::run(input),
    }
}
