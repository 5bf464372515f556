//! The webhook's log: every answer to a known token, no secret, and few rows under a flood.

use std::time::Duration;

use atomik_domain::Code;
use atomik_engine::Inbound;
use atomik_ports::history::DeliveryFilter;
use rstest::rstest;
use secrecy::SecretString;

use crate::house::{House, SECRET, until};

#[tokio::test]
async fn every_answer_to_a_known_token_is_logged() {
    let house = House::new().await;
    house.send(r#"{"action":"BUY"}"#).await;
    house.send(r#"{"action":"BUY"}"#).await;
    house.send(r#"{"action":"HOLD"}"#).await;
    let stranger = Inbound { remote_ip: [203, 0, 113, 9].into(), ..house.inbound("{}") };
    house.engine.receive(stranger).await;
    let nobody = Inbound { token: "nobody".to_owned(), ..house.inbound("{}") };
    house.engine.receive(nobody).await;
    let token = &house.tenant.webhook.token;
    let now = atomik_testkit::builders::START;
    house.engine.note_refusal(token, [10, 1, 2, 3].into(), now, 413, Code::PayloadTooLarge);
    until("all are logged", async || house.log(DeliveryFilter::All).await.len() == 5).await;
    let log = house.log(DeliveryFilter::All).await;
    let rows: Vec<_> = log.iter().map(|row| (row.status, row.code, row.signal_id.is_some())).collect();
    assert_eq!(
        rows,
        [
            (413, Code::PayloadTooLarge, false),
            (403, Code::IpNotAllowed, false),
            (422, Code::InvalidAction, false),
            (202, Code::Replayed, true),
            (202, Code::Accepted, true),
        ]
    );
    assert!(log[2].detail.contains("BUY") && log[2].payload.as_deref() == Some(r#"{"action":"HOLD"}"#));
}

#[tokio::test]
async fn who_is_told_of_a_refusal_finds_it_in_the_log() {
    let house = House::new().await;
    let mut told = house.engine.events().subscribe(house.tenant.user.id, None).live;
    for rows in 1..=3 {
        house.send(r#"{"action":"HOLD"}"#).await;
        told.recv().await.unwrap();
        assert_eq!(house.log(DeliveryFilter::All).await.len(), rows);
    }
}

#[tokio::test]
async fn a_flood_of_refusals_keeps_few_rows_and_counts_the_rest() {
    let house = House::new().await;
    let guess = || Inbound { secrets: vec![SecretString::from("guess")], ..house.inbound("{}") };
    house.at_once((0..100).map(|_| guess()).collect()).await;
    until("the first are kept", async || house.log(DeliveryFilter::Refused).await.len() == 20).await;
    house.recover(Duration::from_secs(3)).await;
    house.engine.receive(guess()).await;
    until("one more is kept", async || house.log(DeliveryFilter::Refused).await.len() == 21).await;
    assert_eq!(house.log(DeliveryFilter::Refused).await[0].suppressed, 80);
    let total: u32 = house.log(DeliveryFilter::All).await.iter().map(|row| 1 + row.suppressed).sum();
    assert_eq!(total, 101, "none is lost from the count");
}

#[rstest]
#[case::right_in_the_body(&[], SECRET, r#"{"action":"BUY","secret":"SECRET"}"#)]
#[case::wrong_in_the_body(&[], "hunter2", r#"{"action":"BUY","secret":"SECRET"}"#)]
#[case::a_number_in_the_body(&[], "90210777", r#"{"action":"BUY","secret":90210777}"#)]
#[case::escaped_in_the_body(&[], SECRET, r#"{"action":"BUY","\u0073ecret":"SECRET"}"#)]
#[case::short_and_escaped(&[], "hunter2", r#"{"action":"BUY","\u0073ecret":"hunter2"}"#)]
#[case::in_the_query_and_repeated(&["hunter2"], "hunter2", r#"{"action":"BUY","comment":"SECRET"}"#)]
#[case::in_a_refused_body(&[SECRET], SECRET, r#"{"action":"HOLD","comment":"SECRET"}"#)]
#[case::in_no_json(&[], "hunter2", r#"action=BUY "secret":"SECRET" and more"#)]
#[tokio::test]
async fn no_secret_reaches_the_log(#[case] given: &[&str], #[case] secret: &str, #[case] body: &str) {
    let house = House::new().await;
    let secrets = given.iter().map(|secret| SecretString::from(*secret)).collect();
    let inbound = Inbound { secrets, ..house.inbound(&body.replace("SECRET", secret)) };
    house.engine.receive(inbound).await;
    until("it is logged", async || house.log(DeliveryFilter::All).await.len() == 1).await;
    let row = house.log(DeliveryFilter::All).await.remove(0);
    let everything = format!("{row:?} {:?}", house.signals().await);
    assert!(!everything.contains(secret), "{everything}");
}
