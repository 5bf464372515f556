//! Runs a fake venue for a client of a third party: `cargo run -p atomik-testkit --example venue -- alpaca`.
//!
//! Prints the venue's address in a line, and ends when its standard input is closed.

#![allow(clippy::print_stdout, clippy::panic, clippy::disallowed_methods, reason = "a program for tests")]

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use atomik_testkit::venues::alpaca::AlpacaVenue;
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup};
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use atomik_testkit::venues::tradovate::FakeTradovate;
use atomik_testkit::venues::tws::Tws;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "alpaca" => {
            let venue = AlpacaVenue::start_lenient().await;
            serve(&venue.base_url()).await;
        }
        "binance" => {
            // A client of a third party makes requests that the published document is too old for.
            let lenient = |market| FakeSetup { checked: false, ..FakeSetup::of(market) };
            let spot = FakeBinance::start(lenient(FakeMarket::Spot)).await;
            let usdm = FakeBinance::start(lenient(FakeMarket::Usdm)).await;
            serve(&format!("{} {}", spot.server.http(), usdm.server.http())).await;
        }
        "ibkr_web" => {
            let (gateway, oauth) =
                (IbkrWebVenue::start_lenient().await, IbkrWebVenue::start_oauth_lenient().await);
            serve(&format!("{} {}", gateway.url(), oauth.url())).await;
        }
        "tradovate" => {
            let venue = FakeTradovate::start(None).await;
            serve(&venue.server.http()).await;
        }
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
