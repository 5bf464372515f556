//! Runs a fake venue for a client of a third party: `cargo run -p atomik-testkit --example venue -- binance`.
//!
//! Prints the venue's address in a line, and ends when its standard input is closed.

#![allow(clippy::print_stdout, clippy::panic, reason = "a program for tests")]

use std::io::Read;

use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup};

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "binance" => {
            // A client of a third party makes requests that the published document is too old for.
            let lenient = |market| FakeSetup { checked: false, ..FakeSetup::of(market) };
            let spot = FakeBinance::start(lenient(FakeMarket::Spot)).await;
            let usdm = FakeBinance::start(lenient(FakeMarket::Usdm)).await;
            serve(&format!("{} {}", spot.server.http(), usdm.server.http())).await;
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
