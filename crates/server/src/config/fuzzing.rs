//! A configuration of any bytes at all: a file's text, a NUL, and then variables, one a line.

use std::ffi::OsString;
use std::path::Path;

use super::layers::{Flags, layer_of, load_layers};

/// Reads it.
///
/// # Panics
/// Where something is untrue that is always true.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (file, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match load_layers(layer_of(Path::new("atomik.toml"), file).map(Some), variables, &Flags::default()) {
        Ok(config) => {
            assert!(!config.public_url(config.server.listen).ends_with('/'));
            assert!(!config.summary().is_empty());
        }
        Err(problems) => assert!(problems.iter().all(|problem| !problem.is_empty()) && !problems.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_configuration_is_a_panic() {
        atomik_testkit::fuzz::replay("configuration", super::run);
    }
}
