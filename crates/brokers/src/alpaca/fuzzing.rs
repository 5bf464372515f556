//! Whatever Alpaca says, read.

use std::collections::BTreeMap;
use std::time::Duration;

use atomik_domain::Symbol;

use super::api::{Posted, forbidden, posted};
use super::broker::missing;
use super::connector::may_trade;
use super::hours::MarketClock;
use super::replies::{Account, Asset, Fill, Order, Position};
use super::reports::report_of;
use super::rules::instrument_of;
use super::stream::hear;
use crate::fuzzing::{answer, check, frames, id};
use crate::wire::decimal::sum;

pub fn run(input: &[u8]) {
    let answer = answer(input);
    let _ = forbidden(&answer);
    if let Posted::Taken(order) = posted(id(), &answer) {
        check(&report_of(id(), &order, Vec::new()));
    }
    let orders = answer.json::<Order>().into_iter().chain(answer.json::<Vec<Order>>().unwrap_or_default());
    for order in orders {
        let fills = answer.json::<Vec<Fill>>().unwrap_or_default();
        let report = report_of(id(), &order, fills);
        check(&report);
        let _ = missing(&report);
    }
    if let Ok(fills) = answer.json::<Vec<Fill>>() {
        let Ok(order) = serde_json::from_str::<Order>(r#"{"id":"1","status":"filled","filled_qty":"1"}"#)
        else {
            return;
        };
        let report = report_of(id(), &order, fills);
        assert!(report.filled_qty >= missing(&report));
        check(&report);
    }
    if let Ok(account) = answer.json::<Account>() {
        let _ = may_trade(&account);
    }
    if let Ok(positions) = answer.json::<Vec<Position>>() {
        let _ = (sum(positions.iter().map(Position::net_qty)), sum(positions.iter().map(Position::net_cost)));
    }
    let _ = answer.json::<MarketClock>();
    let assets = answer.json::<Asset>().into_iter().chain(answer.json::<Vec<Asset>>().unwrap_or_default());
    for asset in assets {
        if let Ok(symbol) = Symbol::parse(&asset.symbol) {
            let _ = (instrument_of(&symbol, &asset, false), instrument_of(&symbol, &asset, true));
        }
    }
    let mut waiting = BTreeMap::new();
    let _ = frames(input).try_for_each(|frame| hear(&frame, &mut waiting));
    let _ = answer.retry_after(Duration::ZERO);
}
