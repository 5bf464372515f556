//! What goes wrong on the way to a venue and back. The venue's own journal says what is true; the adapter must never say
//! less than it, and never make two orders of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use atomik_domain::{ExecId, ExecutionReport, OrderRequest, OrderStatus, OrderType, Qty, Side};
use atomik_ports::Broker;
use atomik_ports::broker::{BrokerError, CancelOutcome, LookUp, SubmitOutcome};

use super::cases::{limit, market, scaled};
use super::{Ability, DEADLINE, VenueFixture, Verdict, Wrong, approved, require, settled};
use crate::venues::faults::{Fault, StreamFault};

/// Sends an order into a fault; what the adapter said, and the order.
async fn send_into(venue: &mut impl VenueFixture, fault: Fault) -> (SubmitOutcome, OrderRequest) {
    let request = market(venue, Side::Buy, 1).await;
    venue.plan(fault).await;
    (venue.broker().submit(approved(request.clone())).await, request)
}

/// The order was taken, and nobody said so: it must be unknown, and found by asking.
async fn taken_unheard(venue: &mut impl VenueFixture, fault: Fault) -> Verdict {
    require(venue, Ability::Fault(fault))?;
    let (outcome, request) = send_into(venue, fault).await;
    assert!(matches!(outcome, SubmitOutcome::Unknown { .. }), "{fault:?} must be unknown: {outcome:?}");
    let found = settled(&venue.broker(), &request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(found.filled_qty, request.order_qty);
    assert_eq!(venue.journal(request.client_order_id).await, (1, request.order_qty));
    Ok(())
}

/// The order was not taken, and that is not proven by the send itself unless no byte left.
async fn lost_unheard(venue: &mut impl VenueFixture, fault: Fault) -> Verdict {
    require(venue, Ability::Fault(fault))?;
    let (outcome, request) = send_into(venue, fault).await;
    assert!(
        matches!(outcome, SubmitOutcome::Unknown { .. } | SubmitOutcome::NotSent { .. }),
        "{fault:?} proves nothing: {outcome:?}"
    );
    let found = venue.broker().look_up(&request.symbol, request.client_order_id).await;
    assert_eq!(found, LookUp::NotFound);
    assert_eq!(venue.journal(request.client_order_id).await, (0, Qty::ZERO));
    Ok(())
}

/// A timeout proves nothing.
pub async fn an_order_whose_answer_never_came_is_found(mut venue: impl VenueFixture) -> Verdict {
    taken_unheard(&mut venue, Fault::TimeoutThenFilled).await
}

/// A timeout proves nothing the other way either.
pub async fn an_order_that_was_lost_is_not_found(mut venue: impl VenueFixture) -> Verdict {
    lost_unheard(&mut venue, Fault::TimeoutThenAbsent).await
}

/// A connection that breaks before the order is taken.
pub async fn an_order_whose_connection_broke_before_is_not_found(mut venue: impl VenueFixture) -> Verdict {
    lost_unheard(&mut venue, Fault::DroppedBefore).await
}

/// A connection that breaks after the order is taken.
pub async fn an_order_whose_connection_broke_after_is_found(mut venue: impl VenueFixture) -> Verdict {
    taken_unheard(&mut venue, Fault::DroppedAfter).await
}

/// A server that fails may have done what it was asked.
pub async fn an_order_behind_a_server_error_is_found(mut venue: impl VenueFixture) -> Verdict {
    taken_unheard(&mut venue, Fault::ServerErrorAfter).await
}

/// A status is no answer where the body says otherwise.
pub async fn an_error_inside_a_success_is_a_rejection(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::ErrorInSuccess))?;
    let (outcome, request) = send_into(&mut venue, Fault::ErrorInSuccess).await;
    match outcome {
        SubmitOutcome::Rejected { reason } => assert!(reason.len() > 10, "no reason: {reason:?}"),
        other => panic!("a refusal inside a 200 is a proof: {other:?}"),
    }
    assert_eq!(venue.journal(request.client_order_id).await, (0, Qty::ZERO));
    Ok(())
}

/// What nobody can read may be an acceptance.
pub async fn an_order_behind_an_unreadable_success_is_found(mut venue: impl VenueFixture) -> Verdict {
    taken_unheard(&mut venue, Fault::UnreadableSuccess).await
}

/// A rate limit is a proof that nothing was taken, and is waited out.
pub async fn too_many_requests_is_not_sent_and_says_when(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::RateLimited))?;
    let (outcome, request) = send_into(&mut venue, Fault::RateLimited).await;
    match outcome {
        SubmitOutcome::NotSent { retry_after, .. } => assert!(!retry_after.is_zero()),
        other => panic!("a rate limit takes nothing: {other:?}"),
    }
    assert_eq!(venue.journal(request.client_order_id).await, (0, Qty::ZERO));
    Ok(())
}

