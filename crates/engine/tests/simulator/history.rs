//! A history: a seed, and which of its steps are played. What each step does comes from the seed and its number alone, so that
//! the others play on as they were when some are left out.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::random::Random;
use crate::setup::Setup;
use crate::sim::{Counts, Sim};

/// How many steps a whole history has.
pub const STEPS: u32 = 300;

/// A history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub seed: u64,
    pub steps: Vec<u32>,
}

/// Where a history says what happens in it.
pub enum Voice {
    Silent,
    Aloud,
    Kept(Vec<String>),
}

impl Voice {
    pub fn say(&mut self, what: impl FnOnce() -> String) {
        match self {
            Self::Silent => {}
            Self::Aloud => eprintln!("{}", what()),
            Self::Kept(said) => said.push(what()),
        }
    }
}

/// A broken promise: what was said, and where it was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub says: String,
    pub place: String,
}

impl History {
    /// All of a seed's steps.
    pub fn whole(seed: u64) -> Self {
        Self { seed, steps: (0..STEPS).collect() }
    }

    /// Plays it. Panics where a promise is broken.
    pub fn play(&self, voice: Voice) -> (Counts, Voice) {
        let mut sim = Sim::new(Setup::of(&mut Random::new(self.seed)), voice);
        for step in &self.steps {
            sim.step(&mut Random::of_step(self.seed, *step));
            sim.check();
        }
        sim.settle();
        sim.check_end();
        (sim.counts, sim.voice)
    }

    /// Plays it without a word.
    pub fn outcome(&self) -> Result<Counts, Broken> {
        watch_panics();
        BROKEN.with_borrow_mut(|broken| *broken = Some(None));
        let played = panic::catch_unwind(AssertUnwindSafe(|| self.play(Voice::Silent)));
        let broken = BROKEN.with_borrow_mut(Option::take).flatten();
        played.map(|(counts, _)| counts).map_err(|_| broken.expect("a panic has a place"))
    }

    /// The steps `0-4,9`.
    pub fn parse_steps(text: &str) -> Option<Vec<u32>> {
        let range = |part: &str| -> Option<RangeInclusive<u32>> {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        };
        let ranges: Option<Vec<_>> =
            text.split(',').filter(|part| !part.trim().is_empty()).map(range).collect();
        Some(ranges?.into_iter().flatten().collect())
    }
}

/// As it is replayed: `ATOMIK_SEED=7 ATOMIK_STEPS=0-4,9`.
impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ATOMIK_SEED={}", self.seed)?;
        if self.steps.len() < usize::try_from(STEPS).unwrap_or_default() {
            let runs = self.steps.chunk_by(|one, next| one + 1 == *next);
            let runs = runs.map(|run| match run {
                [one] => one.to_string(),
                [first, .., last] => format!("{first}-{last}"),
                [] => String::new(),
            });
            write!(formatter, " ATOMIK_STEPS={}", runs.collect::<Vec<_>>().join(","))?;
        }
        Ok(())
    }
}

thread_local! {
    /// On a thread that watches: what its last panic said.
    static BROKEN: RefCell<Option<Option<Broken>>> = const { RefCell::new(None) };
}

/// Keeps panics of histories that are only tried out of the output, and notes what they say.
fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_watched = BROKEN.with_borrow_mut(|broken| match broken {
                None => false,
                Some(noted) => {
                    let place = panic.location().map(ToString::to_string).unwrap_or_default();
                    *noted = Some(Broken { says: said(panic.payload()), place });
                    true
                }
            });
            if !is_watched {
                before(panic);
            }
        }));
    });
}

fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}
