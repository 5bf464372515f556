//! The arrows of the architecture: which crate may use which. Read from the manifests, so that nobody turns one round
//! by accident.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests say what is wrong by panicking

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate, which of ours it may use, and which of others' it must never use.
const RULES: [(&str, &[&str], &[&str]); 8] = [
    ("domain", &[], &["tokio", "futures", "async-trait", "sqlx", "axum", "hyper", "reqwest", "getrandom"]),
    ("ports", &["domain"], &["sqlx", "axum", "hyper", "reqwest"]),
    ("engine", &["domain", "ports"], &["sqlx", "axum", "hyper", "reqwest"]),
    ("storage", &["domain", "ports"], &["axum", "hyper", "reqwest"]),
    ("brokers", &["domain", "ports"], &["axum"]),
    ("http", &["domain", "ports", "engine"], &["sqlx", "redis"]),
    ("server", &["domain", "ports", "engine", "storage", "brokers", "http"], &["sqlx"]),
    ("testkit", &["domain", "ports"], &["sqlx", "reqwest"]),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The normal dependencies of every crate of ours.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let normal = dependencies.filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn every_crate_has_its_rule() {
    let known: BTreeSet<_> = RULES.iter().map(|(name, ..)| format!("atomik-{name}")).collect();
    let there: BTreeSet<_> = dependencies().into_keys().collect();
    assert_eq!(known, there);
}

#[test]
fn arrows_point_one_way() {
    let all = dependencies();
    for (name, allowed, forbidden) in RULES {
        let used = &all[&format!("atomik-{name}")];
        for ours in used.iter().filter_map(|dependency| dependency.strip_prefix("atomik-")) {
            assert!(allowed.contains(&ours), "crates/{name} must not use crates/{ours}");
        }
        for other in forbidden {
            assert!(!used.contains(*other), "crates/{name} must not use {other}");
        }
    }
}

/// Every source file of the rules.
fn domain_sources() -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    let mut folders = vec![workspace().join("crates/domain/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path, text));
            }
        }
    }
    assert!(sources.len() > 10, "the rules are not where they were");
    sources
}

/// The lines of code, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split("//").next().unwrap_or_default())
}

#[test]
fn the_rules_are_pure() {
    for (path, text) in domain_sources() {
        for line in code_lines(&text) {
            let words: BTreeSet<_> = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
            for impure in ["f32", "async", "await", "SystemTime", "Instant", "rand"] {
                assert!(!words.contains(impure), "{}: {impure} in the rules: {line}", path.display());
            }
            // A payload may hold a float somewhere; reading past it is the one place that names the type.
            let past_a_float = path.ends_with("alert.rs") && line.contains("visit_f64");
            assert!(past_a_float || !words.contains("f64"), "{}: a float: {line}", path.display());
        }
    }
}