/// A penalty ticket is the one answer after which the same order may be sent again at once.
pub async fn a_penalty_is_waited_out_and_takes_the_order_once(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::PenaltyTicket))?;
    let (outcome, request) = send_into(&mut venue, Fault::PenaltyTicket).await;
    sent_once(&venue, outcome, &request).await;
    Ok(())
}

/// A token that expires on the way costs a renewal, never an order.
pub async fn an_expired_token_in_mid_order_doubles_nothing(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::TokenExpired))?;
    let (outcome, request) = send_into(&mut venue, Fault::TokenExpired).await;
    sent_once(&venue, outcome, &request).await;
    Ok(())
}

/// A venue that is closed takes nothing, whatever it answers.
pub async fn maintenance_doubles_nothing(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::Maintenance))?;
    let (outcome, request) = send_into(&mut venue, Fault::Maintenance).await;
    assert!(!matches!(outcome, SubmitOutcome::Accepted(_)), "nothing was taken: {outcome:?}");
    assert_eq!(venue.journal(request.client_order_id).await, (0, Qty::ZERO));
    Ok(())
}

/// The adapter either got it through, or said that it did not leave, and then it does at the next try.
async fn sent_once(venue: &impl VenueFixture, outcome: SubmitOutcome, request: &OrderRequest) {
    let broker = venue.broker();
    match outcome {
        SubmitOutcome::Accepted(_) => {}
        SubmitOutcome::NotSent { retry_after, .. } => {
            assert_eq!(venue.journal(request.client_order_id).await, (0, Qty::ZERO));
            let again = async {
                let mut pause = retry_after;
                loop {
                    tokio::time::sleep(pause).await;
                    match broker.submit(approved(request.clone())).await {
                        SubmitOutcome::NotSent { retry_after, .. } => pause = retry_after,
                        other => return other,
                    }
                }
            };
            let again = tokio::time::timeout(DEADLINE, again).await.expect("it leaves in the end");
            assert!(matches!(again, SubmitOutcome::Accepted(_)), "{again:?}");
        }
        other => panic!("it was proven that nothing was taken: {other:?}"),
    }
    settled(&broker, request, |report| report.status == OrderStatus::Filled).await;
    assert_eq!(venue.journal(request.client_order_id).await, (1, request.order_qty));
}

/// A word of tomorrow's API must not end an order today.
pub async fn a_status_that_nobody_knows_is_never_final(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Fault(Fault::UnknownStatus))?;
    let (outcome, request) = send_into(&mut venue, Fault::UnknownStatus).await;
    match outcome {
        SubmitOutcome::Accepted(report) => assert!(!report.status.is_final(), "{report:?}"),
        SubmitOutcome::Unknown { .. } => {}
        other => panic!("the venue took it: {other:?}"),
    }
    match venue.broker().look_up(&request.symbol, request.client_order_id).await {
        LookUp::Found(report) => assert!(!report.status.is_final(), "{report:?}"),
        LookUp::Unavailable { .. } => {}
        LookUp::NotFound => panic!("the venue has it"),
    }
    assert_eq!(venue.journal(request.client_order_id).await.0, 1);
    Ok(())
}

/// The cancel comes too late, and what filled is not lost over it.
pub async fn a_cancel_that_races_a_fill_tells_the_fill(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::Fault(Fault::FillsBeforeCancel))?;
    let broker = venue.broker();
    let request = limit(&venue, Side::Buy, 1, 50).await;
    venue.plan(Fault::FillsBeforeCancel).await;
    let accepted = broker.submit(approved(request.clone())).await;
    assert!(matches!(accepted, SubmitOutcome::Accepted(_)), "{accepted:?}");
    match broker.cancel(&request.symbol, request.client_order_id).await {
        CancelOutcome::Done(report) => assert_eq!(report.filled_qty, request.order_qty),
        CancelOutcome::NotOpen | CancelOutcome::Requested => {}
        CancelOutcome::Unknown { evidence } => panic!("the venue answered: {evidence}"),
    }
    let ended = settled(&broker, &request, |report| report.status.is_final()).await;
    assert_eq!((ended.status, ended.filled_qty), (OrderStatus::Filled, request.order_qty));
    Ok(())
}

