//! Runs a fake venue for a client of a third party: `cargo run -p atomik-testkit --example venue -- ibkr_web`.
//!
//! Prints the venue's address in a line, and ends when its standard input is closed.

#![allow(clippy::print_stdout, clippy::panic, reason = "a program for tests")]

use std::io::Read;

use atomik_testkit::venues::ibkr_web::IbkrWebVenue;

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "ibkr_web" => {
            let venue = IbkrWebVenue::start_lenient().await;
            serve(&venue.url()).await;
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
