//! Runs a fake venue for a client of a third party: `venue tradovate`. Prints its address, and ends when its input does.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "for tests only")]

use atomik_testkit::venues::tradovate::FakeTradovate;

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "tradovate" => {
            let venue = FakeTradovate::start(None).await;
            run(&venue.server.http());
        }
        _ => panic!("no such venue: {name:?}"),
    }
}

fn run(address: &str) {
    println!("{address}");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
