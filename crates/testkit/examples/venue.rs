//! Runs a fake venue for a client of a third party, or for a browser: `cargo run -p atomik-testkit --example venue -- alpaca`.
//!
//! Prints the venue's address in a line, does what each line of its standard input asks for, and ends when that is closed.
//! `trade BUY 3 ACME` trades by hand, past every client; `price 110 ACME` moves a price; `held ACME` asks what the account
//! holds. Each is answered in a line.

#![allow(clippy::print_stdout, clippy::panic, clippy::disallowed_methods, reason = "a program for tests")]

use std::io::stdin;
use std::time::{SystemTime, UNIX_EPOCH};

use atomik_testkit::venues::alpaca::AlpacaVenue;
use atomik_testkit::venues::binance::{FakeBinance, FakeMarket, FakeSetup};
use atomik_testkit::venues::exchange::Exchange;
use atomik_testkit::venues::ibkr_web::IbkrWebVenue;
use atomik_testkit::venues::tradovate::FakeTradovate;
use atomik_testkit::venues::tws::Tws;
use rust_decimal::Decimal;

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A client of a third party makes requests that the published document is too old for.
fn lenient(market: FakeMarket) -> FakeSetup {
    FakeSetup { checked: false, ..FakeSetup::of(market) }
}

#[tokio::main]
async fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    match name.as_str() {
        "alpaca" => {
            let venue = AlpacaVenue::start_lenient().await;
            serve(&venue.base_url(), venue.exchange());
        }
        "binance" => {
            let spot = FakeBinance::start(lenient(FakeMarket::Spot)).await;
            let usdm = FakeBinance::start(lenient(FakeMarket::Usdm)).await;
            serve(&format!("{} {}", spot.server.http(), usdm.server.http()), spot.exchange());
        }
        "binance_spot" => binance(lenient(FakeMarket::Spot), false).await,
        "binance_usdm" => binance(lenient(FakeMarket::Usdm), false).await,
        "binance_read_only" => {
            binance(FakeSetup { may_trade: false, ..lenient(FakeMarket::Spot) }, false).await;
        }
        "binance_other_time" => binance(lenient(FakeMarket::Spot), true).await,
        "ibkr_web" => {
            let venue = IbkrWebVenue::start_lenient().await;
            serve(&venue.url(), venue.exchange());
        }
        "ibkr_web_oauth" => {
            let venue = IbkrWebVenue::start_oauth_lenient().await;
            serve(&venue.url(), venue.exchange());
        }
        "tradovate" => {
            let venue = FakeTradovate::start(None).await;
            serve(&venue.server.http(), venue.exchange());
        }
        "tws" => {
            let venue = Tws::start(now_ms).await;
            serve(&venue.address().to_string(), venue.exchange());
        }
        _ => panic!("there is no venue {name:?}"),
    }
}

async fn binance(setup: FakeSetup, other_time: bool) {
    let venue = FakeBinance::start(setup).await;
    if other_time {
        venue.refuse_time();
    }
    serve(&venue.server.http(), venue.exchange());
}

/// Says where the venue is, and does as it is told until the end of the input.
fn serve(address: &str, exchange: &Exchange) {
    println!("{address}");
    tokio::task::block_in_place(|| {
        for line in stdin().lines().map_while(Result::ok) {
            println!("{}", obey(exchange, &line).unwrap_or_else(|| format!("cannot {line}")));
        }
    });
}

fn obey(exchange: &Exchange, line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words.as_slice() {
        ["trade", side @ ("BUY" | "SELL"), qty, symbol] => {
            let qty: Decimal = qty.parse().ok()?;
            exchange.market(symbol)?;
            exchange.trade_by_hand(symbol, if *side == "BUY" { qty } else { -qty });
            Some("done".to_owned())
        }
        ["price", price, symbol] => {
            exchange.market(symbol)?;
            exchange.move_price(symbol, price.parse().ok()?);
            Some("done".to_owned())
        }
        ["held", symbol] => {
            let held = exchange.held().get(*symbol).copied().unwrap_or_default();
            Some(held.qty.normalize().to_string())
        }
        _ => None,
    }
}
