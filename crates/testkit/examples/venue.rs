//! Runs a fake venue for a client of a third party: `cargo run -p atomik-testkit --example venue -- alpaca`.
//!
//! Prints the venue's address in a line, and ends when its standard input is closed.

#![allow(clippy::print_stdout, clippy::panic, reason = "a program for tests")]

use std::io::Read;

use atomik_testkit::venues::alpaca::AlpacaVenue;

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "alpaca" => {
            let venue = AlpacaVenue::start_lenient().await;
            serve(&venue.base_url()).await;
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
