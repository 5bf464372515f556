//! The lane as a pure function, against a venue that obeys a script: every row of the guide from signal to fill, and
//! every way in which a venue, a connection, a clock or a process can let it down.

#![allow(clippy::expect_used, clippy::panic)] // clippy sees only #[test] functions as tests

mod support;

mod lanes {
    mod adopt;
    mod fees;
    mod guide;
    mod reports;
    mod restart;
    mod reverse;
    mod shared;
    mod unlinked;
    mod unproven;
    mod unsent;
    mod waiting;
}
