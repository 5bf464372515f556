//! Runs a fake venue for a client of a third party: `cargo run -p atomik-testkit --example venue -- tws`.
//!
//! Prints the venue's address in a line, and ends when its standard input is closed.

#![allow(clippy::print_stdout, clippy::panic, clippy::disallowed_methods, reason = "a program for tests")]

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use atomik_testkit::venues::tws::Tws;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "tws" => {
            let venue = Tws::start(now_ms).await;
            serve(&venue.address().to_string()).await;
        }
        _ => panic!("there is no venue {name:?}"),
    }
}

/// Says where the venue is, and waits for the end of the input.
async fn serve(address: &str) {
    println!("{address}");
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    let _ = tokio::task::spawn_blocking(wait).await;
}
