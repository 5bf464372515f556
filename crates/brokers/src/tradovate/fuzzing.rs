//! Whatever Tradovate says, read.

use atomik_domain::UnixMicros;
use atomik_ports::Credentials;
use rust_decimal::Decimal;
use secrecy::SecretString;

use super::frames::{self, Message, ServerFrame};
use super::replies::{
    AccessToken, CashBalanceSnapshot, Commanded, ContractMaturity, FillFee, OAuthToken, Penalty, Placed,
    Product, SyncMessage,
};
use super::symbols::Maturity;
use super::tracker::{Due, Tracker};
use super::{credentials, login, rules};
use crate::fuzzing::{answer, check, frames as messages, id};

/// The account that the stream is about.
const ACCOUNT: i64 = 1;

pub fn run(input: &[u8]) {
    let answer = answer(input);
    let given =
        ["username", "password", "cid", "sec"].map(|name| (name.to_owned(), SecretString::from("1234")));
    if let Ok(entered) = credentials::read(&Credentials::from_iter(given)) {
        let _ = answer.json::<AccessToken>().map(|told| login::read(told, &entered, UnixMicros(0)));
        let _ = answer.json::<OAuthToken>().map(|told| login::read_oauth(told, &entered));
        let _ = entered.scrubbed(&answer.quoted());
    }
    let _ = answer.json::<Placed>().map(|told| rules::placed(&told));
    let _ = (answer.json::<Commanded>(), answer.json::<Penalty>(), answer.json::<CashBalanceSnapshot>());
    let _ = answer.json::<Vec<FillFee>>().map(|fees| fees.iter().map(FillFee::total).max());
    let _ = answer.json::<Product>();
    for maturity in answer.json::<Vec<ContractMaturity>>().unwrap_or_default() {
        let _ = Maturity::read(&maturity).and_then(|maturity| maturity.name("ES"));
    }
    let snapshot = answer.json::<SyncMessage>().unwrap_or_default();
    let (mut tracker, mut touched) = (Tracker::new(ACCOUNT, snapshot), Vec::new());
    tracker.name(5, id());
    for message in messages(input) {
        let Ok(text) = std::str::from_utf8(message.as_bytes()) else { continue };
        let Ok(ServerFrame::Messages(messages)) = frames::read(text) else { continue };
        for message in messages {
            let Message::Props(changes) = message else { continue };
            if changes.iter().try_for_each(|change| tracker.change(change, &mut touched)).is_err() {
                return;
            }
        }
    }
    for order_id in touched {
        let Due::Report(draft) = tracker.due(order_id) else { continue };
        if draft.id != id() {
            continue;
        }
        let mut report = rules::report(draft.id, draft.order_id, draft.status, draft.filled_qty);
        report.executions =
            draft.fills.iter().map(|fill| rules::execution(fill, Decimal::ZERO, UnixMicros(0))).collect();
        check(&report);
    }
}
