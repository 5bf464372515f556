//! What the venue's words come to.

use std::time::Duration;

use atomik_domain::order::{Execution, PriceSource};
use atomik_domain::{
    Amount, ClientOrderId, ExecId, ExecutionReport, OrderStatus, Price, Qty, UnixMicros, VenueOrderId,
};
use atomik_ports::broker::SubmitOutcome;
use rust_decimal::Decimal;

use super::replies::{Fill, Placed};

/// How long the venue wants to be left alone after a 429, a 423 or a penalty with a captcha.
pub(super) const LOCKOUT: Duration = Duration::from_secs(3_600);

/// The documented reasons that prove that an order was not taken. The other documented ones are `Success` and three that do
/// not say whether the order is on its way: `UnknownReason`, `OtherExecutionRelated` (something at the exchange's side) and
/// `RiskCheckTimeout` (a check that did not answer).
pub(super) const REFUSALS: &[&str] = &[
    "AccountClosed",
    "AdvancedTrailingStopUnsupported",
    "AnotherCommandPending",
    "BackMonthProhibited",
    "ExecutionProviderNotConfigured",
    "ExecutionProviderUnavailable",
    "InvalidContract",
    "InvalidPrice",
    "KeyInformationDocumentRequired",
    "LiquidationOnly",
    "LiquidationOnlyBeforeExpiration",
    "MaxOrderQtyIsNotSpecified",
    "MaxOrderQtyLimitReached",
    "MaxPosLimitMisconfigured",
    "MaxPosLimitReached",
    "MaxTotalPosLimitReached",
    "MultipleAccountPlanRequired",
    "NoQuote",
    "NotEnoughLiquidity",
    "ParentRejected",
    "SSFRiskDisclosureAcknowledgmentRequired",
    "SessionClosed",
    "TooLate",
    "TradingLocked",
    "TrailingStopNonOrderQtyModify",
    "Unauthorized",
    "Unsupported",
];

/// What an answer to an order comes to; the order's id where it was taken.
///
/// # Errors
/// The outcome where it was not, or where nobody knows.
pub(super) fn placed(answer: &Placed) -> Result<i64, SubmitOutcome> {
    let failure = answer.failure_reason.as_deref().filter(|word| *word != "Success");
    match (answer.order_id.filter(|id| *id > 0), failure) {
        (Some(id), None) => Ok(id),
        (None, Some(word)) if REFUSALS.contains(&word) => {
            Err(SubmitOutcome::Rejected { reason: said(word, answer.failure_text.as_deref()) })
        }
        (None, Some(word)) => Err(SubmitOutcome::Unknown {
            evidence: format!("Tradovate answered {}", said(word, answer.failure_text.as_deref())),
        }),
        (Some(id), Some(word)) => Err(SubmitOutcome::Unknown {
            evidence: format!("Tradovate named order {id} and answered {word}"),
        }),
        (None, None) => {
            Err(SubmitOutcome::Unknown { evidence: "Tradovate answered without an order".to_owned() })
        }
    }
}

/// A reason in the venue's words.
pub(super) fn said(word: &str, text: Option<&str>) -> String {
    let spaced: String = word
        .char_indices()
        .flat_map(|(at, one)| {
            let breaks = at > 0 && one.is_ascii_uppercase();
            breaks.then_some(' ').into_iter().chain(std::iter::once(one))
        })
        .take(100)
        .collect();
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("{spaced}: {}", text.chars().take(200).collect::<String>()),
        None => format!("Tradovate's reason is {spaced}."),
    }
}

/// Where an order stands; `None` for a word that says nothing, or that no document knows. `qty` is what was ordered, where
/// that is known.
pub(super) fn status(word: &str, filled: Qty, qty: Option<Qty>) -> Option<OrderStatus> {
    let open = if filled.is_zero() { OrderStatus::Working } else { OrderStatus::PartiallyFilled };
    match word {
        "PendingNew" | "Working" | "PendingCancel" | "PendingReplace" | "Suspended" => Some(open),
        "Filled" => Some(OrderStatus::Filled),
        "Canceled" => Some(OrderStatus::Canceled),
        "Expired" => Some(OrderStatus::Expired),
        // What traded was taken, whatever happened to the rest.
        "Rejected" if filled.is_zero() => Some(OrderStatus::Rejected),
        "Rejected" => Some(OrderStatus::Canceled),
        // Nothing more happens to it.
        "Completed" => Some(if filled < qty? { OrderStatus::Expired } else { OrderStatus::Filled }),
        _ => None,
    }
}

