//! Whatever TWS says, after the client library has taken it apart: texts, doubles and numbers, one fact a line.

use atomik_domain::{Price, Qty, UnixMicros};
use ibapi::orders::OrderStatusKind;

use super::book::{Book, Trade};
use super::{codes, contracts, exact, executions, orders};
use crate::fuzzing::{check, id};

pub fn run(input: &[u8]) {
    let book = Book::new();
    book.enter(id(), 1);
    let text = String::from_utf8_lossy(input);
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (kind, number, rest) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let double = |text: &str| text.parse().ok().and_then(exact::decimal);
        let report = match kind {
            "trade" => {
                let (Some(qty), Some(price)) = (double(number), double(rest)) else { continue };
                let at = executions::time_of(rest, None).unwrap_or(UnixMicros(0));
                let trade = Trade { execution_id: rest.to_owned(), qty: Qty(qty), price: Price(price), at };
                book.trade_told(id(), 7, trade).0
            }
            "commission" => double(number).and_then(|commission| book.commission_told(rest, commission)),
            "late" => book.commission_is_late(rest),
            "status" => {
                let filled = double(number).map_or(Qty::ZERO, Qty);
                let kind = [OrderStatusKind::Submitted, OrderStatusKind::Filled, OrderStatusKind::Cancelled];
                book.status_told(1, 7, &kind[rest.len() % kind.len()], filled)
            }
            "order" => book.order_told(
                id(),
                number.parse().unwrap_or_default(),
                7,
                &OrderStatusKind::Submitted,
                rest,
            ),
            "message" => {
                let code = number.parse().unwrap_or_default();
                let _ = (codes::for_order(code), codes::for_link(code), codes::is_read_only(code, rest));
                book.message_told(1, code, rest)
            }
            _ => {
                let zone = time_tz::timezones::get_by_name("America/New_York");
                let _ = (
                    executions::time_of(line, zone),
                    executions::revision_of(line),
                    executions::trade_of(line),
                );
                let _ = (orders::reference(line), double(number).and_then(exact::double));
                let _ = contracts::multiplier(kind, number.parse().unwrap_or_default());
                None
            }
        };
        if let Some(report) = report {
            check(&report);
        }
    }
    if let Some(standing) = book.standing(id()) {
        check(&standing.report);
    }
}
