//! Whatever Binance says, read.

use super::refusal::{Failure, Refusal, judge};
use super::replies::{
    AlgoOrder, ExchangeInfo, FuturesAccount, FuturesEvent, FuturesPosition, Order, ServerTime, SpotAccount,
    SpotBalance, SpotEvent, SpotMessage, Ticker, Trade,
};
use super::reports::{
    of_algo, of_algo_update, of_futures_event, of_order, of_order_with, of_spot_event, of_trade,
};
use super::rules::Rules;
use super::settings::Market;
use crate::fuzzing::{answer, check, frames, id};
use crate::wire::decimal::sum;

pub fn run(input: &[u8]) {
    let answer = answer(input);
    if let Err(failure) = judge(&answer) {
        let _ = (failure.clone().outcome(), failure.clone().evidence(), Failure::error(failure));
    }
    let _ = Refusal::read(&answer.body).map(|refusal| (refusal.reason(), refusal.is_duplicate()));
    let trades = answer.json::<Vec<Trade>>().unwrap_or_default();
    let executions: Vec<_> = trades.iter().map(of_trade).collect();
    let _ = sum(executions.iter().map(|execution| execution.last_qty.0));
    if let Ok(order) = answer.json::<Order>() {
        let _ = of_order(id(), &order).map(|report| check(&report));
        let _ = of_order_with(id(), &order, executions).map(|report| check(&report));
    }
    if let Ok(order) = answer.json::<AlgoOrder>() {
        let _ = of_algo(id(), &order).map(|report| check(&report));
    }
    if let Ok(account) = answer.json::<SpotAccount>() {
        let _ = sum(account.balances.iter().map(SpotBalance::total));
    }
    let _ = (answer.json::<FuturesAccount>(), answer.json::<Ticker>(), answer.json::<Vec<Ticker>>());
    let _ = (answer.json::<Vec<FuturesPosition>>(), answer.json::<ServerTime>());
    for info in answer.json::<ExchangeInfo>().map(|info| info.symbols).unwrap_or_default() {
        let _ = (Rules::read(Market::Spot, &info), Rules::read(Market::Usdm, &info));
    }
    for frame in frames(input) {
        if let Ok(SpotMessage { event: Some(SpotEvent::Execution(event)), .. }) =
            serde_json::from_slice(frame.as_bytes())
        {
            let _ = of_spot_event(&event);
        }
        match serde_json::from_slice(frame.as_bytes()) {
            Ok(FuturesEvent::Order { order }) => check(&of_futures_event(id(), &order)),
            Ok(FuturesEvent::Algo { order }) => drop(of_algo_update(&order)),
            Ok(FuturesEvent::Expired | FuturesEvent::Other) | Err(_) => {}
        }
    }
}
