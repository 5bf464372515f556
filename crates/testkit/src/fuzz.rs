//! The fuzzer's inputs without the fuzzer: those that were kept are put through a target again, then many more that are made of
//! them. It finds less than a fuzzer, which sees where an input leads, but it runs on every machine in a second.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::venues::spec::material;

/// How many inputs are made.
const ROUNDS: usize = 3_000;
/// The longest one.
const MAX_INPUT: usize = 16 << 10;
/// What is put into inputs: what parsers treat in a way of its own.
const WORDS: [&str; 24] = [
    "null",
    "true",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0000",
    "\\",
    "\n",
    "-1",
    "1e999",
    "-0",
    "0.0000000000000000000000000001",
    "79228162514264337593543950335",
    "9223372036854775807",
    "18446744073709551615",
    "NaN",
    "\u{feff}",
    "é",
    "9999-12-31T23:59:60Z",
    "",
];

/// Puts every kept input through a target, and many that are made of them, the same ones each time.
///
/// # Panics
/// Where the target panics; says with which input.
pub fn replay(target: &str, run: fn(&[u8])) {
    let kept = inputs(target);
    assert!(!kept.is_empty(), "there are no inputs for {target}");
    kept.iter().for_each(|input| run_one(target, run, input));
    let mut random = Random(0x5eed);
    for _ in 0..ROUNDS {
        let mut input = kept[random.below(kept.len())].clone();
        for _ in 0..=random.below(4) {
            change(&mut input, &kept, &mut random);
        }
        input.truncate(MAX_INPUT);
        run_one(target, run, &input);
    }
}

fn run_one(target: &str, run: fn(&[u8]), input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
    assert!(outcome.is_ok(), "{target} panics with the input \"{}\"", input.escape_ascii());
}

/// The kept inputs of a target, and what venues were recorded to say where that is at hand.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let recorded = ["fuzz/seeds", "fuzz/corpus"].map(|folder| workspace.join(folder).join(target));
    let mut files: Vec<_> = recorded.iter().flat_map(|folder| files_below(folder)).collect();
    if let Some(material) = material() {
        let folder = match target {
            "alpaca" => "alpaca",
            "binance" => "nautilus/binance",
            _ => "none",
        };
        files.extend(files_below(&material.join(folder)));
    }
    files.sort();
    let read = files.iter().map(|file| fs::read(file).unwrap_or_default());
    read.filter(|input| input.len() <= MAX_INPUT).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// One change of an input.
fn change(input: &mut Vec<u8>, kept: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let end = at + random.below((input.len() - at).min(16) + 1);
    match random.below(5) {
        0 => drop(input.drain(at..end)),
        1 => drop(input.splice(at..end, WORDS[random.below(WORDS.len())].bytes())),
        2 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        3 => {
            let other = &kept[random.below(kept.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend(&other[from..]);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// Marsaglia's xorshift.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// What comes of a seed. Seeds that lie beside each other have nothing in common.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from zero on, below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % bound
    }
}
