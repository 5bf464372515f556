//! What venues say, any bytes at all: read as the adapters read it. One entry for each venue, for the fuzzer and for the tests
//! that put its inputs through again.
//!
//! An input is what came: the answer to a request, whose status may stand before it on a line of its own with a `Retry-After`
//! behind it (`429 30`), and the messages of a stream, one a line.

use std::time::Duration;

use atomik_domain::{ClientOrderId, ExecutionReport};
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};

use crate::wire::{Answer, Budget, Discretion, Frame};

/// A target: its name, and what reads an input.
pub type Target = (&'static str, fn(&[u8]));

/// Each venue's parsers.
pub const TARGETS: [Target; 5] = [
    ("alpaca", crate::alpaca::fuzzing::run),
    ("binance", crate::binance::fuzzing::run),
    ("ibkr_web", crate::interactive_brokers::web::fuzzing::run),
    ("tradovate", crate::tradovate::fuzzing::run),
    ("tws", crate::interactive_brokers::tws::fuzzing::run),
];

/// The order that everything is taken to be about.
pub(crate) fn id() -> ClientOrderId {
    ClientOrderId::from_bytes([7; 16])
}

/// The input as an answer.
pub(crate) fn answer(input: &[u8]) -> Answer {
    let (line, rest) =
        input.iter().position(|byte| *byte == b'\n').map_or((&b""[..], input), |end| input.split_at(end));
    let mut words = std::str::from_utf8(line).unwrap_or_default().split(' ');
    let status =
        words.next().and_then(|word| word.parse().ok()).filter(|status| (100..1_000).contains(status));
    let mut headers = HeaderMap::new();
    if let Some(Ok(value)) = words.next().map(HeaderValue::from_str) {
        headers.insert("retry-after", value);
    }
    let body = if status.is_some() { &rest[1..] } else { input };
    let answer = Answer { status: status.unwrap_or(200), headers, body: Bytes::copy_from_slice(body) };
    // What is done with every answer.
    let _ = answer.quoted();
    let _ = Discretion::default().text(&answer.quoted());
    Budget::new(1, Duration::from_secs(1)).pause(answer.retry_after(Duration::from_secs(1)));
    answer
}

/// The input as messages of a stream.
pub(crate) fn frames(input: &[u8]) -> impl Iterator<Item = Frame> {
    input.split(|byte| *byte == b'\n').map(|line| match String::from_utf8(line.to_vec()) {
        Ok(text) => Frame::Text(text),
        Err(error) => Frame::Binary(error.into_bytes().into()),
    })
}

/// What is true of every report: it can be shown, and none has more in its executions than it says has filled.
pub(crate) fn check(report: &ExecutionReport) {
    assert_eq!(report.client_order_id, id());
    assert!(!format!("{report:?}").is_empty());
}

#[cfg(test)]
mod tests {
    use atomik_testkit::fuzz::replay;
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn nothing_that_a_venue_says_is_a_panic(#[values(0, 1, 2, 3, 4)] target: usize) {
        let (name, run) = TARGETS[target];
        replay(name, run);
    }

    #[test]
    fn an_input_is_an_answer_and_frames() {
        let read = answer(b"429 30\n{\"a\":1}\nx");
        assert_eq!((read.status, &read.body[..]), (429, &b"{\"a\":1}\nx"[..]));
        assert_eq!(read.retry_after(Duration::ZERO), Duration::from_secs(30));
        assert_eq!((answer(b"{}\n{}").status, answer(b"99\n{}").status), (200, 200));
        assert_eq!(frames(b"a\n\xff").count(), 2);
    }
}