/// Whether the venue's word ends an order.
pub(super) fn is_final(word: &str) -> bool {
    matches!(word, "Filled" | "Canceled" | "Expired" | "Rejected" | "Completed")
}

/// A fill as the port has it.
pub(super) fn execution(fill: &Fill, commission: Decimal, now: UnixMicros) -> Execution {
    Execution {
        exec_id: ExecId(fill.id.to_string()),
        last_qty: Qty(fill.qty),
        last_price: Price(fill.price),
        commission: Amount(commission),
        fee_qty: Qty::ZERO,
        price_source: PriceSource::Venue,
        traded_at: UnixMicros::parse_rfc3339(&fill.timestamp).unwrap_or(now),
    }
}

/// A report.
pub(super) fn report(
    client_order_id: ClientOrderId,
    order_id: i64,
    status: OrderStatus,
    filled_qty: Qty,
) -> ExecutionReport {
    ExecutionReport {
        client_order_id,
        venue_order_id: Some(VenueOrderId(order_id.to_string())),
        status,
        filled_qty,
        executions: Vec::new(),
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const UNPROVEN: &[&str] = &["OtherExecutionRelated", "RiskCheckTimeout", "UnknownReason"];

    fn answer(order_id: Option<i64>, word: Option<&str>) -> Placed {
        Placed { order_id, failure_reason: word.map(str::to_owned), failure_text: Some("because".to_owned()) }
    }

    #[test]
    fn every_documented_reason_has_its_outcome() {
        for word in REFUSALS {
            let Err(SubmitOutcome::Rejected { reason }) = placed(&answer(None, Some(word))) else {
                panic!("{word}")
            };
            assert!(reason.ends_with(": because"), "{reason}");
        }
        for word in UNPROVEN.iter().chain(&["SomethingNew"]) {
            let outcome = placed(&answer(None, Some(word)));
            assert!(matches!(outcome, Err(SubmitOutcome::Unknown { .. })), "{word}: {outcome:?}");
        }
        assert_eq!(REFUSALS.len() + UNPROVEN.len() + 1, 31, "the document has 31 words");
        assert_eq!(said("MaxPosLimitReached", Some("too many")), "Max Pos Limit Reached: too many");
    }

    #[test]
    fn only_an_order_without_a_failure_was_taken() {
        assert_eq!(placed(&answer(Some(9), None)), Ok(9));
        assert_eq!(placed(&answer(Some(9), Some("Success"))), Ok(9));
        for unclear in [
            answer(None, None),
            answer(None, Some("Success")),
            answer(Some(9), Some("TooLate")),
            answer(Some(0), None),
        ] {
            assert!(matches!(placed(&unclear), Err(SubmitOutcome::Unknown { .. })), "{unclear:?}");
        }
    }

    #[rstest]
    #[case("PendingNew", 0, Some(OrderStatus::Working))]
    #[case("Working", 1, Some(OrderStatus::PartiallyFilled))]
    #[case("PendingCancel", 0, Some(OrderStatus::Working))]
    #[case("PendingReplace", 0, Some(OrderStatus::Working))]
    #[case("Suspended", 0, Some(OrderStatus::Working))]
    #[case("Filled", 2, Some(OrderStatus::Filled))]
    #[case("Canceled", 1, Some(OrderStatus::Canceled))]
    #[case("Expired", 1, Some(OrderStatus::Expired))]
    #[case("Rejected", 0, Some(OrderStatus::Rejected))]
    #[case("Rejected", 1, Some(OrderStatus::Canceled))]
    #[case("Completed", 2, Some(OrderStatus::Filled))]
    #[case("Completed", 1, Some(OrderStatus::Expired))]
    #[case("Unknown", 2, None)]
    #[case("Teleported", 2, None)]
    fn every_documented_status_has_its_meaning(
        #[case] word: &str,
        #[case] filled: i64,
        #[case] expected: Option<OrderStatus>,
    ) {
        let found = status(word, Qty(Decimal::from(filled)), Some(Qty(Decimal::TWO)));
        assert_eq!(found, expected);
        assert_eq!(found.is_some_and(OrderStatus::is_final), is_final(word));
    }
}