/// What happened while nobody listened is found by asking.
pub async fn a_gap_in_the_stream_ends_the_connection_and_a_look_up_fills_it(
    mut venue: impl VenueFixture,
) -> Verdict {
    require(&venue, Ability::Stream(StreamFault::Gap))?;
    require(&venue, Ability::OrderType(OrderType::Limit))?;
    require(&venue, Ability::MovingPrices)?;
    let request = limit(&venue, Side::Buy, 1, 90).await;
    let below = scaled(&venue, 89).await;
    let accepted = venue.broker().submit(approved(request.clone())).await;
    assert!(matches!(accepted, SubmitOutcome::Accepted(_)), "{accepted:?}");
    venue.disturb(StreamFault::Gap).await;
    venue.move_price(below).await;
    let ended = async { while venue.next_report().await.is_some() {} };
    tokio::time::timeout(DEADLINE, ended).await.expect("a connection without its stream ends");
    venue.restart().await;
    let found = settled(&venue.broker(), &request, |report| report.status.is_final()).await;
    assert_eq!((found.status, found.filled_qty), (OrderStatus::Filled, request.order_qty));
    Ok(())
}

/// Listens until the reports of an order add up to all of it.
async fn heard(venue: &mut impl VenueFixture, request: &OrderRequest) -> BTreeMap<ExecId, Qty> {
    let mut heard = BTreeMap::new();
    let listen = async {
        while heard.values().fold(Qty::ZERO, |sum, qty| sum + *qty) != request.order_qty {
            let report: ExecutionReport = venue.next_report().await.expect("the connection lives");
            if report.client_order_id != request.client_order_id {
                continue;
            }
            for execution in report.executions {
                let known = heard.insert(execution.exec_id, execution.last_qty);
                assert!(known.is_none_or(|known| known == execution.last_qty), "one exec id, two quantities");
            }
        }
    };
    tokio::time::timeout(DEADLINE, listen).await.expect("reports of the whole order");
    heard
}

/// What the stream told and what a look-up tells is the same executions.
async fn adds_up(venue: &mut impl VenueFixture, fault: StreamFault) -> Verdict {
    require(venue, Ability::Stream(fault))?;
    venue.disturb(fault).await;
    let request = market(venue, Side::Buy, 2).await;
    let broker = venue.broker();
    let accepted = broker.submit(approved(request.clone())).await;
    let SubmitOutcome::Accepted(answer) = accepted else { panic!("not accepted: {accepted:?}") };
    let heard = heard(venue, &request).await;
    let found = settled(&broker, &request, |report| report.status == OrderStatus::Filled).await;
    let ids: Vec<_> = found.executions.iter().map(|execution| &execution.exec_id).collect();
    let of_answer = answer.executions.iter().map(|execution| &execution.exec_id);
    assert!(
        of_answer.chain(heard.keys()).all(|id| ids.contains(&id)),
        "{ids:?} against {heard:?} and {answer:?}"
    );
    Ok(())
}

/// A report that comes twice is one report.
pub async fn reports_that_come_twice_carry_the_same_executions(mut venue: impl VenueFixture) -> Verdict {
    adds_up(&mut venue, StreamFault::Duplicated).await
}

/// Reports may overtake each other.
pub async fn reports_out_of_order_add_up(mut venue: impl VenueFixture) -> Verdict {
    adds_up(&mut venue, StreamFault::Reordered).await
}

/// A fill may be reported before its order's answer.
pub async fn reports_before_the_answer_add_up(mut venue: impl VenueFixture) -> Verdict {
    adds_up(&mut venue, StreamFault::Early).await
}

/// The trader is told in a sentence, and no secret is in it.
pub async fn wrong_credentials_say_what_to_do(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Wrong(Wrong::Credentials))?;
    match venue.connect_wrongly(Wrong::Credentials).await {
        Err(BrokerError::Unauthorized(sentence)) => {
            assert!(sentence.len() > 20 && sentence.ends_with('.'), "no sentence: {sentence:?}");
        }
        other => panic!("wrong credentials are refused as such: {other:?}"),
    }
    Ok(())
}

/// Where the venue looks at clocks, the adapter keeps the venue's.
pub async fn a_clock_that_is_off_is_no_hindrance_or_says_so(mut venue: impl VenueFixture) -> Verdict {
    require(&venue, Ability::Wrong(Wrong::Clock))?;
    match venue.connect_wrongly(Wrong::Clock).await {
        Ok(()) => {
            let broker: Arc<dyn Broker> = venue.broker();
            let request = market(&venue, Side::Buy, 1).await;
            let accepted = broker.submit(approved(request.clone())).await;
            assert!(matches!(accepted, SubmitOutcome::Accepted(_)), "{accepted:?}");
        }
        Err(error) => assert!(error.to_string().contains("clock"), "{error}"),
    }
    Ok(())
}
