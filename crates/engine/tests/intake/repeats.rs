//! What repeats an accepted alert is answered like it, and trades nothing.

use std::time::Duration;

use atomik_domain::{Code, UnixMicros};
use atomik_engine::{Answer, EngineSettings, Inbound};
use atomik_ports::directory::WebhookPatch;
use rstest::rstest;

use crate::house::{House, verdict};

const BUY: &str = r#"{"action":"BUY"}"#;

#[tokio::test]
async fn of_two_hundred_identical_alerts_at_once_one_is_a_signal() {
    let patient = EngineSettings { store_timeout: Duration::from_secs(3_600), ..EngineSettings::default() };
    let house = House::with(patient, None).await;
    let mut answers = Vec::new();
    // Twenty bursts: the rate alone must not be what stops the repeats.
    house.store.stall(true);
    let mut sends: Vec<_> = Vec::new();
    for _ in 0..20 {
        for _ in 0..10 {
            let mut send = Box::pin(house.engine.receive(house.inbound(BUY)));
            assert!(futures::poll!(send.as_mut()).is_pending());
            sends.push(send);
        }
        house.recover(Duration::from_secs(2)).await;
    }
    house.store.stall(false);
    for send in sends {
        answers.push(send.await);
    }
    let fresh = answers.iter().filter(|answer| verdict(answer) == (202, Code::Accepted)).count();
    let repeats = answers.iter().filter(|answer| verdict(answer) == (202, Code::Replayed)).count();
    assert_eq!((fresh, repeats), (1, 199));
    assert_eq!(house.signals().await.len(), 1);
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_again_until_the_window_closes() {
    let house = House::new().await;
    let first = house.send(BUY).await;
    house.clock.pass_us(UnixMicros::SECOND - 1);
    let repeat = house.send(BUY).await;
    let (Answer::Accepted { timestamp: a, .. }, Answer::Accepted { timestamp: b, replayed: true, .. }) =
        (&first, &repeat)
    else {
        panic!("{first:?} {repeat:?}");
    };
    assert_eq!(a, b);
    // The window is measured from the accepted one, not from the repeat.
    house.clock.pass_us(1);
    assert_eq!(verdict(&house.send(BUY).await), (202, Code::Accepted));
    assert_eq!(house.signals().await.len(), 2);
}

#[rstest]
#[case::spelled_otherwise(r#"{"action": "buy", "comment": " Entry "}"#, true)]
#[case::with_another_price(r#"{"action":"BUY","comment":"ENTRY","price":"5000"}"#, true)]
#[case::another_action(r#"{"action":"SELL","comment":"ENTRY"}"#, false)]
#[case::another_comment(r#"{"action":"BUY","comment":"EXIT_50"}"#, false)]
#[case::another_quantity(r#"{"action":"BUY","comment":"ENTRY","quantity":"2"}"#, false)]
#[case::another_symbol(r#"{"action":"BUY","comment":"ENTRY","symbol":"NQ"}"#, false)]
#[tokio::test]
async fn what_makes_a_repeat(#[case] second: &str, #[case] repeats: bool) {
    let house = House::new().await;
    house.send(r#"{"action":"BUY","comment":"ENTRY"}"#).await;
    let expected = if repeats { Code::Replayed } else { Code::Accepted };
    assert_eq!(verdict(&house.send(second).await), (202, expected));
}

#[rstest]
#[case::another_that_cannot_be_read(r#"{"action":"BUY","quantity":"1,000"}"#, true)]
#[case::none(BUY, true)]
#[case::one_that_can_be_read(r#"{"action":"BUY","quantity":"2000"}"#, false)]
#[tokio::test]
async fn a_quantity_that_cannot_be_read_counts_as_none(#[case] second: &str, #[case] repeats: bool) {
    let house = House::new().await;
    house.send(r#"{"action":"BUY","quantity":"2,000"}"#).await;
    let expected = if repeats { Code::Replayed } else { Code::Accepted };
    assert_eq!(verdict(&house.send(second).await), (202, expected));
}

#[tokio::test]
async fn a_window_of_nothing_switches_it_off() {
    let house = House::new().await;
    house.patch(WebhookPatch { dedupe_window_s: Some(0), ..WebhookPatch::default() }).await;
    for _ in 0..3 {
        assert_eq!(verdict(&house.send(BUY).await), (202, Code::Accepted));
    }
}

#[rstest]
#[case::in_the_header(true)]
#[case::in_the_body(false)]
#[tokio::test]
async fn an_explicit_id_decides_alone_for_a_day(#[case] in_header: bool) {
    let house = House::new().await;
    let send = async |id: &str, action: &str| {
        let inbound = match in_header {
            true => Inbound {
                idempotency_key: Some(id.to_owned()),
                ..house.inbound(&format!(r#"{{"action":"{action}"}}"#))
            },
            false => house.inbound(&format!(r#"{{"action":"{action}","id":"{id}"}}"#)),
        };
        verdict(&house.engine.receive(inbound).await)
    };
    assert_eq!(send("one", "BUY").await, (202, Code::Accepted));
    assert_eq!(send("two", "BUY").await, (202, Code::Accepted), "an id of its own is no repeat");
    house.clock.pass_us(24 * 3_600 * UnixMicros::SECOND - 1);
    assert_eq!(send("one", "BUY").await, (202, Code::Replayed));
    assert_eq!(send("one", "SELL").await, (422, Code::IdReused));
    house.clock.pass_us(1);
    assert_eq!(send("one", "SELL").await, (202, Code::Accepted));
    assert_eq!(house.signals().await.len(), 3);
}
