//! Repeats that the limiter knows: answered as the store would have answered them, in their turn, without asking it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atomik_domain::ip_allowlist::IpAllowlist;
use atomik_domain::{Code, SignalId, UnixMicros};
use atomik_engine::{Answer, EngineSettings, EventBody, Inbound, Malformed};
use atomik_ports::directory::WebhookPatch;
use atomik_ports::history::{Delivery, DeliveryFilter};
use atomik_ports::rate::{First, Look, Token};
use secrecy::SecretString;

use super::limited::{TAKEN, house, house_with};
use crate::house::{House, until, verdict};

const BUY: &str = r#"{"action":"BUY"}"#;
const FIRST: First = First { signal_id: SignalId(7), received_at: UnixMicros(1_700_000_000_123_456) };

fn known(first: First) -> Token {
    Token::Taken { at: 5, first: Some(first) }
}

async fn rows(house: &House, count: usize) -> Vec<Delivery> {
    until("all are logged", async || house.log(DeliveryFilter::All).await.len() == count).await;
    house.log(DeliveryFilter::All).await
}

#[tokio::test]
async fn a_signal_that_was_stored_is_made_known_with_what_is_left_of_its_window() {
    let (house, limiter) = house(Ok(Token::Taken { at: 41, first: None })).await;
    assert_eq!(verdict(&house.send(BUY).await).1, Code::Accepted);
    let signal = house.signals().await.remove(0).signal;
    let [Some(Look { fingerprint, window_us: UnixMicros::SECOND })] = limiter.looked()[..] else {
        panic!("a window of a second was not looked with");
    };
    let known = limiter.known();
    let [known] = known.as_slice() else { panic!("{known:?}") };
    assert_eq!((known.webhook_id, known.fingerprint, known.at), (signal.webhook_id, fingerprint, 41));
    assert_eq!(known.first, First { signal_id: signal.id, received_at: signal.received_at });
    assert!(known.left <= Duration::from_secs(1), "{known:?}");
    // What the store found was known before.
    assert_eq!(verdict(&house.send(BUY).await).1, Code::Replayed);
    assert_eq!(limiter.known(), []);
}

#[tokio::test]
async fn nothing_is_made_known_where_nothing_is_left() {
    let patient = EngineSettings { store_timeout: Duration::from_secs(3_600), ..EngineSettings::default() };
    let (house, limiter) = house_with(patient, Ok(TAKEN)).await;
    house.store.stall(true);
    let before = house.store.begun.load(Ordering::SeqCst);
    let mut send = Box::pin(house.send(BUY));
    assert!(futures::poll!(send.as_mut()).is_pending());
    let begun = || house.store.begun.load(Ordering::SeqCst) > before;
    until("the commit has begun", async || begun()).await;
    house.recover(Duration::from_secs(2)).await;
    house.store.stall(false);
    assert_eq!(verdict(&send.await).1, Code::Accepted);
    assert_eq!(limiter.known(), []);
}

#[tokio::test]
async fn a_known_repeat_does_not_wait_for_the_store() {
    let (house, limiter) = house(Ok(known(FIRST))).await;
    house.store.stall(true);
    let Answer::Accepted { timestamp, replayed, .. } = house.send(BUY).await else { panic!("refused") };
    assert_eq!((timestamp, replayed), (FIRST.received_at, true));
    assert_eq!(limiter.known(), []);
    house.store.stall(false);
    rows(&house, 1).await;
    assert!(house.signals().await.is_empty(), "it trades nothing");
}

#[tokio::test]
async fn it_leaves_the_row_that_the_store_leaves() {
    let (house, limiter) = house(Ok(TAKEN)).await;
    house.send(BUY).await;
    let first = limiter.known().remove(0).first;
    house.clock.pass_us(1_000);
    let secret = r#"{"action":"BUY","secret":"hunter2"}"#;
    let found = house.send(secret).await;
    limiter.tell(Ok(known(first)));
    assert_eq!(house.send(secret).await, found, "the same answer");
    let log = rows(&house, 3).await;
    assert_eq!((log[0].status, log[0].code), (202, Code::Replayed));
    assert_eq!(log[0].signal_id, Some(first.signal_id));
    assert!(!log[0].payload.as_deref().unwrap().contains("hunter2"));
    assert_eq!(Delivery { id: log[1].id, ..log[0].clone() }, log[1]);
}

#[tokio::test]
async fn who_is_told_of_it_finds_it_in_the_log() {
    let (house, _limiter) = house(Ok(known(FIRST))).await;
    let mut told = house.engine.events().subscribe(house.tenant.user.id, None).live;
    for rows in 1..=3 {
        house.send(BUY).await;
        let event = told.recv().await.unwrap();
        let EventBody::Delivery { status: 202, code: Code::Replayed, signal_id, .. } = event.body else {
            panic!("{event:?}");
        };
        assert_eq!(signal_id, Some(FIRST.signal_id));
        assert_eq!(house.log(DeliveryFilter::All).await.len(), rows);
    }
}

#[tokio::test]
async fn every_refusal_comes_before_it() {
    let (house, limiter) = house(Ok(known(FIRST))).await;
    let good = || house.inbound(BUY);
    let allowed = WebhookPatch {
        allowed_ips: Some(IpAllowlist::parse("10.0.0.0/8").unwrap()),
        ..WebhookPatch::default()
    };
    house.patch(allowed).await;
    let malformed = Malformed { code: Code::InvalidField, detail: "A bad key.".to_owned() };
    for (inbound, code, looks) in [
        (Inbound { token: "nobody".to_owned(), ..good() }, Code::WebhookNotFound, 0),
        (Inbound { remote_ip: [192, 0, 2, 1].into(), ..good() }, Code::IpNotAllowed, 0),
        (Inbound { secrets: vec![SecretString::from("guess")], ..good() }, Code::InvalidSecret, 0),
        (Inbound { malformed: Some(malformed), ..good() }, Code::InvalidField, 1),
        (house.inbound("no JSON"), Code::MalformedJson, 1),
        (house.inbound(r#"{"action":"HOLD"}"#), Code::InvalidAction, 1),
    ] {
        assert_eq!(verdict(&house.engine.receive(inbound).await).1, code);
        assert_eq!(limiter.looked(), vec![None; looks], "{code:?}");
    }
    limiter.tell(Ok(Token::In(1)));
    assert_eq!(verdict(&house.send(BUY).await).1, Code::RateLimited);
}

#[tokio::test]
async fn only_what_a_window_recognizes_is_looked_for() {
    let (house, limiter) = house(Ok(known(FIRST))).await;
    let named = || Inbound { idempotency_key: Some("once".to_owned()), ..house.inbound(BUY) };
    assert_eq!(verdict(&house.engine.receive(named()).await).1, Code::Accepted, "ids are the store's");
    assert_eq!(verdict(&house.engine.receive(named()).await).1, Code::Replayed);
    assert_eq!(verdict(&house.send(r#"{"action":"BUY","id":"twice"}"#).await).1, Code::Accepted);
    house.patch(WebhookPatch { dedupe_window_s: Some(0), ..WebhookPatch::default() }).await;
    assert_eq!(verdict(&house.send(BUY).await).1, Code::Accepted, "the window is switched off");
    assert_eq!(limiter.looked(), [None; 4]);
    assert_eq!(limiter.known(), [], "and nothing of it is made known");
}
