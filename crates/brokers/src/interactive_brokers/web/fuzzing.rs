//! Whatever the Web API says, read.

use atomik_domain::{Qty, Symbol};
use rust_decimal::Decimal;

use super::contracts::Contract;
use super::orders::{OrderBook, Standing};
use super::placing::{CancelVerdict, Verdict, read, read_cancel};
use super::replies::{
    Accounts, ContractInfo, FoundContract, Futures, OrderList, OrderState, PositionRow, SessionStatus,
    SnapshotRow, Stocks, Summary, Tickle, Trade, read_number,
};
use super::stream::{Heard, read as heard};
use crate::fuzzing::{answer, check, frames, id};
use crate::wire::decimal::sum;

pub fn run(input: &[u8]) {
    let answer = answer(input);
    if let Verdict::Asks(question) = read(&answer) {
        let _ = (
            question.declined(),
            question.is_allowed(&["o163".to_owned(), "a text of some length".to_owned()]),
        );
    }
    if let CancelVerdict::Refused(why) = read_cancel(&answer) {
        assert!(!why.contains('\n'), "it is shown on one line");
    }
    let _ = (answer.json::<SessionStatus>(), answer.json::<Tickle>(), answer.json::<Accounts>());
    let _ = (answer.json::<Stocks>(), answer.json::<Futures>(), answer.json::<Vec<FoundContract>>());
    let _ = (answer.json::<Summary>(), super::oauth::read_refusal(&answer));
    if let Ok(contract) =
        answer.json::<ContractInfo>().map_err(drop).and_then(|info| Contract::read(info).map_err(drop))
    {
        let _ = contract.tick_at(Decimal::ONE_HUNDRED);
        let _ = Symbol::parse("ES").map(|symbol| contract.instrument(&symbol));
    }
    for row in answer.json::<Vec<SnapshotRow>>().unwrap_or_default() {
        let _ = row.last.as_deref().and_then(read_number);
    }
    let _ = sum(answer.json::<Vec<PositionRow>>().unwrap_or_default().iter().map(|row| row.position));
    let mut book = OrderBook::default();
    book.expect(id(), Qty(Decimal::TEN));
    book.placed(id(), "1");
    let mut standings: Vec<_> = answer.json::<OrderState>().iter().map(Standing::of_state).collect();
    let mut trades = answer.json::<Vec<Trade>>().unwrap_or_default();
    let mut rows = answer.json::<OrderList>().ok().and_then(|list| list.orders).unwrap_or_default();
    for frame in frames(input) {
        match heard(&frame) {
            Ok(Heard::Trades(told)) => trades.extend(told),
            Ok(Heard::Orders(told)) => rows.extend(told),
            Ok(Heard::WaitsForSession | Heard::Other) => {}
            Err(_) => break,
        }
    }
    for row in &rows {
        book.row(row);
        standings.extend(Standing::of_row(row));
    }
    for trade in &trades {
        book.trade(trade);
    }
    let Some(known) = book.get(id()) else { return };
    check(&known.report_of_fills(id()));
    check(&known.gone(id()));
    for standing in standings {
        if let Some(report) = known.settle(id(), &standing) {
            check(&report);
        }
    }
}
