//! Every patch of the list of mutants (`make mutants`) still applies, so that the list cannot rot unnoticed, and says what it
//! takes away and which tests have to fail for it.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

use std::fs;
use std::path::Path;
use std::process::Command;

/// The fewest mutants that the list may have.
const LEAST: usize = 20;

#[test]
fn every_mutant_applies_and_says_what_it_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let mut patches: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    assert!(patches.len() >= LEAST, "the list of mutants has grown short: {}", patches.len());
    for patch in patches {
        let name = patch.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&patch).unwrap();
        let mut head = text.lines();
        assert!(head.next().is_some_and(|line| line.starts_with("what: ")), "{name} says what it takes away");
        let test = head.next().and_then(|line| line.strip_prefix("test: "));
        assert!(test.is_some_and(|test| test.contains("-p atomik-")), "{name} says which tests must fail");
        let checked = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root).output();
        let checked = checked.unwrap();
        let says = String::from_utf8_lossy(&checked.stderr);
        assert!(
            checked.status.success(),
            "{name} applies no more; make it anew from the code as it is:\n{says}"
        );
    }
}
