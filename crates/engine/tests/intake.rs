//! The receiver behind transport, with the real embedded store: the order of its checks, what counts as a repeat, and
//! that its answers are the truth when the store is slow or gone.

#![allow(clippy::unwrap_used)] // clippy sees only #[test] functions as tests

mod house;

mod intake {
    mod checks;
    mod faults;
    mod known;
    mod limited;
    mod logs;
    mod rates;
    mod repeats;
}
